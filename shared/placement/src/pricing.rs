//! What every placement costs and takes to start: the one table that the whole product reads it from. The figures
//! stand in `list.rs`.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::size::LARGEST_FARGATE;
use crate::{Capacity, Placement, Resources, quota};
use input::InvalidInput;

/// Sizes of the instance families, in multiples of `large` (2 vCPU), as far as x86_64 and arm64 have them alike.
/// The largest has the 64 vCPUs that the on-demand compute environment of `deploy/batch.yml` may have at once.
/// <https://aws.amazon.com/ec2/instance-types/>
const INSTANCE_SIZES: [(&str, f64); 7] = [
    ("large", 1.0),
    ("xlarge", 2.0),
    ("2xlarge", 4.0),
    ("4xlarge", 8.0),
    ("8xlarge", 16.0),
    ("12xlarge", 24.0),
    ("16xlarge", 32.0),
];

/// Share of an instance's memory that jobs can have. The kernel takes some before ECS counts what is there
/// (<https://docs.aws.amazon.com/batch/latest/userguide/memory-management.html>), and 5 % are to be kept for the
/// ECS agent (<https://docs.aws.amazon.com/batch/latest/userguide/ecs-reserved-memory.html>).
const INSTANCE_MEMORY_FOR_JOBS: f64 = 0.9;

/// USD of one transition of a Standard state machine, read on 2026-12-01: to start anything takes one.
/// <https://aws.amazon.com/step-functions/pricing/>
pub const TRANSITION_USD: f64 = 0.000_025;

/// Seconds from the request to the first instruction of the worker.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StartUp {
    /// When all goes well.
    pub shortest: f64,
    /// What a plan must reckon with.
    pub longest: f64,
}

impl StartUp {
    /// The middle of the range, seconds.
    pub fn expected(self) -> f64 {
        f64::midpoint(self.shortest, self.longest)
    }
}

/// What Lambda charges.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LambdaPrice {
    /// USD per GB-second; AWS counts 1,024 MB as a GB.
    pub gb_second: f64,
    /// USD per request.
    pub request: f64,
    /// Memory of the worker's function, MiB: what is billed whatever the job needs, and the most that it gets.
    /// None: a function made to measure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function_memory_mib: Option<u32>,
}

/// What Fargate charges for a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FargatePrice {
    /// USD per vCPU-hour.
    pub vcpu_hour: f64,
    /// USD per GB-hour; 1,024 MiB is a GB.
    pub gb_hour: f64,
}

/// An instance family that a Batch compute environment offers. Price and memory grow in
/// proportion to the size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InstanceFamily {
    /// For example `c6i`.
    pub name: String,
    /// Memory of the `large` size (2 vCPU), MiB.
    pub large_memory_mib: u32,
    /// USD per hour of the `large` size on demand.
    pub large_hour: f64,
    /// USD per hour of the `large` size on Spot.
    pub large_spot_hour: f64,
}

impl InstanceFamily {
    /// A family of which the `large` size has `gib` and costs `hour` USD on demand.
    pub(crate) fn new(name: &str, gib: u32, hour: f64) -> Self {
        Self {
            name: name.to_owned(),
            large_memory_mib: gib * 1_024,
            large_hour: hour,
            large_spot_hour: hour * 0.033 / 0.085,
        }
    }

    /// Memory of the `large` size that jobs can have, MiB.
    fn large_memory_for_jobs(&self) -> f64 {
        f64::from(self.large_memory_mib) * INSTANCE_MEMORY_FOR_JOBS
    }
}

/// An EC2 instance that Lambda or ECS runs in one's account, its fee included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ManagedInstance {
    /// Who manages it.
    pub service: String,
    /// For example `c6i.large`.
    pub size: String,
    /// USD per hour, instance and fee.
    pub usd_per_hour: f64,
    /// The day the fee was read, ISO 8601.
    pub as_of: String,
    /// Where.
    pub source: String,
}

/// The price list and the start-up times of one region and architecture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Prices {
    /// The day the prices were read, ISO 8601.
    pub as_of: String,
    /// Lambda.
    pub lambda: LambdaPrice,
    /// Fargate on demand.
    pub fargate: FargatePrice,
    /// Fargate Spot.
    pub fargate_spot: FargatePrice,
    /// The families of the Batch compute environments.
    pub instances: Vec<InstanceFamily>,
    /// What others manage for a fee; no placement of ours, told for comparison.
    #[serde(default)]
    pub managed: Vec<ManagedInstance>,
    /// Interruptions of a Spot task or instance per hour of running.
    pub spot_interruptions_per_hour: f64,
    /// Start-up of a Lambda environment.
    pub lambda_start: StartUp,
    /// Start-up of a Fargate task, either kind.
    pub fargate_start: StartUp,
    /// Start-up of a Batch job whose instance must be launched, either kind.
    pub batch_start: StartUp,
}

/// What a placement really gives a job, and what that costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Offer {
    /// The size in the words of the service: `3538 MB`, `2 vCPU 4 GB`, `c6i.large`.
    pub size: String,
    /// USD per hour of running.
    pub usd_per_hour: f64,
    /// USD per start, whatever the duration.
    pub usd_per_start: f64,
    /// The least time that is billed, seconds.
    pub least_billed_seconds: f64,
}

impl Offer {
    /// USD of one run that is billed for `seconds`, start-up included: every placement bills it.
    pub fn cost(&self, seconds: f64) -> f64 {
        let hours = seconds.max(self.least_billed_seconds) / 3_600.0;
        self.usd_per_start + hours * self.usd_per_hour
    }
}

/// A row of [`Prices::hour_of_two_vcpus`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HourlyPrice {
    /// The placement.
    pub placement: Placement,
    /// The size in the words of the service.
    pub size: String,
    /// USD as the table prints it.
    pub usd: String,
}

/// The first `digits` decimals of a price.
fn cut(usd: f64, digits: i32) -> String {
    let scale = 10_f64.powi(digits);
    // The small term keeps 0.085, which no f64 is exactly, from becoming 0.084.
    let cut = (usd * scale + 1e-9).floor() / scale;
    format!("{cut:.*}", usize::try_from(digits).unwrap_or(0))
}

/// Why a placement cannot hold a job of this size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("larger than the largest {placement} ({vcpu} vCPU, {memory_mib} MiB)")]
pub struct TooLarge {
    /// The placement.
    pub placement: Placement,
    /// The most vCPUs it has.
    pub vcpu: u32,
    /// The most memory it has, MiB.
    pub memory_mib: u32,
}

impl Default for Prices {
    /// x86_64, on which the demo stack runs unless its parameter `architecture` says otherwise.
    fn default() -> Self {
        Prices::x86_64()
    }
}

impl FromStr for Prices {
    type Err = InvalidInput;

    /// The prices of an architecture, `x86_64` or `arm64`.
    fn from_str(architecture: &str) -> Result<Self, Self::Err> {
        match architecture {
            "x86_64" => Ok(Prices::x86_64()),
            "arm64" => Ok(Prices::arm64()),
            _ => Err(InvalidInput::new("$", "expected x86_64 or arm64")),
        }
    }
}

impl Prices {
    /// The prices of the architecture that this program is compiled for.
    pub fn of_this_machine() -> Self {
        match std::env::consts::ARCH {
            "aarch64" => Prices::arm64(),
            _ => Prices::x86_64(),
        }
    }

    /// The same prices for a worker whose function has `memory_mib`.
    #[must_use]
    pub fn with_function(mut self, memory_mib: u32) -> Self {
        self.lambda.function_memory_mib = Some(memory_mib);
        self
    }

    /// USD of work that ran for `seconds` with `given`: the one formula of every report. What comes before the work
    /// is in it where each run has it: the expected start-up of a task or an instance. The INIT phase of a function
    /// is billed too (<https://aws.amazon.com/blogs/compute/aws-lambda-standardizes-billing-for-init-phase/>), but
    /// only its first run has one: `seconds` must hold it.
    ///
    /// # Errors
    /// [`TooLarge`] when no size holds `given`.
    pub fn cost(
        &self,
        placement: Placement,
        given: &Resources,
        seconds: f64,
    ) -> Result<f64, TooLarge> {
        let offer = match placement.capacity() {
            Capacity::Function => self.function(given.memory_mib),
            Capacity::Fargate | Capacity::Instance => self.offer(placement, given)?,
        };
        let before = match placement.has_start_up() {
            true => self.start_up(placement).expected(),
            false => 0.0,
        };
        Ok(offer.cost(before + seconds))
    }

    /// One hour at the size of each service that is nearest 2 vCPU and 4 GB: the cost table that the
    /// pipelines began with (Lambda 0.18, Fargate 0.098, Batch 0.085, Batch Spot 0.033), with its
    /// digits: two for Lambda and three for the others, cut and not rounded.
    ///
    /// What it was made of, found by trying the sizes of each service at the list price:
    /// * Lambda: 3,072 MB on x86_64, 0.18000; the size nearest the 3,008 MB that were the largest
    ///   then. It shows two cores (1.74 vCPU). All of 4,096 MB costs 0.24, on arm64 0.19.
    /// * Fargate: 2 vCPU and 4 GB on x86_64, 0.09874.
    /// * Batch: one compute optimised `large` (2 vCPU, 4 GiB), on demand and Spot.
    pub fn hour_of_two_vcpus(&self) -> Vec<HourlyPrice> {
        let rows = [
            (Placement::Lambda, 1.7, 3_072, 2),
            (Placement::Fargate, 2.0, 4_096, 3),
            // Of the 4 GiB of the instance a job can have no more.
            (Placement::Batch, 2.0, 3_584, 3),
            (Placement::BatchSpot, 2.0, 3_584, 3),
        ];
        let row = |(placement, vcpu, memory_mib, digits): (Placement, f64, u32, i32)| {
            let offer = self
                .offer(placement, &Resources { vcpu, memory_mib })
                .ok()?;
            let usd = cut(offer.usd_per_hour, digits);
            Some(HourlyPrice {
                placement,
                size: offer.size,
                usd,
            })
        };
        rows.into_iter().filter_map(row).collect()
    }

    /// The start-up time of a placement.
    pub fn start_up(&self, placement: Placement) -> StartUp {
        match placement.capacity() {
            Capacity::Function => self.lambda_start,
            Capacity::Fargate => self.fargate_start,
            Capacity::Instance => self.batch_start,
        }
    }

    /// The smallest size of `placement` that holds `resources`, and its price.
    ///
    /// # Errors
    /// [`TooLarge`] when no size does.
    pub fn offer(&self, placement: Placement, resources: &Resources) -> Result<Offer, TooLarge> {
        match (placement.capacity(), placement.is_spot()) {
            (Capacity::Function, _) => self.function_offer(placement, resources),
            (Capacity::Fargate, false) => fargate_offer(placement, &self.fargate, resources),
            (Capacity::Fargate, true) => fargate_offer(placement, &self.fargate_spot, resources),
            (Capacity::Instance, false) => {
                self.instance_offer(placement, |family| family.large_hour, resources)
            }
            (Capacity::Instance, true) => {
                self.instance_offer(placement, |family| family.large_spot_hour, resources)
            }
        }
    }

    /// The worker's function, or one made to measure.
    fn function_offer(
        &self,
        placement: Placement,
        resources: &Resources,
    ) -> Result<Offer, TooLarge> {
        let function = self.lambda.function_memory_mib;
        let most = function.unwrap_or(quota::LAMBDA_MEMORY_MIB);
        let needed = Capacity::Function.size(resources);
        let needed = needed
            .map(|size| size.memory_mib)
            .filter(|needed| *needed <= most);
        let needed = needed.ok_or(TooLarge {
            placement,
            vcpu: Resources::of_function(most).vcpu as u32,
            memory_mib: most,
        })?;
        Ok(self.function(function.unwrap_or(needed)))
    }

    fn function(&self, memory_mib: u32) -> Offer {
        Offer {
            size: format!("{memory_mib} MB"),
            usd_per_hour: f64::from(memory_mib) / 1_024.0 * 3_600.0 * self.lambda.gb_second,
            usd_per_start: self.lambda.request,
            least_billed_seconds: 0.001,
        }
    }

    /// The cheapest instance that holds the job alone. A job that shares its instance costs less;
    /// whether it does is not known beforehand.
    fn instance_offer(
        &self,
        placement: Placement,
        large_hour: impl Fn(&InstanceFamily) -> f64,
        resources: &Resources,
    ) -> Result<Offer, TooLarge> {
        let fitting = self.instances.iter().filter_map(|family| {
            let (size, factor) = INSTANCE_SIZES.iter().find(|(_, factor)| {
                factor * 2.0 >= resources.vcpu
                    && factor * family.large_memory_for_jobs() >= f64::from(resources.memory_mib)
            })?;
            Some((
                format!("{}.{size}", family.name),
                factor * large_hour(family),
            ))
        });
        let cheapest = fitting.min_by(|a, b| a.1.total_cmp(&b.1));
        let (size, usd_per_hour) = cheapest.ok_or_else(|| {
            let largest = INSTANCE_SIZES[INSTANCE_SIZES.len() - 1].1;
            let memory = self
                .instances
                .iter()
                .map(InstanceFamily::large_memory_for_jobs)
                .fold(0.0, f64::max);
            TooLarge {
                placement,
                vcpu: (largest * 2.0) as u32,
                memory_mib: (largest * memory) as u32,
            }
        })?;
        Ok(Offer {
            size,
            usd_per_hour,
            usd_per_start: 0.0,
            // EC2 on Linux is billed by the second with a minute at least, from launch on.
            least_billed_seconds: 60.0,
        })
    }
}

/// Fargate bills the size of the task, by the second and a minute at least, from the image pull
/// until the task stops; the pull is most of the start-up.
fn fargate_offer(
    placement: Placement,
    price: &FargatePrice,
    resources: &Resources,
) -> Result<Offer, TooLarge> {
    let size = Capacity::Fargate.size(resources).ok_or(TooLarge {
        placement,
        vcpu: LARGEST_FARGATE.vcpu as u32,
        memory_mib: LARGEST_FARGATE.memory_mib,
    })?;
    let Resources { vcpu, memory_mib } = size;
    let gb = f64::from(memory_mib) / 1_024.0;
    Ok(Offer {
        size: format!("{vcpu} vCPU {gb} GB"),
        usd_per_hour: vcpu * price.vcpu_hour + gb * price.gb_hour,
        usd_per_start: 0.0,
        least_billed_seconds: 60.0,
    })
}

#[cfg(test)]
#[path = "pricing_tests.rs"]
mod tests;
