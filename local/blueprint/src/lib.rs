//! What a project is made of: `hybrid new` writes it from the templates of this crate, and `hybrid validate`
//! finds what would fail on AWS only.
//!
//! The templates in `templates/` are files that mean something as they are, with the names `my-function`, `my-worker`,
//! `my-pipeline` and `my-project`. What a whole project shares with this repository is taken from it.

pub mod check;
mod error;
mod fill;
mod function;
mod insert;
mod manifest;
mod name;
mod pipeline;
mod plan;
mod project;
mod table;
mod worker;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use function::function;
pub use manifest::Origin;
pub use name::Name;
pub use pipeline::{Calls, pipeline};
pub use plan::{Plan, Step};
pub use project::project;
pub use worker::worker;

use fill::Fill;
