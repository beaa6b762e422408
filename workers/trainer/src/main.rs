//! Wires the trainer.

use std::process::ExitCode;

fn main() -> ExitCode {
    shared::worker::run(trainer::train)
}
