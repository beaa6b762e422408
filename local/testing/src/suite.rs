//! A file of test cases beside a definition: `NAME.test.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use asl::ExecutionType;
use serde_json::Value;

use crate::definition::{Definition, Substitutions};
use crate::expect::{Expect, Mismatch};
use crate::mocks::{Mocks, Responses};
use crate::problem::{Node, Problem, Problems};
use crate::rehearse::{Options, Run, rehearse};

/// A file of test cases.
#[derive(Clone, Debug)]
pub struct Suite {
    /// The definition's file, relative to this one; `NAME.asl.json` when absent.
    pub definition: Option<String>,
    /// Values for the definition's placeholders.
    pub substitutions: Substitutions,
    /// Standard or Express.
    pub kind: ExecutionType,
    /// The cases, in their order.
    pub cases: Vec<Case>,
    /// Findings of the explorer that are as they should be.
    pub accepted: Vec<Accepted>,
}

/// One test case.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// Where it stands in the file.
    pub path: String,
    /// What it gives to the state machine.
    pub input: CaseInput,
    /// Its mocks, and those of the file for states that it does not mock.
    pub mocks: Mocks,
    /// What is expected.
    pub expect: Expect,
    /// Where jitter and random values come from.
    pub seed: u64,
    /// The most events of a history.
    pub max_events: Option<u64>,
}

/// The input of a case.
#[derive(Clone, Debug)]
pub enum CaseInput {
    /// The whole input.
    Whole(Value),
    /// A JSON merge patch (RFC 7386) to the sample beside the definition; without a patch, the sample itself.
    Patch(Value),
}

/// A kind of finding that is as it should be, and why.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The kind of finding.
    pub finding: String,
    /// The states it is about; all when empty.
    pub states: Vec<String>,
    /// The fields of states it is about, `Output/total`; all when empty.
    pub fields: Vec<String>,
    /// The errors it is about; all when empty.
    pub errors: Vec<String>,
    /// Why it is as it should be.
    pub reason: String,
    /// Where it stands in the file.
    pub path: String,
}

impl Suite {
    /// Reads a file of test cases, or tells everything that is wrong with it.
    pub fn parse(text: &str) -> Result<Suite, Problems> {
        let value: Value = serde_json::from_str(text)
            .map_err(|error| Problem::new("$", format!("not JSON: {error}")))?;
        let root = Node::root(&value);
        root.only(&[
            "definition",
            "type",
            "substitutions",
            "responses",
            "mocks",
            "cases",
            "accepted",
        ])?;
        let mut problems = Vec::new();
        let mut shared = BTreeMap::new();
        for (name, node) in root
            .get("responses")
            .map_or(Ok(Vec::new()), |node| node.entries())?
        {
            match Responses::parse(&node) {
                Ok(responses) => _ = shared.insert(name.to_owned(), Arc::new(responses)),
                Err(problem) => problems.push(problem),
            }
        }
        let common = root
            .get("mocks")
            .map_or(Ok(Mocks::default()), |node| Mocks::read(&node, &shared));
        let common = common.unwrap_or_else(|problem| {
            problems.push(problem);
            Mocks::default()
        });
        let mut cases = Vec::new();
        let mut names = BTreeSet::new();
        for node in root.required("cases")?.items()? {
            match Case::read(&node, &shared, &common) {
                Ok(case) if !names.insert(case.name.clone()) => {
                    problems.push(Problem::new(
                        &node.path,
                        format!("a second case has the name {:?}", case.name),
                    ));
                }
                Ok(case) => cases.push(case),
                Err(problem) => problems.push(problem),
            }
        }
        let mut accepted = Vec::new();
        for node in root
            .get("accepted")
            .map_or(Ok(Vec::new()), |node| node.items())?
        {
            match Accepted::read(&node) {
                Ok(one) => accepted.push(one),
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        let mut substitutions = Substitutions::new();
        for (name, node) in root
            .get("substitutions")
            .map_or(Ok(Vec::new()), |node| node.entries())?
        {
            substitutions.insert(name.to_owned(), node.text()?.to_owned());
        }
        Ok(Suite {
            definition: root
                .get("definition")
                .map(|node| node.text().map(str::to_owned))
                .transpose()?,
            substitutions,
            kind: kind(root.get("type"))?,
            cases,
            accepted,
        })
    }

    /// What is wrong with the cases for a definition.
    pub fn problems(&self, definition: &Definition) -> Vec<Problem> {
        let outline = &definition.outline;
        // What all cases share is told once.
        let mut told = BTreeSet::new();
        let cases = self.cases.iter().flat_map(|case| {
            let mocks = case
                .mocks
                .problems(outline, &format!("{}.mocks", case.path));
            mocks.into_iter().chain(
                case.expect
                    .problems(outline, &format!("{}.expect", case.path)),
            )
        });
        let states = self.accepted.iter().flat_map(|accepted| {
            let unknown = accepted
                .states
                .iter()
                .filter(|state| outline.get(state).is_none());
            let known = || outline.states().map(|state| state.name.as_str());
            unknown.map(move |state| {
                Problem::unknown(format!("{}.states", accepted.path), "state", state, known())
            })
        });
        cases
            .chain(states)
            .filter(|problem| told.insert((problem.path.clone(), problem.message.clone())))
            .collect()
    }
}

fn kind(node: Option<Node>) -> Result<ExecutionType, Problem> {
    match node
        .as_ref()
        .map(|node| node.text().map(|text| (node, text)))
        .transpose()?
    {
        None | Some((_, "STANDARD")) => Ok(ExecutionType::Standard),
        Some((_, "EXPRESS")) => Ok(ExecutionType::Express),
        Some((node, text)) => Err(Problem::unknown(
            &node.path,
            "type",
            text,
            ["STANDARD", "EXPRESS"],
        )),
    }
}

impl Case {
    fn read(
        node: &Node,
        shared: &BTreeMap<String, Arc<Responses>>,
        common: &Mocks,
    ) -> Result<Case, Problem> {
        node.only(&[
            "name",
            "comment",
            "input",
            "patch",
            "mocks",
            "expect",
            "seed",
            "maxEvents",
        ])?;
        let input = match (node.get("input"), node.get("patch")) {
            (Some(_), Some(patch)) => {
                return Err(Problem::new(
                    &patch.path,
                    "a case has either an input or a patch to the sample",
                ));
            }
            (Some(input), None) => CaseInput::Whole(input.value.clone()),
            (None, Some(patch)) => CaseInput::Patch(Value::from(patch.members()?.clone())),
            (None, None) => CaseInput::Patch(Value::Object(serde_json::Map::new())),
        };
        let mocks = node
            .get("mocks")
            .map_or(Ok(Mocks::default()), |node| Mocks::read(&node, shared))?;
        let whole = |key: &str| node.get(key).map(|node| node.whole()).transpose();
        Ok(Case {
            name: node.required("name")?.text()?.to_owned(),
            path: node.path.clone(),
            input,
            mocks: mocks.or(common),
            expect: node
                .get("expect")
                .map_or(Ok(Expect::default()), |node| Expect::read(&node))?,
            seed: whole("seed")?.unwrap_or_default(),
            max_events: whole("maxEvents")?,
        })
    }

    /// The input, given the sample beside the definition.
    pub fn input(&self, sample: Option<&Value>) -> Value {
        match &self.input {
            CaseInput::Whole(input) => input.clone(),
            CaseInput::Patch(patch) => {
                let mut input = sample
                    .cloned()
                    .unwrap_or_else(|| Value::Object(serde_json::Map::new()));
                merge(&mut input, patch);
                input
            }
        }
    }

    /// Runs the case, with at most `max_events` in its history where it does not say how many itself.
    pub fn run(
        &self,
        definition: &Definition,
        kind: ExecutionType,
        sample: Option<&Value>,
        max_events: Option<u64>,
    ) -> (Run, Vec<Mismatch>) {
        let input = asl::Value::from(self.input(sample));
        let options = Options {
            kind,
            seed: self.seed,
            max_events: self.max_events.or(max_events),
        };
        let run = rehearse(definition, &input, &self.mocks, options);
        let mismatches = self.expect.mismatches(&run, &input);
        (run, mismatches)
    }
}

/// Applies a merge patch (<https://www.rfc-editor.org/rfc/rfc7386>): a null removes a member.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(members) = target else {
        return;
    };
    for (key, value) in patch {
        if value.is_null() {
            members.shift_remove(key);
        } else {
            merge(members.entry(key.as_str()).or_insert(Value::Null), value);
        }
    }
}

impl Accepted {
    fn read(node: &Node) -> Result<Accepted, Problem> {
        node.only(&["finding", "states", "fields", "errors", "reason"])?;
        let texts = |key: &str| node.get(key).map_or(Ok(Vec::new()), |node| node.texts());
        let reason = node.required("reason")?;
        if reason.text()?.trim().is_empty() {
            return reason.expected("why the finding is as it should be");
        }
        Ok(Accepted {
            finding: node.required("finding")?.text()?.to_owned(),
            states: texts("states")?,
            fields: texts("fields")?,
            errors: texts("errors")?,
            reason: reason.text()?.to_owned(),
            path: node.path.clone(),
        })
    }
}
