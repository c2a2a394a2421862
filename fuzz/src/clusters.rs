//! What machines that are no nodes, name servers and owners of certificates give to a cluster.

use cluster::endpoint::chain::{Demand, judge, summary};
use cluster::{certificate, frame, message, names, token};

/// Within the life of the seeds' certificates, seconds since 1970.
const NOW: u64 = 1_800_000_000;

/// Certificates and a key in one text.
pub fn certificates(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = certificate::facts(bytes);
    let _ = certificate::facts_of_pem(text);
    let demand = Demand { name: "api.example.org", now: NOW, authorities: text };
    if let Ok(chain) = judge(text, text, &demand) {
        summary(&chain.text).expect("what was judged is read again");
        certificate::facts_of_pem(&chain.text).expect("its first certificate is one");
        certificate::private_key(&chain.text).expect("its key is one");
    }
}

/// A frame, and what is in it.
pub fn messages(mut bytes: &[u8]) {
    if let Ok(message::Request::Admit(admit)) = frame::read(&mut bytes) {
        let _ = serde_json::from_str::<message::Claim>(&admit.claim);
    }
}

/// A token as somebody types it.
pub fn tokens(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(token) = text.parse::<token::Token>() {
        assert_eq!(token.to_string().parse().as_ref(), Ok(&token), "what is read is written");
    }
}

/// The answer of a name server.
pub fn name_answers(bytes: &[u8]) {
    let _ = names::addresses(bytes);
}
