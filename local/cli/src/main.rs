//! The `hybrid` command.
fn main() {}
