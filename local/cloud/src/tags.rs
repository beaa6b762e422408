//! Tags of resources, as ECS (a list) and Batch (a map) write them, and as EventBridge and its Scheduler do.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Most tags of a resource, and the longest keys and values.
/// <https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html>
const MOST: usize = 50;
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 256;

/// The tags of one resource, in the order in which they were given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tags(Vec<(String, String)>);

/// What is wrong with tags.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TagError {
    #[error("tags: expected {expected}")]
    Shape { expected: &'static str },
    #[error("tags: a key has 1 to {LONGEST_KEY} characters, '{key}' has not")]
    Key { key: String },
    #[error("tags: a value has at most {LONGEST_VALUE} characters, that of '{key}' has more")]
    Value { key: String },
    #[error("tags: keys that begin with aws: are for AWS, '{key}' is not allowed")]
    Reserved { key: String },
    #[error("tags: a resource has at most {MOST} tags")]
    TooMany,
}

impl Tags {
    /// Reads `[{"key": ..., "value": ...}]`; null is none.
    pub(crate) fn from_list(list: &Value) -> Result<Tags, TagError> {
        const SHAPE: TagError = TagError::Shape {
            expected: "a list of key and value",
        };
        if list.is_null() {
            return Ok(Tags::default());
        }
        let mut tags = Tags::default();
        for tag in list.as_array().ok_or(SHAPE)? {
            let key = tag["key"].as_str().ok_or(SHAPE)?;
            tags.put(key, tag["value"].as_str().unwrap_or_default())?;
        }
        Ok(tags)
    }

    /// Reads `{key: value}`; null is none.
    pub(crate) fn from_map(map: &Value) -> Result<Tags, TagError> {
        const SHAPE: TagError = TagError::Shape {
            expected: "texts by key",
        };
        if map.is_null() {
            return Ok(Tags::default());
        }
        let mut tags = Tags::default();
        for (key, value) in map.as_object().ok_or(SHAPE)? {
            tags.put(key, value.as_str().ok_or(SHAPE)?)?;
        }
        Ok(tags)
    }

    /// As [`Tags::from_list`] reads.
    pub(crate) fn to_list(&self) -> Value {
        let tags = self.0.iter();
        tags.map(|(key, value)| json!({"key": key, "value": value}))
            .collect()
    }

    /// As [`Tags::from_map`] reads.
    pub(crate) fn to_map(&self) -> Value {
        let tags = self.0.iter();
        let tags = tags.map(|(key, value)| (key.clone(), Value::from(value.as_str())));
        Value::Object(tags.collect())
    }

    /// These tags and others; of two with one key the other counts.
    pub(crate) fn with(mut self, others: &Tags) -> Result<Tags, TagError> {
        for (key, value) in &others.0 {
            self.put(key, value)?;
        }
        Ok(self)
    }

    /// These tags without those of some keys.
    pub(crate) fn without(mut self, keys: &[&str]) -> Tags {
        self.0.retain(|(key, _)| !keys.contains(&key.as_str()));
        self
    }

    fn put(&mut self, key: &str, value: &str) -> Result<(), TagError> {
        let owned = || key.to_owned();
        if !(1..=LONGEST_KEY).contains(&key.chars().count()) {
            return Err(TagError::Key { key: owned() });
        }
        if value.chars().count() > LONGEST_VALUE {
            return Err(TagError::Value { key: owned() });
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(TagError::Reserved { key: owned() });
        }
        match self.0.iter().position(|(known, _)| known == key) {
            Some(at) => value.clone_into(&mut self.0[at].1),
            None if self.0.len() == MOST => return Err(TagError::TooMany),
            None => self.0.push((owned(), value.to_owned())),
        }
        Ok(())
    }
}

/// A tag in a request to EventBridge or its Scheduler.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Tag {
    key: String,
    value: String,
}

/// Such tags by their keys.
pub(crate) fn by_key(tags: Vec<Tag>) -> BTreeMap<String, String> {
    tags.into_iter().map(|tag| (tag.key, tag.value)).collect()
}

/// The answer of their ListTagsForResource.
pub(crate) fn told(tags: &BTreeMap<String, String>) -> Value {
    let list = tags.iter();
    let list = list.map(|(key, value)| json!({"Key": key, "Value": value}));
    json!({"Tags": list.collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_added_replaced_and_taken_away() {
        let tags = Tags::from_list(&json!([{"key": "a", "value": "1"}, {"key": "b"}])).unwrap();
        let tags = tags
            .with(&Tags::from_map(&json!({"a": "2"})).unwrap())
            .unwrap();
        assert_eq!(tags.to_map(), json!({"a": "2", "b": ""}));
        assert_eq!(
            tags.without(&["a"]).to_list(),
            json!([{"key": "b", "value": ""}])
        );
    }

    #[test]
    fn tags_that_aws_refuses_are_refused() {
        let many: Vec<Value> = (0..=MOST).map(|n| json!({"key": n.to_string()})).collect();
        for (list, words) in [
            (json!({"a": "1"}), "a list of key and value"),
            (json!([{"value": "1"}]), "a list of key and value"),
            (json!([{"key": ""}]), "1 to 128"),
            (json!([{"key": "k".repeat(129)}]), "1 to 128"),
            (
                json!([{"key": "k", "value": "v".repeat(257)}]),
                "at most 256",
            ),
            (json!([{"key": "AWS:x"}]), "AWS:x"),
            (Value::from(many), "at most 50"),
        ] {
            let error = Tags::from_list(&list).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
