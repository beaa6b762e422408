//! The report as data.

use std::collections::BTreeMap;

use jobs::artifacts::S3Uri;
use jobs::attempt::{Ended, Past, Predicted, SUCCEEDED};
use jobs::measure::Measured;
use placement::Placement;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::course::Course;
use crate::files::Made;
use crate::page;
use crate::run::Run;

/// Everything that is known of one execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Name of the pipeline.
    pub pipeline: String,
    /// Name of the execution.
    pub execution: String,
    /// When the report was made, ISO 8601 in UTC.
    pub generated_at: String,
    /// What the execution found out, in one sentence.
    #[serde(default)]
    pub answer: String,
    /// The stages, in order.
    pub sections: Vec<Section>,
    /// How the execution went, as its history tells; whoever renders the page when it has ended knows it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub run: Option<Run>,
}

/// One stage of the execution: a round of training, a fan-out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// Unique in the execution.
    pub key: String,
    /// Shown above the section.
    pub title: String,
    /// Further facts to show, by name.
    #[serde(default)]
    pub facts: serde_json::Map<String, Value>,
    /// What the section found out, in one sentence, where who asks for it knows it better than the figures tell.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub answer: Option<String>,
    /// Curves to draw.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub course: Option<Course>,
    /// Which metric tells the best branch.
    #[serde(default)]
    pub rank: Option<Rank>,
    /// The branches, in the order of the fan-out.
    pub branches: Vec<Branch>,
}

/// What came of one branch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Branch {
    /// Place in the fan-out, from 0.
    pub index: usize,
    /// What the branch was to work on.
    pub item: Value,
    /// How it ended.
    pub status: Status,
    /// The job.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub job_id: Option<String>,
    /// Where it ran.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub placement: Option<Placement>,
    /// When its work was asked for, in ms since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub requested_at_ms: Option<u64>,
    /// When the worker began, in ms since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub started_at_ms: Option<u64>,
    /// How long it worked, in ms.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub duration_ms: Option<u64>,
    /// What the work cost, in USD, its start-up included; known of a worker that knows its size.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub usd: Option<f64>,
    /// The numbers in `output.metrics` of its outcome.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub metrics: BTreeMap<String, f64>,
    /// The variant that was chosen for it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub went_to: Option<String>,
    /// The files that it made.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub files: Vec<Made>,
    /// S3 URI of its outcome, where the rest of its output is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub outcome: Option<S3Uri>,
    /// Name of the error.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// The error in a sentence.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub message: Option<String>,
    /// Its attempts, in order.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub attempts: Vec<Step>,
}

/// One attempt on the path of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Where it was to run.
    pub placement: Placement,
    /// Why there.
    pub reason: String,
    /// `SUCCEEDED` or the name of the error; none when nobody told.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ending: Option<String>,
    /// What it was expected to take.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub predicted: Option<Predicted>,
    /// How long it worked, seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub seconds: Option<f64>,
    /// What it took besides.
    #[serde(default)]
    pub measured: Measured,
}

impl Step {
    /// How long all that the job has come to took, seconds: what a prediction is of.
    pub fn whole_seconds(&self) -> Option<f64> {
        let earlier = self.measured.earlier_ms.unwrap_or(0);
        Some(self.seconds? + earlier as f64 / 1e3)
    }
}

impl From<Past> for Step {
    fn from((attempt, ended): Past) -> Self {
        let worked = ended.as_ref().and_then(Ended::duration_ms);
        Self {
            placement: attempt.placement,
            reason: attempt.reason,
            predicted: attempt.predicted,
            seconds: worked.map(|ms| ms as f64 / 1e3),
            measured: ended
                .as_ref()
                .map(|ended| ended.measured)
                .unwrap_or_default(),
            ending: ended.map(|ended| ended.ending),
        }
    }
}

/// How a branch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Its outcome is a success.
    Succeeded,
    /// It failed; see its error.
    Failed,
    /// It had not answered by the deadline.
    Missing,
}

/// How branches are compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rank {
    /// Name of the metric.
    pub metric: String,
    /// Whether more or less of it is better.
    #[serde(default)]
    pub order: Order,
}

/// Which end of a metric is the good one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Order {
    /// More is better.
    #[default]
    Max,
    /// Less is better.
    Min,
}

/// The best branch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Key of its section.
    pub section: String,
    /// Value of the metric.
    pub value: f64,
    /// The branch.
    pub branch: Branch,
}

impl Section {
    /// Branches that succeeded, failed and are missing.
    pub fn counts(&self) -> (usize, usize, usize) {
        let count = |status| {
            self.branches
                .iter()
                .filter(|branch| branch.status == status)
                .count()
        };
        (
            count(Status::Succeeded),
            count(Status::Failed),
            count(Status::Missing),
        )
    }
}

impl Rank {
    /// The value of the metric.
    pub fn of(&self, branch: &Branch) -> Option<f64> {
        branch.metrics.get(&self.metric).copied()
    }

    /// Whether `a` is better than `b`.
    pub fn prefers(&self, a: f64, b: f64) -> bool {
        match self.order {
            Order::Max => a > b,
            Order::Min => a < b,
        }
    }
}

impl Report {
    /// A report without sections.
    pub fn new(pipeline: String, execution: String, generated_at: String) -> Self {
        Self {
            pipeline,
            execution,
            generated_at,
            answer: String::new(),
            sections: Vec::new(),
            run: None,
        }
    }

    /// The report as one HTML page that needs nothing else.
    pub fn page(&self) -> String {
        page::render(self).into_string()
    }

    /// The best branch of all sections that have the metric; of equals the first.
    pub fn best(&self, rank: &Rank) -> Option<Best> {
        let mut best: Option<Best> = None;
        for section in &self.sections {
            for branch in &section.branches {
                let Some(&value) = branch.metrics.get(&rank.metric) else {
                    continue;
                };
                if best
                    .as_ref()
                    .is_none_or(|best| rank.prefers(value, best.value))
                {
                    best = Some(Best {
                        section: section.key.clone(),
                        value,
                        branch: branch.clone(),
                    });
                }
            }
        }
        best
    }

    /// What the work of all branches cost, in USD, as far as that is known of any.
    pub fn usd(&self) -> Option<f64> {
        let known = self.branches().filter_map(|branch| branch.usd);
        known.reduce(|sum, usd| sum + usd)
    }

    /// What was predicted, from runs of the ledger or by the caller, and what came of it: of every attempt that did its
    /// work.
    pub fn predictions(&self) -> impl Iterator<Item = (&Branch, &Step, Predicted)> {
        let done = |step: &&Step| step.ending.as_deref() == Some(SUCCEEDED);
        self.branches().flat_map(move |branch| {
            let steps = branch.attempts.iter().filter(done);
            steps.filter_map(move |step| Some((branch, step, step.predicted?)))
        })
    }

    /// All branches of all sections.
    pub fn branches(&self) -> impl Iterator<Item = &Branch> {
        self.sections.iter().flat_map(|section| &section.branches)
    }
}

/// What to call an item: its name, its only value, or itself.
pub(crate) fn label(item: &Value) -> String {
    match item {
        Value::Object(map) => match (map.get("name"), map.len(), map.values().next()) {
            (Some(Value::String(name)), ..) => name.clone(),
            (None, 1, Some(only)) => label(only),
            _ => item.to_string(),
        },
        Value::String(text) => text.clone(),
        Value::Null => "–".to_owned(),
        other => other.to_string(),
    }
}
