//! The graph of a state machine, laid out in layers: as SVG for a page or a file, or as Mermaid for a text.
//!
//! Pure: a definition goes in, text comes out, and the same definition always gives the same text. A drawing follows
//! light and dark, needs no script and no font, and everything in it that comes from the definition is escaped.
//!
//! ```
//! use graph::{Graph, Mark, Marks};
//!
//! let graph = Graph::parse(r#"{"StartAt":"Nap","States":{
//!     "Nap":{"Type":"Wait","Seconds":60,"Next":"Done"},
//!     "Done":{"Type":"Succeed"}}}"#)?;
//!
//! let mut marks = Marks::default();
//! marks.states.insert("Nap".to_owned(), Mark::class("running"));
//! let svg = graph.svg(&marks);
//! assert!(svg.contains(r#"class="state wait running" id="state-Nap" data-state="Nap""#));
//! assert!(graph.mermaid().starts_with("flowchart TD\n"));
//! # Ok::<(), graph::Error>(())
//! ```
//!
//! # Attributes to rely on
//!
//! | element | attributes |
//! |---|---|
//! | the drawing | `svg.asl-graph` |
//! | a state | `g.state`, its type in lower case as a class, `data-state="NAME"`, an id ([`state_id`]) |
//! | a transition | `g.edge`, one of `next`, `choice`, `default`, `catch`, `entry` as a class, `data-edge="NUMBER"` ([`Edge::id`]), `data-from`, `data-to` |
//!
//! Classes of states that have colours: `running`, `succeeded`, `failed`, `caught`, `aborted` for an execution;
//! `covered`, `partly`, `missed` for tests, which edges have too, and `taken` for edges of an execution. A page that
//! has its own switch for dark and light gives the class `dark` or `light` to the drawing.

mod condition;
mod layout;
mod mermaid;
mod model;
mod svg;
mod text;
mod thumbnail;

pub use model::{Edge, Error, Graph, State, Via};
pub use svg::{Mark, Marks, state_id, style};
