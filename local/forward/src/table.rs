//! The table of services.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::{Arc, LazyLock, Mutex};

use serde::Deserialize;

use crate::shape::{Kind, Shape};

/// Made by `data/generate.py`.
const PACKED: &[u8] = include_bytes!("../data/services.jsonl.gz");

static LINES: LazyLock<String> = LazyLock::new(|| {
    let mut text = String::new();
    // What the build has put into the program can be unpacked; the tests do.
    let _ = flate2::read::GzDecoder::new(PACKED).read_to_string(&mut text);
    text
});

/// Services that were asked for, since reading one takes milliseconds.
static LOADED: Mutex<BTreeMap<String, Arc<Service>>> = Mutex::new(BTreeMap::new());

/// How a service is spoken to.
#[derive(Debug, Deserialize)]
pub struct Service {
    /// Its name in the scope of a signature.
    pub signing: String,
    /// The first part of its host at AWS.
    pub endpoint: String,
    /// How it is spoken to.
    pub protocol: Protocol,
    /// How the names of its errors begin.
    pub prefix: String,
    /// Version of AWS JSON.
    #[serde(default)]
    pub json: String,
    /// How `X-Amz-Target` begins.
    #[serde(default)]
    pub target: String,
    /// `Version` of a query.
    #[serde(default)]
    pub api: String,
    /// Its actions, as a Resource names them.
    pub operations: BTreeMap<String, Operation>,
    /// What numbers in kinds mean.
    pub shapes: Vec<Shape>,
}

/// A protocol.
/// <https://smithy.io/2.0/aws/protocols/index.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// AWS JSON 1.0 and 1.1.
    Json,
    /// JSON over REST.
    RestJson,
    /// Query.
    Query,
    /// EC2's kind of query.
    Ec2,
}

/// An action.
#[derive(Debug, Deserialize)]
#[serde(from = "Row")]
pub struct Operation {
    /// What it takes.
    pub input: Kind,
    /// What it answers.
    pub output: Kind,
    /// Its HTTP method.
    pub method: String,
    /// Its path, with `{Name}` for members of its input.
    pub path: String,
    /// The element around the answer.
    pub wrapper: Option<String>,
}

/// As it stands in the table, short.
#[derive(Deserialize)]
#[serde(untagged)]
enum Row {
    Wrapped(Kind, Kind, String, String, Option<String>),
    Routed(Kind, Kind, String, String),
    Plain(Kind, Kind),
}

impl From<Row> for Operation {
    fn from(row: Row) -> Operation {
        let (input, output, method, path, wrapper) = match row {
            Row::Wrapped(input, output, method, path, wrapper) => {
                (input, output, method, path, wrapper)
            }
            Row::Routed(input, output, method, path) => (input, output, method, path, None),
            Row::Plain(input, output) => (input, output, "POST".to_owned(), "/".to_owned(), None),
        };
        Operation {
            input,
            output,
            method,
            path,
            wrapper,
        }
    }
}

impl Service {
    /// The service of that name in an SDK integration.
    pub fn load(name: &str) -> Option<Arc<Service>> {
        // A panic while the lock was held has left a map that is as good as before.
        let mut loaded = match LOADED.lock() {
            Ok(loaded) => loaded,
            Err(poisoned) => poisoned.into_inner(),
        };
        if let Some(service) = loaded.get(name) {
            return Some(service.clone());
        }
        let line = lines().find(|(known, _)| *known == name)?.1;
        // The tests read every line.
        let service: Arc<Service> = Arc::new(serde_json::from_str(line).ok()?);
        loaded.insert(name.to_owned(), service.clone());
        Some(service)
    }

    /// What a kind means, if it is no plain one.
    pub fn shape(&self, kind: Kind) -> Option<&Shape> {
        match kind {
            Kind::Shape(number) => self.shapes.get(number),
            Kind::Plain(_) => None,
        }
    }
}

fn lines() -> impl Iterator<Item = (&'static str, &'static str)> {
    LINES.lines().filter_map(|line| line.split_once('\t'))
}

/// The names of all services.
pub fn names() -> Vec<&'static str> {
    lines().map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_can_be_read() {
        let names = names();
        assert!(names.len() > 400);
        let mut operations = 0;
        for (name, line) in lines() {
            let service: Service =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{name}: {error}"));
            operations += service.operations.len();
        }
        assert!(operations > 15_000);
    }

    #[test]
    fn error_names_begin_as_the_sdk_for_java_names_the_service() {
        // https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html
        for (name, prefix) in [
            ("acmpca", "AcmPca"),
            ("dynamodb", "DynamoDb"),
            ("ec2", "Ec2"),
            ("eventbridge", "EventBridge"),
            ("sqs", "Sqs"),
            ("secretsmanager", "SecretsManager"),
        ] {
            assert_eq!(Service::load(name).unwrap().prefix, prefix);
        }
    }
}
