//! How much memory a job gets of which only the chances are known: that with which it probably costs the least.
//!
//! Too little costs a run that comes to nothing, too much costs the next size of a service. The expected cost is the price
//! of the run, and, with the chance that the memory is too little, that of another one with half as much again.

use crate::choice::{Availability, Needs, choose};
use crate::course;
use crate::estimate::{COVERAGE, Expected, Memory};
use crate::pricing::Prices;

/// The memory of [`Expected::memories`] with the least expected cost for a job that otherwise has these `needs`; of a job
/// with a deadline, among those that are enough with the usual coverage. `None` where the ledger tells no chances, or
/// nothing can run the job.
pub fn cheapest(
    expected: &Expected,
    needs: &Needs,
    prices: &Prices,
    availability: &Availability,
) -> Option<Memory> {
    let usd = |memory_mib: u32| {
        let mut sized = needs.clone();
        sized.resources.memory_mib = memory_mib;
        let decision = choose(&sized, prices, availability).ok()?;
        Some(decision.chosen()?.usd)
    };
    let cost = |memory: &Memory| {
        let again = usd(course::more_memory(memory.mib))?;
        Some(usd(memory.mib)? + memory.too_little * again)
    };
    let risk = match needs.within {
        Some(_) => 1.0 - COVERAGE + 1e-9,
        None => 1.0,
    };
    let sure = |memory: &&Memory| memory.too_little <= risk;
    let costs = expected
        .memories
        .iter()
        .filter(sure)
        .filter_map(|memory| Some((cost(memory)?, *memory)));
    costs
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, memory)| memory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Placement, Resources};

    fn needs(within: Option<f64>) -> Needs {
        Needs {
            resources: Resources {
                vcpu: 1.0,
                memory_mib: 1,
            },
            expected_seconds: 3_600.0,
            longest_seconds: 4_500.0,
            within,
            interruptible: false,
        }
    }

    fn expected(memories: &[(u32, f64)]) -> Expected {
        let memory = |&(mib, too_little): &(u32, f64)| Memory {
            mib,
            within: f64::from(mib),
            too_little,
        };
        Expected {
            memories: memories.iter().map(memory).collect(),
            ..Expected::default()
        }
    }

    #[test]
    fn memory_is_bought_as_long_as_it_saves_a_second_run() {
        let prices = Prices::x86_64();
        // One GB on top of 2 costs a tenth of a Fargate task.
        let cases: [(&[(u32, f64)], _); 3] = [
            (&[(2_048, 0.05), (3_072, 0.01)], 2_048),
            (&[(2_048, 0.3), (3_072, 0.01)], 3_072),
            (&[(1_024, 0.5), (2_048, 0.01)], 2_048),
        ];
        let mut fargate = Availability::all();
        for placement in [Placement::Lambda, Placement::Batch] {
            fargate.refuse(placement, "not in this test");
        }
        let chosen = |memories, within| {
            let expected = expected(memories);
            cheapest(&expected, &needs(within), &prices, &fargate).map(|memory| memory.mib)
        };
        for (memories, expected) in cases {
            assert_eq!(chosen(memories, None), Some(expected), "{memories:?}");
        }
        // Who has a deadline buys no chance of a second run.
        let risky: &[(u32, f64)] = &[(2_048, 0.06), (3_072, 0.05)];
        assert_eq!(chosen(risky, None), Some(2_048));
        assert_eq!(chosen(risky, Some(20_000.0)), Some(3_072));
    }

    #[test]
    fn without_chances_or_a_placement_nothing_is_chosen() {
        let prices = Prices::x86_64();
        let none = cheapest(&expected(&[]), &needs(None), &prices, &Availability::all());
        assert_eq!(none, None);
        let giant = expected(&[(u32::MAX, 0.01)]);
        let none = cheapest(&giant, &needs(None), &prices, &Availability::all());
        assert_eq!(none, None);
    }
}
