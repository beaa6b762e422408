//! What every function and worker shares.
