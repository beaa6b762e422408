//! What the fuzz targets and the test `hostile` do with their texts: nothing may panic, hang or eat memory.

use asl::query::intrinsics::Expression;
use asl::query::jsonata::{self, Expr};
use asl::query::jsonpath::{Path, ReferencePath};
use asl::query::{Random, Scope, template};
use asl::simulate::{self, Answer, Services};
use asl::{
    ExecutionType, Limits, Severity, Start, StateMachine, Status, Task, Timestamp, Value, validate,
    validate_as,
};

/// Tasks that succeed, fail or never end, as the state's name says.
struct Arbitrary;

impl Services for Arbitrary {
    fn run(&mut self, task: &Task) -> Answer {
        match task.state.len() % 4 {
            0 => Answer::output(task.arguments.clone()),
            1 => Answer::error("States.TaskFailed", Some("cause".to_string())),
            2 => Answer::output(Value::Null).after(1e6),
            _ => Answer {
                result: None,
                ..Answer::output(Value::Null)
            },
        }
    }
}

/// Validates a definition and, if it is valid, runs it for at most 500 events.
pub fn definition(definition: &str, input: &str) {
    let errors = validate(definition)
        .iter()
        .any(|found| found.severity == Severity::Error);
    validate_as(definition, ExecutionType::Express);
    let machine = match StateMachine::parse(definition) {
        Ok(machine) => machine,
        Err(invalid) => {
            assert!(!invalid.diagnostics.is_empty());
            return;
        }
    };
    assert!(!errors, "a definition with errors was compiled");
    let Ok(input) = Value::parse(input) else {
        return;
    };
    let start = Start {
        input,
        limits: Some(Limits {
            history_events: 500,
            payload_bytes: 64 * 1024,
        }),
        ..Start::default()
    };
    let execution = simulate::run(&machine, start, Timestamp(0), &mut Arbitrary);
    assert!(execution.history().len() <= 501);
    if let Status::Succeeded { output } = execution.status() {
        let printed = output.to_string();
        assert!(Value::parse(&printed).is_ok(), "{printed}");
    }
    for event in execution.history() {
        event.to_json();
    }
}

/// Compiles the text as a query of every language and evaluates what compiles.
pub fn queries(text: &str, input: &str) {
    let input = Value::parse(input).unwrap_or_default();
    let random = Random::seeded(1);
    let variables = asl::Map::default();
    let scope = Scope {
        input: &input,
        context: &Value::empty_object,
        variables: &variables,
        result: Some(&input),
        error_output: None,
        random: &random,
        now: Timestamp(0),
    };
    if let Ok(path) = Path::compile(text)
        && let Err(miss) = path.select(&scope)
    {
        miss.invalid_path();
        miss.in_field("field");
    }
    if let Ok(path) = ReferencePath::compile(text)
        && let Ok(output) = path.insert(input.clone(), Value::Bool(true))
    {
        assert_eq!(path.path().select_in(&output).ok(), Some(Value::Bool(true)));
    }
    if let Ok(expression) = Expression::compile(text) {
        drop(expression.evaluate(&scope, "field.$"));
    }
    if let Ok(expression) = Expr::compile(text) {
        drop(expression.evaluate(&scope, "Output"));
        expression.unsupported(jsonata::Place::default());
    }
    if let Ok(value) = Value::parse(text) {
        if let Ok(template) = template::Template::compile(&value) {
            drop(template.render(&scope));
        }
        if let Ok(template) = jsonata::Template::compile(&value) {
            drop(template.render(&scope, "Output"));
        }
    }
}
