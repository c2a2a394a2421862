//! Keys and signatures in every state, good ones beside each bad one.

use pgp::composed::KeyType;
use pgp::crypto::hash::HashAlgorithm as H;
use pgp::packet::{RevocationCode, SignatureType as T, SubpacketData};
use pgp::types::{KeyDetails, KeyVersion};

use super::error::SignatureProblem as P;
use super::openpgp::{Framing, verify};
use super::testing::{BIRTH, Back, NOW, Said, Signer, lifetime};

const DATA: &[u8] = b"Suite: test";

fn judge(signer: &Signer, signature: pgp::packet::Signature) -> Result<String, P> {
    let judged = verify(&[signature], Framing::Detached, DATA, &signer.keyring(), NOW);
    judged.map_err(|mut problems| problems.remove(0))
}

fn by_primary(signer: &Signer, said: &Said) -> Result<String, P> {
    judge(signer, signer.sign(said, DATA))
}

fn by_subkey(signer: &Signer, said: &Said) -> Result<String, P> {
    judge(signer, signer.sign_by_subkey(said, DATA))
}

fn binary() -> Said {
    Said::new(T::Binary)
}

fn certification() -> Said {
    Said::new(T::CertPositive).at(BIRTH).flags(true)
}

fn bond() -> Said {
    Said::new(T::SubkeyBinding).at(BIRTH).flags(true)
}

fn seconds_until(instant: i64) -> pgp::types::Duration {
    lifetime(u32::try_from(instant - BIRTH).unwrap())
}

#[test]
fn good_signatures_of_all_kinds_of_keys_count() {
    for signer in [
        Signer::new(),
        Signer::of(KeyType::Ed25519, KeyVersion::V4),
        Signer::of(KeyType::Ed25519, KeyVersion::V6),
        Signer::rsa(),
    ] {
        let kind = signer.secret.primary_key.algorithm();
        for hash in [H::Sha256, H::Sha512] {
            assert_eq!(by_primary(&signer, &binary().hash(hash)).unwrap(), signer.fingerprint(), "{kind:?}");
            assert_eq!(by_subkey(&signer, &binary().hash(hash)).unwrap(), signer.fingerprint(), "{kind:?}");
        }
    }
}

#[test]
fn another_text_or_key_does_not_fit() {
    let signer = Signer::new();
    let forged = signer.sign_by_subkey(&binary(), b"Suite: other");
    assert!(matches!(judge(&signer, forged), Err(P::Bad(_))));
    let stranger = Signer::new();
    assert!(matches!(judge(&signer, stranger.sign(&binary(), DATA)), Err(P::UnknownKey(_))));
}

#[test]
fn one_good_signature_among_others_suffices() {
    let (signer, stranger) = (Signer::new(), Signer::new());
    let signatures =
        [stranger.sign(&binary(), DATA), signer.sign(&binary(), b"other"), signer.sign(&binary(), DATA)];
    let judged = verify(&signatures, Framing::Detached, DATA, &signer.keyring(), NOW);
    assert_eq!(judged.unwrap(), signer.fingerprint());
    assert!(verify(&[], Framing::Detached, DATA, &signer.keyring(), NOW).unwrap_err().is_empty());
}

#[test]
fn weak_hashes_do_not_count() {
    // The library refuses to sign so by Ed25519.
    let signer = Signer::rsa();
    for hash in [H::Md5, H::Sha1, H::Sha224] {
        assert!(matches!(by_primary(&signer, &binary().hash(hash)), Err(P::WeakHash(_))), "{hash}");
    }
}

#[test]
fn a_clear_signed_text_needs_a_text_signature() {
    let signer = Signer::new();
    let judged = |signature| verify(&[signature], Framing::Clear, DATA, &signer.keyring(), NOW);
    assert!(judged(signer.sign(&Said::new(T::Text), DATA)).is_ok());
    assert!(matches!(judged(signer.sign(&binary(), DATA)).unwrap_err()[..], [P::Unsupported(_)]));
}

#[test]
fn signatures_have_their_times() {
    let signer = Signer::new();
    let expiring = |seconds| binary().with(SubpacketData::SignatureExpirationTime(lifetime(seconds)));
    assert!(by_primary(&signer, &binary().at(NOW + 10)).is_ok());
    assert!(matches!(by_primary(&signer, &binary().at(NOW + 11)), Err(P::FromTheFuture { .. })));
    assert!(matches!(by_primary(&signer, &binary().at(BIRTH - 1)), Err(P::KeyUnfit { .. })));
    // A clock that is years behind is told as such, not by the key, which it does not know yet either.
    let signature = signer.sign(&binary(), DATA);
    let judged = verify(&[signature], Framing::Detached, DATA, &signer.keyring(), BIRTH - 1_000_000);
    assert!(matches!(judged.unwrap_err()[..], [P::FromTheFuture { .. }]));
    assert!(by_primary(&signer, &expiring(1001)).is_ok());
    assert!(matches!(by_primary(&signer, &expiring(1000)), Err(P::Expired { .. })));
}

#[test]
fn what_a_signer_calls_vital_must_be_understood() {
    let signer = Signer::new();
    let unknown = || SubpacketData::Experimental(101, vec![1].into());
    assert!(by_primary(&signer, &binary().with(unknown())).is_ok());
    assert!(matches!(by_primary(&signer, &binary().with_critical(unknown())), Err(P::Unsupported(_))));
}

#[test]
fn keys_expire_by_their_newest_word() {
    let expires = |said: Said, at| said.with(SubpacketData::KeyExpirationTime(seconds_until(at)));
    let mut signer = Signer::rsa();
    signer.certify(vec![expires(certification(), NOW + 1)]);
    assert!(by_subkey(&signer, &binary()).is_ok());
    signer.certify(vec![expires(certification(), NOW)]);
    assert!(matches!(by_primary(&signer, &binary()), Err(P::KeyExpired { at: NOW, .. })));
    assert!(matches!(by_subkey(&signer, &binary()), Err(P::KeyExpired { at: NOW, .. })));
    // The owner prolongs it; a prolongation that is yet to come, or rests on SHA-1, is none.
    let longer = || expires(certification().at(NOW - 100), NOW + 5000);
    signer.certify(vec![expires(certification(), NOW), longer()]);
    assert!(by_subkey(&signer, &binary()).is_ok());
    signer.certify(vec![expires(certification(), NOW), longer().at(NOW + 60)]);
    assert!(matches!(by_subkey(&signer, &binary()), Err(P::KeyExpired { .. })));
    signer.certify(vec![expires(certification(), NOW), longer().hash(H::Sha1)]);
    assert!(matches!(by_subkey(&signer, &binary()), Err(P::KeyExpired { .. })));
    // A statement on the key itself that says nothing of time leaves the certification's word.
    signer.certify(vec![expires(certification(), NOW)]);
    signer.say(Said::new(T::Key).at(NOW - 50));
    assert!(matches!(by_subkey(&signer, &binary()), Err(P::KeyExpired { .. })));
    signer.say(expires(Said::new(T::Key).at(NOW - 40), NOW + 5000));
    assert!(by_subkey(&signer, &binary()).is_ok());
}

#[test]
fn subkeys_expire_by_themselves() {
    let mut signer = Signer::new();
    signer.bind(bond().with(SubpacketData::KeyExpirationTime(seconds_until(NOW))), Back::Good);
    assert!(matches!(by_subkey(&signer, &binary()), Err(P::KeyExpired { at: NOW, .. })));
    assert!(by_primary(&signer, &binary()).is_ok());
}

#[test]
fn revoked_keys_do_not_count() {
    let reason = |code| SubpacketData::RevocationReason(code, b"".to_vec().into());
    for code in [RevocationCode::KeyCompromised, RevocationCode::KeyRetired] {
        let mut signer = Signer::new();
        signer.say(Said::new(T::KeyRevocation).with(reason(code)));
        assert!(matches!(by_primary(&signer, &binary()), Err(P::KeyRevoked(_))));
        assert!(matches!(by_subkey(&signer, &binary()), Err(P::KeyRevoked(_))));
    }
    let mut signer = Signer::new();
    signer.add_to_subkey(Said::new(T::SubkeyRevocation), Back::None);
    assert!(matches!(by_subkey(&signer, &binary()), Err(P::KeyRevoked(_))));
    assert!(by_primary(&signer, &binary()).is_ok());
}

#[test]
fn a_revocation_by_a_stranger_is_none() {
    let (mut signer, stranger) = (Signer::new(), Signer::new());
    let key = &stranger.secret.primary_key;
    let public = signer.secret.primary_key.public_key();
    let said = Said::new(T::KeyRevocation).config(key);
    let revocation = said.sign_key(key, &pgp::types::Password::empty(), public).unwrap();
    signer.secret.details.revocation_signatures.push(revocation.clone());
    assert!(by_primary(&signer, &binary()).is_ok());
    // Unless the owner named that stranger for this.
    let fingerprint = stranger.secret.primary_key.fingerprint();
    let revoker = pgp::types::RevocationKey::new(
        pgp::types::RevocationKeyClass::Default,
        key.algorithm(),
        fingerprint.as_bytes(),
    );
    signer.say(Said::new(T::Key).at(BIRTH).with(SubpacketData::RevocationKey(revoker)));
    assert!(matches!(by_primary(&signer, &binary()), Err(P::KeyRevoked(_))));
}

#[test]
fn a_withdrawn_user_binds_nothing() {
    let mut signer = Signer::new();
    signer.certify(vec![certification(), Said::new(T::CertRevocation).at(BIRTH + 1)]);
    assert!(matches!(by_primary(&signer, &binary()), Err(P::KeyUnfit { .. })));
    signer.certify(vec![Said::new(T::CertRevocation).at(BIRTH + 1), certification().at(BIRTH + 2)]);
    assert!(by_primary(&signer, &binary()).is_ok());
}

#[test]
fn keys_without_a_strong_binding_do_not_count() {
    let mut signer = Signer::rsa();
    let primary = signer.fingerprint();
    signer.certify(vec![certification().hash(H::Sha1)]);
    assert!(matches!(by_primary(&signer, &binary()), Err(P::KeyUnfit { .. })));
    for (said, back) in [
        (bond(), Back::None),
        (bond(), Back::Weak),
        (bond().hash(H::Sha1), Back::Good),
        (bond().at(NOW + 100), Back::Good),
        (Said::new(T::SubkeyBinding).at(BIRTH).flags(false), Back::Good),
        (Said::new(T::SubkeyBinding).at(BIRTH), Back::Good),
    ] {
        let mut signer = Signer::rsa();
        signer.bind(said, back);
        assert!(matches!(by_subkey(&signer, &binary()), Err(P::KeyUnfit { .. })));
        assert_eq!(by_primary(&signer, &binary()).unwrap(), primary);
    }
}

#[test]
fn a_primary_key_that_only_certifies_does_not_sign() {
    let mut signer = Signer::new();
    signer.certify(vec![Said::new(T::CertPositive).at(BIRTH).flags(false)]);
    assert!(matches!(by_primary(&signer, &binary()), Err(P::KeyUnfit { .. })));
    assert!(by_subkey(&signer, &binary()).is_ok());
}

#[test]
fn a_subkey_cannot_be_grafted_onto_another_key() {
    let (mut victim, attacker) = (Signer::new(), Signer::new());
    victim.secret.secret_subkeys = attacker.secret.secret_subkeys.clone();
    let signature = attacker.sign_by_subkey(&binary(), DATA);
    assert!(matches!(judge(&victim, signature), Err(P::KeyUnfit { .. })));
}
