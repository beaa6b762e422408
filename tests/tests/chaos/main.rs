//! Nothing is lost, whatever happens to the server: real pipelines and small machines of every state type and
//! integration form run on the real `hybrid serve`, which is killed, stopped, paused and left without disk space at
//! seeded moments. Each ending, each history and each count of starts is compared with the undisturbed run.
//!
//! `CHAOS_KILLS` says how many blows fall in all, four a round; `CHAOS_SEED` is the seed of the first round, and each
//! next round has the next; `CHAOS_LANES` says how many rounds there are at the same time. A finding names its round's
//! seed, which repeats that round's plan; when exactly a blow falls depends on the machine too. `CHAOS_KEEP` names a
//! folder for the data of rounds with findings, `HYBRID_BINARIES` one with the binaries to use instead of building them.
//!
//! Time passes here as it does for real clients: a blow falls after its delay, and who asks a server that may be dead
//! asks again after a pause, since nothing tells when it is back.
//!
//! ```sh
//! CHAOS_KILLS=500 cargo test --workspace --test chaos -- --nocapture
//! ```

#![allow(clippy::unwrap_used)]

mod check;
mod client;
mod machines;
mod notes;
mod plan;
mod project;
mod round;
mod server;

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::{Value, json};

use check::Outcome;
use plan::{BLOWS, Plan};
use project::Project;
use server::SmallDisk;

/// Blows where `CHAOS_KILLS` says nothing.
const KILLS: u64 = 20;
/// Rounds at the same time where `CHAOS_LANES` says nothing: they wait more than they compute.
const LANES: u64 = 2;

#[tokio::test(flavor = "multi_thread")]
async fn every_execution_ends_as_if_nothing_had_happened() {
    let first = number("CHAOS_SEED").unwrap_or_else(|| rand::random_range(0..1_000_000));
    let rounds = number("CHAOS_KILLS")
        .unwrap_or(KILLS)
        .div_ceil(BLOWS as u64);
    let lanes = number("CHAOS_LANES").unwrap_or(LANES) as usize;
    let built = end_to_end::binaries();
    let may_fill = SmallDisk::is_possible();
    if !may_fill {
        // Not by a macro, whose words are only shown when a test fails.
        let skipped = "skipped: the full disk, for this process may not mount a small file system";
        writeln!(std::io::stderr(), "{skipped}").unwrap();
    }
    let begun = Instant::now();
    let (calm, mut found) = round(&built, None).await;
    let calm = calm.unwrap_or_default();
    found.extend(calm.differences(&calm));
    assert!(found.is_empty(), "undisturbed: {}", found.join("\n"));
    println!(
        "undisturbed: {} executions in {} s",
        calm.endings.len(),
        begun.elapsed().as_secs()
    );
    let mut findings = Vec::new();
    let (mut executions, mut restarts) = (0, 0);
    let plans = (first..first + rounds).map(|seed| Plan::of(seed, may_fill));
    let rounds = futures::stream::iter(plans).map(async |plan| {
        let started = Instant::now();
        let (outcome, found) = round(&built, Some((&plan, &calm))).await;
        println!(
            "{plan} {} s, {} findings",
            started.elapsed().as_secs(),
            found.len()
        );
        found.iter().for_each(|finding| println!("  {finding}"));
        (plan, outcome, found)
    });
    let mut rounds = std::pin::pin!(rounds.buffer_unordered(lanes));
    let mut blows = 0;
    while let Some((plan, outcome, found)) = rounds.next().await {
        blows += plan.blows.len();
        executions += outcome.as_ref().map_or(0, |outcome| outcome.endings.len());
        restarts += outcome.map_or(0, |outcome| outcome.restarts);
        findings.extend(
            found
                .into_iter()
                .map(|finding| format!("seed {}: {finding}", plan.seed)),
        );
    }
    let seconds = begun.elapsed().as_secs();
    println!(
        "{blows} blows, {restarts} restarts, {executions} executions, {} findings, {seconds} s",
        findings.len()
    );
    assert!(
        findings.is_empty(),
        "{}\nrepeat one with CHAOS_SEED=<its seed> CHAOS_KILLS={BLOWS} cargo test --workspace --test chaos -- --nocapture",
        findings.join("\n")
    );
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|error| panic!("{variable}={text}: {error}")),
    )
}

/// A round in a project of its own, which is kept where something was found, compared with the undisturbed one.
async fn round(built: &Path, plan: Option<(&Plan, &Outcome)>) -> (Option<Outcome>, Vec<String>) {
    let project = Project::new(built);
    let (outcome, mut found) = round::run(&project, plan.map(|(plan, _)| plan)).await;
    if let (Some(outcome), Some((_, calm))) = (&outcome, plan) {
        found.extend(outcome.differences(calm));
    }
    if let (false, Some(keep)) = (found.is_empty(), std::env::var_os("CHAOS_KEEP")) {
        let seed = plan.map_or("undisturbed".to_owned(), |(plan, _)| plan.seed.to_string());
        // What was on a small disk is gone with it.
        project.keep_as(&Path::new(&keep).join(seed));
    }
    (outcome, found)
}

/// The function of the small machines: notes each call, takes its time, and answers or refuses.
#[tokio::test]
#[ignore = "the function that the served project invokes"]
async fn function() {
    let Some(notes) = std::env::var_os("CHAOS_NOTES") else {
        return;
    };
    let handle = async |event: LambdaEvent<Value>| {
        let work = event.payload["work"].as_str().unwrap_or_default();
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .open(&notes)
            .unwrap();
        // One write, so that lines of several processes do not mix.
        file.write_all(format!("{work} call {}\n", std::process::id()).as_bytes())
            .unwrap();
        tokio::time::sleep(Duration::from_millis(
            event.payload["ms"].as_u64().unwrap_or(0),
        ))
        .await;
        if event.payload["refuse"] == true {
            let (error_type, error_message) = ("Chaos.Refused".to_owned(), work.to_owned());
            return Err(Diagnostic {
                error_type,
                error_message,
            });
        }
        Ok(json!({"did": work}))
    };
    lambda_runtime::run(service_fn(handle)).await.unwrap();
}
