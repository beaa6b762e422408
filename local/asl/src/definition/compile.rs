//! From a definition's JSON to its compiled form.
//!
//! [`crate::validate`] finds all that is wrong at once; what this finds is the first thing that cannot be compiled.

use std::sync::Arc;

use indexmap::IndexMap;

use super::{
    CatchRule, Comparison, DistributedFields, Dynamic, ItemBatcher, Items, Kind, Language,
    MapFields, Operand, PathField, Program, ReaderFields, ResultPath, RetryRule, Rule, State,
    StateId, StateMachine, StringField, TaskFields, Template, Test, Timely, WaitFields,
    WriterFields, fields,
};
use crate::command::Resource;
use crate::diagnostic::{Diagnostic, Invalid, Severity};
use crate::execution::ExecutionType;
use crate::query::{SyntaxError, jsonata, jsonpath, template};
use crate::timestamp::Timestamp;
use crate::value::{Map, Value};

/// Nested Map and Parallel states deeper than this are refused, so that compiling cannot overflow the stack.
const MAX_NESTING: usize = 64;

type Result<T> = std::result::Result<T, Box<Diagnostic>>;

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
            fields::whole(value)
                .and_then(|seconds| u64::try_from(seconds).ok())
                .ok_or_else(|| top.wrong("TimeoutSeconds", "a positive whole number"))?,
        ),
    };
    let states = compiler.states.into_iter().flatten().collect();
    Ok(StateMachine {
        program: Arc::new(Program { states }),
        start,
        timeout_seconds,
    })
}

fn problem(code: &str, location: &str, message: impl Into<String>) -> Box<Diagnostic> {
    Box::new(Diagnostic {
        severity: Severity::Error,
        code: code.to_string(),
        message: message.into(),
        location: location.to_string(),
        suggestion: None,
    })
}

/// An object of the definition and where it stands.
struct Fields<'a> {
    members: &'a Map,
    location: String,
}

impl<'a> Fields<'a> {
    fn of(value: &'a Value, location: String) -> Result<Fields<'a>> {
        match value.as_object() {
            Some(members) => Ok(Fields { members, location }),
            None => Err(problem(
                "SCHEMA_VALIDATION_FAILED",
                &location,
                "Value is not an object",
            )),
        }
    }

    fn get(&self, key: &str) -> Option<&'a Value> {
        self.members.get(key)
    }

    fn at(&self, key: &str) -> String {
        format!("{}/{key}", self.location)
    }

    fn wrong(&self, key: &str, wanted: &str) -> Box<Diagnostic> {
        problem(
            "SCHEMA_VALIDATION_FAILED",
            &self.at(key),
            format!("Value is not {wanted}"),
        )
    }

    fn syntax(&self, key: &str, error: SyntaxError) -> Box<Diagnostic> {
        let location = format!("{}{}", self.at(key), error.location);
        problem("SCHEMA_VALIDATION_FAILED", &location, error.message)
    }

    fn missing(&self, key: &str) -> Box<Diagnostic> {
        problem(
            "SCHEMA_VALIDATION_FAILED",
            &self.location,
            format!("The field '{key}' should have had a value"),
        )
    }

    fn text(&self, key: &str) -> Result<Option<&'a str>> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => value
                .as_str()
                .map(Some)
                .ok_or_else(|| self.wrong(key, "a string")),
        }
    }

    fn required_text(&self, key: &str) -> Result<&'a str> {
        self.text(key)?.ok_or_else(|| self.missing(key))
    }

    fn child(&self, key: &str) -> Result<Option<Fields<'a>>> {
        self.get(key)
            .map(|value| Fields::of(value, self.at(key)))
            .transpose()
    }

    fn children(&self, key: &str) -> Result<Vec<Fields<'a>>> {
        let Some(value) = self.get(key) else {
            return Ok(Vec::new());
        };
        let items = value
            .as_array()
            .ok_or_else(|| self.wrong(key, "an array"))?;
        items
            .iter()
            .enumerate()
            .map(|(index, item)| Fields::of(item, format!("{}[{index}]", self.at(key))))
            .collect()
    }

    fn language(&self, inherited: Language) -> Result<Language> {
        match self.text("QueryLanguage")? {
            None => Ok(inherited),
            Some("JSONPath") => Ok(Language::JsonPath),
            Some("JSONata") => Ok(Language::Jsonata),
            Some(_) => Err(self.wrong("QueryLanguage", "one of JSONPath, JSONata")),
        }
    }

    fn template(&self, key: &str, language: Language) -> Result<Option<Template>> {
        self.get(key)
            .map(|value| {
                Template::compile(language, value).map_err(|error| self.syntax(key, error))
            })
            .transpose()
    }

    fn path(&self, key: &str) -> Result<PathField> {
        match self.get(key) {
            None => Ok(PathField::Whole),
            Some(Value::Null) => Ok(PathField::Nothing),
            Some(Value::String(text)) if &**text == "$" => Ok(PathField::Whole),
            Some(Value::String(text)) => jsonpath::Path::compile(text)
                .map(PathField::Path)
                .map_err(|error| self.syntax(key, error)),
            Some(_) => Err(self.wrong(key, "a path")),
        }
    }

    fn result_path(&self) -> Result<ResultPath> {
        const KEY: &str = "ResultPath";
        match self.get(KEY) {
            None => Ok(ResultPath::Replace),
            Some(Value::Null) => Ok(ResultPath::Discard),
            Some(Value::String(text)) if &**text == "$" => Ok(ResultPath::Replace),
            Some(Value::String(text)) => jsonpath::ReferencePath::compile(text)
                .map(ResultPath::Insert)
                .map_err(|error| self.syntax(KEY, error)),
            Some(_) => Err(self.wrong(KEY, "a reference path")),
        }
    }

    /// A number under `key`, or a path under `path_key`, or a JSONata expression under `key`.
    fn dynamic(
        &self,
        key: &'static str,
        path_key: &'static str,
        language: Language,
    ) -> Result<Option<Dynamic>> {
        if let (Some(text), Language::JsonPath) = (self.text(path_key)?, language) {
            let path =
                jsonpath::Path::compile(text).map_err(|error| self.syntax(path_key, error))?;
            return Ok(Some(Dynamic::Path {
                field: path_key,
                path,
                text: text.into(),
            }));
        }
        match self.get(key) {
            None => Ok(None),
            Some(Value::Number(number)) => {
                let number = number.as_f64().unwrap_or_default();
                Ok(Some(Dynamic::Literal { field: key, number }))
            }
            Some(Value::String(text))
                if language == Language::Jsonata && fields::jsonata_expression(text) =>
            {
                let expression =
                    jsonata::Expr::compile(text).map_err(|error| self.syntax(key, error))?;
                Ok(Some(Dynamic::Jsonata {
                    field: key,
                    expression,
                }))
            }
            Some(_) => Err(self.wrong(key, "a number")),
        }
    }

    /// A string under `key`, or a path or intrinsic under `path_key`, or a JSONata expression under `key`.
    fn string(
        &self,
        key: &'static str,
        path_key: &'static str,
        language: Language,
    ) -> Result<Option<StringField>> {
        if let (Some(text), Language::JsonPath) = (self.text(path_key)?, language) {
            let expression = template::Expression::compile(text)
                .map_err(|error| self.syntax(path_key, error))?;
            return Ok(Some(StringField::Path {
                field: path_key,
                expression,
                text: text.into(),
            }));
        }
        match self.text(key)? {
            None => Ok(None),
            Some(text) if language == Language::Jsonata && fields::jsonata_expression(text) => {
                let expression =
                    jsonata::Expr::compile(text).map_err(|error| self.syntax(key, error))?;
                Ok(Some(StringField::Jsonata {
                    field: key,
                    expression,
                }))
            }
            Some(text) => Ok(Some(StringField::Literal(text.into()))),
        }
    }
}

struct Compiler {
    states: Vec<Option<State>>,
    /// The machine's own language, on which every state falls back, however deep it stands.
    language: Language,
}

/// The states that a name can refer to: those of the same block.
type Names<'a> = IndexMap<&'a str, StateId>;

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
                .map(retry)
                .collect::<Result<_>>()?,
            catch: fields
                .children("Catch")?
                .iter()
                .map(|rule| catch(rule, names, language))
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
        match fields.required_text("Type")? {
            "Pass" => Ok(Kind::Pass {
                result: match language {
                    Language::JsonPath => fields.get("Result").cloned(),
                    Language::Jsonata => None,
                },
            }),
            "Succeed" => Ok(Kind::Succeed),
            "Fail" => Ok(Kind::Fail {
                error: fields.string("Error", "ErrorPath", language)?,
                cause: fields.string("Cause", "CausePath", language)?,
            }),
            "Wait" => wait(fields, language).map(Kind::Wait),
            "Choice" => choice(fields, names, language),
            "Task" => task(fields, language).map(|task| Kind::Task(Box::new(task))),
            "Parallel" => {
                let branches = fields.children("Branches")?;
                let branches = branches.iter().map(|branch| self.block(branch, depth + 1));
                Ok(Kind::Parallel {
                    branches: branches.collect::<Result<_>>()?,
                })
            }
            "Map" => self
                .map(fields, language, depth)
                .map(|map| Kind::Map(Box::new(map))),
            other => Err(problem(
                "SCHEMA_VALIDATION_FAILED",
                &fields.at("Type"),
                format!("Unknown state type '{other}'"),
            )),
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
            (Some("DISTRIBUTED"), Some(config)) => Some(distributed(fields, config, language)?),
            _ => None,
        };
        let selector_field =
            if language == Language::JsonPath && fields.get("ItemSelector").is_none() {
                "Parameters"
            } else {
                "ItemSelector"
            };
        Ok(MapFields {
            items: items(fields, language)?,
            selector: fields.template(selector_field, language)?,
            selector_field,
            max_concurrency: fields.dynamic("MaxConcurrency", "MaxConcurrencyPath", language)?,
            distributed,
            processor: self.block(&processor, depth + 1)?,
        })
    }
}

fn target(names: &Names, name: &str, location: &str) -> Result<StateId> {
    names.get(name).copied().ok_or_else(|| {
        problem(
            "MISSING_TRANSITION_TARGET",
            location,
            format!("Missing 'Next' target: {name}"),
        )
    })
}

fn wait(fields: &Fields, language: Language) -> Result<WaitFields> {
    if let Some(seconds) = fields.dynamic("Seconds", "SecondsPath", language)? {
        return Ok(WaitFields::Seconds(seconds));
    }
    match fields.string("Timestamp", "TimestampPath", language)? {
        Some(StringField::Literal(text)) if Timestamp::parse(&text).is_none() => Err(problem(
            "SCHEMA_VALIDATION_FAILED",
            &fields.at("Timestamp"),
            "String does not match RFC3339 timestamp",
        )),
        Some(timestamp) => Ok(WaitFields::Timestamp(timestamp)),
        None => Err(problem(
            "SCHEMA_VALIDATION_FAILED",
            &fields.location,
            "A Wait state needs one of Seconds, SecondsPath, Timestamp, TimestampPath",
        )),
    }
}

fn task(fields: &Fields, language: Language) -> Result<TaskFields> {
    let text = fields.required_text("Resource")?;
    let resource = Resource::parse(text).ok_or_else(|| {
        problem(
            "INVALID_RESOURCE",
            &fields.at("Resource"),
            "The resource is not an ARN that Step Functions can call",
        )
    })?;
    let (resource_type, resource_name) = match &resource {
        Resource::Lambda { arn } => ("lambda".into(), Arc::clone(arn)),
        Resource::Activity { arn } => ("activity".into(), Arc::clone(arn)),
        Resource::Service {
            service,
            action,
            pattern,
        } => (
            Arc::clone(service),
            format!("{action}{}", pattern.suffix()).into(),
        ),
    };
    Ok(TaskFields {
        resource,
        resource_type,
        resource_name,
        timeout: fields.dynamic("TimeoutSeconds", "TimeoutSecondsPath", language)?,
        heartbeat: fields.dynamic("HeartbeatSeconds", "HeartbeatSecondsPath", language)?,
        credentials: fields.template("Credentials", language)?,
    })
}

fn errors(fields: &Fields) -> Result<Vec<Arc<str>>> {
    let list = fields
        .get("ErrorEquals")
        .ok_or_else(|| fields.missing("ErrorEquals"))?;
    let list = list
        .as_array()
        .ok_or_else(|| fields.wrong("ErrorEquals", "an array"))?;
    list.iter()
        .map(|name| match name {
            Value::String(name) => Ok(Arc::clone(name)),
            _ => Err(fields.wrong("ErrorEquals", "an array of strings")),
        })
        .collect()
}

fn retry(fields: &Fields) -> Result<RetryRule> {
    let number = |key: &str| match fields.get(key) {
        None => Ok(None),
        Some(value) => value
            .as_f64()
            .map(Some)
            .ok_or_else(|| fields.wrong(key, "a number")),
    };
    Ok(RetryRule {
        errors: errors(fields)?,
        interval_seconds: number("IntervalSeconds")?.unwrap_or(1.0),
        max_attempts: number("MaxAttempts")?.unwrap_or(3.0).max(0.0) as u64,
        backoff_rate: number("BackoffRate")?.unwrap_or(2.0),
        max_delay_seconds: number("MaxDelaySeconds")?,
        jitter: fields.text("JitterStrategy")? == Some("FULL"),
    })
}

fn catch(fields: &Fields, names: &Names, language: Language) -> Result<CatchRule> {
    Ok(CatchRule {
        errors: errors(fields)?,
        result_path: match language {
            Language::JsonPath => fields.result_path()?,
            Language::Jsonata => ResultPath::Replace,
        },
        output: match language {
            Language::JsonPath => None,
            Language::Jsonata => fields.template("Output", language)?,
        },
        assign: fields.template("Assign", language)?,
        next: target(names, fields.required_text("Next")?, &fields.at("Next"))?,
    })
}

fn choice(fields: &Fields, names: &Names, language: Language) -> Result<Kind> {
    let mut rules = Vec::new();
    for (index, rule) in fields.children("Choices")?.iter().enumerate() {
        rules.push(Rule {
            test: match language {
                Language::JsonPath => test(rule, 0)?,
                Language::Jsonata => condition(rule, index)?,
            },
            assign: rule.template("Assign", language)?,
            output: match language {
                Language::JsonPath => None,
                Language::Jsonata => rule.template("Output", language)?,
            },
            next: target(names, rule.required_text("Next")?, &rule.at("Next"))?,
        });
    }
    let default = match fields.text("Default")? {
        Some(name) => Some(target(names, name, &fields.at("Default"))?),
        None => None,
    };
    Ok(Kind::Choice { rules, default })
}

fn condition(rule: &Fields, index: usize) -> Result<Test> {
    const KEY: &str = "Condition";
    match rule.get(KEY) {
        None => Err(rule.missing(KEY)),
        Some(Value::Bool(holds)) => Ok(Test::Constant(*holds)),
        Some(Value::String(text)) if fields::jsonata_expression(text) => Ok(Test::Condition {
            location: format!("Choices[{index}]/{KEY}"),
            expression: jsonata::Expr::compile(text).map_err(|error| rule.syntax(KEY, error))?,
        }),
        Some(_) => Err(rule.wrong(KEY, "a boolean or a JSONata expression")),
    }
}

fn test(rule: &Fields, depth: usize) -> Result<Test> {
    if depth > MAX_NESTING {
        return Err(rule.wrong("", "nested less deep"));
    }
    let several = |key: &str| -> Result<Vec<Test>> {
        rule.children(key)?
            .iter()
            .map(|inner| test(inner, depth + 1))
            .collect()
    };
    if rule.get("And").is_some() {
        return several("And").map(Test::And);
    }
    if rule.get("Or").is_some() {
        return several("Or").map(Test::Or);
    }
    if let Some(inner) = rule.child("Not")? {
        return Ok(Test::Not(Box::new(test(&inner, depth + 1)?)));
    }
    let text = rule.required_text("Variable")?;
    let variable = jsonpath::Path::compile(text).map_err(|error| rule.syntax("Variable", error))?;
    for (operator, operand) in rule.members {
        if let Some(comparison) = comparison(rule, operator, operand)? {
            return Ok(Test::Compare {
                variable,
                text: text.into(),
                comparison,
            });
        }
    }
    Err(problem(
        "SCHEMA_VALIDATION_FAILED",
        &rule.location,
        "The rule has no comparison operator",
    ))
}

fn comparison(rule: &Fields, operator: &Arc<str>, value: &Value) -> Result<Option<Comparison>> {
    let flag = || {
        value
            .as_bool()
            .ok_or_else(|| rule.wrong(operator, "a boolean"))
    };
    let simple = match &**operator {
        "IsPresent" => Some(Comparison::IsPresent(flag()?)),
        "IsNull" => Some(Comparison::IsNull(flag()?)),
        "IsBoolean" => Some(Comparison::IsBoolean(flag()?)),
        "IsNumeric" => Some(Comparison::IsNumeric(flag()?)),
        "IsString" => Some(Comparison::IsString(flag()?)),
        "IsTimestamp" => Some(Comparison::IsTimestamp(flag()?)),
        "StringMatches" => {
            let pattern = value
                .as_str()
                .ok_or_else(|| rule.wrong(operator, "a string"))?;
            Some(Comparison::Matches(pattern.into()))
        }
        _ => None,
    };
    if simple.is_some() {
        return Ok(simple);
    }
    let (name, by_path) = match operator.strip_suffix("Path") {
        Some(name) => (name, true),
        None => (&**operator, false),
    };
    let Some((kind, relation)) = ["Boolean", "Numeric", "String", "Timestamp"]
        .iter()
        .find_map(|kind| name.strip_prefix(kind).map(|relation| (*kind, relation)))
    else {
        return Ok(None);
    };
    let relation = match relation {
        "Equals" => Timely::Equals,
        "LessThan" => Timely::LessThan,
        "LessThanEquals" => Timely::LessThanEquals,
        "GreaterThan" => Timely::GreaterThan,
        "GreaterThanEquals" => Timely::GreaterThanEquals,
        _ => return Ok(None),
    };
    let operand = if by_path {
        let text = value
            .as_str()
            .ok_or_else(|| rule.wrong(operator, "a path"))?;
        Operand::Path {
            text: text.into(),
            path: jsonpath::Path::compile(text).map_err(|error| rule.syntax(operator, error))?,
        }
    } else {
        Operand::Literal(value.clone())
    };
    Ok(match kind {
        "Boolean" if relation == Timely::Equals => Some(Comparison::Boolean(operand)),
        "Numeric" => Some(Comparison::Numeric(relation, operand)),
        "String" => Some(Comparison::Text(relation, operand)),
        "Timestamp" => Some(Comparison::Moment(relation, operand)),
        _ => None,
    })
}

fn items(fields: &Fields, language: Language) -> Result<Items> {
    match language {
        Language::JsonPath => match fields.text("ItemsPath")? {
            None | Some("$") => Ok(Items::Input),
            Some(text) => jsonpath::Path::compile(text)
                .map(|path| Items::Path {
                    path,
                    text: text.into(),
                })
                .map_err(|error| fields.syntax("ItemsPath", error)),
        },
        Language::Jsonata => match fields.get("Items") {
            None => Ok(Items::Input),
            Some(Value::String(text)) if fields::jsonata_expression(text) => {
                jsonata::Expr::compile(text)
                    .map(Items::Expression)
                    .map_err(|error| fields.syntax("Items", error))
            }
            Some(value @ (Value::Array(_) | Value::Object(_))) => jsonata::Template::compile(value)
                .map(Items::Template)
                .map_err(|error| fields.syntax("Items", error)),
            Some(value) => Ok(Items::Literal(value.clone())),
        },
    }
}

fn distributed(fields: &Fields, config: &Fields, language: Language) -> Result<DistributedFields> {
    let arguments = match language {
        Language::JsonPath => "Parameters",
        Language::Jsonata => "Arguments",
    };
    Ok(DistributedFields {
        execution_type: match config.text("ExecutionType")? {
            Some("EXPRESS") => ExecutionType::Express,
            _ => ExecutionType::Standard,
        },
        label: fields.text("Label")?.map(Arc::from),
        reader: match fields.child("ItemReader")? {
            None => None,
            Some(reader) => Some(item_reader(&reader, arguments, language)?),
        },
        batcher: match fields.child("ItemBatcher")? {
            None => None,
            Some(batcher) => Some(ItemBatcher {
                input: batcher.template("BatchInput", language)?,
                max_items: batcher.dynamic("MaxItemsPerBatch", "MaxItemsPerBatchPath", language)?,
                max_bytes: batcher.dynamic(
                    "MaxInputBytesPerBatch",
                    "MaxInputBytesPerBatchPath",
                    language,
                )?,
            }),
        },
        writer: match fields.child("ResultWriter")? {
            None => None,
            Some(writer) => Some(WriterFields {
                resource: resource(&writer)?,
                arguments: writer.template(arguments, language)?,
                config: writer.template("WriterConfig", language)?,
            }),
        },
        tolerated_count: fields.dynamic(
            "ToleratedFailureCount",
            "ToleratedFailureCountPath",
            language,
        )?,
        tolerated_percentage: fields.dynamic(
            "ToleratedFailurePercentage",
            "ToleratedFailurePercentagePath",
            language,
        )?,
    })
}

fn item_reader(reader: &Fields, arguments: &str, language: Language) -> Result<ReaderFields> {
    let (config, max_items) = match reader.child("ReaderConfig")? {
        None => (None, None),
        Some(config) => {
            let max_items = config.dynamic("MaxItems", "MaxItemsPath", language)?;
            let literal: Map = config
                .members
                .iter()
                .filter(|(key, _)| !matches!(&***key, "MaxItems" | "MaxItemsPath"))
                .map(|(key, value)| (Arc::clone(key), value.clone()))
                .collect();
            let literal = Template::compile(language, &Value::from(literal))
                .map_err(|error| reader.syntax("ReaderConfig", error))?;
            (Some(literal), max_items)
        }
    };
    Ok(ReaderFields {
        resource: resource(reader)?.ok_or_else(|| reader.missing("Resource"))?,
        arguments: reader.template(arguments, language)?,
        config,
        max_items,
    })
}

fn resource(fields: &Fields) -> Result<Option<Resource>> {
    let Some(text) = fields.text("Resource")? else {
        return Ok(None);
    };
    match Resource::parse(text) {
        Some(resource) => Ok(Some(resource)),
        None => Err(fields.wrong("Resource", "an ARN that Step Functions can call")),
    }
}
