//! What the dispatcher decides, as pure functions.

use shared::input::InvalidInput;
use shared::job::{Placement, Resources};
use shared::placement::{self, Availability, Needs, NoPlacement};
use shared::pricing::{Prices, quota};

use crate::Request;

/// A placement and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Where to run.
    pub placement: Placement,
    /// Why there, in one line.
    pub reason: String,
}

/// Why there is no choice.
#[derive(Debug, PartialEq, Eq)]
pub enum ChoiceError {
    /// The request says too little to choose.
    Input(InvalidInput),
    /// Nothing can run it.
    NoPlacement(NoPlacement),
}

/// Refuses what would fail only after work has begun.
///
/// # Errors
/// The JSON path of the first value that cannot be used.
pub fn check(request: &Request) -> Result<(), InvalidInput> {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if request.worker.is_empty() || !request.worker.chars().all(legal) {
        return Err(InvalidInput::new(
            "$.worker",
            "expected the name of a worker, such as `trainer`",
        ));
    }
    let durations = [
        ("$.expectedSeconds", request.expected_seconds),
        ("$.longestSeconds", request.longest_seconds),
        ("$.deadlineSeconds", request.deadline_seconds),
        (
            "$.resources.vcpu",
            request.resources.map(|resources| resources.vcpu),
        ),
        (
            "$.resources.memoryMiB",
            request
                .resources
                .map(|resources| f64::from(resources.memory_mib)),
        ),
    ];
    match durations
        .into_iter()
        .find(|(_, value)| value.is_some_and(|value| value <= 0.0))
    {
        Some((path, _)) => Err(InvalidInput::new(path, "expected a number above zero")),
        None => Ok(()),
    }
}

/// What is out of the question for the job from the start: its function has a size of its own.
pub fn limits(request: &Request, function_memory_mib: u32) -> Availability {
    let mut refusals = Availability::all();
    let vcpu = f64::from(function_memory_mib) / quota::LAMBDA_MIB_PER_VCPU;
    let too_large = |needs: Resources| needs.memory_mib > function_memory_mib || needs.vcpu > vcpu;
    if request.resources.is_some_and(too_large) {
        refusals.refuse(
            Placement::Lambda,
            format!("its function has {function_memory_mib} MiB and {vcpu:.1} vCPU"),
        );
    }
    refusals
}

/// The placement that the request names, or else the cheapest that meets its deadline at `now` (seconds since the
/// Unix epoch) and has not refused yet.
///
/// # Errors
/// The missing value that a choice needs, or that no placement is left.
pub fn choose(request: &Request, now: f64, refusals: &Availability) -> Result<Choice, ChoiceError> {
    if let Some(placement) = request.placement {
        return Ok(Choice {
            placement,
            reason: format!("{placement}: named by the request"),
        });
    }
    let missing = |path: &str| {
        ChoiceError::Input(InvalidInput::new(
            path,
            "required unless $.placement is given",
        ))
    };
    let expected_seconds = request
        .expected_seconds
        .ok_or_else(|| missing("$.expectedSeconds"))?;
    let needs = Needs {
        resources: request.resources.ok_or_else(|| missing("$.resources"))?,
        expected_seconds,
        longest_seconds: request
            .longest_seconds
            .unwrap_or_else(|| Needs::longest_of(expected_seconds)),
        deadline: request.deadline_seconds.map(|seconds| now + seconds),
        interruptible: request.interruptible,
    };
    let decision = placement::choose(&needs, &Prices::default(), now, refusals)
        .map_err(ChoiceError::NoPlacement)?;
    Ok(Choice {
        placement: decision.placement,
        reason: decision.explanation,
    })
}
