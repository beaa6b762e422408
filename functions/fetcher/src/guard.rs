//! Addresses that no source has: those behind which the function itself, or the machine under it, answers.
//! A source is named by the caller, and a redirect by whoever serves it.

use std::net::{IpAddr, SocketAddr};

use addresses::{Kind, kind};
use jobs::env;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::{Attempt, Policy};

/// Redirects that are followed, as reqwest does by itself.
const REDIRECTS: usize = 10;

/// Tells what is forbidden; `runtime_api` is the port at which Lambda talks to the function
/// (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guard {
    pub(crate) runtime_api: Option<u16>,
}

impl Guard {
    pub(crate) fn from_env() -> Self {
        let address = env::optional("AWS_LAMBDA_RUNTIME_API");
        let port = address.and_then(|address| address.rsplit(':').next()?.parse().ok());
        Self { runtime_api: port }
    }

    /// Why `url` is forbidden, unless it is a name that only the resolver can tell.
    pub(crate) fn refusal(self, url: &Url) -> Option<&'static str> {
        let host = url.host_str()?.trim_matches(['[', ']']);
        let address = match host.parse() {
            Ok(address) => address,
            Err(_) if host == "localhost" => IpAddr::from([127, 0, 0, 1]),
            Err(_) => return None,
        };
        if is_link_local(address) {
            return Some("it is a link-local address, such as that of the instance metadata");
        }
        let own = is_own(address) && url.port_or_known_default() == self.runtime_api;
        own.then_some("it is the Runtime API of the function")
    }

    /// Follows redirects to what is not forbidden.
    pub(crate) fn redirects(self) -> Policy {
        Policy::custom(move |attempt: Attempt<'_>| {
            if let Some(why) = self.refusal(attempt.url()) {
                let host = attempt.url().host_str().unwrap_or_default().to_owned();
                attempt.error(format!("redirected to {host}: {why}"))
            } else if attempt.previous().len() > REDIRECTS {
                attempt.error(format!("more than {REDIRECTS} redirects"))
            } else {
                attempt.follow()
            }
        })
    }
}

/// Looks names up; no name but `localhost` leads to the machine itself.
#[derive(Debug)]
pub(crate) struct Resolver;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let local = name.as_str() == "localhost";
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found
                .filter(|at| local || !is_link_local(at.ip()) && !is_own(at.ip()))
                .collect();
            if public.is_empty() {
                return Err(
                    format!("{} has no address outside of this machine", name.as_str()).into(),
                );
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(kind(address), Some(Kind::Metadata | Kind::LinkLocal))
}

fn is_own(address: IpAddr) -> bool {
    kind(address) == Some(Kind::Loopback) || address.to_canonical().is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_function_and_its_machine_are_forbidden() {
        let guard = Guard {
            runtime_api: Some(9_001),
        };
        for (url, allowed) in [
            ("https://example.com/x", true),
            ("http://10.0.0.1/x", true),
            ("http://127.0.0.1:8080/x", true),
            (
                "http://127.0.0.1:9001/2018-06-01/runtime/invocation/next",
                false,
            ),
            ("http://2130706433:9001/", false),
            ("http://localhost:9001/", false),
            ("http://[::1]:9001/", false),
            ("http://[::ffff:127.0.0.1]:9001/", false),
            ("http://0.0.0.0:9001/", false),
            ("http://169.254.169.254/latest/meta-data/", false),
            ("http://[fd00:ec2::254]/", false),
            ("http://[fe80::1]/", false),
        ] {
            assert_eq!(
                guard.refusal(&url.parse().unwrap()).is_none(),
                allowed,
                "{url}"
            );
        }
    }
}
