//! Wires the `my-worker` worker.

use std::process::ExitCode;

fn main() -> ExitCode {
    jobs::worker::run(my_worker::work)
}
