//! From a definition's JSON to its compiled form.
//!
//! [`crate::validate`] finds all that is wrong at once; what this finds is the first thing that cannot be compiled.

mod choice;
mod fields;
mod map;
mod task;

use std::sync::Arc;

use crate::definition::fields::{PathField, ResultPath, StateId, whole};
use crate::definition::map::MapFields;
use crate::definition::program::{Kind, Program, State, StateMachine};
use crate::diagnostic::{Diagnostic, Invalid};
use crate::query::Language;
use crate::state_type::StateType;
use crate::value::{Map, Value};

use fields::{Fields, MAX_NESTING, Names, Result, problem, target};

pub(super) fn machine(definition: &str) -> std::result::Result<StateMachine, Invalid> {
    let refuse = |diagnostic: Box<Diagnostic>| Invalid {
        diagnostics: vec![*diagnostic],
    };
    let value = Value::parse(definition).map_err(|error| {
        refuse(problem(
            "INVALID_JSON_DESCRIPTION",
            "",
            format!("the definition is {error}"),
        ))
    })?;
    compile(&value).map_err(refuse)
}

/// A machine of one state, together with a Succeed state for each one that it leads to.
pub(super) fn single(name: &str, state: &Value) -> std::result::Result<StateMachine, Invalid> {
    let succeed = Value::object([("Type", Value::from("Succeed"))]);
    let mut targets = Vec::new();
    let mut note = |value: Option<&Value>| {
        if let Some(Value::String(target)) = value {
            targets.push(Arc::clone(target));
        }
    };
    note(state.get("Next"));
    note(state.get("Default"));
    for list in ["Choices", "Catch"] {
        for rule in state
            .get(list)
            .and_then(Value::as_array)
            .iter()
            .flat_map(|rules| rules.iter())
        {
            note(rule.get("Next"));
        }
    }
    let mut states: Map = targets
        .into_iter()
        .map(|target| (target, succeed.clone()))
        .collect();
    states.insert(name.into(), state.clone());
    let machine = Value::object([
        ("StartAt", Value::from(name)),
        ("States", Value::from(states)),
    ]);
    compile(&machine).map_err(|diagnostic| Invalid {
        diagnostics: vec![*diagnostic],
    })
}

fn compile(value: &Value) -> Result<StateMachine> {
    let top = Fields::of(value, String::new())?;
    let mut compiler = Compiler {
        states: Vec::new(),
        language: top.language(Language::JsonPath)?,
    };
    let start = compiler.block(&top, 0)?;
    let timeout_seconds = match top.get("TimeoutSeconds") {
        None => None,
        Some(value) => Some(
            whole(value)
                .and_then(|seconds| u64::try_from(seconds).ok())
                .ok_or_else(|| top.wrong("TimeoutSeconds", "a whole number, not negative"))?,
        )
        // No time at all stands for no bound.
        .filter(|seconds| *seconds > 0),
    };
    let states = compiler.states.into_iter().flatten().collect();
    Ok(StateMachine {
        program: Arc::new(Program { states }),
        start,
        timeout_seconds,
    })
}

struct Compiler {
    states: Vec<Option<State>>,
    /// The machine's own language, on which every state falls back, however deep it stands.
    language: Language,
}

impl Compiler {
    /// Compiles a `StartAt` and `States`; the result is where it starts.
    fn block(&mut self, fields: &Fields, depth: usize) -> Result<StateId> {
        if depth > MAX_NESTING {
            return Err(problem(
                "SCHEMA_VALIDATION_FAILED",
                &fields.location,
                format!("Map and Parallel states are nested more than {MAX_NESTING} deep"),
            ));
        }
        let start = fields.required_text("StartAt")?;
        let states = fields
            .child("States")?
            .ok_or_else(|| fields.missing("States"))?;
        let mut names = Names::new();
        for name in states.members.keys() {
            names.insert(name, self.states.len() as StateId);
            self.states.push(None);
        }
        for (name, value) in states.members {
            let state = Fields::of(value, states.at(name))?;
            let compiled = self.state(name, &state, &names, depth)?;
            self.states[names[&**name] as usize] = Some(compiled);
        }
        target(&names, start, &fields.at("StartAt"))
    }

    fn state(&mut self, name: &str, fields: &Fields, names: &Names, depth: usize) -> Result<State> {
        let language = fields.language(self.language)?;
        let kind = self.kind(fields, names, language, depth)?;
        let parameters = match (&kind, language) {
            // A Map's Parameters are its ItemSelector.
            (Kind::Map(_), _) => None,
            (_, Language::JsonPath) => fields.template("Parameters", language)?,
            (_, Language::Jsonata) => fields.template("Arguments", language)?,
        };
        let json_path = language == Language::JsonPath;
        Ok(State {
            name: name.into(),
            language,
            next: match fields.text("Next")? {
                Some(next) => Some(target(names, next, &fields.at("Next"))?),
                None => None,
            },
            input_path: if json_path {
                fields.path("InputPath")?
            } else {
                PathField::Whole
            },
            output_path: if json_path {
                fields.path("OutputPath")?
            } else {
                PathField::Whole
            },
            result_path: if json_path {
                fields.result_path()?
            } else {
                ResultPath::Replace
            },
            arguments: parameters,
            result_selector: if json_path {
                fields.template("ResultSelector", language)?
            } else {
                None
            },
            output: if json_path {
                None
            } else {
                fields.template("Output", language)?
            },
            assign: fields.template("Assign", language)?,
            retry: fields
                .children("Retry")?
                .iter()
                .map(task::retry)
                .collect::<Result<_>>()?,
            catch: fields
                .children("Catch")?
                .iter()
                .map(|rule| task::catch(rule, names, language))
                .collect::<Result<_>>()?,
            kind,
        })
    }

    fn kind(
        &mut self,
        fields: &Fields,
        names: &Names,
        language: Language,
        depth: usize,
    ) -> Result<Kind> {
        let name = fields.required_text("Type")?;
        let kind = StateType::parse(name).ok_or_else(|| {
            problem(
                "SCHEMA_VALIDATION_FAILED",
                &fields.at("Type"),
                format!("Unknown state type '{name}'"),
            )
        })?;
        match kind {
            StateType::Pass => Ok(Kind::Pass {
                result: match language {
                    Language::JsonPath => fields.get("Result").cloned(),
                    Language::Jsonata => None,
                },
            }),
            StateType::Succeed => Ok(Kind::Succeed),
            StateType::Fail => Ok(Kind::Fail {
                error: fields.string("Error", "ErrorPath", language)?,
                cause: fields.string("Cause", "CausePath", language)?,
            }),
            StateType::Wait => task::wait(fields, language).map(Kind::Wait),
            StateType::Choice => choice::choice(fields, names, language),
            StateType::Task => task::task(fields, language).map(|task| Kind::Task(Box::new(task))),
            StateType::Parallel => {
                let branches = fields.children("Branches")?;
                let branches = branches.iter().map(|branch| self.block(branch, depth + 1));
                Ok(Kind::Parallel {
                    branches: branches.collect::<Result<_>>()?,
                })
            }
            StateType::Map => self
                .map(fields, language, depth)
                .map(|map| Kind::Map(Box::new(map))),
        }
    }

    fn map(&mut self, fields: &Fields, language: Language, depth: usize) -> Result<MapFields> {
        let processor = match fields.child("ItemProcessor")? {
            Some(processor) => processor,
            None => fields
                .child("Iterator")?
                .ok_or_else(|| fields.missing("ItemProcessor"))?,
        };
        let config = processor.child("ProcessorConfig")?;
        let mode = match &config {
            Some(config) => config.text("Mode")?,
            None => None,
        };
        let distributed = match (mode, &config) {
            (Some("DISTRIBUTED"), Some(config)) => {
                Some(map::distributed(fields, config, language)?)
            }
            _ => None,
        };
        let selector_field =
            if language == Language::JsonPath && fields.get("ItemSelector").is_none() {
                "Parameters"
            } else {
                "ItemSelector"
            };
        Ok(MapFields {
            items: map::items(fields, language)?,
            selector: fields.template(selector_field, language)?,
            selector_field,
            max_concurrency: fields.dynamic("MaxConcurrency", "MaxConcurrencyPath", language)?,
            misplaced: distributed.is_none()
                && ["ItemReader", "ItemBatcher", "ResultWriter"]
                    .iter()
                    .any(|field| fields.get(field).is_some()),
            distributed,
            processor: self.block(&processor, depth + 1)?,
        })
    }
}
