use super::*;
use crate::{Placement, Resources};
use proptest::prelude::*;

fn job(expected: f64) -> Length {
    Length {
        expected,
        longest: Needs::longest_of(expected),
    }
}

fn small(within: Option<f64>) -> Needs {
    Needs {
        resources: Resources {
            vcpu: 1.0,
            memory_mib: 2_048,
        },
        expected_seconds: 1.0,
        longest_seconds: 1.0,
        within,
        interruptible: true,
    }
}

fn packed(jobs: &[Length], needs: &Needs, most: usize) -> Packing {
    only_at(jobs, needs, most, &Availability::all())
}

fn only_at(jobs: &[Length], needs: &Needs, most: usize, availability: &Availability) -> Packing {
    let terms = Terms {
        needs,
        prices: &Prices::x86_64(),
        availability,
        least: 1,
        most,
    };
    pack(jobs, &terms).unwrap()
}

fn only(placement: Placement) -> Availability {
    let mut availability = Availability::all();
    let others = Placement::ALL.into_iter().filter(|one| *one != placement);
    others.for_each(|other| availability.refuse(other, "another was named"));
    availability
}

#[test]
fn ten_thousand_small_jobs_take_few_starts() {
    let jobs = vec![job(0.05); 10_000];
    let packing = packed(&jobs, &small(None), 40);
    assert!(packing.packs.len() < 10, "{}", packing.packs.len());
    assert!(packing.usd < packing.alone_usd / 50.0, "{packing:?}");
    // A deadline takes more of them, and costs more.
    let hurried = packed(&jobs, &small(Some(60.0)), 40);
    assert!(hurried.packs.len() > packing.packs.len());
    assert!(hurried.usd > packing.usd);
    assert!(hurried.in_time && hurried.latest_seconds <= 60.0);
}

#[test]
fn long_jobs_run_alone() {
    let jobs = vec![job(3_600.0); 5];
    let packing = packed(&jobs, &small(None), 40);
    assert_eq!(packing.packs.len(), 5);
}

#[test]
fn a_deadline_that_no_division_meets_is_missed_by_as_little_as_can_be() {
    let jobs = vec![job(100.0); 8];
    let packing = packed(&jobs, &small(Some(50.0)), 40);
    assert_eq!(packing.packs.len(), 8);
}

#[test]
fn where_nothing_can_run_that_is_told() {
    let mut needs = small(None);
    needs.resources.vcpu = 1_000.0;
    let terms = Terms {
        needs: &needs,
        prices: &Prices::x86_64(),
        availability: &Availability::all(),
        least: 1,
        most: 40,
    };
    assert!(pack(&[job(1.0)], &terms).is_err());
    assert!(pack(&[], &terms).is_err());
}

#[test]
fn all_numbers_up_to_the_most_are_within_a_tenth_of_one_that_is_tried() {
    let availability = Availability::all();
    let (needs, prices) = (small(None), Prices::x86_64());
    for (jobs, least, most) in [(10_000, 1, 40), (10_000, 2, 10_000), (3, 2, 200), (1, 2, 9)] {
        let terms = Terms {
            needs: &needs,
            prices: &prices,
            availability: &availability,
            least,
            most,
        };
        let counts = counts(jobs, &terms);
        assert_eq!(counts.first(), Some(&least.min(jobs)));
        assert_eq!(counts.last(), Some(&most.min(jobs)));
        let near = |pair: &[usize]| pair[1] > pair[0] && pair[1] <= pair[0] + (pair[0] / 10).max(1);
        assert!(counts.windows(2).all(near), "{counts:?}");
    }
}

/// The least makespan of all divisions, by trying every one.
fn optimum(jobs: &[f64], loads: &mut Vec<f64>) -> f64 {
    let Some((first, rest)) = jobs.split_first() else {
        return loads.iter().copied().fold(0.0, f64::max);
    };
    let mut best = f64::INFINITY;
    for at in 0..loads.len() {
        loads[at] += first;
        best = best.min(optimum(rest, loads));
        loads[at] -= first;
    }
    best
}

fn division(seconds: &[f64], count: usize) -> Vec<Pack> {
    let jobs: Vec<Length> = seconds.iter().copied().map(job).collect();
    let mut order: Vec<usize> = (0..jobs.len()).collect();
    order.sort_by(|&a, &b| jobs[b].expected.total_cmp(&jobs[a].expected));
    divide(&jobs, &order, count)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_job_is_in_exactly_one_pack(
        seconds in prop::collection::vec(0.001..4_000.0, 1..200),
        most in 1_usize..60,
        within in prop::option::of(30.0..50_000.0),
    ) {
        let jobs: Vec<Length> = seconds.iter().copied().map(job).collect();
        let packing = packed(&jobs, &small(within), most);
        prop_assert!(packing.packs.len() <= most);
        let mut found: Vec<usize> = packing.packs.iter().flat_map(|pack| pack.jobs.clone()).collect();
        found.sort_unstable();
        prop_assert_eq!(found, (0..jobs.len()).collect::<Vec<_>>());
        for pack in &packing.packs {
            prop_assert!(!pack.jobs.is_empty());
            let sum: f64 = pack.jobs.iter().map(|&at| seconds[at]).sum();
            prop_assert!((sum - pack.length.expected).abs() < 1e-6);
        }
    }

    #[test]
    fn no_pack_is_longer_than_its_placement_lets_it(
        seconds in prop::collection::vec(0.1..700.0, 1..120),
    ) {
        let jobs: Vec<Length> = seconds.iter().copied().map(job).collect();
        let packing = only_at(&jobs, &small(None), jobs.len(), &only(Placement::Lambda));
        for pack in &packing.packs {
            prop_assert!(pack.length.longest <= crate::quota::LAMBDA_SECONDS);
        }
    }

    #[test]
    fn packing_never_costs_more_than_one_by_one(
        seconds in prop::collection::vec(0.001..20_000.0, 1..60),
        within in prop::option::of(100.0..100_000.0),
    ) {
        let jobs: Vec<Length> = seconds.iter().copied().map(job).collect();
        let packing = packed(&jobs, &small(within), jobs.len());
        prop_assert!(!packing.in_time || packing.usd <= packing.alone_usd * (1.0 + 1e-9), "{} {}", packing.usd, packing.alone_usd);
    }

    #[test]
    fn the_last_pack_ends_at_most_a_third_later_than_it_must(
        seconds in prop::collection::vec(0.1..100.0, 1..8),
        count in 1_usize..4,
    ) {
        let packs = division(&seconds, count);
        let last = packs.iter().map(|pack| pack.length.expected).fold(0.0, f64::max);
        let best = optimum(&seconds, &mut vec![0.0; count]);
        let bound = 4.0 / 3.0 - 1.0 / (3.0 * count as f64);
        prop_assert!(last <= best * bound + 1e-9, "{last} {best}");
    }
}
