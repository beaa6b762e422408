//! What can be wrong with where calls are to be sent.

/// An argument that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ForwardError {
    /// It is not `SERVICE=URL`.
    #[error(
        "--forward {0}: expected SERVICE=URL, as in dynamodb=http://127.0.0.1:8000, or SERVICE=aws for AWS itself"
    )]
    Form(String),
    /// The service is given twice.
    #[error("--forward {0} is given twice")]
    Twice(String),
    /// There is no such service.
    #[error("--forward {service}: no service that states call is named so{}", suggest(.close))]
    Unknown {
        /// What was given.
        service: String,
        /// Services with a name like it.
        close: Vec<String>,
    },
    /// Its protocol is not spoken.
    #[error(
        "--forward {0}: its protocol, XML over REST, is not spoken; give --mock '{0}:*=COMMAND', or use the local S3"
    )]
    Protocol(String),
}

fn suggest(close: &[String]) -> String {
    match close {
        [] => String::new(),
        close => format!("; did you mean {}?", close.join(" or ")),
    }
}
