//! A state machine: what is kept of it, and its compiled definition.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use asl::ExecutionType;
use sha2::{Digest, Sha256};

use crate::evaluators::Effort;
use crate::store::MachineRow;

/// The revision that a state machine has until it is changed.
pub(crate) const INITIAL: &str = "INITIAL";

/// A state machine that executions can be started of.
pub struct Machine {
    pub(crate) row: MachineRow,
    pub(crate) hash: String,
    pub(crate) compiled: asl::StateMachine,
    pub(crate) effort: Arc<Effort>,
    /// Whether the store has the definition.
    pub(crate) stored: AtomicBool,
}

impl Machine {
    pub(crate) fn new(row: MachineRow, compiled: asl::StateMachine) -> Machine {
        Machine {
            hash: hex::encode(Sha256::digest(row.definition.as_bytes())),
            effort: Effort::of(&row.definition),
            row,
            compiled,
            stored: AtomicBool::new(false),
        }
    }
}

/// Checks a definition against the rules of its type, which for Express are stricter, and compiles it.
pub(crate) fn compile(
    definition: &str,
    kind: ExecutionType,
) -> Result<asl::StateMachine, asl::Invalid> {
    if kind == ExecutionType::Express {
        let mut diagnostics = asl::validate_as(definition, kind);
        diagnostics.retain(|finding| finding.severity == asl::Severity::Error);
        if !diagnostics.is_empty() {
            return Err(asl::Invalid { diagnostics });
        }
    }
    asl::StateMachine::parse(definition)
}
