//! Wires the `load-generator` function.
fn main() {}
