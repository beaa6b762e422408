//! The table of the intrinsic functions: one row each. A new one is a row here and its function beside the others.

use super::{array, math, text};
use crate::value::Value;

/// An intrinsic function.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) run: Run,
}

/// How a function is applied, from which follows how many arguments it takes. `None` says that they are not valid.
#[derive(Debug)]
pub(super) enum Run {
    Any(fn(&[Value]) -> Option<Value>),
    One(fn(&Value) -> Option<Value>),
    Two(fn(&Value, &Value) -> Option<Value>),
    Three(fn(&Value, &Value, &Value) -> Option<Value>),
    /// One text; the error tells what is wrong with it.
    Text(fn(&str) -> Result<Value, String>),
    /// A template and its values.
    Format,
    /// A start, an end, perhaps a seed.
    Random,
    Uuid,
}

const FUNCTIONS: &[Function] = &[
    row(
        "States.Array",
        Run::Any(|items| Some(Value::array(items.to_vec()))),
    ),
    row("States.ArrayContains", Run::Two(array::contains)),
    row("States.ArrayGetItem", Run::Two(array::get_item)),
    row("States.ArrayLength", Run::One(array::length)),
    row("States.ArrayPartition", Run::Two(array::partition)),
    row("States.ArrayRange", Run::Three(array::range)),
    row("States.ArrayUnique", Run::One(array::unique)),
    row("States.Base64Decode", Run::One(text::base64_decode)),
    row("States.Base64Encode", Run::One(text::base64_encode)),
    row("States.Format", Run::Format),
    row("States.Hash", Run::Two(text::hash)),
    row("States.JsonMerge", Run::Three(text::json_merge)),
    row(
        "States.JsonToString",
        Run::One(|value| Some(Value::from(value.to_string()))),
    ),
    row("States.MathAdd", Run::Two(math::add)),
    row("States.MathRandom", Run::Random),
    row("States.StringSplit", Run::Two(text::split)),
    row("States.StringToJson", Run::Text(text::string_to_json)),
    row("States.UUID", Run::Uuid),
];

const fn row(name: &'static str, run: Run) -> Function {
    Function { name, run }
}

impl Function {
    /// The function of the name.
    pub(super) fn named(name: &str) -> Option<&'static Function> {
        FUNCTIONS.iter().find(|function| function.name == name)
    }
}

impl Run {
    /// Whether it takes so many arguments. A wrong number is an error of the run, not of the definition, as on AWS.
    pub(super) fn takes(&self, count: usize) -> bool {
        match self {
            Run::Any(_) => true,
            Run::One(_) | Run::Text(_) => count == 1,
            Run::Two(_) => count == 2,
            Run::Three(_) => count == 3,
            Run::Format => count >= 1,
            Run::Random => (2..=3).contains(&count),
            Run::Uuid => count == 0,
        }
    }
}
