//! The grammar of `context.sh`: comments and `NAME='value'`.

/// One variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value, quotes resolved.
    pub value: String,
    /// The line of its name, counted from 1.
    pub line: usize,
}

/// Why a text is no context.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct ContextError {
    /// Where, counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub reason: String,
}

/// Longest text that is read, in bytes.
const TEXT_LIMIT: usize = 1 << 20;
/// Most variables; names are compared with those before them.
const VARIABLE_LIMIT: usize = 4096;

/// Parses the variables of a text.
///
/// # Errors
///
/// When a line is no comment and no variable, a quote is not closed, or a name is given twice.
pub fn parse_variables(text: &str) -> Result<Vec<Variable>, ContextError> {
    let fail = |line, reason: String| Err(ContextError { line, reason });
    if text.len() > TEXT_LIMIT {
        return fail(1, format!("the text has {} bytes; at most {TEXT_LIMIT} are read", text.len()));
    }
    let mut variables: Vec<Variable> = Vec::new();
    let (mut rest, mut line) = (text, 1);
    loop {
        let blank = rest.len() - rest.trim_start().len();
        line += count_lines(&rest[..blank]);
        rest = &rest[blank..];
        if rest.is_empty() {
            return Ok(variables);
        }
        if rest.starts_with('#') {
            rest = rest.split_once('\n').map_or("", |(_, after)| after);
            line += 1;
            continue;
        }
        let (name, after) = split_name(rest).ok_or_else(|| ContextError {
            line,
            reason: "this is neither a comment nor NAME='value'; nothing is executed here".into(),
        })?;
        let (value, after) = read_value(after).map_err(|reason| ContextError { line, reason })?;
        if let Some(first) = variables.iter().find(|variable| variable.name == name) {
            return fail(line, format!("the variable '{name}' is given twice, first on line {}", first.line));
        }
        if variables.len() >= VARIABLE_LIMIT {
            return fail(line, format!("there are more than {VARIABLE_LIMIT} variables"));
        }
        variables.push(Variable { name: name.to_owned(), value, line });
        line += count_lines(&rest[..rest.len() - after.len()]);
        rest = after;
    }
}

fn count_lines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

/// Splits `NAME=` off; names are those of a shell's variables.
fn split_name(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix("export ").unwrap_or(text);
    let end = text.find('=')?;
    let name = &text[..end];
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    let all = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (first && all).then_some((name, &text[end + 1..]))
}

/// Reads quoted parts and `\'` between them, up to white space.
fn read_value(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        if let Some(after) = rest.strip_prefix('\'') {
            let end = after.find('\'').ok_or("a quote is not closed")?;
            value.push_str(&after[..end]);
            rest = &after[end + 1..];
        } else if let Some(after) = rest.strip_prefix("\\'") {
            value.push('\'');
            rest = after;
        } else if rest.is_empty() || rest.starts_with(['\n', '\r', ' ', '\t']) {
            return Ok((value, rest));
        } else if value.is_empty() && rest.len() == text.len() {
            return read_bare(text);
        } else {
            return Err(
                "something follows a value; a value is quoted as a whole, a quote in it is '\\''".into()
            );
        }
    }
}

/// Reads a value without quotes, as people write by hand: only characters that mean themselves to a shell.
fn read_bare(text: &str) -> Result<(String, &str), String> {
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/@%+,-=".contains(&byte);
    if text[..end].bytes().all(plain) {
        return Ok((text[..end].to_owned(), &text[end..]));
    }
    Err("a value with characters that mean something to a shell must be in single quotes".into())
}
