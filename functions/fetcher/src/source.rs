//! A source and how its rows are made alike.

use delimited::Delimiter;
use input::{self, InvalidInput};
use jobs::artifacts::S3Uri;
use reqwest::Url;
use serde::Deserialize;
use time::format_description::OwnedFormatItem;
use time::format_description::parse_owned;

/// Where data come from and what is taken of them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Source {
    /// Names the result, `[A-Za-z0-9_-]{1,64}`.
    pub name: String,
    /// `http://`, `https://` or `s3://`.
    pub url: String,
    /// How rows are written. Gzip is recognised and undone.
    pub format: Format,
    /// What separates the cells of CSV: `,` when absent, `;`, a tab or `|`.
    #[serde(default)]
    pub delimiter: Option<String>,
    /// The columns of the result, in order.
    pub fields: Vec<Field>,
    /// SHA-256 of the bytes as downloaded, in hexadecimal, when it is known.
    #[serde(default)]
    pub sha256: Option<String>,
    /// Share of rows that may be left out because a field cannot be read; more is an error.
    #[serde(default)]
    pub max_rejected: f64,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Format {
    /// Values separated by commas or another delimiter, with a header line.
    Csv,
    /// One JSON object a line.
    JsonLines,
    /// Parquet, compressed by Snappy, gzip or Zstandard inside.
    Parquet,
}

/// One column of the result.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Described")]
pub struct Field {
    /// Its name in the result.
    pub name: String,
    /// Its name in the source; the same when absent.
    pub from: Option<String>,
    /// Whether a row may be without it; its cell is then empty in the result.
    pub optional: bool,
    /// What it holds.
    pub kind: Kind,
}

/// A field as a request writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    name: String,
    from: Option<String>,
    #[serde(default)]
    optional: bool,
    #[serde(rename = "type")]
    kind: KindName,
    pattern: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum KindName {
    Text,
    Integer,
    Float,
    Timestamp,
}

impl TryFrom<Described> for Field {
    type Error = &'static str;

    fn try_from(described: Described) -> Result<Self, Self::Error> {
        let kind = match (described.kind, described.pattern) {
            (KindName::Text, None) => Kind::Text,
            (KindName::Integer, None) => Kind::Integer,
            (KindName::Float, None) => Kind::Float,
            (KindName::Timestamp, pattern) => Kind::Timestamp { pattern },
            (_, Some(_)) => return Err("unknown field `pattern`, which only a TIMESTAMP has"),
        };
        let Described {
            name,
            from,
            optional,
            ..
        } = described;
        Ok(Self {
            name,
            from,
            optional,
            kind,
        })
    }
}

/// What a column holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A whole number; `5.0` is one.
    Integer,
    /// A finite number.
    Float,
    /// A point in time or a day; written as `2010-01-31T23:00:00`.
    Timestamp {
        /// As <https://time-rs.github.io/book/api/format-description.html> describes, for example
        /// `[year]/[month]/[day] [hour]:[minute]`. A column of Parquet that holds moments needs none.
        pattern: Option<String>,
    },
}

impl Field {
    /// Its name in the source.
    pub fn origin(&self) -> &str {
        self.from.as_deref().unwrap_or(&self.name)
    }
}

fn check_url(text: &str) -> Result<(), InvalidInput> {
    let refuse = |message: &str| Err(InvalidInput::new("$.source.url", message));
    if text.starts_with("s3://") {
        let uri: Result<S3Uri, _> = text.parse();
        return uri.map(drop).map_err(|error| error.under("$.source.url"));
    }
    match Url::parse(text) {
        Ok(url) if !["http", "https"].contains(&url.scheme()) => {
            refuse("expected http://, https:// or s3://")
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            refuse("holds a user name or password, which the history of the execution would show")
        }
        Ok(_) => Ok(()),
        Err(error) => refuse(&format!("not a URL: {error}")),
    }
}

impl Source {
    /// Refuses what cannot be meant, by its JSON path.
    pub fn check(&self) -> Result<(), InvalidInput> {
        let refuse =
            |path: &str, message: &str| Err(InvalidInput::new(format!("$.source.{path}"), message));
        input::name("$.source.name", &self.name)?;
        check_url(&self.url)?;
        if self.fields.is_empty() {
            return refuse("fields", "expected at least one field");
        }
        if !(0.0..=1.0).contains(&self.max_rejected) {
            return refuse("maxRejected", "expected a share from 0 to 1");
        }
        let hexadecimal =
            |text: &String| text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit());
        if !self.sha256.as_ref().is_none_or(hexadecimal) {
            return refuse("sha256", "expected 64 hexadecimal digits");
        }
        if self.delimiter.is_some() && self.format != Format::Csv {
            return refuse("delimiter", "only CSV has one");
        }
        self.cells()?;
        self.readers().map(drop)
    }

    /// What separates the cells of CSV.
    pub fn cells(&self) -> Result<Delimiter, InvalidInput> {
        let Some(text) = &self.delimiter else {
            return Ok(Delimiter::Comma);
        };
        let is_meant = |one: &Delimiter| one.character().to_string() == *text;
        Delimiter::ALL.into_iter().find(is_meant).ok_or_else(|| {
            let message = format!("expected `,`, `;`, `|` or a tab, found `{text}`");
            InvalidInput::new("$.source.delimiter", message)
        })
    }

    /// A reader for each field.
    pub fn readers(&self) -> Result<Vec<Reader>, InvalidInput> {
        let reader = |(index, field): (usize, &Field)| {
            Ok(match &field.kind {
                Kind::Text => Reader::Text,
                Kind::Integer => Reader::Integer,
                Kind::Float => Reader::Float,
                Kind::Timestamp { pattern: None } => match self.format {
                    Format::Parquet => Reader::Moment,
                    Format::Csv | Format::JsonLines => {
                        let message = "missing field `pattern`, which a TIMESTAMP has";
                        return Err(InvalidInput::new(
                            format!("$.source.fields[{index}]"),
                            message,
                        ));
                    }
                },
                Kind::Timestamp {
                    pattern: Some(pattern),
                } => Reader::Timestamp(parse_owned::<2>(pattern).map_err(|error| {
                    InvalidInput::new(
                        format!("$.source.fields[{index}].pattern"),
                        error.to_string(),
                    )
                })?),
            })
        };
        self.fields.iter().enumerate().map(reader).collect()
    }
}

/// Reads the text of one field.
#[derive(Debug, Clone)]
pub enum Reader {
    /// Any text.
    Text,
    /// A whole number.
    Integer,
    /// A finite number.
    Float,
    /// A point in time.
    Timestamp(OwnedFormatItem),
    /// A point in time that is no text in the source.
    Moment,
}

impl Reader {
    /// The text in the form of the result; none when it cannot be read.
    pub fn read(&self, text: &str) -> Option<String> {
        let text = text.trim();
        match self {
            Reader::Text => Some(text.to_owned()),
            Reader::Integer => integer(text).map(|number| number.to_string()),
            Reader::Float => text
                .parse::<f64>()
                .ok()
                .filter(|number| number.is_finite())
                .map(|n| n.to_string()),
            Reader::Moment => None,
            Reader::Timestamp(pattern) => {
                let whole = time::PrimitiveDateTime::parse(text, pattern).ok();
                let moment =
                    whole.or_else(|| Some(time::Date::parse(text, pattern).ok()?.midnight()))?;
                let (date, clock) = (moment.date(), moment.time());
                Some(format!(
                    "{date}T{:02}:{:02}:{:02}",
                    clock.hour(),
                    clock.minute(),
                    clock.second()
                ))
            }
        }
    }
}

/// A whole number as data frames write it, `5` or `5.0`.
fn integer(text: &str) -> Option<i64> {
    /// Beyond it not every whole number is an f64.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let whole = |number: &f64| number.fract() == 0.0 && number.abs() <= EXACT;
    let decimal = || {
        text.parse()
            .ok()
            .filter(whole)
            .map(|number: f64| number as i64)
    };
    text.parse().ok().or_else(decimal)
}
