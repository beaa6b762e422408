//! Schedule expressions: `rate(5 minutes)`, `cron(0 9 ? * MON-FRI *)`, `at(2026-11-24T09:00:00)`.
//! <https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html>

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

/// When a schedule is due.
#[derive(Debug, Clone)]
pub struct Expression {
    kind: Kind,
    zone: Tz,
}

#[derive(Debug, Clone)]
enum Kind {
    Rate(Duration),
    Cron(Box<Cron>),
    At(NaiveDateTime),
}

impl Expression {
    /// Reads an expression; the time zone is an IANA name.
    pub fn parse(text: &str, zone: Option<&str>) -> Result<Self, String> {
        let zone: Tz = zone.unwrap_or("UTC").parse().map_err(|_| {
            format!(
                "{} is not a time zone of the IANA database",
                zone.unwrap_or_default()
            )
        })?;
        let inside = |name: &str| {
            text.strip_prefix(name)?
                .strip_prefix('(')?
                .strip_suffix(')')
        };
        let kind = match (inside("rate"), inside("cron"), inside("at")) {
            (Some(rate), _, _) => Kind::Rate(parse_rate(rate)?),
            (_, Some(cron), _) => Kind::Cron(Box::new(parse_cron(cron)?)),
            (_, _, Some(at)) => {
                let moment = NaiveDateTime::parse_from_str(at, "%Y-%m-%dT%H:%M:%S");
                Kind::At(
                    moment
                        .map_err(|error| format!("at({at}) is not yyyy-mm-ddThh:mm:ss: {error}"))?,
                )
            }
            _ => return Err(format!("{text} is none of rate(...), cron(...), at(...)")),
        };
        Ok(Expression { kind, zone })
    }

    /// The first moment after `after` at which it is due.
    pub fn next(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match &self.kind {
            Kind::Rate(every) => after.checked_add_signed(TimeDelta::from_std(*every).ok()?),
            Kind::Cron(cron) => {
                let next = cron
                    .find_next_occurrence(&after.with_timezone(&self.zone), false)
                    .ok()?;
                Some(next.with_timezone(&Utc))
            }
            Kind::At(moment) => {
                let moment = self
                    .zone
                    .from_local_datetime(moment)
                    .earliest()?
                    .with_timezone(&Utc);
                (moment > after).then_some(moment)
            }
        }
    }
}

fn parse_rate(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("rate({text}) is not a positive number and one of minute(s), hour(s), day(s)");
    let (number, unit) = text.trim().split_once(' ').ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit.trim() {
        "minute" | "minutes" => 60,
        "hour" | "hours" => 3_600,
        "day" | "days" => 86_400,
        _ => return Err(wrong()),
    };
    if number == 0 {
        return Err(wrong());
    }
    Ok(Duration::from_secs(number.saturating_mul(seconds)))
}

/// Six fields, minutes to year, with weekdays from 1 = Sunday; `?` stands in one of the two day
/// fields.
fn parse_cron(text: &str) -> Result<Cron, String> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    if fields.len() != FIELD_ENDS.len() {
        let count = fields.len();
        return Err(format!(
            "cron({text}) has {count} fields, not 6: minutes hours day-of-month month day-of-week year"
        ));
    }
    let fields: Vec<String> = fields
        .iter()
        .zip(FIELD_ENDS)
        .map(|(field, end)| open_steps(field, end))
        .collect();
    let parser = CronParser::builder()
        .seconds(Seconds::Required)
        .year(Year::Required)
        .alternative_weekdays(true)
        .build();
    parser
        .parse(&format!("0 {}", fields.join(" ").replace('?', "*")))
        .map_err(|error| format!("cron({text}): {error}"))
}

/// Largest value of each field.
const FIELD_ENDS: [u32; 6] = [59, 23, 31, 12, 7, 2199];

/// Spells steps without an end out, for the parser wants one: `5/20` becomes `5-59/20`.
fn open_steps(field: &str, end: u32) -> String {
    let spell_out = |item: &str| match item.split_once('/') {
        Some((start, step)) if start.parse::<u32>().is_ok() => format!("{start}-{end}/{step}"),
        _ => item.to_owned(),
    };
    field
        .split(',')
        .map(spell_out)
        .collect::<Vec<_>>()
        .join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_due_when_aws_says() {
        // A Tuesday.
        let now: DateTime<Utc> = "2026-11-24T08:15:30Z".parse().unwrap();
        for (text, zone, expected) in [
            ("rate(5 minutes)", None, Some("2026-11-24T08:20:30Z")),
            ("rate(1 day)", None, Some("2026-11-25T08:15:30Z")),
            ("cron(0 10 * * ? *)", None, Some("2026-11-24T10:00:00Z")),
            (
                "cron(15 12 * * ? *)",
                Some("Europe/Vienna"),
                Some("2026-11-24T11:15:00Z"),
            ),
            ("cron(0/20 * * * ? *)", None, Some("2026-11-24T08:20:00Z")),
            (
                "cron(10/30,59 * * * ? *)",
                None,
                Some("2026-11-24T08:40:00Z"),
            ),
            (
                "cron(0 18 ? * MON-FRI *)",
                None,
                Some("2026-11-24T18:00:00Z"),
            ),
            ("cron(0 8 ? * 2 *)", None, Some("2026-11-30T08:00:00Z")),
            ("cron(0 8 L * ? *)", None, Some("2026-11-30T08:00:00Z")),
            ("cron(0 8 1 * ? 2027)", None, Some("2027-01-01T08:00:00Z")),
            ("cron(0 8 1 * ? 2025)", None, None),
            (
                "at(2026-11-24T09:00:00)",
                None,
                Some("2026-11-24T09:00:00Z"),
            ),
            ("at(2026-11-24T11:00:00)", Some("Asia/Tokyo"), None),
        ] {
            let next = Expression::parse(text, zone).unwrap().next(now);
            let expected: Option<DateTime<Utc>> = expected.map(|text| text.parse().unwrap());
            assert_eq!(next, expected, "{text}");
        }
    }

    #[test]
    fn bad_expressions_say_what_is_wrong() {
        for (text, zone, words) in [
            ("every minute", None, "none of"),
            ("rate(0 minutes)", None, "positive number"),
            ("rate(5 seconds)", None, "positive number"),
            ("cron(0 10 * * *)", None, "5 fields"),
            ("cron(61 10 * * ? *)", None, "cron(61"),
            ("at(tomorrow)", None, "yyyy-mm-dd"),
            ("rate(1 hour)", Some("Mars/Olympus"), "time zone"),
        ] {
            let error = Expression::parse(text, zone).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
