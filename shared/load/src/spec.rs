//! What is to be tested: the description a person writes, checked before any request is made.

use std::collections::BTreeMap;

use crate::histogram::MAX_MICROS;
use crate::threshold::Threshold;
use http::{HeaderName, HeaderValue, Method};
use serde::{Deserialize, Serialize};

use crate::arrivals::{Profile, Spread, Stage};
use crate::error::Error;

/// A load test, as written in the input of the state machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoadTest {
    /// `http://` or `https://` URL; its path may hold placeholders (see [`crate::template::Template`]).
    pub url: String,
    /// HTTP method.
    #[serde(default = "get")]
    pub method: String,
    /// Additional headers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Body of every request; may hold placeholders.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// Protocol version.
    #[serde(default)]
    pub http: Version,
    /// Open or closed loop.
    pub load: Load,
    /// Seconds of load before the measurement begins: an open loop at the rate of its first stage.
    #[serde(default)]
    pub warmup_seconds: f64,
    /// Milliseconds after the intended start at which a request without complete response has failed; at most an
    /// hour.
    #[serde(default = "ten_seconds")]
    pub timeout_ms: u64,
    /// Whether connections are used for more than one request.
    #[serde(default = "yes")]
    pub keep_alive: bool,
    /// What a good response is.
    #[serde(default)]
    pub expect: Expect,
    /// Conditions that make the test pass or fail.
    #[serde(default)]
    pub thresholds: Vec<Threshold>,
    /// Redirects (at most 10) that are followed before the test to find the URL to test. During the test
    /// a redirect is a response like any other.
    #[serde(default)]
    pub follow_redirects: u32,
    /// Makes random arrivals and placeholders repeatable.
    #[serde(default)]
    pub seed: u64,
    /// Threads of each generator; one per processor when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<u32>,
    /// PEM certificates to trust besides the system's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trusted_pem: String,
}

/// Protocol version. HTTP/2 is spoken with prior knowledge on `http://` and by ALPN on `https://`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Version {
    /// HTTP/1.1.
    #[default]
    #[serde(rename = "1.1")]
    Http1,
    /// HTTP/2.
    #[serde(rename = "2")]
    Http2,
}

/// How the load is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    deny_unknown_fields,
    rename_all_fields = "camelCase"
)]
pub enum Load {
    /// Requests leave on schedule, whatever the server does. Latency counts from the intended start, so a
    /// stall of the server is seen by every request it would have hit (no coordinated omission).
    Open {
        /// How arrivals are spread.
        #[serde(default)]
        arrivals: Spread,
        /// The rate over time, for the whole test.
        stages: Vec<Stage>,
        /// The most connections of the whole test at once (with HTTP/2: concurrent streams).
        #[serde(default = "five_hundred")]
        max_connections: u32,
    },
    /// Each connection sends the next request when it has the response of the one before.
    Closed {
        /// Connections of the whole test (with HTTP/2: concurrent streams).
        connections: u32,
        /// Length in seconds.
        seconds: f64,
    },
}

/// What a good response is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expect {
    /// Status codes (`200`) or classes (`2xx`); 200 to 399 when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub status: Vec<StatusSet>,
    /// A text that the body must contain, within its first MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_contains: Option<String>,
    /// The whole body, shorter than 1 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_equals: Option<String>,
}

/// A status code or a class of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StatusSet {
    first: u16,
    last: u16,
}

impl TryFrom<String> for StatusSet {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || {
            format!("\"{text}\" is not a status: write a code such as 200 or a class such as 2xx")
        };
        if let Some(class) = text.strip_suffix("xx") {
            let class: u16 = class.parse().map_err(|_| wrong())?;
            return if (1..=5).contains(&class) {
                Ok(Self {
                    first: class * 100,
                    last: class * 100 + 99,
                })
            } else {
                Err(wrong())
            };
        }
        match text.parse() {
            Ok(code @ 100..=599) => Ok(Self {
                first: code,
                last: code,
            }),
            _ => Err(wrong()),
        }
    }
}

impl From<StatusSet> for String {
    fn from(set: StatusSet) -> Self {
        if set.first == set.last {
            set.first.to_string()
        } else {
            format!("{}xx", set.first / 100)
        }
    }
}

impl Expect {
    /// Whether a response with this status is good.
    pub fn status_is_good(&self, status: u16) -> bool {
        if self.status.is_empty() {
            (200..400).contains(&status)
        } else {
            self.status
                .iter()
                .any(|set| (set.first..=set.last).contains(&status))
        }
    }

    /// Whether bodies have to be kept to be checked.
    pub fn looks_at_body(&self) -> bool {
        self.body_contains.is_some() || self.body_equals.is_some()
    }

    /// Whether a response with this body is good.
    pub fn body_is_good(&self, body: &[u8]) -> bool {
        let contains = |text: &String| {
            text.is_empty()
                || body
                    .windows(text.len())
                    .any(|window| window == text.as_bytes())
        };
        self.body_contains.as_ref().is_none_or(contains)
            && self
                .body_equals
                .as_ref()
                .is_none_or(|text| text.as_bytes() == body)
    }
}

/// The most that the owner of a generator lets it do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ceilings {
    /// Requests per second of a whole test. A closed loop is slowed down to it.
    pub rate: f64,
    /// Seconds of a whole test, warm-up included.
    pub seconds: f64,
}

impl Ceilings {
    /// None: on one's own machine.
    pub const NONE: Self = Self {
        rate: f64::INFINITY,
        seconds: f64::INFINITY,
    };
}

/// The highest rate of a test, in requests per second: some times what the most generators that a test can have
/// make together. Beyond it is a slip of the pen.
const MAX_RATE: f64 = 1e7;
/// The longest part of a test: a year.
const MAX_SECONDS: f64 = 365.0 * 86_400.0;
/// The longest time limit of a request: the longest latency that is told apart.
const MAX_TIMEOUT_MS: u64 = MAX_MICROS / 1_000;
/// Of a body that is to be checked, at least this many bytes are kept, and not many more.
pub(crate) const BODY_KEPT: usize = 1024 * 1024;

/// Headers that the generator itself sets from the test.
const OWN_HEADERS: [&str; 4] = [
    "connection",
    "content-length",
    "transfer-encoding",
    "upgrade",
];

/// Refuses what is not from 0 to `most`.
fn number(field: &'static str, value: f64, most: f64) -> Result<(), Error> {
    if (0.0..=most).contains(&value) {
        return Ok(());
    }
    Err(Error::invalid(
        field,
        format!("must be a number from 0 to {most}"),
    ))
}

impl Load {
    fn check(&self) -> Result<(), Error> {
        match self {
            Self::Open {
                stages,
                max_connections,
                ..
            } => check_open(stages, *max_connections),
            Self::Closed {
                connections,
                seconds,
            } => {
                number("load.closed.seconds", *seconds, MAX_SECONDS)?;
                if *connections > 0 && *seconds > 0.0 {
                    return Ok(());
                }
                let message = "connections and seconds must be more than 0";
                Err(Error::invalid("load.closed", message))
            }
        }
    }
}

fn check_open(stages: &[Stage], max_connections: u32) -> Result<(), Error> {
    for stage in stages {
        number("load.open.stages.rate", stage.rate(), MAX_RATE)?;
        number("load.open.stages.seconds", stage.seconds(), MAX_SECONDS)?;
        if stage.seconds() == 0.0 {
            return Err(Error::invalid(
                "load.open.stages.seconds",
                "must be more than 0",
            ));
        }
    }
    if stages.iter().all(|stage| stage.rate() == 0.0) {
        return Err(Error::invalid(
            "load.open.stages",
            "needs a stage with a rate above 0",
        ));
    }
    if max_connections == 0 {
        return Err(Error::invalid(
            "load.open.maxConnections",
            "must be at least 1",
        ));
    }
    Ok(())
}

impl LoadTest {
    /// A GET test of `url` with the defaults of every optional field.
    pub fn new(url: impl Into<String>, load: Load) -> Self {
        Self {
            url: url.into(),
            method: get(),
            headers: BTreeMap::new(),
            body: String::new(),
            http: Version::default(),
            load,
            warmup_seconds: 0.0,
            timeout_ms: ten_seconds(),
            keep_alive: true,
            expect: Expect::default(),
            thresholds: Vec::new(),
            follow_redirects: 0,
            seed: 0,
            threads: None,
            trusted_pem: String::new(),
        }
    }

    /// The rate over time, warm-up first; `None` for a closed loop.
    pub fn profile(&self) -> Option<Profile> {
        let Load::Open { stages, .. } = &self.load else {
            return None;
        };
        let warmup = stages
            .first()
            .filter(|_| self.warmup_seconds > 0.0)
            .map(|first| Stage::Spike {
                rate: first.rate(),
                seconds: self.warmup_seconds,
            });
        Some(Profile::new(
            &warmup
                .into_iter()
                .chain(stages.iter().copied())
                .collect::<Vec<_>>(),
        ))
    }

    /// Length in seconds, warm-up included.
    pub fn seconds(&self) -> f64 {
        self.warmup_seconds
            + match &self.load {
                Load::Open { stages, .. } => stages.iter().map(Stage::seconds).sum(),
                Load::Closed { seconds, .. } => *seconds,
            }
    }

    /// Checks every field against sense and against the ceilings.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the field; [`Error::OverCeiling`] the ceiling.
    pub fn check(&self, ceilings: &Ceilings) -> Result<(), Error> {
        self.method_parsed()?;
        self.header_values()?;
        number("warmupSeconds", self.warmup_seconds, MAX_SECONDS)?;
        self.load.check()?;
        if !(1..=MAX_TIMEOUT_MS).contains(&self.timeout_ms) {
            return Err(Error::invalid(
                "timeoutMs",
                format!("must be from 1 to {MAX_TIMEOUT_MS}, which is one hour"),
            ));
        }
        if self.threads == Some(0) {
            return Err(Error::invalid("threads", "must be at least 1"));
        }
        let texts = [&self.expect.body_contains, &self.expect.body_equals];
        if texts
            .into_iter()
            .flatten()
            .any(|text| text.len() >= BODY_KEPT)
        {
            return Err(Error::invalid(
                "expect",
                "has a text of 1 MiB or more, but no more than that is kept of a body",
            ));
        }
        if self.follow_redirects > 10 {
            return Err(Error::invalid("followRedirects", "may be at most 10"));
        }
        let peak = self.profile().map_or(0.0, |profile| profile.peak());
        for (what, asked, ceiling) in [
            ("requests per second", peak, ceilings.rate),
            ("seconds", self.seconds(), ceilings.seconds),
        ] {
            if asked > ceiling {
                return Err(Error::OverCeiling {
                    what,
                    asked,
                    ceiling,
                });
            }
        }
        Ok(())
    }

    /// The method as a type.
    pub(crate) fn method_parsed(&self) -> Result<Method, Error> {
        match self.method.parse() {
            Ok(Method::CONNECT) | Err(_) => Err(Error::invalid(
                "method",
                "is not an HTTP method that can be tested",
            )),
            Ok(method) => Ok(method),
        }
    }

    /// The headers as types.
    pub(crate) fn header_values(&self) -> Result<Vec<(HeaderName, HeaderValue)>, Error> {
        let parse = |(name, value): (&String, &String)| {
            let header = name
                .parse::<HeaderName>()
                .ok()
                .zip(HeaderValue::from_str(value).ok());
            match header {
                None => Err(Error::invalid(
                    "headers",
                    format!("\"{name}\" is not a valid header"),
                )),
                Some((name, _)) if OWN_HEADERS.contains(&name.as_str()) => Err(Error::invalid(
                    "headers",
                    format!("\"{name}\" is set by the generator itself; leave it out"),
                )),
                Some(header) => Ok(header),
            }
        };
        self.headers.iter().map(parse).collect()
    }
}

fn get() -> String {
    "GET".to_owned()
}

const fn ten_seconds() -> u64 {
    10_000
}

const fn yes() -> bool {
    true
}

const fn five_hundred() -> u32 {
    500
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobs::task::Named as _;
    use serde_json::json;

    fn test(fields: serde_json::Value) -> LoadTest {
        let mut test = json!({
            "url": "http://a.example.com/",
            "load": {"open": {"stages": [{"hold": {"rate": 100.0, "seconds": 10.0}}]}}
        });
        test.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        serde_json::from_value(test).unwrap()
    }

    #[test]
    fn a_short_description_has_sensible_defaults() {
        let test = test(json!({}));
        assert_eq!(
            (test.method.as_str(), test.timeout_ms, test.keep_alive),
            ("GET", 10_000, true)
        );
        assert!(test.check(&Ceilings::NONE).is_ok());
        let again: LoadTest = serde_json::from_value(serde_json::to_value(&test).unwrap()).unwrap();
        assert_eq!(again, test);
    }

    #[test]
    fn warm_up_comes_before_the_stages() {
        let test = test(json!({"warmupSeconds": 5.0}));
        let profile = test.profile().unwrap();
        assert_eq!(
            (profile.seconds(), profile.arrivals(), test.seconds()),
            (15.0, 1_500.0, 15.0)
        );
    }

    #[test]
    fn nonsense_is_refused_by_the_name_of_the_field() {
        for (fields, field) in [
            (json!({"method": "BAD METHOD"}), "method"),
            (json!({"headers": {"a b": "c"}}), "headers"),
            (json!({"headers": {"Content-Length": "3"}}), "headers"),
            (
                json!({"load": {"open": {"stages": []}}}),
                "load.open.stages",
            ),
            (
                json!({"load": {"open": {"stages": [{"hold": {"rate": -1.0, "seconds": 1.0}}]}}}),
                "stages.rate",
            ),
            (
                json!({"load": {"closed": {"connections": 0, "seconds": 1.0}}}),
                "load.closed",
            ),
            (json!({"timeoutMs": 0}), "timeoutMs"),
            (json!({"warmupSeconds": -1.0}), "warmupSeconds"),
            (json!({"timeoutMs": u64::MAX}), "timeoutMs"),
            (json!({"warmupSeconds": 1e12}), "warmupSeconds"),
            (
                json!({"load": {"open": {"stages": [{"hold": {"rate": 1e9, "seconds": 1.0}}]}}}),
                "stages.rate",
            ),
            (
                json!({"load": {"open": {"stages": [{"hold": {"rate": 1.0, "seconds": 1e12}}]}}}),
                "stages.seconds",
            ),
            (
                json!({"load": {"closed": {"connections": 1, "seconds": 1e12}}}),
                "load.closed.seconds",
            ),
            (json!({"threads": 0}), "threads"),
            (json!({"followRedirects": 11}), "followRedirects"),
        ] {
            let error = test(fields.clone()).check(&Ceilings::NONE).unwrap_err();
            assert!(error.to_string().contains(field), "{fields}: {error}");
            assert_eq!(error.name(), "Input.Invalid");
        }
    }

    #[test]
    fn the_ceilings_hold_for_the_peak_and_the_whole_length() {
        let ceilings = Ceilings {
            rate: 100.0,
            seconds: 12.0,
        };
        assert!(test(json!({})).check(&ceilings).is_ok());
        for fields in [
            json!({"warmupSeconds": 2.5}),
            json!({"load": {"open": {"stages": [{"ramp": {"rate": 101.0, "seconds": 1.0}}]}}}),
        ] {
            let error = test(fields).check(&ceilings).unwrap_err();
            assert!(matches!(error, Error::OverCeiling { .. }), "{error}");
        }
    }

    #[test]
    fn expectations_look_at_status_and_body() {
        let expect: Expect =
            serde_json::from_value(json!({"status": ["2xx", "404"], "bodyContains": "ok"}))
                .unwrap();
        for (status, good) in [
            (200, true),
            (299, true),
            (404, true),
            (302, false),
            (500, false),
        ] {
            assert_eq!(expect.status_is_good(status), good, "{status}");
        }
        assert!(expect.body_is_good(b"it is ok.") && !expect.body_is_good(b"no"));
        assert!(Expect::default().status_is_good(302) && !Expect::default().status_is_good(404));
        for status in ["9xx", "20", "abc", "600"] {
            assert!(StatusSet::try_from(status.to_owned()).is_err(), "{status}");
        }
    }
}
