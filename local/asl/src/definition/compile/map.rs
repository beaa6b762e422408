//! Compiling Map states.

use std::sync::Arc;

use crate::definition::fields::Template;
use crate::definition::map::{DistributedFields, ItemBatcher, Items, ReaderFields, WriterFields};
use crate::execution_type::ExecutionType;
use crate::query::{Language, jsonata, jsonpath};
use crate::resource::Resource;
use crate::value::{Map, Value};

use super::fields::{Fields, Result};

pub(super) fn items(fields: &Fields, language: Language) -> Result<Items> {
    match language {
        Language::JsonPath => match fields.text("ItemsPath")? {
            None | Some("$") => Ok(Items::Input),
            Some(text) => jsonpath::Path::compile(text)
                .map(|path| Items::Path {
                    path,
                    text: text.into(),
                })
                .map_err(|error| fields.syntax("ItemsPath", error)),
        },
        Language::Jsonata => match fields.get("Items") {
            None => Ok(Items::Input),
            Some(Value::String(text)) if jsonata::is_expression(text) => {
                jsonata::Expr::compile(text)
                    .map(Items::Expression)
                    .map_err(|error| fields.syntax("Items", error))
            }
            Some(value @ (Value::Array(_) | Value::Object(_))) => jsonata::Template::compile(value)
                .map(Items::Template)
                .map_err(|error| fields.syntax("Items", error)),
            Some(value) => Ok(Items::Literal(value.clone())),
        },
    }
}

pub(super) fn distributed(
    fields: &Fields,
    config: &Fields,
    language: Language,
) -> Result<DistributedFields> {
    let arguments = match language {
        Language::JsonPath => "Parameters",
        Language::Jsonata => "Arguments",
    };
    Ok(DistributedFields {
        execution_type: config
            .text("ExecutionType")?
            .and_then(ExecutionType::parse)
            .unwrap_or_default(),
        label: fields.text("Label")?.map(Arc::from),
        reader: match fields.child("ItemReader")? {
            None => None,
            Some(reader) => Some(item_reader(&reader, arguments, language)?),
        },
        batcher: match fields.child("ItemBatcher")? {
            None => None,
            Some(batcher) => Some(ItemBatcher {
                input: batcher.template("BatchInput", language)?,
                max_items: batcher.dynamic("MaxItemsPerBatch", "MaxItemsPerBatchPath", language)?,
                max_bytes: batcher.dynamic(
                    "MaxInputBytesPerBatch",
                    "MaxInputBytesPerBatchPath",
                    language,
                )?,
            }),
        },
        writer: match fields.child("ResultWriter")? {
            None => None,
            Some(writer) => Some(WriterFields {
                resource: resource(&writer)?,
                arguments: writer.template(arguments, language)?,
                config: writer.template("WriterConfig", language)?,
            }),
        },
        tolerated_count: fields.dynamic(
            "ToleratedFailureCount",
            "ToleratedFailureCountPath",
            language,
        )?,
        tolerated_percentage: fields.dynamic(
            "ToleratedFailurePercentage",
            "ToleratedFailurePercentagePath",
            language,
        )?,
    })
}

fn item_reader(reader: &Fields, arguments: &str, language: Language) -> Result<ReaderFields> {
    let (config, max_items) = match reader.child("ReaderConfig")? {
        None => (None, None),
        Some(config) => {
            let max_items = config.dynamic("MaxItems", "MaxItemsPath", language)?;
            let literal: Map = config
                .members
                .iter()
                .filter(|(key, _)| !matches!(&***key, "MaxItems" | "MaxItemsPath"))
                .map(|(key, value)| (Arc::clone(key), value.clone()))
                .collect();
            let literal = Template::compile(language, &Value::from(literal))
                .map_err(|error| reader.syntax("ReaderConfig", error))?;
            (Some(literal), max_items)
        }
    };
    Ok(ReaderFields {
        resource: resource(reader)?.ok_or_else(|| reader.missing("Resource"))?,
        arguments: reader.template(arguments, language)?,
        config,
        max_items,
    })
}

fn resource(fields: &Fields) -> Result<Option<Resource>> {
    let Some(text) = fields.text("Resource")? else {
        return Ok(None);
    };
    match Resource::parse(text) {
        Some(resource) => Ok(Some(resource)),
        None => Err(fields.wrong("Resource", "an ARN that Step Functions can call")),
    }
}
