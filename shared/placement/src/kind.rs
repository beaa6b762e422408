//! The placements and what a job asks of them.

use std::fmt;
use std::str::FromStr;

use input::InvalidInput;
use serde::{Deserialize, Serialize};

/// Where a job runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Placement {
    /// The worker's image as a Lambda function.
    Lambda,
    /// An ECS task on Fargate.
    Fargate,
    /// An ECS task on Fargate Spot: cheaper, may be reclaimed with two minutes' notice.
    FargateSpot,
    /// An AWS Batch job on the on-demand queue.
    Batch,
    /// An AWS Batch job on the Spot queue: cheapest, may be reclaimed.
    BatchSpot,
}

impl Placement {
    /// Every placement, in the order of start-up time.
    pub const ALL: [Self; 5] = [
        Self::Lambda,
        Self::Fargate,
        Self::FargateSpot,
        Self::Batch,
        Self::BatchSpot,
    ];

    /// The name used in JSON, for example `FARGATE_SPOT`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lambda => "LAMBDA",
            Self::Fargate => "FARGATE",
            Self::FargateSpot => "FARGATE_SPOT",
            Self::Batch => "BATCH",
            Self::BatchSpot => "BATCH_SPOT",
        }
    }

    /// Whether AWS may take the capacity back while the job runs.
    pub const fn is_spot(self) -> bool {
        matches!(self, Self::FargateSpot | Self::BatchSpot)
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Placement {
    type Err = InvalidInput;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|placement| placement.as_str() == text)
            .ok_or_else(|| {
                let known = Self::ALL.map(Self::as_str).join(", ");
                InvalidInput::new("$.placement", format!("`{text}` is not one of {known}"))
            })
    }
}

/// What a job needs while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// Virtual CPUs; Fargate allows fractions down to 0.25.
    pub vcpu: f64,
    /// Memory in MiB.
    #[serde(rename = "memoryMiB")]
    pub memory_mib: u32,
}
