//! Which jobs a batch has.

use std::collections::BTreeMap;

use input::InvalidInput;
use jobs::artifacts::{ArtifactError, GetObject, S3Uri};
use placement::choice::Needs;
use placement::packing::Length;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Most jobs of a batch: as many as children of an array job.
pub(super) const MOST_JOBS: usize = placement::quota::BATCH_ARRAY_SIZE as usize;
/// Largest file of jobs, bytes: a kilobyte for each on average.
const MOST_BYTES: usize = MOST_JOBS * 1_024;

/// `jobs` of a request: what all have in common, and one of three ways to tell them apart.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Source {
    /// What the inputs of all jobs have in common.
    pub input: Map<String, Value>,
    /// The values that each place of the input takes, by JSON Pointer (<https://www.rfc-editor.org/rfc/rfc6901>): a job
    /// for each combination.
    pub vary: Option<BTreeMap<String, Values>>,
    /// The jobs one by one.
    pub each: Option<Vec<One>>,
    /// The same as JSON Lines on S3.
    pub file: Option<S3Uri>,
}

/// The values of one place.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Values {
    /// These.
    These(Vec<Value>),
    /// The whole numbers from one to another, both included.
    Range {
        /// The first.
        from: i64,
        /// The last.
        to: i64,
    },
}

/// A job that is told by itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct One {
    /// Its own members of the input.
    pub input: Map<String, Value>,
    /// How long it probably runs, in seconds.
    #[serde(default)]
    pub expected_seconds: Option<f64>,
}

/// A job of a batch.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Listed {
    /// Its whole input.
    pub input: Value,
    /// What it differs by from the others.
    pub item: Value,
    /// How long it probably runs, when that is told.
    pub expected_seconds: Option<f64>,
}

impl Listed {
    /// How long it runs, `usual` seconds when nothing is told.
    pub(super) fn length(&self, usual: f64) -> Length {
        let expected = self.expected_seconds.unwrap_or(usual);
        Length {
            expected,
            longest: Needs::longest_of(expected),
        }
    }
}

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub(super) enum ListError {
    /// The request or a line of the file cannot be used.
    #[error(transparent)]
    Input(#[from] InvalidInput),
    /// The file cannot be read.
    #[error(transparent)]
    Storage(#[from] ArtifactError),
}

impl From<ListError> for crate::Error {
    fn from(error: ListError) -> Self {
        match error {
            ListError::Input(error) => error.into(),
            ListError::Storage(error) => error.into(),
        }
    }
}

/// The jobs of `source`, 1 to 10,000.
pub(super) async fn read(
    store: &impl GetObject,
    source: &Source,
) -> Result<Vec<Listed>, ListError> {
    let listed = match (&source.vary, &source.each, &source.file) {
        (Some(vary), None, None) => combinations(&source.input, vary)?,
        (None, Some(each), None) => {
            let each = each.iter().cloned().enumerate();
            let listed =
                each.map(|(at, one)| listed(&source.input, one, &format!("$.jobs.each[{at}]")));
            listed.collect::<Result<_, _>>()?
        }
        (None, None, Some(uri)) => lines(store, &source.input, uri).await?,
        _ => {
            let message = "expected exactly one of vary, each and file";
            return Err(InvalidInput::new("$.jobs", message).into());
        }
    };
    match listed.len() {
        1..=MOST_JOBS => Ok(listed),
        count => Err(too_many(count).into()),
    }
}

fn too_many(count: usize) -> InvalidInput {
    let message = format!("expected 1 to {MOST_JOBS} jobs, found {count}");
    InvalidInput::new("$.jobs", message)
}

fn listed(common: &Map<String, Value>, one: One, path: &str) -> Result<Listed, InvalidInput> {
    if let Some(seconds) = one.expected_seconds {
        input::positive(&format!("{path}.expectedSeconds"), seconds)?;
    }
    let mut input = common.clone();
    input.extend(one.input.clone());
    Ok(Listed {
        input: input.into(),
        item: one.input.into(),
        expected_seconds: one.expected_seconds,
    })
}

async fn lines(
    store: &impl GetObject,
    common: &Map<String, Value>,
    uri: &S3Uri,
) -> Result<Vec<Listed>, ListError> {
    let body = store.get_up_to(uri, MOST_BYTES).await?;
    let body = body.ok_or_else(|| ArtifactError::NotFound(uri.clone()))?;
    let text = String::from_utf8(body)
        .map_err(|_| InvalidInput::new("$.jobs.file", format!("{uri} is not UTF-8")))?;
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    let read = lines.map(|(at, line)| {
        let wrong = |words: String| {
            let message = format!("{uri}, line {}: {words}", at + 1);
            InvalidInput::new("$.jobs.file", message)
        };
        let value = serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
        let one = input::parse::<One>(value).map_err(|error| wrong(error.to_string()))?;
        listed(common, one, "$").map_err(|error| wrong(error.to_string()))
    });
    Ok(read.collect::<Result<_, _>>()?)
}

impl Values {
    fn count(&self) -> usize {
        match self {
            Self::These(values) => values.len(),
            Self::Range { from, to } => {
                let count = to.saturating_sub(*from).saturating_add(1).max(0);
                usize::try_from(count).unwrap_or(usize::MAX)
            }
        }
    }

    /// The value at a place below the count.
    fn at(&self, at: usize) -> Value {
        match self {
            Self::These(values) => values.get(at).cloned().unwrap_or_default(),
            Self::Range { from, .. } => from.saturating_add_unsigned(at as u64).into(),
        }
    }
}

/// A job for each combination; the last place varies fastest.
fn combinations(
    common: &Map<String, Value>,
    vary: &BTreeMap<String, Values>,
) -> Result<Vec<Listed>, InvalidInput> {
    let counts = vary.values().map(Values::count);
    let all = counts.fold(1_usize, usize::saturating_mul);
    if !(1..=MOST_JOBS).contains(&all) || vary.is_empty() {
        return Err(too_many(if vary.is_empty() { 0 } else { all }));
    }
    let combine = |number: usize| {
        let mut left = number;
        let mut picked = Vec::new();
        for (pointer, values) in vary.iter().rev() {
            picked.push((pointer, values.at(left % values.count())));
            left /= values.count();
        }
        let (mut input, mut item) = (Value::Object(common.clone()), Map::new());
        for (pointer, value) in picked.into_iter().rev() {
            *place(&mut input, pointer)? = value.clone();
            item.insert(pointer.trim_start_matches('/').to_owned(), value);
        }
        Ok(Listed {
            input,
            item: item.into(),
            expected_seconds: None,
        })
    };
    (0..all).map(combine).collect()
}

/// The place of `pointer` in `input`; members that are not there are made.
fn place<'a>(input: &'a mut Value, pointer: &str) -> Result<&'a mut Value, InvalidInput> {
    let wrong = |words: &str| InvalidInput::new("$.jobs.vary", format!("`{pointer}` {words}"));
    let names = pointer
        .strip_prefix('/')
        .ok_or_else(|| wrong("is no JSON Pointer; expected /member/member"))?;
    let mut at = input;
    for name in names.split('/') {
        let name = name.replace("~1", "/").replace("~0", "~");
        let members = at
            .as_object_mut()
            .ok_or_else(|| wrong("leads into something of the input that is no object"))?;
        at = members.entry(name).or_insert_with(|| Map::new().into());
    }
    Ok(at)
}
