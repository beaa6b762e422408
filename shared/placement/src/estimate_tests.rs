use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

fn seconds(samples: &[Sample], feature: Option<&Feature>) -> Option<Estimate> {
    of_seconds(samples, feature)?.estimate()
}

fn memory_mib(samples: &[Sample], feature: Option<&Feature>) -> Option<Estimate> {
    of_memory(samples, feature)?.estimate()
}

fn sized(value: f64) -> Feature {
    Feature {
        name: "rows".into(),
        value,
    }
}

/// A run on an input of a random size whose errors have a heavy tail: one in a hundred takes more than seven times as
/// long as usual.
fn heavy(random: &mut StdRng) -> Sample {
    let rows = random.random_range(3.0..14.0_f64).exp();
    let tail = random.random_range(f64::MIN_POSITIVE..1.0_f64).powf(-0.43);
    Sample {
        feature: Some(sized(rows)),
        seconds: 0.01 * rows.powf(0.8) * tail,
        memory_mib: Some(100),
    }
}

/// The share of the next runs that stay within their bound, each bound from `runs` runs of its own.
fn covered(runs: usize, with_size: bool) -> f64 {
    let mut random = StdRng::seed_from_u64(7);
    let trials = 4_000;
    let within = (0..trials).filter(|_| {
        let history: Vec<_> = (0..runs).map(|_| heavy(&mut random)).collect();
        let next = heavy(&mut random);
        let feature = next.feature.as_ref().filter(|_| with_size);
        next.seconds <= seconds(&history, feature).unwrap().bound
    });
    within.count() as f64 / f64::from(trials)
}

/// The standard error of 4,000 trials is a third of a percent; the true coverage is from 95 % to 95.5 %.
#[test]
fn the_bound_of_95_percent_holds_in_94_to_96() {
    for (runs, with_size) in [(199, false), (398, true)] {
        let covered = covered(runs, with_size);
        assert!(
            (0.94..=0.96).contains(&covered),
            "{runs}, {with_size}: {covered}"
        );
    }
}

#[test]
fn few_runs_cover_what_they_say() {
    for runs in [1, 4, 18] {
        let covered = covered(runs, false);
        let stated = runs as f64 / (runs + 1) as f64;
        assert!(covered >= stated - 0.03, "{runs}: {covered} of {stated}");
    }
}

#[test]
fn a_known_size_narrows_the_bound() {
    let mut random = StdRng::seed_from_u64(1);
    let history: Vec<_> = (0..200).map(|_| heavy(&mut random)).collect();
    let small = seconds(&history, Some(&sized(100.0))).unwrap();
    let any = seconds(&history, None).unwrap();
    assert!(small.bound < any.bound / 10.0, "{small:?} {any:?}");
    assert_eq!((small.runs, small.coverage), (200, COVERAGE));
    // Runs that tell another size, or none, are no help for it: all of them together are.
    let other = Feature {
        name: "bytes".into(),
        value: 9.0,
    };
    assert_eq!(seconds(&history, Some(&other)), Some(any));
}

#[test]
fn nothing_is_told_from_nothing_and_absurd_runs_count_for_nothing() {
    assert_eq!(seconds(&[], None), None);
    let absurd = [0.0, -1.0, f64::NAN, f64::INFINITY].map(|seconds| Sample {
        feature: Some(sized(f64::NAN)),
        seconds,
        memory_mib: None,
    });
    assert_eq!(seconds(&absurd, Some(&sized(1.0))), None);
    assert_eq!(memory_mib(&absurd, None), None);
}

#[test]
fn runs_that_are_all_alike_are_told_as_they_are() {
    let alike = vec![
        Sample {
            feature: Some(sized(10.0)),
            seconds: 4.0,
            memory_mib: Some(300),
        };
        40
    ];
    let estimate = memory_mib(&alike, Some(&sized(10.0))).unwrap();
    assert!((estimate.bound - 300.0).abs() < 1e-6 && (estimate.expected - 300.0).abs() < 1e-6);
}

#[test]
fn sizes_of_memory_are_told_with_their_chances() {
    let run = |mib| Sample {
        feature: None,
        seconds: 1.0,
        memory_mib: Some(mib),
    };
    let of = |runs: std::ops::Range<u32>| {
        let history: Vec<_> = runs.map(|run_of| run(1_000 + run_of)).collect();
        Expected::of(&history, None).memories
    };
    let memories = of(0..99);
    let told: Vec<_> = memories
        .iter()
        .map(|memory| (memory.mib, (memory.too_little * 1e3).round()))
        .collect();
    assert_eq!(told[0], (1_154, 500.0), "half of them need less");
    assert_eq!(told[6], (1_204, 50.0), "the bound of 95 %");
    assert_eq!(*told.last().unwrap(), (1_208, 10.0), "the largest of all");
    assert_eq!(of(0..18), [], "too few to tell");
    // What all runs hold in the least size is one choice, with the chance of the largest.
    let history = vec![run(100); 99];
    let memories = Expected::of(&history, None).memories;
    let told: Vec<_> = memories.iter().map(|memory| memory.mib).collect();
    assert_eq!(told, [512]);
    assert!(memories[0].too_little < 0.011, "{memories:?}");
}
