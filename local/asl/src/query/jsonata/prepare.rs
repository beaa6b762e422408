//! What is made of a parsed expression before it is evaluated: which parts of the payload it mentions, which of
//! AWS's functions it calls, and guards around what could make a huge string out of small ones.

use jsonata_core::ast::{AstNode, BinaryOp, PathStep, Stage};

use super::convert::Mentions;

/// The variable that holds the evaluation's time in milliseconds; no expression can spell it.
pub(super) const NOW: &str = "%now";

/// The guards: functions that no expression can spell.
pub(super) const SMALL: &str = "%small";
pub(super) const PADDING: &str = "%padding";
pub(super) const JOINED: &str = "%joined";
pub(super) const REPLACED: &str = "%replaced";

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
            pattern.iter().for_each(|(key, value)| {
                each(key);
                each(value);
            });
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
            terms.iter().for_each(|(term, _)| each(term));
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
            pattern.iter_mut().for_each(|(key, value)| {
                each(key);
                each(value);
            });
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
            terms.iter_mut().for_each(|(term, _)| each(term));
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
    let mut changed = false;
    guard_node(ast, false, &mut changed);
    changed
}

fn guard_node(node: &mut AstNode, in_concatenation: bool, changed: &mut bool) {
    unchain(node);
    let concatenation = is_concatenation(node);
    children_mut(node, &mut |child| {
        guard_node(child, concatenation, changed);
    });
    if concatenation {
        if let AstNode::Binary { lhs, rhs, .. } = node {
            for side in [lhs, rhs] {
                if !is_scalar(side) && !is_concatenation(side) {
                    wrap(side, SMALL);
                }
            }
        }
        if !in_concatenation {
            wrap(node, SMALL);
        }
        *changed = true;
        return;
    }
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
    match (name.as_str(), args.len()) {
        ("now", 0..=2) => {
            *name = "fromMillis".to_string();
            args.insert(0, AstNode::Variable(NOW.to_string()));
        }
        ("millis", 0) => *node = AstNode::Variable(NOW.to_string()),
        ("string", 1..) => wrap(&mut args[0], SMALL),
        ("pad", 2..) => wrap(&mut args[1], PADDING),
        ("join", 1..) => guard_argument(args, JOINED),
        ("replace", 3..) => guard_argument(args, REPLACED),
        _ => return,
    }
    *changed = true;
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
        && matches!(name.as_str(), "string" | "pad" | "join" | "replace")
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
