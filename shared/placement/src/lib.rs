//! Where a job runs: the placements, what each costs and takes to start, the quotas, and the choice among them.
//!
//! To add a placement, add its row in `kind.rs`; the compiler and the tests tell the rest.

pub mod choice;
pub mod course;
pub mod estimate;
mod kind;
mod list;
pub mod memory;
pub mod packing;
pub mod pricing;
pub mod quota;
mod size;

pub use kind::{Capacity, Placement, Resources, Starter, UnknownPlacement};
pub use size::is_fargate_size;
