//! Names that are checked before they reach a file: of hosts, users, groups, zones and locales.

/// Longest host name that Linux takes.
const HOSTNAME_LIMIT: usize = 64;

/// Checks a host name or full name (RFC 1123): labels of letters, digits and inner hyphens, with dots between.
///
/// # Errors
///
/// Says what is wrong with it.
pub fn check_host(name: &str) -> Result<(), String> {
    let shown = name.escape_debug();
    if name.is_empty() || name.len() > 253 {
        return Err(format!("'{shown:.80}' is no host name: it must have 1 to 253 characters"));
    }
    for label in name.split('.') {
        if label.is_empty() || label.len() > 63 {
            return Err(format!("'{shown:.80}' is no host name: each part must have 1 to 63 characters"));
        }
        if !label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(format!("'{shown:.80}' is no host name: only letters, digits and '-' are allowed"));
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err(format!("'{shown:.80}' is no host name: a part must not begin or end with '-'"));
        }
    }
    if name.split('.').next().is_some_and(|first| first.len() > HOSTNAME_LIMIT) {
        return Err(format!("'{shown:.80}' is too long for a host name"));
    }
    if name.parse::<std::net::IpAddr>().is_ok() {
        return Err(format!("'{shown}' is an address, not a host name"));
    }
    Ok(())
}

/// Checks the name of a user or group: what useradd(8) of Debian takes without `--badname`, and dots.
///
/// # Errors
///
/// Says what is wrong with it.
pub fn check_account(name: &str) -> Result<(), String> {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let rest = bytes
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-' | b'.'));
    if first && rest && name.len() <= 32 {
        return Ok(());
    }
    let shown = name.escape_debug();
    Err(format!(
        "'{shown:.80}' is no name of a user or group: it begins with a-z or '_', has only a-z, 0-9, '_', '-' and '.', and at most 32 characters"
    ))
}

/// Checks the name of a time zone: a path below the zone database that stays there.
///
/// # Errors
///
/// Says what is wrong with it.
pub fn check_timezone(name: &str) -> Result<(), String> {
    let good = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+'))
    };
    if name.len() <= 64 && name.split('/').all(good) {
        return Ok(());
    }
    Err(format!("'{:.80}' is no time zone such as Europe/Berlin", name.escape_debug()))
}

/// Checks the name of a locale.
///
/// # Errors
///
/// Says what is wrong with it.
pub fn check_locale(name: &str) -> Result<(), String> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'@');
    if !name.is_empty() && name.len() <= 64 && name.bytes().all(good) {
        return Ok(());
    }
    Err(format!("'{:.80}' is no locale such as de_DE.UTF-8", name.escape_debug()))
}

/// Checks the path of a file that a document may write: absolute, no `..`, no control characters.
///
/// # Errors
///
/// Says what is wrong with it.
pub fn check_path(path: &str) -> Result<(), String> {
    let shown = path.escape_debug();
    if !path.starts_with('/') || path.ends_with('/') {
        return Err(format!("'{shown:.200}' must be the absolute path of a file"));
    }
    if path.split('/').any(|part| part == ".." || part == "." || part.len() > 255) || path.len() > 4096 {
        return Err(format!(
            "'{shown:.200}' is no path that is written: it is too long, or has '.' or '..' as a part"
        ));
    }
    if path.chars().any(char::is_control) {
        return Err(format!("'{shown:.200}' holds control characters"));
    }
    Ok(())
}

/// Checks a line of authorized_keys(5): one line that names a type and holds a key.
///
/// # Errors
///
/// Says what is wrong with it; the key itself is not shown.
pub fn check_ssh_key(line: &str) -> Result<(), String> {
    const TYPES: [&str; 4] = ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"];
    let one_line = !line.chars().any(char::is_control);
    let typed = |word: &str| TYPES.iter().any(|prefix| word.starts_with(prefix));
    let mut words = line.split_whitespace();
    let found = words.any(typed) && words.next().is_some_and(|key| key.starts_with("AAAA"));
    if one_line && found && line.len() <= 16 << 10 {
        return Ok(());
    }
    Err("this is no public key of SSH on one line, such as 'ssh-ed25519 AAAA… name'".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for good in ["a", "web-1", "web1.example.org", "1and1", &"a".repeat(63)] {
            check_host(good).expect(good);
        }
        for bad in [
            "",
            ".",
            "a..b",
            "-a",
            "a-",
            "a_b",
            "a b",
            "a;b",
            "ä",
            "10.0.0.1",
            "$(id)",
            &"a".repeat(64),
            "a.",
        ] {
            check_host(bad).expect_err(bad);
        }
    }

    #[test]
    fn accounts_zones_locales_and_paths() {
        check_account("www-data").expect("a name");
        for bad in ["", "-x", "Root", "a:b", "a b", "a\nb", "../x", &"a".repeat(33)] {
            check_account(bad).expect_err(bad);
        }
        check_timezone("America/Argentina/Buenos_Aires").expect("a zone");
        for bad in ["", "/etc/passwd", "../x", "Europe/../x", "Europe//Berlin", "a b"] {
            check_timezone(bad).expect_err(bad);
        }
        check_locale("de_DE.UTF-8@euro").expect("a locale");
        check_locale("C;id").expect_err("not one");
        check_path("/etc/x").expect("a path");
        for bad in ["etc/x", "/", "/etc/", "/../x", "/a/./b", "/a\nb"] {
            check_path(bad).expect_err(bad);
        }
    }

    #[test]
    fn keys() {
        for good in [
            "ssh-ed25519 AAAAC3Nz me@there",
            "from=\"10.*\" ssh-rsa AAAAB3",
            "sk-ssh-ed25519@openssh.com AAAAG x",
        ] {
            check_ssh_key(good).expect(good);
        }
        for bad in [
            "",
            "ssh-ed25519",
            "ssh-ed25519 BBBB",
            "AAAA",
            "ssh-rsa AAAA\nssh-rsa AAAA",
            "-----BEGIN OPENSSH PRIVATE KEY-----",
        ] {
            check_ssh_key(bad).expect_err(bad);
        }
    }
}
