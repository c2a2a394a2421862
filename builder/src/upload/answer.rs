//! What a service answered, and what an answer that is none means.

use std::time::{Duration, SystemTime};

use ureq::http::{HeaderMap, header};

use super::{Kind, UploadError};

/// How much of what a server says is shown.
const REASON_LIMIT: usize = 400;

/// What a service answered.
pub(super) struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    /// Returns whether the service did what it was asked.
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Returns the body as JSON.
    pub(super) fn json(&self, doing: &str) -> Result<serde_json::Value, UploadError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let why = format!("the answer is not what this service's version says ({error})");
            UploadError::new(Kind::Refused, doing, why, "check the service's address")
        })
    }

    /// Makes an error of an answer that is none.
    pub(super) fn refused(&self, doing: &str, hint: &str) -> UploadError {
        let reason = reason(&self.body);
        let colon = if reason.is_empty() { "" } else { ": " };
        let retry_after = retry_after(&self.headers);
        let kind = match self.status {
            401 => Kind::Unauthorized,
            404 | 410 => Kind::NotFound,
            409 => Kind::Conflict,
            status if is_transient(status) => Kind::Transient { retry_after },
            _ => Kind::Refused,
        };
        UploadError::new(kind, doing, format!("the service answered {}{colon}{reason}", self.status), hint)
    }
}

/// Returns whether the same request may be answered otherwise a moment later.
pub(super) fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    crate::date::retry_after(headers.get(header::RETRY_AFTER)?.to_str().ok()?, SystemTime::now())
}

/// Returns the sentence in an error's body: the message of a JSON object, or HTML without its tags.
fn reason(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let message = serde_json::from_str::<serde_json::Value>(&text).ok().and_then(|value| {
        Some(value.pointer("/error/message").or_else(|| value.get("message"))?.as_str()?.to_owned())
    });
    let plain = message.unwrap_or_else(|| without_tags(&text));
    let line: Vec<&str> = plain.split_whitespace().collect();
    let line: String = line.join(" ").chars().filter(|letter| !letter.is_control()).collect();
    line.chars().take(REASON_LIMIT).collect()
}

fn without_tags(text: &str) -> String {
    let text = text.split_once("<body>").map_or(text, |(_, body)| body);
    let mut inside = false;
    let keep = |letter: char| match letter {
        '<' => {
            inside = true;
            ' '
        }
        '>' if inside => {
            inside = false;
            ' '
        }
        _ if inside => ' ',
        letter => letter,
    };
    text.chars().map(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_service_says_is_one_line() {
        let html = b"<html>\n <head><title>413 X</title></head>\n <body>\n  <h1>413 X</h1>\n  Too <br />large\n</body>";
        assert_eq!(reason(html), "413 X Too large");
        assert_eq!(reason(br#"{"error": {"code": 401, "message": "Who\nasks?"}}"#), "Who asks?");
        assert_eq!(reason(b""), "");
    }

    #[test]
    fn statuses_have_kinds() {
        for (status, kind) in [
            (401, Kind::Unauthorized),
            (403, Kind::Refused),
            (404, Kind::NotFound),
            (409, Kind::Conflict),
            (413, Kind::Refused),
            (415, Kind::Refused),
            (429, Kind::Transient { retry_after: None }),
            (503, Kind::Transient { retry_after: None }),
        ] {
            let answer = Answer { status, headers: HeaderMap::new(), body: Vec::new() };
            assert_eq!(answer.refused("asking", "wait").kind, kind, "{status}");
        }
    }
}
