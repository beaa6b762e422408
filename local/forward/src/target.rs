//! To where the calls of a service are sent.

use std::collections::BTreeMap;

use crate::error::ForwardError;
use crate::integration;
use crate::table;

/// Services that no table has, since they speak XML over REST.
/// <https://smithy.io/2.0/aws/protocols/aws-restxml-protocol.html>
const REST_XML: &[&str] = &["s3", "s3control", "cloudfront", "route53"];

/// Where a service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// At AWS.
    Aws,
    /// At a URL, without a slash at its end.
    Url(String),
}

/// Where services are, by their name in the table.
#[derive(Debug, Default)]
pub struct Targets {
    named: BTreeMap<String, Target>,
    others: Option<Target>,
}

impl Targets {
    pub fn parse(arguments: &[String]) -> Result<Targets, ForwardError> {
        let mut targets = Targets::default();
        for argument in arguments {
            let form = || ForwardError::Form(argument.clone());
            let (service, place) = argument.split_once('=').ok_or_else(form)?;
            let target = match place {
                "aws" => Target::Aws,
                url if url.parse::<http::Uri>().is_ok_and(|url| is_web(&url)) => {
                    Target::Url(url.trim_end_matches('/').to_owned())
                }
                _ => return Err(form()),
            };
            let before = match service {
                "*" => targets.others.replace(target),
                service => targets.named.insert(known(service)?, target),
            };
            if before.is_some() {
                return Err(ForwardError::Twice(service.to_owned()));
            }
        }
        Ok(targets)
    }

    /// The target of calls that a Resource addresses to `written`, whose name in the table is `service`.
    pub fn of(&self, written: &str, service: &str, local: bool) -> Option<&Target> {
        let plain = written.strip_prefix("aws-sdk:").unwrap_or(written);
        let named = self.named.get(service).or_else(|| self.named.get(plain));
        named.or(self.others.as_ref().filter(|_| !local))
    }
}

fn is_web(url: &http::Uri) -> bool {
    matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some()
}

/// A service's name in the table.
fn known(service: &str) -> Result<String, ForwardError> {
    let name = service.strip_prefix("aws-sdk:").unwrap_or(service);
    let name = integration::table_name(name);
    if REST_XML.contains(&name) {
        return Err(ForwardError::Protocol(name.to_owned()));
    }
    let names = table::names();
    if names.contains(&name) {
        return Ok(name.to_owned());
    }
    let close = names
        .iter()
        .filter(|known| known.contains(name) || name.contains(**known) && known.len() > 2);
    Err(ForwardError::Unknown {
        service: service.to_owned(),
        close: close.take(3).map(|&name| name.to_owned()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Targets, ForwardError> {
        let arguments: Vec<String> = arguments.iter().map(|&text| text.to_owned()).collect();
        Targets::parse(&arguments)
    }

    #[test]
    fn a_named_service_goes_before_all_others() {
        let url = Target::Url("http://127.0.0.1:8000".to_owned());
        let targets = parse(&["dynamodb=http://127.0.0.1:8000/", "*=aws", "events=aws"]).unwrap();
        assert_eq!(
            targets.of("aws-sdk:dynamodb", "dynamodb", false),
            Some(&url)
        );
        assert_eq!(targets.of("sqs", "sqs", false), Some(&Target::Aws));
        assert_eq!(targets.of("batch", "batch", true), None);
        assert_eq!(
            targets.of("events", "eventbridge", true),
            Some(&Target::Aws)
        );
    }

    #[test]
    fn what_cannot_be_used_is_refused_by_its_name() {
        for (arguments, error) in [
            (&["dynamodb"][..], ForwardError::Form("dynamodb".into())),
            (&["sqs=local"], ForwardError::Form("sqs=local".into())),
            (&["sqs=ftp://x"], ForwardError::Form("sqs=ftp://x".into())),
            (&["sqs=aws", "sqs=aws"], ForwardError::Twice("sqs".into())),
            (&["s3=aws"], ForwardError::Protocol("s3".into())),
            (
                &["dynamo=aws"],
                ForwardError::Unknown {
                    service: "dynamo".into(),
                    close: vec!["dynamodb".into(), "dynamodbstreams".into()],
                },
            ),
        ] {
            assert_eq!(parse(arguments).err(), Some(error));
        }
    }
}
