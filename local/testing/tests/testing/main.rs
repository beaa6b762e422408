//! State machines under test: AWS's own example of mocks, cases, coverage.

#![allow(clippy::unwrap_used)]

mod aws_example;
mod faults;
mod unknown;
