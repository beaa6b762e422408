//! Wires the `dispatcher` function.
fn main() {}
