//! What every `--help` ends with: examples to copy, and the exit codes.

use clap::Command;

/// Examples by command.
const EXAMPLES: &[(&str, &[&str])] = &[
    (
        "completions",
        &[
            "hybrid completions bash > ~/.local/share/bash-completion/completions/hybrid",
            "hybrid completions zsh > ~/.zfunc/_hybrid",
        ],
    ),
    ("doctor", &["hybrid doctor", "hybrid doctor deploy"]),
    (
        "exec",
        &[
            "hybrid exec machine.asl.json --input '{\"n\": 1}' --lambda double='python3 double.py'",
            "hybrid exec machine.asl.yaml --mock 'dynamodb:*=cat item.json' --set Table=items --clock virtual",
        ],
    ),
    (
        "explore",
        &["hybrid explore", "hybrid explore wrapper --runs 500 --json"],
    ),
    (
        "graph",
        &[
            "hybrid graph ml-training --output ml-training.svg",
            "hybrid graph machine.asl.yaml --mermaid",
        ],
    ),
    (
        "history",
        &[
            "hybrid history",
            "hybrid history ml-training-1796062040000 --json",
        ],
    ),
    (
        "jobs",
        &[
            "hybrid jobs",
            "hybrid jobs --worker trainer --class Train-one-set --last 20",
            "hybrid jobs --bucket my-bucket --json",
        ],
    ),
    (
        "load",
        &[
            "hybrid load http://127.0.0.1:8080/",
            "hybrid load https://example.com/items/{{seq}} --rate 200 --duration 30s --threshold 'p99 < 250 ms'",
        ],
    ),
    (
        "logs",
        &[
            "hybrid logs",
            "hybrid logs ml-training-1796062040000 'Train one set' --follow",
        ],
    ),
    (
        "man",
        &[
            "hybrid man | man -l -",
            "hybrid man ~/.local/share/man/man1",
        ],
    ),
    (
        "new",
        &[
            "hybrid new project first",
            "hybrid new pipeline shout --function shouter",
            "hybrid new worker resizer",
        ],
    ),
    (
        "price",
        &[
            "hybrid price ml-training",
            "hybrid price '{\"resources\": {\"vcpu\": 2, \"memoryMiB\": 4096}, \"expectedSeconds\": 3600}'",
        ],
    ),
    ("prune", &["hybrid prune --keep-days 30"]),
    (
        "run",
        &[
            "hybrid run ml-training",
            "hybrid run wrapper --input my-input.json --json",
            "hybrid run ml-training --faults faults.json",
            "hybrid run wrapper --watch",
            "hybrid run wrapper --mocks MockConfigFile.json --case HappyPath",
            "hybrid run trade --project template.yaml --param Currency=EUR --container scales='python3 scales.py'",
        ],
    ),
    (
        "serve",
        &[
            "hybrid serve",
            "hybrid serve --port 0 --no-build --json",
            "hybrid serve --mocks MockConfigFile.json",
        ],
    ),
    (
        "test",
        &[
            "hybrid test",
            "hybrid test wrapper --coverage",
            "hybrid test --coverage-html coverage.html",
        ],
    ),
    (
        "test-state",
        &[
            "hybrid test-state state.json --input '{\"n\": 1}' --mock result.json",
            "hybrid test-state --from 'ml-training-1796062040000/Good enough?'",
            "hybrid test-state statemachines/wrapper.asl.json --from 'wrapper-1796062040000/Usable?'",
        ],
    ),
    (
        "validate",
        &[
            "hybrid validate statemachines/*.asl.json",
            "hybrid validate - --json < machine.asl.json",
            "hybrid validate",
        ],
    ),
];

/// What a process of this command can end with.
const EXIT_CODES: &str = "\
Exit codes:
    0  done; a run SUCCEEDED, a definition is valid
    1  a run FAILED, a threshold was missed, something needed is missing
    2  the call is wrong: an unknown name, input that does not fit
    3  a definition is not valid
  130  interrupted
  141  nobody read the output any more";

/// Adds the examples to every command that has some, and the exit codes to the first.
pub fn add(command: Command) -> Command {
    let names: Vec<String> = command
        .get_subcommands()
        .map(|one| one.get_name().to_owned())
        .collect();
    let with_examples = names
        .into_iter()
        .fold(command, |command, name| match text(&name) {
            Some(text) => command.mut_subcommand(name, |one| one.after_help(text)),
            None => command,
        });
    with_examples.after_help(EXIT_CODES)
}

fn text(name: &str) -> Option<String> {
    let (_, examples) = EXAMPLES.iter().find(|(known, _)| *known == name)?;
    Some(format!("Examples:\n  {}", examples.join("\n  ")))
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_command_has_an_example() {
        let mut command = crate::command();
        command.build();
        for one in command
            .get_subcommands()
            .filter(|one| one.get_name() != "help")
        {
            let help = one
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(
                help.contains(&format!("hybrid {}", one.get_name())),
                "{}",
                one.get_name()
            );
        }
    }

    /// Every example is a call that is understood.
    #[test]
    fn examples_are_understood() {
        for (_, examples) in super::EXAMPLES {
            for example in *examples {
                let parsed = crate::command().try_get_matches_from(words(example));
                assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
            }
        }
    }

    /// The arguments that a shell makes of a line: quotes hold together, and a pipe or a file is the shell's own.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
        for letter in line.chars() {
            match letter {
                '\'' => quoted = !quoted,
                '|' | '<' | '>' if !quoted => break,
                ' ' if !quoted => words.push(std::mem::take(&mut word)),
                other => word.push(other),
            }
        }
        words.push(word);
        words.retain(|word| !word.is_empty());
        words
    }
}
