//! JSONPath in the Jayway dialect, which Step Functions follows
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/amazon-states-language-paths.html>).
//!
//! This is our own code, for two reasons. A definite path (only names and single indexes) is the commonest query of
//! all and must cost a few comparisons without building anything. And Rust's JSONPath crates follow RFC 9535, which
//! differs from Jayway where it shows: a definite path gives its value instead of a list, a path that may match many
//! gives `[]` where RFC 9535 gives nothing and Jayway's exceptions are suppressed, filters have `=~ /re/i`, `in`,
//! `contains`, `size`, `empty`, compare `"1"` and `1` as equal, and test existence by the bare path; and all of them
//! want `serde_json::Value`, which would copy the payload. Only the regular expressions come from a crate (`regex`,
//! whose time is linear in the text). Functions such as `.length()` do not exist on AWS: `length()` is a member's name.

mod conditions;
mod filter;
mod miss;
mod parse;
mod path;
mod reference;
mod visit;

pub use miss::NotFound;
pub use path::{Path, Root};
pub use reference::ReferencePath;

#[cfg(test)]
mod tests;
