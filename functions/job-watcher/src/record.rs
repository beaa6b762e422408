//! Notes how an attempt ended that its worker could not note, and how long the service let it wait.

use jobs::artifacts::{self, ArtifactError, GetObject, PutObject, When};
use jobs::attempt::{self, Attempt, Ended as End, attempt_id, attempt_uri, ended_uri};
use jobs::measure::Measured;
use placement::pricing::Prices;
use tracing::warn;

use crate::ended::Ended;

/// Notes the end of the attempt that `ended` tells of, as `died_of` unless the worker has noted its own, and the waits.
/// What cannot be read or written is told in the log alone: the answer to the state matters more.
pub(crate) async fn note(
    store: &(impl GetObject + PutObject),
    ended: &Ended,
    died_of: Option<&str>,
) {
    if let Err(error) = try_note(store, ended, died_of).await {
        warn!("{error}; nobody will learn from this attempt");
    }
}

async fn try_note(
    store: &(impl GetObject + PutObject),
    ended: &Ended,
    died_of: Option<&str>,
) -> Result<(), ArtifactError> {
    let id = attempt_id(Some(&ended.token));
    let Some(attempt): Option<Attempt> =
        artifacts::find_json(store, &attempt_uri(&ended.job_uri, &id)).await?
    else {
        return Ok(());
    };
    let uri = ended_uri(&ended.job_uri, &id);
    match (artifacts::find_json::<End>(store, &uri).await?, died_of) {
        (Some(own), _) => {
            let told = End {
                measured: waits(ended, own.measured),
                ..own.clone()
            };
            if told != own {
                artifacts::put_json(store, &uri, &told, When::Always).await?;
            }
        }
        (None, Some(died_of)) => {
            let end = end(ended, &attempt, died_of);
            attempt::note_end(store, &ended.job_uri, &attempt, &end).await;
        }
        (None, None) => {}
    }
    Ok(())
}

/// `measured` with the waits that the service tells.
fn waits(ended: &Ended, measured: Measured) -> Measured {
    let between = |from: Option<u64>, to: Option<u64>| Some(to?.saturating_sub(from?));
    let times = &ended.times;
    let begun = times.pull_started.or(times.started);
    Measured {
        queue_ms: between(times.created, begun).or(measured.queue_ms),
        image_ms: between(times.pull_started, times.pull_stopped).or(measured.image_ms),
        start_ms: between(times.pull_stopped, times.started).or(measured.start_ms),
        ..measured
    }
}

/// The end of a worker that died without a word.
fn end(ended: &Ended, attempt: &Attempt, died_of: &str) -> End {
    let times = &ended.times;
    let finished_at_ms = times.stopped.unwrap_or(attempt.dispatched_at_ms);
    let worked = times
        .started
        .map(|started| finished_at_ms.saturating_sub(started));
    let given = ended.given.or(attempt.resources);
    let usd = worked.zip(given).and_then(|(worked, given)| {
        let prices = Prices::of_this_machine();
        prices
            .cost(attempt.placement, &given, worked as f64 / 1e3)
            .ok()
    });
    let waited = times
        .started
        .map(|started| started.saturating_sub(attempt.dispatched_at_ms));
    let measured = Measured {
        waited_ms: waited,
        usd,
        ..Measured::default()
    };
    End {
        ending: died_of.to_owned(),
        placement: attempt.placement,
        given,
        feature: attempt.feature.clone(),
        job: None,
        started_at_ms: times.started,
        finished_at_ms,
        measured: waits(ended, measured),
    }
}
