//! Which targets a test may hit.
//!
//! A load generator in an account is a way into the account's network, so nothing is allowed that is
//! not listed. The host is checked as it is written; then every address it resolves to is checked, and
//! the generator connects to the checked address only, so a name that changes its address between the
//! check and the test gains nothing.

use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};

use addresses::{Kind, kind};
use http::uri::Authority;
use ipnet::IpNet;
use percent_encoding::{AsciiSet, utf8_percent_encode};

/// One entry of an allow-list.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    /// Exactly this host.
    Host(String),
    /// Every host that ends with this, dot included.
    Suffix(String),
    /// Addresses of a network: also lifts the ban on addresses that are not public.
    Network(IpNet),
}

/// The allow-list of a function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedTargets {
    entries: Vec<Entry>,
    /// Whether a listed host may have an address that is not public.
    any_address: bool,
}

/// Why a target is refused or cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Not a URL that can be put under load.
    #[error("\"{url}\" is not a target: {reason}")]
    Url {
        /// The URL as given.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The host is not on the list.
    #[error(
        "host \"{host}\" is not on the allow-list of this load generator; add it (exactly, as .suffix or as a network) \
         to ALLOWED_TARGETS"
    )]
    Host {
        /// The host of the URL.
        host: String,
    },
    /// The host is, but resolves only to addresses that are not public and not listed.
    #[error(
        "host \"{host}\" resolves to {address}, which is {kind}; such an address is refused unless ALLOWED_TARGETS \
         lists it or its network"
    )]
    Address {
        /// The host of the URL.
        host: String,
        /// The refused address.
        address: IpAddr,
        /// What kind of address it is.
        kind: Kind,
    },
    /// The host does not resolve.
    #[error("host \"{host}\" does not resolve to an address: {reason}")]
    Resolve {
        /// The host of the URL.
        host: String,
        /// What the resolver said.
        reason: String,
    },
    /// An entry of the allow-list is malformed.
    #[error("ALLOWED_TARGETS: \"{0}\" is not a host, .suffix, address or network (10.0.0.0/8)")]
    Entry(String),
}

/// A target that passed the checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The host without port or brackets.
    pub host: String,
    /// Host and, if the URL gives one, port, as the Host header wants them.
    pub authority: String,
    /// Path and query; placeholders are still in it.
    pub path: String,
    /// The checked address, the only one that is connected to.
    pub address: SocketAddr,
    /// Whether the connection is encrypted.
    pub tls: bool,
}

impl AllowedTargets {
    /// Reads a comma-separated list of hosts (`api.example.com`), suffixes (`.example.com`), addresses
    /// and networks (`10.0.0.0/8`).
    ///
    /// # Errors
    /// [`TargetError::Entry`] for an entry that is none of these.
    pub fn parse(list: &str) -> Result<Self, TargetError> {
        let entries = list
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty());
        Ok(Self {
            entries: entries.map(parse_entry).collect::<Result<_, _>>()?,
            any_address: false,
        })
    }

    /// The list that a person implies who types `url` on their own machine: its host and whatever
    /// address it has.
    ///
    /// # Errors
    /// [`TargetError::Url`] when it is not an HTTP URL.
    pub fn only(url: &str) -> Result<Self, TargetError> {
        let entry = parse_entry(&take_apart(url)?.host)?;
        Ok(Self {
            entries: vec![entry],
            any_address: true,
        })
    }

    /// Checks a URL and resolves and pins its address. Blocks for the name look-up.
    ///
    /// # Errors
    /// [`TargetError`]: not a URL, not listed, not resolvable, or only addresses that are refused.
    pub fn resolve(&self, url: &str) -> Result<Target, TargetError> {
        self.resolve_with(url, |host, port| {
            (host, port).to_socket_addrs().map(Iterator::collect)
        })
    }

    fn resolve_with(
        &self,
        url: &str,
        lookup: impl FnOnce(&str, u16) -> std::io::Result<Vec<SocketAddr>>,
    ) -> Result<Target, TargetError> {
        let UrlParts {
            host,
            port,
            authority,
            path,
            tls,
        } = take_apart(url)?;
        if !self.allows_host(&host) {
            return Err(TargetError::Host { host });
        }
        let addresses = lookup(&host, port).map_err(|error| TargetError::Resolve {
            host: host.clone(),
            reason: error.to_string(),
        })?;
        let mut refused = None;
        for address in addresses {
            match self.refuses_address(address.ip()) {
                None => {
                    return Ok(Target {
                        host,
                        authority,
                        path,
                        address,
                        tls,
                    });
                }
                Some(kind) => refused = Some((address.ip(), kind)),
            }
        }
        Err(match refused {
            Some((address, kind)) => TargetError::Address {
                host,
                address,
                kind,
            },
            None => TargetError::Resolve {
                host,
                reason: "no address".to_owned(),
            },
        })
    }

    fn allows_host(&self, host: &str) -> bool {
        let address = host.parse::<IpAddr>().ok();
        self.entries.iter().any(|entry| match entry {
            Entry::Host(name) => name == host,
            Entry::Suffix(suffix) => host.len() > suffix.len() && host.ends_with(suffix.as_str()),
            Entry::Network(network) => {
                address.is_some_and(|address| network.contains(&address.to_canonical()))
            }
        })
    }

    /// The kind of a refused address; `None` when it may be connected to.
    fn refuses_address(&self, address: IpAddr) -> Option<Kind> {
        let kind = kind(address)?;
        if self.any_address {
            return None;
        }
        let listed = self.entries.iter().any(|entry| match entry {
            Entry::Network(network) => network.contains(&address.to_canonical()),
            Entry::Host(_) | Entry::Suffix(_) => false,
        });
        if listed { None } else { Some(kind) }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.authority, self.address)
    }
}

fn parse_entry(text: &str) -> Result<Entry, TargetError> {
    let wrong = || TargetError::Entry(text.to_owned());
    let lower = text.to_ascii_lowercase();
    if lower.contains('/') {
        return lower.parse().map(Entry::Network).map_err(|_| wrong());
    }
    if let Ok(address) = lower.parse::<IpAddr>() {
        return Ok(Entry::Network(address.into()));
    }
    let name = lower.strip_prefix('*').unwrap_or(&lower);
    let valid = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    match name.strip_prefix('.') {
        Some(rest) if rest.split('.').all(valid) => Ok(Entry::Suffix(name.to_owned())),
        None if name == lower && name.split('.').all(valid) => Ok(Entry::Host(lower)),
        _ => Err(wrong()),
    }
}

struct UrlParts {
    host: String,
    port: u16,
    authority: String,
    path: String,
    tls: bool,
}

/// Takes a URL apart by hand as far as the path, which may hold placeholders that are not URL characters.
fn take_apart(url: &str) -> Result<UrlParts, TargetError> {
    let wrong = |reason| TargetError::Url {
        url: url.to_owned(),
        reason,
    };
    // A scheme is the same in capitals (RFC 3986, section 3.1).
    let scheme = url.split_once("://");
    let (tls, rest) = match scheme {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
        _ => return Err(wrong("it must begin with http:// or https://")),
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err(wrong(
            "it holds a user name; give credentials in the Authorization header",
        ));
    }
    if !authority.is_ascii() {
        return Err(wrong(
            "its host is not ASCII; write it as DNS has it, xn--…",
        ));
    }
    let authority: Authority = authority
        .parse()
        .map_err(|_| wrong("its host is not valid"))?;
    let host = authority
        .host()
        .trim_matches(['[', ']'])
        .trim_end_matches('.')
        .to_ascii_lowercase();
    if host.is_empty() {
        return Err(wrong("it has no host"));
    }
    let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let path = path.split('#').next().unwrap_or_default();
    let path = encoded(path);
    let path = if path.starts_with('/') {
        path
    } else {
        format!("/{path}")
    };
    Ok(UrlParts {
        host,
        port,
        authority: authority.to_string(),
        path,
        tls,
    })
}

/// What no path or query may hold as it is (RFC 3986, section 3.3; a `%` is taken as written by who knows). Control
/// characters are not meant by anybody and stay, to be refused.
const REFUSED: &AsciiSet = &AsciiSet::EMPTY
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The path and query with what they may not hold percent-encoded. In placeholders only letters beyond ASCII are:
/// they belong to words that become part of the path.
fn encoded(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(start) = rest.find("{{") {
        let end = rest[start..]
            .find("}}")
            .map_or(rest.len(), |end| start + end + 2);
        encoded.extend(utf8_percent_encode(&rest[..start], REFUSED));
        encoded.extend(utf8_percent_encode(&rest[start..end], &AsciiSet::EMPTY));
        rest = &rest[end..];
    }
    encoded.extend(utf8_percent_encode(rest, REFUSED));
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(list: &str, url: &str, addresses: &[&str]) -> Result<IpAddr, TargetError> {
        let addresses: Vec<IpAddr> = addresses
            .iter()
            .map(|address| address.parse().unwrap())
            .collect();
        AllowedTargets::parse(list)
            .unwrap()
            .resolve_with(url, |_, port| {
                Ok(addresses
                    .iter()
                    .map(|&ip| SocketAddr::new(ip, port))
                    .collect())
            })
            .map(|target| target.address.ip())
    }

    #[test]
    fn only_listed_hosts_are_targets() {
        for (list, host, allowed) in [
            ("api.example.com", "api.example.com", true),
            ("api.example.com", "API.Example.com", true),
            ("api.example.com", "api.example.com.", true),
            ("api.example.com", "x.api.example.com", false),
            (".example.com", "a.b.example.com", true),
            ("*.example.com", "a.example.com", true),
            (".example.com", "example.com", false),
            (".example.com", "evilexample.com", false),
            ("a.org, example.com", "example.com", true),
            ("", "example.com", false),
            ("8.8.8.8", "8.8.8.8", true),
            ("8.8.8.0/24", "8.8.8.9", true),
            ("8.8.8.0/24", "8.8.9.9", false),
        ] {
            let result = resolve(list, &format!("http://{host}/x"), &["8.8.8.8"]);
            assert_eq!(result.is_ok(), allowed, "{list} for {host}");
            assert!(allowed || matches!(result, Err(TargetError::Host { .. })));
        }
    }

    #[test]
    fn addresses_that_are_not_public_are_refused_after_resolution() {
        for (address, kind) in [
            ("127.0.0.1", "loopback"),
            ("127.8.9.1", "loopback"),
            ("::1", "loopback"),
            ("10.1.2.3", "private"),
            ("172.16.0.1", "private"),
            ("192.168.1.1", "private"),
            ("fd12::1", "private"),
            ("169.254.1.1", "link-local"),
            ("fe80::1", "link-local"),
            ("169.254.169.254", "metadata"),
            ("169.254.170.2", "metadata"),
            ("fd00:ec2::254", "metadata"),
            ("::ffff:169.254.169.254", "metadata"),
            ("::ffff:10.0.0.1", "private"),
            ("64:ff9b::a00:1", "translated"),
            ("2002:a00:1::", "translated"),
            ("0.0.0.0", "one host"),
            ("255.255.255.255", "one host"),
            ("224.0.0.1", "one host"),
            ("100.64.0.1", "carrier"),
        ] {
            let error = resolve(".example.com", "https://a.example.com", &[address]).unwrap_err();
            assert!(
                matches!(error, TargetError::Address { .. }) && error.to_string().contains(kind),
                "{error}"
            );
        }
    }

    #[test]
    fn a_listed_network_lifts_the_ban_for_itself_only() {
        assert!(
            resolve(
                "db.internal,10.0.0.0/8",
                "http://db.internal",
                &["10.0.0.9"]
            )
            .is_ok()
        );
        assert!(
            resolve(
                "db.internal,10.0.0.0/8",
                "http://db.internal",
                &["192.168.0.9"]
            )
            .is_err()
        );
        assert!(resolve("127.0.0.1", "http://127.0.0.1:8080", &["127.0.0.1"]).is_ok());
        assert!(resolve("::1", "http://[::1]/", &["::1"]).is_ok());
    }

    #[test]
    fn a_permitted_address_is_pinned_where_others_are_refused() {
        let pinned = resolve(
            "a.example.com",
            "http://a.example.com",
            &["10.0.0.1", "8.8.8.8"],
        )
        .unwrap();
        assert_eq!(pinned, "8.8.8.8".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn what_is_not_an_http_url_is_refused() {
        for url in [
            "ftp://a.example.com",
            "a.example.com/x",
            "http://",
            "http://u:p@a.example.com/",
            "http://a b/",
            "http://é.example.com/",
        ] {
            assert!(
                matches!(
                    resolve(".example.com", url, &["8.8.8.8"]),
                    Err(TargetError::Url { .. })
                ),
                "{url}"
            );
        }
    }

    #[test]
    fn a_path_may_hold_placeholders() {
        let list = AllowedTargets::parse("a.example.com").unwrap();
        let resolve = |url| {
            list.resolve_with(url, |_, port| {
                Ok(vec![SocketAddr::new([8, 8, 8, 8].into(), port)])
            })
        };
        let target = resolve("https://a.example.com:8443/x/{{random 1 9}}?y#z").unwrap();
        assert_eq!(target.path, "/x/{{random 1 9}}?y");
        assert_eq!(
            (target.authority.as_str(), target.address.port(), target.tls),
            ("a.example.com:8443", 8443, true)
        );
        assert_eq!(resolve("http://a.example.com?q=1").unwrap().path, "/?q=1");
        assert_eq!(
            resolve("HTTP://A.example.com/x").unwrap().host,
            "a.example.com"
        );
        assert!(resolve("HTTPS://a.example.com/").unwrap().tls);
        for (path, sent) in [
            ("/é", "/%C3%A9"),
            ("/a b?q=ü c", "/a%20b?q=%C3%BC%20c"),
            ("/a%20b+c", "/a%20b+c"),
            (
                "/é/{{pick a é}}/{{seq}}",
                "/%C3%A9/{{pick a %C3%A9}}/{{seq}}",
            ),
            ("/<\"x\">", "/%3C%22x%22%3E"),
        ] {
            let url = format!("http://a.example.com{path}");
            assert_eq!(take_apart(&url).unwrap().path, sent);
        }
        assert_eq!(resolve("http://a.example.com").unwrap().address.port(), 80);
    }

    #[test]
    fn malformed_entries_are_refused() {
        for list in [
            "http://a.com",
            "a..b",
            "10.0.0.0/33",
            "*",
            ".",
            "a b",
            "*a.com",
        ] {
            assert!(
                matches!(AllowedTargets::parse(list), Err(TargetError::Entry(_))),
                "{list}"
            );
        }
    }

    #[test]
    fn on_ones_own_machine_the_typed_host_is_the_list() {
        let list = AllowedTargets::only("http://127.0.0.1:9/").unwrap();
        assert!(list.resolve("http://127.0.0.1:9/x").is_ok());
        assert!(matches!(
            list.resolve("http://example.com/"),
            Err(TargetError::Host { .. })
        ));
    }
}
