//! Wires the transformer.

use std::process::ExitCode;

fn main() -> ExitCode {
    jobs::worker::run(transformer::transform)
}
