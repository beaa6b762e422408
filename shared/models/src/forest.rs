//! A random forest, grown tree by tree: each tree has a seed of its own, so that it is the same tree wherever and whenever
//! it is grown.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Deserialize;
use smartcore::ensemble::random_forest_classifier::{
    RandomForestClassifier, RandomForestClassifierParameters,
};
use smartcore::error::Failed;

use crate::model::Matrix;

/// Hyper-parameters of a random forest.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Forest {
    /// Number of trees, 1 to 2,000.
    pub n_trees: u16,
    /// Longest path from root to leaf, 1 to 64.
    pub max_depth: u16,
    /// Fewest training rows in a leaf, at least 1.
    pub min_samples_leaf: usize,
}

/// To the library, a tree on its own draw of the rows is a forest of one.
pub(crate) type Tree = RandomForestClassifier<f32, u32, Matrix, Vec<u32>>;

impl Forest {
    /// The seed of every tree.
    pub(crate) fn seeds(&self, seed: u64) -> Vec<u64> {
        let draws = StdRng::seed_from_u64(seed).random_iter();
        draws.take(self.n_trees.into()).collect()
    }

    /// One tree of the forest.
    pub(crate) fn grow(&self, x: &Matrix, y: &Vec<u32>, seed: u64) -> Result<Tree, Failed> {
        let parameters = RandomForestClassifierParameters::default()
            .with_n_trees(1)
            .with_max_depth(self.max_depth)
            .with_min_samples_leaf(self.min_samples_leaf)
            .with_seed(seed);
        RandomForestClassifier::fit(x, y, parameters)
    }
}

/// The class of each row that most trees vote for, the smallest of several.
pub(crate) fn vote(trees: &[Tree], rows: &Matrix) -> Result<Vec<u32>, Failed> {
    let mut votes: Vec<BTreeMap<u32, u32>> = Vec::new();
    for tree in trees {
        let classes = tree.predict(rows)?;
        votes.resize_with(classes.len(), BTreeMap::new);
        for (votes, class) in votes.iter_mut().zip(classes) {
            *votes.entry(class).or_default() += 1;
        }
    }
    // Of equal maxima the last is taken, so the smallest class comes last.
    let winner = |votes: BTreeMap<u32, u32>| {
        let most = votes.into_iter().rev().max_by_key(|(_, votes)| *votes);
        most.map_or(0, |(class, _)| class)
    };
    Ok(votes.into_iter().map(winner).collect())
}
