//! Tokens: made, listed, taken back.

use contract::name::check_host;

use super::keys::{self, TokenRecord, UseRecord};
use super::store::{is_absent, put};
use super::{Core, store};
use crate::message::{Code, Done, Refusal, TokenView, TokenWish};

/// Longest life of a token: a week.
const LONGEST: u64 = 7 * 24 * 60 * 60;
/// Most machines that may join with one.
const MOST_USES: u32 = 1000;

/// Stores the public part of a new token.
pub async fn create(core: &Core, wish: &TokenWish, by: &str) -> Result<Done, Refusal> {
    let malformed = |reason: &str| Refusal::new(Code::Malformed, reason);
    if wish.id.is_empty() || wish.id.len() > 32 || !wish.id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(malformed("the token's name is no hexadecimal number"));
    }
    if !contract::encoding::decode_base64(&wish.public_key).is_ok_and(|key| key.len() == 32) {
        return Err(malformed("the token's public key has not 32 bytes"));
    }
    if !(1..=LONGEST).contains(&wish.seconds) {
        return Err(malformed("a token holds for one second to seven days"));
    }
    if !(1..=MOST_USES).contains(&wish.uses) {
        return Err(malformed("a token has 1 to 1000 uses"));
    }
    if let Some(name) = &wish.name {
        check_host(name).map_err(|reason| malformed(&reason))?;
        if wish.uses != 1 {
            return Err(malformed("a token for one name has one use"));
        }
    }
    core.catalogue.resolve(&wish.roles).map_err(|reason| Refusal::new(Code::Roles, reason))?;
    let record = TokenRecord {
        public_key: wish.public_key.clone(),
        roles: wish.roles.clone(),
        expires: core.clock.now() + wish.seconds,
        uses: wish.uses,
        name: wish.name.clone(),
    };
    let key = format!("{}{}", keys::TOKENS, wish.id);
    let then = vec![put(key.as_str(), &record, 0)?, core.audit(by, &format!("token-{}-created", wish.id))?];
    let revision = core.store.commit(vec![is_absent(key)], then).await?;
    let taken = || Refusal::new(Code::Taken, "there is a token of this name");
    Ok(Done { revision: revision.ok_or_else(taken)? })
}

/// All tokens, with who used them.
pub async fn list(core: &Core) -> Result<Vec<TokenView>, Refusal> {
    let (tokens, _) = core.store.list::<TokenRecord>(keys::TOKENS).await?;
    let (uses, _) = core.store.list::<UseRecord>(keys::USES).await?;
    let view = |(id, held): (String, store::Held<TokenRecord>)| {
        let prefix = format!("{id}/");
        let used_by = uses.iter().filter(|(key, _)| key.starts_with(&prefix));
        let used_by = used_by.map(|(_, held)| held.value.node.clone()).collect();
        let TokenRecord { roles, expires, uses, name, .. } = held.value;
        TokenView { id, roles, expires, uses, used_by, name }
    };
    Ok(tokens.into_iter().map(view).collect())
}

/// Takes a token back. Who joined with it stays.
pub async fn revoke(core: &Core, id: &str, by: &str) -> Result<Done, Refusal> {
    let key = format!("{}{id}", keys::TOKENS);
    let unknown = || Refusal::new(Code::Unknown, format!("there is no token '{:.40}'", id.escape_debug()));
    let held = core.store.get::<TokenRecord>(&key).await?.ok_or_else(unknown)?;
    let uses = etcd_client::DeleteOptions::new().with_prefix();
    let then = vec![
        store::delete(key.as_str()),
        etcd_client::TxnOp::delete(format!("{}{id}/", keys::USES), Some(uses)),
        core.audit(by, &format!("token-{id}-revoked"))?,
    ];
    let revision = core.store.commit(vec![store::is_unchanged(key, &held)], then).await?;
    Ok(Done { revision: revision.ok_or_else(unknown)? })
}
