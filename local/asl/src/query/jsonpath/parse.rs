//! The path parser.

use std::sync::Arc;

use super::conditions;
use super::path::{Compiled, Path, Root, Step};
use crate::query::SyntaxError;

/// The longest path that is accepted, in bytes.
const MAX_LENGTH: usize = 16 * 1024;

impl Path {
    /// Compiles a path: `$.a[0]['b c']`, `$$.Execution.Id`, `$variable.x`, `$..book[?(@.price < 10)]`.
    pub fn compile(text: &str) -> Result<Path, SyntaxError> {
        path(text).map(|compiled| Path(Arc::new(compiled)))
    }
}

/// Parses a whole path.
fn path(text: &str) -> Result<Compiled, SyntaxError> {
    if text.len() > MAX_LENGTH {
        return Err(SyntaxError::new(format!(
            "the path is longer than {MAX_LENGTH} bytes"
        )));
    }
    // Unproven: only published samples end a path with a space.
    let mut parser = Parser {
        text: text.trim_end_matches(' '),
        at: 0,
    };
    let root = parser.root()?;
    let steps = parser.steps(|_| false)?;
    if parser.at < parser.text.len() {
        return Err(parser.unexpected());
    }
    Ok(compiled(text, root, steps))
}

fn compiled(text: &str, root: Root, steps: Vec<Step>) -> Compiled {
    let last = steps.len().saturating_sub(1);
    let definite = steps.iter().enumerate().all(|(index, step)| match step {
        Step::Name(_) | Step::Index(_) => true,
        Step::Names(_) => index == last,
        Step::Indexes(_) | Step::Slice(..) | Step::Wildcard | Step::Filter(_) | Step::Descend => {
            false
        }
    });
    Compiled {
        text: text.into(),
        root,
        steps: steps.into(),
        definite,
    }
}

/// A position in a path's text.
pub(super) struct Parser<'t> {
    pub(super) text: &'t str,
    pub(super) at: usize,
}

impl<'t> Parser<'t> {
    pub(super) fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    pub(super) fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    pub(super) fn blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.bump();
        }
    }

    pub(super) fn expect(&mut self, token: &str) -> Result<(), SyntaxError> {
        if self.eat(token) {
            return Ok(());
        }
        Err(match self.peek() {
            Some(found) => self.error(format!("expected '{token}' but found '{found}'")),
            None => self.error(format!("expected '{token}' but the path ends")),
        })
    }

    pub(super) fn error(&self, message: impl std::fmt::Display) -> SyntaxError {
        SyntaxError::new(format!(
            "invalid path '{}': {message} at character {}",
            self.text,
            self.text[..self.at].chars().count() + 1
        ))
    }

    pub(super) fn unexpected(&self) -> SyntaxError {
        match self.peek() {
            Some(found) => self.error(format!("unexpected '{found}'")),
            None => self.error("unexpected end"),
        }
    }

    fn root(&mut self) -> Result<Root, SyntaxError> {
        self.expect("$")?;
        if self.eat("$") {
            return Ok(Root::Context);
        }
        let name: String = self
            .rest()
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        self.at += name.len();
        Ok(if name.is_empty() {
            Root::Input
        } else {
            Root::Variable(name.into())
        })
    }

    /// Steps up to the end, or up to where `stop` says that an enclosing filter goes on.
    pub(super) fn steps(&mut self, stop: fn(char) -> bool) -> Result<Vec<Step>, SyntaxError> {
        let mut steps = Vec::new();
        loop {
            if self.eat("..") {
                steps.push(Step::Descend);
                match self.peek() {
                    Some('[') => {}
                    Some(c) if !stop(c) => steps.push(self.dotted(stop)?),
                    _ => return Err(self.error("expected a name after '..'")),
                }
            } else if self.eat(".") {
                match self.peek() {
                    // Jayway lets a dot stand before a bracket.
                    Some('[') => {}
                    _ => steps.push(self.dotted(stop)?),
                }
            } else if self.eat("[") {
                steps.push(self.bracketed()?);
            } else {
                return Ok(steps);
            }
        }
    }

    fn dotted(&mut self, stop: fn(char) -> bool) -> Result<Step, SyntaxError> {
        if self.eat("*") {
            return Ok(Step::Wildcard);
        }
        let start = self.at;
        while let Some(c) = self.peek() {
            if matches!(c, '.' | '[') || stop(c) {
                break;
            }
            if c.is_whitespace() {
                return Err(
                    self.error("a name with blanks must be written in brackets: ['my name']")
                );
            }
            if matches!(c, ']' | '\'' | '"' | ',' | '@' | '?' | '*' | ':') {
                return Err(self.unexpected());
            }
            self.bump();
        }
        match &self.text[start..self.at] {
            "" => Err(self.error("expected a name after '.'")),
            name => Ok(Step::Name(name.into())),
        }
    }

    fn bracketed(&mut self) -> Result<Step, SyntaxError> {
        self.blanks();
        let step = match self.peek() {
            Some('\'' | '"') => self.names()?,
            Some('*') => {
                self.bump();
                Step::Wildcard
            }
            Some('?') => {
                self.bump();
                self.blanks();
                self.expect("(")?;
                let filter = conditions::filter(self)?;
                self.blanks();
                self.expect(")")?;
                Step::Filter(filter)
            }
            Some(_) => self.indexes()?,
            None => return Err(self.error("expected ']' but the path ends")),
        };
        self.blanks();
        self.expect("]")?;
        Ok(step)
    }

    fn names(&mut self) -> Result<Step, SyntaxError> {
        let mut names: Vec<Arc<str>> = Vec::new();
        loop {
            self.blanks();
            let Some(quote @ ('\'' | '"')) = self.bump() else {
                return Err(self.error("expected a quoted name"));
            };
            names.push(self.quoted(quote)?.into());
            self.blanks();
            if !self.eat(",") {
                break;
            }
        }
        match <[Arc<str>; 1]>::try_from(names) {
            Ok([name]) => Ok(Step::Name(name)),
            Err(names) => Ok(Step::Names(names.into())),
        }
    }

    /// The text up to the closing quote. A backslash protects the quote; before any other character it stands for
    /// itself, as on AWS.
    pub(super) fn quoted(&mut self, quote: char) -> Result<String, SyntaxError> {
        let mut text = String::new();
        while let Some(c) = self.bump() {
            if c == quote {
                return Ok(text);
            }
            if c == '\\' && self.peek() == Some(quote) {
                self.bump();
                text.push(quote);
            } else {
                text.push(c);
            }
        }
        Err(self.error(format!("expected {quote} but the path ends")))
    }

    fn indexes(&mut self) -> Result<Step, SyntaxError> {
        let first = self.integer()?;
        self.blanks();
        if self.eat(":") {
            self.blanks();
            let to = self.integer()?;
            return Ok(Step::Slice(first, to));
        }
        let Some(first) = first else {
            return Err(self.error("expected an index, a name in quotes, '*' or '?('"));
        };
        let mut indexes = vec![first];
        while self.eat(",") {
            self.blanks();
            match self.integer()? {
                Some(index) => indexes.push(index),
                None => return Err(self.error("expected an index after ','")),
            }
            self.blanks();
        }
        Ok(if indexes.len() == 1 {
            Step::Index(first)
        } else {
            Step::Indexes(indexes.into())
        })
    }

    fn integer(&mut self) -> Result<Option<i64>, SyntaxError> {
        let start = self.at;
        self.eat("-");
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.bump();
        }
        match &self.text[start..self.at] {
            "" => Ok(None),
            digits => digits
                .parse()
                .map(Some)
                .map_err(|_| self.error(format!("'{digits}' is not an index"))),
        }
    }
}

/// A path inside a filter: `@.price` or `$.limit`.
pub(super) fn operand(parser: &mut Parser) -> Result<Compiled, SyntaxError> {
    let start = parser.at;
    if !parser.eat("@") {
        parser.expect("$")?;
    }
    let steps = parser.steps(|c| {
        c.is_whitespace() || matches!(c, ')' | '=' | '!' | '<' | '>' | '&' | '|' | ',' | ']')
    })?;
    let text = &parser.text[start..parser.at];
    Ok(compiled(text, Root::Input, steps))
}
