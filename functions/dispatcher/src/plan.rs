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
pub fn check(request: &Request) -> Result<Needs, InvalidInput> {
    input::name("$.worker", &request.worker)?;
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
        within: request.deadline_seconds,
        interruptible: request.interruptible,
    };
    needs.check()?;
    Ok(needs)
}

/// The placement that the request names, or else the cheapest that meets its deadline and has not refused yet.
///
/// # Errors
/// That no placement is left.
pub fn choose(
    request: &Request,
    needs: &Needs,
    prices: &Prices,
    refusals: &Availability,
) -> Result<Choice, NoPlacement> {
    if let Some(placement) = request.placement {
        return Ok(Choice {
            placement,
            reason: format!("{placement}: named by the request"),
        });
    }
    let decision = choice::choose(needs, prices, refusals)?;
    Ok(Choice {
        placement: decision.placement,
        reason: decision.explanation,
    })
}
