//! Names of this machine, as the `Host` of a request gives them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Prefixes that SDKs put before the endpoint's name: StartSyncExecution and TestState have one.
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-host-prefix.html>
const PREFIX: &str = "sync-";

/// A name of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    /// A loopback address or `localhost`.
    Loopback,
    /// A bucket before either.
    Bucket,
    /// One that an SDK has formed and that a foreign DNS could hold too (`sync-localhost`): only
    /// programs may use it.
    Prefixed,
}

impl Name {
    /// The name in `NAME` or `NAME:PORT`; none if it is not of this machine. Any port will do: it may
    /// be forwarded, and no port makes a foreign name ours.
    pub(super) fn parse(host: &str) -> Option<Name> {
        let name = without_port(host)?.to_ascii_lowercase();
        if is_loopback(&name) {
            return Some(Name::Loopback);
        }
        if name.strip_prefix(PREFIX).is_some_and(is_loopback) {
            return Some(Name::Prefixed);
        }
        is_bucket(&name).then_some(Name::Bucket)
    }
}

fn without_port(host: &str) -> Option<&str> {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => (&host[..address.len() + 2], port.strip_prefix(':')),
        None => match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, None),
        },
    };
    let whole = name.len() + port.map_or(0, |port| port.len() + 1) == host.len();
    let numeric = port.is_none_or(|port| port.parse::<u16>().is_ok());
    (whole && numeric).then_some(name)
}

fn is_loopback(name: &str) -> bool {
    let address = match name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        Some(address) => address.parse::<Ipv6Addr>().map(IpAddr::V6),
        None => name.parse::<Ipv4Addr>().map(IpAddr::V4),
    };
    name == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// `BUCKET.localhost`, `BUCKET.s3.localhost` and the same before an IPv4 address. Nobody can hold
/// such a name: `.localhost` is reserved (<https://www.rfc-editor.org/rfc/rfc6761#section-6.3>), and
/// a name that ends in a number is an address or nothing
/// (<https://url.spec.whatwg.org/#ends-in-a-number-checker>).
fn is_bucket(name: &str) -> bool {
    let plain = |bucket: &str| {
        let labels = bucket.split('.').all(|label| !label.is_empty());
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        labels && bucket.chars().all(known)
    };
    if let Some(bucket) = name.strip_suffix(".localhost") {
        return plain(bucket);
    }
    let ends = name.rmatch_indices('.').map(|(at, _)| at).nth(3);
    ends.is_some_and(|at| is_loopback(&name[at + 1..]) && plain(&name[..at]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine_are_told_from_all_others() {
        use Name::{Bucket, Loopback, Prefixed};
        for (host, expected) in [
            ("127.0.0.1", Some(Loopback)),
            ("127.0.0.1:4566", Some(Loopback)),
            ("127.8.9.10:80", Some(Loopback)),
            ("[::1]", Some(Loopback)),
            ("[::1]:4566", Some(Loopback)),
            ("localhost", Some(Loopback)),
            ("LocalHost:8080", Some(Loopback)),
            ("bucket.localhost:4566", Some(Bucket)),
            ("my.dotted_bucket.s3.localhost", Some(Bucket)),
            ("s3.localhost:4566", Some(Bucket)),
            ("bucket.127.0.0.1:4566", Some(Bucket)),
            ("bucket.s3.127.0.0.1", Some(Bucket)),
            ("sync-localhost:4566", Some(Prefixed)),
            ("sync-127.0.0.1:4566", Some(Prefixed)),
            ("", None),
            (":4566", None),
            ("evil.test", None),
            ("evil.test:4566", None),
            ("127.0.0.1.evil.test", None),
            ("127.0.0.1.nip.io:4566", None),
            ("localhost.evil.test", None),
            ("evil-localhost", None),
            ("evillocalhost", None),
            (".localhost", None),
            ("a..localhost", None),
            ("localhost.", None),
            ("sync-sync-localhost", None),
            ("sync-evil.test", None),
            ("0.0.0.0:4566", None),
            ("[::]:4566", None),
            ("[::ffff:127.0.0.1]:4566", None),
            ("10.0.0.1:4566", None),
            ("169.254.169.254", None),
            ("127.1", None),
            ("2130706433", None),
            ("bucket.10.0.0.1", None),
            ("127.0.0.1:99999", None),
            ("127.0.0.1:", None),
            ("127.0.0.1:x", None),
            ("127.0.0.1:1:2", None),
            ("[::1", None),
            ("[::1]x", None),
            ("::1", None),
            ("user@localhost", None),
            ("evil.test/x.localhost", None),
            ("evil test.localhost", None),
            ("host.docker.internal", None),
        ] {
            assert_eq!(Name::parse(host), expected, "{host}");
        }
    }
}
