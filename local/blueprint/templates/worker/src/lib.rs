//! The `my-worker` worker: counts the words of a text.

use input::InvalidInput;
use jobs::artifacts::{ArtifactError, PutObject, S3Uri, When, put_json};
use jobs::task::Named;
use jobs::worker::Context;
use serde::{Deserialize, Serialize};
use tracing::info;

/// What to do.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The text.
    pub text: String,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Output {
    /// How many words the text has.
    pub words: usize,
    /// S3 URI of a JSON file with the words.
    pub list: S3Uri,
}

/// Why nothing came of it. `Input.*` names refuse the input for good, others may be tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The input cannot be used.
    #[error(transparent)]
    Input(#[from] InvalidInput),
    /// The result could not be stored.
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

/// Does one job. What is large goes to S3 beside the job, and the output says where.
///
/// # Errors
/// `Input.Invalid` when the text has no words, `Job.Storage` when S3 fails.
pub async fn work<S: PutObject>(context: Context<'_, S>, input: Input) -> Result<Output, Error> {
    let words: Vec<&str> = input.text.split_whitespace().collect();
    if words.is_empty() {
        return Err(InvalidInput::new("$.input.text", "expected at least one word").into());
    }
    let list = context.uri.sibling("words.json");
    put_json(context.store, &list, &words, When::Always).await?;
    info!(words = words.len(), "counted");
    Ok(Output {
        words: words.len(),
        list,
    })
}

#[cfg(test)]
mod tests {
    use jobs::artifacts::{MemoryStore, get_json, job_uri};
    use jobs::checkpoint::{Checkpoint, INTERVAL, Stop};
    use jobs::job::{Job, Origin};
    use placement::Placement;
    use serde_json::json;

    use super::*;

    async fn done(store: &MemoryStore, text: &str) -> Result<Output, Error> {
        let origin = Origin::new("execution", "state");
        let job = Job::new(origin, "my-worker", Placement::Fargate, json!({}));
        let uri = job_uri("bucket", &job.id);
        let checkpoint = Checkpoint::new(store, &job, &uri, INTERVAL, Stop::default());
        let context = Context {
            job: &job,
            store,
            uri: &uri,
            checkpoint: &checkpoint,
        };
        let text = text.to_owned();
        work(context, Input { text }).await
    }

    #[tokio::test]
    async fn the_words_are_stored_beside_the_job() -> Result<(), Error> {
        let store = MemoryStore::default();
        let output = done(&store, "as AWS  runs them").await?;
        assert_eq!(output.words, 4);
        let list: Vec<String> = get_json(&store, &output.list).await?;
        assert_eq!(list, ["as", "AWS", "runs", "them"]);
        Ok(())
    }

    #[tokio::test]
    async fn a_text_without_words_is_refused_by_its_path() {
        let store = MemoryStore::default();
        let error = done(&store, " ").await.err().map(|it| it.to_string());
        let expected = "$.input.text: expected at least one word";
        assert_eq!(error.as_deref(), Some(expected));
    }
}
