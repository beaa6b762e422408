//! Reading an object of the definition.

use indexmap::IndexMap;

use crate::definition::fields::{Dynamic, PathField, ResultPath, StateId, StringField, Template};
use crate::diagnostic::{Diagnostic, Severity};
use crate::query::{Language, SyntaxError, jsonata, jsonpath, template};
use crate::value::{Map, Value};

/// Nested Map and Parallel states deeper than this are refused, so that compiling cannot overflow the stack.
pub(super) const MAX_NESTING: usize = 64;

pub(super) type Result<T> = std::result::Result<T, Box<Diagnostic>>;

/// The states that a name can refer to: those of the same block.
pub(super) type Names<'a> = IndexMap<&'a str, StateId>;

/// The state that a field names.
pub(super) fn target(names: &Names, name: &str, location: &str) -> Result<StateId> {
    names.get(name).copied().ok_or_else(|| {
        problem(
            "MISSING_TRANSITION_TARGET",
            location,
            format!("Missing 'Next' target: {name}"),
        )
    })
}

pub(super) fn problem(code: &str, location: &str, message: impl Into<String>) -> Box<Diagnostic> {
    Box::new(Diagnostic {
        severity: Severity::Error,
        code: code.to_string(),
        message: message.into(),
        location: location.to_string(),
        suggestion: None,
        position: None,
    })
}

/// An object of the definition and where it stands.
pub(super) struct Fields<'a> {
    pub(super) members: &'a Map,
    pub(super) location: String,
}

impl<'a> Fields<'a> {
    pub(super) fn of(value: &'a Value, location: String) -> Result<Fields<'a>> {
        match value.as_object() {
            Some(members) => Ok(Fields { members, location }),
            None => Err(problem(
                "SCHEMA_VALIDATION_FAILED",
                &location,
                "Value is not an object",
            )),
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.members.get(key)
    }

    pub(super) fn at(&self, key: &str) -> String {
        format!("{}/{key}", self.location)
    }

    pub(super) fn wrong(&self, key: &str, wanted: &str) -> Box<Diagnostic> {
        problem(
            "SCHEMA_VALIDATION_FAILED",
            &self.at(key),
            format!("Value is not {wanted}"),
        )
    }

    pub(super) fn syntax(&self, key: &str, error: SyntaxError) -> Box<Diagnostic> {
        let location = format!("{}{}", self.at(key), error.location);
        problem("SCHEMA_VALIDATION_FAILED", &location, error.message)
    }

    pub(super) fn missing(&self, key: &str) -> Box<Diagnostic> {
        problem(
            "SCHEMA_VALIDATION_FAILED",
            &self.location,
            format!("The field '{key}' should have had a value"),
        )
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => value
                .as_str()
                .map(Some)
                .ok_or_else(|| self.wrong(key, "a string")),
        }
    }

    pub(super) fn required_text(&self, key: &str) -> Result<&'a str> {
        self.text(key)?.ok_or_else(|| self.missing(key))
    }

    pub(super) fn child(&self, key: &str) -> Result<Option<Fields<'a>>> {
        self.get(key)
            .map(|value| Fields::of(value, self.at(key)))
            .transpose()
    }

    pub(super) fn children(&self, key: &str) -> Result<Vec<Fields<'a>>> {
        let Some(value) = self.get(key) else {
            return Ok(Vec::new());
        };
        let items = value
            .as_array()
            .ok_or_else(|| self.wrong(key, "an array"))?;
        items
            .iter()
            .enumerate()
            .map(|(index, item)| Fields::of(item, format!("{}[{index}]", self.at(key))))
            .collect()
    }

    pub(super) fn language(&self, inherited: Language) -> Result<Language> {
        match self.text("QueryLanguage")? {
            None => Ok(inherited),
            Some("JSONPath") => Ok(Language::JsonPath),
            Some("JSONata") => Ok(Language::Jsonata),
            Some(_) => Err(self.wrong("QueryLanguage", "one of JSONPath, JSONata")),
        }
    }

    pub(super) fn template(&self, key: &str, language: Language) -> Result<Option<Template>> {
        self.get(key)
            .map(|value| {
                Template::compile(language, value).map_err(|error| self.syntax(key, error))
            })
            .transpose()
    }

    pub(super) fn path(&self, key: &str) -> Result<PathField> {
        match self.get(key) {
            None => Ok(PathField::Whole),
            Some(Value::Null) => Ok(PathField::Nothing),
            Some(Value::String(text)) if &**text == "$" => Ok(PathField::Whole),
            Some(Value::String(text)) => jsonpath::Path::compile(text)
                .map(PathField::Path)
                .map_err(|error| self.syntax(key, error)),
            Some(_) => Err(self.wrong(key, "a path")),
        }
    }

    pub(super) fn result_path(&self) -> Result<ResultPath> {
        const KEY: &str = "ResultPath";
        match self.get(KEY) {
            None => Ok(ResultPath::Replace),
            Some(Value::Null) => Ok(ResultPath::Discard),
            Some(Value::String(text)) if &**text == "$" => Ok(ResultPath::Replace),
            Some(Value::String(text)) => jsonpath::ReferencePath::compile(text)
                .map(ResultPath::Insert)
                .map_err(|error| self.syntax(KEY, error)),
            Some(_) => Err(self.wrong(KEY, "a reference path")),
        }
    }

    /// A number under `key`, or a path under `path_key`, or a JSONata expression under `key`.
    pub(super) fn dynamic(
        &self,
        key: &'static str,
        path_key: &'static str,
        language: Language,
    ) -> Result<Option<Dynamic>> {
        if let (Some(text), Language::JsonPath) = (self.text(path_key)?, language) {
            let path =
                jsonpath::Path::compile(text).map_err(|error| self.syntax(path_key, error))?;
            return Ok(Some(Dynamic::Path {
                field: path_key,
                path,
                text: text.into(),
            }));
        }
        match self.get(key) {
            None => Ok(None),
            Some(Value::Number(number)) => {
                let number = number.as_f64().unwrap_or_default();
                Ok(Some(Dynamic::Literal { field: key, number }))
            }
            Some(Value::String(text))
                if language == Language::Jsonata && jsonata::is_expression(text) =>
            {
                let expression =
                    jsonata::Expr::compile(text).map_err(|error| self.syntax(key, error))?;
                Ok(Some(Dynamic::Jsonata {
                    field: key,
                    expression,
                }))
            }
            Some(_) => Err(self.wrong(key, "a number")),
        }
    }

    /// A string under `key`, or a path or intrinsic under `path_key`, or a JSONata expression under `key`.
    pub(super) fn string(
        &self,
        key: &'static str,
        path_key: &'static str,
        language: Language,
    ) -> Result<Option<StringField>> {
        if let (Some(text), Language::JsonPath) = (self.text(path_key)?, language) {
            let expression = template::Expression::compile(text)
                .map_err(|error| self.syntax(path_key, error))?;
            return Ok(Some(StringField::Path {
                field: path_key,
                expression,
                text: text.into(),
            }));
        }
        match self.text(key)? {
            None => Ok(None),
            Some(text) if language == Language::Jsonata && jsonata::is_expression(text) => {
                let expression =
                    jsonata::Expr::compile(text).map_err(|error| self.syntax(key, error))?;
                Ok(Some(StringField::Jsonata {
                    field: key,
                    expression,
                }))
            }
            Some(text) => Ok(Some(StringField::Literal(text.into()))),
        }
    }
}
