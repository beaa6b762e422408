//! `hybrid jobs`: what the ledger knows of the jobs of each worker and class.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use asl::placeholders::REGION;
use clap::Args;
use cloud::faults::Faults;
use cloud::s3::{Home, S3};
use gatherer::figures;
use jobs::artifacts::S3Store;
use jobs::attempt::{Ended, Runs, SUCCEEDED};
use jobs::aws;
use placement::Placement;
use serde::Serialize;
use serde_json::json;
use stack::ACCOUNT;

use crate::{
    error::Error,
    ledger::{FILE, Ledgers, Local},
    place::ProjectArguments,
    summary,
};

/// Arguments of `hybrid jobs`.
#[derive(Args)]
pub struct Jobs {
    /// Only the jobs of this worker.
    #[arg(long, value_name = "NAME")]
    worker: Option<String>,
    /// Only the jobs of this class: the name of their state, unless the request gives another.
    #[arg(long, value_name = "NAME")]
    class: Option<String>,
    /// How many of the last jobs of each class to tell the path of.
    #[arg(long, value_name = "COUNT", default_value_t = 5)]
    last: usize,
    /// The folder for results of `hybrid run`, whose runs keep their ledger there [default: out].
    #[arg(long, conflicts_with_all = ["data", "bucket"])]
    out: Option<PathBuf>,
    /// The data folder of `hybrid serve` [default: out/serve, if there is one].
    #[arg(long, conflicts_with = "bucket")]
    data: Option<PathBuf>,
    /// A bucket on AWS, or of a `hybrid serve` that runs: region, credentials and endpoint are those of the SDK's
    /// environment, such as AWS_REGION and AWS_ENDPOINT_URL.
    #[arg(long, value_name = "NAME")]
    bucket: Option<String>,
    #[command(flatten)]
    project: ProjectArguments,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// What the ledger of a class comes to.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    /// Where the ledger is.
    from: String,
    worker: String,
    class: String,
    /// Attempts that were ever recorded.
    attempts: u64,
    /// The newest of them, which the rest is about.
    kept: usize,
    /// How many ended as `SUCCEEDED`, or under the name of an error.
    endings: BTreeMap<String, usize>,
    /// How long the work took that was done, what earlier attempts had saved of it included.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<Spread>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_seconds: Option<Spread>,
    #[serde(rename = "memoryMiB", skip_serializing_if = "Option::is_none")]
    memory_mib: Option<Spread>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waited_seconds: Option<Spread>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usd: Option<Spread>,
    /// The last ones first.
    last_jobs: Vec<Course>,
}

/// How a figure is spread.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Spread {
    median: f64,
    /// 95 % of all are not more.
    p95: f64,
}

/// The attempts at one job, the first one first.
#[derive(Serialize)]
struct Course {
    job: String,
    attempts: Vec<Step>,
}

/// One attempt.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Step {
    placement: Placement,
    ending: String,
    finished_at_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usd: Option<f64>,
}

impl Jobs {
    /// Lists them.
    pub async fn execute(self) -> Result<ExitCode, Error> {
        let mut sources = self.sources().await?;
        let mut unreadable = Vec::new();
        for (_, ledgers) in &mut sources {
            unreadable.append(&mut ledgers.unreadable);
        }
        let rows = sources.iter().flat_map(|(from, ledgers)| {
            let wanted = ledgers.iter().filter(|(worker, class, _)| {
                let is = |wanted: &Option<String>, name| {
                    wanted.as_deref().is_none_or(|wanted| wanted == name)
                };
                is(&self.worker, *worker) && is(&self.class, *class)
            });
            wanted.map(|(worker, class, runs)| self.row(from, worker, class, runs))
        });
        let rows: Vec<Row> = rows.collect();
        if self.json {
            println!("{}", json!({"ledgers": rows, "unreadable": unreadable}));
            return Ok(ExitCode::SUCCESS);
        }
        if rows.is_empty() {
            let places: Vec<&str> = sources.iter().map(|(from, _)| from.as_str()).collect();
            println!("no such job is known in {}", places.join(" and "));
        }
        print!("{}", text(&rows));
        if let Some(first) = unreadable.first() {
            let count = unreadable.len();
            println!("{count} entries cannot be read and are left out, such as {first}");
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Every place that is looked at, and what is there.
    async fn sources(&self) -> Result<Vec<(String, Ledgers)>, Error> {
        if let Some(bucket) = &self.bucket {
            let store = S3Store(aws::s3(&aws::config().await));
            let found = Ledgers::of_bucket(&store, bucket).await?;
            return Ok(vec![(format!("s3://{bucket}"), found)]);
        }
        if let Some(data) = &self.data {
            return Ok(vec![(data.display().to_string(), served(data).await?)]);
        }
        let out = match &self.out {
            Some(out) => out.clone(),
            None => self.project.find()?.out(),
        };
        let file = out.join(FILE);
        let mut sources = vec![(file.display().to_string(), Ledgers::read(&file)?)];
        let data = out.join("serve");
        if data.join(OBJECTS).is_dir() {
            sources.push((data.display().to_string(), served(&data).await?));
        }
        Ok(sources)
    }

    fn row(&self, from: &str, worker: &str, class: &str, runs: &Runs) -> Row {
        let spread =
            |of: &dyn Fn(&Ended) -> Option<f64>| Spread::of(runs.newest.iter().filter_map(of));
        let done = |one: &Ended| one.ending == SUCCEEDED;
        let mut endings = BTreeMap::new();
        for one in &runs.newest {
            *endings.entry(one.ending.clone()).or_default() += 1;
        }
        let seconds = |ms: Option<u64>| ms.map(|ms| ms as f64 / 1e3);
        Row {
            from: from.to_owned(),
            worker: worker.to_owned(),
            class: class.to_owned(),
            attempts: runs.recorded,
            kept: runs.newest.len(),
            endings,
            seconds: spread(&|one| seconds(one.whole_ms().filter(|_| done(one)))),
            cpu_seconds: spread(&|one| seconds(one.measured.cpu_ms)),
            memory_mib: spread(&|one| one.measured.peak_memory_mib.map(f64::from)),
            waited_seconds: spread(&|one| seconds(one.measured.waited_ms)),
            usd: spread(&|one| one.measured.usd),
            last_jobs: last_jobs(runs, self.last),
        }
    }
}

/// The folder of the objects in a data folder.
const OBJECTS: &str = "s3";

/// The ledgers in all buckets of a data folder.
async fn served(data: &Path) -> Result<Ledgers, Error> {
    let root = data.join(OBJECTS);
    let mut buckets = Vec::new();
    for entry in std::fs::read_dir(&root).map_err(Error::file(&root))? {
        let entry = entry.map_err(Error::file(&root))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && entry.path().is_dir() {
            buckets.push(name);
        }
    }
    let home = Home {
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
    };
    let s3 = S3::open(&root, &[], home, Faults::default()).map_err(Error::file(&root))?;
    let mut all = Ledgers::default();
    for bucket in buckets {
        all.add(Ledgers::of_bucket(&Local(&s3), &bucket).await?);
    }
    Ok(all)
}

/// The courses of the jobs that ended last.
fn last_jobs(runs: &Runs, count: usize) -> Vec<Course> {
    let mut by_job: BTreeMap<&str, Vec<&Ended>> = BTreeMap::new();
    for one in &runs.newest {
        if let Some(job) = &one.job {
            by_job.entry(job).or_default().push(one);
        }
    }
    let mut jobs: Vec<_> = by_job.into_iter().collect();
    let ended = |attempts: &[&Ended]| attempts.iter().map(|one| one.finished_at_ms).max();
    jobs.sort_by_key(|(_, attempts)| Reverse(ended(attempts)));
    let course = |(job, attempts): (&str, Vec<&Ended>)| Course {
        job: job.to_owned(),
        attempts: attempts.into_iter().map(Step::from).collect(),
    };
    jobs.into_iter().take(count).map(course).collect()
}

impl From<&Ended> for Step {
    fn from(ended: &Ended) -> Self {
        Self {
            placement: ended.placement,
            ending: ended.ending.clone(),
            finished_at_ms: ended.finished_at_ms,
            seconds: ended.duration_ms().map(|ms| ms as f64 / 1e3),
            usd: ended.measured.usd,
        }
    }
}

impl Spread {
    /// None of nothing.
    fn of(figures: impl Iterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = figures.collect();
        sorted.sort_by(f64::total_cmp);
        let rank = |share: f64| (sorted.len() as f64 * share).ceil() as usize;
        let at = |share: f64| sorted.get(rank(share).saturating_sub(1)).copied();
        Some(Self {
            median: at(0.5)?,
            p95: at(0.95)?,
        })
    }

    fn cell(spread: Option<Self>, form: impl Fn(f64) -> String) -> String {
        spread.map_or_else(
            || "-".to_owned(),
            |spread| format!("{} / {}", form(spread.median), form(spread.p95)),
        )
    }
}

fn text(rows: &[Row]) -> String {
    let duration = |seconds: f64| figures::duration(seconds * 1e6);
    let cells = rows.iter().map(|row| {
        let done = row.endings.get(SUCCEEDED).copied().unwrap_or(0);
        vec![
            row.worker.clone(),
            row.class.clone(),
            row.attempts.to_string(),
            format!("{done} of {}", row.kept),
            Spread::cell(row.seconds, duration),
            Spread::cell(row.cpu_seconds, duration),
            Spread::cell(row.memory_mib, |mib| format!("{mib:.0}")),
            Spread::cell(row.waited_seconds, duration),
            Spread::cell(row.usd, figures::usd),
        ]
    });
    let head = [
        "worker",
        "class",
        "attempts",
        "succeeded",
        "worked",
        "CPU",
        "memory MiB",
        "waited",
        "cost on AWS",
    ];
    if rows.is_empty() {
        return String::new();
    }
    let mut text = summary::table(&head, cells.collect());
    text.push_str("median / 95 % of the newest attempts; worked: of those that succeeded\n");
    let courses = rows.iter().flat_map(|row| {
        let course = |course: &Course| {
            let usd: Option<f64> = course.attempts.iter().map(|step| step.usd).sum();
            let usd = usd.map_or_else(|| "-".to_owned(), figures::usd);
            vec![course.job.clone(), path(&course.attempts), usd]
        };
        row.last_jobs.iter().map(course)
    });
    let courses: Vec<_> = courses.collect();
    if !courses.is_empty() {
        text.push('\n');
        text.push_str(&summary::table(
            &["last jobs", "path", "cost on AWS"],
            courses,
        ));
    }
    text
}

/// `FARGATE_SPOT Job.SpotReclaimed > FARGATE SUCCEEDED`.
fn path(attempts: &[Step]) -> String {
    let steps = attempts
        .iter()
        .map(|step| format!("{} {}", step.placement, step.ending));
    steps.collect::<Vec<_>>().join(" > ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobs::ledger::Record as _;
    use jobs::measure::Measured;

    fn ended(job: &str, placement: Placement, ending: &str, seconds: u64) -> Ended {
        Ended {
            ending: ending.into(),
            placement,
            given: None,
            feature: None,
            job: Some(job.into()),
            started_at_ms: Some(1_000),
            finished_at_ms: 1_000 + seconds * 1_000,
            measured: Measured {
                usd: Some(0.01),
                ..Measured::default()
            },
        }
    }

    #[test]
    fn a_ledger_is_told_with_its_spread_and_the_paths_of_the_last_jobs() {
        let mut runs = Runs::default();
        for seconds in 1..=20 {
            let job = format!("j{seconds}");
            ended(&job, Placement::Fargate, SUCCEEDED, seconds).fold(&mut runs);
        }
        ended("j21", Placement::FargateSpot, "Job.SpotReclaimed", 21).fold(&mut runs);
        ended("j21", Placement::Fargate, SUCCEEDED, 22).fold(&mut runs);
        let jobs = Jobs {
            worker: None,
            class: None,
            last: 2,
            out: None,
            data: None,
            bucket: None,
            project: ProjectArguments::default(),
            json: false,
        };
        let row = jobs.row("here", "trainer", "Train", &runs);
        let seconds = row.seconds.unwrap();
        assert_eq!((seconds.median, seconds.p95), (11.0, 20.0));
        assert_eq!((row.attempts, row.endings[SUCCEEDED]), (22, 21));
        assert_eq!(row.memory_mib, None);
        let text = text(&[row]);
        for part in [
            "21 of 22",
            "FARGATE_SPOT Job.SpotReclaimed > FARGATE SUCCEEDED",
            "j20",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("j19"), "{text}");
        assert_eq!(super::text(&[]), "");
    }

    #[test]
    fn a_spread_is_of_what_is_there() {
        assert_eq!(Spread::of(std::iter::empty()), None);
        let one = Spread::of(std::iter::once(3.0)).unwrap();
        assert_eq!((one.median, one.p95), (3.0, 3.0));
    }
}
