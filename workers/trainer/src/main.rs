//! Wires the trainer.
fn main() {}
