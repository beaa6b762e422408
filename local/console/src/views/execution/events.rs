//! The events, page by page, and one of them whole.

use asl::HistoryEvent;
use maud::{Markup, html};
use serde_json::Value;

use super::choice::Choice;
use crate::Console;
use crate::error::Failure;
use crate::parts::document;
use crate::trace::Trace;
use crate::words::{grouped, seconds};

/// Events of a page.
const PAGE: usize = 100;

/// The events of the page that is chosen.
pub struct Events {
    page: usize,
    pages: usize,
    rows: Vec<HistoryEvent>,
    whole: Option<HistoryEvent>,
}

/// Reads the page that is chosen, without one the last.
pub async fn read(
    console: &Console,
    arn: &str,
    trace: &Trace,
    choice: &Choice,
) -> Result<Events, Failure> {
    let pages = trace.read().div_ceil(PAGE).max(1);
    let page = choice.events.unwrap_or(usize::MAX).min(pages - 1);
    let whole = choice.event.and_then(|id| usize::try_from(id).ok());
    let look = move |history: &[HistoryEvent]| {
        let rows: Vec<HistoryEvent> = history
            .iter()
            .skip(page * PAGE)
            .take(PAGE)
            .cloned()
            .collect();
        let whole = whole.and_then(|id| history.get(id.checked_sub(1)?).cloned());
        (rows, whole)
    };
    let (rows, whole) = console.0.sfn.look_at_history(arn, look).await?;
    Ok(Events {
        page,
        pages,
        rows,
        whole,
    })
}

/// The table.
pub fn events(arn: &str, trace: &Trace, choice: &Choice, events: &Events) -> Markup {
    let &Events { page, pages, .. } = events;
    let to = |page: usize| choice.address(arn, |choice| choice.events = Some(page));
    html! {
        h2 { "Events " small { (grouped(trace.read())) } }
        @if let Some(event) = &events.whole {
            (document("event", &format!("Event {}", event.id), Some(&Value::from(event.to_json()).to_string())))
        }
        div.scroll tabindex="0" role="region" aria-label="Events" { table.events {
            thead { tr { th.number scope="col" { "id" } th.number scope="col" { "seconds" } th scope="col" { "type" }
                th scope="col" { "what" } th.number scope="col" { "after" } } }
            tbody { @for event in events.rows.iter().rev() { tr {
                td.number { a href=(choice.address(arn, |choice| { choice.event = Some(event.id); choice.events = Some(page); })) data-soft { (event.id) } }
                td.number { (format!("{:.3}", trace.began.map_or(0.0, |began| seconds(began, event.timestamp)))) }
                td { (event.type_name()) }
                td { (subject(event)) }
                td.number { (event.previous_event_id) }
            } } }
        } }
        @if pages > 1 {
            p.pager {
                @if page > 0 { a href=(to(0)) data-soft { "First" } a href=(to(page - 1)) data-soft { "Earlier" } }
                span { "page " (grouped(page + 1)) " of " (grouped(pages)) }
                @if page + 1 < pages { a href=(to(page + 1)) data-soft { "Later" } }
                @if choice.events.is_some() { a href=(choice.address(arn, |choice| choice.events = None)) data-soft { "Last" } }
            }
        }
    }
}

/// The words that tell one event from its like: a state's name, an iteration, a resource, an error.
fn subject(event: &HistoryEvent) -> String {
    let event = Value::from(event.to_json());
    let members = event.as_object().into_iter().flatten();
    let details = members.filter(|(key, _)| key.ends_with("EventDetails"));
    let words = details.flat_map(|(_, details)| {
        ["name", "index", "resourceType", "resource", "error"].map(|key| match &details[key] {
            Value::String(text) => text.clone(),
            Value::Number(number) => format!("[{number}]"),
            _ => String::new(),
        })
    });
    words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}
