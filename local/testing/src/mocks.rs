//! Mocked responses, in the format of AWS's `MockConfigFile.json`
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/sfn-local-mock-cfg-file.html>).

use std::collections::BTreeMap;
use std::sync::Arc;

use asl::{FieldValidation, TaskError};
use indexmap::IndexMap;
use serde_json::Value;

use crate::outline::Outline;
use crate::problem::{Node, Problem, Problems};

/// What one invocation of a state's task comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// `Return` or `Throw`.
    pub outcome: Result<asl::Value, TaskError>,
    /// `AfterSeconds`, which AWS's format does not have: how long it takes on the virtual clock.
    pub after_seconds: f64,
}

/// The responses to a state's invocations, which count from 0 over the whole execution.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Responses {
    /// First and last invocation, and what they come to.
    ranges: Vec<(u32, u32, Response)>,
    /// Where the responses are written.
    path: String,
}

/// The responses of the states of one test case.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mocks {
    states: BTreeMap<String, Arc<Responses>>,
}

/// A `MockConfigFile.json`.
#[derive(Clone, Debug, Default)]
pub struct MockFile {
    machines: IndexMap<String, IndexMap<String, Mocks>>,
}

impl Responses {
    pub(crate) fn parse(node: &Node) -> Result<Responses, Problem> {
        let mut ranges: Vec<(u32, u32, Response)> = Vec::new();
        for (key, response) in node.entries()? {
            let Some((first, last)) = range(key) else {
                return Err(Problem::new(
                    &response.path,
                    format!(
                        "expected the number of an invocation, \"0\", or a range, \"1-2\"; found {key:?}"
                    ),
                ));
            };
            let twice = ranges
                .iter()
                .any(|(from, to, _)| first <= *to && *from <= last);
            if twice {
                let message = format!("{key:?} names an invocation that has a response already");
                return Err(Problem::new(&response.path, message));
            }
            ranges.push((first, last, Response::parse(&response)?));
        }
        if ranges.is_empty() {
            return node.expected("at least one response, such as {\"0\": {\"Return\": {}}}");
        }
        ranges.sort_by_key(|(first, ..)| *first);
        Ok(Responses {
            ranges,
            path: node.path.clone(),
        })
    }

    /// One response for every invocation.
    pub fn always(response: Response) -> Responses {
        Responses {
            ranges: vec![(0, u32::MAX, response)],
            path: String::new(),
        }
    }

    /// A response for each invocation, and the last one for all that follow.
    pub fn sequence(responses: Vec<Response>) -> Responses {
        let last = responses.len().saturating_sub(1);
        let ranges = responses.into_iter().enumerate().map(|(at, response)| {
            let end = if at == last { u32::MAX } else { at as u32 };
            (at as u32, end, response)
        });
        Responses {
            ranges: ranges.collect(),
            path: String::new(),
        }
    }

    /// The same, with the last response for all invocations that have none.
    #[must_use]
    pub fn without_end(mut self) -> Responses {
        if let Some((_, last, _)) = self.ranges.last_mut() {
            *last = u32::MAX;
        }
        self
    }

    /// The response to an invocation, if it has one.
    pub fn at(&self, invocation: u32) -> Option<&Response> {
        let at = self.ranges.iter();
        at.map(|(first, last, response)| (*first..=*last, response))
            .find(|(range, _)| range.contains(&invocation))
            .map(|(_, response)| response)
    }

    /// All responses.
    pub fn all(&self) -> impl Iterator<Item = &Response> {
        self.ranges.iter().map(|(.., response)| response)
    }
}

/// `"3"` and `"1-2"`.
fn range(key: &str) -> Option<(u32, u32)> {
    let (first, last) = key.split_once('-').unwrap_or((key, key));
    let range = (first.parse().ok()?, last.parse().ok()?);
    (range.0 <= range.1).then_some(range)
}

impl Response {
    /// The response as a file has it.
    pub fn to_json(&self) -> Value {
        let mut json = match &self.outcome {
            Ok(result) => serde_json::json!({"Return": Value::from(result)}),
            Err(TaskError { error, cause: None }) => serde_json::json!({"Throw": {"Error": error}}),
            Err(TaskError { error, cause }) => {
                serde_json::json!({"Throw": {"Error": error, "Cause": cause}})
            }
        };
        if self.after_seconds > 0.0 {
            json["AfterSeconds"] = self.after_seconds.into();
        }
        json
    }

    /// A response that comes at once.
    pub fn now(outcome: Result<asl::Value, TaskError>) -> Response {
        Response {
            outcome,
            after_seconds: 0.0,
        }
    }

    fn parse(node: &Node) -> Result<Response, Problem> {
        node.only(&["Return", "Throw", "AfterSeconds"])?;
        let after_seconds = match node.get("AfterSeconds") {
            None => 0.0,
            Some(seconds) => seconds.number()?,
        };
        let outcome = match (node.get("Return"), node.get("Throw")) {
            (Some(result), None) => Ok(result.value.clone().into()),
            (None, Some(thrown)) => {
                thrown.only(&["Error", "Cause"])?;
                let cause = thrown
                    .get("Cause")
                    .map(|cause| cause.text().map(str::to_owned));
                Err(TaskError {
                    error: thrown.required("Error")?.text()?.to_owned(),
                    cause: cause.transpose()?,
                })
            }
            _ => return node.expected("either Return or Throw"),
        };
        Ok(Response {
            outcome,
            after_seconds,
        })
    }
}

impl Mocks {
    /// Reads `{"State": {"0": {"Return": …}, "1-2": {"Throw": …}}}`.
    pub fn parse(text: &str) -> Result<Mocks, Problems> {
        let value: Value = serde_json::from_str(text)
            .map_err(|error| Problem::new("$", format!("not JSON: {error}")))?;
        Ok(Mocks::read(&Node::root(&value), &BTreeMap::new())?)
    }

    /// Reads the mocks of a test case; a string names one of the shared responses.
    pub(crate) fn read(
        node: &Node,
        shared: &BTreeMap<String, Arc<Responses>>,
    ) -> Result<Mocks, Problem> {
        let mut mocks = Mocks::default();
        for (state, responses) in node.entries()? {
            let responses = match responses.value.as_str() {
                None => Arc::new(Responses::parse(&responses)?),
                Some(name) => shared.get(name).cloned().ok_or_else(|| {
                    let known = shared.keys().map(String::as_str);
                    Problem::unknown(&responses.path, "mocked response", name, known)
                })?,
            };
            mocks.states.insert(state.to_owned(), responses);
        }
        Ok(mocks)
    }

    /// The responses of a state.
    pub fn of(&self, state: &str) -> Option<&Responses> {
        self.states.get(state).map(|responses| &**responses)
    }

    /// Every state that has responses.
    pub fn states(&self) -> impl Iterator<Item = &str> {
        self.states.keys().map(String::as_str)
    }

    /// Gives a state its responses, in place of those that it had.
    pub fn set(&mut self, state: impl Into<String>, responses: Responses) {
        self.states.insert(state.into(), Arc::new(responses));
    }

    /// These, and for the other states those of `other`.
    #[must_use]
    pub fn or(mut self, other: &Mocks) -> Mocks {
        for (state, responses) in &other.states {
            if !self.states.contains_key(state) {
                self.states.insert(state.clone(), Arc::clone(responses));
            }
        }
        self
    }

    /// What is wrong with the mocks for a definition: states that it does not have or that call nothing, and results
    /// that the service could not have answered. `path` is where the mocks stand.
    pub fn problems(&self, outline: &Outline, path: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (name, responses) in &self.states {
            let place = || format!("{path}['{name}']");
            let Some(state) = outline.get(name) else {
                let known = outline.mockable().map(|state| state.name.as_str());
                problems.push(Problem::unknown(place(), "task state", name, known));
                continue;
            };
            if !state.is_mockable() {
                let message = format!(
                    "a {} state calls no service; mocks are for Task states and for Map states with an ItemReader",
                    state.kind.name()
                );
                problems.push(Problem::new(place(), message));
            }
            let Some(resource) = &state.resource else {
                continue;
            };
            for (first, _, response) in &responses.ranges {
                let Ok(result) = &response.outcome else {
                    continue;
                };
                if let Some(fault) = asl::mock_fault(resource, result, FieldValidation::Strict) {
                    let at = format!("{}['{first}'].Return", responses.path);
                    let message =
                        format!("{resource} could not have answered this for {name:?}: {fault}");
                    problems.push(Problem::new(at, message));
                }
            }
        }
        problems
    }

    /// The task states of a definition that have no mock.
    pub fn missing<'a>(&self, outline: &'a Outline) -> Vec<&'a str> {
        let mockable = outline.mockable().map(|state| state.name.as_str());
        mockable.filter(|name| self.of(name).is_none()).collect()
    }
}

impl MockFile {
    /// Reads the file's text.
    pub fn parse(text: &str) -> Result<MockFile, Problems> {
        let value: Value = serde_json::from_str(text)
            .map_err(|error| Problem::new("$", format!("not JSON: {error}")))?;
        let root = Node::root(&value);
        root.only(&["StateMachines", "MockedResponses"])?;
        let mut shared = BTreeMap::new();
        if let Some(responses) = root.get("MockedResponses") {
            for (name, node) in responses.entries()? {
                shared.insert(name.to_owned(), Arc::new(Responses::parse(&node)?));
            }
        }
        let mut file = MockFile::default();
        for (machine, node) in root.required("StateMachines")?.entries()? {
            node.only(&["TestCases"])?;
            let cases = node.required("TestCases")?.entries()?;
            let cases = cases
                .into_iter()
                .map(|(case, node)| Ok((case.to_owned(), Mocks::read(&node, &shared)?)))
                .collect::<Result<_, Problem>>()?;
            file.machines.insert(machine.to_owned(), cases);
        }
        Ok(file)
    }

    /// The state machines that have test cases.
    pub fn machines(&self) -> impl Iterator<Item = &str> {
        self.machines.keys().map(String::as_str)
    }

    /// The test cases of a state machine.
    pub fn cases(&self, machine: &str) -> Result<&IndexMap<String, Mocks>, Problem> {
        self.machines.get(machine).ok_or_else(|| {
            Problem::unknown("$.StateMachines", "state machine", machine, self.machines())
        })
    }

    /// One test case of a state machine.
    pub fn case(&self, machine: &str, case: &str) -> Result<&Mocks, Problem> {
        let cases = self.cases(machine)?;
        cases.get(case).ok_or_else(|| {
            let path = format!("$.StateMachines['{machine}'].TestCases");
            Problem::unknown(path, "test case", case, cases.keys().map(String::as_str))
        })
    }

    /// The test case that a command line names: `CASE`, or `MACHINE#CASE`. Without a machine it is the one that bears
    /// the definition's name, else the only one there is.
    pub fn find(&self, definition: &str, name: &str) -> Result<&Mocks, Problem> {
        if let Some((machine, case)) = name.split_once('#') {
            return self.case(machine, case);
        }
        let only = self.machines().next().filter(|_| self.machines.len() == 1);
        let machine = if self.machines.contains_key(definition) {
            definition
        } else {
            only.unwrap_or(definition)
        };
        self.case(machine, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        MockFile::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_in_the_file_is_told_by_its_path() {
        for (text, expected) in [
            (
                "{",
                "$: not JSON: EOF while parsing an object at line 1 column 1",
            ),
            ("{}", "$: \"StateMachines\" is missing"),
            (
                r#"{"StateMachine":{}}"#,
                "$: there is no key \"StateMachine\"; did you mean \"StateMachines\"?",
            ),
            (
                r#"{"StateMachines":{"m":{"TestCases":{"Happy path":{"A":"Godo"}}}},"MockedResponses":{"Good":{"0":{"Return":1}}}}"#,
                "$.StateMachines.m.TestCases['Happy path'].A: there is no mocked response \"Godo\"; did you mean \"Good\"?",
            ),
            (
                r#"{"StateMachines":{},"MockedResponses":{"Good":{"0":{"Retrun":1}}}}"#,
                "$.MockedResponses.Good.0: there is no key \"Retrun\"; did you mean \"Return\"?",
            ),
            (
                r#"{"StateMachines":{},"MockedResponses":{"Good":{"0":{"Return":1,"Throw":{"Error":"E"}}}}}"#,
                "$.MockedResponses.Good.0: expected either Return or Throw, found an object",
            ),
            (
                r#"{"StateMachines":{},"MockedResponses":{"Good":{"0-2":{"Return":1},"2":{"Return":2}}}}"#,
                "$.MockedResponses.Good.2: \"2\" names an invocation that has a response already",
            ),
            (
                r#"{"StateMachines":{},"MockedResponses":{"Good":{"2-1":{"Return":1}}}}"#,
                "$.MockedResponses.Good.2-1: expected the number of an invocation, \"0\", or a range, \"1-2\"; found \"2-1\"",
            ),
        ] {
            assert_eq!(refused(text), expected);
        }
    }

    #[test]
    fn an_unknown_case_is_told_with_those_there_are() {
        let file =
            MockFile::parse(r#"{"StateMachines":{"m":{"TestCases":{"HappyPath":{}}}}}"#).unwrap();
        assert_eq!(
            file.case("m", "HapyPath").unwrap_err().to_string(),
            "$.StateMachines['m'].TestCases: there is no test case \"HapyPath\"; did you mean \"HappyPath\"?"
        );
        assert_eq!(
            file.case("other", "HappyPath").unwrap_err().to_string(),
            "$.StateMachines: there is no state machine \"other\"; there are: m"
        );
    }
}
