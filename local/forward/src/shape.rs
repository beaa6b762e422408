//! Shapes of what goes to a service and comes from it, as the table has them.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Kind {
    /// The shape of that number.
    Shape(usize),
    /// A plain value.
    Plain(Plain),
}

/// A plain value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Plain {
    /// A string.
    #[serde(rename = "s")]
    Text,
    /// A whole number.
    #[serde(rename = "i")]
    Integer,
    /// Any number.
    #[serde(rename = "f")]
    Float,
    /// A truth value.
    #[serde(rename = "b")]
    Boolean,
    /// Bytes.
    #[serde(rename = "B")]
    Blob,
    /// A moment as `2026-11-30T12:00:00Z`.
    #[serde(rename = "t")]
    Iso,
    /// A moment as seconds since the Unix epoch.
    #[serde(rename = "u")]
    Seconds,
    /// A moment as in HTTP headers.
    #[serde(rename = "r")]
    HttpDate,
    /// JSON that needs no change.
    #[serde(rename = "j")]
    AsItIs,
}

/// A composite value.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Shape {
    /// A list: its items, and the name of an item's element unless it has none of its own.
    List(ListTag, Kind, Option<String>),
    /// A map: its values, and the names of an entry (unless it has none), a key and a value.
    Map(MapTag, Kind, Option<String>, String, String),
    /// A structure: its members by the name that states use.
    Structure(BTreeMap<String, Member>),
}

#[derive(Debug, Deserialize)]
pub enum ListTag {
    #[serde(rename = "list")]
    List,
}

#[derive(Debug, Deserialize)]
pub enum MapTag {
    #[serde(rename = "map")]
    Map,
}

/// A member of a structure.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Member {
    /// With the same name on the wire.
    Same(Kind),
    /// With a name of its own on the wire.
    Named(Kind, String),
    /// Somewhere else than in the body.
    Placed(Kind, String, Place),
}

/// Where a member goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// Into the path.
    Uri,
    /// Into the query string.
    QueryString,
    /// Into a header.
    Header,
    /// Into headers that begin so.
    Headers,
    /// It is the status code.
    Status,
    /// It is the body.
    Payload,
}

impl Member {
    pub fn kind(&self) -> Kind {
        match self {
            Member::Same(kind) | Member::Named(kind, _) | Member::Placed(kind, ..) => *kind,
        }
    }

    /// The name on the wire, `state` being that in states.
    pub fn wire<'a>(&'a self, state: &'a str) -> &'a str {
        match self {
            Member::Same(_) => state,
            Member::Named(_, wire) | Member::Placed(_, wire, _) => wire,
        }
    }

    pub fn place(&self) -> Option<Place> {
        match self {
            Member::Same(_) | Member::Named(..) => None,
            Member::Placed(_, _, place) => Some(*place),
        }
    }
}
