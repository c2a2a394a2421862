//! Compares two root trees: what is in one and not in the other, and every property that differs.
//!
//! A tree is read from a tar archive (which is what mmdebstrap writes) or from a folder (through the host's
//! `tar`, which knows extended attributes). Modification times are not compared. What else may differ is a list
//! of named [`Rule`]s with reasons.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

/// Files up to this size keep their bytes, so that rules can look into them.
const KEPT_SIZE: u64 = 4 << 20;

/// Everything that is compared about one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// `file`, `folder`, `link`, `character device`…
    pub kind: String,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Target of a symbolic link, numbers of a device.
    pub target: String,
    /// Digest of a regular file's content.
    pub digest: String,
    /// Further names of the same file.
    pub names: Vec<String>,
    /// Extended attributes, capabilities among them.
    pub attributes: BTreeMap<String, Vec<u8>>,
    content: Option<Vec<u8>>,
}

/// Paths without leading `./` or slash; the root is the empty string.
pub type Tree = BTreeMap<String, Node>;

/// What a rule allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    /// The path may be absent, present or different.
    Anything,
    /// Content may differ; it must exist with the same owner and mode.
    Content,
    /// Lines may stand in another order.
    LineOrder,
    /// Paragraphs (separated by empty lines) may stand in another order.
    ParagraphOrder,
}

/// A difference that is allowed, and why.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// A path; `*` stands for any text, slashes too.
    pub path: &'static str,
    /// What may differ.
    pub allowed: Allowance,
    /// Why.
    pub reason: &'static str,
}

impl Rule {
    fn covers(&self, path: &str) -> bool {
        let Some((start, rest)) = self.path.split_once('*') else { return path == self.path };
        let Some(mut left) = path.strip_prefix(start) else { return false };
        let mut parts: Vec<&str> = rest.split('*').collect();
        let end = parts.pop().unwrap_or_default();
        for part in parts {
            match left.find(part) {
                Some(at) => left = &left[at + part.len()..],
                None => return false,
            }
        }
        left.ends_with(end)
    }
}

/// What mmdebstrap itself writes, or leaves of the machine it ran on, and what is not yet decided when packages
/// have just been configured.
pub const BOOTSTRAP_RULES: &[Rule] = &[
    rule("var/log/*", Allowance::Anything, "logs tell times and commands"),
    rule("var/lib/dpkg/status-old", Allowance::Content, "the state before the last of dpkg's runs"),
    rule("var/lib/dpkg/diversions-old", Allowance::Content, "the state before the last change"),
    rule("var/cache/ldconfig/aux-cache", Allowance::Content, "holds inode numbers and times"),
    rule("etc/apt/sources.list*", Allowance::Anything, "mmdebstrap writes the mirror that it used"),
    rule("etc/apt/apt.conf.d/99mmdebstrap", Allowance::Anything, "mmdebstrap writes its options"),
    rule("etc/fstab", Allowance::Anything, "mmdebstrap writes a placeholder"),
    rule("etc/hostname", Allowance::Anything, "mmdebstrap copies the host's"),
    rule("etc/resolv.conf", Allowance::Anything, "mmdebstrap copies the host's, which postinsts then see"),
    rule(
        "etc/.resolv.conf.systemd-resolved.bak",
        Allowance::Anything,
        "systemd-resolved keeps what it finds there",
    ),
    rule(
        "etc/postfix/main.cf",
        Allowance::Content,
        "names the search domain of that resolv.conf, or UNKNOWN where there is none",
    ),
    rule("etc/aliases.db", Allowance::Content, "a Berkeley hash file has an identifier made at random"),
    rule("dev", Allowance::Anything, "mmdebstrap leaves it out with --skip=output/dev"),
    rule("etc/machine-id", Allowance::Content, "made at random; emptied later"),
    rule("var/lib/dbus/machine-id", Allowance::Anything, "made at random; removed later"),
    rule("etc/ssh/ssh_host_*", Allowance::Anything, "host keys belong to a clone"),
    rule("boot/initrd.img-*", Allowance::Anything, "the initramfs is made by a later stage"),
    rule("run/*", Allowance::Anything, "emptied later, by mmdebstrap as well"),
    rule(
        "var/lib/apt/extended_states",
        Allowance::ParagraphOrder,
        "apt writes it in the order of a hash table",
    ),
    rule("var/lib/dpkg/triggers/*", Allowance::LineOrder, "in the order in which packages were unpacked"),
    rule("var/cache/debconf/config.dat-old", Allowance::Content, "the state before the last change"),
    // mandb of one tree on tmpfs and on ext4 gives different bytes; on one filesystem, by one history, the same.
    rule(
        "var/cache/man/*",
        Allowance::Content,
        "databases in the order in which the filesystem lists folders",
    ),
    rule("etc/ssl/private/ssl-cert-snakeoil.key", Allowance::Content, "a key made at random"),
    rule("etc/ssl/certs/ssl-cert-snakeoil.pem", Allowance::Content, "the certificate of that key"),
    rule(
        "var/lib/postgresql/*/main/*",
        Allowance::Content,
        "a database cluster has an identifier made at random, and times",
    ),
    rule(
        "etc/ssl/certs/java/cacerts",
        Allowance::Content,
        "tells when each certificate was added; settled later",
    ),
    rule("tmp/hsperfdata_root*", Allowance::Anything, "a Java machine's counters; /tmp is emptied later"),
    rule("var/lib/mysql/*", Allowance::Content, "a database server's own files hold times and random salts"),
];

/// Makes a rule.
pub const fn rule(path: &'static str, allowed: Allowance, reason: &'static str) -> Rule {
    Rule { path, allowed, reason }
}

/// Reads the tar archive at `path`.
///
/// # Errors
/// An unreadable or damaged archive.
pub fn read_tar(path: &Path) -> Result<Tree> {
    let file = File::open(path).with_context(|| format!("opening '{}'", path.display()))?;
    read_stream(BufReader::new(file)).with_context(|| format!("reading '{}'", path.display()))
}

/// Reads the folder at `path`.
///
/// # Errors
/// A folder that the host's tar cannot read.
pub fn read_folder(path: &Path) -> Result<Tree> {
    let mut tar = Command::new("tar")
        .args([
            "--create",
            "--format=posix",
            "--numeric-owner",
            "--xattrs",
            "--xattrs-include=*",
            "--directory",
        ])
        .arg(path)
        .arg(".")
        .stdout(Stdio::piped())
        .spawn()
        .context("starting tar")?;
    let stream = tar.stdout.take().context("tar has no output")?;
    let mut stream = BufReader::new(stream);
    // What follows the end of the archive is read as well: tar is killed if nobody takes it.
    let tree = read_stream(&mut stream).and_then(|tree| {
        io::copy(&mut stream, &mut io::sink()).context("reading the end")?;
        Ok(tree)
    });
    let status = tar.wait().context("waiting for tar")?;
    // tar ends badly, too, when reading stopped.
    let tree = tree.with_context(|| format!("reading '{}'", path.display()))?;
    if !status.success() {
        bail!("tar of '{}' ended with {status}", path.display());
    }
    Ok(tree)
}

fn read_stream(stream: impl Read) -> Result<Tree> {
    let mut archive = tar::Archive::new(stream);
    let mut tree = Tree::new();
    let mut links: Vec<(String, String)> = Vec::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = clean(&String::from_utf8_lossy(&entry.path_bytes()));
        let target =
            entry.link_name_bytes().map(|t| String::from_utf8_lossy(&t).into_owned()).unwrap_or_default();
        if entry.header().entry_type() == tar::EntryType::Link {
            links.push((path, clean(&target)));
        } else {
            let node = read_node(&mut entry, target).with_context(|| format!("reading '{path}'"))?;
            tree.insert(path, node);
        }
    }
    join_links(&mut tree, &links)?;
    Ok(tree)
}

fn clean(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path).trim_matches('/');
    if path == "." { String::new() } else { path.to_owned() }
}

fn read_node(entry: &mut tar::Entry<'_, impl Read>, target: String) -> Result<Node> {
    let mut attributes = BTreeMap::new();
    for extension in entry.pax_extensions()?.into_iter().flatten() {
        let extension = extension?;
        if let Some(name) = extension.key()?.strip_prefix("SCHILY.xattr.") {
            attributes.insert(name.to_owned(), extension.value_bytes().to_vec());
        }
    }
    let header = entry.header();
    let (kind, target) = match header.entry_type() {
        tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::GNUSparse => ("file", target),
        tar::EntryType::Directory => ("folder", target),
        tar::EntryType::Symlink => ("link", target),
        kind @ (tar::EntryType::Char | tar::EntryType::Block) => (
            if kind == tar::EntryType::Char { "character device" } else { "block device" },
            format!("{}:{}", header.device_major()?.unwrap_or(0), header.device_minor()?.unwrap_or(0)),
        ),
        tar::EntryType::Fifo => ("pipe", target),
        other => bail!("unexpected entry type {other:?}"),
    };
    let (kind, mode, uid, gid) = (kind.to_owned(), header.mode()? & 0o7777, header.uid()?, header.gid()?);
    let (digest, content) = if kind == "file" { read_content(entry)? } else { (String::new(), None) };
    Ok(Node { kind, mode, uid, gid, target, digest, names: Vec::new(), attributes, content })
}

fn read_content(entry: &mut tar::Entry<'_, impl Read>) -> Result<(String, Option<Vec<u8>>)> {
    let keep = entry.size() <= KEPT_SIZE;
    let (mut hash, mut content, mut block) = (Sha256::new(), Vec::new(), vec![0; 64 << 10]);
    loop {
        let count = entry.read(&mut block)?;
        if count == 0 {
            break;
        }
        hash.update(&block[..count]);
        if keep {
            content.extend_from_slice(&block[..count]);
        }
    }
    let digest = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    // Program text is of no use to rules and would fill the memory.
    let text = keep && std::str::from_utf8(&content).is_ok();
    Ok((digest, text.then_some(content)))
}

/// Gives every name of a file the same node, with the names of the others.
fn join_links(tree: &mut Tree, links: &[(String, String)]) -> Result<()> {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (path, target) in links {
        groups.entry(target).or_default().push(path);
    }
    for (target, names) in groups {
        let node =
            tree.get(target).with_context(|| format!("hard link to '{target}', which is not there"))?;
        let all: Vec<String> = std::iter::once(target).chain(names).map(str::to_owned).collect();
        let node = node.clone();
        for name in &all {
            let mut names: Vec<String> = all.iter().filter(|other| *other != name).cloned().collect();
            names.sort();
            tree.insert(name.clone(), Node { names, ..node.clone() });
        }
    }
    Ok(())
}

/// Returns a line for everything that differs between `ours` and `theirs` and is not allowed by `rules`.
pub fn differences(ours: &Tree, theirs: &Tree, rules: &[Rule]) -> Vec<String> {
    let mut found = Vec::new();
    let paths: std::collections::BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    for path in paths {
        let allowed: Vec<Allowance> = rules.iter().filter(|r| r.covers(path)).map(|r| r.allowed).collect();
        if allowed.contains(&Allowance::Anything) {
            continue;
        }
        match (ours.get(path), theirs.get(path)) {
            (Some(node), None) => found.push(format!("/{path}: only in ours ({})", node.kind)),
            (None, Some(node)) => found.push(format!("/{path}: only in theirs ({})", node.kind)),
            (Some(ours), Some(theirs)) => compare(path, ours, theirs, &allowed, &mut found),
            (None, None) => {}
        }
    }
    found
}

fn compare(path: &str, ours: &Node, theirs: &Node, allowed: &[Allowance], found: &mut Vec<String>) {
    let mut tell = |what: &str, ours: String, theirs: String| {
        if ours != theirs {
            found.push(format!("/{path}: {what}: ours {ours}, theirs {theirs}"));
        }
    };
    tell("kind", ours.kind.clone(), theirs.kind.clone());
    tell("mode", format!("{:04o}", ours.mode), format!("{:04o}", theirs.mode));
    tell("owner", format!("{}:{}", ours.uid, ours.gid), format!("{}:{}", theirs.uid, theirs.gid));
    tell("target", ours.target.clone(), theirs.target.clone());
    tell("other names", ours.names.join(" "), theirs.names.join(" "));
    tell("attributes", format!("{:?}", ours.attributes), format!("{:?}", theirs.attributes));
    let pieces = |node: &Node, separator: &str| {
        let text = String::from_utf8_lossy(node.content.as_deref().unwrap_or_default()).into_owned();
        let mut pieces: Vec<String> = text.split(separator).map(str::to_owned).collect();
        pieces.sort();
        pieces
    };
    let separator =
        match allowed.iter().find(|a| matches!(a, Allowance::LineOrder | Allowance::ParagraphOrder)) {
            _ if allowed.contains(&Allowance::Content) || ours.digest == theirs.digest => return,
            Some(Allowance::LineOrder) => "\n",
            Some(_) => "\n\n",
            None => return found.push(format!("/{path}: content: {}", first_difference(ours, theirs))),
        };
    if pieces(ours, separator) != pieces(theirs, separator) {
        found.push(format!("/{path}: content: {}", first_difference(ours, theirs)));
    }
}

/// Describes the first line that differs, for text; else the digests.
fn first_difference(ours: &Node, theirs: &Node) -> String {
    let (Some(ours_bytes), Some(theirs_bytes)) = (&ours.content, &theirs.content) else {
        return format!("ours {}, theirs {}", ours.digest, theirs.digest);
    };
    let (ours, theirs) = (String::from_utf8_lossy(ours_bytes), String::from_utf8_lossy(theirs_bytes));
    let (mut ours, mut theirs) = (ours.lines(), theirs.lines());
    for number in 1.. {
        match (ours.next(), theirs.next()) {
            (None, None) => break,
            (ours, theirs) if ours == theirs => {}
            (ours, theirs) => {
                let show = |line: Option<&str>| line.map_or("nothing".to_owned(), |line| format!("'{line}'"));
                return format!("line {number}: ours {}, theirs {}", show(ours), show(theirs));
            }
        }
    }
    "line ends differ".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(files: &[(&str, &str, u32)]) -> Tree {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, content, mode) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(*mode);
            header.set_uid(0);
            header.set_gid(0);
            builder.append_data(&mut header, path, content.as_bytes()).unwrap();
        }
        read_stream(builder.into_inner().unwrap().as_slice()).unwrap()
    }

    #[test]
    fn tells_each_difference_and_nothing_else() {
        let ours =
            archive(&[("./a", "x\n", 0o644), ("./.hidden", "one\ntwo\n", 0o644), ("./only", "", 0o644)]);
        let theirs =
            archive(&[("./a", "x\n", 0o755), ("./.hidden", "two\none\n", 0o644), ("./other", "", 0o644)]);
        assert!(differences(&ours, &ours, &[]).is_empty());
        assert_eq!(
            differences(&ours, &theirs, &[]),
            [
                "/.hidden: content: line 1: ours 'one', theirs 'two'",
                "/a: mode: ours 0644, theirs 0755",
                "/only: only in ours (file)",
                "/other: only in theirs (file)",
            ]
        );
        let rules = [
            rule(".hid*", Allowance::LineOrder, "test"),
            rule("o*", Allowance::Anything, "test"),
            rule("*a*", Allowance::Content, "test"),
        ];
        assert_eq!(differences(&ours, &theirs, &rules), ["/a: mode: ours 0644, theirs 0755"]);
    }
}
