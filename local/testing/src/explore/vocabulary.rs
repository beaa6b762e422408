//! Answers of services of which nothing is known: made of the names and literals that the definition itself reads.

use std::collections::{BTreeMap, BTreeSet};

use asl::query::Random;
use asl::{Resource, StateType};
use regex::Regex;
use serde_json::{Map, Value, json};

use crate::definition::Definition;
use crate::outline::StateOutline;

/// The names that a definition reads, and the literals it compares with.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    paths: BTreeSet<Vec<String>>,
    /// By the last name of a path, what it is compared with.
    compared: BTreeMap<String, Vec<Value>>,
    literals: Vec<Value>,
}

impl Vocabulary {
    pub(super) fn of(definition: &Definition) -> Vocabulary {
        let mut vocabulary = Vocabulary::default();
        // A path of names after `$`, `$.`, `$states.result` or a variable.
        let Ok(path) = Regex::new(r"\$[A-Za-z_]*((?:\.[A-Za-z_]\w*)+)") else {
            return vocabulary;
        };
        let Ok(literal) = Regex::new(r"'([^'$/]{1,40})'|[=<>]\s*(-?\d+(?:\.\d+)?)") else {
            return vocabulary;
        };
        vocabulary.read(&definition.value, &path, &literal);
        vocabulary
    }

    fn read(&mut self, value: &Value, path: &Regex, literal: &Regex) {
        match value {
            Value::String(text) => self.read_text(text, path, literal),
            Value::Array(items) => items.iter().for_each(|item| self.read(item, path, literal)),
            Value::Object(members) => {
                if let Some(variable) = members.get("Variable").and_then(Value::as_str) {
                    let name = variable.rsplit('.').next().unwrap_or_default().to_owned();
                    let operands = members
                        .iter()
                        .filter(|(key, _)| !matches!(key.as_str(), "Variable" | "Next" | "Assign"));
                    for (key, operand) in operands {
                        let values = self.compared.entry(name.clone()).or_default();
                        values.push(operand.clone());
                        if let (Some(number), true) = (operand.as_f64(), key.starts_with("Numeric"))
                        {
                            values.extend([json!(number - 1.0), json!(number + 1.0)]);
                        }
                    }
                }
                members
                    .values()
                    .for_each(|member| self.read(member, path, literal));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn read_text(&mut self, text: &str, path: &Regex, literal: &Regex) {
        for found in path.captures_iter(text) {
            let names = found[1].split('.').skip(1).filter(|name| {
                !matches!(
                    *name,
                    "result" | "input" | "context" | "errorOutput" | "Payload"
                )
            });
            let names: Vec<String> = names.map(str::to_owned).collect();
            // What is read below a place may be the whole answer that is put there: every end of the path counts.
            for start in 0..names.len() {
                self.paths.insert(names[start..].to_vec());
            }
        }
        if text.contains("{%") {
            for found in literal.captures_iter(text) {
                if let Some(word) = found.get(1) {
                    self.literals.push(word.as_str().into());
                } else if let Some(number) = found
                    .get(2)
                    .and_then(|number| number.as_str().parse::<f64>().ok())
                {
                    self.literals.extend([json!(number), json!(number + 1.0)]);
                }
            }
        }
    }

    /// What a state's service might answer.
    pub(super) fn answer(&self, state: &StateOutline, random: &Random) -> Value {
        let tree = self.tree(random);
        if state.kind == StateType::Map {
            return json!([tree, self.tree(random)]);
        }
        match &state.resource {
            Some(Resource::Service {
                service, pattern, ..
            }) if &**service == "lambda" && *pattern == asl::Pattern::RequestResponse => {
                json!({"StatusCode": 200, "Payload": tree})
            }
            _ => tree,
        }
    }

    /// An object with every name that the definition reads.
    pub(super) fn tree(&self, random: &Random) -> Value {
        let mut tree = Value::Object(Map::new());
        for path in &self.paths {
            let mut at = &mut tree;
            for (depth, name) in path.iter().enumerate() {
                if !at.is_object() {
                    *at = json!({});
                }
                let last = depth + 1 == path.len();
                // `at` has just been made an object, so there is always a member.
                let Some(members) = at.as_object_mut() else {
                    break;
                };
                at = members.entry(name.clone()).or_insert_with(|| {
                    if last {
                        self.leaf(name, random)
                    } else {
                        json!({})
                    }
                });
            }
        }
        tree
    }

    fn leaf(&self, name: &str, random: &Random) -> Value {
        let usual = [
            json!(true),
            json!(false),
            json!(0),
            json!(1),
            json!(10),
            json!("text"),
            json!([]),
            json!([{}, {}]),
        ];
        let compared = self.compared.get(name).map_or(&[][..], Vec::as_slice);
        let all = if !compared.is_empty() && !random.next().is_multiple_of(4) {
            compared
        } else if !self.literals.is_empty() && random.next().is_multiple_of(2) {
            &self.literals[..]
        } else {
            &usual[..]
        };
        all[(random.next() % all.len() as u64) as usize].clone()
    }
}
