//! XML-RPC, as far as OpenNebula uses it: texts, numbers and flags there, an array of a flag and a value back.

use roxmltree::{Document, Node};

use super::Access;
use crate::upload::answer::Answer;
use crate::upload::http::Request;
use crate::upload::{Http, Kind, UploadError};

/// Codes of refusals, from OpenNebula's `RequestManager.h`.
const AUTHENTICATION: i64 = 0x100;
const AUTHORIZATION: i64 = 0x200;
const NO_EXISTS: i64 = 0x400;
const LOCKED: i64 = 0x8000;

/// A parameter of a call.
#[derive(Debug, Clone)]
pub(super) enum Parameter<'a> {
    Text(&'a str),
    Number(i64),
    Flag(bool),
}

/// What a call gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Number(i64),
    Flag(bool),
}

impl Value {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            _ => "",
        }
    }

    pub(super) fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }
}

/// Asks the front-end, again while the failure is a passing one.
pub(super) fn call(
    http: &Http,
    access: &Access,
    method: &str,
    parameters: &[Parameter<'_>],
) -> Result<Value, UploadError> {
    let doing = format!("asking OpenNebula for {method}");
    let session = Parameter::Text(access.session.expose());
    let body = request(method, std::iter::once(&session).chain(parameters));
    let answer = http.send(&Request {
        method: "POST",
        url: access.endpoint.clone(),
        // The front-end has few connections, and each waits for its next request.
        headers: vec![("Connection", "close".to_owned())],
        body: Some(("text/xml", body.into_bytes())),
    })?;
    if !answer.is_success() {
        return Err(answer.refused(&doing, "check the address: ONE_XMLRPC, or ~/.one/one_endpoint"));
    }
    outcome(&doing, &answer)
}

fn request<'a>(method: &str, parameters: impl Iterator<Item = &'a Parameter<'a>>) -> String {
    let value = |parameter: &Parameter<'_>| match parameter {
        Parameter::Text(text) => format!("<string>{}</string>", escaped(text)),
        Parameter::Number(number) => format!("<int>{number}</int>"),
        Parameter::Flag(flag) => format!("<boolean>{}</boolean>", u8::from(*flag)),
    };
    let parameters: String =
        parameters.map(|parameter| format!("<param><value>{}</value></param>", value(parameter))).collect();
    format!(
        "<?xml version=\"1.0\"?><methodCall><methodName>{method}</methodName><params>{parameters}</params></methodCall>"
    )
}

/// Writes text so that XML gives it back; what XML cannot carry is left out.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\r' => out.push_str("&#13;"),
            letter if letter.is_control() && letter != '\n' && letter != '\t' => {}
            letter => out.push(letter),
        }
    }
    out
}

fn outcome(doing: &str, answer: &Answer) -> Result<Value, UploadError> {
    let odd = |why: String| {
        UploadError::new(
            Kind::Refused,
            doing,
            format!("the answer is no XML-RPC ({why})"),
            "check ONE_XMLRPC",
        )
    };
    let text = String::from_utf8_lossy(&answer.body);
    let document = Document::parse(&text).map_err(|error| odd(error.to_string()))?;
    let values: Vec<Value> = document
        .descendants()
        .find(|node| node.has_tag_name("data"))
        .map(|data| data.children().filter(Node::is_element).filter_map(value).collect())
        .unwrap_or_default();
    match values.as_slice() {
        [Value::Flag(true), value, ..] => Ok(value.clone()),
        [Value::Flag(false), reason, code, ..] => {
            Err(refused(doing, reason.text(), code.number().unwrap_or(0)))
        }
        _ => {
            let fault =
                document.descendants().find(|node| node.has_tag_name("string")).and_then(|node| node.text());
            Err(odd(fault.unwrap_or("it has no array").to_owned()))
        }
    }
}

fn value(node: Node<'_, '_>) -> Option<Value> {
    let Some(inner) = node.children().find(Node::is_element) else {
        return Some(Value::Text(node.text().unwrap_or_default().to_owned()));
    };
    let text = inner.text().unwrap_or_default();
    match inner.tag_name().name() {
        "boolean" => Some(Value::Flag(text.trim() == "1")),
        "int" | "i4" | "i8" => text.trim().parse().ok().map(Value::Number),
        _ => Some(Value::Text(text.to_owned())),
    }
}

fn refused(doing: &str, reason: &str, code: i64) -> UploadError {
    let (kind, hint) = match code {
        AUTHENTICATION => (Kind::Unauthorized, "check the file that ONE_AUTH names"),
        AUTHORIZATION => (Kind::Refused, "the user lacks a permission; docs/upload.md lists what is needed"),
        NO_EXISTS => (Kind::NotFound, "it was deleted, or belongs to somebody else"),
        LOCKED => (Kind::Conflict, "wait until OpenNebula has done what it is doing with it"),
        _ => (Kind::Refused, "change what OpenNebula complains of"),
    };
    let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    UploadError::new(kind, doing, format!("OpenNebula refused (0x{code:x}): {reason}"), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> Result<Value, UploadError> {
        let body = format!(
            "<?xml version=\"1.0\"?>\r\n<methodResponse><params><param><value>{body}</value></param></params></methodResponse>"
        );
        outcome("asking", &Answer { status: 200, headers: Default::default(), body: body.into_bytes() })
    }

    #[test]
    fn answers_are_read() {
        let good = "<array><data>\n<value><boolean>1</boolean></value><value><i4>7</i4></value><value><i4>0</i4></value></data></array>";
        assert_eq!(answer(good).unwrap(), Value::Number(7));
        let text = "<array><data><value><boolean>1</boolean></value><value><string>&lt;A&gt;&amp;</string></value></data></array>";
        assert_eq!(answer(text).unwrap().text(), "<A>&");
        for (code, kind) in
            [(256, Kind::Unauthorized), (512, Kind::Refused), (1024, Kind::NotFound), (32768, Kind::Conflict)]
        {
            let bad = format!(
                "<array><data><value><boolean>0</boolean></value><value><string>[one.image.info] no</string></value><value><i4>{code}</i4></value></data></array>"
            );
            let error = answer(&bad).unwrap_err();
            assert!(error.kind == kind && error.to_string().contains("[one.image.info] no"), "{error}");
        }
        assert!(answer("<int>1</int>").unwrap_err().to_string().contains("no XML-RPC"));
        // Entities that grow are no part of the protocol.
        let bomb = Answer {
            status: 200,
            headers: Default::default(),
            body: b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>".to_vec(),
        };
        assert!(outcome("asking", &bomb).is_err());
    }

    #[test]
    fn requests_carry_any_text() {
        let parameters = [Parameter::Text("a<b>&\"c\"\u{1}"), Parameter::Number(-3), Parameter::Flag(true)];
        let text = request("one.test", parameters.iter());
        let document = Document::parse(&text).unwrap();
        let values: Vec<&str> = document
            .descendants()
            .filter(|node| node.has_tag_name("value"))
            .filter_map(|node| node.first_child()?.text())
            .collect();
        assert_eq!(values, ["a<b>&\"c\"", "-3", "1"]);
    }
}
