//! The `tuner` function: proposes the next hyper-parameter sets from the results gathered so far. It closes the
//! feedback loop of a training pipeline.

pub mod proposal;

use std::collections::BTreeMap;

use input::InvalidInput;
use jobs::artifacts::{self, ArtifactError, GetObject, S3Uri};
use jobs::task::Named;
use placement::{Placement, UnknownPlacement};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::info;

use proposal::{Model, Range, Space, Strategy, Trial};

/// What a state machine asks for.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Request {
    /// Number of the round, from 1.
    pub round: u32,
    /// The ranges to search, by kind of model and parameter.
    pub space: Space,
    /// Sets that the first round tries in any case.
    #[serde(default)]
    pub include: Vec<Model>,
    /// How many sets to propose, at least one per placement.
    pub sets: usize,
    /// Where the sets are trained, in turn: a placement, or `AUTO` for what the dispatcher chooses.
    #[serde(default = "fargate_and_batch")]
    pub placements: Vec<Where>,
    /// How to propose.
    #[serde(default)]
    pub strategy: Strategy,
    /// The same seed proposes the same sets.
    #[serde(default)]
    pub seed: u64,
    /// S3 URI of the gatherer's report of the earlier rounds.
    #[serde(default)]
    pub history: Option<S3Uri>,
    /// Name of the metric to maximise.
    #[serde(default = "accuracy")]
    pub metric: String,
}

/// Where a set is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Where {
    /// Where the dispatcher finds it best.
    Auto,
    /// There.
    At(Placement),
}

impl TryFrom<String> for Where {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "AUTO" => Ok(Self::Auto),
            name => {
                let placement = name.parse().map(Self::At);
                placement.map_err(|unknown: UnknownPlacement| format!("{unknown}, or AUTO"))
            }
        }
    }
}

fn fargate_and_batch() -> Vec<Where> {
    vec![Where::At(Placement::Fargate), Where::At(Placement::Batch)]
}

fn accuracy() -> String {
    "accuracy".to_owned()
}

/// The next sets; none when the space is exhausted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Response {
    /// What to train.
    pub sets: Vec<Set>,
}

/// One hyper-parameter set and where to train it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Set {
    /// Short and readable, for example `forest nTrees=50 maxDepth=12`.
    pub name: String,
    /// The model and its hyper-parameters, as the trainer takes them.
    pub model: Model,
    /// Where to train it; none where the dispatcher finds it best.
    pub placement: Option<Placement>,
}

/// Why there is no proposal.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request cannot be served.
    #[error(transparent)]
    Input(#[from] InvalidInput),
    /// The history could not be read.
    #[error(transparent)]
    Storage(#[from] ArtifactError),
}

impl Named for Error {
    fn name(&self) -> &str {
        match self {
            Self::Input(error) => error.name(),
            Self::Storage(error) => error.name(),
        }
    }
}

/// As much of the gatherer's report as the tuner reads.
#[derive(Deserialize)]
struct History {
    sections: Vec<Round>,
}

#[derive(Deserialize)]
struct Round {
    branches: Vec<Branch>,
}

#[derive(Deserialize)]
struct Branch {
    #[serde(default)]
    item: Value,
    #[serde(default)]
    metrics: BTreeMap<String, f64>,
}

/// Proposes the sets of one round.
///
/// # Errors
/// `Input.Invalid` with the JSON path of what cannot be searched, `Input.NotFound` without the history.
pub async fn handle(store: &impl GetObject, request: Request) -> Result<Response, Error> {
    check(&request)?;
    let trials = match &request.history {
        Some(uri) => trials(artifacts::get_json(store, uri).await?, &request.metric),
        None => Vec::new(),
    };
    let models = proposal::propose(&request, &trials);
    info!(
        round = request.round,
        known = trials.len(),
        sets = models.len(),
        "proposed"
    );
    let placements = request.placements.iter().cycle();
    let set = |(model, place): (Model, &Where)| Set {
        name: name(&model),
        model,
        placement: match place {
            Where::Auto => None,
            Where::At(placement) => Some(*placement),
        },
    };
    Ok(Response {
        sets: models.into_iter().zip(placements).map(set).collect(),
    })
}

fn check(request: &Request) -> Result<(), InvalidInput> {
    if request.round == 0 {
        return Err(InvalidInput::new("$.round", "rounds count from 1"));
    }
    if request.placements.is_empty() {
        return Err(InvalidInput::new(
            "$.placements",
            "expected at least one placement",
        ));
    }
    if request.sets < request.placements.len() || request.sets > 1_000 {
        let least = request.placements.len();
        return Err(InvalidInput::new(
            "$.sets",
            format!("expected {least} (one per placement) to 1000"),
        ));
    }
    if request.space.is_empty() {
        return Err(InvalidInput::new(
            "$.space",
            "expected at least one kind of model",
        ));
    }
    let ranges = request
        .space
        .iter()
        .flat_map(|(kind, ranges)| ranges.iter().map(move |range| (kind, range)));
    for (kind, (parameter, Range { min, max })) in ranges {
        if min > max {
            let path = format!("$.space.{kind}.{parameter}");
            return Err(InvalidInput::new(
                path,
                format!("min {min} is above max {max}"),
            ));
        }
    }
    if let Strategy::Halving { budget } = &request.strategy {
        check_budget(request, budget)?;
    }
    Ok(())
}

fn check_budget(request: &Request, budget: &str) -> Result<(), InvalidInput> {
    let mut known = false;
    for (kind, ranges) in &request.space {
        if let Some(range) = ranges.get(budget) {
            known = true;
            if range.min < 1 {
                let path = format!("$.space.{kind}.{budget}.min");
                let message = format!(
                    "a budget that doubles begins at 1 or more, not {}",
                    range.min
                );
                return Err(InvalidInput::new(path, message));
            }
        }
    }
    if known {
        return Ok(());
    }
    let message = format!("`{budget}` is a parameter of no model in $.space");
    Err(InvalidInput::new("$.strategy.halving.budget", message))
}

/// What is known of each set that was trained. The report of a run has each of them once.
fn trials(history: History, metric: &str) -> Vec<Trial> {
    let rounds = (1..).zip(history.sections);
    let branches = rounds.flat_map(|(number, round)| {
        let numbered = move |branch| (number, branch);
        round.branches.into_iter().map(numbered)
    });
    let trial = |(round, branch): (u32, Branch)| {
        let model = serde_json::from_value(branch.item.get("model")?.clone()).ok()?;
        Some(Trial {
            round,
            model,
            score: branch.metrics.get(metric).copied(),
        })
    };
    branches.filter_map(trial).collect()
}

fn name(model: &Model) -> String {
    let parameters = |values: &BTreeMap<String, i64>| -> String {
        values
            .iter()
            .map(|(parameter, value)| format!(" {parameter}={value}"))
            .collect()
    };
    model
        .iter()
        .map(|(kind, values)| format!("{kind}{}", parameters(values)))
        .collect()
}

#[cfg(test)]
mod tests;
