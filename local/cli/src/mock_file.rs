//! AWS's `MockConfigFile.json` for a local cloud: its test cases, and which state machines they are of.
//! <https://docs.aws.amazon.com/step-functions/latest/dg/sfn-local-mock-cfg-file.html>

use std::{collections::BTreeMap, path::Path, path::PathBuf, time::Duration};

use asl::TaskError;
use stack::{Stack, StateMachine};
use stepfunctions::{Invocation, MockedResponse, TestCases};
use testing::{Definition, MockFile, Mocks, Problem, Response, Substitutions};

use crate::{error::Error, project::read_text, suites};

/// A mock file.
#[derive(Debug)]
pub struct MockedServices {
    path: PathBuf,
    file: MockFile,
    /// What the file calls a state machine that is deployed by another name.
    names: BTreeMap<String, String>,
}

impl MockedServices {
    /// Reads a mock file. It may name a state machine of the stack by its deployed name or by its pipeline.
    ///
    /// # Errors
    /// The file cannot be read, or everything that is wrong with it.
    pub fn read(path: &Path, stack: &Stack) -> Result<MockedServices, Error> {
        let file = MockFile::parse(&read_text(path)?)
            .map_err(|problems| suites::refused(path, &problems.0))?;
        let is_known = |name: &str| file.machines().any(|known| known == name);
        let named = stack.state_machines.iter().filter_map(|machine| {
            let pipeline = machine.pipeline.clone()?;
            (!is_known(&machine.name)).then(|| (machine.name.clone(), pipeline))
        });
        Ok(MockedServices {
            path: path.to_path_buf(),
            names: named.collect(),
            file,
        })
    }

    /// The mocks of a case of a state machine of the stack, as a command line names it: `CASE`, or `MACHINE#CASE`.
    ///
    /// # Errors
    /// Everything that does not fit.
    pub fn of(&mut self, machine: &StateMachine, case: &str) -> Result<(String, Mocks), Error> {
        let case = match case.split_once('#') {
            Some((named, case)) => {
                self.names.insert(machine.name.clone(), named.to_owned());
                case
            }
            None => case,
        };
        let mocks = self
            .checked(&machine.name, case, &machine.definition)
            .map_err(|problems| suites::refused(&self.path, &problems))?;
        Ok((case.to_owned(), mocks.clone()))
    }

    /// Refuses cases of the stack's state machines that do not fit their definitions.
    ///
    /// # Errors
    /// Everything that does not fit.
    pub fn check_stack(&self, stack: &Stack) -> Result<(), Error> {
        let mut problems = Vec::new();
        for machine in &stack.state_machines {
            for case in self.cases(&machine.name) {
                if let Err(found) = self.checked(&machine.name, case, &machine.definition) {
                    problems.extend(found);
                }
            }
        }
        if problems.is_empty() {
            return Ok(());
        }
        Err(suites::refused(&self.path, &problems))
    }

    /// The state machines of the file that the stack does not have: whoever creates them can run their cases.
    pub fn others(&self, stack: &Stack) -> Vec<&str> {
        let of_stack = |name: &str| {
            let mut machines = stack.state_machines.iter();
            machines.any(|machine| self.name(&machine.name) == name)
        };
        self.file
            .machines()
            .filter(|name| !of_stack(name))
            .collect()
    }

    fn name<'a>(&'a self, machine: &'a str) -> &'a str {
        self.names.get(machine).map_or(machine, String::as_str)
    }

    fn cases(&self, machine: &str) -> Vec<&str> {
        let cases = self.file.cases(self.name(machine)).ok();
        cases
            .into_iter()
            .flatten()
            .map(|(case, _)| case.as_str())
            .collect()
    }

    fn checked(&self, machine: &str, case: &str, definition: &str) -> Result<&Mocks, Vec<Problem>> {
        let name = self.name(machine);
        let mocks = self
            .file
            .case(name, case)
            .map_err(|problem| vec![problem])?;
        let path = format!("$.StateMachines['{name}'].TestCases['{case}']");
        let definition = Definition::parse(name, definition, &Substitutions::new())
            .map_err(|invalid| vec![Problem::new(&path, invalid.to_string())])?;
        let problems = mocks.problems(&definition.outline, &path);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(mocks)
    }
}

/// The task states of a state machine that a case leaves to the services.
pub fn unmocked(machine: &StateMachine, mocks: &Mocks) -> Vec<String> {
    let definition = Definition::parse(&machine.name, &machine.definition, &Substitutions::new());
    let missing = definition.map(|definition| {
        let missing = mocks.missing(&definition.outline).into_iter();
        missing.map(str::to_owned).collect()
    });
    missing.unwrap_or_default()
}

impl TestCases for MockedServices {
    fn names(&self, machine: &str) -> Vec<String> {
        let cases = self.cases(machine).into_iter();
        cases.map(str::to_owned).collect()
    }

    fn check(&self, machine: &str, case: &str, definition: &str) -> Result<(), String> {
        let mocks = self
            .checked(machine, case, definition)
            .map_err(|problems| {
                let lines = problems
                    .iter()
                    .map(|problem| format!("{}: {problem}", self.path.display()));
                lines.collect::<Vec<_>>().join("\n")
            })?;
        let machine = StateMachine {
            name: machine.to_owned(),
            definition: definition.to_owned(),
            ..StateMachine::default()
        };
        for state in unmocked(&machine, mocks) {
            tracing::info!(
                machine = machine.name,
                case,
                "{state:?} has no mock: its service is called"
            );
        }
        Ok(())
    }

    fn response(&self, invocation: &Invocation) -> Option<MockedResponse> {
        let name = self.name(invocation.machine);
        let responses = self
            .file
            .case(name, invocation.case)
            .ok()?
            .of(invocation.state)?;
        Some(match responses.at(invocation.number) {
            Some(Response {
                outcome,
                after_seconds,
            }) => MockedResponse {
                outcome: outcome.clone(),
                after: Duration::try_from_secs_f64(*after_seconds).unwrap_or(Duration::MAX),
            },
            None => MockedResponse {
                outcome: Err(TaskError {
                    error: "States.Runtime".to_owned(),
                    cause: Some(format!(
                        "{}: the case {:?} of {name:?} has no response to invocation {} of {:?}",
                        self.path.display(),
                        invocation.case,
                        invocation.number,
                        invocation.state
                    )),
                }),
                after: Duration::ZERO,
            },
        })
    }
}
