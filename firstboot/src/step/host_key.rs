//! SSH host keys, in the format of OpenSSH (`PROTOCOL.key`), made where sshd is installed and has none: Ed25519 and ECDSA
//! here and at once; RSA, whose primes take a second to find, by OpenSSH's own program once the machine is up
//! ([`super::rsa_host_key`]).

use anyhow::{Context, Result, ensure};
use contract::encoding::encode_base64;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};

use super::change::Change;
use crate::machine::Machine;

const FOLDER: &str = "/etc/ssh";
pub(super) const PROGRAM: &str = "/usr/sbin/sshd";
const ED25519: &str = "/etc/ssh/ssh_host_ed25519_key";
const ECDSA: &str = "/etc/ssh/ssh_host_ecdsa_key";
/// Where the numbers are in what ring makes (RFC 5208 around RFC 5915, all lengths fixed for this curve).
const SCALAR: std::ops::Range<usize> = 36..68;
const PKCS8_LENGTH: usize = 138;

/// Plans the removal of a foreign machine's keys, and keys of this one's own where there are none.
pub(super) fn plan(machine: &Machine, is_clone: bool) -> Result<Vec<Change>> {
    let names = machine.root.list_folder(FOLDER).with_context(|| format!("looking into '{FOLDER}'"))?;
    let is_key = |name: &&String| {
        name.starts_with("ssh_host_") && (name.ends_with("_key") || name.ends_with("_key.pub"))
    };
    let keys: Vec<String> = names.iter().filter(is_key).map(|name| format!("{FOLDER}/{name}")).collect();
    // The ECDSA key alone is what a power cut may leave of ours: the other comes last.
    let has_own = keys.iter().any(|path| path.ends_with("_key") && path != ECDSA);
    if has_own && !is_clone || !machine.exists(PROGRAM) {
        return Ok(Vec::new());
    }
    let ours = [ED25519, ECDSA].map(|key| [key.to_owned(), format!("{key}.pub")]).concat();
    let mut changes: Vec<Change> =
        keys.into_iter().filter(|path| !ours.contains(path)).map(|path| Change::Absent { path }).collect();
    if is_clone || !machine.exists(ECDSA) {
        changes.extend(files(ECDSA, make_ecdsa()?));
    }
    changes.extend(files(ED25519, make_ed25519()?));
    Ok(changes)
}

/// The private key comes last: where it is, the other is as well.
fn files(path: &str, pair: KeyFiles) -> [Change; 2] {
    [Change::file(format!("{path}.pub"), pair.public, 0o644), Change::file(path, pair.private, 0o600)]
}

/// Returns the public key of the machine, if it has one.
pub(super) fn public_key(machine: &Machine) -> Option<String> {
    machine.read_text(&format!("{ED25519}.pub")).ok().flatten().map(|text| text.trim().to_owned())
}

struct KeyFiles {
    private: String,
    public: String,
}

fn make_ed25519() -> Result<KeyFiles> {
    let seed: [u8; 32] = random()?;
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).ok().context("making a key")?;
    let public = pair.public_key().as_ref();
    let secret = string(&[seed.as_slice(), public].concat());
    Ok(render("ssh-ed25519", &string(public), &secret, random()?))
}

fn make_ecdsa() -> Result<KeyFiles> {
    let (random_source, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_ASN1_SIGNING);
    let document =
        EcdsaKeyPair::generate_pkcs8(algorithm, &random_source).ok().context("making an ECDSA key")?;
    let bytes = document.as_ref();
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, bytes, &random_source).ok().context("reading a key")?;
    let public = pair.public_key().as_ref();
    ensure!(bytes.len() == PKCS8_LENGTH && bytes.ends_with(public), "an ECDSA key has an unknown form");
    let point = [string(b"nistp256"), string(public)].concat();
    Ok(render("ecdsa-sha2-nistp256", &point, &number(&bytes[SCALAR]), random()?))
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).ok().context("getting random numbers from the kernel")?;
    Ok(bytes)
}

/// Renders a key without a passphrase: its type, the fields that are public, and those that are not. The check number
/// stands twice, so that a wrong passphrase is noticed.
fn render(kind: &str, public: &[u8], secret: &[u8], check: [u8; 4]) -> KeyFiles {
    let blob = [&string(kind.as_bytes()), public].concat();
    let mut inner = [check.as_slice(), &check, &blob, secret, &string(b"")].concat();
    // Padding to the cipher's block, 8 without one: 1, 2, 3, …
    inner.extend((1..=8_u8).take((8 - inner.len() % 8) % 8));
    let outer = [
        b"openssh-key-v1\0".as_slice(),
        &string(b"none"),
        &string(b"none"),
        &string(b""),
        &1_u32.to_be_bytes(),
        &string(&blob),
        &string(&inner),
    ]
    .concat();
    let text = encode_base64(&outer);
    let lines: Vec<&str> =
        text.as_bytes().chunks(70).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    KeyFiles {
        private: format!(
            "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n",
            lines.join("\n")
        ),
        public: format!("{kind} {}\n", encode_base64(&blob)),
    }
}

/// A string of the SSH protocol: its length in four bytes, then itself.
fn string(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [length.to_be_bytes().as_slice(), bytes].concat()
}

/// A positive number of the SSH protocol: no zeros in front, but one where the first bit would be a sign.
fn number(bytes: &[u8]) -> Vec<u8> {
    let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let bytes = &bytes[first..];
    let sign: &[u8] = if bytes.first().is_some_and(|byte| *byte >= 0x80) { &[0] } else { &[] };
    string(&[sign, bytes].concat())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// `ssh-keygen`, where it is installed, reads what is written here and finds the same public key in it.
    #[test]
    fn openssh_reads_the_keys() {
        let ecdsa = (0..20).map(|_| make_ecdsa().expect("a key"));
        for (index, pair) in ecdsa.chain([make_ed25519().expect("a key")]).enumerate() {
            let path = std::env::temp_dir().join(format!("firstboot-key-{}-{index}", std::process::id()));
            std::fs::write(&path, &pair.private).expect("a file");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("its mode");
            match std::process::Command::new("ssh-keygen").arg("-y").arg("-f").arg(&path).output() {
                Ok(output) => {
                    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), pair.public.trim());
                }
                Err(error) => println!("skipped: ssh-keygen does not start ({error})"),
            }
            std::fs::remove_file(&path).expect("cleaning up");
        }
    }

    #[test]
    fn numbers_have_no_zeros_in_front_and_no_sign() {
        assert_eq!(number(&[0, 0, 0x7f]), [0, 0, 0, 1, 0x7f]);
        assert_eq!(number(&[0x80, 1]), [0, 0, 0, 3, 0, 0x80, 1]);
    }
}
