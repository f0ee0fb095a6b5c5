//! Instants on the command line: so long ago, or at a time.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

/// Reads `7d` (so long ago), `2025-06-01T11:08:00Z`, or `2025-06-01 11:08` (this host's time zone).
pub(super) fn parse(text: &str) -> Result<Timestamp, String> {
    if let Ok(ago) = humantime::parse_duration(text) {
        return Timestamp::now()
            .checked_sub(ago)
            .map_err(|_| format!("{text:?} is before all time"));
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let civil = text
        .parse::<DateTime>()
        .map_err(|_| format!("{text:?} is no time; write 2h or 7d for so long ago, 2025-06-01, or 2025-06-01 11:08"))?;
    civil
        .to_zoned(TimeZone::system())
        .map(|zoned| zoned.timestamp())
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_long_ago_or_at_a_time() {
        let ago = parse("2h").expect("a duration");
        let off = Timestamp::now().duration_since(ago).as_secs() - 7_200;
        assert!((0..60).contains(&off), "{off}");
        assert_eq!(
            parse("2025-06-01T11:08:00Z").expect("a time").to_string(),
            "2025-06-01T11:08:00Z"
        );
        let local = parse("2025-06-01 11:08").expect("a civil time");
        assert_eq!(
            local.to_zoned(TimeZone::system()).strftime("%H:%M").to_string(),
            "11:08"
        );
        assert!(parse("2025-06-01").is_ok());
        assert!(parse("yesterday").is_err_and(|error| error.contains("7d")));
    }
}
