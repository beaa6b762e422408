//! The Amazon States Language.
