//! Wires the `gatherer` function.
fn main() {}
