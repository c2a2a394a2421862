//! Which keys sign.

use pgp::composed::{ArmorOptions, KeyType};
use pgp::packet::{SignatureType, SubpacketData};
use pgp::ser::Serialize;
use pgp::types::{KeyVersion, Password};

use super::{Problem, Signer};
use crate::verify::testing::{BIRTH, Back, NOW, Said, Signer as Key, lifetime, now};

fn load(key: &Key, password: Option<&str>) -> Result<Signer, Problem> {
    let armoured = key.secret.to_armored_string(ArmorOptions::default()).expect("armoured");
    Signer::parse(armoured.as_bytes(), password, now())
}

#[test]
fn keys_of_all_kinds_sign_what_their_owners_public_key_verifies() {
    let v6 = Key::of(KeyType::Ed25519, KeyVersion::V6);
    for key in [Key::new(), Key::rsa(), v6] {
        let signer = load(&key, None).expect("it signs");
        assert_eq!(signer.fingerprint(), key.fingerprint());
        let text = signer.sign(b"manifest", now()).expect("signed");
        assert!(text.starts_with("-----BEGIN PGP SIGNATURE-----"), "{text}");
        let binary = key.secret.to_bytes().expect("bytes");
        assert!(Signer::parse(&binary, None, now()).is_ok());
    }
}

#[test]
fn a_key_that_may_not_sign_is_refused_with_its_reason() {
    let mut expired = Key::new();
    let ended = SubpacketData::KeyExpirationTime(lifetime(10));
    expired.certify(vec![Said::new(SignatureType::CertPositive).at(BIRTH).flags(true).with(ended)]);
    let mut revoked = Key::new();
    revoked.say(Said::new(SignatureType::KeyRevocation).at(NOW - 10));
    let mut certifies = Key::new();
    certifies.certify(vec![Said::new(SignatureType::CertPositive).at(BIRTH).flags(false)]);
    certifies.bind(Said::new(SignatureType::SubkeyBinding).at(BIRTH).flags(false), Back::Good);
    for (key, words) in [(expired, "expired"), (revoked, "revoked"), (certifies, "not meant for signing")] {
        let problem = load(&key, None).expect_err("refused").to_string();
        assert!(problem.contains(words), "{problem}");
    }
}

#[test]
fn the_primary_key_signs_where_no_subkey_may() {
    let mut key = Key::new();
    key.bind(Said::new(SignatureType::SubkeyBinding).at(BIRTH).flags(false), Back::Good);
    assert!(load(&key, None).is_ok());
}

#[test]
fn a_password_is_needed_where_one_protects_the_key() {
    let mut key = Key::new();
    let secret = &mut key.secret;
    let mut rng = rand::thread_rng();
    secret.primary_key.set_password(&mut rng, &Password::from("open")).expect("protected");
    for subkey in &mut secret.secret_subkeys {
        subkey.key.set_password(&mut rng, &Password::from("open")).expect("protected");
    }
    assert!(load(&key, Some("open")).is_ok());
    for wrong in [None, Some("shut")] {
        assert!(matches!(load(&key, wrong), Err(Problem::Locked)));
    }
}

#[test]
fn other_files_are_no_keys() {
    let public = Key::new().public().to_armored_string(ArmorOptions::default()).expect("armoured");
    for bytes in ["", "hello\n", public.as_str()] {
        assert!(matches!(Signer::parse(bytes.as_bytes(), None, now()), Err(Problem::NotASecretKey(_))));
    }
}
