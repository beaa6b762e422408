//! `hybrid test` on the pipelines of this workspace.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Output};

fn hybrid(arguments: &[&str]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap();
    Command::new(env!("CARGO_BIN_EXE_hybrid"))
        .current_dir(root)
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn every_pipeline_passes_its_cases_and_they_reach_all_of_it() {
    let output = hybrid(&["test", "--min-coverage", "100"]);
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
