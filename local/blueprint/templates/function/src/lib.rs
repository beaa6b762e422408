//! The `my-function` function: counts the words of a text.

use input::InvalidInput;
use jobs::task::Named;
use serde::{Deserialize, Serialize};
use tracing::info;

/// What a state machine asks for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The text.
    pub text: String,
}

/// What it gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Response {
    /// How many words the text has.
    pub words: usize,
}

/// Why there is no answer. The name of an error is what Retry and Catch of a state match.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request cannot be served.
    #[error(transparent)]
    Input(#[from] InvalidInput),
}

impl Named for Error {
    fn name(&self) -> &str {
        match self {
            Self::Input(error) => error.name(),
        }
    }
}

/// Serves one request.
///
/// # Errors
/// `Input.Invalid` with the JSON path of what cannot be used.
pub async fn handle(request: Request) -> Result<Response, Error> {
    let words = request.text.split_whitespace().count();
    if words == 0 {
        return Err(InvalidInput::new("$.text", "expected at least one word").into());
    }
    info!(words, "counted");
    Ok(Response { words })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Request {
        Request {
            text: text.to_owned(),
        }
    }

    #[tokio::test]
    async fn words_are_counted() {
        let response = handle(request("as AWS  runs them")).await;
        assert_eq!(response.ok(), Some(Response { words: 4 }));
    }

    #[tokio::test]
    async fn a_text_without_words_is_refused_by_its_path() {
        let error = handle(request(" ")).await.err().map(|it| it.to_string());
        assert_eq!(error.as_deref(), Some("$.text: expected at least one word"));
    }
}
