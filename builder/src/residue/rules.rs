//! What is residue: by a file's path, and by what it holds.

/// Names of files that programs write for one user of one machine, and what they are.
const NAMES: [(&str, &str); 13] = [
    (".bash_history", "the history of somebody's shell"),
    (".zsh_history", "the history of somebody's shell"),
    (".ash_history", "the history of somebody's shell"),
    (".sh_history", "the history of somebody's shell"),
    (".python_history", "the history of somebody's shell"),
    (".mysql_history", "the history of somebody's shell"),
    (".psql_history", "the history of somebody's shell"),
    (".lesshst", "the history of somebody's pager"),
    (".viminfo", "the history of somebody's editor"),
    (".netrc", "somebody's passwords"),
    (".git-credentials", "somebody's passwords"),
    (".pgpass", "somebody's passwords"),
    (".erlang.cookie", "what lets others run code on one machine"),
];

/// Paths, relative to `/` or below a home folder, of what belongs to one machine or one user.
const ENDINGS: [(&str, &str); 9] = [
    ("var/lib/systemd/random-seed", "the random seed of one machine"),
    ("var/lib/urandom/random-seed", "the random seed of one machine"),
    ("var/lib/systemd/credential.secret", "the credential key of one machine"),
    ("var/lib/dbus/machine-id", "the identity of one machine"),
    (".aws/credentials", "somebody's keys for a cloud"),
    (".config/openstack/clouds.yaml", "somebody's keys for a cloud"),
    (".config/openstack/secure.yaml", "somebody's keys for a cloud"),
    (".docker/config.json", "somebody's passwords"),
    ("etc/apt/auth.conf", "passwords of package archives"),
];

/// What follows `-----BEGIN ` where a private key begins (RFC 7468, RFC 4880, OpenSSH's PROTOCOL.key).
const KEYS: [&[u8]; 7] = [
    b"PRIVATE KEY-----",
    b"ENCRYPTED PRIVATE KEY-----",
    b"RSA PRIVATE KEY-----",
    b"EC PRIVATE KEY-----",
    b"DSA PRIVATE KEY-----",
    b"OPENSSH PRIVATE KEY-----",
    b"PGP PRIVATE KEY BLOCK-----",
];
const BEGIN: &[u8] = b"-----BEGIN ";
/// Headers that stand before the base64 of keys (RFC 1421 as OpenSSL writes it, RFC 4880).
const HEADERS: [&[u8]; 3] = [b"Proc-Type: ", b"Version: ", b"Comment: "];
/// Letters of base64 that no word is made of by chance.
const BASE64: usize = 24;
/// Within so many bytes of a text the body follows: a line of it, and what stands before.
const NEAR: usize = 128;

/// A token that is known by how it begins, and how many letters and digits follow at least.
const TOKENS: [(&[u8], usize, &str); 8] = [
    (b"AKIA", 16, "an access key for AWS"),
    (b"ghp_", 36, "a token for GitHub"),
    (b"gho_", 36, "a token for GitHub"),
    (b"ghs_", 36, "a token for GitHub"),
    (b"github_pat_", 22, "a token for GitHub"),
    (b"glpat-", 20, "a token for GitLab"),
    (b"xoxb-", 20, "a token for Slack"),
    (b"npm_", 36, "a token for npm"),
];

/// Returns what the file at `path`, without a leading slash, is, if it must not be in an image.
pub(super) fn judge(path: &[u8], content: &[u8]) -> Option<&'static str> {
    if content.is_empty() {
        return None;
    }
    by_path(path, content).or_else(|| by_content(content))
}

fn by_path(path: &[u8], content: &[u8]) -> Option<&'static str> {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    if path == b"etc/machine-id" {
        return (content != b"uninitialized\n").then_some("the identity of one machine");
    }
    if path.starts_with(b"etc/apt/auth.conf.d/") {
        return Some("passwords of package archives");
    }
    if path.starts_with(b"etc/ssh/ssh_host_") && !name.ends_with(b".pub") {
        return Some("the host key of one machine");
    }
    let known = NAMES.iter().find(|(known, _)| known.as_bytes() == name);
    let ends = |ending: &str| {
        path.strip_suffix(ending.as_bytes()).is_some_and(|before| before.is_empty() || before.ends_with(b"/"))
    };
    known.or_else(|| ENDINGS.iter().find(|(ending, _)| ends(ending))).map(|(_, what)| *what)
}

fn by_content(content: &[u8]) -> Option<&'static str> {
    let is_text = !content.contains(&0);
    let is_key = |rest: &[u8]| {
        KEYS.iter().any(|key| rest.strip_prefix(*key).is_some_and(|after| has_body(after, is_text)))
    };
    if places(content, BEGIN).any(|at| is_key(&content[at + BEGIN.len()..])) {
        return Some("a private key");
    }
    if content.starts_with(b"PuTTY-User-Key-File-") {
        return Some("a private key");
    }
    // Tokens stand in texts; in programs and databases such letters come about by chance.
    if !is_text {
        return None;
    }
    TOKENS.iter().find(|(begins, length, _)| has_token(content, begins, *length)).map(|(.., what)| *what)
}

/// Tells whether a key's first line is followed by what it consists of: a line of base64, or the headers before it. Who reads
/// keys, as firstboot does, or tells kinds of files apart, says how keys begin and holds none. In a text it need not follow at
/// once: indents, quotes, marks of comments and ends of lines, however they are spelt, may stand between.
fn has_body(after: &[u8], is_text: bool) -> bool {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    if is_text {
        let near = &after[..after.len().min(NEAR)];
        return near.split(|byte| !is_base64(byte)).any(|run| run.len() >= BASE64)
            || HEADERS.iter().any(|header| near.windows(header.len()).any(|part| part == *header));
    }
    let body = after.strip_prefix(b"\n").or_else(|| after.strip_prefix(b"\r\n"));
    body.is_some_and(|body| {
        HEADERS.iter().any(|header| body.starts_with(header))
            || body.iter().take_while(|byte| is_base64(byte)).count() >= BASE64
    })
}

fn has_token(content: &[u8], begins: &[u8], length: usize) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    places(content, begins).any(|at| {
        let stands_alone = at.checked_sub(1).is_none_or(|before| !is_word(&content[before]));
        let rest = &content[at + begins.len()..];
        stands_alone && rest.iter().take_while(|byte| is_word(byte) || **byte == b'-').count() >= length
    })
}

/// Every place of `needle`, which begins with a rare byte, in `content`.
fn places<'c>(content: &'c [u8], needle: &'c [u8]) -> impl Iterator<Item = usize> + 'c {
    let first = needle.first().copied();
    content
        .iter()
        .enumerate()
        .filter(move |(at, byte)| Some(**byte) == first && content[*at..].starts_with(needle))
        .map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_contents_tell() {
        for (path, content, expected) in [
            ("etc/ssh/ssh_host_rsa_key", "x", Some("the host key of one machine")),
            ("etc/ssh/ssh_host_rsa_key.pub", "ssh-rsa AAAA", None),
            ("etc/machine-id", "0123456789abcdef0123456789abcdef\n", Some("the identity of one machine")),
            ("etc/machine-id", "uninitialized\n", None),
            ("etc/machine-id", "", None),
            ("home/me/.bash_history", "ls\n", Some("the history of somebody's shell")),
            ("home/me/.bash_history", "", None),
            ("var/lib/rabbitmq/.erlang.cookie", "x", Some("what lets others run code on one machine")),
            ("home/me/.aws/credentials", "[default]\n", Some("somebody's keys for a cloud")),
            ("var/lib/systemd/random-seed", "x", Some("the random seed of one machine")),
            ("srv/x.aws/credentials", "x", None),
            ("etc/a.conf", "key = AKIAIOSFODNN7EXAMPLE\n", Some("an access key for AWS")),
            ("etc/a.conf", "XAKIAIOSFODNN7EXAMPLE\n", None),
            ("etc/a.conf", "glpat-abc\n", None),
            ("etc/a.conf", "-----BEGIN CERTIFICATE-----\n", None),
            (
                "etc/magic.xml",
                "<mime magic=\"-----BEGIN PGP PRIVATE KEY BLOCK-----\" priority=\"50\" />\n",
                None,
            ),
            ("etc/a.conf", "# -----BEGIN EC PRIVATE KEY-----\n", None),
        ] {
            assert_eq!(judge(path.as_bytes(), content.as_bytes()), expected, "{path}: {content}");
        }
    }

    #[test]
    fn keys_are_found_however_a_text_holds_them() {
        const LINE: &str = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAE";
        for text in [
            format!("-----BEGIN PRIVATE KEY-----\n{LINE}\n"),
            format!("-----BEGIN PRIVATE KEY-----\r\n{LINE}\r\n"),
            format!("key: |\n  -----BEGIN PRIVATE KEY-----\n  {LINE}\n"),
            format!("{{\"key\": \"-----BEGIN PRIVATE KEY-----\\n{LINE}\\n\"}}"),
            format!("KEY='-----BEGIN PRIVATE KEY-----\\\n{LINE}'"),
            format!("lines = [\"-----BEGIN RSA PRIVATE KEY-----\", \"{LINE}\"]"),
            format!("# -----BEGIN EC PRIVATE KEY-----\n# {LINE}\n"),
            format!("-----BEGIN PRIVATE KEY-----{LINE}-----END"),
            format!("String key = \"-----BEGIN PRIVATE KEY-----\\n\" +\n    \"{LINE}\\n\";"),
            format!("// -----BEGIN PRIVATE KEY-----\n// {LINE}\n"),
            format!("keys:\n - -----BEGIN PRIVATE KEY-----\n - {LINE}\n"),
            format!("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{LINE}\n"),
            "-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: GnuPG v2\n".to_owned(),
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n".to_owned(),
        ] {
            assert_eq!(judge(b"etc/a.conf", text.as_bytes()), Some("a private key"), "{text}");
        }
    }

    #[test]
    fn a_program_may_say_how_a_key_begins_but_not_hold_one() {
        for (content, expected) in [
            ("\x7fELF\0it begins with '-----BEGIN PRIVATE KEY-----' (PEM)", None),
            ("\x7fELF\0-----BEGIN OPENSSH PRIVATE KEY-----\n-----END OPENSSH PRIVATE KEY-----\n", None),
            ("\x7fELF\0-----BEGIN OPENSSH PRIVATE KEY-----\nCouldNotParseKeyPair", None),
            (
                "\0-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAE\n",
                Some("a private key"),
            ),
            ("\0-----BEGIN PRIVATE KEY-----\r\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/\r\n", Some("a private key")),
            ("\0-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n", Some("a private key")),
        ] {
            assert_eq!(judge(b"usr/local/bin/program", content.as_bytes()), expected, "{content:?}");
        }
    }
}
