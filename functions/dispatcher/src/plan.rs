//! What the dispatcher decides, as pure functions.

use input::InvalidInput;
use jobs::attempt::{Predicted, Runs};
use placement::choice::{self, Availability, Candidate, Needs, NoPlacement};
use placement::course::Lessons;
use placement::estimate::{self, COVERAGE, Feature};
use placement::pricing::Prices;
use placement::{Placement, Resources};
use serde::Deserialize;

use crate::Request;

/// What a job is taken to need of which nothing is known: the size of the workers' definitions.
pub const USUAL: Resources = Resources {
    vcpu: 1.0,
    memory_mib: 2_048,
};
/// How long a job is taken to run of which nothing is known, seconds: too long for a function, so that it is not cut
/// off, and the hour after which state machines give a job up.
const UNKNOWN_SECONDS: (f64, f64) = (600.0, 3_600.0);
/// Least memory that a job gets by an estimate, MiB: less saves nothing on any placement with a whole vCPU.
const LEAST_MEMORY_MIB: f64 = 512.0;
/// What a job gets on top of the bound of its memory: the page cache and the runtime need some too.
const MEMORY_MARGIN: f64 = 1.2;

/// `resources` of a request; what is left out is estimated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Wanted {
    /// Virtual CPUs; one without it.
    pub vcpu: Option<f64>,
    /// Memory in MiB.
    #[serde(rename = "memoryMiB")]
    pub memory_mib: Option<u32>,
    /// GPUs. The stack has no placement with any, so that a job that needs some is refused.
    pub gpu: Option<u32>,
}

/// What a job needs, and how that is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What the choice reckons with.
    pub needs: Needs,
    /// The size to ask for; without it the worker's definition has one.
    pub size: Option<Resources>,
    /// From how many runs it is told.
    pub runs: u64,
    /// How it is known, in words; empty when the request says it all.
    pub evidence: String,
}

/// A placement and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// Where to run.
    pub placement: Placement,
    /// What it is expected to take there.
    pub predicted: Option<Predicted>,
    /// Why there, in one line.
    pub reason: String,
}

/// Refuses what would fail only after work has begun.
///
/// # Errors
/// The JSON path of the first value that cannot be used.
pub fn check(request: &Request) -> Result<(), InvalidInput> {
    input::name("$.worker", &request.worker)?;
    if let Some(class) = &request.class {
        input::name("$.class", class)?;
    }
    let wanted = request.resources.unwrap_or_default();
    if wanted.gpu.unwrap_or(0) > 0 {
        let message = "no placement of this stack has GPUs; its Batch queues have the instance families c, m and r";
        return Err(InvalidInput::new("$.resources.gpu", message));
    }
    if let Some(most) = request.most_memory_mib {
        input::positive("$.mostMemoryMiB", most.into())?;
        let memory = wanted.memory_mib.unwrap_or(1);
        if memory > most {
            let message = format!("{most} is less than resources.memoryMiB, {memory}");
            return Err(InvalidInput::new("$.mostMemoryMiB", message));
        }
    }
    if let Some(bytes) = request.size_bytes {
        input::positive("$.sizeBytes", bytes)?;
    }
    if let Some(feature) = &request.feature {
        input::name("$.feature.name", &feature.name)?;
        input::positive("$.feature.value", feature.value)?;
        if request.size_bytes.is_some() {
            let message = "expected either this or $.sizeBytes";
            return Err(InvalidInput::new("$.feature", message));
        }
    }
    said(request).check()
}

/// What the request says, and for the rest something that is no mistake of the caller.
fn said(request: &Request) -> Needs {
    let wanted = request.resources.unwrap_or_default();
    let longest = request.longest_seconds;
    let brief = longest.filter(|longest| (0.0..1.0).contains(longest));
    let expected_seconds = request.expected_seconds.or(brief).unwrap_or(1.0);
    Needs {
        resources: Resources {
            vcpu: wanted.vcpu.unwrap_or(USUAL.vcpu),
            memory_mib: wanted.memory_mib.unwrap_or(USUAL.memory_mib),
        },
        expected_seconds,
        longest_seconds: longest.unwrap_or_else(|| Needs::longest_of(expected_seconds)),
        within: request.deadline_seconds,
        interruptible: request.interruptible,
    }
}

/// What tells the size of the input.
pub fn feature(request: &Request) -> Option<Feature> {
    let bytes = |value| Feature {
        name: "bytes".to_owned(),
        value,
    };
    request.feature.clone().or(request.size_bytes.map(bytes))
}

/// Whether the ledger must tell something that the request leaves out.
pub fn asks_the_ledger(request: &Request) -> bool {
    let memory = request.resources.and_then(|wanted| wanted.memory_mib);
    request.expected_seconds.is_none() || memory.is_none()
}

/// What the job needs: what the request says, what the ledger `runs` tells of the rest, and what its attempts have
/// taught, the first of which began `elapsed` seconds ago.
pub fn plan(request: &Request, runs: &Runs, lessons: &Lessons, elapsed: f64) -> Plan {
    let mut needs = said(request);
    let (samples, feature) = (runs.samples(), feature(request));
    let (mut known, mut words) = (0, Vec::new());
    if request.expected_seconds.is_none() {
        let told = estimate::seconds(&samples, feature.as_ref());
        let (expected, longest) = told.map_or(UNKNOWN_SECONDS, |told| (told.expected, told.bound));
        needs.longest_seconds = request.longest_seconds.unwrap_or(longest);
        needs.expected_seconds = expected.min(needs.longest_seconds);
        known = told.map_or(0, |told| told.runs as u64);
        words.push(told.map_or_else(
            || format!("{expected} s and at most {longest} s are taken"),
            |told| format!("{expected:.1} s, {} within {longest:.1} s", share(&told)),
        ));
    }
    let wanted = request.resources.unwrap_or_default();
    if wanted.memory_mib.is_none() {
        if let Some(told) = estimate::memory_mib(&samples, feature.as_ref()) {
            let memory = (told.bound * MEMORY_MARGIN).clamp(LEAST_MEMORY_MIB, f64::from(u32::MAX));
            needs.resources.memory_mib = memory.ceil() as u32;
            known = known.max(told.runs as u64);
            words.push(format!("{} within {:.0} MiB", share(&told), told.bound));
        } else {
            words.push(format!("{} MiB are taken", needs.resources.memory_mib));
        }
    }
    if let Some(least) = lessons.memory_mib {
        needs.resources.memory_mib = needs.resources.memory_mib.max(least);
    }
    if let Some(most) = request.most_memory_mib {
        needs.resources.memory_mib = needs.resources.memory_mib.min(most);
    }
    // What is late already is planned as if it could still be done at once.
    needs.within = needs.within.map(|within| (within - elapsed).max(0.001));
    // A definition has its own size; it is asked for another one where somebody wants that, or where it was too little.
    let sized = request.placement.is_none() || request.resources.is_some();
    let size = (sized || lessons.memory_mib.is_some()).then_some(needs.resources);
    let evidence = match (words.is_empty(), known) {
        (true, _) => String::new(),
        (false, 0) => format!("no run like it is known: {}", words.join(", ")),
        (false, 1) => format!("from 1 run: {}", words.join(", ")),
        (false, _) => format!("from {known} runs: {}", words.join(", ")),
    };
    Plan {
        needs,
        size,
        runs: known,
        evidence,
    }
}

/// `95 %`, or what few runs cover of which twice the largest is taken.
fn share(told: &estimate::Estimate) -> String {
    let percent = told.coverage * 100.0;
    match told.coverage < COVERAGE {
        true => format!("{percent:.0} % (too few for 95 %)"),
        false => format!("{percent:.0} %"),
    }
}

/// The placement that the request names, unless an attempt has shown that the job cannot end there, or else the cheapest
/// that meets the deadline and has not refused yet.
///
/// # Errors
/// That no placement is left.
pub fn choose(
    request: &Request,
    plan: &Plan,
    lessons: &Lessons,
    prices: &Prices,
    refusals: &Availability,
) -> Result<Choice, NoPlacement> {
    let barred = |placement: &Placement| lessons.barred.refusal(*placement).is_some();
    if let Some(placement) = request.placement.filter(|one| !barred(one)) {
        let all = choice::candidates(&plan.needs, prices, &Availability::all());
        let row = all.iter().find(|row| row.placement == placement);
        return Ok(Choice {
            placement,
            predicted: row.and_then(|row| predicted(plan, row)),
            reason: line(format!("{placement}: named by the request"), plan, lessons),
        });
    }
    let among = |lenient: bool| {
        let refusing = lessons.availability(lenient).and(refusals);
        choice::choose(&plan.needs, prices, &refusing)
    };
    // Where nothing else is left, what had no capacity is tried again.
    let decision = among(false).or_else(|_| among(true))?;
    Ok(Choice {
        placement: decision.placement,
        predicted: decision.chosen().and_then(|row| predicted(plan, row)),
        reason: line(decision.explanation, plan, lessons),
    })
}

fn predicted(plan: &Plan, row: &Candidate) -> Option<Predicted> {
    row.usd.is_finite().then_some(Predicted {
        expected_seconds: plan.needs.expected_seconds,
        longest_seconds: plan.needs.longest_seconds,
        usd: row.usd,
        runs: plan.runs,
    })
}

/// The explanation of a choice with what it rests on.
fn line(explanation: String, plan: &Plan, lessons: &Lessons) -> String {
    let words = lessons.words.iter().cloned();
    let evidence = Some(plan.evidence.clone()).filter(|words| !words.is_empty());
    let parts = std::iter::once(explanation).chain(words).chain(evidence);
    parts.collect::<Vec<_>>().join("; ")
}
