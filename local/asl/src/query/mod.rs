//! Query languages.
