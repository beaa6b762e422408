//! Where a job runs: the placements, what each costs and takes to start, the quotas, and the choice among them.

pub mod choice;
mod kind;
pub mod pricing;
pub mod quota;

pub use kind::{Placement, Resources};
