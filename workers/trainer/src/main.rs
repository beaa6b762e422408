//! Wires the trainer.

use std::process::ExitCode;

fn main() -> ExitCode {
    jobs::worker::run(trainer::train)
}
