//! Which signatures count: judged by the key's whole state at one instant, not by its mathematics alone.
//!
//! A signature counts when an allowed key made it, over these bytes, with a hash that cannot be forged, not in the
//! future; when the key is strong enough, was not revoked and has not expired; and, for a subkey, when its owner
//! bound it for signing and it signed that bond itself. All of this rests on self-signatures that are held to
//! the same hashes; self-signatures that fail are treated as absent.

use pgp::composed::{SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType, SignatureVersion, SubpacketData};
use pgp::ser::Serialize;
use pgp::types::{Fingerprint, KeyDetails, PublicParams, Tag, VerifyingKey};

use super::error::SignatureProblem;
use super::keyring::Keyring;

/// How far ahead of this machine's clock a signature may be dated.
pub(super) const CLOCK_TOLERANCE_SECONDS: i64 = 10;
/// Smallest RSA modulus that is accepted.
const RSA_BITS: u16 = 2048;

/// How the signed bytes are framed; decides which type a signature must be of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// A clear-signed message: text signatures only.
    Clear,
    /// A detached signature over a file.
    Detached,
}

/// Judges `signatures` over `data` and returns the fingerprint of the first good one's primary key, or why none is.
pub(super) fn verify(
    signatures: &[Signature],
    framing: Framing,
    data: &[u8],
    keyring: &Keyring,
    now: i64,
) -> Result<String, Vec<SignatureProblem>> {
    let mut problems = Vec::new();
    for signature in signatures {
        match judge(signature, framing, data, keyring, now) {
            Ok(fingerprint) => return Ok(fingerprint),
            Err(problem) => problems.push(problem),
        }
    }
    Err(problems)
}

impl Keyring {
    /// Judges a detached signature over `data`; returns the fingerprint of its key's primary key.
    pub(crate) fn judge(
        &self,
        signature: &Signature,
        data: &[u8],
        now: i64,
    ) -> Result<String, SignatureProblem> {
        judge(signature, Framing::Detached, data, self, now)
    }
}

fn judge(
    signature: &Signature,
    framing: Framing,
    data: &[u8],
    keyring: &Keyring,
    now: i64,
) -> Result<String, SignatureProblem> {
    check_kind(signature, framing)?;
    let mut problem = SignatureProblem::UnknownKey(issuer(signature));
    for cert in &keyring.keys {
        let result = if is_issuer(signature, &cert.primary_key) {
            judge_by_primary(signature, data, cert, now)
        } else if let Some(subkey) =
            cert.public_subkeys.iter().find(|subkey| is_issuer(signature, &subkey.key))
        {
            judge_by_subkey(signature, data, cert, subkey, now)
        } else {
            continue;
        };
        match result {
            Ok(()) => return Ok(name(cert)),
            Err(other) => problem = other,
        }
    }
    Err(problem)
}

fn judge_by_primary(
    signature: &Signature,
    data: &[u8],
    cert: &SignedPublicKey,
    now: i64,
) -> Result<(), SignatureProblem> {
    let key = &cert.primary_key;
    check_begun(signature, key, now)?;
    let state = check_primary(cert, now)?;
    if state.may_sign == Some(false) {
        return Err(unfit(key, "it is not meant for signing"));
    }
    check_signature(signature, key, data, now)
}

fn judge_by_subkey(
    signature: &Signature,
    data: &[u8],
    cert: &SignedPublicKey,
    subkey: &SignedPublicSubKey,
    now: i64,
) -> Result<(), SignatureProblem> {
    check_begun(signature, &subkey.key, now)?;
    check_primary(cert, now)?;
    check_subkey(cert, subkey, now)?;
    check_signature(signature, &subkey.key, data, now)
}

/// Checks what a signature says of itself.
fn check_kind(signature: &Signature, framing: Framing) -> Result<(), SignatureProblem> {
    let unsupported = |what: String| Err(SignatureProblem::Unsupported(what));
    if !matches!(signature.version(), SignatureVersion::V4 | SignatureVersion::V6) {
        return unsupported(format!("version {:?}", signature.version()));
    }
    match (framing, signature.typ()) {
        (_, Some(SignatureType::Text)) | (Framing::Detached, Some(SignatureType::Binary)) => {}
        (_, other) => return unsupported(format!("type {other:?}")),
    }
    check_hash(signature)?;
    check_critical(signature)
}

/// Refuses hashes for which collisions are found or feared.
fn check_hash(signature: &Signature) -> Result<(), SignatureProblem> {
    use HashAlgorithm as H;
    match signature.hash_alg() {
        Some(H::Sha256 | H::Sha384 | H::Sha512 | H::Sha3_256 | H::Sha3_512) => Ok(()),
        Some(hash @ (H::Md5 | H::Sha1 | H::Ripemd160 | H::Sha224)) => {
            Err(SignatureProblem::WeakHash(hash.to_string()))
        }
        other => Err(SignatureProblem::Unsupported(format!("hash {other:?}"))),
    }
}

/// Refuses what the signer marked as vital and we do not understand.
fn check_critical(signature: &Signature) -> Result<(), SignatureProblem> {
    let unknown = |data: &SubpacketData| {
        matches!(
            data,
            SubpacketData::Other(..) | SubpacketData::Experimental(..) | SubpacketData::Notation(_)
        )
    };
    let mut hashed = signature.config().into_iter().flat_map(|config| config.hashed_subpackets());
    match hashed.find(|subpacket| subpacket.is_critical && unknown(&subpacket.data)) {
        Some(subpacket) => {
            Err(SignatureProblem::Unsupported(format!("critical subpacket {:?}", subpacket.typ())))
        }
        None => Ok(()),
    }
}

/// Refuses a signature of a time to come. By a clock that is far behind its key is of a time to come as well, and then this is
/// what helps.
fn check_begun(signature: &Signature, key: &impl KeyDetails, now: i64) -> Result<(), SignatureProblem> {
    match created(signature).filter(|at| *at > now + CLOCK_TOLERANCE_SECONDS) {
        Some(at) => Err(SignatureProblem::FromTheFuture { key: name(key), at }),
        None => Ok(()),
    }
}

/// Checks times and mathematics of a data signature that has begun and whose key is fit.
fn check_signature(
    signature: &Signature,
    key: &(impl VerifyingKey + Serialize),
    data: &[u8],
    now: i64,
) -> Result<(), SignatureProblem> {
    let fingerprint = name(key);
    let Some(created) = created(signature) else {
        return Err(SignatureProblem::Unsupported("without a date".to_owned()));
    };
    if created < i64::from(key.created_at().as_secs()) {
        return Err(unfit(key, "it did not exist when it signed"));
    }
    if let Some(at) = expiry(signature).filter(|at| *at <= now) {
        return Err(SignatureProblem::Expired { key: fingerprint, at });
    }
    signature.verify(key, data).map_err(|error| {
        tracing::debug!("signature of key {fingerprint}: {error}");
        SignatureProblem::Bad(fingerprint)
    })
}

/// What the newest valid self-signatures say of a primary key.
struct PrimaryState {
    /// Whether it may sign data; none where they are silent.
    may_sign: Option<bool>,
}

/// Checks that a primary key is strong, has a valid self-signature, is not revoked and has not expired.
fn check_primary(cert: &SignedPublicKey, now: i64) -> Result<PrimaryState, SignatureProblem> {
    let key = &cert.primary_key;
    check_strength(key)?;
    let direct = newest(&cert.details.direct_signatures, now, |signature| {
        signature.typ() == Some(SignatureType::Key) && signature.verify_key(key).is_ok()
    });
    let user = newest_user(cert, now);
    if direct.is_none() && user.is_none() {
        return Err(unfit(key, "nothing valid binds it to its owner"));
    }
    if is_revoked(cert) {
        return Err(SignatureProblem::KeyRevoked(name(key)));
    }
    let said = [direct, user];
    let lifetime = said.iter().flatten().find_map(|signature| signature.key_expiration_time());
    check_lifetime(key, lifetime.map(|lifetime| lifetime.as_secs()), now)?;
    Ok(PrimaryState { may_sign: said.iter().flatten().find_map(|signature| signing_flag(signature)) })
}

/// Returns the newest valid certification of a user by the key itself, of users that were not revoked since.
fn newest_user(cert: &SignedPublicKey, now: i64) -> Option<&Signature> {
    let key = &cert.primary_key;
    let of_user = |user: &'_ pgp::types::SignedUser| -> Option<usize> {
        let valid =
            |signature: &Signature| signature.verify_certification(key, Tag::UserId, &user.id).is_ok();
        let certified =
            newest(&user.signatures, now, |signature| signature.is_certification() && valid(signature))?;
        let revoked = newest(&user.signatures, now, |signature| {
            signature.typ() == Some(SignatureType::CertRevocation) && valid(signature)
        });
        let stands = revoked.is_none_or(|revoked| created(revoked) < created(certified));
        stands.then(|| user.signatures.iter().position(|signature| signature == certified)).flatten()
    };
    let users = cert.details.users.iter();
    users.filter_map(|user| of_user(user).map(|at| &user.signatures[at])).max_by_key(|found| created(found))
}

/// Returns whether the key itself, or anybody whom it named for this, revoked it. Dates and reasons of
/// revocations are not weighed, and neither is the mathematics of one by a named revoker, whose key we do not have.
fn is_revoked(cert: &SignedPublicKey) -> bool {
    let key = &cert.primary_key;
    let revokers: Vec<&[u8]> = cert
        .details
        .direct_signatures
        .iter()
        .filter_map(|signature| signature.revocation_key().map(|revoker| &revoker.fingerprint[..]))
        .collect();
    cert.details.revocation_signatures.iter().any(|revocation| {
        let by_revoker = || {
            let issuers = revocation.issuer_fingerprint();
            let ids = revocation.issuer_key_id();
            revokers.iter().any(|revoker| {
                issuers.iter().any(|issuer| issuer.as_bytes() == *revoker)
                    || ids.iter().any(|id| revoker.ends_with(id.as_ref()))
            })
        };
        revocation.verify_key(key).is_ok() || by_revoker()
    })
}

/// Checks that a subkey is strong, bound for signing by a valid bond that it countersigned, not revoked, not expired.
fn check_subkey(
    cert: &SignedPublicKey,
    subkey: &SignedPublicSubKey,
    now: i64,
) -> Result<(), SignatureProblem> {
    let (primary, key) = (&cert.primary_key, &subkey.key);
    check_strength(key)?;
    let valid = |signature: &Signature| signature.verify_subkey_binding(primary, key).is_ok();
    let revokes = |signature: &&Signature| signature.typ() == Some(SignatureType::SubkeyRevocation);
    if subkey.signatures.iter().filter(revokes).any(valid) {
        return Err(SignatureProblem::KeyRevoked(name(key)));
    }
    let binds = |signature: &Signature| signature.typ() == Some(SignatureType::SubkeyBinding);
    let bond = newest(&subkey.signatures, now, |signature| binds(signature) && valid(signature))
        .ok_or_else(|| unfit(key, "nothing valid binds it to its owner"))?;
    if signing_flag(bond) != Some(true) {
        return Err(unfit(key, "it is not meant for signing"));
    }
    let countersigned = bond.embedded_signature().is_some_and(|back| {
        check_hash(back).is_ok() && back.verify_primary_key_binding(key, primary).is_ok()
    });
    if !countersigned {
        return Err(unfit(key, "it did not sign its bond to its owner"));
    }
    check_lifetime(key, bond.key_expiration_time().map(|lifetime| lifetime.as_secs()), now)
}

/// Returns the newest of `signatures` that is valid at `now`: strong, understood, begun, not expired, and `valid`.
fn newest(signatures: &[Signature], now: i64, valid: impl Fn(&Signature) -> bool) -> Option<&Signature> {
    let mut candidates: Vec<&Signature> = signatures
        .iter()
        .filter(|signature| check_hash(signature).is_ok() && check_critical(signature).is_ok())
        .filter(|signature| created(signature).is_some_and(|at| at <= now + CLOCK_TOLERANCE_SECONDS))
        .filter(|signature| expiry(signature).is_none_or(|at| at > now))
        .collect();
    candidates.sort_by_key(|signature| std::cmp::Reverse(created(signature)));
    candidates.into_iter().find(|signature| valid(signature))
}

fn check_lifetime(key: &impl KeyDetails, lifetime: Option<u32>, now: i64) -> Result<(), SignatureProblem> {
    let created = i64::from(key.created_at().as_secs());
    match lifetime.filter(|seconds| *seconds > 0).map(|seconds| created + i64::from(seconds)) {
        Some(at) if at <= now => Err(SignatureProblem::KeyExpired { key: name(key), at }),
        _ => Ok(()),
    }
}

fn check_strength(key: &impl KeyDetails) -> Result<(), SignatureProblem> {
    match key.public_params() {
        PublicParams::RSA(params) => {
            // A key's parameters begin with the modulus, and that with its length in bits.
            let mut bytes = Vec::new();
            let written = params.to_writer(&mut bytes);
            let bits = bytes.first_chunk().map_or(0, |bits| u16::from_be_bytes(*bits));
            match written {
                Ok(()) if bits >= RSA_BITS => Ok(()),
                _ => Err(unfit(key, &format!("RSA with {bits} bits is too weak"))),
            }
        }
        PublicParams::EdDSALegacy(_)
        | PublicParams::Ed25519(_)
        | PublicParams::Ed448(_)
        | PublicParams::ECDSA(_) => Ok(()),
        _ => Err(unfit(key, &format!("{:?} keys are not accepted", key.algorithm()))),
    }
}

/// Returns whether a self-signature allows signing data; none where it says nothing about uses.
fn signing_flag(signature: &Signature) -> Option<bool> {
    let mut hashed = signature.config()?.hashed_subpackets();
    hashed.find_map(|subpacket| match &subpacket.data {
        SubpacketData::KeyFlags(flags) => Some(flags.sign()),
        _ => None,
    })
}

fn created(signature: &Signature) -> Option<i64> {
    signature.created().map(|created| i64::from(created.as_secs()))
}

/// Returns when a signature ends; none if it never does.
fn expiry(signature: &Signature) -> Option<i64> {
    let lifetime = signature.signature_expiration_time()?.as_secs();
    created(signature).filter(|_| lifetime > 0).map(|created| created + i64::from(lifetime))
}

fn is_issuer(signature: &Signature, key: &impl KeyDetails) -> bool {
    let fingerprints = signature.issuer_fingerprint();
    if fingerprints.is_empty() {
        return signature.issuer_key_id().iter().any(|id| **id == key.legacy_key_id());
    }
    fingerprints.iter().any(|fingerprint| **fingerprint == key.fingerprint())
}

fn issuer(signature: &Signature) -> String {
    let fingerprint = signature.issuer_fingerprint().first().map(|fingerprint| format!("{fingerprint:X}"));
    let id = || signature.issuer_key_id().first().map(|id| id.to_string().to_uppercase());
    fingerprint.or_else(id).unwrap_or_else(|| "without a name".to_owned())
}

fn name(key: &impl KeyDetails) -> String {
    let fingerprint: Fingerprint = key.fingerprint();
    format!("{fingerprint:X}")
}

fn unfit(key: &impl KeyDetails, why: &str) -> SignatureProblem {
    SignatureProblem::KeyUnfit { key: name(key), why: why.to_owned() }
}
