//! Dates as archives and HTTP servers write them: RFC 5322 and RFC 9110, always UTC.

use std::time::{Duration, SystemTime};

/// Seconds in a day.
const DAY_SECONDS: i64 = 86_400;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Parses `Sat, 11 Jul 2026 10:16:37 UTC` to seconds since 1970. The weekday may be missing and is not checked;
/// the zone must be one of the names of UTC.
pub fn parse(text: &str) -> Option<i64> {
    let text = text.split_once(',').map_or(text, |(_, rest)| rest);
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let [day, month, year, clock, zone] = words.try_into().ok()?;
    if !["UTC", "GMT", "Z", "+0000", "-0000"].contains(&zone) {
        return None;
    }
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let [hour, minute, second] = clock.split(':').collect::<Vec<_>>().try_into().ok()?;
    let (hour, minute) = (number(hour, 23)?, number(minute, 59)?);
    // 60 is a leap second.
    let second = number(second, 60)?;
    if year.len() != 4 {
        return None;
    }
    let days = days_since_1970(number(year, 9999)?, i64::try_from(month).ok()?, number(day, 31)?)?;
    Some(days * DAY_SECONDS + hour * 3600 + minute * 60 + second)
}

/// Returns `2026-07-11 10:16:37 UTC` for seconds since 1970.
pub fn show(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(DAY_SECONDS), seconds.rem_euclid(DAY_SECONDS));
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC", rest / 3600, rest / 60 % 60, rest % 60)
}

/// Returns `20260711T101637Z` for seconds since 1970.
pub fn stamp(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(DAY_SECONDS), seconds.rem_euclid(DAY_SECONDS));
    let (year, month, day) = civil(days);
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

/// Returns `2026-07-11T10:16:37Z`, as ISO 8601 has it, for seconds since 1970.
pub fn iso(seconds: i64) -> String {
    show(seconds).replacen(' ', "T", 1).replace(" UTC", "Z")
}

/// Returns `11 Jul 2026 10:16:37 UTC`, which [`parse`] reads, for seconds since 1970.
pub fn release_form(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(DAY_SECONDS), seconds.rem_euclid(DAY_SECONDS));
    let (year, month, day) = civil(days);
    let month = usize::try_from(month - 1).ok().and_then(|index| MONTHS.get(index)).unwrap_or(&MONTHS[0]);
    format!("{day} {month} {year:04} {:02}:{:02}:{:02} UTC", rest / 3600, rest / 60 % 60, rest % 60)
}

/// Returns how long the value of `Retry-After` (RFC 9110, 10.2.3), seconds or a date, asks to wait from `now` on.
pub fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    let left = || Some(u64::try_from(parse(text)? - seconds(now)).unwrap_or(0));
    Some(Duration::from_secs(text.parse().ok().or_else(left)?))
}

/// Returns `time` as seconds since 1970.
pub fn seconds(time: SystemTime) -> i64 {
    match time.duration_since(std::time::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |seconds| -seconds),
    }
}

fn number(text: &str, largest: i64) -> Option<i64> {
    let digits = !text.is_empty() && text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|number| *number <= largest)
}

/// Counts days from 1970-01-01, by years that begin in March so that leap days come last.
fn days_since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    let march_year = if month <= 2 { year - 1 } else { year };
    let era = march_year.div_euclid(400);
    let year_of_era = march_year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    (civil(days) == (year, month, day)).then_some(days)
}

fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_the_forms_archives_and_servers_use() {
        for (text, expected) in [
            ("Sat, 11 Jul 2026 10:16:37 UTC", Some(1_783_764_997)),
            ("Sat, 11 Jul 2026 10:16:37 GMT", Some(1_783_764_997)),
            ("11 Jul 2026 10:16:37 +0000", Some(1_783_764_997)),
            ("Thu, 01 Jan 1970 00:00:00 UTC", Some(0)),
            ("Thu, 29 Feb 2024 23:59:59 UTC", Some(1_709_251_199)),
            ("Fri, 1 Mar 2024 00:00:00 UTC", Some(1_709_251_200)),
            ("Wed, 29 Feb 2023 00:00:00 UTC", None),
            ("Sat, 11 Jul 2026 10:16:37 CET", None),
            ("Sat, 11 Jul 2026 24:16:37 UTC", None),
            ("Sat, 11 Jul 26 10:16:37 UTC", None),
            ("Sat, 11 Jul 2026 10:16 UTC", None),
            ("Sat, 11 Jul 2026 +1:16:37 UTC", None),
            ("", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn a_wait_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_783_764_997);
        let wait = |text| retry_after(text, now).map(|wait| wait.as_secs());
        assert_eq!(wait(" 7 "), Some(7));
        assert_eq!(wait("Sat, 11 Jul 2026 10:17:37 GMT"), Some(60));
        assert_eq!(wait("Sat, 11 Jul 2026 10:16:36 GMT"), Some(0), "it has passed");
        assert_eq!(wait("soon"), None);
    }

    #[test]
    fn showing_a_date_inverts_reading_it() {
        assert_eq!(show(1_783_764_997), "2026-07-11 10:16:37 UTC");
        assert_eq!(iso(1_783_764_997), "2026-07-11T10:16:37Z");
        assert_eq!(show(-1), "1969-12-31 23:59:59 UTC");
    }
}
