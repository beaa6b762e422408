//! What an exploration finds.

use serde_json::Value;

use crate::suite::Accepted;

/// The kinds of findings, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingKind {
    /// An expression or path fails for an input that is allowed.
    QueryFails,
    /// An execution ends at the quota of events.
    Endless,
    /// A result grows beyond the quota of bytes.
    TooLarge,
    /// Nothing bounds how long an execution waits.
    MayNotEnd,
    /// Retries take longer than the state machine's own time limit.
    RetriesOutlastLimit,
    /// Nobody catches an error.
    Uncaught,
    /// A rule of Retry or Catch cannot fire.
    NeverFires,
    /// The name of an error is nearly, but not quite, one that there is.
    Misspelt,
    /// A state is never reached.
    Unreached,
    /// A rule of a Choice always or never holds.
    OneSided,
}

impl FindingKind {
    /// All kinds.
    pub const ALL: [FindingKind; 10] = [
        FindingKind::QueryFails,
        FindingKind::Endless,
        FindingKind::TooLarge,
        FindingKind::MayNotEnd,
        FindingKind::RetriesOutlastLimit,
        FindingKind::Uncaught,
        FindingKind::NeverFires,
        FindingKind::Misspelt,
        FindingKind::Unreached,
        FindingKind::OneSided,
    ];

    /// The name, as `accepted` of a NAME.test.json has it.
    pub fn name(self) -> &'static str {
        match self {
            FindingKind::QueryFails => "query-fails",
            FindingKind::Endless => "endless",
            FindingKind::TooLarge => "too-large",
            FindingKind::MayNotEnd => "may-not-end",
            FindingKind::RetriesOutlastLimit => "retries-outlast-limit",
            FindingKind::Uncaught => "uncaught",
            FindingKind::NeverFires => "never-fires",
            FindingKind::Misspelt => "misspelt",
            FindingKind::Unreached => "unreached",
            FindingKind::OneSided => "one-sided",
        }
    }
}

/// Something that is wrong, or accepted.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Of what kind.
    pub kind: FindingKind,
    /// The state it is about.
    pub state: String,
    /// The field whose expression it is about, `Output/total`.
    pub field: Option<String>,
    /// The errors it is about.
    pub errors: Vec<String>,
    /// What is wrong, as a sentence.
    pub message: String,
    /// The smallest case that shows it, ready for a NAME.test.json.
    pub case: Option<Value>,
    /// Why it is as it should be.
    pub accepted: Option<String>,
}

impl Finding {
    pub(super) fn new(kind: FindingKind, state: &str, message: String) -> Finding {
        Finding {
            kind,
            state: state.to_owned(),
            field: None,
            errors: Vec::new(),
            message,
            case: None,
            accepted: None,
        }
    }

    pub(super) fn is_accepted_by(&self, accepted: &Accepted) -> bool {
        let states = accepted.states.is_empty() || accepted.states.contains(&self.state);
        let errors = accepted.errors.is_empty()
            || (!self.errors.is_empty()
                && self
                    .errors
                    .iter()
                    .all(|error| accepted.errors.contains(error)));
        let fields = accepted.fields.is_empty()
            || self
                .field
                .as_ref()
                .is_some_and(|field| accepted.fields.contains(field));
        accepted.finding == self.kind.name() && states && errors && fields
    }
}
