//! The `load-generator` function: makes its share of a load test, or says how many generators the test needs.

pub mod capacity;
pub mod handler;
