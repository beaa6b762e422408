//! A page that says one thing: what went wrong, or what came out.

use maud::{Markup, html};

use super::home;
use crate::error::Failure;
use crate::links;
use crate::page::{Page, Part, Place};

/// A page with one thing to say.
pub fn notice(title: &str, said: Markup) -> Page {
    Page {
        title: title.to_owned(),
        class: "notice",
        way: vec![home(), (title.to_owned(), String::new())],
        parts: vec![Part::new(
            "said",
            Place::Top,
            html! { h1 { (title) } (said) },
        )],
    }
}

/// Why something was not shown or done.
pub fn failure(failure: &Failure) -> Page {
    let said = html! {
        p.bad role="alert" { (failure) }
        p { a href=(links::overview()) { "To the overview" } }
    };
    notice("Not done", said)
}
