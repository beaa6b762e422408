//! Templates are files that mean something as they are: in them a function is called `my-function`, a worker
//! `my-worker`. What is written has the wanted names instead, in every form in which a name occurs.

use crate::Name;

/// What stands in a template, and what is written in its place.
#[derive(Debug, Clone, Default)]
pub struct Fill(Vec<(String, String)>);

impl Fill {
    /// Nothing is replaced.
    pub fn new() -> Self {
        Self::default()
    }

    /// `name` stands for `sample` in all its forms.
    #[must_use]
    pub fn name(mut self, sample: &str, name: &Name) -> Self {
        let sample = Name::sample(sample);
        self.0.extend([
            (sample.normalized(), name.normalized()),
            (sample.pascal(), name.pascal()),
            (sample.snake(), name.snake()),
            (sample.kebab().to_owned(), name.kebab().to_owned()),
        ]);
        self
    }

    /// The template with everything replaced, in one pass: what was put in is not looked at again.
    pub fn apply(&self, template: &str) -> String {
        let (mut rest, mut written) = (template, String::with_capacity(template.len()));
        while let Some((at, sample, text)) = self.next(rest) {
            written.push_str(&rest[..at]);
            written.push_str(text);
            rest = &rest[at + sample.len()..];
        }
        written + rest
    }

    fn next(&self, rest: &str) -> Option<(usize, &str, &str)> {
        let found = self.0.iter().filter_map(|(sample, text)| {
            let at = rest.find(sample.as_str())?;
            Some((at, sample.as_str(), text.as_str()))
        });
        // Of two that begin at the same place the longer is meant.
        found.min_by_key(|(at, sample, _)| (*at, std::cmp::Reverse(sample.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_name_is_replaced_once() {
        let name = Name::new("my-function-two").unwrap();
        let fill = Fill::new().name("my-function", &name);
        assert_eq!(
            fill.apply("my-function my_function MyFunctionRole MyDashfunctionLambdaFunction"),
            "my-function-two my_function_two MyFunctionTwoRole MyDashfunctionDashtwoLambdaFunction"
        );
    }
}
