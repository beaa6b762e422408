//! Standard and Express.

use serde::{Deserialize, Serialize};

/// Which of the two workflow types runs
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/choosing-workflow-type.html>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ExecutionType {
    /// Durable, with a full history.
    #[default]
    Standard,
    /// Short and cheap; no history is kept on AWS.
    Express,
}

impl ExecutionType {
    /// Both names, the default first.
    pub const NAMES: [&str; 2] = [
        ExecutionType::Standard.name(),
        ExecutionType::Express.name(),
    ];

    /// The name that the API and definitions have for it: `STANDARD`.
    pub const fn name(self) -> &'static str {
        match self {
            ExecutionType::Standard => "STANDARD",
            ExecutionType::Express => "EXPRESS",
        }
    }

    /// The type of the name.
    pub fn parse(name: &str) -> Option<ExecutionType> {
        [ExecutionType::Standard, ExecutionType::Express]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}
