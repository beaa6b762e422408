//! What the dispatcher decides, as pure functions.

use input::InvalidInput;
use placement::choice::{self, Availability, Needs, NoPlacement};
use placement::pricing::Prices;
use placement::{Placement, Resources};

use crate::Request;

/// A placement and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Where to run.
    pub placement: Placement,
    /// Why there, in one line.
    pub reason: String,
}

/// Refuses what would fail only after work has begun; returns what the job needs. When the request names its
/// placement, what it leaves out does not matter.
///
/// # Errors
/// The JSON path of the first value that is missing or cannot be used.
pub fn check(request: &Request, now: f64) -> Result<Needs, InvalidInput> {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if request.worker.is_empty() || !request.worker.chars().all(legal) {
        return Err(InvalidInput::new(
            "$.worker",
            "expected the name of a worker, such as `trainer`",
        ));
    }
    let missing = |path: &str| match request.placement {
        Some(_) => Ok(()),
        None => Err(InvalidInput::new(
            path,
            "required unless $.placement is given",
        )),
    };
    if request.expected_seconds.is_none() {
        missing("$.expectedSeconds")?;
    }
    if request.resources.is_none() {
        missing("$.resources")?;
    }
    let least = Resources {
        vcpu: 1.0,
        memory_mib: 1,
    };
    let expected_seconds = request
        .expected_seconds
        .unwrap_or(request.longest_seconds.unwrap_or(1.0));
    let needs = Needs {
        resources: request.resources.unwrap_or(least),
        expected_seconds,
        longest_seconds: request
            .longest_seconds
            .unwrap_or_else(|| Needs::longest_of(expected_seconds)),
        deadline: request.deadline_seconds.map(|seconds| now + seconds),
        interruptible: request.interruptible,
    };
    needs.check(now)?;
    Ok(needs)
}

/// The placement that the request names, or else the cheapest that meets its deadline at `now` (seconds since the
/// Unix epoch) and has not refused yet.
///
/// # Errors
/// That no placement is left.
pub fn choose(
    request: &Request,
    needs: &Needs,
    prices: &Prices,
    now: f64,
    refusals: &Availability,
) -> Result<Choice, NoPlacement> {
    if let Some(placement) = request.placement {
        return Ok(Choice {
            placement,
            reason: format!("{placement}: named by the request"),
        });
    }
    let decision = choice::choose(needs, prices, now, refusals)?;
    Ok(Choice {
        placement: decision.placement,
        reason: decision.explanation,
    })
}
