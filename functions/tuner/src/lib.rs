//! The `tuner` function.
