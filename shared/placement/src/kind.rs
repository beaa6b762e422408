//! The placements, one row each, and what a job asks of them.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::quota;

/// Who starts a job, and what the start needs to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Starter {
    /// Lambda: the worker's function is invoked.
    Function,
    /// ECS: the worker's task definition is run by a capacity provider.
    Task {
        /// Name of the capacity provider.
        provider: &'static str,
    },
    /// Batch: the worker's job definition is submitted to a queue.
    Job {
        /// The variable of the dispatcher that holds the queue.
        queue: &'static str,
        /// `ComputeResources.Type` of the compute environment behind the queue.
        compute: &'static str,
    },
}

/// What a job occupies while it runs: how it is sized, billed and started up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Capacity {
    /// Memory of a Lambda function, kept warm between jobs.
    Function,
    /// A Fargate task, made for the job.
    Fargate,
    /// An EC2 instance, launched for the job.
    Instance,
}

/// A row of the table.
struct Row {
    name: &'static str,
    starter: Starter,
    capacity: Capacity,
    spot: bool,
    /// What follows the worker in the name of its definition.
    suffix: &'static str,
    /// In plots and tables, as CSS writes it.
    colour: &'static str,
}

macro_rules! placements {
    ($($(#[doc = $doc:literal])+ $kind:ident: $row:expr;)+) => {
        /// Where a job runs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "Cow<'_, str>", into = "&'static str")]
        pub enum Placement {
            $($(#[doc = $doc])+ $kind,)+
        }

        impl Placement {
            /// Every placement, in the order of start-up time.
            pub const ALL: [Self; [$(stringify!($kind)),+].len()] = [$(Self::$kind),+];

            const fn row(self) -> Row {
                match self {
                    $(Self::$kind => $row,)+
                }
            }
        }
    };
}

placements! {
    /// The worker's image as a Lambda function.
    Lambda: Row {
        name: "LAMBDA",
        starter: Starter::Function,
        capacity: Capacity::Function,
        spot: false,
        suffix: "",
        colour: "#d97706",
    };
    /// An ECS task on Fargate.
    Fargate: Row {
        name: "FARGATE",
        starter: Starter::Task { provider: "FARGATE" },
        capacity: Capacity::Fargate,
        spot: false,
        suffix: "",
        colour: "#2b7de9",
    };
    /// An ECS task on Fargate Spot: cheaper, may be reclaimed with two minutes' notice.
    FargateSpot: Row {
        name: "FARGATE_SPOT",
        starter: Starter::Task { provider: "FARGATE_SPOT" },
        capacity: Capacity::Fargate,
        spot: true,
        suffix: "",
        colour: "#56b4e9",
    };
    /// An AWS Batch job on the on-demand queue.
    Batch: Row {
        name: "BATCH",
        starter: Starter::Job { queue: "JOB_QUEUE", compute: "EC2" },
        capacity: Capacity::Instance,
        spot: false,
        suffix: "",
        colour: "#009e73",
    };
    /// An AWS Batch job on the Spot queue: cheapest, may be reclaimed.
    BatchSpot: Row {
        name: "BATCH_SPOT",
        starter: Starter::Job { queue: "SPOT_JOB_QUEUE", compute: "SPOT" },
        capacity: Capacity::Instance,
        spot: true,
        suffix: "",
        colour: "#cc79a7",
    };
}

impl Placement {
    /// Characters of the longest name: the width of a column of placements.
    pub const WIDTH: usize = {
        let (mut at, mut width) = (0, 0);
        while at < Self::ALL.len() {
            let length = Self::ALL[at].as_str().len();
            width = if length > width { length } else { width };
            at += 1;
        }
        width
    };

    /// The name used in JSON, for example `FARGATE_SPOT`.
    pub const fn as_str(self) -> &'static str {
        self.row().name
    }

    /// Who starts a job here.
    pub const fn starter(self) -> Starter {
        self.row().starter
    }

    /// What a job occupies here.
    pub const fn capacity(self) -> Capacity {
        self.row().capacity
    }

    /// Whether AWS may take the capacity back while the job runs.
    pub const fn is_spot(self) -> bool {
        self.row().spot
    }

    /// Whether every run begins with a start-up that is billed. A function is warm after its first run.
    pub fn has_start_up(self) -> bool {
        self.capacity() != Capacity::Function
    }

    /// The longest that a job can run here, seconds; none: as long as its definition lets it.
    pub fn time_limit(self) -> Option<f64> {
        match self.capacity() {
            Capacity::Function => Some(quota::LAMBDA_SECONDS),
            Capacity::Fargate | Capacity::Instance => None,
        }
    }

    /// The colour of plots and tables, as CSS writes it.
    pub const fn colour(self) -> &'static str {
        self.row().colour
    }

    /// The CSS class of what ran here, for example `fargate-spot`.
    pub fn class(self) -> String {
        self.as_str().to_ascii_lowercase().replace('_', "-")
    }

    /// The function, task definition or job definition of `worker` in the stack whose names begin with `prefix`.
    pub fn definition(self, prefix: &str, worker: &str) -> String {
        format!("{prefix}-{worker}{}", self.row().suffix)
    }

    /// Where a task of ECS runs that has this capacity provider.
    pub fn of_task(provider: &str) -> Option<Self> {
        Self::started_by(
            |starter| matches!(starter, Starter::Task { provider: own } if own == provider),
        )
    }

    /// Where a Batch job runs whose compute environment is of this `ComputeResources.Type`; of a type that no
    /// placement has, where it is nearest.
    pub fn of_job(compute: &str) -> Self {
        let nearest = match compute.ends_with("SPOT") {
            true => Self::BatchSpot,
            false => Self::Batch,
        };
        Self::started_by(
            |starter| matches!(starter, Starter::Job { compute: own, .. } if own == compute),
        )
        .unwrap_or(nearest)
    }

    fn started_by(is_it: impl Fn(Starter) -> bool) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|placement| is_it(placement.starter()))
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<Placement> for &'static str {
    fn from(placement: Placement) -> Self {
        placement.as_str()
    }
}

/// A text that names no placement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not one of {known}", known = Placement::ALL.map(Placement::as_str).join(", "))]
pub struct UnknownPlacement(
    /// The text.
    pub String,
);

impl std::str::FromStr for Placement {
    type Err = UnknownPlacement;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|placement| placement.as_str() == text)
            .ok_or_else(|| UnknownPlacement(text.to_owned()))
    }
}

impl TryFrom<Cow<'_, str>> for Placement {
    type Error = UnknownPlacement;

    fn try_from(text: Cow<'_, str>) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// What a job needs while it runs, or was given.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// Virtual CPUs; Fargate allows fractions down to 0.25.
    pub vcpu: f64,
    /// Memory in MiB.
    #[serde(rename = "memoryMiB")]
    pub memory_mib: u32,
}

#[cfg(test)]
#[path = "kind_tests.rs"]
mod tests;
