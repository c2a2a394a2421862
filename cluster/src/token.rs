//! Tokens, by which a machine may become a node.
//!
//! `fb1.ID.SEED.PIN@ADDRESS[,ADDRESS…]`: a public name, the seed of an Ed25519 key (32 bytes), SHA-256 of the public key
//! of the cluster's authority (32 bytes), and where core nodes are. The bytes are base64 without padding, in the
//! alphabet for addresses. The cluster keeps the public key only: who reads its store cannot join.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result};
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use crate::address::CoreAddress;
use crate::random;

/// What begins each token; another form gets another one.
const FORM: &str = "fb1";

/// A token as its owner has it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// Its name in the store.
    pub id: String,
    seed: [u8; 32],
    /// SHA-256 of the public key of the cluster's authority.
    pub pin: [u8; 32],
    /// Where core nodes are.
    pub cores: Vec<CoreAddress>,
}

impl Token {
    /// Makes a new one.
    ///
    /// # Errors
    ///
    /// When the kernel has no random numbers.
    pub fn create(pin: [u8; 32], cores: Vec<CoreAddress>) -> Result<Self> {
        Ok(Self { id: random::hex(&random::bytes::<6>()?), seed: random::bytes()?, pin, cores })
    }

    /// Signs bytes (Ed25519).
    ///
    /// # Errors
    ///
    /// When the seed makes no key, which no seed of 32 bytes does.
    pub fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        Ok(self.key()?.sign(bytes).as_ref().to_vec())
    }

    /// The public key (32 bytes).
    ///
    /// # Errors
    ///
    /// As [`Self::sign`].
    pub fn public_key(&self) -> Result<Vec<u8>> {
        Ok(self.key()?.public_key().as_ref().to_vec())
    }

    fn key(&self) -> Result<Ed25519KeyPair> {
        Ed25519KeyPair::from_seed_unchecked(&self.seed).ok().context("making the token's key")
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cores: Vec<String> = self.cores.iter().map(ToString::to_string).collect();
        let (seed, pin) = (random::to_url_base64(&self.seed), random::to_url_base64(&self.pin));
        write!(f, "{FORM}.{}.{seed}.{pin}@{}", self.id, cores.join(","))
    }
}

/// The seed is a secret.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", self.id)
    }
}

impl FromStr for Token {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("this is no token of `firstboot token create`: {what}");
        let (secret, cores) = text.trim().split_once('@').ok_or_else(|| wrong("it has no '@'"))?;
        let parts: Vec<&str> = secret.split('.').collect();
        let [form, id, seed, pin] = parts[..] else {
            return Err(wrong("it has not four parts with '.' between before the '@'"));
        };
        if form != FORM {
            return Err(wrong(&format!("it begins with '{:.8}', not '{FORM}'", form.escape_debug())));
        }
        if id.is_empty() || id.len() > 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong("its second part is no hexadecimal number"));
        }
        let fixed = |text: &str, which: &str| -> Result<[u8; 32], String> {
            let bytes = random::from_url_base64(text).unwrap_or_default();
            <[u8; 32]>::try_from(bytes)
                .map_err(|_| wrong(&format!("its {which} part is not 32 bytes in base64")))
        };
        let (seed, pin) = (fixed(seed, "third")?, fixed(pin, "fourth")?);
        let cores = cores.split(',').map(str::parse).collect::<Result<Vec<CoreAddress>, _>>()?;
        Ok(Self { id: id.to_owned(), seed, pin, cores })
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{ED25519, UnparsedPublicKey};

    use super::*;

    #[test]
    fn a_token_is_read_back_and_hides_its_seed() {
        let cores = vec!["192.0.2.1:7979".parse().expect("one"), "core.example.org".parse().expect("one")];
        let token = Token::create([7; 32], cores).expect("made");
        let text = token.to_string();
        assert_eq!(text.parse::<Token>().expect("a token"), token);
        assert!(!format!("{token:?}").contains(&random::to_url_base64(&token.seed)));
        let key = UnparsedPublicKey::new(&ED25519, token.public_key().expect("a key"));
        key.verify(b"text", &token.sign(b"text").expect("signed")).expect("its signature");
        for (bad, why) in [
            ("", "no '@'"),
            ("fb1.a.b@c", "four parts"),
            (&text.replacen("fb1", "fb2", 1), "begins with 'fb2'"),
            (&text.replacen('.', ".x", 1), "no hexadecimal"),
            (&text.replacen('@', "AAAA@", 1), "fourth part"),
            (&(text.clone() + ",a b"), "'a b'"),
        ] {
            let told = bad.parse::<Token>().expect_err("no token");
            assert!(told.contains(why), "{bad}: {told}");
        }
    }
}
