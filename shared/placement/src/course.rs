//! What the attempts at a job so far tell about the next one.

use crate::choice::Availability;
use crate::{Capacity, Placement, Resources};

/// How often Spot may be reclaimed under a job before it goes on on demand, and how often a function may die under it
/// before it goes on in a container: once may be chance.
pub const TWICE: usize = 2;

/// How an attempt ended that did not do the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// AWS took the capacity back.
    Reclaimed,
    /// It used more memory than it had.
    OutOfMemory,
    /// There was no capacity for it.
    NoCapacity,
    /// It ended by an error of its own.
    Failed,
    /// It was ended at a time limit.
    TimedOut,
    /// It left no word: killed, or lost.
    Silent,
}

/// One attempt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Past {
    /// Where it ran.
    pub placement: Placement,
    /// With what, where that is known.
    pub given: Option<Resources>,
    /// How it ended.
    pub ending: Ending,
}

/// What the next attempt is to heed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lessons {
    /// Where it must not run.
    pub barred: Availability,
    /// Where it had better not run, as long as there is something else.
    pub avoided: Availability,
    /// Where it found no capacity at all its last attempts, as many as [`TWICE`]: not even who names it waits longer.
    pub full: Vec<Placement>,
    /// The memory that it needs at least, MiB.
    pub memory_mib: Option<u32>,
    /// In words, for the explanation; empty when there is nothing to heed.
    pub words: Vec<String>,
}

/// The job has had all the memory that it may have, and ran out of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("ran out of {had} MiB of memory, and may have {most} MiB at most; raise $.mostMemoryMiB")]
pub struct AtLimit {
    /// What it had, MiB.
    pub had: u32,
    /// What it may have, MiB.
    pub most: u32,
}

/// What a job gets of memory that ran out of `had` MiB: half as much again.
pub fn more_memory(had: u32) -> u32 {
    had.saturating_add(had / 2)
}

impl Lessons {
    /// Learns from the attempts of a job that may have `most_memory_mib`; `usual` is what its worker has of memory where
    /// nobody has asked for more.
    ///
    /// # Errors
    /// [`AtLimit`] when it ran out of memory at its limit.
    pub fn learn(past: &[Past], most_memory_mib: Option<u32>, usual: u32) -> Result<Self, AtLimit> {
        let mut lessons = Self::default();
        lessons.about_spot(past);
        lessons.about_functions(past);
        lessons.about_capacity(past);
        lessons.about_memory(past, most_memory_mib, usual)?;
        Ok(lessons)
    }

    fn about_spot(&mut self, past: &[Past]) {
        // A worker on Spot that left no word was most likely taken away with its machine.
        let lost = |one: &&Past| {
            one.ending == Ending::Reclaimed
                || one.ending == Ending::Silent && one.placement.is_spot()
        };
        let reclaims = past.iter().filter(lost).count();
        if reclaims < TWICE {
            return;
        }
        let why = format!("Spot was reclaimed {reclaims} times");
        let spot = Placement::ALL.into_iter().filter(|one| one.is_spot());
        spot.for_each(|one| self.barred.refuse(one, &why));
        self.words.push(why);
    }

    /// A job that a function could not end runs longer or larger than functions do.
    fn about_functions(&mut self, past: &[Past]) {
        let here = past
            .iter()
            .filter(|one| one.placement.capacity() == Capacity::Function);
        let died = |ending: Ending| here.clone().filter(|one| one.ending == ending).count();
        let outgrown = died(Ending::TimedOut) + died(Ending::OutOfMemory) > 0;
        if outgrown || died(Ending::Silent) >= TWICE {
            let why = "the job has outgrown its function".to_owned();
            self.barred.refuse(Placement::Lambda, &why);
            self.words.push(why);
        }
    }

    fn about_capacity(&mut self, past: &[Past]) {
        for placement in Placement::ALL {
            let last = past.iter().rev().find(|one| one.placement == placement);
            if last.is_some_and(|one| one.ending == Ending::NoCapacity) {
                let here = past.iter().rev().filter(|one| one.placement == placement);
                let in_vain = here.take_while(|one| one.ending == Ending::NoCapacity);
                if in_vain.count() >= TWICE {
                    self.full.push(placement);
                }
                let why = format!("{placement} had no capacity");
                self.avoided.refuse(placement, &why);
                self.words.push(why);
            }
        }
    }

    fn about_memory(
        &mut self,
        past: &[Past],
        most: Option<u32>,
        usual: u32,
    ) -> Result<(), AtLimit> {
        let short = past.iter().filter(|one| one.ending == Ending::OutOfMemory);
        let had = short.map(|one| one.given.map_or(usual, |given| given.memory_mib));
        let Some(had) = had.max() else {
            return Ok(());
        };
        let next = match most {
            Some(most) if had >= most => return Err(AtLimit { had, most }),
            // What an estimate made smaller than usual is at least that.
            _ => more_memory(had).max(usual).min(most.unwrap_or(u32::MAX)),
        };
        self.memory_mib = Some(next);
        self.words
            .push(format!("{had} MiB were too little, so {next} MiB"));
        Ok(())
    }

    /// What refuses the next attempt: what is barred, and what is avoided unless that is `all` there is.
    pub fn availability(&self, all: bool) -> Availability {
        let mut refusing = self.barred.clone();
        if all {
            return refusing;
        }
        for placement in Placement::ALL {
            if let (None, Some(why)) =
                (refusing.refusal(placement), self.avoided.refusal(placement))
            {
                refusing.refuse(placement, why);
            }
        }
        refusing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(placement: Placement, ending: Ending) -> Past {
        let given = Some(Resources {
            vcpu: 1.0,
            memory_mib: 2_048,
        });
        Past {
            placement,
            given,
            ending,
        }
    }

    fn learn(past: &[Past]) -> Lessons {
        Lessons::learn(past, None, 2_048).unwrap()
    }

    fn refused(lessons: &Lessons) -> Vec<Placement> {
        let refusing = lessons.availability(false);
        let refused = |one: &Placement| refusing.refusal(*one).is_some();
        Placement::ALL.into_iter().filter(refused).collect()
    }

    #[test]
    fn each_ending_teaches_its_own_lesson() {
        use Ending::{Failed, NoCapacity, OutOfMemory, Reclaimed, Silent, TimedOut};
        use Placement::{Batch, BatchSpot, Fargate, FargateSpot, Lambda};
        let cases = [
            (vec![], vec![]),
            (vec![(FargateSpot, Reclaimed)], vec![]),
            (
                vec![(FargateSpot, Reclaimed), (BatchSpot, Silent)],
                vec![FargateSpot, BatchSpot],
            ),
            (vec![(Fargate, Silent), (Fargate, Silent)], vec![]),
            (vec![(Lambda, Silent)], vec![]),
            (vec![(Lambda, Silent), (Lambda, Silent)], vec![Lambda]),
            (vec![(Lambda, TimedOut)], vec![Lambda]),
            (vec![(Lambda, OutOfMemory)], vec![Lambda]),
            (vec![(Lambda, Failed)], vec![]),
            (vec![(Batch, NoCapacity)], vec![Batch]),
            // It had none once and then took the job: that is over.
            (vec![(Batch, NoCapacity), (Batch, Failed)], vec![]),
        ];
        for (attempts, expected) in cases {
            let attempts: Vec<_> = attempts
                .into_iter()
                .map(|(placement, ending)| past(placement, ending))
                .collect();
            let lessons = learn(&attempts);
            assert_eq!(refused(&lessons), expected, "{attempts:?}");
            assert_eq!(lessons.words.is_empty(), lessons == Lessons::default());
        }
    }

    #[test]
    fn twice_without_capacity_is_enough_even_for_who_names_the_placement() {
        use Ending::{Failed, NoCapacity};
        for (endings, expected) in [
            (vec![NoCapacity], vec![]),
            (vec![NoCapacity, NoCapacity], vec![Placement::Batch]),
            (vec![NoCapacity, Failed, NoCapacity], vec![]),
        ] {
            let past: Vec<_> = endings
                .iter()
                .map(|ending| past(Placement::Batch, *ending))
                .collect();
            assert_eq!(learn(&past).full, expected, "{endings:?}");
        }
    }

    #[test]
    fn a_placement_without_capacity_is_better_than_none() {
        let full = Placement::ALL.map(|placement| past(placement, Ending::NoCapacity));
        let lessons = learn(&full);
        assert_eq!(refused(&lessons), Placement::ALL);
        assert_eq!(lessons.availability(true), Availability::all());
    }

    #[test]
    fn memory_grows_by_half_up_to_the_limit() {
        let short = past(Placement::Fargate, Ending::OutOfMemory);
        assert_eq!(learn(&[short]).memory_mib, Some(3_072));
        let learn = |given, most| {
            let short = Past { given, ..short };
            Lessons::learn(&[short], Some(most), 1_024)
        };
        assert_eq!(learn(None, 9_000).unwrap().memory_mib, Some(1_536));
        assert_eq!(learn(short.given, 3_000).unwrap().memory_mib, Some(3_000));
        let limit = AtLimit {
            had: 2_048,
            most: 2_048,
        };
        assert_eq!(learn(short.given, 2_048), Err(limit));
    }
}
