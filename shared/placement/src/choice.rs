//! Which placement a job gets, and why: the cheapest that meets the deadline, start-up included.
//!
//! [`choose`] is pure: the same needs, prices and availability give the same decision.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::pricing::{Offer, Prices};
use crate::{Placement, Resources, quota};
use input::{self, InvalidInput};

/// What a job needs of its placement.
#[derive(Debug, Clone, PartialEq)]
pub struct Needs {
    /// vCPUs and memory.
    pub resources: Resources,
    /// How long the job probably runs once started, seconds.
    pub expected_seconds: f64,
    /// The longest it may run, seconds: its timeout. Plans are made with this one, costs with the
    /// expected one.
    pub longest_seconds: f64,
    /// In how many seconds from now it must be done; none: whenever.
    pub within: Option<f64>,
    /// Whether it may be interrupted and run again, which Spot demands.
    pub interruptible: bool,
}

impl Needs {
    /// Refuses what no job can need.
    ///
    /// # Errors
    /// The JSON path of the first such value, as requests and job files name it.
    pub fn check(&self) -> Result<(), InvalidInput> {
        input::positive("$.resources.vcpu", self.resources.vcpu)?;
        input::positive("$.resources.memoryMiB", self.resources.memory_mib.into())?;
        duration("$.expectedSeconds", self.expected_seconds)?;
        duration("$.longestSeconds", self.longest_seconds)?;
        if self.longest_seconds < self.expected_seconds {
            let (longest, expected) = (self.longest_seconds, self.expected_seconds);
            let message = format!("{longest} is less than expectedSeconds, {expected}");
            return Err(InvalidInput::new("$.longestSeconds", message));
        }
        match self.within {
            Some(within) => duration("$.deadlineSeconds", within),
            None => Ok(()),
        }
    }

    /// What a job of `expected_seconds` may take when nobody has said more: a quarter on top.
    pub fn longest_of(expected_seconds: f64) -> f64 {
        expected_seconds * 1.25
    }
}

/// Refuses what is no time that a job of an execution can take.
fn duration(path: &str, seconds: f64) -> Result<(), InvalidInput> {
    input::positive(path, seconds)?;
    let most = quota::EXECUTION_SECONDS;
    if seconds <= most {
        return Ok(());
    }
    let message = format!("{seconds} is more than the {most} s that an execution may take");
    Err(InvalidInput::new(path, message))
}

/// Which placements refuse work at the moment, and their words for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Availability(BTreeMap<Placement, String>);

impl Availability {
    /// All placements take work.
    pub fn all() -> Self {
        Availability::default()
    }

    /// Notes that `placement` refused, for example `no Spot capacity` or `vCPU quota`.
    pub fn refuse(&mut self, placement: Placement, why: impl Into<String>) {
        self.0.insert(placement, why.into());
    }

    /// What refuses here or in `other`.
    #[must_use]
    pub fn and(mut self, other: &Availability) -> Self {
        for (placement, why) in &other.0 {
            self.refuse(*placement, why);
        }
        self
    }

    /// Why `placement` refuses, if it does.
    pub fn refusal(&self, placement: Placement) -> Option<&str> {
        self.0.get(&placement).map(String::as_str)
    }
}

/// What a placement can promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "verdict", content = "why")]
pub enum Promise {
    /// Done before the deadline even if start-up and run are the longest, and a Spot run is
    /// interrupted in its last second.
    Meets,
    /// Done in time only if start-up or run is shorter than the longest.
    MayMiss(String),
    /// Cannot run the job, or not in time.
    Cannot(String),
}

/// One row of the table of all placements.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// The placement.
    pub placement: Placement,
    /// The size it would run at; none when the job is too large for it.
    pub offer: Option<Offer>,
    /// Expected cost, USD, start-up and Spot reruns included.
    pub usd: f64,
    /// Seconds from now until the worker probably starts.
    pub start_seconds: f64,
    /// Seconds from now until it is probably done.
    pub finish_seconds: f64,
    /// Seconds from now until it is done at the latest.
    pub latest_seconds: f64,
    /// Whether that is good enough.
    pub promise: Promise,
}

/// The chosen placement with its reasons.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// Where the job runs.
    pub placement: Placement,
    /// One line for the log.
    pub explanation: String,
    /// All placements, in the order of [`Placement::ALL`].
    pub candidates: Vec<Candidate>,
}

/// No placement can run the job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no placement can run the job: {0}; ask for less or wait for capacity")]
pub struct NoPlacement(
    /// Each placement with its reason.
    pub String,
);

/// Chooses the placement of a job.
///
/// 1. Of the placements that meet the deadline in the worst case, the cheapest.
/// 2. If none does, the one that leaves the job the most time to run, on demand before Spot: it
///    meets the deadline whenever one of the others would.
/// 3. If the deadline leaves less than half of the expected time everywhere, it is lost, and the
///    cheapest that can run the job at all.
///
/// When a placement refuses the start, note it in `availability` and choose again: that is the
/// fallback order.
///
/// # Errors
/// [`NoPlacement`] when the job is too large for all that are available.
pub fn choose(
    needs: &Needs,
    prices: &Prices,
    availability: &Availability,
) -> Result<Decision, NoPlacement> {
    let candidates = candidates(needs, prices, availability);
    let (chosen, reason) =
        pick(needs, &candidates).ok_or_else(|| NoPlacement(refusals(&candidates, None)))?;
    Ok(Decision {
        placement: chosen.placement,
        explanation: explain(chosen, reason, needs.within, &candidates),
        candidates,
    })
}

/// Why [`pick`] took what it took.
#[derive(Clone, Copy)]
enum Reason {
    CheapestInTime,
    MostTime,
    DeadlineLost,
}

fn pick<'a>(needs: &Needs, candidates: &'a [Candidate]) -> Option<(&'a Candidate, Reason)> {
    let cheapest = |of: &dyn Fn(&Candidate) -> bool| {
        candidates
            .iter()
            .filter(|c| of(c))
            .min_by(|a, b| a.usd.total_cmp(&b.usd))
    };
    if let Some(candidate) = cheapest(&|c| c.promise == Promise::Meets) {
        return Some((candidate, Reason::CheapestInTime));
    }
    let time_to_run = |candidate: &Candidate| {
        let left = needs.within.unwrap_or(f64::INFINITY) - candidate.start_seconds;
        left.min(candidate.placement.time_limit().unwrap_or(f64::INFINITY))
    };
    // Of equals the last is taken, so that the first placement of the table wins.
    let most_time = candidates
        .iter()
        .rev()
        .filter(|c| matches!(c.promise, Promise::MayMiss(_)))
        .max_by(|a, b| {
            // On demand wins a tie with Spot, then the cheaper one.
            let key = |c: &Candidate| (time_to_run(c), !c.placement.is_spot(), -c.usd);
            key(a)
                .partial_cmp(&key(b))
                .unwrap_or(std::cmp::Ordering::Equal)
        })?;
    if time_to_run(most_time) >= needs.expected_seconds / 2.0 {
        return Some((most_time, Reason::MostTime));
    }
    cheapest(&|c| matches!(c.promise, Promise::MayMiss(_))).map(|c| (c, Reason::DeadlineLost))
}

/// The table of all placements for a job.
pub fn candidates(needs: &Needs, prices: &Prices, availability: &Availability) -> Vec<Candidate> {
    // What a rerun after a Spot interruption costs at most, and how long it takes at the latest.
    let lasting = |placement: &Placement| !placement.is_spot() && placement.time_limit().is_none();
    let rerun = Placement::ALL
        .into_iter()
        .filter(lasting)
        .filter_map(|placement| {
            let offer = prices.offer(placement, &needs.resources).ok()?;
            let start = prices.start_up(placement);
            Some((
                offer.cost(start.expected() + needs.expected_seconds),
                start.longest + needs.longest_seconds,
            ))
        });
    let rerun = rerun
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .unwrap_or((0.0, needs.longest_seconds));
    Placement::ALL
        .iter()
        .map(|&placement| candidate(needs, prices, availability, placement, rerun))
        .collect()
}

fn candidate(
    needs: &Needs,
    prices: &Prices,
    availability: &Availability,
    placement: Placement,
    (rerun_usd, rerun_seconds): (f64, f64),
) -> Candidate {
    let start = prices.start_up(placement);
    let offer = prices.offer(placement, &needs.resources);
    let finish_seconds = start.expected() + needs.expected_seconds;
    let mut latest_seconds = start.longest + needs.longest_seconds;
    let mut usd = match &offer {
        Ok(offer) => offer.cost(start.expected() + needs.expected_seconds),
        Err(_) => f64::INFINITY,
    };
    if placement.is_spot()
        && let Ok(offer) = &offer
    {
        usd = spot_cost(
            offer,
            prices.spot_interruptions_per_hour,
            finish_seconds,
            rerun_usd,
        );
        latest_seconds += rerun_seconds;
    }
    let promise = match &offer {
        Err(too_large) => Promise::Cannot(too_large.to_string()),
        Ok(_) => promise(needs, availability, placement, latest_seconds),
    };
    Candidate {
        placement,
        offer: offer.ok(),
        usd,
        start_seconds: start.expected(),
        finish_seconds,
        latest_seconds,
        promise,
    }
}

fn promise(
    needs: &Needs,
    availability: &Availability,
    placement: Placement,
    latest_seconds: f64,
) -> Promise {
    if let Some(why) = availability.refusal(placement) {
        return Promise::Cannot(format!("refused: {why}"));
    }
    if placement.is_spot() && !needs.interruptible {
        return Promise::Cannot("the job cannot be interrupted".to_owned());
    }
    if let Some(limit) = placement.time_limit() {
        if needs.expected_seconds > limit {
            return Promise::Cannot(format!("runs longer than {limit} s"));
        }
        if needs.longest_seconds > limit {
            return Promise::MayMiss(format!("may run longer than {limit} s"));
        }
    }
    match needs.within {
        Some(within) if latest_seconds > within => {
            Promise::MayMiss(format!("may take {latest_seconds:.0} s"))
        }
        Some(_) | None => Promise::Meets,
    }
}

/// Expected USD of a Spot run of `seconds` that is run again on demand when interrupted.
/// Interruptions are taken as a Poisson process of rate λ: the run is paid for
/// E[min(X, T)] = (1 - e^(-λT)) / λ, and with probability 1 - e^(-λT) the rerun is paid too.
fn spot_cost(offer: &Offer, per_hour: f64, seconds: f64, rerun_usd: f64) -> f64 {
    let hours = seconds.max(offer.least_billed_seconds) / 3_600.0;
    let interrupted = -(-per_hour * hours).exp_m1();
    let paid_hours = if per_hour > 0.0 {
        interrupted / per_hour
    } else {
        hours
    };
    offer.usd_per_hour * paid_hours + interrupted * rerun_usd
}

fn explain(
    chosen: &Candidate,
    reason: Reason,
    within: Option<f64>,
    candidates: &[Candidate],
) -> String {
    let size = chosen
        .offer
        .as_ref()
        .map_or("", |offer| offer.size.as_str());
    let deadline = within.map_or_else(
        || "no deadline".to_owned(),
        |s| format!("deadline in {s:.0} s"),
    );
    let why = match reason {
        Reason::CheapestInTime => "cheapest in time",
        Reason::MostTime => "none is sure to be in time, this one has the most time to run",
        Reason::DeadlineLost => "the deadline is lost everywhere, this one is cheapest",
    };
    let mut line = format!(
        "{} ({size}): {why}, {:.6} USD, done in {:.0} s, at the latest {:.0} s, {deadline}",
        chosen.placement, chosen.usd, chosen.finish_seconds, chosen.latest_seconds
    );
    let others = refusals(candidates, Some(chosen.placement));
    if !others.is_empty() {
        line.push_str("; ");
        line.push_str(&others);
    }
    line
}

/// `Lambda: runs longer than 900 s; Batch: 0.0850 USD`, without the chosen one.
fn refusals(candidates: &[Candidate], chosen: Option<Placement>) -> String {
    let others = candidates.iter().filter(|c| Some(c.placement) != chosen);
    let words = others.map(|candidate| match &candidate.promise {
        Promise::Meets => format!("{}: {:.6} USD", candidate.placement, candidate.usd),
        Promise::MayMiss(why) | Promise::Cannot(why) => format!("{}: {why}", candidate.placement),
    });
    words.collect::<Vec<_>>().join("; ")
}

impl Decision {
    /// The row of the chosen placement.
    pub fn chosen(&self) -> Option<&Candidate> {
        self.candidate(self.placement)
    }

    /// The row of a placement.
    pub fn candidate(&self, placement: Placement) -> Option<&Candidate> {
        self.candidates.iter().find(|c| c.placement == placement)
    }
}

impl fmt::Display for Decision {
    /// The table that `hybrid price` prints.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = Placement::WIDTH;
        writeln!(
            f,
            "  {:<width$} {:<16} {:>9} {:>12} {:>9} {:>10}  verdict",
            "placement", "size", "USD/hour", "USD", "start s", "finish s"
        )?;
        for row in &self.candidates {
            let mark = if row.placement == self.placement {
                '>'
            } else {
                ' '
            };
            let (size, hour) = row
                .offer
                .as_ref()
                .map_or(("-", String::from("-")), |offer| {
                    (offer.size.as_str(), format!("{:.4}", offer.usd_per_hour))
                });
            let verdict = match &row.promise {
                Promise::Meets => "in time",
                Promise::MayMiss(why) | Promise::Cannot(why) => why,
            };
            let usd = if row.usd.is_finite() {
                format!("{:.6}", row.usd)
            } else {
                "-".to_owned()
            };
            writeln!(
                f,
                "{mark} {:<width$} {size:<16} {hour:>9} {usd:>12} {:>9.1} {:>10.1}  {verdict}",
                row.placement, row.start_seconds, row.finish_seconds
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "choice_tests.rs"]
mod tests;
