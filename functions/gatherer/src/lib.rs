//! The `gatherer` function.
