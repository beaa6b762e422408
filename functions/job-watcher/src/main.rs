//! Wires the `job-watcher` function.
fn main() {}
