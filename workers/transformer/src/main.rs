//! Wires the transformer.

use std::process::ExitCode;

fn main() -> ExitCode {
    shared::worker::run(transformer::transform)
}
