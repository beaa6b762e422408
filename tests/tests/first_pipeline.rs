//! A newcomer's walk: every command of `docs/first-pipeline.md`, in a folder outside this workspace.

#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use end_to_end::{binaries, root, signal};

/// Commands that are run otherwise: `tests/deploy/run` packages a new project, and what watches does not end by itself.
const ELSEWHERE: &[&str] = &[
    "npm install",
    "npx osls package",
    "hybrid run hello --watch",
];

/// The commands of the page, in order.
fn commands() -> Vec<String> {
    let page = std::fs::read_to_string(root().join("docs/first-pipeline.md")).unwrap();
    let blocks = page.split("```sh\n").skip(1);
    let lines = blocks.flat_map(|block| block.split("```").next().unwrap().lines());
    lines.map(str::to_owned).collect()
}

/// A shell line in `folder`, with the binaries of this workspace first on the path.
fn shell(folder: &Path, line: &str) -> Command {
    let target = binaries();
    let path = std::env::var("PATH").unwrap();
    let mut shell = Command::new("sh");
    for (name, _) in std::env::vars()
        .filter(|(name, _)| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
    {
        shell.env_remove(name);
    }
    shell
        .current_dir(folder)
        .args(["-c", line])
        .env("PATH", format!("{}:{path}", target.display()))
        // What is compiled for this workspace already need not be compiled for the new one.
        .env("CARGO_TARGET_DIR", target.parent().unwrap())
        .env("CARGO_NET_OFFLINE", "true")
        .stdin(Stdio::null());
    shell
}

/// What the line printed, which must succeed.
fn call(folder: &Path, line: &str) -> String {
    let output = shell(folder, line).output().unwrap();
    let (told, said) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert!(output.status.success(), "{line}\n{told}\n{said}");
    told
}

/// Reads until a line has these words.
fn read_until(reader: &mut impl BufRead, words: &str) {
    let mut told = String::new();
    while !told.lines().last().unwrap_or_default().contains(words) {
        let read = reader.read_line(&mut told).unwrap();
        assert!(read > 0, "{words} was not told: {told}");
    }
}

/// A changed source runs anew, one that cannot be built is told, and the next change is taken up.
fn watch(folder: &Path) {
    let mut run = shell(folder, "exec hybrid run hello --watch")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(run.stdout.take().unwrap());
    let mut said = BufReader::new(run.stderr.take().unwrap());
    let file = folder.join("functions/counter/src/lib.rs");
    let source = std::fs::read_to_string(&file).unwrap();
    read_until(&mut told, "{\"words\":6}");
    read_until(&mut said, "watching");
    let more = source.replacen(".count();", ".count() + 1;", 1);
    std::fs::write(&file, more.clone() + "\nnonsense\n").unwrap();
    read_until(&mut said, "could not build counter");
    read_until(&mut said, "watching");
    std::fs::write(&file, more).unwrap();
    read_until(&mut told, "{\"words\":7}");
    read_until(&mut said, "watching");
    signal(run.id(), "INT");
    assert!(run.wait().unwrap().success());
    std::fs::write(&file, source).unwrap();
}

#[test]
fn every_command_of_the_page_does_what_it_says() {
    let outside = tempfile::tempdir().unwrap();
    let mut folder: PathBuf = outside.path().to_owned();
    let mut told = BTreeMap::new();
    for line in commands() {
        if ELSEWHERE.contains(&line.as_str()) {
            continue;
        }
        if let Some(into) = line.strip_prefix("cd ") {
            folder = folder.join(into);
            continue;
        }
        told.insert(line.clone(), call(&folder, &line));
    }
    for pipeline in ["hello", "shout"] {
        let output = &told[&format!("hybrid run {pipeline}")];
        assert!(output.contains("SUCCEEDED"), "{output}");
        assert!(output.contains("output:  {\"words\":6}"), "{output}");
    }
    assert!(told["hybrid run lift"].contains("outcome.json"));
    assert!(told["hybrid validate"].contains("project: OK"));
    watch(&folder);
    for line in told.keys().filter(|line| line.starts_with("hybrid new ")) {
        // From the folder in which the page calls it.
        let folder = match line.contains(" project ") {
            true => outside.path(),
            false => &folder,
        };
        let again = call(folder, line);
        assert!(again.contains("nothing was changed"), "{line}: {again}");
    }
}

/// `cargo test -p NAME` and the test cases of what was added are green too.
#[test]
fn what_is_added_is_tested() {
    let outside = tempfile::tempdir().unwrap();
    call(outside.path(), "hybrid new project more");
    let folder = outside.path().join("more");
    call(&folder, "hybrid new pipeline lift --worker lifter");
    let tested = call(&folder, "hybrid test && cargo test -p lifter");
    assert!(tested.contains("2 passed"), "{tested}");
}
