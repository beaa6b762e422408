//! A batch: many small jobs of one state, divided into packs. It is stored here; its packs are started one by one as
//! jobs of their own, or all at once as an array job.
//!
//! Asked again for the same batch, it stores the same objects: all ids follow from the request.

use futures::{StreamExt, TryStreamExt, stream};
use input::InvalidInput;
use jobs::artifacts::{self, ArtifactError, GetObject, PutObject, S3Uri, When, job_uri};
use jobs::attempt::Runs;
use jobs::job::{Job, Origin, job_id};
use jobs::ledger::Store;
use jobs::pack::{ArrayInput, Pack, Small, pack_uri};
use placement::choice::{Availability, Needs};
use placement::estimate::USUAL;
use placement::packing::{self, Length, Packing, Terms};
use placement::quota::BATCH_ARRAY_SIZE;
use placement::{Capacity, Placement, Resources};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tracing::info;

mod list;

use crate::plan::Wanted;
use crate::{Deps, Error};
use list::{Listed, Source};

/// Most packs of a batch that a Map starts, each of which takes up to 50 events of a history of 25,000.
const MOST_PACKS: usize = 200;
/// Packs of such a batch unless it says otherwise: as many as an inline Map runs at once.
const USUAL_PACKS: usize = placement::quota::INLINE_MAP_CONCURRENCY as usize;
/// How long a pack works at most, as far as there may be more packs, seconds: the definitions of the workers end a
/// job after twice that.
const PACK_SECONDS: f64 = 3_600.0;
/// How long a job of a batch is taken to run of which nothing is known, seconds.
const UNKNOWN_SECONDS: f64 = 1.0;
/// Objects that are written at the same time.
const CONCURRENCY: usize = 32;
/// What the packs of a class differ by in the ledger.
const FEATURE: &str = "jobs";

/// What a state machine asks for that has many small jobs.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BatchRequest {
    /// `$states.context.Execution.Name`.
    pub execution: String,
    /// `$states.context.Execution.Id`.
    #[serde(default)]
    pub execution_arn: Option<String>,
    /// `$states.context.State.Name`.
    pub state: String,
    /// Name of the worker that does all jobs.
    pub worker: String,
    /// The jobs.
    pub jobs: Source,
    /// Where the packs run; without it where they are cheapest in time.
    #[serde(default)]
    pub placement: Option<Placement>,
    /// What a pack needs, which does one job at a time.
    #[serde(default)]
    pub resources: Option<Wanted>,
    /// How long a job probably runs that does not say it itself, in seconds; the ledger tells, when absent.
    #[serde(default)]
    pub expected_seconds: Option<f64>,
    /// Which packs of the worker are alike, in the ledger.
    #[serde(default)]
    pub class: Option<String>,
    /// When all jobs must be done, in seconds from now.
    #[serde(default)]
    pub deadline_seconds: Option<f64>,
    /// Whether Spot may run them.
    #[serde(default)]
    pub interruptible: bool,
    /// The most packs; 40 when absent, and as many as there are jobs for an array.
    #[serde(default)]
    pub most_packs: Option<usize>,
    /// Whether the packs are children of one array job of Batch.
    #[serde(default)]
    pub array: bool,
}

/// A batch that is stored.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Packed {
    /// Jobs of the batch.
    pub jobs: usize,
    /// S3 URI of what a report is gathered from: each job with its id.
    pub manifest: S3Uri,
    /// The packs to start; none of an array.
    pub packs: Vec<PackRef>,
    /// The array job to submit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub array: Option<ArrayRef>,
    /// What it probably comes to.
    pub expected: Expected,
    /// Why so, in one line.
    pub reason: String,
}

/// A pack, as the request for its start needs it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PackRef {
    /// The input of its job.
    pub input: jobs::pack::PackInput,
    /// How many jobs it has.
    pub jobs: usize,
    /// How long they probably run, seconds.
    pub expected_seconds: f64,
    /// How long they run at most, seconds.
    pub longest_seconds: f64,
}

/// An array job, as SubmitJob needs it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ArrayRef {
    /// Its name.
    pub job_id: String,
    /// `JOB_URI` of its children.
    pub job_uri: S3Uri,
    /// How many children it has.
    pub size: usize,
    /// Where it runs.
    pub placement: Placement,
    /// vCPUs of a child, as SubmitJob takes them.
    pub vcpu: String,
    /// Memory of a child, as SubmitJob takes it.
    #[serde(rename = "memoryMiB")]
    pub memory_mib: String,
}

/// What a batch probably comes to, in packs and job by job.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Expected {
    /// Containers or functions that are started.
    pub packs: usize,
    /// What they cost, USD.
    pub usd: f64,
    /// What the jobs would cost in a container or function each, USD.
    pub alone_usd: f64,
    /// In how many seconds all are done.
    pub seconds: f64,
    /// Where they run.
    pub placement: Placement,
}

/// Divides the batch of `request` into packs and stores them.
///
/// # Errors
/// `Input.Invalid` for a request that cannot be served, `Input.NotFound` for a list that is not there, `Job.Storage`
/// when S3 fails.
pub async fn handle<S: Store, Callback, Starter>(
    deps: &Deps<S, Callback, Starter>,
    request: BatchRequest,
) -> Result<Packed, Error> {
    check(&request)?;
    let listed = list::read(&deps.store, &request.jobs).await?;
    check_count(&request, listed.len())?;
    let (seconds, evidence) = expected_seconds(deps, &request).await;
    let lengths: Vec<Length> = listed.iter().map(|one| one.length(seconds)).collect();
    let packing = divide(&request, &lengths, deps)?;
    let origin = Origin::new(&request.execution, &request.state);
    let batch = batch_job(
        &request,
        &listed,
        &origin,
        packing.decision.placement,
        &deps.bucket,
    );
    let uri = job_uri(&deps.bucket, &batch.id);
    let manifest = uri.sibling("manifest.json");
    store(&deps.store, &uri, &batch, &packing, listed).await?;
    let count = packing.packs.len();
    let reason = format!(
        "{} jobs in {count} packs, {:.6} USD, one by one {:.6} USD; {evidence}; the longest on {}",
        lengths.len(),
        packing.usd,
        packing.alone_usd,
        packing.decision.explanation
    );
    info!(batch = batch.id, "{reason}");
    Ok(Packed {
        jobs: lengths.len(),
        manifest,
        array: request
            .array
            .then(|| array_ref(&request, &batch, &uri, count)),
        packs: match request.array {
            true => Vec::new(),
            false => pack_refs(&uri, &packing),
        },
        expected: Expected {
            packs: count,
            usd: packing.usd,
            alone_usd: packing.alone_usd,
            seconds: packing.finish_seconds,
            placement: packing.decision.placement,
        },
        reason,
    })
}

/// Refuses what would fail only after work has begun.
fn check(request: &BatchRequest) -> Result<(), InvalidInput> {
    input::name("$.worker", &request.worker)?;
    if let Some(class) = &request.class {
        input::name("$.class", class)?;
    }
    let gpu = request.resources.and_then(|wanted| wanted.gpu);
    if gpu.unwrap_or(0) > 0 {
        let message = "jobs that need GPUs are not packed; ask for each by itself";
        return Err(InvalidInput::new("$.resources.gpu", message));
    }
    if let Some(placement) = request.placement
        && request.array
        && placement.capacity() != Capacity::Instance
    {
        let message = format!("an array job runs on BATCH or BATCH_SPOT, not on {placement}");
        return Err(InvalidInput::new("$.placement", message));
    }
    let most = match request.array {
        true => BATCH_ARRAY_SIZE as usize,
        false => MOST_PACKS,
    };
    let packs = request.most_packs;
    if packs.is_some_and(|packs| !(1..=most).contains(&packs)) {
        let message = format!("expected a whole number from 1 to {most}");
        return Err(InvalidInput::new("$.mostPacks", message));
    }
    needs(request, request.expected_seconds.unwrap_or(UNKNOWN_SECONDS)).check()
}

/// An array has two children at least
/// (<https://docs.aws.amazon.com/batch/latest/userguide/array_jobs.html>).
fn check_count(request: &BatchRequest, jobs: usize) -> Result<(), InvalidInput> {
    if request.array && jobs.min(request.most_packs.unwrap_or(jobs)) < 2 {
        let message = "an array job has at least two children; leave it out for one pack";
        return Err(InvalidInput::new("$.array", message));
    }
    Ok(())
}

fn resources(request: &BatchRequest) -> Resources {
    let wanted = request.resources.unwrap_or_default();
    Resources {
        vcpu: wanted.vcpu.unwrap_or(USUAL.vcpu),
        memory_mib: wanted.memory_mib.unwrap_or(USUAL.memory_mib),
    }
}

/// What one job needs that runs for `seconds`.
fn needs(request: &BatchRequest, seconds: f64) -> Needs {
    Needs {
        resources: resources(request),
        expected_seconds: seconds,
        longest_seconds: Needs::longest_of(seconds),
        within: request.deadline_seconds,
        interruptible: request.interruptible,
    }
}

/// How long a job probably runs that does not say it itself, and how that is known.
async fn expected_seconds<S: Store, Callback, Starter>(
    deps: &Deps<S, Callback, Starter>,
    request: &BatchRequest,
) -> (f64, String) {
    if let Some(seconds) = request.expected_seconds {
        return (seconds, format!("{seconds} s each, as the request says"));
    }
    let learnt = match &request.class {
        None => None,
        Some(class) => {
            let (store, bucket) = (&deps.store, &deps.bucket);
            let runs = deps.recall.runs(store, bucket, &request.worker, class);
            per_job(&*runs.await)
        }
    };
    match learnt {
        Some((seconds, packs)) => {
            let packs = if packs == 1 {
                "1 pack".to_owned()
            } else {
                format!("{packs} packs")
            };
            (seconds, format!("{seconds:.3} s each, from {packs}"))
        }
        None => (
            UNKNOWN_SECONDS,
            format!("no pack like it is known: {UNKNOWN_SECONDS} s each are taken"),
        ),
    }
}

/// How long a job took in the packs of a ledger, and how many packs tell.
fn per_job(runs: &Runs) -> Option<(f64, usize)> {
    let samples = runs.samples().into_iter();
    let told: Vec<(f64, f64)> = samples
        .filter_map(|sample| {
            let jobs = sample.feature.filter(|feature| feature.name == FEATURE)?;
            Some((sample.seconds, jobs.value))
        })
        .collect();
    let seconds: f64 = told.iter().map(|told| told.0).sum();
    let jobs: f64 = told.iter().map(|told| told.1).sum();
    let each = seconds / jobs;
    (each.is_finite() && each > 0.0).then_some((each, told.len()))
}

fn divide<S, Callback, Starter>(
    request: &BatchRequest,
    lengths: &[Length],
    deps: &Deps<S, Callback, Starter>,
) -> Result<Packing, Error> {
    let mut availability = Availability::all();
    for placement in Placement::ALL {
        if request.placement.is_some_and(|named| named != placement) {
            availability.refuse(placement, "the request names another placement");
        } else if request.array && placement.capacity() != Capacity::Instance {
            availability.refuse(placement, "it has no array jobs");
        }
    }
    let usual = match request.array {
        true => lengths.len(),
        false => USUAL_PACKS,
    };
    let most = request.most_packs.unwrap_or(usual);
    let longest: f64 = lengths.iter().map(|length| length.longest).sum();
    let least = (longest / PACK_SECONDS).ceil() as usize;
    let least = least.max(if request.array { 2 } else { 1 }).min(most);
    let terms = Terms {
        needs: &needs(request, UNKNOWN_SECONDS),
        prices: &deps.prices,
        availability: &availability,
        least,
        most,
    };
    packing::pack(lengths, &terms).map_err(Error::TooLarge)
}

/// The job that stands for the batch: the array, if it is one.
fn batch_job(
    request: &BatchRequest,
    listed: &[Listed],
    origin: &Origin,
    placement: Placement,
    bucket: &str,
) -> Job {
    let inputs: Vec<&Value> = listed.iter().map(|one| &one.input).collect();
    let id = job_id(origin, &request.worker, &json!(inputs));
    let packs = pack_uri(&job_uri(bucket, &id), 0).sibling("");
    Job {
        id,
        execution_arn: request.execution_arn.clone(),
        ..Job::new(
            origin.clone(),
            &request.worker,
            placement,
            json!(ArrayInput { packs }),
        )
    }
}

fn pack_refs(uri: &S3Uri, packing: &Packing) -> Vec<PackRef> {
    let packs = packing.packs.iter().enumerate();
    packs
        .map(|(index, pack)| PackRef {
            input: jobs::pack::PackInput {
                pack: pack_uri(uri, index),
            },
            jobs: pack.jobs.len(),
            expected_seconds: pack.length.expected,
            longest_seconds: pack.length.longest,
        })
        .collect()
}

fn array_ref(request: &BatchRequest, batch: &Job, uri: &S3Uri, size: usize) -> ArrayRef {
    let wanted = resources(request);
    let given = batch.placement.capacity().size(&wanted).unwrap_or(wanted);
    ArrayRef {
        job_id: batch.id.clone(),
        job_uri: uri.clone(),
        size,
        placement: batch.placement,
        vcpu: given.vcpu.to_string(),
        memory_mib: given.memory_mib.to_string(),
    }
}

/// Stores the packs, the job that stands for them, and what a report is gathered from.
async fn store(
    store: &(impl GetObject + PutObject),
    uri: &S3Uri,
    batch: &Job,
    packing: &Packing,
    listed: Vec<Listed>,
) -> Result<(), ArtifactError> {
    let small = |index: usize| Small {
        index: index as u64,
        input: listed[index].input.clone(),
    };
    stream::iter(packing.packs.iter().enumerate())
        .map(async |(at, pack)| {
            let pack = Pack {
                origin: batch.origin.clone(),
                jobs: pack.jobs.iter().copied().map(small).collect(),
            };
            artifacts::put_json(store, &pack_uri(uri, at), &pack, When::Always).await
        })
        .buffer_unordered(CONCURRENCY)
        .try_for_each(|_| std::future::ready(Ok(())))
        .await?;
    let mut manifest = vec![Value::Null; listed.len()];
    for (at, pack) in packing.packs.iter().enumerate() {
        for &index in &pack.jobs {
            let job = small(index).job(&batch.origin, &batch.worker, batch.placement);
            manifest[index] =
                json!({"item": listed[index].item, "jobId": job.id, "pack": pack_uri(uri, at)});
        }
    }
    artifacts::put_json(
        store,
        &uri.sibling("manifest.json"),
        &manifest,
        When::Always,
    )
    .await?;
    artifacts::put_json(store, uri, batch, When::Always).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
