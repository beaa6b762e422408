//! The `dispatcher` function.
