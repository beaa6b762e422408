//! Requests that differ: placeholders in paths and bodies.

use std::time::{SystemTime, UNIX_EPOCH};

use rand::RngExt as _;
use rand::rngs::StdRng;

/// A text with placeholders, taken apart once.
///
/// - `{{seq}}`: number of the request in the whole test, from 0; no two generators use the same
/// - `{{uuid}}`: a random UUID
/// - `{{random 1 1000}}`: a whole number, both ends included
/// - `{{pick red green blue}}`: one of the words
/// - `{{time}}`: milliseconds since 1970
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(Vec<u8>),
    Seq,
    Uuid,
    Random(i64, i64),
    Pick(Vec<String>),
    Time,
}

/// A placeholder that is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// `{{` without `}}`.
    #[error("the placeholder that begins with \"{0}\" is not closed by }}}}")]
    Open(String),
    /// None of the known placeholders, or wrong arguments.
    #[error(
        "unknown placeholder {{{{{0}}}}}: use {{{{seq}}}}, {{{{uuid}}}}, {{{{random LOW HIGH}}}}, \
         {{{{pick WORD WORD ...}}}} or {{{{time}}}}"
    )]
    Unknown(String),
}

impl Template {
    /// Takes `text` apart.
    ///
    /// # Errors
    /// [`TemplateError`] when a placeholder is not closed or not known.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find("{{") {
            let (literal, from) = rest.split_at(at);
            let Some(end) = from.find("}}") else {
                return Err(TemplateError::Open(from.chars().take(20).collect()));
            };
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.as_bytes().to_vec()));
            }
            parts.push(placeholder(from[2..end].trim())?);
            rest = &from[end + 2..];
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.as_bytes().to_vec()));
        }
        Ok(Self(parts))
    }

    /// Whether every rendering is the same.
    pub fn is_fixed(&self) -> bool {
        self.0.iter().all(|part| matches!(part, Part::Literal(_)))
    }

    /// Appends one rendering to `out`.
    pub fn render(&self, seq: u64, random: &mut StdRng, out: &mut Vec<u8>) {
        use std::io::Write as _;
        for part in &self.0 {
            // Writing to a Vec cannot fail.
            let _ = match part {
                Part::Literal(bytes) => out.write_all(bytes),
                Part::Seq => write!(out, "{seq}"),
                Part::Uuid => write!(
                    out,
                    "{}",
                    uuid::Builder::from_random_bytes(random.random()).into_uuid()
                ),
                Part::Random(low, high) => write!(out, "{}", random.random_range(*low..=*high)),
                Part::Pick(words) => {
                    out.write_all(words[random.random_range(0..words.len())].as_bytes())
                }
                Part::Time => {
                    let now = SystemTime::now()
                        .duration_since(UNIX_EPOCH)
                        .unwrap_or_default();
                    write!(out, "{}", now.as_millis())
                }
            };
        }
    }
}

fn placeholder(text: &str) -> Result<Part, TemplateError> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let unknown = || TemplateError::Unknown(text.to_owned());
    match words.as_slice() {
        ["seq"] => Ok(Part::Seq),
        ["uuid"] => Ok(Part::Uuid),
        ["time"] => Ok(Part::Time),
        ["random", low, high] => match (low.parse::<i64>(), high.parse::<i64>()) {
            (Ok(low), Ok(high)) if low <= high => Ok(Part::Random(low, high)),
            _ => Err(unknown()),
        },
        ["pick", first, rest @ ..] => Ok(Part::Pick(
            std::iter::once(first)
                .chain(rest)
                .map(|&word| word.to_owned())
                .collect(),
        )),
        _ => Err(unknown()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    fn render(text: &str, seq: u64) -> String {
        let mut out = Vec::new();
        Template::parse(text)
            .unwrap()
            .render(seq, &mut StdRng::seed_from_u64(1), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn placeholders_are_filled_in() {
        assert_eq!(render("/items/{{seq}}?x={{ seq }}", 41), "/items/41?x=41");
        assert_eq!(render("plain {json}", 0), "plain {json}");
        assert_eq!(render("{{random 5 5}}{{pick a}}", 0), "5a");
        assert_eq!(render("{{uuid}}", 0).len(), 36);
        assert!(render("{{time}}", 0).parse::<u64>().unwrap() > 1_700_000_000_000);
        let number: i64 = render("{{random -3 3}}", 0).parse().unwrap();
        assert!((-3..=3).contains(&number));
    }

    #[test]
    fn only_literals_are_fixed() {
        assert!(Template::parse("/a").unwrap().is_fixed());
        assert!(Template::parse("").unwrap().is_fixed());
        assert!(!Template::parse("/{{seq}}").unwrap().is_fixed());
    }

    #[test]
    fn unknown_placeholders_are_refused() {
        assert_eq!(
            Template::parse("/{{seq"),
            Err(TemplateError::Open("{{seq".to_owned()))
        );
        for text in [
            "{{name}}",
            "{{random 1}}",
            "{{random 9 1}}",
            "{{pick}}",
            "{{}}",
        ] {
            assert!(
                matches!(Template::parse(text), Err(TemplateError::Unknown(_))),
                "{text}"
            );
        }
    }
}
