//! What the dispatcher decides, as pure functions.

use input::InvalidInput;
use jobs::attempt::{Predicted, Runs};
use placement::choice::{self, Availability, Candidate, Needs, NoPlacement};
use placement::course::Lessons;
use placement::estimate::{COVERAGE, Estimate, Expected, Feature, Memory, USUAL};
use placement::memory;
use placement::pricing::Prices;
use placement::{Placement, Resources};
use serde::Deserialize;

use crate::Request;

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
pub fn plan(
    request: &Request,
    runs: &Runs,
    lessons: &Lessons,
    prices: &Prices,
    elapsed: f64,
) -> Plan {
    let mut needs = said(request);
    // What is late already is planned as if it could still be done at once.
    needs.within = needs.within.map(|within| (within - elapsed).max(0.001));
    let told = Expected::of(&runs.samples(), feature(request).as_ref());
    let (mut known, mut words) = (0, Vec::new());
    if request.expected_seconds.is_none() {
        let (expected, longest) = (told.expected_seconds(), told.longest_seconds());
        needs.longest_seconds = request.longest_seconds.unwrap_or(longest);
        needs.expected_seconds = expected.min(needs.longest_seconds);
        words.push(match told.seconds {
            None => format!("{expected} s and at most {longest} s are taken"),
            Some(told) => format!("{expected:.1} s, {} within {longest:.1} s", share(&told)),
        });
        known = told.seconds.map_or(0, |told| told.runs as u64);
    }
    let wanted = request.resources.unwrap_or_default();
    if wanted.memory_mib.is_none() {
        let free = available(request, lessons);
        let (memory, how) = memory(&told, memory::cheapest(&told, &needs, prices, &free));
        needs.resources.memory_mib = memory;
        words.push(how);
        known = told
            .memory
            .map_or(known, |told| known.max(told.runs as u64));
    }
    if let Some(least) = lessons.memory_mib {
        needs.resources.memory_mib = needs.resources.memory_mib.max(least);
    }
    if let Some(most) = request.most_memory_mib {
        needs.resources.memory_mib = needs.resources.memory_mib.min(most);
    }
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

/// The memory to ask for, MiB, and how it is known: the cheapest, or the bound where too few runs tell of chances.
fn memory(told: &Expected, cheapest: Option<Memory>) -> (u32, String) {
    match (cheapest, told.memory) {
        (
            Some(Memory {
                mib,
                within,
                too_little,
            }),
            _,
        ) => {
            let percent = (1.0 - too_little) * 100.0;
            (mib, format!("{percent:.0} % within {within:.0} MiB"))
        }
        (None, Some(bound)) => {
            let words = format!("{} within {:.0} MiB", share(&bound), bound.bound);
            (told.memory_mib(), words)
        }
        (None, None) => (
            told.memory_mib(),
            format!("{} MiB are taken", told.memory_mib()),
        ),
    }
}

/// What takes the job by what its attempts have taught: the placement that it names alone, unless that is barred.
fn available(request: &Request, lessons: &Lessons) -> Availability {
    let mut free = lessons.availability(false);
    let Some(named) = named(request, lessons) else {
        return free;
    };
    let others = Placement::ALL.into_iter().filter(|one| *one != named);
    others.for_each(|one| free.refuse(one, "another is named by the request"));
    free
}

/// `95 %`, or what few runs cover of which twice the largest is taken.
fn share(told: &Estimate) -> String {
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
    if let Some(placement) = named(request, lessons) {
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

/// The placement that the request names, unless attempts have shown that the job cannot end there, or find no capacity.
fn named(request: &Request, lessons: &Lessons) -> Option<Placement> {
    let barred = |placement: &Placement| lessons.barred.refusal(*placement).is_some();
    let free = |placement: &Placement| !barred(placement) && !lessons.full.contains(placement);
    request.placement.filter(free)
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
