//! A page: a title, the way to it, and parts that are replaced one by one while somebody looks at it.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

/// A page.
pub struct Page {
    /// What stands in the browser's tab.
    pub title: String,
    /// The class of the page, which arranges its parts.
    pub class: &'static str,
    /// Names and addresses of the pages above it, the last of which is its own.
    pub way: Vec<(String, String)>,
    /// Its parts, in the order of reading.
    pub parts: Vec<Part>,
}

/// A part of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Names it within the page.
    pub id: &'static str,
    /// Where on the page it stands.
    pub place: Place,
    /// What is in it; empty for nothing at present.
    pub html: String,
    /// Tells whether it has changed.
    pub hash: String,
}

/// Where on a page a part stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Above the columns.
    Top,
    /// In the first column.
    Main,
    /// In the second one.
    Aside,
}

impl Part {
    /// A part.
    pub fn new(id: &'static str, place: Place, markup: Markup) -> Part {
        let html = markup.into_string();
        let mut hash = hex::encode(Sha256::digest(&html));
        hash.truncate(16);
        Part {
            id,
            place,
            html,
            hash,
        }
    }
}

impl Page {
    fn at(&self, place: Place) -> Markup {
        html! {
            @for part in self.parts.iter().filter(|part| part.place == place) {
                div.part id=(part.id) data-hash=(part.hash) { (PreEscaped(&part.html)) }
            }
        }
    }

    /// The whole document.
    pub fn document(&self, assets: &str) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (self.title) " · hybrid" }
                    link rel="icon" href={ (assets) "/icon.svg" };
                    link rel="stylesheet" href={ (assets) "/console.css" };
                    script defer src={ (assets) "/console.js" } {}
                }
                body class=(self.class) {
                    a.skip href="#content" { "To the content" }
                    header.top {
                        nav aria-label="Way" {
                            ol { @for (index, (name, address)) in self.way.iter().enumerate() {
                                li {
                                    @if index + 1 == self.way.len() {
                                        span aria-current="page" { (name) }
                                    } @else {
                                        a href=(address) { (name) }
                                    }
                                }
                            } }
                        }
                        p #live role="status" data-state="none" { "not live without JavaScript" }
                    }
                    main #content {
                        (self.at(Place::Top))
                        div.columns {
                            div { (self.at(Place::Main)) }
                            div { (self.at(Place::Aside)) }
                        }
                    }
                }
            }
        }
    }
}
