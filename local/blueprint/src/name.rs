//! The names of functions, workers, pipelines and projects, checked before anything is written.

use crate::Error;

/// Words that cannot name a crate: Rust's own, and crates that every program has.
/// <https://doc.rust-lang.org/reference/keywords.html>
const TAKEN: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "union",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];

/// Crates that every function or worker depends on: a package of that name would stand for two.
const DEPENDENCIES: &[&str] = &[
    "input",
    "jobs",
    "lambda-runtime",
    "placement",
    "serde",
    "serde-json",
    "thiserror",
    "tokio",
    "tracing",
];

/// A function's name has at most 64 letters, with the service, the stage and two dashes before this one.
/// <https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html>
const LONGEST: usize = 32;

/// A bucket's name has at most 63 letters: this one, the stage, the account's 12 digits, the region.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
const LONGEST_PROJECT: usize = 24;

/// A name in small letters, digits and single dashes, as Cargo, Lambda, ECR and Step Functions all take it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// Checks the name of a function, worker or pipeline.
    ///
    /// # Errors
    /// [`Error::Name`] says what is wrong with it.
    pub fn new(text: &str) -> Result<Self, Error> {
        Self::checked(text, LONGEST)
    }

    /// Checks the name of a project.
    ///
    /// # Errors
    /// As [`Name::new`].
    pub fn of_project(text: &str) -> Result<Self, Error> {
        Self::checked(text, LONGEST_PROJECT)
    }

    fn checked(text: &str, longest: usize) -> Result<Self, Error> {
        let refuse = |why: String| {
            Err(Error::Name {
                name: text.to_owned(),
                why,
            })
        };
        let legal = |letter: char| matches!(letter, 'a'..='z' | '0'..='9' | '-');
        if !text.starts_with(|first: char| first.is_ascii_lowercase()) {
            return refuse("it begins with a small letter".to_owned());
        }
        if let Some(other) = text.chars().find(|letter| !legal(*letter)) {
            return refuse(format!(
                "{other:?} is none of small letters, digits and dashes, of which Cargo, Lambda and ECR all take names"
            ));
        }
        if text.ends_with('-') || text.contains("--") {
            return refuse("a dash stands alone between letters".to_owned());
        }
        if text.len() > longest {
            return refuse(format!(
                "it has {} letters, {longest} are possible beside what stands around it in the names of AWS",
                text.len()
            ));
        }
        if TAKEN.contains(&text) {
            return refuse("it is a word of Rust".to_owned());
        }
        if DEPENDENCIES.contains(&text) {
            return refuse("it is a crate that functions and workers use".to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    /// The name that a template uses.
    pub(crate) fn sample(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// `my-worker`.
    pub fn kebab(&self) -> &str {
        &self.0
    }

    /// `my_worker`, as a crate is called in Rust.
    pub fn snake(&self) -> String {
        self.0.replace('-', "_")
    }

    /// `MyWorker`, as logical ids begin.
    pub fn pascal(&self) -> String {
        self.0.split('-').map(capital).collect()
    }

    /// `MyDashworker`, as the Serverless Framework begins the logical id of a function and of its log group.
    /// <https://github.com/oss-serverless/serverless/blob/main/lib/plugins/aws/lib/naming.js>
    pub fn normalized(&self) -> String {
        capital(&self.0.replace('-', "Dash"))
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_a_form_for_each_place() {
        let name = Name::new("canary-router-2").unwrap();
        assert_eq!(name.kebab(), "canary-router-2");
        assert_eq!(name.snake(), "canary_router_2");
        assert_eq!(name.pascal(), "CanaryRouter2");
        assert_eq!(name.normalized(), "CanaryDashrouterDash2");
    }

    #[test]
    fn what_some_service_would_refuse_is_refused_first() {
        for (text, why) in [
            ("", "begins with a small letter"),
            ("2nd", "begins with a small letter"),
            ("a_b", "'_' is none of"),
            ("aB", "'B' is none of"),
            ("a/b", "'/' is none of"),
            ("a--b", "stands alone"),
            ("a-", "stands alone"),
            ("loop", "a word of Rust"),
            ("jobs", "a crate that"),
            (&"a".repeat(33), "33 letters"),
        ] {
            let error = Name::new(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(Name::of_project(&"a".repeat(24)).is_ok());
        assert!(Name::of_project(&"a".repeat(25)).is_err());
    }
}
