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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Strategy {
    /// Anywhere in the space, every round anew.
    Random,
    /// Half of the sets anywhere, half of them near the best ones so far.
    #[default]
    Refine,
    /// Many sets on a small budget; then, round by round, the best half of them on twice the budget, until one is
    /// left: successive halving with η = 2 (Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and
    /// Hyperparameter Optimization", AISTATS 2016; Li et al., "Hyperband", JMLR 18, 2018).
    Halving {
        /// The parameter that is the budget, for example `nTrees`; it begins at its `min` and ends at its `max`.
        budget: String,
    },
}

/// A set that was tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Round in which it was tried, from 1.
    pub round: u32,
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
    if let Strategy::Halving { budget } = &request.strategy
        && request.round > 1
    {
        return grown(&survivors(trials, budget, request.round), request, budget);
    }
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
        let mut model = match best.choose(&mut rng) {
            Some(good) if refine => near(good, &request.space, &mut rng),
            _ => anywhere(&request.space, &mut rng),
        };
        if let Strategy::Halving { budget } = &request.strategy {
            start_small(&mut model, &request.space, budget);
        }
        if known.insert(model.clone()) {
            models.push(model);
        }
    }
    models
}

/// The sets that are left before `round`, each as it was tried last. Those that failed are out; one that has no
/// budget keeps its score.
fn survivors(trials: &[Trial], budget: &str, round: u32) -> Vec<Model> {
    let latest = |model: &Model, round: u32| {
        let same = |trial: &&Trial| {
            trial.round <= round && without(&trial.model, budget) == without(model, budget)
        };
        trials.iter().filter(same).max_by_key(|trial| trial.round)
    };
    let first = trials.iter().filter(|trial| trial.round == 1);
    let mut left: Vec<Model> = first.map(|trial| trial.model.clone()).collect();
    for round in 1..round {
        let half = left.len() / 2;
        let mut ranked: Vec<_> = left
            .iter()
            .filter_map(|model| latest(model, round))
            .filter_map(|trial| Some((trial.score?, trial.model.clone())))
            .collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
        ranked.truncate(half);
        left = ranked.into_iter().map(|(_, model)| model).collect();
    }
    left
}

fn without(model: &Model, budget: &str) -> Model {
    let mut model = model.clone();
    for values in model.values_mut() {
        values.remove(budget);
    }
    model
}

fn start_small(model: &mut Model, space: &Space, budget: &str) {
    for (kind, values) in model {
        let range = space.get(kind).and_then(|ranges| ranges.get(budget));
        if let (Some(value), Some(range)) = (values.get_mut(budget), range) {
            *value = range.min;
        }
    }
}

/// Each on twice its budget. What has no budget, or all of it, would only score the same again.
fn grown(models: &[Model], request: &Request, budget: &str) -> Vec<Model> {
    let grow = |model: &Model| {
        let mut grown = model.clone();
        for (kind, values) in &mut grown {
            let max = request.space.get(kind)?.get(budget)?.max;
            let value = values.get_mut(budget)?;
            *value = value.saturating_mul(2).min(max);
        }
        (grown != *model).then_some(grown)
    };
    models.iter().filter_map(grow).collect()
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
