//! The parser of calls.

use std::sync::Arc;

use super::format::Format;
use super::function::{Function, Run};
use super::{Argument, Call};
use crate::query::SyntaxError;
use crate::query::jsonpath::Path;
use crate::quota::INTRINSIC_CALLS;
use crate::value::Value;

/// Parses `States.Name(argument, …)`.
pub(super) fn call(text: &str) -> Result<Call, SyntaxError> {
    let mut parser = Parser {
        text,
        at: 0,
        calls: 0,
    };
    let call = parser.call()?;
    parser.blanks();
    if parser.at < text.len() {
        return Err(parser.error("nothing may follow the call"));
    }
    Ok(call)
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    calls: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.bump();
        }
    }

    fn error(&self, message: impl std::fmt::Display) -> SyntaxError {
        SyntaxError::new(format!(
            "invalid intrinsic function call '{}': {message} at character {}",
            self.text,
            self.text[..self.at].chars().count() + 1
        ))
    }

    fn call(&mut self) -> Result<Call, SyntaxError> {
        self.calls += 1;
        if self.calls > INTRINSIC_CALLS {
            return Err(self.error(format!("a field holds at most {INTRINSIC_CALLS} functions")));
        }
        let start = self.at;
        while self
            .peek()
            .is_some_and(|c| c.is_ascii_alphanumeric() || c == '.')
        {
            self.bump();
        }
        let name = &self.text[start..self.at];
        let Some(function) = Function::named(name) else {
            self.at = start;
            return Err(self.error(format!("there is no function '{name}'")));
        };
        if self.bump() != Some('(') {
            return Err(self.error("expected '(' after the function's name"));
        }
        let (arguments, template) = self.arguments()?;
        let format = match template {
            // A template that does not parse fails when it is used, as on AWS.
            Some(template) if matches!(function.run, Run::Format) => Format::parse(&template).ok(),
            _ => None,
        };
        Ok(Call {
            text: Arc::from(&self.text[start..self.at]),
            function,
            arguments: arguments.into(),
            format,
        })
    }

    /// The arguments up to the closing parenthesis, and the raw text of the first one if it is a string.
    fn arguments(&mut self) -> Result<(Vec<Argument>, Option<String>), SyntaxError> {
        let mut arguments = Vec::new();
        let mut template = None;
        self.blanks();
        if self.peek() == Some(')') {
            self.bump();
            return Ok((arguments, None));
        }
        loop {
            self.blanks();
            let argument = match self.peek() {
                Some('\'') => {
                    let raw = self.quoted()?;
                    let text = unescape(&raw);
                    if arguments.is_empty() {
                        template = Some(raw);
                    }
                    Argument::Literal(Value::from(text))
                }
                Some('$') => Argument::Path(self.path()?),
                Some('S') => Argument::Call(self.call()?),
                Some(_) => Argument::Literal(self.literal()?),
                None => return Err(self.error("expected an argument but the text ends")),
            };
            arguments.push(argument);
            self.blanks();
            match self.bump() {
                Some(',') => {}
                Some(')') => return Ok((arguments, template)),
                Some(_) => return Err(self.error("expected ',' or ')' after the argument")),
                None => return Err(self.error("expected ')' but the text ends")),
            }
        }
    }

    /// The text between single quotes, escapes included.
    fn quoted(&mut self) -> Result<String, SyntaxError> {
        self.bump();
        let start = self.at;
        loop {
            match self.bump() {
                Some('\'') => return Ok(self.text[start..self.at - 1].to_string()),
                Some('\\') => match self.bump() {
                    Some('\'' | '\\' | '{' | '}') => {}
                    Some(other) => {
                        return Err(self.error(format!("'\\{other}' is not an escape sequence")));
                    }
                    None => return Err(self.error("the string does not end")),
                },
                Some(_) => {}
                None => return Err(self.error("the string does not end")),
            }
        }
    }

    /// A path ends at a comma, a parenthesis or a blank outside brackets.
    fn path(&mut self) -> Result<Path, SyntaxError> {
        let start = self.at;
        let mut depth = 0usize;
        let mut quote = None;
        while let Some(c) = self.peek() {
            match (quote, c) {
                (Some(open), _) if c == open => quote = None,
                (Some(_), '\\') => {
                    self.bump();
                }
                (Some(_), _) => {}
                (None, '\'' | '"') if depth > 0 => quote = Some(c),
                (None, '[') => depth += 1,
                (None, ']') => depth = depth.saturating_sub(1),
                (None, ',' | ')') if depth == 0 => break,
                (None, c) if depth == 0 && c.is_whitespace() => break,
                (None, _) => {}
            }
            self.bump();
        }
        Path::compile(&self.text[start..self.at])
    }

    fn literal(&mut self) -> Result<Value, SyntaxError> {
        let start = self.at;
        while self
            .peek()
            .is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '+'))
        {
            self.bump();
        }
        let text = &self.text[start..self.at];
        match Value::parse(text) {
            Ok(value) if !text.is_empty() => Ok(value),
            // A number beyond all doubles is a number still; which function takes it shows when it is called.
            Err(_)
                if text.parse().is_ok_and(f64::is_infinite)
                    && text.ends_with(|c: char| c.is_ascii_digit()) =>
            {
                Ok(Value::number(
                    f64::MAX.copysign(text.parse().unwrap_or_default()),
                ))
            }
            _ => {
                self.at = start;
                Err(self.error(
                    "expected a path, a call, a string in single quotes, a number, true, false or null",
                ))
            }
        }
    }
}

/// The text without the backslashes of its escapes.
fn unescape(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => text.extend(chars.next()),
            _ => text.push(c),
        }
    }
    text
}
