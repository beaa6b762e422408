//! What the README promises is there: its commands are run by CI, its names exist.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use end_to_end::{call, commands, root};

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// First cells of the README's table rows that are code and start so.
fn first_cells(readme: &str, start: &str) -> BTreeSet<String> {
    readme
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .filter_map(|(cell, _)| cell.strip_prefix(start))
        .map(|cell| cell.split_whitespace().next().unwrap().to_owned())
        .collect()
}

#[test]
fn ci_runs_every_command_of_the_readme() {
    let (readme, ci) = (read("README.md"), read(".ci/run"));
    let mut commands = 0;
    for block in readme.split("```sh\n").skip(1) {
        for command in block.split("```").next().unwrap().lines() {
            assert!(
                ci.lines().any(|line| line == command),
                "CI does not run: {command}"
            );
            commands += 1;
        }
    }
    assert!(commands >= 2);
}

#[test]
fn the_readme_names_every_command() {
    let named = first_cells(&read("README.md"), "hybrid ");
    let existing = commands();
    assert_eq!(named, existing);
    for command in existing {
        let help = call(&[&command, "--help"]);
        assert_eq!(help.code, Some(0), "{command}");
        assert!(
            help.stdout.contains("Examples:"),
            "{command}: {}",
            help.stdout
        );
    }
}

#[test]
fn the_readme_tells_every_exit_code_of_the_help() {
    let help = call(&["--help"]).stdout;
    let codes = help.split("Exit codes:").nth(1).unwrap();
    let told = first_cells_plain(&read("README.md"));
    let codes: Vec<&str> = codes
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(codes.len() >= 5);
    // A closed pipe is the reader's doing.
    for code in codes.into_iter().filter(|code| *code != "141") {
        assert!(told.contains(code), "{code}");
    }
}

/// First cells of the README's table rows that are numbers.
fn first_cells_plain(readme: &str) -> BTreeSet<String> {
    let cells = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split_once(" |"));
    cells
        .map(|(cell, _)| cell.to_owned())
        .filter(|cell| cell.parse::<u8>().is_ok())
        .collect()
}

#[test]
fn what_the_readme_links_to_is_there() {
    let readme = read("README.md");
    let links = readme
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    for link in links.filter(|link| !link.starts_with("http") && !link.starts_with('#')) {
        let file = link.split('#').next().unwrap();
        assert!(root().join(file).exists(), "{link}");
    }
}

#[test]
fn the_readme_names_every_pipeline() {
    let readme = read("README.md");
    let section = readme
        .split("## Pipelines")
        .nth(1)
        .unwrap()
        .split("\n## ")
        .next()
        .unwrap();
    let existing: BTreeSet<String> = std::fs::read_dir(root().join("statemachines"))
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            Some(name.strip_suffix(".asl.json")?.to_owned())
        })
        .collect();
    assert_eq!(first_cells(section, ""), existing);
}
