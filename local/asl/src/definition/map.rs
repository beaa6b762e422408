//! The fields of Map states.

use std::sync::Arc;

use super::fields::{Dynamic, StateId, Template};
use crate::execution_type::ExecutionType;
use crate::query::{jsonata, jsonpath};
use crate::resource::Resource;
use crate::value::Value;

/// A Map state's own fields.
#[derive(Debug)]
pub(crate) struct MapFields {
    /// The first state of the ItemProcessor (or Iterator).
    pub processor: StateId,
    pub items: Items,
    /// ItemSelector, or Parameters in the older form.
    pub selector: Option<Template>,
    /// The field's name as the definition has it.
    pub selector_field: &'static str,
    pub max_concurrency: Option<Dynamic>,
    pub distributed: Option<DistributedFields>,
    /// An inline Map has a field of a Distributed one, which fails it when it runs.
    pub misplaced: bool,
}

/// Where the items come from.
#[derive(Debug)]
pub(crate) enum Items {
    /// The state's effective input.
    Input,
    Path {
        path: jsonpath::Path,
        text: Arc<str>,
    },
    /// A JSONata expression that gives an array.
    Expression(jsonata::Expr),
    /// A JSONata array, which may hold expressions.
    Template(jsonata::Template),
    Literal(Value),
}

/// What only a Distributed Map has.
#[derive(Debug)]
pub(crate) struct DistributedFields {
    pub execution_type: ExecutionType,
    pub label: Option<Arc<str>>,
    pub reader: Option<ReaderFields>,
    pub batcher: Option<ItemBatcher>,
    pub writer: Option<WriterFields>,
    pub tolerated_count: Option<Dynamic>,
    pub tolerated_percentage: Option<Dynamic>,
}

/// ItemReader.
#[derive(Debug)]
pub(crate) struct ReaderFields {
    pub resource: Resource,
    pub arguments: Option<Template>,
    /// The literal part of ReaderConfig.
    pub config: Option<Template>,
    pub max_items: Option<Dynamic>,
}

/// ItemBatcher.
#[derive(Debug)]
pub(crate) struct ItemBatcher {
    pub input: Option<Template>,
    pub max_items: Option<Dynamic>,
    pub max_bytes: Option<Dynamic>,
}

/// ResultWriter.
#[derive(Debug)]
pub(crate) struct WriterFields {
    pub resource: Option<Resource>,
    pub arguments: Option<Template>,
    pub config: Option<Template>,
}
