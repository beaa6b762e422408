//! A value in the document with its YAML path: reading a child resolves its variables and
//! intrinsics, so the typed reader sees plain values and every error names where it stands.

use serde_json::{Map, Value};

use super::intrinsics::Template;
use super::variables::invalid;
use super::{Env, StackError};

/// One resolved value and where it stands.
#[derive(Clone)]
pub struct Node<'a> {
    template: &'a Template,
    /// The value; its children are as written.
    pub value: Value,
    /// YAML path.
    pub at: String,
}

impl<'a> Node<'a> {
    /// Resolves `value`, which stands at `at`.
    pub fn new(template: &'a Template, value: &Value, at: String) -> Result<Node<'a>, StackError> {
        let value = template.resolve(value, &at)?;
        Ok(Node {
            template,
            value,
            at,
        })
    }

    /// An error at this node.
    pub fn error(&self, message: impl Into<String>) -> StackError {
        invalid(&self.at, message.into())
    }

    fn expected<T>(&self, what: &str) -> Result<T, StackError> {
        Err(self.error(format!("expected {what}, found {}", self.value)))
    }

    /// Child at `key`; absent and null are the same.
    pub fn get(&self, key: &str) -> Result<Option<Node<'a>>, StackError> {
        let object = match &self.value {
            Value::Object(object) => object,
            Value::Null => return Ok(None),
            _ => return self.expected("a mapping"),
        };
        let Some(child) = object.get(key).filter(|child| !child.is_null()) else {
            return Ok(None);
        };
        let child = Node::new(self.template, child, format!("{}.{key}", self.at))?;
        Ok((!child.value.is_null()).then_some(child))
    }

    /// Child at `key`, as written.
    pub fn raw(&self, key: &str) -> Option<&Value> {
        self.value.get(key)
    }

    /// Child at `key`, which must be there.
    pub fn require(&self, key: &str) -> Result<Node<'a>, StackError> {
        self.get(key)?
            .ok_or_else(|| self.error(format!("`{key}` is missing")))
    }

    /// Children of a list.
    pub fn items(&self) -> Result<Vec<Node<'a>>, StackError> {
        let Value::Array(items) = &self.value else {
            return self.expected("a list");
        };
        let nodes = items.iter().enumerate();
        let nodes = nodes
            .map(|(index, item)| Node::new(self.template, item, format!("{}.{index}", self.at)));
        nodes
            .filter(|node| !node.as_ref().is_ok_and(|node| node.value.is_null()))
            .collect()
    }

    /// Children of the list at `key`; none when absent.
    pub fn list(&self, key: &str) -> Result<Vec<Node<'a>>, StackError> {
        self.get(key)?.map_or(Ok(Vec::new()), |node| node.items())
    }

    /// Keys and children of a mapping; null children are left out.
    pub fn entries(&self) -> Result<Vec<(String, Node<'a>)>, StackError> {
        let Value::Object(object) = &self.value else {
            return self.expected("a mapping");
        };
        let mut entries = Vec::with_capacity(object.len());
        for key in object.keys() {
            if let Some(child) = self.get(key)? {
                entries.push((key.clone(), child));
            }
        }
        Ok(entries)
    }

    /// The value with everything inside it resolved. A null in it is refused as CloudFormation refuses
    /// one; what `AWS::NoValue` stands for is left out.
    pub fn deep(&self) -> Result<Value, StackError> {
        let null = |key: &dyn std::fmt::Display| {
            let at = format!("{}.{key}", self.at);
            invalid(&at, "null values are not allowed in templates".into())
        };
        match &self.value {
            Value::Array(items) => {
                if let Some(index) = items.iter().position(Value::is_null) {
                    return Err(null(&index));
                }
                let items = self.items()?;
                items
                    .iter()
                    .map(Node::deep)
                    .collect::<Result<_, _>>()
                    .map(Value::Array)
            }
            Value::Object(entries) => {
                if let Some((key, _)) = entries.iter().find(|(_, value)| value.is_null()) {
                    return Err(null(key));
                }
                let mut object = Map::new();
                for (key, child) in self.entries()? {
                    object.insert(key, child.deep()?);
                }
                Ok(Value::Object(object))
            }
            plain => Ok(plain.clone()),
        }
    }

    /// The value with everything inside it resolved, nulls as they are.
    pub fn deep_with_nulls(&self) -> Result<Value, StackError> {
        let child = |key: &dyn std::fmt::Display, value: &Value| {
            if value.is_null() {
                return Ok(Value::Null);
            }
            Node::new(self.template, value, format!("{}.{key}", self.at))?.deep_with_nulls()
        };
        match &self.value {
            Value::Array(items) => {
                let items = items.iter().enumerate();
                items.map(|(index, item)| child(&index, item)).collect()
            }
            Value::Object(entries) => {
                let entries = entries.iter();
                let entries = entries.map(|(key, value)| Ok((key.clone(), child(key, value)?)));
                entries.collect::<Result<_, _>>().map(Value::Object)
            }
            plain => Ok(plain.clone()),
        }
    }

    /// A string; numbers and booleans read as CloudFormation reads them.
    pub fn string(&self) -> Result<String, StackError> {
        match &self.value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(_) | Value::Bool(_) => Ok(self.value.to_string()),
            _ => self.expected("a string"),
        }
    }

    /// A number, also when written as a string.
    pub fn number(&self) -> Result<f64, StackError> {
        let number = match &self.value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number
            .filter(|number| number.is_finite())
            .map_or_else(|| self.expected("a number"), Ok)
    }

    /// A whole number that is not negative.
    pub fn integer(&self) -> Result<u64, StackError> {
        let number = self.number()?;
        // 2^53: every whole number up to here is exact in an f64.
        let whole = number.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&number);
        if whole {
            Ok(number as u64)
        } else {
            self.expected("a whole number")
        }
    }

    /// A boolean, also when written as a string.
    pub fn boolean(&self) -> Result<bool, StackError> {
        match &self.value {
            Value::Bool(value) => Ok(*value),
            Value::String(text) if text == "true" => Ok(true),
            Value::String(text) if text == "false" => Ok(false),
            _ => self.expected("true or false"),
        }
    }

    /// String at `key`.
    pub fn opt_string(&self, key: &str) -> Result<Option<String>, StackError> {
        self.get(key)?.map(|node| node.string()).transpose()
    }

    /// Whole number at `key`.
    pub fn opt_integer(&self, key: &str) -> Result<Option<u64>, StackError> {
        self.get(key)?.map(|node| node.integer()).transpose()
    }

    /// List of strings at `key`; a single string is a list of one.
    pub fn strings(&self, key: &str) -> Result<Vec<String>, StackError> {
        match self.get(key)? {
            None => Ok(Vec::new()),
            Some(node) if node.value.is_string() => Ok(vec![node.string()?]),
            Some(node) => node.items()?.iter().map(Node::string).collect(),
        }
    }

    /// Mapping of strings at `key`.
    pub fn string_map(&self, key: &str) -> Result<Env, StackError> {
        let Some(node) = self.get(key)? else {
            return Ok(Env::new());
        };
        node.entries()?
            .into_iter()
            .map(|(key, value)| Ok((key, value.string()?)))
            .collect()
    }

    /// `[{Name, Value}]` at `key`, the form of ECS and Batch.
    pub fn name_value_pairs(&self, key: &str) -> Result<Env, StackError> {
        let pairs = self.list(key)?.into_iter();
        pairs
            .map(|pair| {
                Ok((
                    pair.require("Name")?.string()?,
                    pair.require("Value")?.string()?,
                ))
            })
            .collect()
    }
}
