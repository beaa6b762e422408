//! Moments, to the microsecond.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Microseconds since the Unix epoch. Displayed as ISO 8601 in UTC with milliseconds: `2026-11-24T08:15:33.120Z`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Reads an RFC 3339 timestamp with an upper-case `T` and a zone, as the States Language demands of its timestamps.
    pub fn parse(text: &str) -> Option<Timestamp> {
        if !text.contains('T') || text.contains('z') {
            return None;
        }
        let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        i64::try_from(moment.unix_timestamp_nanos() / 1_000)
            .ok()
            .map(Timestamp)
    }

    /// Reads what a Wait state takes at run time, an ISO 8601 extended offset date-time: the seconds may be missing, and
    /// `t` and `z` may be lower-case.
    pub fn parse_offset_date_time(text: &str) -> Option<Timestamp> {
        let mut text = text.to_ascii_uppercase();
        const MINUTES: usize = "2016-12-05T21:29".len();
        if text
            .as_bytes()
            .get(MINUTES)
            .is_some_and(|next| matches!(next, b'Z' | b'+' | b'-'))
        {
            text.insert_str(MINUTES, ":00");
        }
        Timestamp::parse(&text)
    }

    /// This moment so many seconds later; the last representable moment when that is too far off.
    #[must_use]
    pub fn plus_seconds(self, seconds: f64) -> Timestamp {
        // A float-to-int cast saturates, so a huge delay becomes the far future rather than the past.
        Timestamp(self.0.saturating_add((seconds * 1e6) as i64))
    }

    /// Seconds since the Unix epoch, with the fraction.
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Ok(moment) = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000)
        else {
            return write!(f, "{}us", self.0);
        };
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            moment.year(),
            u8::from(moment.month()),
            moment.day(),
            moment.hour(),
            moment.minute(),
            moment.second(),
            moment.millisecond()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_prints_with_milliseconds() {
        let moment = Timestamp::parse("2026-11-24T09:15:33.12+01:00").unwrap();
        assert_eq!(moment.to_string(), "2026-11-24T08:15:33.120Z");
    }

    #[test]
    fn a_wait_takes_looser_timestamps() {
        for text in [
            "2016-12-05T21:29Z",
            "2016-12-05t21:29:00z",
            "2016-12-05T22:29+01:00",
            "2016-12-05T21:29:00.0Z",
        ] {
            assert_eq!(
                Timestamp::parse_offset_date_time(text),
                Timestamp::parse("2016-12-05T21:29:00Z"),
                "{text}"
            );
        }
        for text in ["2016-12-05T21:29", "2016-12-05", "é", "2016-12-05 21:29Z"] {
            assert_eq!(Timestamp::parse_offset_date_time(text), None, "{text}");
        }
    }

    #[test]
    fn loose_timestamps_are_refused() {
        for text in [
            "2026-11-24",
            "2026-11-24 08:15:33Z",
            "2026-11-24T08:15:33z",
            "2026-11-24T08:15:33",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }
}
