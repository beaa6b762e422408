//! Evaluation by `jsonata-core`.

use jsonata_core::ast::{AstNode, BinaryOp, UnaryOp};
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError, EvaluatorOptions};
use jsonata_core::parser;
use jsonata_core::value::JValue;

use super::convert::{Mentions, Unfit, from_jsonata, to_jsonata};
use super::message::{self, MEMORY};
use super::{functions, prepare};
use crate::query::{Scope, SyntaxError};
use crate::value::Value;

/// The longest expression that is accepted, in bytes.
const MAX_LENGTH: usize = 256 * 1024;

/// Levels of nesting: one more than this is refused, which is where AWS refuses too.
const MAX_DEPTH: usize = 99;

/// Levels that the guards may add.
const GUARD_DEPTH: usize = 32;

/// Numbers in one sequence; AWS takes as many and not one more.
const MAX_SEQUENCE: usize = 873_782;

/// Time for one evaluation, in milliseconds.
const TIMEOUT_MS: u64 = 5_000;

/// An expression ready for `jsonata-core`.
#[derive(Debug)]
pub(super) struct Program {
    source: AstNode,
    /// The expression with guards, where it needs any.
    guarded: Option<AstNode>,
    mentions: Mentions,
    calls: Vec<String>,
}

/// Parses an expression.
pub(super) fn parse(text: &str) -> Result<AstNode, SyntaxError> {
    if text.len() > MAX_LENGTH {
        return Err(SyntaxError::new(format!(
            "the expression is longer than {MAX_LENGTH} bytes"
        )));
    }
    let ast = parser::parse(text)
        .map_err(|error| SyntaxError::new(message::syntax(&error.to_string())))?;
    match later_operator(&ast) {
        None => Ok(ast),
        Some(symbol) => Err(SyntaxError::new(format!(
            "The symbol \"{symbol}\" cannot be used as a unary operator"
        ))),
    }
}

/// What AWS's JSONata 2.0.6 stumbles over in an operator that came later: `??` or `?:`.
fn later_operator(ast: &AstNode) -> Option<&'static str> {
    if let AstNode::Binary { op, .. } = ast {
        match op {
            BinaryOp::Coalesce => return Some("?"),
            BinaryOp::Default => return Some(":"),
            _ => {}
        }
    }
    let mut found = None;
    prepare::children(ast, &mut |child| {
        found = found.or_else(|| later_operator(child));
    });
    found
}

impl Program {
    pub(super) fn new(source: AstNode) -> Program {
        let mut guarded = source.clone();
        let guarded = prepare::guard(&mut guarded).then_some(guarded);
        let calls = prepare::calls(guarded.as_ref().unwrap_or(&source))
            .into_iter()
            .map(str::to_string)
            .collect();
        Program {
            mentions: prepare::mentions(guarded.as_ref().unwrap_or(&source)),
            calls,
            guarded,
            source,
        }
    }

    /// The expression as parsed.
    pub(super) fn source(&self) -> &AstNode {
        &self.source
    }

    /// The variables that the expression mentions, without `states`.
    pub(super) fn variables(&self) -> Vec<&str> {
        self.mentions
            .names()
            .filter(|name| !matches!(*name, "states" | "" | prepare::NOW))
            .collect()
    }

    /// The value, `None` for undefined, or what AWS says after naming expression and field.
    pub(super) fn evaluate(&self, scope: &Scope) -> Result<Option<Value>, String> {
        let result = self.run(self.guarded.as_ref().unwrap_or(&self.source), scope);
        match result {
            Ok(value) => from_jsonata(&value).map_err(|unfit| match unfit {
                Unfit::Function => "returned an unsupported result type.".to_string(),
                Unfit::TooLarge => message::tail(MEMORY, None),
            }),
            Err(error) => Err(self.explain(error.message(), scope)),
        }
    }

    fn run(&self, ast: &AstNode, scope: &Scope) -> Result<JValue, EvaluatorError> {
        let mut context = Context::new();
        for name in self.mentions.names() {
            if let Some(value) = self.binding(name, scope) {
                context.bind(name.to_string(), value);
            }
        }
        // A variable hides the function of its name, which can then not be called.
        for name in &self.calls {
            if let Some(value) = scope.variables.get(name) {
                context.bind(name.clone(), to_jsonata(value));
            }
        }
        let depth = MAX_DEPTH + self.guarded.as_ref().map_or(0, |_| GUARD_DEPTH);
        let options = EvaluatorOptions {
            timeout_ms: Some(TIMEOUT_MS),
            max_stack_depth: Some(depth),
            max_sequence_length: Some(MAX_SEQUENCE),
            ..EvaluatorOptions::default()
        };
        let mut evaluator = Evaluator::with_options(context, options);
        functions::register(&mut evaluator, &self.calls, scope.random)?;
        evaluator.evaluate(ast, &JValue::Undefined)
    }

    fn binding(&self, name: &str, scope: &Scope) -> Option<JValue> {
        let mentions = self.mentions.member(name)?;
        match name {
            "states" => Some(self.states(mentions, scope)),
            prepare::NOW => Some(JValue::Number((scope.now.0 / 1000) as f64)),
            _ => scope
                .variables
                .get(name)
                .map(|value| mentions.project(value)),
        }
    }

    /// `$states`, as far as the expression mentions it.
    fn states(&self, mentions: &Mentions, scope: &Scope) -> JValue {
        let whole = mentions.is_whole();
        let mut members = indexmap::IndexMap::new();
        let mut add = |name: &str, value: &dyn Fn() -> Option<Value>| {
            let part = mentions.member(name);
            if !whole && part.is_none() {
                return;
            }
            if let Some(value) = value() {
                let value = match part {
                    Some(part) if !whole => part.project(&value),
                    _ => to_jsonata(&value),
                };
                members.insert(name.to_string(), value);
            }
        };
        add("input", &|| Some(scope.input.clone()));
        add("result", &|| scope.result.cloned());
        add("errorOutput", &|| scope.error_output.cloned());
        add("context", &|| Some((scope.context)()));
        JValue::object(members)
    }

    /// The error in AWS's words.
    fn explain(&self, message: &str, scope: &Scope) -> String {
        let told = match message.get(..5) {
            Some("T2009") => self.compared(scope),
            Some("T2010") => self.only(is_comparison).and_then(|node| match node {
                AstNode::Binary { op, .. } => Some(format!(
                    "T2010: The expressions either side of operator \"{}\" must evaluate to numeric or string values",
                    symbol(*op)
                )),
                _ => None,
            }),
            Some("D1002") => self.negated(scope),
            _ => None,
        };
        match told {
            Some(message) => message::tail(&message, None),
            None => message::tail(message, self.culprit(message, scope)),
        }
    }

    /// The text of T2009, which tells the two values.
    fn compared(&self, scope: &Scope) -> Option<String> {
        let AstNode::Binary { op, lhs, rhs } = self.only(is_comparison)? else {
            return None;
        };
        Some(format!(
            "T2009: The values {} and {} either side of operator \"{}\" must be of the same data type",
            self.part(lhs, scope)?,
            self.part(rhs, scope)?,
            symbol(*op)
        ))
    }

    /// The text of D1002, which tells the value.
    fn negated(&self, scope: &Scope) -> Option<String> {
        let AstNode::Unary { operand, .. } = self.only(|node| {
            matches!(
                node,
                AstNode::Unary {
                    op: UnaryOp::Negate,
                    ..
                }
            )
        })?
        else {
            return None;
        };
        let value = self.part(operand, scope)?;
        Some(format!("D1002: Cannot negate a non-numeric value: {value}"))
    }

    /// The node of the expression that an error must be about, when there is a single one of its kind.
    fn only(&self, wanted: impl Fn(&AstNode) -> bool) -> Option<&AstNode> {
        fn collect<'a>(
            node: &'a AstNode,
            wanted: &dyn Fn(&AstNode) -> bool,
            found: &mut Vec<&'a AstNode>,
        ) {
            if wanted(node) {
                found.push(node);
            }
            prepare::children(node, &mut |child| collect(child, wanted, found));
        }
        let mut found = Vec::new();
        collect(&self.source, &wanted, &mut found);
        match *found {
            [only] => Some(only),
            _ => None,
        }
    }

    /// The value of a part of the expression.
    fn part(&self, ast: &AstNode, scope: &Scope) -> Option<Value> {
        from_jsonata(&self.run(ast, scope).ok()?).ok().flatten()
    }

    /// The function that an error is about: the only one, or the innermost whose call alone gives the same error.
    fn culprit(&self, message: &str, scope: &Scope) -> Option<&str> {
        fn collect<'a>(node: &'a AstNode, found: &mut Vec<(&'a AstNode, &'a str)>) {
            prepare::children(node, &mut |child| collect(child, found));
            if let AstNode::Function { name, .. } = node {
                found.push((node, name));
            }
        }
        let mut calls = Vec::new();
        collect(&self.source, &mut calls);
        match *calls {
            [(_, only)] => Some(only),
            _ if !message.starts_with("T041") => None,
            _ => calls.into_iter().find_map(|(call, name)| {
                let alone = self.run(call, scope);
                alone
                    .is_err_and(|error| error.message() == message)
                    .then_some(name)
            }),
        }
    }
}

fn is_comparison(node: &AstNode) -> bool {
    matches!(
        node,
        AstNode::Binary {
            op: BinaryOp::LessThan
                | BinaryOp::LessThanOrEqual
                | BinaryOp::GreaterThan
                | BinaryOp::GreaterThanOrEqual,
            ..
        }
    )
}

fn symbol(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::LessThan => "<",
        BinaryOp::LessThanOrEqual => "<=",
        BinaryOp::GreaterThan => ">",
        BinaryOp::GreaterThanOrEqual => ">=",
        _ => "=",
    }
}
