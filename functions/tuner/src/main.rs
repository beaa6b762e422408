//! Wires the `tuner` function.
fn main() {}
