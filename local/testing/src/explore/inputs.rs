//! Inputs after the schema beside a definition: the sample, and what lies one change away from it.

use serde_json::{Map, Value, json};

/// The longest array that is tried.
const MOST_ITEMS: usize = 1_000;

/// How deep a schema is followed.
const DEPTH: usize = 8;

/// An input to try.
#[derive(Clone, Debug)]
pub(super) struct Input {
    pub value: Value,
    /// Whether the schema allows it.
    pub allowed: bool,
}

/// The inputs, the sample first, without repetition.
pub(super) fn inputs(sample: Option<&Value>, schema: Option<&Value>) -> Vec<Input> {
    let Some(schema) = schema else {
        // Without a schema the sample alone is known to be allowed.
        let sample = sample.map(|sample| Input {
            value: sample.clone(),
            allowed: true,
        });
        let empty = Input {
            value: json!({}),
            allowed: false,
        };
        return sample.into_iter().chain([empty]).collect();
    };
    let generator = Generator { root: schema };
    let first = sample
        .cloned()
        .unwrap_or_else(|| generator.least(schema, 0));
    let mut values = vec![first.clone()];
    values.extend(generator.variants(schema, &first, 0));
    values.push(generator.least(schema, 0));
    values.extend(generator.instead(schema, &first));
    values.push(json!({}));
    let validator = jsonschema::validator_for(schema).ok();
    let mut inputs: Vec<Input> = Vec::new();
    for value in values {
        if inputs.iter().all(|other| other.value != value) {
            let allowed = validator
                .as_ref()
                .is_some_and(|validator| validator.is_valid(&value));
            inputs.push(Input { value, allowed });
        }
    }
    inputs
}

struct Generator<'a> {
    root: &'a Value,
}

impl<'a> Generator<'a> {
    /// The schema behind references.
    fn resolved(&self, schema: &'a Value) -> &'a Value {
        let mut schema = schema;
        for _ in 0..DEPTH {
            let target = schema["$ref"]
                .as_str()
                .and_then(|reference| reference.strip_prefix('#'));
            match target.and_then(|pointer| self.root.pointer(pointer)) {
                Some(target) => schema = target,
                None => break,
            }
        }
        schema
    }

    /// The schema itself, or the first of several.
    fn first(&self, schema: &'a Value) -> &'a Value {
        let schema = self.resolved(schema);
        if schema.get("type").is_some() || schema.get("enum").is_some() {
            return schema;
        }
        let forms = schema["oneOf"]
            .as_array()
            .or_else(|| schema["anyOf"].as_array());
        forms
            .and_then(|forms| forms.first())
            .map_or(schema, |form| self.resolved(form))
    }

    /// The least that the schema allows.
    fn least(&self, schema: &'a Value, depth: usize) -> Value {
        let schema = self.first(schema);
        if let Some(value) = schema.get("const").or_else(|| schema["enum"].get(0)) {
            return value.clone();
        }
        if depth > DEPTH {
            return Value::Null;
        }
        match schema["type"].as_str() {
            Some("object") => {
                let properties = &schema["properties"];
                let required = schema["required"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str);
                let mut object: Map<String, Value> = required
                    .map(|name| (name.to_owned(), self.least(&properties[name], depth + 1)))
                    .collect();
                let more = schema["minProperties"].as_u64().unwrap_or_default() as usize;
                for (name, property) in properties.as_object().into_iter().flatten() {
                    if object.len() < more {
                        object.insert(name.clone(), self.least(property, depth + 1));
                    }
                }
                Value::Object(object)
            }
            Some("array") => {
                let items = schema["minItems"].as_u64().unwrap_or_default() as usize;
                vec![self.least(&schema["items"], depth + 1); items.min(MOST_ITEMS)].into()
            }
            Some("string") => text(schema).into(),
            Some("integer") => json!(
                bounds(schema, 1.0)
                    .first()
                    .map_or(0.0, |least| least.ceil()) as i64
            ),
            Some("number") => json!(bounds(schema, 0.5).first().copied().unwrap_or(0.5)),
            Some("boolean") => json!(true),
            _ => Value::Null,
        }
    }

    /// Values one change away from `value`.
    fn variants(&self, schema: &'a Value, value: &Value, depth: usize) -> Vec<Value> {
        let schema = self.resolved(schema);
        if depth > DEPTH {
            return Vec::new();
        }
        let mut variants: Vec<Value> = schema["enum"].as_array().cloned().unwrap_or_default();
        for form in schema["oneOf"]
            .as_array()
            .into_iter()
            .chain(schema["anyOf"].as_array())
            .flatten()
        {
            variants.push(self.least(form, depth + 1));
        }
        match (value, schema["type"].as_str()) {
            (Value::Object(members), _) => variants.extend(self.objects(schema, members, depth)),
            (Value::Array(items), _) => variants.extend(self.arrays(schema, items, depth)),
            (Value::Bool(value), _) => variants.push(json!(!value)),
            (Value::Number(_), Some("integer")) => {
                variants.extend(
                    bounds(schema, 1.0)
                        .into_iter()
                        .map(|bound| json!(bound as i64)),
                );
            }
            (Value::Number(_), _) => {
                variants.extend(bounds(schema, 0.01).into_iter().map(|bound| json!(bound)));
            }
            _ => {}
        }
        variants
    }

    fn objects(&self, schema: &'a Value, members: &Map<String, Value>, depth: usize) -> Vec<Value> {
        let mut variants = Vec::new();
        let with = |name: &str, value: Value| {
            let mut changed = members.clone();
            changed.insert(name.to_owned(), value);
            Value::Object(changed)
        };
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let Some(member) = members.get(name) else {
                let least = self.least(property, depth + 1);
                variants.extend(
                    self.variants(property, &least, depth + 1)
                        .into_iter()
                        .map(|value| with(name, value)),
                );
                variants.push(with(name, least));
                continue;
            };
            variants.extend(
                self.variants(property, member, depth + 1)
                    .into_iter()
                    .map(|value| with(name, value)),
            );
            let mut without = members.clone();
            without.shift_remove(name);
            variants.push(Value::Object(without));
        }
        variants
    }

    fn arrays(&self, schema: &'a Value, items: &[Value], depth: usize) -> Vec<Value> {
        let mut variants = Vec::new();
        let Some(first) = items.first() else {
            variants.push(vec![self.least(&schema["items"], depth + 1)].into());
            return variants;
        };
        for value in self.variants(&schema["items"], first, depth + 1) {
            let mut changed = items.to_vec();
            changed[0] = value;
            variants.push(changed.into());
        }
        let least = schema["minItems"].as_u64().unwrap_or_default() as usize;
        if least < items.len() {
            variants.push(items[..least].into());
            variants.push(items[..least.max(1)].into());
        }
        if let Some(most) = schema["maxItems"].as_u64() {
            let most = (most as usize).min(MOST_ITEMS);
            variants.push(items.iter().cycle().take(most).cloned().collect());
        }
        variants
    }

    /// The object with a property that it has not, in place of each other one.
    fn instead(&self, schema: &'a Value, value: &Value) -> Vec<Value> {
        let Some(members) = value.as_object() else {
            return Vec::new();
        };
        let absent = schema["properties"].as_object().into_iter().flatten();
        let absent = absent.filter(|(name, _)| !members.contains_key(*name));
        absent
            .flat_map(|(name, property)| {
                members.keys().map(|other| {
                    let mut changed = members.clone();
                    changed.shift_remove(other);
                    changed.insert(name.clone(), self.least(property, 1));
                    Value::Object(changed)
                })
            })
            .collect()
    }
}

/// The least and the greatest number; a number more where a bound is exclusive, `step` inside.
fn bounds(schema: &Value, step: f64) -> Vec<f64> {
    let bound = |name: &str| schema[name].as_f64();
    let least = bound("minimum").or_else(|| bound("exclusiveMinimum").map(|bound| bound + step));
    let most = bound("maximum").or_else(|| bound("exclusiveMaximum").map(|bound| bound - step));
    least.into_iter().chain(most).collect()
}

/// A text that fits the pattern, if one of the usual kinds does.
fn text(schema: &Value) -> String {
    let pattern = schema["pattern"]
        .as_str()
        .and_then(|pattern| regex::Regex::new(pattern).ok());
    let kinds = [
        "a",
        "1",
        "https://example.com/a",
        "s3://bucket/key",
        "2026-01-01T00:00:00Z",
        "a@example.com",
    ];
    let hex = "0".repeat(64);
    let fits = |text: &&str| {
        pattern
            .as_ref()
            .is_none_or(|pattern| pattern.is_match(text))
    };
    kinds
        .into_iter()
        .chain([hex.as_str()])
        .find(fits)
        .unwrap_or("a")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_one_change_from_the_sample_is_tried() {
        let schema = json!({
            "type": "object", "required": ["n"],
            "properties": {
                "n": {"type": "integer", "minimum": 1, "maximum": 9},
                "mode": {"enum": ["a", "b"]},
                "list": {"type": "array", "maxItems": 3, "items": {"$ref": "#/$defs/x"}},
            },
            "$defs": {"x": {"type": "object", "properties": {"id": {"type": "string", "pattern": "^https:"}}}},
        });
        let found = inputs(Some(&json!({"n": 5, "list": [{}]})), Some(&schema));
        let allowed: Vec<&Value> = found
            .iter()
            .filter(|input| input.allowed)
            .map(|input| &input.value)
            .collect();
        for expected in [
            json!({"n": 5, "list": [{}]}),
            json!({"n": 1, "list": [{}]}),
            json!({"n": 9, "list": [{}]}),
            json!({"n": 5, "list": [{}], "mode": "b"}),
            json!({"n": 5}),
            json!({"n": 5, "list": []}),
            json!({"n": 5, "list": [{}, {}, {}]}),
            json!({"n": 5, "list": [{"id": "https://example.com/a"}]}),
            json!({"n": 1}),
        ] {
            assert!(
                allowed.contains(&&expected),
                "{expected} is not among {allowed:?}"
            );
        }
        assert!(
            found
                .iter()
                .any(|input| !input.allowed && input.value == json!({"list": [{}]}))
        );
    }
}
