//! Why something cannot be shown or done.

use axum::http::StatusCode;
use cloud::error::ServiceError;

/// Why a request of the console is not answered as it was meant.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The service refuses it.
    #[error("{}: {}", .0.code, .0.message)]
    Service(#[from] ServiceError),
    /// There is no such page.
    #[error("there is no page {0}; the overview leads to all there are")]
    NoPage(String),
    /// It does not come from a page of this console, or from one of an earlier process.
    #[error("the form has no token of this console; load the page again and send it from there")]
    Token,
    /// Nothing can be done here.
    #[error(
        "this console only shows what an earlier run left; `hybrid serve` with its folder as `--data` can act on it"
    )]
    AtRest,
    /// A form that is not what the console's pages send.
    #[error("the form is not to be read: {0}")]
    Form(String),
    /// A member of the form is missing.
    #[error("the form lacks {0:?}")]
    Missing(&'static str),
}

impl Failure {
    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Failure::Service(error) if error.code.ends_with("DoesNotExist") => {
                StatusCode::NOT_FOUND
            }
            Failure::Service(error) => {
                StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST)
            }
            Failure::NoPage(_) => StatusCode::NOT_FOUND,
            Failure::Token | Failure::AtRest => StatusCode::FORBIDDEN,
            Failure::Form(_) | Failure::Missing(_) => StatusCode::BAD_REQUEST,
        }
    }
}
