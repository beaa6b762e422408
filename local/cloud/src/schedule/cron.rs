//! Cron expressions of six fields, minutes to year, with AWS's wildcards.
//! <https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#cron-based>
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html>
//!
//! Both services read them alike. As in Quartz, names have no case and a range may run over its end (`FRI-MON`).

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Days, LocalResult, NaiveDate, TimeZone, Utc};
use chrono_tz::Tz;

const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
/// Saturday, the last day of the week.
const LAST_WEEKDAY: u32 = 7;

/// One field of the six.
#[derive(Debug, Clone, Copy)]
struct Field {
    name: &'static str,
    first: u32,
    last: u32,
    names: &'static [&'static str],
}

const FIELDS: [Field; 6] = [
    field("minutes", 0, 59, &[]),
    field("hours", 0, 23, &[]),
    field("day-of-month", 1, 31, &[]),
    field("month", 1, 12, &MONTHS),
    field("day-of-week", 1, 7, &WEEKDAYS),
    field("year", 1970, 2199, &[]),
];

const fn field(name: &'static str, first: u32, last: u32, names: &'static [&'static str]) -> Field {
    Field {
        name,
        first,
        last,
        names,
    }
}

/// Why an expression is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// Too few or too many fields.
    #[error("{0} fields instead of 6: minutes hours day-of-month month day-of-week year")]
    Fields(usize),
    /// Both day fields say something, or none does.
    #[error("exactly one of day-of-month and day-of-week must be ?")]
    Days,
    /// A value, range, step or wildcard that the field does not have.
    #[error("{field} cannot be {text}: it has values from {first} to {last}")]
    Value {
        /// The field.
        field: &'static str,
        /// What it was given.
        text: String,
        /// Its least value.
        first: u32,
        /// Its greatest value.
        last: u32,
    },
}

/// When a cron expression is due, in the local time of some zone.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cron {
    minutes: BTreeSet<u32>,
    hours: BTreeSet<u32>,
    days: DayRule,
    months: BTreeSet<u32>,
    years: BTreeSet<u32>,
}

/// On which days of a month it is due.
#[derive(Debug, Clone, PartialEq)]
enum DayRule {
    /// `1,15`.
    Days(BTreeSet<u32>),
    /// `L`.
    Last,
    /// `LW`: the last from Monday to Friday.
    LastWorkday,
    /// `15W`: the day from Monday to Friday that is nearest, in the same month.
    NearestWorkday(u32),
    /// `MON-FRI`, from 1 = Sunday.
    Weekdays(BTreeSet<u32>),
    /// `6L`: the last Friday of the month.
    LastWeekday(u32),
    /// `3#2`: the second Tuesday of the month.
    NthWeekday(u32, u32),
}

impl Field {
    fn wrong(&self, text: &str) -> CronError {
        CronError::Value {
            field: self.name,
            text: text.to_owned(),
            first: self.first,
            last: self.last,
        }
    }

    /// A single value, by its number or name.
    fn value(&self, text: &str) -> Option<u32> {
        let named = self
            .names
            .iter()
            .position(|name| name.eq_ignore_ascii_case(text));
        if let Some(at) = named {
            return u32::try_from(at).ok().map(|at| self.first + at);
        }
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let value = digits.then(|| text.parse().ok()).flatten()?;
        (self.first..=self.last).contains(&value).then_some(value)
    }

    /// All values of a list of values, ranges and steps.
    fn values(&self, text: &str) -> Result<BTreeSet<u32>, CronError> {
        let mut all = BTreeSet::new();
        for item in text.split(',') {
            all.extend(self.item(item).ok_or_else(|| self.wrong(text))?);
        }
        Ok(all)
    }

    fn item(&self, item: &str) -> Option<Vec<u32>> {
        let (base, step) = match item.split_once('/') {
            Some((base, step)) => (
                base,
                Some(step.parse::<u32>().ok().filter(|step| *step > 0)?),
            ),
            None => (item, None),
        };
        let (from, to) = match (base, base.split_once('-')) {
            ("*", _) => (self.first, self.last),
            (_, Some((from, to))) => (self.value(from)?, self.value(to)?),
            (_, None) => {
                let from = self.value(base)?;
                // A step without an end goes on to the field's.
                (from, if step.is_some() { self.last } else { from })
            }
        };
        // A range may run over the end of the field, but years do not come again.
        let length = match to.checked_sub(from) {
            Some(length) => length,
            None if self.name == "year" => return None,
            None => self.last - from + 1 + to - self.first,
        };
        let size = self.last - self.first + 1;
        let at = |offset: u32| self.first + (from - self.first + offset) % size;
        let step = usize::try_from(step.unwrap_or(1)).ok()?;
        Some((0..=length).step_by(step).map(at).collect())
    }
}

impl Cron {
    /// Reads what stands between the parentheses.
    pub(super) fn parse(text: &str) -> Result<Cron, CronError> {
        let parts: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays, years] = parts[..] else {
            return Err(CronError::Fields(parts.len()));
        };
        let days = match (days, weekdays) {
            ("?", "?") => return Err(CronError::Days),
            (days, "?") => days_of_month(days)?,
            ("?", weekdays) => days_of_week(weekdays)?,
            _ => return Err(CronError::Days),
        };
        Ok(Cron {
            minutes: FIELDS[0].values(minutes)?,
            hours: FIELDS[1].values(hours)?,
            days,
            months: FIELDS[3].values(months)?,
            years: FIELDS[5].values(years)?,
        })
    }

    /// The first moment after `after` at which it is due. A local time that the clock skips in spring is skipped, one
    /// that comes twice in autumn counts when it first comes.
    /// <https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#daylist-savings-time>
    pub(super) fn next(&self, after: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        // A local day may have begun before: zones jump by an hour, once by a whole day.
        let mut date = after
            .with_timezone(&zone)
            .date_naive()
            .checked_sub_days(Days::new(1))?;
        let last = i32::try_from(*self.years.last()?).ok()?;
        while date.year() <= last {
            if !self.has_month(date) {
                date = next_month(date)?;
                continue;
            }
            if self.days.has(date)
                && let Some(due) = self.first_of_day(date, after, zone)
            {
                return Some(due);
            }
            date = date.succ_opt()?;
        }
        None
    }

    fn has_month(&self, date: NaiveDate) -> bool {
        u32::try_from(date.year()).is_ok_and(|year| self.years.contains(&year))
            && self.months.contains(&date.month())
    }

    fn first_of_day(
        &self,
        date: NaiveDate,
        after: DateTime<Utc>,
        zone: Tz,
    ) -> Option<DateTime<Utc>> {
        let times = self.hours.iter().flat_map(|hour| {
            let minutes = self.minutes.iter();
            minutes.filter_map(|minute| date.and_hms_opt(*hour, *minute, 0))
        });
        let due = times.filter_map(|local| match zone.from_local_datetime(&local) {
            LocalResult::Single(moment) | LocalResult::Ambiguous(moment, _) => {
                Some(moment.with_timezone(&Utc))
            }
            LocalResult::None => None,
        });
        due.filter(|due| *due > after).min()
    }
}

fn days_of_month(text: &str) -> Result<DayRule, CronError> {
    let field = &FIELDS[2];
    if text.eq_ignore_ascii_case("L") {
        return Ok(DayRule::Last);
    }
    if text.eq_ignore_ascii_case("LW") {
        return Ok(DayRule::LastWorkday);
    }
    if let Some(day) = text.strip_suffix(['W', 'w']) {
        let day = field.value(day).ok_or_else(|| field.wrong(text))?;
        return Ok(DayRule::NearestWorkday(day));
    }
    field.values(text).map(DayRule::Days)
}

fn days_of_week(text: &str) -> Result<DayRule, CronError> {
    let field = &FIELDS[4];
    let wrong = || field.wrong(text);
    if text.eq_ignore_ascii_case("L") {
        return Ok(DayRule::Weekdays([LAST_WEEKDAY].into()));
    }
    if let Some((day, nth)) = text.split_once('#') {
        let nth = nth.parse().ok().filter(|nth| (1..=5).contains(nth));
        let day = field.value(day).ok_or_else(wrong)?;
        return Ok(DayRule::NthWeekday(day, nth.ok_or_else(wrong)?));
    }
    if let Some(day) = text.strip_suffix(['L', 'l']) {
        return Ok(DayRule::LastWeekday(field.value(day).ok_or_else(wrong)?));
    }
    field.values(text).map(DayRule::Weekdays)
}

impl DayRule {
    fn has(&self, date: NaiveDate) -> bool {
        let weekday = date.weekday().num_days_from_sunday() + 1;
        let last = u32::from(date.num_days_in_month());
        let workday = |day: u32| !matches!(weekday_of(date, day), 1 | LAST_WEEKDAY);
        match self {
            DayRule::Days(days) => days.contains(&date.day()),
            DayRule::Last => date.day() == last,
            DayRule::LastWorkday => (1..=last).rev().find(|day| workday(*day)) == Some(date.day()),
            DayRule::NearestWorkday(day) => {
                // A month without that day has none that is nearest to it.
                let nearest = [
                    *day,
                    day.wrapping_sub(1),
                    day + 1,
                    day.wrapping_sub(2),
                    day + 2,
                ]
                .into_iter()
                .find(|near| (1..=last).contains(near) && workday(*near));
                *day <= last && nearest == Some(date.day())
            }
            DayRule::Weekdays(days) => days.contains(&weekday),
            DayRule::LastWeekday(day) => weekday == *day && date.day() + 7 > last,
            DayRule::NthWeekday(day, nth) => weekday == *day && date.day().div_ceil(7) == *nth,
        }
    }
}

/// The weekday of another day of the same month, from 1 = Sunday.
fn weekday_of(date: NaiveDate, day: u32) -> u32 {
    let weekday = date.weekday().num_days_from_sunday();
    // 35 days more, so that nothing is below zero.
    (weekday + 35 + day - date.day()) % 7 + 1
}

fn next_month(date: NaiveDate) -> Option<NaiveDate> {
    match date.month() {
        12 => NaiveDate::from_ymd_opt(date.year() + 1, 1, 1),
        month => NaiveDate::from_ymd_opt(date.year(), month + 1, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(cron: &str, zone: Tz, after: &str, times: usize) -> Vec<String> {
        let cron = Cron::parse(cron).unwrap();
        let mut at: DateTime<Utc> = after.parse().unwrap();
        let next = || {
            at = cron.next(at, zone)?;
            Some(at.format("%Y-%m-%dT%H:%M").to_string())
        };
        std::iter::from_fn(next).take(times).collect()
    }

    #[test]
    fn days_are_chosen_as_documented() {
        // A Tuesday.
        let after = "2026-11-24T08:15:30Z";
        for (cron, expected) in [
            ("0 10 * * ? *", ["2026-11-24T10:00", "2026-11-25T10:00"]),
            (
                "0 8-18/5 ? * mon-Fri *",
                ["2026-11-24T13:00", "2026-11-24T18:00"],
            ),
            ("15/40 8 * * ? *", ["2026-11-24T08:55", "2026-11-25T08:15"]),
            (
                "0 8 ? * FRI-MON *",
                ["2026-11-27T08:00", "2026-11-28T08:00"],
            ),
            ("0 22-1/3 * * ? *", ["2026-11-24T22:00", "2026-11-25T01:00"]),
            ("0 10 ? * L *", ["2026-11-28T10:00", "2026-12-05T10:00"]),
            ("0 10 ? * 6L *", ["2026-11-27T10:00", "2026-12-25T10:00"]),
            ("0 10 ? * 3#2 *", ["2026-12-08T10:00", "2027-01-12T10:00"]),
            ("0 10 ? * TUE#5 *", ["2026-12-29T10:00", "2027-03-30T10:00"]),
            ("0 10 L * ? *", ["2026-11-30T10:00", "2026-12-31T10:00"]),
            ("0 10 LW 1,10 ? *", ["2027-01-29T10:00", "2027-10-29T10:00"]),
            // The 15th of August is a Sunday, the first of May a Saturday.
            ("0 10 15W 8 ? *", ["2027-08-16T10:00", "2028-08-15T10:00"]),
            ("0 10 1W MAY ? *", ["2027-05-03T10:00", "2028-05-01T10:00"]),
            ("0 10 31W * ? *", ["2026-12-31T10:00", "2027-01-29T10:00"]),
            ("0 0 29 2 ? *", ["2028-02-29T00:00", "2032-02-29T00:00"]),
            (
                "0 0 1 1 ? 2030-2040/5",
                ["2030-01-01T00:00", "2035-01-01T00:00"],
            ),
        ] {
            assert_eq!(due(cron, Tz::UTC, after, 2), expected, "{cron}");
        }
        assert!(due("0 0 1 1 ? 2020", Tz::UTC, after, 1).is_empty());
        assert!(due("0 0 31 2 ? *", Tz::UTC, after, 1).is_empty());
    }

    #[test]
    fn skipped_times_are_skipped_and_repeated_ones_come_once() {
        let new_york = Tz::America__New_York;
        // Clocks went from 02:00 to 03:00 on 8 March 2026, and from 02:00 back to 01:00 on 1 November.
        let spring = due("30 2 * * ? *", new_york, "2026-03-07T06:00:00Z", 2);
        assert_eq!(spring, ["2026-03-07T07:30", "2026-03-09T06:30"]);
        let autumn = due("30 1 * * ? *", new_york, "2026-10-31T12:00:00Z", 2);
        assert_eq!(autumn, ["2026-11-01T05:30", "2026-11-02T06:30"]);
        let often = due("0/30 1-2 * * ? *", new_york, "2026-11-01T05:00:00Z", 4);
        let expected = [
            "2026-11-01T05:30",
            "2026-11-01T07:00",
            "2026-11-01T07:30",
            "2026-11-02T06:00",
        ];
        assert_eq!(often, expected);
        // Half an hour, in the south.
        let lord_howe = due(
            "15 2 * * ? *",
            Tz::Australia__Lord_Howe,
            "2026-10-02T20:00:00Z",
            2,
        );
        assert_eq!(lord_howe, ["2026-10-04T15:15", "2026-10-05T15:15"]);
    }

    #[test]
    fn what_aws_refuses_is_refused() {
        for (cron, words) in [
            ("0 10 * * *", "5 fields"),
            ("0 10 * * ? * *", "7 fields"),
            ("0 10 * * * *", "exactly one"),
            ("0 10 ? * ? *", "exactly one"),
            ("34 12 * * SAT *", "exactly one"),
            ("0 8 5 * 2 *", "exactly one"),
            ("* * ? * ? *", "exactly one"),
            ("? * * * ? *", "minutes cannot be ?"),
            ("0 ? * * ? *", "hours cannot be ?"),
            ("0 0 1 ? ? *", "month cannot be ?"),
            ("0 0 1 1 ? ?", "year cannot be ?"),
            ("60 0 1 1 ? *", "minutes"),
            ("0 24 1 1 ? *", "hours"),
            ("0 0 0 1 ? *", "day-of-month"),
            ("0 0 32 1 ? *", "day-of-month"),
            ("0 0 1,L 1 ? *", "day-of-month"),
            ("0 0 W 1 ? *", "day-of-month"),
            ("0 0 5#2 1 ? *", "day-of-month"),
            ("0 0 1 13 ? *", "month"),
            ("0 0 1 JANUARY ? *", "month"),
            ("0 0 ? * 0 *", "day-of-week"),
            ("0 0 ? * 8 *", "day-of-week"),
            ("0 0 ? * 3W *", "day-of-week"),
            ("0 0 ? * 3#6 *", "day-of-week"),
            ("0 0 ? * 3#0 *", "day-of-week"),
            ("0 0 ? * 3#1,6#3 *", "day-of-week"),
            ("0 0 ? * L,2 *", "day-of-week"),
            ("0 0 1 1 ? 1969", "year"),
            ("0 0 1 1 ? 2200", "year"),
            ("0 0 1 1 ? 2030-2020", "year"),
            ("*/0 * * * ? *", "minutes"),
            ("/5 * * * ? *", "minutes"),
            ("5/ * * * ? *", "minutes"),
            ("1,,2 * * * ? *", "minutes"),
            ("-1 * * * ? *", "minutes"),
            ("1-2-3 * * * ? *", "minutes"),
        ] {
            let error = Cron::parse(cron).unwrap_err().to_string();
            assert!(error.contains(words), "{cron}: {error}");
        }
    }
}
