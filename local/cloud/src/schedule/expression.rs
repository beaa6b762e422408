//! Schedule expressions: `rate(5 minutes)`, `cron(0 9 ? * MON-FRI *)`, `at(2026-11-24T09:00:00)`.

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use super::cron::{Cron, CronError};

/// When a schedule is due.
#[derive(Debug, Clone)]
pub struct Expression {
    kind: Kind,
    zone: Tz,
}

#[derive(Debug, Clone)]
enum Kind {
    Rate(TimeDelta),
    Cron(Box<Cron>),
    At(NaiveDateTime),
}

/// Why a schedule expression is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    /// Not one of the forms.
    #[error("it is none of {0}")]
    Form(&'static str),
    /// Not a rate.
    #[error("a rate is a positive number and {0}")]
    Rate(&'static str),
    /// Not a cron expression.
    #[error(transparent)]
    Cron(#[from] CronError),
    /// Not a moment.
    #[error("a moment is yyyy-mm-ddThh:mm:ss: {0}")]
    At(chrono::ParseError),
    /// No such zone.
    #[error("{0} is not a time zone of the IANA database")]
    Zone(String),
}

impl Expression {
    /// Reads an expression of EventBridge Scheduler; the time zone is an IANA name.
    /// <https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html>
    ///
    /// # Errors
    /// It is none.
    pub fn of_schedule(text: &str, zone: Option<&str>) -> Result<Self, ExpressionError> {
        let zone = zone.unwrap_or("UTC");
        let zone = zone
            .parse()
            .map_err(|_| ExpressionError::Zone(zone.to_owned()))?;
        let kind = if let Some(rate) = inside(text, "rate") {
            let wrong = ExpressionError::Rate("one of minute(s), hour(s), day(s)");
            Kind::Rate(parse_rate(rate).ok_or(wrong)?.0)
        } else if let Some(cron) = inside(text, "cron") {
            Kind::Cron(Box::new(Cron::parse(cron)?))
        } else if let Some(at) = inside(text, "at") {
            let moment = NaiveDateTime::parse_from_str(at, "%Y-%m-%dT%H:%M:%S");
            Kind::At(moment.map_err(ExpressionError::At)?)
        } else {
            return Err(ExpressionError::Form("rate(...), cron(...), at(...)"));
        };
        Ok(Expression { kind, zone })
    }

    /// Reads an expression of an EventBridge rule: no moments, UTC, and the unit of a rate is singular for 1 and plural
    /// for all else.
    /// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html>
    ///
    /// # Errors
    /// It is none.
    pub fn of_rule(text: &str) -> Result<Self, ExpressionError> {
        let kind = if let Some(rate) = inside(text, "rate") {
            let wrong = ExpressionError::Rate(
                "its unit: minute, hour, day for 1; minutes, hours, days for more",
            );
            match parse_rate(rate) {
                Some((every, true)) => Kind::Rate(every),
                _ => return Err(wrong),
            }
        } else if let Some(cron) = inside(text, "cron") {
            Kind::Cron(Box::new(Cron::parse(cron)?))
        } else {
            return Err(ExpressionError::Form("rate(...), cron(...)"));
        };
        Ok(Expression {
            kind,
            zone: Tz::UTC,
        })
    }

    /// Whether it is due once only.
    pub fn is_once(&self) -> bool {
        matches!(self.kind, Kind::At(_))
    }

    /// The first moment after `after` at which it is due; a rate is due at `anchor` and after each of its intervals.
    pub fn next(&self, after: DateTime<Utc>, anchor: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match &self.kind {
            Kind::Rate(_) if after < anchor => Some(anchor),
            Kind::Rate(every) => {
                let intervals = (after - anchor).num_seconds() / every.num_seconds() + 1;
                let past = every.num_seconds().checked_mul(intervals)?;
                anchor.checked_add_signed(TimeDelta::try_seconds(past)?)
            }
            Kind::Cron(cron) => cron.next(after, self.zone),
            Kind::At(moment) => {
                let moment = match self.zone.from_local_datetime(moment) {
                    LocalResult::Single(moment) | LocalResult::Ambiguous(moment, _) => moment,
                    // The clock jumps over it.
                    LocalResult::None => return None,
                };
                let moment = moment.with_timezone(&Utc);
                (moment > after).then_some(moment)
            }
        }
    }
}

fn inside<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.strip_prefix(name)?
        .strip_prefix('(')?
        .strip_suffix(')')
}

/// The interval, and whether number and unit agree in their grammar.
fn parse_rate(text: &str) -> Option<(TimeDelta, bool)> {
    let mut words = text.split_whitespace();
    let (Some(number), Some(unit), None) = (words.next(), words.next(), words.next()) else {
        return None;
    };
    let number: i64 = number.parse().ok().filter(|number| *number > 0)?;
    let seconds = match unit.strip_suffix('s').unwrap_or(unit) {
        "minute" => 60,
        "hour" => 3_600,
        "day" => 86_400,
        _ => return None,
    };
    let every = TimeDelta::try_seconds(number.checked_mul(seconds)?)?;
    Some((every, unit.ends_with('s') == (number > 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_due_when_aws_says() {
        let anchor: DateTime<Utc> = "2026-11-24T08:00:30Z".parse().unwrap();
        let now: DateTime<Utc> = "2026-11-24T08:15:30Z".parse().unwrap();
        for (text, zone, expected) in [
            ("rate(5 minutes)", None, Some("2026-11-24T08:20:30Z")),
            ("rate(1 hour)", None, Some("2026-11-24T09:00:30Z")),
            ("rate(1 days)", None, Some("2026-11-25T08:00:30Z")),
            (
                "cron(15 12 * * ? *)",
                Some("Europe/Vienna"),
                Some("2026-11-24T11:15:00Z"),
            ),
            (
                "at(2026-11-24T09:00:00)",
                None,
                Some("2026-11-24T09:00:00Z"),
            ),
            ("at(2026-11-24T11:00:00)", Some("Asia/Tokyo"), None),
            ("at(2027-03-14T02:30:00)", Some("America/New_York"), None),
        ] {
            let next = Expression::of_schedule(text, zone)
                .unwrap()
                .next(now, anchor);
            let expected: Option<DateTime<Utc>> = expected.map(|text| text.parse().unwrap());
            assert_eq!(next, expected, "{text}");
        }
        let rate = Expression::of_rule("rate(5 minutes)").unwrap();
        let before = anchor - TimeDelta::seconds(1);
        assert_eq!(rate.next(before, anchor), Some(anchor));
        assert_eq!(
            rate.next(anchor, anchor),
            Some(anchor + TimeDelta::minutes(5))
        );
    }

    #[test]
    fn the_two_services_refuse_what_they_do_not_have() {
        for (text, of_schedule, of_rule) in [
            ("rate(1 minute)", true, true),
            ("rate(2 minutes)", true, true),
            ("rate(1 minutes)", true, false),
            ("rate(2 minute)", true, false),
            ("rate(0 minutes)", false, false),
            ("rate(-1 minutes)", false, false),
            ("rate(1.5 hours)", false, false),
            ("rate(5 seconds)", false, false),
            ("rate(5 minutess)", false, false),
            ("rate(5)", false, false),
            ("at(2030-01-01T00:00:00)", true, false),
            ("at(2030-01-01)", false, false),
            ("at(tomorrow)", false, false),
            ("every minute", false, false),
            ("cron(0 10 * * ? *)", true, true),
            ("cron(0 10 * * *)", false, false),
            ("cron(0 10 * * ? *", false, false),
        ] {
            assert_eq!(
                Expression::of_schedule(text, None).is_ok(),
                of_schedule,
                "{text}"
            );
            assert_eq!(Expression::of_rule(text).is_ok(), of_rule, "{text}");
        }
        let error = Expression::of_schedule("rate(1 hour)", Some("Mars/Olympus")).unwrap_err();
        assert!(error.to_string().contains("Mars/Olympus"));
    }
}
