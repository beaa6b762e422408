//! The parser of filters.

use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use super::filter::{Filter, OPERATORS, Operand};
use super::parse::{Parser, operand};
use super::path::Path;
use crate::query::SyntaxError;
use crate::value::Value;

/// How deep conditions may be nested.
const MAX_DEPTH: usize = 32;

/// Parses what stands between `[?(` and `)]`.
pub(super) fn filter(parser: &mut Parser) -> Result<Filter, SyntaxError> {
    either(parser, 0)
}

fn either(parser: &mut Parser, depth: usize) -> Result<Filter, SyntaxError> {
    let mut any = vec![both(parser, depth)?];
    loop {
        parser.blanks();
        if !parser.eat("||") {
            break;
        }
        any.push(both(parser, depth)?);
    }
    Ok(single(any, Filter::Or))
}

fn both(parser: &mut Parser, depth: usize) -> Result<Filter, SyntaxError> {
    let mut all = vec![condition(parser, depth)?];
    loop {
        parser.blanks();
        if !parser.eat("&&") {
            break;
        }
        all.push(condition(parser, depth)?);
    }
    Ok(single(all, Filter::And))
}

fn single(mut filters: Vec<Filter>, join: fn(Vec<Filter>) -> Filter) -> Filter {
    match filters.pop() {
        Some(only) if filters.is_empty() => only,
        Some(last) => {
            filters.push(last);
            join(filters)
        }
        None => join(filters),
    }
}

fn condition(parser: &mut Parser, depth: usize) -> Result<Filter, SyntaxError> {
    if depth > MAX_DEPTH {
        return Err(parser.error(format!(
            "the filter is nested deeper than {MAX_DEPTH} levels"
        )));
    }
    parser.blanks();
    if parser.eat("!") {
        return Ok(Filter::Not(Box::new(condition(parser, depth + 1)?)));
    }
    if parser.eat("(") {
        let inner = either(parser, depth + 1)?;
        parser.blanks();
        parser.expect(")")?;
        return Ok(inner);
    }
    let quoted = matches!(parser.peek(), Some('\'' | '"'));
    let left = value(parser)?;
    parser.blanks();
    if parser.eat("=~") {
        parser.blanks();
        return Ok(Filter::Matches(left, regex(parser)?));
    }
    let lower = parser.rest().to_ascii_lowercase();
    let Some((token, operator)) = OPERATORS
        .iter()
        .find(|(token, _)| lower.starts_with(token))
        .copied()
    else {
        return match left {
            Operand::Literal(Value::String(_)) if !quoted => {
                Err(parser.error("expected a comparison"))
            }
            _ => Ok(Filter::Exists(left)),
        };
    };
    parser.at += token.len();
    parser.blanks();
    Ok(Filter::Compare(left, operator, value(parser)?))
}

fn value(parser: &mut Parser) -> Result<Operand, SyntaxError> {
    match parser.peek() {
        Some('@') => Ok(Operand::Item(Path(Arc::new(operand(parser)?)))),
        Some('$') => Ok(Operand::Document(Path(Arc::new(operand(parser)?)))),
        Some(quote @ ('\'' | '"')) => {
            parser.bump();
            Ok(Operand::Literal(Value::from(parser.quoted(quote)?)))
        }
        Some(_) => literal(parser),
        None => Err(parser.unexpected()),
    }
}

/// A number, `true`, `false`, `null`, a word that stands for itself, or a JSON array or object, whose strings may stand
/// in single quotes.
fn literal(parser: &mut Parser) -> Result<Operand, SyntaxError> {
    let start = parser.at;
    let text = if let Some('[' | '{') = parser.peek() {
        collection(parser)?
    } else {
        scalar(parser)
    };
    if let Ok(value) = Value::parse(&text) {
        Ok(Operand::Literal(value))
    } else {
        parser.at = start;
        Err(parser.error("expected a path, a string, a number, true, false or null"))
    }
}

/// A JSON array or object, its words and strings in double quotes.
fn collection(parser: &mut Parser) -> Result<String, SyntaxError> {
    let mut json = String::new();
    let mut depth = 0usize;
    loop {
        match parser.peek() {
            Some(quote @ ('\'' | '"')) => {
                parser.bump();
                let quoted = parser.quoted(quote)?;
                json.push_str(&Value::from(quoted).to_string());
            }
            Some(c) if c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '+') => {
                json.push_str(&scalar(parser));
            }
            Some(c) => {
                parser.bump();
                json.push(c);
                match c {
                    '[' | '{' => depth += 1,
                    ']' | '}' => depth -= 1,
                    _ => {}
                }
            }
            None => return Err(parser.unexpected()),
        }
        if depth == 0 {
            return Ok(json);
        }
    }
}

/// A number, `true`, `false` or `null` as it is, any other word as a JSON string.
fn scalar(parser: &mut Parser) -> String {
    let start = parser.at;
    while parser
        .peek()
        .is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '+'))
    {
        parser.bump();
    }
    let text = &parser.text[start..parser.at];
    let word = text.starts_with(|c: char| c.is_alphabetic() || c == '_');
    if word && !matches!(text, "true" | "false" | "null") {
        // Unproven: only published samples compare with a word without quotes. It is taken for the text that it spells.
        return Value::from(text).to_string();
    }
    text.to_string()
}

fn regex(parser: &mut Parser) -> Result<Regex, SyntaxError> {
    parser.expect("/")?;
    let mut pattern = String::new();
    loop {
        match parser.bump() {
            Some('/') => break,
            Some('\\') => match parser.bump() {
                Some('/') => pattern.push('/'),
                Some(c) => pattern.extend(['\\', c]),
                None => return Err(parser.unexpected()),
            },
            Some(c) => pattern.push(c),
            None => return Err(parser.error("expected '/' after the regular expression")),
        }
    }
    let mut ignore_case = false;
    while let Some(flag @ ('a'..='z' | 'A'..='Z')) = parser.peek() {
        ignore_case |= flag == 'i';
        parser.bump();
    }
    // Jayway demands that the whole text matches.
    RegexBuilder::new(&format!("^(?:{pattern})$"))
        .case_insensitive(ignore_case)
        .size_limit(1 << 20)
        .build()
        .map_err(|error| parser.error(format!("bad regular expression: {error}")))
}
