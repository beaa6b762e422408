//! Small pieces of markup that several pages have.

use asl::Timestamp;
use maud::{Markup, html};
use serde_json::Value;

use crate::words;

/// Characters of a document that are shown.
const MOST: usize = 20_000;

/// A status with its sign and its colour.
pub fn badge(word: &str) -> Markup {
    let class = word.to_ascii_lowercase();
    html! { span class={ "badge " (class) } { (word) } }
}

/// How long something took, or takes up to now, which the page counts by itself.
pub fn duration(from: Timestamp, to: Option<Timestamp>) -> Markup {
    match to {
        Some(to) => html! { span.number { (words::lasted(words::seconds(from, to))) } },
        None => html! {
            span.number data-since=(from.0 / 1_000) {
                (words::lasted(words::seconds(from, cloud::time::now())))
            }
        },
    }
}

/// A moment, which the page shows in the time zone of its reader.
pub fn moment(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (words::moment(at)) " UTC" } }
}

/// A JSON document under a heading; nothing where there is none.
pub fn document(id: &str, title: &str, value: Option<&str>) -> Markup {
    let Some(text) = value else {
        return html! {};
    };
    let text = pretty(text);
    let cut = text.char_indices().nth(MOST).map(|(at, _)| at);
    let label = format!("{id}-label");
    html! {
        div.document {
            h3 id=(label) { (title) }
            button.copy type="button" data-copy-of=(id) aria-label={ "Copy " (title.to_lowercase()) } hidden { "Copy" }
            pre id=(id) tabindex="0" role="group" aria-labelledby=(label) { (text[..cut.unwrap_or(text.len())]) }
            @if cut.is_some() {
                p.hint { "The first " (words::grouped(MOST)) " characters of " (words::grouped(text.chars().count())) "." }
            }
        }
    }
}

/// A text as people read it, if it is JSON.
fn pretty(text: &str) -> String {
    let value = serde_json::from_str::<Value>(text);
    value.map_or_else(|_| text.to_owned(), |value| format!("{value:#}"))
}

/// A button that copies a text.
pub fn copy(label: &str, text: &str) -> Markup {
    html! { button type="button" data-copy=(text) hidden { (label) } }
}

/// The command that starts an execution with an input.
pub fn start_command(machine: &str, input: &str) -> String {
    // Within single quotes a shell takes everything but a single quote as it is.
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    format!(
        "aws stepfunctions start-execution --state-machine-arn {} --input {}",
        quoted(machine),
        quoted(input)
    )
}

/// The member of a form that shows that it comes from a page of this console.
pub fn token(token: &str) -> Markup {
    html! { input type="hidden" name="token" value=(token); }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_one_whatever_the_input_is() {
        let command = start_command("m", r#"{"it's": "$HOME"}"#);
        assert!(
            command.ends_with(r#"--input '{"it'\''s": "$HOME"}'"#),
            "{command}"
        );
    }
}
