//! What of an execution is chosen to be seen: it stands in the page's address.

use crate::links::{self, Fields};
use crate::trace::{Outcome, Trace, Visit};

/// What is chosen.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// The event with which a visit began.
    pub visit: Option<u64>,
    /// The name of a state, of which the visit that tells most is meant.
    pub state: Option<String>,
    /// Which visits the timeline has.
    pub show: Show,
    /// The page of the timeline, from 0.
    pub rows: usize,
    /// The page of the events, from 0; without one the last.
    pub events: Option<usize>,
    /// The event that is shown whole.
    pub event: Option<u64>,
}

/// Which visits the timeline has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Show {
    /// All.
    #[default]
    All,
    /// Those that failed.
    Failed,
    /// Those that go on.
    Running,
}

impl Show {
    /// All of them, in the order of the page.
    pub const ALL: [Show; 3] = [Show::All, Show::Failed, Show::Running];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Show::All => "all",
            Show::Failed => "failed",
            Show::Running => "running",
        }
    }

    /// Whether it has a visit.
    pub fn has(self, visit: &Visit) -> bool {
        match self {
            Show::All => true,
            Show::Failed => matches!(visit.outcome, Outcome::Failed | Outcome::Caught),
            Show::Running => visit.outcome == Outcome::Running,
        }
    }
}

impl Choice {
    /// What a query says; what it does not say well is not chosen.
    pub fn of(query: &Fields) -> Choice {
        let number = |name: &str| query.get(name).and_then(|text| text.parse::<u64>().ok());
        let place = |name| number(name).and_then(|number| usize::try_from(number).ok());
        let show = query.get("show").map_or("", String::as_str);
        let show = Show::ALL.into_iter().find(|one| one.word() == show);
        Choice {
            visit: number("visit"),
            state: query.get("state").cloned(),
            show: show.unwrap_or_default(),
            rows: place("rows").unwrap_or_default(),
            events: place("events"),
            event: number("event"),
        }
    }

    /// Whether a state is chosen.
    pub fn is_made(&self) -> bool {
        self.visit.is_some() || self.state.is_some()
    }

    /// The visit that is chosen.
    pub fn visit(&self, trace: &Trace) -> Option<usize> {
        match (self.visit, &self.state) {
            (Some(event), _) => trace.begun_by(event),
            (None, Some(state)) => trace.telling(state),
            (None, None) => None,
        }
    }

    /// The address of the same with a change.
    pub fn address(&self, arn: &str, change: impl FnOnce(&mut Choice)) -> String {
        let mut choice = self.clone();
        change(&mut choice);
        let number = |number: Option<u64>| number.map_or_else(String::new, |it| it.to_string());
        let show = match choice.show {
            Show::All => String::new(),
            show => show.word().to_owned(),
        };
        let rows = match choice.rows {
            0 => String::new(),
            page => page.to_string(),
        };
        let fields = [
            ("visit", number(choice.visit)),
            ("state", choice.state.unwrap_or_default()),
            ("show", show),
            ("rows", rows),
            (
                "events",
                choice.events.map_or_else(String::new, |it| it.to_string()),
            ),
            ("event", number(choice.event)),
        ];
        links::with(&links::execution(arn), &fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_stands_in_the_address() {
        let query = links::fields(b"visit=7&show=failed&rows=2&events=x&state=a+b");
        let choice = Choice::of(&query);
        assert_eq!(
            (choice.visit, choice.show, choice.rows),
            (Some(7), Show::Failed, 2)
        );
        assert_eq!(choice.events, None);
        let address = choice.address("arn", |choice| choice.rows = 0);
        assert_eq!(
            address,
            "/_console/executions/arn?visit=7&state=a+b&show=failed"
        );
    }
}
