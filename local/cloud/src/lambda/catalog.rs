//! The functions, their versions and aliases: who is meant by a name and a qualifier.
//! <https://docs.aws.amazon.com/lambda/latest/dg/configuration-versions.html>
//! <https://docs.aws.amazon.com/lambda/latest/dg/configuration-aliases.html>

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::LATEST;
use super::host::Host;
use super::settings::Settings;
use crate::config::Local;
use crate::error::ServiceError;

/// A function, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Entry {
    pub latest: Settings,
    pub versions: BTreeMap<u64, Settings>,
    /// The number of the next version: those of deleted ones are not given again.
    pub next_version: u64,
    pub aliases: BTreeMap<String, Alias>,
    pub tags: BTreeMap<String, String>,
    /// Statements by qualifier; the empty one is the function itself.
    pub policies: BTreeMap<String, Vec<Value>>,
    pub reserved_concurrency: Option<u32>,
    /// Whether the stack has it, which says at every start what `$LATEST` is.
    pub declared: bool,
    #[serde(skip)]
    pub running: Running,
}

/// What runs a function.
#[derive(Clone, Default)]
pub(super) struct Running {
    /// By version.
    pub hosts: BTreeMap<String, Arc<Host>>,
    pub reserved: Option<Arc<Semaphore>>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.hosts.keys()).finish()
    }
}

/// A name for a version, or for two of which the second gets a share of the invocations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Alias {
    pub name: String,
    pub version: String,
    pub description: String,
    /// At most one other version, and its share from 0 to 1.
    pub weights: BTreeMap<String, f64>,
    pub revision: String,
}

impl Entry {
    pub(super) fn new(latest: Settings, declared: bool) -> Self {
        Entry {
            latest,
            versions: BTreeMap::new(),
            next_version: 1,
            aliases: BTreeMap::new(),
            tags: BTreeMap::new(),
            policies: BTreeMap::new(),
            reserved_concurrency: None,
            declared,
            running: Running::default(),
        }
    }

    /// All that can run: `$LATEST` and the versions.
    pub(super) fn all(&self) -> impl Iterator<Item = &Settings> {
        std::iter::once(&self.latest).chain(self.versions.values())
    }

    /// The version of this number, or `$LATEST`.
    pub(super) fn version(&self, version: &str) -> Option<&Settings> {
        self.all().find(|settings| settings.version == version)
    }

    /// The version that a qualifier means; of a weighted alias its main one.
    pub(super) fn qualified(&self, qualifier: Option<&str>) -> Option<&Settings> {
        let qualifier = qualifier.unwrap_or(LATEST);
        let alias = self.aliases.get(qualifier);
        self.version(alias.map_or(qualifier, |alias| alias.version.as_str()))
    }

    /// The host of the version that an invocation with this qualifier gets, by a random number from 0 to 1.
    pub(super) fn host(&self, qualifier: Option<&str>, random: f64) -> Option<&Arc<Host>> {
        let qualifier = qualifier.unwrap_or(LATEST);
        let version = match self.aliases.get(qualifier) {
            Some(alias) => alias.choose(random),
            None => qualifier,
        };
        self.running.hosts.get(version)
    }

    /// Whether a qualifier means something.
    pub(super) fn has(&self, qualifier: Option<&str>) -> bool {
        self.qualified(qualifier).is_some()
    }
}

impl Alias {
    fn choose(&self, random: f64) -> &str {
        let other = self.weights.iter().find(|(_, weight)| random < **weight);
        other.map_or(&self.version, |(version, _)| version)
    }

    pub(super) fn describe(&self, function_arn: &str) -> Value {
        let mut alias = json!({
            "AliasArn": format!("{function_arn}:{}", self.name),
            "Name": self.name,
            "FunctionVersion": self.version,
            "Description": self.description,
            "RevisionId": self.revision,
        });
        if !self.weights.is_empty() {
            alias["RoutingConfig"] = json!({"AdditionalVersionWeights": self.weights});
        }
        alias
    }
}

/// A random number from 0 to 1, made of the bits that ids are made of.
pub(super) fn random() -> f64 {
    let bits = Uuid::new_v4().as_u128() as u32;
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}

/// A function by name and qualifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub name: String,
    pub qualifier: Option<String>,
}

impl Address {
    /// Reads `name`, `account:function:name` or an ARN, each with or without a qualifier, and a qualifier beside it.
    ///
    /// # Errors
    /// The two qualifiers differ, or the ARN is of another region or account.
    pub(super) fn new(
        name_or_arn: &str,
        qualifier: Option<&str>,
        local: &Local,
    ) -> Result<Address, ServiceError> {
        let (place, rest) = match name_or_arn.split_once("function:") {
            Some((place, rest)) => (place.trim_end_matches(':'), rest),
            None => ("", name_or_arn),
        };
        let (name, own) = match rest.split_once(':') {
            Some((name, qualifier)) => (name, Some(qualifier)),
            None => (rest, None),
        };
        if let (Some(own), Some(beside)) = (own, qualifier)
            && own != beside
        {
            return Err(ServiceError::new(
                "InvalidParameterValueException",
                "The derived qualifier from the function name does not match the specified qualifier.",
            ));
        }
        let address = Address {
            name: name.to_owned(),
            qualifier: own.or(qualifier).map(str::to_owned),
        };
        let mut parts = place.rsplit(':');
        let (account, region) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        if !region.is_empty() && region != local.region {
            let message = format!(
                "Functions from '{region}' are not reachable in this region ('{}')",
                local.region
            );
            return Err(not_found(message));
        }
        if !account.is_empty() && account != local.account {
            return Err(not_found(format!("Function not found: {name_or_arn}")));
        }
        Ok(address)
    }

    /// That there is no such function.
    pub(super) fn unknown(&self, local: &Local) -> ServiceError {
        let mut arn = local.arn("lambda", &format!("function:{}", self.name));
        if let Some(qualifier) = &self.qualifier {
            arn = format!("{arn}:{qualifier}");
        }
        not_found(format!("Function not found: {arn}"))
    }
}

pub(super) fn not_found(message: impl Into<String>) -> ServiceError {
    ServiceError::with_status(404, "ResourceNotFoundException", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Limits;
    use crate::programs::Programs;

    fn local() -> Local {
        Local {
            region: "us-east-1".into(),
            account: "123456789012".into(),
            endpoint: String::new(),
            bin_dir: "bin".into(),
            data_dir: "data".into(),
            limits: Limits::default(),
            programs: Programs::default(),
        }
    }

    #[test]
    fn every_form_of_a_function_name_is_understood() {
        let arn = "arn:aws:lambda:us-east-1:123456789012:function:f";
        for (form, beside, qualifier) in [
            ("f", None, None),
            ("f:live", None, Some("live")),
            ("f", Some("7"), Some("7")),
            ("f:7", Some("7"), Some("7")),
            ("function:f", None, None),
            ("123456789012:function:f:live", None, Some("live")),
            (arn, None, None),
            (&format!("{arn}:$LATEST"), None, Some("$LATEST")),
        ] {
            let address = Address::new(form, beside, &local()).unwrap();
            assert_eq!(
                (address.name.as_str(), address.qualifier.as_deref()),
                ("f", qualifier)
            );
        }
        for (form, beside, code) in [
            ("f:1", Some("2"), "InvalidParameterValueException"),
            (
                "arn:aws:lambda:eu-west-1:123456789012:function:f",
                None,
                "ResourceNotFoundException",
            ),
            (
                "arn:aws:lambda:us-east-1:999999999999:function:f",
                None,
                "ResourceNotFoundException",
            ),
        ] {
            assert_eq!(
                Address::new(form, beside, &local()).unwrap_err().code,
                code,
                "{form}"
            );
        }
    }

    #[test]
    fn an_alias_shares_invocations_by_its_weights() {
        let alias = Alias {
            name: "live".into(),
            version: "1".into(),
            description: String::new(),
            weights: [("2".to_owned(), 0.25)].into(),
            revision: String::new(),
        };
        assert_eq!(alias.choose(0.2), "2");
        assert_eq!(alias.choose(0.25), "1");
        assert!((0..100).all(|_| (0.0..1.0).contains(&random())));
    }
}
