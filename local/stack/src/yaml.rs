//! YAML to JSON values. CloudFormation's short tags become their long form (`!Ref x` is
//! `{"Ref": "x"}`), merge keys (`<<`) are merged, key order is kept.

use std::path::Path;

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Number, Value, json};

use super::StackError;

/// Parses the single YAML document in `text`; `path` is for the error message.
pub fn parse(text: &str, path: &Path) -> Result<Value, StackError> {
    let documents = Yaml::load_from_str(text).map_err(|error| syntax(path, error.to_string()))?;
    match documents.as_slice() {
        [] => Ok(Value::Null),
        [document] => convert(document).map_err(|message| syntax(path, message)),
        _ => Err(syntax(path, "more than one YAML document; keep one".into())),
    }
}

fn syntax(path: &Path, message: String) -> StackError {
    StackError::Syntax {
        path: path.to_owned(),
        message,
    }
}

fn convert(yaml: &Yaml<'_>) -> Result<Value, String> {
    match yaml {
        Yaml::Value(scalar) => Ok(convert_scalar(scalar)),
        Yaml::Sequence(items) => items
            .iter()
            .map(convert)
            .collect::<Result<_, _>>()
            .map(Value::Array),
        Yaml::Mapping(mapping) => {
            let mut object = Map::with_capacity(mapping.len());
            for (key, value) in mapping {
                let (key, value) = (convert_key(key)?, convert(value)?);
                match key.as_str() {
                    "<<" => merge(&mut object, value),
                    _ => {
                        object.insert(key, value);
                    }
                }
            }
            Ok(Value::Object(object))
        }
        Yaml::Tagged(tag, inner) => convert_tagged(&tag.suffix, convert(inner)?),
        Yaml::Representation(text, ..) => Ok(Value::String(text.to_string())),
        Yaml::Alias(_) => Err("an alias names an anchor that does not exist".into()),
        Yaml::BadValue => Err("a scalar does not fit its tag".into()),
    }
}

fn convert_scalar(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(value) => Value::Bool(*value),
        Scalar::Integer(value) => Value::from(*value),
        Scalar::FloatingPoint(value) => {
            Number::from_f64(value.into_inner()).map_or(Value::Null, Value::Number)
        }
        Scalar::String(value) => Value::String(value.to_string()),
    }
}

fn convert_key(key: &Yaml<'_>) -> Result<String, String> {
    match convert(key)? {
        Value::String(key) => Ok(key),
        Value::Number(key) => Ok(key.to_string()),
        Value::Bool(key) => Ok(key.to_string()),
        other => Err(format!("a mapping key must be a string, not {other}")),
    }
}

/// A key written beside `<<` wins over the merged one, wherever it stands.
fn merge(object: &mut Map<String, Value>, value: Value) {
    match value {
        Value::Object(merged) => {
            for (key, value) in merged {
                object.entry(key).or_insert(value);
            }
        }
        Value::Array(list) => list.into_iter().for_each(|value| merge(object, value)),
        _ => {}
    }
}

/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html>
fn convert_tagged(tag: &str, value: Value) -> Result<Value, String> {
    match tag {
        "Ref" | "Condition" => Ok(json!({ tag: value })),
        // `!GetAtt A.B` splits at the first dot: attribute names may hold dots, logical ids may not.
        "GetAtt" => match &value {
            Value::String(text) => match text.split_once('.') {
                Some((id, attribute)) => Ok(json!({ "Fn::GetAtt": [id, attribute] })),
                None => Err(format!("!GetAtt {text}: expected LogicalId.Attribute")),
            },
            _ => Ok(json!({ "Fn::GetAtt": value })),
        },
        "Sub" | "Join" | "If" | "Equals" | "Not" | "And" | "Or" | "Select" | "Split"
        | "FindInMap" | "ImportValue" | "GetAZs" | "Base64" | "Cidr" | "Transform" => {
            Ok(json!({ format!("Fn::{tag}"): value }))
        }
        _ => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_tags_become_long_forms() {
        let text = "a: !Ref X\nb: !GetAtt X.Endpoint.Address\nc: !Sub '${X}-1'\nd: !Join ['', [!Ref X, b]]\n\
                    e: !If [C, 1, 2]\nf: 2012-10-17\ng: 0.5\nh: '1'\n";
        assert_eq!(
            parse(text, Path::new("t.yml")).unwrap(),
            json!({
                "a": {"Ref": "X"}, "b": {"Fn::GetAtt": ["X", "Endpoint.Address"]}, "c": {"Fn::Sub": "${X}-1"},
                "d": {"Fn::Join": ["", [{"Ref": "X"}, "b"]]}, "e": {"Fn::If": ["C", 1, 2]},
                "f": "2012-10-17", "g": 0.5, "h": "1",
            })
        );
    }

    #[test]
    fn merge_keys_do_not_override() {
        let text = "base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\n";
        assert_eq!(
            parse(text, Path::new("t.yml")).unwrap()["use"],
            json!({"x": 1, "y": 3})
        );
    }

    #[test]
    fn syntax_errors_name_file_and_line() {
        let error = parse("a: [1\nb: 2\n", Path::new("serverless.yml"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("serverless.yml") && error.contains("line"),
            "{error}"
        );
    }
}
