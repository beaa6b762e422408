//! The names of the two query languages.

/// Which language a state's expressions are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Paths and intrinsic functions, the default.
    JsonPath,
    /// `{% … %}` expressions.
    Jsonata,
}

impl Language {
    /// Both.
    pub const ALL: [Language; 2] = [Language::JsonPath, Language::Jsonata];

    /// The name that the field QueryLanguage has for it.
    pub const fn name(self) -> &'static str {
        match self {
            Language::JsonPath => "JSONPath",
            Language::Jsonata => "JSONata",
        }
    }

    /// The language of the name.
    pub fn parse(name: &str) -> Option<Language> {
        Language::ALL
            .into_iter()
            .find(|language| language.name() == name)
    }
}
