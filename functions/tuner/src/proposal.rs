//! How the next sets are found.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::Request;

/// Whole numbers from `min` to `max`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// Smallest value.
    pub min: i64,
    /// Largest value.
    pub max: i64,
}

/// The ranges of all parameters, by kind of model.
pub type Space = BTreeMap<String, BTreeMap<String, Range>>;

/// One kind of model with a value for each parameter: `{"forest": {"nTrees": 50}}`.
pub type Model = BTreeMap<String, BTreeMap<String, i64>>;

/// How to propose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Strategy {
    /// Anywhere in the space, every round anew.
    Random,
    /// Half of the sets anywhere, half of them near the best ones so far.
    #[default]
    Refine,
}

/// A set that was tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The set.
    pub model: Model,
    /// Its score, higher is better; `None` when it failed.
    pub score: Option<f64>,
}

/// Draws per wanted set before the space counts as exhausted.
const PATIENCE: usize = 200;
/// How many of the best sets are refined.
const ELITE: usize = 3;

/// The sets of the next round: none that was tried, none twice, the same for the same request and trials.
pub fn propose(request: &Request, trials: &[Trial]) -> Vec<Model> {
    let mut rng = StdRng::seed_from_u64(request.seed.wrapping_add(u64::from(request.round)));
    let mut known: BTreeSet<Model> = trials.iter().map(|trial| trial.model.clone()).collect();
    let mut models = Vec::new();
    if request.round == 1 {
        let included = request
            .include
            .iter()
            .take(request.sets)
            .filter(|model| known.insert((*model).clone()));
        models.extend(included.cloned());
    }
    let best = best(trials);
    for draw in 0..request.sets * PATIENCE {
        if models.len() == request.sets {
            break;
        }
        let refine = request.strategy == Strategy::Refine && draw % 2 == 1;
        let model = match best.choose(&mut rng) {
            Some(good) if refine => near(good, &request.space, &mut rng),
            _ => anywhere(&request.space, &mut rng),
        };
        if known.insert(model.clone()) {
            models.push(model);
        }
    }
    models
}

fn best(trials: &[Trial]) -> Vec<&Model> {
    let mut scored: Vec<_> = trials
        .iter()
        .filter_map(|trial| Some((trial.score?, &trial.model)))
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored
        .into_iter()
        .take(ELITE)
        .map(|(_, model)| model)
        .collect()
}

fn anywhere(space: &Space, rng: &mut StdRng) -> Model {
    let kinds: Vec<_> = space.iter().collect();
    let draw = |ranges: &BTreeMap<String, Range>, rng: &mut StdRng| {
        ranges
            .iter()
            .map(|(parameter, range)| (parameter.clone(), rng.random_range(range.min..=range.max)))
            .collect()
    };
    let chosen = kinds.choose(rng).copied();
    chosen
        .map(|(kind, ranges)| (kind.clone(), draw(ranges, rng)))
        .into_iter()
        .collect()
}

/// A step of at most an eighth of each range away from `model`, within the space.
fn near(model: &Model, space: &Space, rng: &mut StdRng) -> Model {
    let mut step = |kind: &str, parameter: &str, value: i64| {
        let Some(range) = space.get(kind).and_then(|ranges| ranges.get(parameter)) else {
            return value;
        };
        let reach = (range.max.saturating_sub(range.min) / 8).max(1);
        value
            .saturating_add(rng.random_range(-reach..=reach))
            .clamp(range.min, range.max)
    };
    let mut moved = model.clone();
    for (kind, values) in &mut moved {
        for (parameter, value) in values {
            *value = step(kind, parameter, *value);
        }
    }
    moved
}
