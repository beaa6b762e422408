//! The `gatherer` function: gathers what came of all branches into one report of the execution. A branch that
//! failed, or has not answered by the deadline, is part of the report.
//!
//! Each call adds one section, `runs/<execution>/sections/<key>.json`, and renders `report.json` and `report.html`
//! from all sections. A repeated call replaces its own section, so nothing is counted twice. Calls in parallel
//! branches may overlap: each looks at the sections again when it has written the report, so the report that is
//! written last holds them all.

mod answer;
mod chart;
mod charts;
mod collect;
pub mod course;
pub mod entry;
pub mod figures;
pub mod files;
pub mod load_test;
mod page;
pub mod report;
pub mod run;

use std::time::Duration;

use input::InvalidInput;
use jobs::artifacts::{
    self, ArtifactError, GetObject, ListObjects, Listed, PutObject, S3Uri, When, run_uri,
};
use jobs::task::Named;
use placement::pricing::Prices;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::Instant;
use tracing::info;

use course::Course;
use entry::Entry;
use report::{Best, Rank, Report, Section, Status};

/// What a state machine asks for.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Request {
    /// A section of the report of the execution.
    Section(Box<SectionRequest>),
    /// The report of a load test.
    Load(load_test::Request),
}

/// One section, and the report of the execution that holds all sections so far.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SectionRequest {
    /// `$states.context.Execution.Name`.
    pub execution: String,
    /// Name of the pipeline, for the title.
    pub pipeline: String,
    /// Unique in the execution; sections are shown in the order of their keys.
    pub key: String,
    /// Shown above the section.
    pub title: String,
    /// Further facts to show, by name.
    #[serde(default)]
    pub facts: serde_json::Map<String, Value>,
    /// What the section found out, in one sentence; without it the figures tell.
    #[serde(default)]
    pub answer: Option<String>,
    /// Curves to draw.
    #[serde(default)]
    pub course: Option<Course>,
    /// What each branch returned.
    #[serde(default)]
    pub results: Vec<Entry>,
    /// S3 URI of a JSON list of such results, or of the `manifest.json` that a Distributed Map's ResultWriter leaves.
    #[serde(default)]
    pub manifest: Option<S3Uri>,
    /// Which metric tells the best branch.
    #[serde(default)]
    pub rank: Option<Rank>,
    /// How long to wait for branches that have not answered yet, in seconds; the function's own time limit ends the
    /// wait in any case.
    #[serde(default = "half_a_minute")]
    pub deadline_seconds: f64,
}

/// Time before the function's limit at which no branch is waited for any longer: enough to look once for thousands
/// of outcomes, and to render and write the report.
const MARGIN: Duration = Duration::from_secs(15);

fn half_a_minute() -> f64 {
    30.0
}

/// What the function answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// To a request for a section.
    Section(Box<Response>),
    /// To a request for the report of a load test.
    Load(load_test::Response),
}

/// Where the report is and what is in its newest section.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Response {
    /// Where the report is.
    pub report: Uris,
    /// Branches of this section that succeeded.
    pub succeeded: usize,
    /// Branches of this section that failed.
    pub failed: usize,
    /// Branches of this section that had not answered by the deadline.
    pub missing: usize,
    /// The best branch of all sections by this request's metric.
    pub best: Option<Best>,
    /// What the execution found out so far, in one sentence.
    pub answer: String,
    /// Why branches of this section failed: the first cause, and whether it is that of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// The two forms of the report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Uris {
    /// For programs.
    pub json: S3Uri,
    /// For people: one page that needs nothing else.
    pub html: S3Uri,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request cannot be served.
    #[error(transparent)]
    Input(#[from] InvalidInput),
    /// S3 could not be read or written.
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

/// What the handler works with.
#[derive(Debug)]
pub struct Deps<Store> {
    /// Bucket of the jobs and runs.
    pub bucket: String,
    /// The artifacts.
    pub store: Store,
    /// What work costs where this stack runs.
    pub prices: Prices,
}

/// Answers `request` before the function's time `limit`.
///
/// # Errors
/// As the two handlers, [`load_test::handle`] and [`handle`].
pub async fn answer<Store>(
    deps: &Deps<Store>,
    request: Request,
    now: OffsetDateTime,
    limit: Instant,
) -> Result<Answer, Error>
where
    Store: GetObject + PutObject + ListObjects,
{
    Ok(match request {
        Request::Section(request) => {
            Answer::Section(Box::new(handle(deps, *request, now, limit).await?))
        }
        Request::Load(request) => Answer::Load(load_test::handle(deps, request).await?),
    })
}

/// Gathers one section and renders the report of the execution as of `now`, before the function's time `limit`.
///
/// # Errors
/// `Input.*` for results that cannot be understood, `Job.Storage` when S3 fails.
pub async fn handle<Store>(
    deps: &Deps<Store>,
    request: SectionRequest,
    now: OffsetDateTime,
    limit: Instant,
) -> Result<Response, Error>
where
    Store: GetObject + PutObject + ListObjects,
{
    let section = gather(deps, &request, limit).await?;
    let key = format!("sections/{}.json", section.key);
    let uri = run_uri(&deps.bucket, &request.execution, &key);
    artifacts::put_json(&deps.store, &uri, &section, When::Always).await?;

    let generated_at = now.truncate_to_second().format(&Rfc3339);
    let generated_at = generated_at.unwrap_or_default();
    let blank = Report::new(request.pipeline, request.execution, generated_at);
    let (report, report_uris) = report_all(deps, blank).await?;
    let (succeeded, failed, missing) = section.counts();
    info!(
        execution = report.execution,
        section = section.key,
        succeeded,
        failed,
        missing,
        "gathered"
    );
    let best = request.rank.as_ref().and_then(|rank| report.best(rank));
    let failures = section
        .branches
        .iter()
        .filter(|one| one.status == Status::Failed);
    let failure = answer::first_cause(&failures.collect::<Vec<_>>());
    Ok(Response {
        answer: report.answer,
        failure,
        report: report_uris,
        succeeded,
        failed,
        missing,
        best,
    })
}

/// The section of `request`, with what came of every branch.
async fn gather<Store: GetObject>(
    deps: &Deps<Store>,
    request: &SectionRequest,
    limit: Instant,
) -> Result<Section, Error> {
    let (entries, inside) = match &request.manifest {
        Some(manifest) => (
            entry::read_manifest(&deps.store, manifest).await?,
            "the manifest",
        ),
        None => (request.results.clone(), "$.section.results"),
    };
    let deadline = deadline(request.deadline_seconds, limit)?;
    let pending = entry::locate(entries, &deps.bucket, inside)?;
    Ok(Section {
        key: request.key.clone(),
        title: request.title.clone(),
        facts: request.facts.clone(),
        answer: request.answer.clone(),
        course: request.course.clone(),
        rank: request.rank.clone(),
        branches: collect::collect(&deps.store, &deps.prices, pending, deadline).await?,
    })
}

/// Until when branches are waited for.
fn deadline(seconds: f64, limit: Instant) -> Result<Instant, InvalidInput> {
    let wait = Duration::try_from_secs_f64(seconds)
        .map_err(|error| InvalidInput::new("$.section.deadlineSeconds", error.to_string()))?;
    let latest = limit.checked_sub(MARGIN).unwrap_or(limit);
    let asked = Instant::now().checked_add(wait);
    Ok(asked.map_or(latest, |asked| asked.min(latest)))
}

/// Writes the report of all sections, again for as long as one came or changed meanwhile.
async fn report_all<Store>(
    deps: &Deps<Store>,
    mut report: Report,
) -> Result<(Report, Uris), ArtifactError>
where
    Store: GetObject + PutObject + ListObjects,
{
    let folder = run_uri(&deps.bucket, &report.execution, "sections/");
    let mut listed = deps.store.list(&folder).await?;
    loop {
        report.sections.clear();
        for section in &listed {
            let section = artifacts::get_json(&deps.store, &section.uri).await?;
            report.sections.push(section);
        }
        report.answer = report.sentence();
        let uris = publish(deps, &report).await?;
        let again = deps.store.list(&folder).await?;
        let versions = listed.iter().map(Listed::version);
        if versions.eq(again.iter().map(Listed::version)) {
            return Ok((report, uris));
        }
        listed = again;
    }
}

async fn publish<Store: PutObject>(
    deps: &Deps<Store>,
    report: &Report,
) -> Result<Uris, ArtifactError> {
    let uri = |name| run_uri(&deps.bucket, &report.execution, name);
    let uris = Uris {
        json: uri("report.json"),
        html: uri("report.html"),
    };
    artifacts::put_json(&deps.store, &uris.json, report, When::Always).await?;
    let page = report.page();
    deps.store
        .put(&uris.html, page.into_bytes(), When::Always)
        .await?;
    Ok(uris)
}

#[cfg(test)]
#[path = "load_test_tests.rs"]
mod load_tests;
#[cfg(test)]
mod tests;
