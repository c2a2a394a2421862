//! AWS's Signature Version 4, computed anew from what came.

use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use super::{ACCESS_KEY, Asked, SECRET_KEY};

const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// Checks a request's signature; its region.
pub(super) fn check(asked: &Asked) -> Result<String, String> {
    let given = asked.header("authorization");
    let given = given.strip_prefix("AWS4-HMAC-SHA256 ").ok_or("no signature of version 4")?;
    let part = |name: &str| {
        let parts = given.split(',').map(str::trim);
        parts.filter_map(|part| part.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let scope: Vec<&str> = part("Credential").unwrap_or_default().split('/').collect();
    let [key, day, region, service, "aws4_request"] = scope[..] else { return Err("no scope".to_owned()) };
    let time = asked.header("x-amz-date");
    if key != ACCESS_KEY || !time.starts_with(day) || (service != "ebs") != (asked.path == "/") {
        return Err(format!("key {key}, day {day} and service {service} do not fit"));
    }
    let age = now().abs_diff(seconds(time).ok_or("no time")?);
    if age > 15 * 60 {
        return Err(format!("it is {age} s old"));
    }
    let names = part("SignedHeaders").unwrap_or_default();
    if !names.split(';').any(|name| name == "host") {
        return Err("the host is not signed".to_owned());
    }
    let headers: String = names.split(';').map(|name| format!("{name}:{}\n", asked.header(name))).collect();
    let mut query: Vec<&str> = asked.query.split('&').filter(|part| !part.is_empty()).collect();
    query.sort_unstable();
    let payloads = match asked.header("x-amz-content-sha256") {
        // Only of blocks, which have a checksum of their own, may the body be left out.
        "" if asked.method == "PUT" => vec![UNSIGNED.to_owned(), digest(&asked.body)],
        UNSIGNED if asked.method == "PUT" => vec![UNSIGNED.to_owned()],
        _ => vec![digest(&asked.body)],
    };
    let fits = payloads.iter().any(|payload| {
        let request = [&asked.method, &asked.path, &query.join("&"), &headers, names, payload].join("\n");
        let scope = format!("{day}/{region}/{service}/aws4_request");
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", digest(request.as_bytes()));
        let key = [day, region, service, "aws4_request"]
            .iter()
            .fold(format!("AWS4{SECRET_KEY}").into_bytes(), |key, part| hmac(&key, part.as_bytes()));
        part("Signature") == Some(&hexadecimal(&hmac(&key, text.as_bytes())))
    });
    if fits { Ok(region.to_owned()) } else { Err("the signature is another".to_owned()) }
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let with = |mark: u8| block.map(|byte| byte ^ mark);
    let inner = Sha256::new().chain_update(with(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(with(0x5c)).chain_update(inner).finalize().to_vec()
}

fn digest(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// Reads `20270131T235959Z` as seconds since 1970, by the days of the civil calendar.
fn seconds(text: &str) -> Option<u64> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u64>().ok();
    let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 719_469;
    Some(days * 86400 + number(9..11)? * 3600 + number(11..13)? * 60 + number(13..15)?)
}
