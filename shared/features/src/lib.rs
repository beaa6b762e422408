//! Nothing but a list of features: `Cargo.toml` says why.
