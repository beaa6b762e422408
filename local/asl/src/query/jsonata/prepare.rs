//! What is made of a parsed expression before it is evaluated: which parts of the payload it mentions, which of
//! AWS's functions it calls, guards around what could make a huge string out of small ones, and calls with too few or
//! too many arguments.

use jsonata_core::ast::{AstNode, BinaryOp, PathStep, Stage};

use super::convert::Mentions;

/// The variable that holds the evaluation's time in milliseconds; no expression can spell it.
pub(super) const NOW: &str = "%now";

/// The guards: functions that no expression can spell.
pub(super) const SMALL: &str = "%small";
pub(super) const PADDING: &str = "%padding";
pub(super) const JOINED: &str = "%joined";
pub(super) const REPLACED: &str = "%replaced";

/// Fails for a call with too few or too many arguments.
pub(super) const MISMATCH: &str = "%mismatch";
/// Checks the arguments of `$now`.
pub(super) const PICTURE: &str = "%picture";
/// Cuts fractions off.
pub(super) const WHOLE: &str = "%whole";
/// What AWS has in place of `$decodeUrlComponent` and `$base64decode`.
pub(super) const URL_DECODED: &str = "%decodeUrlComponent";
pub(super) const BASE64_DECODED: &str = "%base64decode";

/// JSONata's functions with the least and the greatest number of their arguments, after the reference's signatures;
/// what the context can stand in for may be left out.
const ARITIES: &[(&str, usize, usize)] = &[
    ("abs", 0, 1),
    ("append", 2, 2),
    ("assert", 1, 2),
    ("average", 1, 1),
    ("base64decode", 0, 1),
    ("base64encode", 0, 1),
    ("boolean", 0, 1),
    ("ceil", 0, 1),
    ("contains", 1, 2),
    ("count", 1, 1),
    ("decodeUrl", 0, 1),
    ("decodeUrlComponent", 0, 1),
    ("distinct", 1, 1),
    ("each", 1, 2),
    ("encodeUrl", 0, 1),
    ("encodeUrlComponent", 0, 1),
    ("error", 0, 1),
    ("exists", 1, 1),
    ("filter", 2, 2),
    ("floor", 0, 1),
    ("formatBase", 0, 2),
    ("formatInteger", 1, 2),
    ("formatNumber", 1, 3),
    ("fromMillis", 0, 3),
    ("join", 1, 2),
    ("keys", 0, 1),
    ("length", 0, 1),
    ("lookup", 1, 2),
    ("lowercase", 0, 1),
    ("map", 2, 2),
    ("match", 1, 3),
    ("max", 1, 1),
    ("merge", 1, 1),
    ("millis", 0, 0),
    ("min", 1, 1),
    ("not", 0, 1),
    ("now", 0, 2),
    ("number", 0, 1),
    ("pad", 1, 3),
    ("parseInteger", 1, 2),
    ("power", 1, 2),
    ("reduce", 2, 3),
    ("replace", 2, 4),
    ("reverse", 1, 1),
    ("round", 0, 2),
    ("shuffle", 1, 1),
    ("sift", 0, 2),
    ("single", 1, 2),
    ("sort", 1, 2),
    ("split", 1, 3),
    ("spread", 0, 1),
    ("sqrt", 0, 1),
    ("string", 0, 2),
    ("substring", 1, 3),
    ("substringAfter", 1, 2),
    ("substringBefore", 1, 2),
    ("sum", 1, 1),
    ("toMillis", 0, 2),
    ("trim", 0, 1),
    ("type", 1, 1),
    ("uppercase", 0, 1),
];

/// Calls `each` with every direct child.
pub(super) fn children<'a>(node: &'a AstNode, each: &mut dyn FnMut(&'a AstNode)) {
    match node {
        AstNode::String(_)
        | AstNode::Name(_)
        | AstNode::Number(_)
        | AstNode::Boolean(_)
        | AstNode::Null
        | AstNode::Undefined
        | AstNode::Placeholder
        | AstNode::Regex { .. }
        | AstNode::Variable(_)
        | AstNode::ParentVariable(_)
        | AstNode::Wildcard
        | AstNode::Descendant
        | AstNode::Parent(_) => {}
        AstNode::Path { steps } => {
            for step in steps {
                each(&step.node);
                for stage in &step.stages {
                    if let Stage::Filter(filter) = stage {
                        each(filter);
                    }
                }
            }
        }
        AstNode::Binary { lhs, rhs, .. } => {
            each(lhs);
            each(rhs);
        }
        AstNode::Unary { operand, .. } => each(operand),
        AstNode::Function { args, .. } => args.iter().for_each(each),
        AstNode::Call { procedure, args } => {
            each(procedure);
            args.iter().for_each(each);
        }
        AstNode::Lambda { body, .. } => each(body),
        AstNode::Array(items) | AstNode::Block(items) | AstNode::ArrayGroup(items) => {
            items.iter().for_each(each);
        }
        AstNode::Object(pairs) => pairs.iter().for_each(|(key, value)| {
            each(key);
            each(value);
        }),
        AstNode::ObjectTransform { input, pattern } => {
            each(input);
            for (key, value) in pattern {
                each(key);
                each(value);
            }
        }
        AstNode::Conditional {
            condition,
            then_branch,
            else_branch,
        } => {
            each(condition);
            each(then_branch);
            if let Some(branch) = else_branch {
                each(branch);
            }
        }
        AstNode::FunctionApplication(inner) => each(inner),
        AstNode::Sort { input, terms } => {
            each(input);
            for (term, _) in terms {
                each(term);
            }
        }
        AstNode::Transform {
            location,
            update,
            delete,
        } => {
            each(location);
            each(update);
            if let Some(delete) = delete {
                each(delete);
            }
        }
    }
}

/// Calls `each` with every direct child, which it may change.
fn children_mut(node: &mut AstNode, each: &mut dyn FnMut(&mut AstNode)) {
    match node {
        AstNode::String(_)
        | AstNode::Name(_)
        | AstNode::Number(_)
        | AstNode::Boolean(_)
        | AstNode::Null
        | AstNode::Undefined
        | AstNode::Placeholder
        | AstNode::Regex { .. }
        | AstNode::Variable(_)
        | AstNode::ParentVariable(_)
        | AstNode::Wildcard
        | AstNode::Descendant
        | AstNode::Parent(_) => {}
        AstNode::Path { steps } => {
            for PathStep { node, stages, .. } in steps {
                each(node);
                for stage in stages {
                    if let Stage::Filter(filter) = stage {
                        each(filter);
                    }
                }
            }
        }
        AstNode::Binary { lhs, rhs, .. } => {
            each(lhs);
            each(rhs);
        }
        AstNode::Unary { operand, .. } => each(operand),
        AstNode::Function { args, .. } => args.iter_mut().for_each(each),
        AstNode::Call { procedure, args } => {
            each(procedure);
            args.iter_mut().for_each(each);
        }
        AstNode::Lambda { body, .. } => each(body),
        AstNode::Array(items) | AstNode::Block(items) | AstNode::ArrayGroup(items) => {
            items.iter_mut().for_each(each);
        }
        AstNode::Object(pairs) => pairs.iter_mut().for_each(|(key, value)| {
            each(key);
            each(value);
        }),
        AstNode::ObjectTransform { input, pattern } => {
            each(input);
            for (key, value) in pattern {
                each(key);
                each(value);
            }
        }
        AstNode::Conditional {
            condition,
            then_branch,
            else_branch,
        } => {
            each(condition);
            each(then_branch);
            if let Some(branch) = else_branch {
                each(branch);
            }
        }
        AstNode::FunctionApplication(inner) => each(inner),
        AstNode::Sort { input, terms } => {
            each(input);
            for (term, _) in terms {
                each(term);
            }
        }
        AstNode::Transform {
            location,
            update,
            delete,
        } => {
            each(location);
            each(update);
            if let Some(delete) = delete {
                each(delete);
            }
        }
    }
}

/// The variables that the expression mentions, with the members it reads of them.
pub(super) fn mentions(ast: &AstNode) -> Mentions {
    let mut mentions = Mentions::default();
    if reads_parents(ast) {
        collect_whole(ast, &mut mentions);
    } else {
        collect(ast, &mut mentions);
    }
    mentions
}

/// Whether `%` is in the expression, through which it can reach beside the paths that it spells.
fn reads_parents(ast: &AstNode) -> bool {
    let mut found = matches!(ast, AstNode::Parent(_));
    children(ast, &mut |child| found = found || reads_parents(child));
    found
}

fn collect_whole(ast: &AstNode, mentions: &mut Mentions) {
    if let AstNode::Variable(name) = ast {
        mentions.add(&[name]);
    }
    children(ast, &mut |child| collect_whole(child, mentions));
}

fn collect(ast: &AstNode, mentions: &mut Mentions) {
    match ast {
        AstNode::Variable(name) => mentions.add(&[name]),
        AstNode::Path { steps } => {
            let mut names: Vec<&str> = Vec::new();
            for step in steps {
                match &step.node {
                    AstNode::Variable(name) if names.is_empty() => names.push(name),
                    AstNode::Name(name) if !names.is_empty() => names.push(name),
                    _ => break,
                }
                if !step.stages.is_empty() || step.focus.is_some() || step.index_var.is_some() {
                    break;
                }
            }
            let prefix = names.len();
            if prefix > 0 {
                mentions.add(&names);
            }
            for (index, step) in steps.iter().enumerate() {
                if index >= prefix {
                    collect(&step.node, mentions);
                }
                for stage in &step.stages {
                    if let Stage::Filter(filter) = stage {
                        collect(filter, mentions);
                    }
                }
            }
        }
        _ => children(ast, &mut |child| collect(child, mentions)),
    }
}

/// The names of the functions that the expression calls.
pub(super) fn calls(ast: &AstNode) -> Vec<&str> {
    fn collect<'a>(ast: &'a AstNode, names: &mut Vec<&'a str>) {
        if let AstNode::Function { name, .. } = ast
            && !names.contains(&name.as_str())
        {
            names.push(name);
        }
        children(ast, &mut |child| collect(child, names));
    }
    let mut names = Vec::new();
    collect(ast, &mut names);
    names
}

/// Puts the guards and the clock in; whether anything was changed.
pub(super) fn guard(ast: &mut AstNode) -> bool {
    let mut bound = Vec::new();
    names(ast, &mut bound);
    let mut guards = Guards {
        bound,
        changed: false,
    };
    guards.node(ast, Around::default());
    guards.changed
}

/// The names of variables and parameters in the expression, which may hide functions.
fn names(ast: &AstNode, found: &mut Vec<String>) {
    match ast {
        AstNode::Variable(name) => found.push(name.clone()),
        AstNode::Lambda { params, .. } => found.extend(params.iter().cloned()),
        _ => {}
    }
    children(ast, &mut |child| names(child, found));
}

/// What a node stands in.
#[derive(Clone, Copy, Default)]
struct Around {
    /// It is a side of a concatenation.
    concatenation: bool,
    /// It is on the right of `~>`, which gives it one more argument.
    chain: bool,
}

struct Guards {
    bound: Vec<String>,
    changed: bool,
}

impl Guards {
    fn node(&mut self, node: &mut AstNode, around: Around) {
        unchain(node);
        let concatenation = is_concatenation(node);
        let chain = matches!(
            node,
            AstNode::Binary {
                op: BinaryOp::ChainPipe,
                ..
            }
        );
        let mut first = true;
        children_mut(node, &mut |child| {
            let around = Around {
                concatenation,
                chain: chain && !first,
            };
            first = false;
            self.node(child, around);
        });
        if concatenation {
            if let AstNode::Binary { lhs, rhs, .. } = node {
                for side in [lhs, rhs] {
                    if !is_scalar(side) && !is_concatenation(side) {
                        wrap(side, SMALL);
                    }
                }
            }
            if !around.concatenation {
                wrap(node, SMALL);
            }
            self.changed = true;
            return;
        }
        self.call(node, around.chain);
    }

    fn call(&mut self, node: &mut AstNode, chained: bool) {
        let AstNode::Function {
            name,
            args,
            is_builtin: true,
        } = node
        else {
            return;
        };
        if args.iter().any(|arg| matches!(arg, AstNode::Placeholder)) {
            return;
        }
        if !self.bound.contains(name) {
            if let Some(argument) = mismatch(name, args.len() + usize::from(chained)) {
                let name = AstNode::String(std::mem::take(name));
                *node = call(MISMATCH, vec![name, AstNode::Number(argument as f64)]);
                self.changed = true;
                return;
            }
            if args.len() == 1 && !chained {
                match name.as_str() {
                    "decodeUrlComponent" => *name = URL_DECODED.to_string(),
                    "base64decode" => *name = BASE64_DECODED.to_string(),
                    _ => {}
                }
                self.changed |= name.starts_with('%');
            }
        }
        match (name.as_str(), args.len()) {
            ("now", 0..=2) => {
                *name = "fromMillis".to_string();
                for (index, argument) in args.iter_mut().enumerate() {
                    let inner = std::mem::replace(argument, AstNode::Null);
                    let position = AstNode::Number((index + 1) as f64);
                    *argument = call(PICTURE, vec![inner, position]);
                }
                args.insert(0, AstNode::Variable(NOW.to_string()));
            }
            ("millis", 0) => *node = AstNode::Variable(NOW.to_string()),
            ("fromMillis", 1..) if !chained => wrap(&mut args[0], WHOLE),
            ("string", 1..) => wrap(&mut args[0], SMALL),
            ("pad", 2..) => wrap(&mut args[1], PADDING),
            ("join", 1..) => guard_argument(args, JOINED),
            ("replace", 3..) => guard_argument(args, REPLACED),
            _ => return,
        }
        self.changed = true;
    }
}

/// The position of the first argument that is missing or one too many.
fn mismatch(function: &str, count: usize) -> Option<usize> {
    let row = ARITIES
        .binary_search_by_key(&function, |(name, ..)| *name)
        .ok()?;
    let (_, least, most) = ARITIES[row];
    if count < least {
        return Some(count + 1);
    }
    (count > most).then_some(most + 1)
}

fn is_concatenation(node: &AstNode) -> bool {
    matches!(
        node,
        AstNode::Binary {
            op: BinaryOp::Concatenate,
            ..
        }
    )
}

fn is_scalar(node: &AstNode) -> bool {
    matches!(
        node,
        AstNode::String(_) | AstNode::Number(_) | AstNode::Boolean(_) | AstNode::Null
    )
}

/// `x ~> $f(y)` is `$f(x, y)`.
fn unchain(node: &mut AstNode) {
    if let AstNode::Binary {
        op: BinaryOp::ChainPipe,
        lhs,
        rhs,
    } = node
        && let AstNode::Function {
            name,
            args,
            is_builtin: true,
        } = &mut **rhs
        && matches!(
            name.as_str(),
            "string"
                | "pad"
                | "join"
                | "replace"
                | "fromMillis"
                | "decodeUrlComponent"
                | "base64decode"
        )
        && !args.iter().any(|arg| matches!(arg, AstNode::Placeholder))
    {
        args.insert(0, std::mem::replace(&mut **lhs, AstNode::Null));
        *node = std::mem::replace(&mut **rhs, AstNode::Null);
    }
}

/// The node as the only argument of the guard.
fn wrap(node: &mut AstNode, guard: &str) {
    let inner = std::mem::replace(node, AstNode::Null);
    *node = call(guard, vec![inner]);
}

/// The first argument replaced by the guard's call with all arguments, which gives the first one back.
fn guard_argument(args: &mut [AstNode], guard: &str) {
    args[0] = call(guard, args.to_vec());
}

fn call(name: &str, args: Vec<AstNode>) -> AstNode {
    AstNode::Function {
        name: name.to_string(),
        args,
        is_builtin: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arities_are_sorted_for_the_search() {
        assert!(ARITIES.is_sorted());
    }
}
