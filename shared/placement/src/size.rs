//! What a job gets that asks for so much: every service sells sizes.

use crate::{Capacity, Resources, quota};

/// The memories of one Fargate CPU size, MiB.
enum Memories {
    /// These and no others.
    These(&'static [u32]),
    /// From the first to the second in steps of the third.
    Steps(u32, u32, u32),
}

impl Memories {
    /// The smallest that is not less than `memory_mib`.
    fn at_least(&self, memory_mib: u32) -> Option<u32> {
        match *self {
            Self::These(sizes) => sizes.iter().copied().find(|size| *size >= memory_mib),
            Self::Steps(smallest, largest, step) => {
                let steps = memory_mib.max(smallest).div_ceil(step);
                let size = steps.checked_mul(step)?;
                (size <= largest).then_some(size)
            }
        }
    }
}

/// Sizes of Fargate tasks for Linux on either architecture, read on 2026-11-25.
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html>
const FARGATE_SIZES: [(f64, Memories); 8] = [
    (0.25, Memories::These(&[512, 1_024, 2_048])),
    (0.5, Memories::Steps(1_024, 4_096, 1_024)),
    (1.0, Memories::Steps(2_048, 8_192, 1_024)),
    (2.0, Memories::Steps(4_096, 16_384, 1_024)),
    (4.0, Memories::Steps(8_192, 30_720, 1_024)),
    (8.0, Memories::Steps(16_384, 61_440, 4_096)),
    (16.0, Memories::Steps(32_768, 122_880, 8_192)),
    (32.0, Memories::These(&[61_440, 122_880, 249_856])),
];

/// The largest Fargate task.
pub const LARGEST_FARGATE: Resources = Resources {
    vcpu: 32.0,
    memory_mib: 249_856,
};

/// Whether a Fargate task can have exactly this size.
pub fn is_fargate_size(vcpu: f64, memory_mib: u64) -> bool {
    let Ok(memory_mib) = u32::try_from(memory_mib) else {
        return false;
    };
    let mut sizes = FARGATE_SIZES.iter();
    let memories = sizes.find(|(size, _)| *size == vcpu);
    memories.is_some_and(|(_, memories)| memories.at_least(memory_mib) == Some(memory_mib))
}

impl Capacity {
    /// The smallest size that holds `wanted`; none when no size does. Of an instance the job gets its part.
    pub fn size(self, wanted: &Resources) -> Option<Resources> {
        match self {
            Self::Function => function(wanted),
            Self::Fargate => FARGATE_SIZES.iter().find_map(|(vcpu, memories)| {
                let memory_mib = memories.at_least(wanted.memory_mib)?;
                (*vcpu >= wanted.vcpu).then_some(Resources {
                    vcpu: *vcpu,
                    memory_mib,
                })
            }),
            // On EC2 a job of Batch takes whole vCPUs.
            Self::Instance => Some(Resources {
                vcpu: wanted.vcpu.ceil().max(1.0),
                ..*wanted
            }),
        }
    }
}

/// Memory is the only size of a function, and vCPUs come with it: the job needs the larger of what it asks for and
/// what its vCPUs take.
fn function(wanted: &Resources) -> Option<Resources> {
    let for_vcpu = (wanted.vcpu * quota::LAMBDA_MIB_PER_VCPU).ceil();
    let memory = for_vcpu.max(f64::from(wanted.memory_mib)).max(128.0);
    (memory <= f64::from(quota::LAMBDA_MEMORY_MIB)).then(|| Resources::of_function(memory as u32))
}

impl Resources {
    /// What a function of `memory_mib` has.
    pub fn of_function(memory_mib: u32) -> Self {
        Self {
            vcpu: f64::from(memory_mib) / quota::LAMBDA_MIB_PER_VCPU,
            memory_mib,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_gets_the_smallest_fargate_size_that_holds_it() {
        let cases = [
            ((0.1, 1), Some((0.25, 512))),
            ((0.25, 1_025), Some((0.25, 2_048))),
            ((0.25, 2_049), Some((0.5, 3_072))),
            ((3.0, 1), Some((4.0, 8_192))),
            ((4.0, 30_721), Some((8.0, 32_768))),
            ((17.0, 1), Some((32.0, 61_440))),
            ((1.0, 122_881), Some((32.0, 249_856))),
            ((1.0, 249_857), None),
            ((32.5, 1), None),
            ((1.0, u32::MAX), None),
        ];
        for ((vcpu, memory_mib), size) in cases {
            let got = Capacity::Fargate.size(&Resources { vcpu, memory_mib });
            let got = got.map(|got| (got.vcpu, got.memory_mib));
            assert_eq!(got, size, "{vcpu} vCPU, {memory_mib} MiB");
        }
        assert_eq!(
            Capacity::Fargate.size(&LARGEST_FARGATE),
            Some(LARGEST_FARGATE)
        );
    }

    #[test]
    fn a_task_cannot_have_a_size_between() {
        for (vcpu, memory_mib, expected) in [
            (0.25, 512, true),
            (0.25, 8_192, false),
            (0.3, 512, false),
            (1.0, 4_000, false),
            (1.0, 4_096, true),
            (8.0, 20_480, true),
            (8.0, 17_408, false),
            (32.0, 249_856, true),
            (32.0, 1 << 40, false),
        ] {
            assert_eq!(
                is_fargate_size(vcpu, memory_mib),
                expected,
                "{vcpu} {memory_mib}"
            );
        }
    }

    #[test]
    fn a_function_has_vcpus_by_its_memory_and_a_batch_job_whole_ones() {
        let wanted = |vcpu, memory_mib| Resources { vcpu, memory_mib };
        let function = |wanted| Capacity::Function.size(&wanted).map(|got| got.memory_mib);
        assert_eq!(function(wanted(1.0, 512)), Some(1_769));
        assert_eq!(function(wanted(0.01, 1)), Some(128));
        assert_eq!(function(wanted(6.0, 512)), None);
        assert_eq!(
            Capacity::Instance.size(&wanted(0.3, 700)),
            Some(wanted(1.0, 700))
        );
        assert_eq!(
            Capacity::Instance.size(&wanted(2.5, 700)),
            Some(wanted(3.0, 700))
        );
    }
}
