use super::*;
use proptest::prelude::*;

fn needs(vcpu: f64, memory_mib: u32, seconds: f64) -> Needs {
    Needs {
        resources: Resources { vcpu, memory_mib },
        expected_seconds: seconds,
        longest_seconds: Needs::longest_of(seconds),
        within: None,
        interruptible: false,
    }
}

fn decide(needs: &Needs) -> Decision {
    choose(needs, &Prices::x86_64(), &Availability::all()).unwrap()
}

#[test]
fn the_cheapest_that_meets_the_deadline() {
    let hour = |deadline: Option<f64>, interruptible| Needs {
        within: deadline,
        interruptible,
        ..needs(2.0, 3_584, 3_600.0)
    };
    let cases = [
        (
            "a blink is cheapest on Lambda",
            needs(1.0, 1_024, 2.0),
            Placement::Lambda,
        ),
        (
            "an hour is cheapest on an instance",
            hour(None, false),
            Placement::Batch,
        ),
        (
            "or on Spot if it may be interrupted",
            hour(None, true),
            Placement::BatchSpot,
        ),
        (
            "Spot needs time for a whole rerun",
            hour(Some(5_000.0), true),
            Placement::Batch,
        ),
        (
            "an instance starts too late",
            hour(Some(4_600.0), true),
            Placement::Fargate,
        ),
        (
            "no placement is sure: the fastest",
            hour(Some(3_700.0), true),
            Placement::Fargate,
        ),
        (
            "a lost deadline: the cheapest",
            hour(Some(600.0), true),
            Placement::BatchSpot,
        ),
        (
            "Lambda ends after 15 minutes",
            Needs {
                within: Some(901.0),
                ..needs(1.0, 512, 900.0)
            },
            Placement::Lambda,
        ),
        (
            "too large for Fargate",
            needs(33.0, 4_096, 10.0),
            Placement::Batch,
        ),
        (
            "a small slow job is cheapest on Fargate",
            needs(0.25, 512, 3_600.0),
            Placement::Fargate,
        ),
    ];
    for (what, needs, placement) in cases {
        let decision = decide(&needs);
        assert_eq!(
            decision.placement, placement,
            "{what}: {}\n{decision}",
            decision.explanation
        );
    }
}

#[test]
fn a_refusal_leads_to_the_next_cheapest_until_none_is_left() {
    let job = Needs {
        interruptible: true,
        ..needs(2.0, 4_096, 600.0)
    };
    let mut availability = Availability::all();
    let mut order = Vec::new();
    let none_left = loop {
        match choose(&job, &Prices::x86_64(), &availability) {
            Ok(decision) => {
                order.push(decision.placement);
                availability.refuse(decision.placement, "no capacity");
            }
            Err(error) => break error.to_string(),
        }
    };
    let prices = Prices::x86_64();
    let mut cheapest_first = candidates(&job, &prices, &Availability::all());
    cheapest_first.sort_by(|a, b| a.usd.total_cmp(&b.usd));
    let expected: Vec<_> = cheapest_first.iter().map(|row| row.placement).collect();
    assert_eq!(order.len(), Placement::ALL.len());
    assert_eq!(order, expected);
    assert!(
        none_left.contains("BATCH_SPOT: refused: no capacity"),
        "{none_left}"
    );
}

#[test]
fn the_explanation_is_one_line_with_the_reasons() {
    let decision = decide(&Needs {
        within: Some(7_200.0),
        ..needs(2.0, 3_584, 3_600.0)
    });
    let line = &decision.explanation;
    assert!(!line.contains('\n'));
    for part in [
        "BATCH (c6i.large): cheapest in time",
        "deadline in 7200 s",
        "LAMBDA: runs longer than 900 s",
        "FARGATE_SPOT: the job cannot be interrupted",
        "FARGATE: 0.099151 USD",
    ] {
        assert!(line.contains(part), "{line}");
    }
}

#[test]
fn needs_that_no_job_has_are_refused_by_path() {
    type Change = fn(&mut Needs);
    let with = |change: Change| {
        let mut needs = needs(1.0, 1_024, 10.0);
        change(&mut needs);
        needs.check().map_err(|error| error.path)
    };
    assert_eq!(with(|_| ()), Ok(()));
    assert_eq!(with(|n| n.longest_seconds = 10.0), Ok(()));
    let cases: [(Change, &str); 8] = [
        (|n| n.resources.vcpu = -1.0, "$.resources.vcpu"),
        (|n| n.resources.vcpu = f64::NAN, "$.resources.vcpu"),
        (|n| n.resources.memory_mib = 0, "$.resources.memoryMiB"),
        (|n| n.expected_seconds = -5.0, "$.expectedSeconds"),
        (|n| n.expected_seconds = f64::NAN, "$.expectedSeconds"),
        (|n| n.longest_seconds = 9.0, "$.longestSeconds"),
        (|n| n.longest_seconds = f64::INFINITY, "$.longestSeconds"),
        (|n| n.within = Some(0.0), "$.deadlineSeconds"),
    ];
    for (change, path) in cases {
        assert_eq!(with(change), Err(path.to_owned()));
    }
}

#[test]
fn a_spot_price_counts_the_rerun() {
    let offer = Offer {
        size: String::new(),
        usd_per_hour: 1.0,
        usd_per_start: 0.0,
        least_billed_seconds: 60.0,
    };
    let undisturbed = spot_cost(&offer, 0.0, 3_600.0, 3.0);
    assert!((undisturbed - 1.0).abs() < 1e-12);
    // One interruption per hour: E[min(X, 1 h)] = 1 - 1/e hours, and the rerun with 1 - 1/e.
    let disturbed = spot_cost(&offer, 1.0, 3_600.0, 3.0);
    let e = (-1.0_f64).exp();
    assert!((disturbed - (1.0 - e) * 4.0).abs() < 1e-12, "{disturbed}");
}

fn any_needs() -> impl Strategy<Value = Needs> {
    let resources = (0.1..160.0_f64, 64_u32..400_000);
    let times = (0.01..30_000.0_f64, proptest::option::of(1.0..60_000.0_f64));
    (resources, times, any::<bool>()).prop_map(
        |((vcpu, memory), (seconds, within), interruptible)| Needs {
            within,
            interruptible,
            ..needs(vcpu, memory, seconds)
        },
    )
}

proptest! {
    /// Nothing that is sure to be in time is cheaper than the choice; what cannot run is never chosen;
    /// the choice is in time for sure whenever any is.
    #[test]
    fn the_choice_is_never_beaten(needs in any_needs()) {
        let Ok(decision) = choose(&needs, &Prices::x86_64(), &Availability::all()) else {
            prop_assert!(needs.resources.vcpu > 32.0 || needs.resources.memory_mib > 249_856);
            return Ok(());
        };
        let chosen = decision.chosen().unwrap();
        prop_assert!(!matches!(chosen.promise, Promise::Cannot(_)), "{}", decision.explanation);
        for other in decision.candidates.iter().filter(|c| c.promise == Promise::Meets) {
            prop_assert_eq!(&chosen.promise, &Promise::Meets);
            prop_assert!(chosen.usd <= other.usd, "{}", decision.explanation);
        }
    }

    /// More time never costs more, among the choices that are sure to be in time.
    #[test]
    fn a_later_deadline_is_never_dearer(needs in any_needs(), more in 1.0..10_000.0_f64) {
        let Some(deadline) = needs.within else { return Ok(()) };
        let price = |deadline: f64| {
            let needs = Needs { within: Some(deadline), ..needs.clone() };
            let decision = choose(&needs, &Prices::x86_64(), &Availability::all()).ok()?;
            let chosen = decision.chosen()?.clone();
            (chosen.promise == Promise::Meets).then_some(chosen.usd)
        };
        if let Some(soon) = price(deadline) {
            prop_assert!(price(deadline + more).is_some_and(|later| later <= soon));
        }
    }
}
