//! The `job-watcher` function.
