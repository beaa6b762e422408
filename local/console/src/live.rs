//! A page that is looked at: whatever of it changes is sent, as server-sent events.
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html>

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use futures::stream::{self, Stream, StreamExt as _};
use serde_json::json;
use tokio::sync::watch;

use crate::error::Failure;
use crate::page::{Page, Part};

/// Least time between two looks.
const PAUSE: Duration = Duration::from_millis(50);
/// A look takes at most this part of the time: whoever watches must not slow what is watched.
const SHARE: u32 = 25;
/// How soon the browser is to come back when the stream ends.
const RETRY: Duration = Duration::from_millis(500);

/// What a page shows, from one look to the next.
pub trait View: Send {
    /// The page as it is now; none if nothing has happened since the last look.
    fn look(&mut self) -> BoxFuture<'_, Result<Option<Page>, Failure>>;

    /// How often something may change of which nobody tells: a log, a bar that grows.
    fn tick(&self) -> Duration;
}

/// Sends what changes of a view until the browser goes.
pub fn follow(view: Box<dyn View>, changes: watch::Receiver<()>) -> Response {
    let watching = Watching {
        view,
        changes,
        sent: HashMap::new(),
        rest: None,
    };
    let keep = KeepAlive::new().interval(Duration::from_secs(10));
    Sse::new(events(watching)).keep_alive(keep).into_response()
}

struct Watching {
    view: Box<dyn View>,
    changes: watch::Receiver<()>,
    /// Hash of each part as it was sent last.
    sent: HashMap<&'static str, String>,
    /// How long to rest before the next look; none before the first.
    rest: Option<Duration>,
}

fn events(watching: Watching) -> impl Stream<Item = Result<Event, Infallible>> {
    let looks = stream::unfold(watching, |mut watching| async move {
        if let Some(rest) = watching.rest {
            tokio::time::sleep(rest).await;
            tokio::select! {
                // A sender that has gone tells of the end of the local cloud.
                changed = watching.changes.changed() => changed.ok()?,
                () = tokio::time::sleep(watching.view.tick()) => {}
            }
        }
        let began = Instant::now();
        watching.changes.mark_unchanged();
        let page = watching.view.look().await.ok()?;
        let events = page.map_or_else(Vec::new, |page| watching.news(page.parts));
        watching.rest = Some(PAUSE.max(began.elapsed() * (SHARE - 1)));
        Some((events, watching))
    });
    looks.flat_map(|events| stream::iter(events.into_iter().map(Ok)))
}

impl Watching {
    /// What is new, and after the first look the word that all is there.
    fn news(&mut self, parts: Vec<Part>) -> Vec<Event> {
        let first = self.sent.is_empty();
        let mut events = Vec::new();
        for Part { id, html, hash, .. } in parts {
            if self.sent.get(id) != Some(&hash) {
                let part = json!({"id": id, "hash": hash, "html": html});
                events.push(Event::default().event("part").data(part.to_string()));
                self.sent.insert(id, hash);
            }
        }
        if first {
            events.push(Event::default().event("whole").data("all").retry(RETRY));
        }
        events
    }
}
