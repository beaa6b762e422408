//! JSON whose copies are cheap: strings, arrays and objects are shared, never duplicated, between branches.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use indexmap::IndexMap;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Number;

/// An object's members in their order of insertion. Made with `Map::default()`.
pub type Map = IndexMap<Arc<str>, Value, foldhash::fast::RandomState>;

/// A JSON value. Cloning costs at most one reference count.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// `null`
    #[default]
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A 64-bit integer or a double.
    Number(Number),
    /// A string.
    String(Arc<str>),
    /// An array.
    Array(Arc<Vec<Value>>),
    /// An object; its members keep their order.
    Object(Arc<Map>),
}

/// The text is not JSON.
#[derive(Debug, thiserror::Error)]
#[error("not valid JSON: {0}")]
pub struct ParseError(#[from] serde_json::Error);

impl Value {
    /// Reads one JSON document. Nesting deeper than 128 levels is refused.
    pub fn parse(text: &str) -> Result<Value, ParseError> {
        Ok(serde_json::from_str(text)?)
    }

    /// A string value.
    pub fn string(text: impl Into<Arc<str>>) -> Value {
        Value::String(text.into())
    }

    /// An array value.
    pub fn array(items: Vec<Value>) -> Value {
        Value::Array(Arc::new(items))
    }

    /// An object value from its members in order.
    pub fn object<K: Into<Arc<str>>>(members: impl IntoIterator<Item = (K, Value)>) -> Value {
        Value::Object(Arc::new(
            members.into_iter().map(|(k, v)| (k.into(), v)).collect(),
        ))
    }

    /// A number value; `null` for NaN and the infinities, which JSON cannot hold.
    pub fn number(number: f64) -> Value {
        Number::from_f64(number).map_or(Value::Null, Value::Number)
    }

    /// The member of an object, or `None` when there is none or this is not an object.
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Object(members) => members.get(key),
            _ => None,
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The number as a double.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Number(number) => number.as_f64(),
            _ => None,
        }
    }

    /// The number when it is an integer that fits.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Number(number) => number.as_i64(),
            _ => None,
        }
    }

    /// The items of an array.
    pub fn as_array(&self) -> Option<&Arc<Vec<Value>>> {
        match self {
            Value::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The members of an object.
    pub fn as_object(&self) -> Option<&Arc<Map>> {
        match self {
            Value::Object(members) => Some(members),
            _ => None,
        }
    }

    /// Whether both are the very same value in memory, which proves equality without a comparison.
    pub fn same(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::String(a), Value::String(b)) => Arc::ptr_eq(a, b),
            (Value::Array(a), Value::Array(b)) => Arc::ptr_eq(a, b),
            (Value::Object(a), Value::Object(b)) => Arc::ptr_eq(a, b),
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Number(a), Value::Number(b)) => a == b,
            _ => false,
        }
    }

    /// An empty object.
    pub fn empty_object() -> Value {
        Value::Object(Arc::new(Map::default()))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Number(value.into())
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Value {
        Value::Number(value.into())
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Value {
        Value::String(value.into())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Value {
        Value::String(value.into())
    }
}

impl From<Vec<Value>> for Value {
    fn from(value: Vec<Value>) -> Value {
        Value::array(value)
    }
}

impl From<Map> for Value {
    fn from(value: Map) -> Value {
        Value::Object(Arc::new(value))
    }
}

impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Value {
        use serde_json::Value as Json;
        match value {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(value),
            Json::Number(value) => Value::Number(value),
            Json::String(value) => Value::String(value.into()),
            Json::Array(items) => Value::array(items.into_iter().map(Value::from).collect()),
            Json::Object(members) => {
                Value::object(members.into_iter().map(|(k, v)| (k, Value::from(v))))
            }
        }
    }
}

impl From<&Value> for serde_json::Value {
    fn from(value: &Value) -> serde_json::Value {
        use serde_json::Value as Json;
        match value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Number(value) => Json::Number(value.clone()),
            Value::String(value) => Json::String(value.to_string()),
            Value::Array(items) => Json::Array(items.iter().map(Json::from).collect()),
            Value::Object(members) => Json::Object(
                members
                    .iter()
                    .map(|(k, v)| (k.to_string(), Json::from(v)))
                    .collect(),
            ),
        }
    }
}

impl From<Value> for serde_json::Value {
    fn from(value: Value) -> serde_json::Value {
        serde_json::Value::from(&value)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Number(value) => value.serialize(serializer),
            Value::String(value) => serializer.serialize_str(value),
            Value::Array(items) => {
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                for item in items.iter() {
                    seq.serialize_element(item)?;
                }
                seq.end()
            }
            Value::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (key, value) in members.iter() {
                    map.serialize_entry(&**key, value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        struct JsonVisitor;

        impl<'de> Visitor<'de> for JsonVisitor {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a JSON value")
            }
            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }
            fn visit_none<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }
            fn visit_some<D: Deserializer<'de>>(self, d: D) -> Result<Value, D::Error> {
                Value::deserialize(d)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
                Ok(Value::Bool(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
                Ok(Value::Number(value.into()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
                Ok(Value::Number(value.into()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
                Ok(Value::number(value))
            }
            fn visit_str<E>(self, value: &str) -> Result<Value, E> {
                Ok(Value::String(value.into()))
            }
            fn visit_string<E>(self, value: String) -> Result<Value, E> {
                Ok(Value::String(value.into()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Value::array(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
                let mut members = Map::default();
                while let Some((key, value)) = access.next_entry::<Arc<str>, Value>()? {
                    members.insert(key, value);
                }
                Ok(Value::from(members))
            }
        }

        deserializer.deserialize_any(JsonVisitor)
    }
}

/// Compact JSON, with doubles as AWS prints them: `4.3`, `1.0E10`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Number(number) => write_number(f, number),
            Value::String(text) => write_string(f, text),
            Value::Array(items) => {
                f.write_char('[')?;
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        f.write_char(',')?;
                    }
                    write!(f, "{item}")?;
                }
                f.write_char(']')
            }
            Value::Object(members) => {
                f.write_char('{')?;
                for (index, (key, value)) in members.iter().enumerate() {
                    if index > 0 {
                        f.write_char(',')?;
                    }
                    write_string(f, key)?;
                    f.write_char(':')?;
                    write!(f, "{value}")?;
                }
                f.write_char('}')
            }
        }
    }
}

/// Prints a number as Step Functions does, which is how Java's `Double.toString` prints it: a decimal from 10^-3 up
/// to 10^7, beyond that a mantissa and an exponent, always with at least one digit after the point.
pub(crate) fn write_number(f: &mut impl fmt::Write, number: &Number) -> fmt::Result {
    let Some(double) = number.as_f64().filter(|_| number.is_f64()) else {
        return write!(f, "{number}");
    };
    let magnitude = double.abs();
    if magnitude == 0.0 || (1e-3..1e7).contains(&magnitude) {
        return write!(f, "{double:?}");
    }
    let text = format!("{double:e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) if mantissa.contains('.') => write!(f, "{mantissa}E{exponent}"),
        Some((mantissa, exponent)) => write!(f, "{mantissa}.0E{exponent}"),
        None => f.write_str(&text),
    }
}

/// Prints a string with JSON's quotes and escapes.
pub(crate) fn write_string(f: &mut impl fmt::Write, text: &str) -> fmt::Result {
    f.write_char('"')?;
    let mut plain = 0;
    for (index, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            0..=0x1f => "",
            _ => continue,
        };
        f.write_str(&text[plain..index])?;
        plain = index + 1;
        if escape.is_empty() {
            write!(f, "\\u{byte:04X}")?;
        } else {
            f.write_str(escape)?;
        }
    }
    f.write_str(&text[plain..])?;
    f.write_char('"')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_print_as_java_prints_them() {
        for (text, printed) in [
            ("4.3", "4.3"),
            ("3", "3"),
            ("3.0", "3.0"),
            ("1e10", "1.0E10"),
            ("12345678.5", "1.23456785E7"),
            ("0.0001", "1.0E-4"),
            ("-0.001", "-0.001"),
            ("18446744073709551615", "18446744073709551615"),
        ] {
            assert_eq!(Value::parse(text).unwrap().to_string(), printed, "{text}");
        }
    }

    #[test]
    fn text_survives_the_round_trip() {
        let text = "{\"z\":[1,2.5,null,true],\"a\":{\"quote\":\"\\\"\\\\\\n\\u0001é\"},\"\":{}}";
        assert_eq!(Value::parse(text).unwrap().to_string(), text);
    }

    #[test]
    fn deep_nesting_is_refused() {
        let text = "[".repeat(100_000);
        assert!(Value::parse(&text).is_err());
    }
}
