//! The files that a job made, with the first rows of each where the job tells them.

use jobs::artifacts::S3Uri;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A file that a job made: an element of `files` in its output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Made {
    /// Where it is.
    pub uri: S3Uri,
    /// Where a click on it leads: to the object in the console of S3, unless whoever has the file knows better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Names of its columns.
    #[serde(default)]
    pub columns: Vec<String>,
    /// Its first rows.
    #[serde(default)]
    pub rows: Vec<Vec<String>>,
}

/// The files in the output of a job.
pub(crate) fn of(output: &Value) -> Vec<Made> {
    let files = output["files"].as_array().into_iter().flatten();
    files
        .filter_map(|file| serde_json::from_value(file.clone()).ok())
        .collect()
}

impl Made {
    /// The last part of its key.
    pub fn name(&self) -> &str {
        self.uri.key.rsplit('/').next().unwrap_or_default()
    }

    fn link(&self) -> String {
        let S3Uri { bucket, key, .. } = &self.uri;
        let console = || format!("https://console.aws.amazon.com/s3/object/{bucket}?prefix={key}");
        self.link.clone().unwrap_or_else(console)
    }

    pub(crate) fn render(&self) -> Markup {
        html! {
            h3 { a href=(self.link()) { (self.name()) } }
            p { code { (self.uri) } }
            @if !self.rows.is_empty() {
                div.scroll {
                    table {
                        thead { tr { @for column in &self.columns { th { (column) } } } }
                        tbody {
                            @for row in &self.rows { tr { @for cell in row { td { (cell) } } } }
                            tr { td colspan=(self.columns.len()) { small { "the first rows" } } }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_file_has_a_link_and_a_preview() {
        let output = json!({"files": [{"uri": "s3://b/jobs/j/monthly.parquet", "columns": ["city"], "rows": [["Seattle"]]}]});
        let mut files = of(&output);
        let page = files[0].render().into_string();
        assert!(
            page.contains("console.aws.amazon.com/s3/object/b?prefix=jobs/j/monthly.parquet"),
            "{page}"
        );
        assert!(page.contains("<td>Seattle</td>"), "{page}");
        files[0].link = Some("monthly.parquet".to_owned());
        assert!(
            files[0]
                .render()
                .into_string()
                .contains("href=\"monthly.parquet\"")
        );
        assert!(of(&json!({"files": 3})).is_empty());
    }
}
