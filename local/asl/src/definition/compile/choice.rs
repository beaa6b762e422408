//! Compiling Choice states.

use std::sync::Arc;

use crate::definition::choice::{Comparison, Operand, Relation, Rule, Test};
use crate::definition::program::Kind;
use crate::query::{Language, jsonata, jsonpath};
use crate::value::Value;

use super::fields::{Fields, MAX_NESTING, Names, Result, problem, target};

pub(super) fn choice(fields: &Fields, names: &Names, language: Language) -> Result<Kind> {
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
        Some(Value::String(text)) if jsonata::is_expression(text) => Ok(Test::Condition {
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
        "Equals" => Relation::Equals,
        "LessThan" => Relation::LessThan,
        "LessThanEquals" => Relation::LessThanEquals,
        "GreaterThan" => Relation::GreaterThan,
        "GreaterThanEquals" => Relation::GreaterThanEquals,
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
        "Boolean" if relation == Relation::Equals => Some(Comparison::Boolean(operand)),
        "Numeric" => Some(Comparison::Numeric(relation, operand)),
        "String" => Some(Comparison::Text(relation, operand)),
        "Timestamp" => Some(Comparison::Moment(relation, operand)),
        _ => None,
    })
}
