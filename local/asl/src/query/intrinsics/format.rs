//! The templates of `States.Format`.

use crate::query::java;
use crate::value::Value;

/// A template cut at its `{}`: one more text than placeholders.
#[derive(Debug)]
pub(super) struct Format {
    texts: Vec<String>,
}

impl Format {
    /// Cuts the template; a backslash takes the meaning from the brace, quote or backslash after it.
    pub(super) fn parse(template: &str) -> Result<Format, String> {
        let mut texts = Vec::new();
        let mut text = String::new();
        let mut chars = template.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some(escaped @ ('{' | '}' | '\'' | '\\')) => text.push(escaped),
                    Some(other) => text.extend(['\\', other]),
                    None => text.push('\\'),
                },
                '{' if chars.next_if_eq(&'}').is_some() => texts.push(std::mem::take(&mut text)),
                '{' => {
                    return Err(
                        "Invalid template in States.Format: matching '}' not found for '{'."
                            .to_string(),
                    );
                }
                '}' => {
                    return Err(
                        "Invalid template in States.Format: matching '{' not found for '}'."
                            .to_string(),
                    );
                }
                _ => text.push(c),
            }
        }
        texts.push(text);
        Ok(Format { texts })
    }

    /// Fills the placeholders. `printed` may give the text of a value; otherwise it is printed as Java prints it.
    pub(super) fn render(
        &self,
        values: &[Value],
        printed: impl Fn(usize, &Value) -> Option<String>,
    ) -> Result<Value, String> {
        if values.len() + 1 != self.texts.len() {
            return Err(
                "Invalid arguments in States.Format: number of arguments do not match the occurrences of {}."
                    .to_string(),
            );
        }
        let mut result = self.texts[0].clone();
        for (index, (value, text)) in values.iter().zip(&self.texts[1..]).enumerate() {
            match printed(index, value) {
                Some(text) => result.push_str(&text),
                None => java::print_into(&mut result, value),
            }
            result.push_str(text);
        }
        Ok(Value::from(result))
    }
}
