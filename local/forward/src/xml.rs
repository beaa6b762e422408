//! XML answers of the query protocols.

use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::{Map, Value};

use crate::document::from_base64;
use crate::shape::{Kind, Plain, Shape};
use crate::table::Service;
use crate::time;

/// An element, without its attributes and name space.
#[derive(Debug, Default, PartialEq)]
pub struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// Reads a document.
    ///
    /// # Errors
    /// What is no XML, or has no element.
    pub fn parse(text: &str) -> Result<Element, String> {
        let mut reader = Reader::from_str(text);
        let mut open = vec![Element::default()];
        loop {
            match reader.read_event().map_err(|error| error.to_string())? {
                Event::Start(start) => open.push(Element::named(start.local_name().as_ref())),
                Event::Empty(start) => {
                    let element = Element::named(start.local_name().as_ref());
                    push(&mut open, element);
                }
                Event::End(_) => {
                    if let Some(element) = open.pop() {
                        push(&mut open, element);
                    }
                }
                Event::Text(part) => {
                    let part = part.decode().map_err(|error| error.to_string())?;
                    add_text(&mut open, &part);
                }
                Event::CData(part) => {
                    let part = part.decode().map_err(|error| error.to_string())?;
                    add_text(&mut open, &part);
                }
                Event::GeneralRef(reference) => {
                    let name = reference.decode().map_err(|error| error.to_string())?;
                    let escaped = format!("&{name};");
                    let part = quick_xml::escape::unescape(&escaped);
                    add_text(&mut open, &part.map_err(|error| error.to_string())?);
                }
                Event::Eof => break,
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            }
        }
        let mut document = open.into_iter().next().unwrap_or_default();
        document
            .children
            .pop()
            .ok_or_else(|| "no element".to_owned())
    }

    fn named(name: &[u8]) -> Element {
        Element {
            name: String::from_utf8_lossy(name).into_owned(),
            ..Element::default()
        }
    }

    /// The first child of that name.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    fn all<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text of the first element of that name, however deep.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        if self.name == name {
            return Some(self.text.trim());
        }
        self.children.iter().find_map(|child| child.text_of(name))
    }
}

fn push(open: &mut [Element], element: Element) {
    if let Some(parent) = open.last_mut() {
        parent.children.push(element);
    }
}

fn add_text(open: &mut [Element], part: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(part);
    }
}

/// What a state gets for an element.
pub fn decode(service: &Service, kind: Kind, element: &Element) -> Value {
    match service.shape(kind) {
        None => plain(kind, element.text.trim()),
        Some(Shape::List(_, item, name)) => {
            let name = name.as_deref().unwrap_or("member");
            list(service, *item, element.all(name))
        }
        Some(Shape::Map(_, value, entry, key_name, value_name)) => {
            let entries = element.all(entry.as_deref().unwrap_or("entry"));
            map(service, *value, entries, key_name, value_name)
        }
        Some(Shape::Structure(members)) => {
            let mut object = Map::new();
            for (state, member) in members {
                let wire = member.wire(state);
                if element.child(wire).is_none() {
                    continue;
                }
                let value = match service.shape(member.kind()) {
                    // One without an element of its own: the items stand beside the other members.
                    Some(Shape::List(_, item, None)) => list(service, *item, element.all(wire)),
                    Some(Shape::Map(_, value, None, key_name, value_name)) => {
                        map(service, *value, element.all(wire), key_name, value_name)
                    }
                    _ => element
                        .child(wire)
                        .map_or(Value::Null, |child| decode(service, member.kind(), child)),
                };
                object.insert(state.clone(), value);
            }
            Value::Object(object)
        }
    }
}

fn list<'e>(service: &Service, item: Kind, elements: impl Iterator<Item = &'e Element>) -> Value {
    elements
        .map(|element| decode(service, item, element))
        .collect()
}

fn map<'e>(
    service: &Service,
    kind: Kind,
    entries: impl Iterator<Item = &'e Element>,
    key_name: &str,
    value_name: &str,
) -> Value {
    let entries = entries.filter_map(|entry| {
        let key = entry.child(key_name)?.text.trim().to_owned();
        let value = decode(service, kind, entry.child(value_name)?);
        Some((key, value))
    });
    Value::Object(entries.collect())
}

fn plain(kind: Kind, text: &str) -> Value {
    let own = || Value::from(text);
    match kind {
        Kind::Plain(Plain::Integer) => text.parse::<i64>().map_or_else(|_| own(), Value::from),
        Kind::Plain(Plain::Float) => text.parse::<f64>().map_or_else(|_| own(), Value::from),
        Kind::Plain(Plain::Boolean) => text.parse::<bool>().map_or_else(|_| own(), Value::from),
        Kind::Plain(Plain::Blob) => Value::from(from_base64(text)),
        Kind::Plain(Plain::Seconds) => match text.parse::<f64>() {
            Ok(seconds) => time::from_seconds(&Value::from(seconds)),
            Err(_) => own(),
        },
        Kind::Plain(Plain::Text | Plain::Iso | Plain::HttpDate | Plain::AsItIs)
        | Kind::Shape(_) => own(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn answers_are_read_by_their_shapes() {
        let sns = Service::load("sns").unwrap();
        let attributes = &sns.operations["getTopicAttributes"];
        let text = "<R xmlns='u'><GetTopicAttributesResult><Attributes><entry><key>Owner</key><value>1 &amp; 2</value>\
                    </entry></Attributes></GetTopicAttributesResult></R>";
        let element = Element::parse(text).unwrap();
        let element = element
            .child(attributes.wrapper.as_deref().unwrap())
            .unwrap();
        assert_eq!(
            decode(&sns, attributes.output, element),
            json!({ "Attributes": { "Owner": "1 & 2" } })
        );
        let ec2 = Service::load("ec2").unwrap();
        let text = "<R><reservationSet><item><instancesSet><item><instanceId>i</instanceId><ebsOptimized>true</ebsOptimized>\
                    <amiLaunchIndex>0</amiLaunchIndex></item></instancesSet></item></reservationSet></R>";
        assert_eq!(
            decode(
                &ec2,
                ec2.operations["describeInstances"].output,
                &Element::parse(text).unwrap()
            ),
            json!({ "Reservations": [{ "Instances": [{ "AmiLaunchIndex": 0, "EbsOptimized": true, "InstanceId": "i" }] }] })
        );
        assert!(Element::parse("no xml").is_err());
    }
}
