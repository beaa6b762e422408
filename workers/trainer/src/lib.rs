//! Trains one model.
