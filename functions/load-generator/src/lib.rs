//! The `load-generator` function.
