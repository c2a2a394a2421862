//! What AWS's codes of errors mean for an upload.

use crate::upload::Kind;

/// The same call may go well a moment later.
pub(super) const PASSING: Kind = Kind::Transient { retry_after: None };

/// Tells what may be done about an error that AWS calls `code`.
pub(super) fn kind(code: &str, status: u16) -> Kind {
    let throttled =
        ["RequestThrottled", "Throttling", "RequestLimitExceeded", "SlowDown", "BandwidthLimitExceeded"];
    let again = ["InternalServerException", "InternalError", "ServiceUnavailable", "Unavailable"];
    let stranger = [
        "AuthFailure",
        "ExpiredToken",
        "InvalidClientTokenId",
        "MissingAuthenticationToken",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "InvalidSignatureException",
        "UnrecognizedClientException",
    ];
    let begins = |words: &[&str]| words.iter().any(|word| code.starts_with(word));
    match status {
        _ if begins(&throttled) || begins(&again) => PASSING,
        _ if begins(&stranger) => Kind::Unauthorized,
        _ if code.ends_with(".NotFound") || code == "ResourceNotFoundException" => Kind::NotFound,
        409 => Kind::Conflict,
        429 | 500.. => PASSING,
        _ => Kind::Refused,
    }
}

/// Returns what to do about an error of a kind that AWS calls `code`.
pub(super) fn hint(kind: Kind, code: &str) -> &'static str {
    match kind {
        Kind::Transient { .. } => "run the same again later",
        Kind::Unauthorized => "check the credentials, and this machine's clock",
        Kind::NotFound => "it was deleted, or is in another region or account",
        Kind::Conflict => "another upload of the same is at work; wait for it",
        _ if code.contains("Denied") || code.contains("Unauthorized") => {
            "the credentials lack a permission; docs/upload-aws.md lists what is needed"
        }
        _ if code.contains("Limit") || code.contains("Quota") => "ask for a higher quota, or free some",
        _ => "change what AWS complains of",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_kinds() {
        for (code, status, expected) in [
            ("RequestThrottledException", 400, PASSING),
            ("RequestLimitExceeded", 503, PASSING),
            ("InternalServerException", 500, PASSING),
            ("?", 502, PASSING),
            ("AccessDeniedException", 403, Kind::Refused),
            ("UnauthorizedOperation", 403, Kind::Refused),
            ("AuthFailure", 401, Kind::Unauthorized),
            ("InvalidAMIID.NotFound", 400, Kind::NotFound),
            ("ResourceNotFoundException", 404, Kind::NotFound),
            ("ConflictException", 409, Kind::Conflict),
            ("ValidationException", 400, Kind::Refused),
        ] {
            assert_eq!(kind(code, status), expected, "{code}");
        }
        assert!(hint(Kind::Refused, "UnauthorizedOperation").contains("permission"));
    }
}
