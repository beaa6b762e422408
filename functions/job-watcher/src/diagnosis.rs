//! What a job died of, by the words of the services. They have no codes for most of it; the sentences are listed in
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html> and
//! <https://docs.aws.amazon.com/batch/latest/userguide/batch-job-troubleshooting.html>.

use jobs::task::{
    JOB_CAPACITY, JOB_CRASHED, JOB_IMAGE_PULL, JOB_INTERRUPTED, JOB_NOT_STARTED, JOB_OUT_OF_MEMORY,
    JOB_SPOT_RECLAIMED, JOB_TIMED_OUT,
};

use crate::ended::Ended;

/// Words, and the name of what they tell of. The first that is found counts.
const WORDS: [(&str, &str); 15] = [
    ("OutOfMemory", JOB_OUT_OF_MEMORY),
    ("CannotPull", JOB_IMAGE_PULL),
    ("pull image", JOB_IMAGE_PULL),
    ("Spot Task was interrupted", JOB_SPOT_RECLAIMED),
    // Batch, when the instance under a job went away, which on Spot is a reclaim.
    ("Host EC2", JOB_SPOT_RECLAIMED),
    // A job that no host of its queue can hold, and a queue that is broken: the same again would wait again.
    ("MISCONFIGURATION:", JOB_NOT_STARTED),
    ("ACTION_REQUIRED", JOB_NOT_STARTED),
    ("Capacity is unavailable", JOB_CAPACITY),
    ("RESOURCE:", JOB_CAPACITY),
    ("CAPACITY:", JOB_CAPACITY),
    ("limit on the number of", JOB_CAPACITY),
    ("EventAgeExceeded", JOB_CAPACITY),
    ("Task stopped by user", JOB_INTERRUPTED),
    ("Terminated by user", JOB_INTERRUPTED),
    // https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-invocation.html
    ("Task timed out after", JOB_TIMED_OUT),
];

/// The `Job.*` name for the end of a job that left no outcome.
pub fn name(ended: &Ended) -> &'static str {
    match ended.stop_code.as_deref() {
        Some("SpotInterruption" | "TerminationNotice") => return JOB_SPOT_RECLAIMED,
        Some("UserInitiated" | "ServiceSchedulerInitiated") => return JOB_INTERRUPTED,
        _ => {}
    }
    let said = |words: &str| ended.reasons.iter().any(|reason| reason.contains(words));
    WORDS
        .iter()
        .find(|(words, _)| said(words))
        .map_or(JOB_CRASHED, |(_, name)| name)
}
