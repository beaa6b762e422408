//! What an expression must not refer to, as CreateStateMachine checks it.
//!
//! An expression has no context item: a path must start from `$states` or a variable. `$$` does not exist, and
//! `$states.result` and `$states.errorOutput` exist only where there is a result or an error.

use jsonata_core::ast::{AstNode, PathStep, Stage};

use super::prepare::children;

/// What `$states` holds where the expression stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// There is a `$states.result`.
    pub result: bool,
    /// There is a `$states.errorOutput`.
    pub error_output: bool,
}

/// A reference that AWS refuses, in its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// The sentence.
    pub message: String,
    /// What to write instead.
    pub suggestion: String,
}

pub(super) fn unsupported(ast: &AstNode, place: Place) -> Vec<Unsupported> {
    let mut found = Vec::new();
    top_level(ast, place, &mut found);
    found
}

fn add(found: &mut Vec<Unsupported>, message: String, suggestion: String) {
    let item = Unsupported {
        message,
        suggestion,
    };
    if !found.contains(&item) {
        found.push(item);
    }
}

/// Checks a node that is evaluated without a context item.
fn top_level(node: &AstNode, place: Place, found: &mut Vec<Unsupported>) {
    match node {
        AstNode::Path { steps } => path(steps, place, found),
        AstNode::Name(name) => bare(name, found),
        AstNode::Variable(_) | AstNode::ParentVariable(_) => states(node, place, found),
        AstNode::Wildcard | AstNode::Descendant => {
            let symbol = if *node == AstNode::Wildcard {
                "*"
            } else {
                "**"
            };
            bare(symbol, found);
        }
        AstNode::Sort { input, terms } => {
            top_level(input, place, found);
            for (term, _) in terms {
                within(term, place, found);
            }
        }
        AstNode::ObjectTransform { input, pattern } => {
            top_level(input, place, found);
            for (key, value) in pattern {
                within(key, place, found);
                within(value, place, found);
            }
        }
        AstNode::Transform {
            location,
            update,
            delete,
        } => {
            within(location, place, found);
            within(update, place, found);
            if let Some(delete) = delete {
                within(delete, place, found);
            }
        }
        _ => children(node, &mut |child| top_level(child, place, found)),
    }
}

fn bare(name: &str, found: &mut Vec<Unsupported>) {
    add(
        found,
        format!("Reference to '{name}' at the top level is not supported."),
        format!("write $states.input.{name} for the input or ${name} for a variable"),
    );
}

/// The first step stands at the top level, the others have a context item.
fn path(steps: &[PathStep], place: Place, found: &mut Vec<Unsupported>) {
    let Some((first, rest)) = steps.split_first() else {
        return;
    };
    match (&first.node, rest.first().map(|step| &step.node)) {
        (AstNode::Variable(root), Some(AstNode::Name(member))) if root == "states" => {
            let exists = match member.as_str() {
                "input" | "context" => true,
                "result" => place.result,
                "errorOutput" => place.error_output,
                _ => false,
            };
            if !exists {
                add(
                    found,
                    format!("Field '$states.{member}' does not exist."),
                    states_fields(place),
                );
            }
        }
        (node, _) => top_level(node, place, found),
    }
    for (index, step) in steps.iter().enumerate() {
        if index > 0 {
            within(&step.node, place, found);
        }
        for stage in &step.stages {
            if let Stage::Filter(filter) = stage {
                within(filter, place, found);
            }
        }
    }
}

fn states_fields(place: Place) -> String {
    let mut fields = vec!["$states.input", "$states.context"];
    if place.result {
        fields.push("$states.result");
    }
    if place.error_output {
        fields.push("$states.errorOutput");
    }
    format!("here there are {}", fields.join(", "))
}

/// Checks a node that has a context item: only references to `$$` and `$states` are of interest.
fn within(node: &AstNode, place: Place, found: &mut Vec<Unsupported>) {
    match node {
        AstNode::Path { steps } => {
            let rooted = matches!(
                steps.first().map(|step| &step.node),
                Some(AstNode::Variable(_) | AstNode::ParentVariable(_))
            );
            if rooted {
                path(steps, place, found);
            } else {
                children(node, &mut |child| within(child, place, found));
            }
        }
        AstNode::Variable(_) | AstNode::ParentVariable(_) => states(node, place, found),
        _ => children(node, &mut |child| within(child, place, found)),
    }
}

fn states(node: &AstNode, _place: Place, found: &mut Vec<Unsupported>) {
    if let AstNode::ParentVariable(_) = node {
        add(
            found,
            "Reference to '$$' is not supported.".to_string(),
            "write $states.input for the state's input".to_string(),
        );
    }
}
