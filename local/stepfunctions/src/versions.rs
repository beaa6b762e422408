//! What an ARN with a version or an alias names, and how a version is published.
//! <https://docs.aws.amazon.com/step-functions/latest/dg/concepts-cd-aliasing-versioning.html>

use std::sync::Arc;

use cloud::error::ServiceError;

use crate::arns::{MachineArn, is_number};
use crate::engine::Engine;
use crate::errors::no_machine;
use crate::machine::Machine;
use crate::published::Version;
use crate::store::{AliasRow, MachineRow, StoreError, VersionRow};

/// What a start names.
pub(crate) struct Target {
    pub(crate) machine: Arc<Machine>,
    /// ARN of the version that is to run, where one is named or an alias leads to it.
    pub(crate) version: Option<String>,
    /// ARN of the alias that is named.
    pub(crate) alias: Option<String>,
}

/// The version that an alias leads to: each by its weight, `chance` is below 100.
fn routed(alias: &AliasRow, chance: u64) -> Option<u64> {
    let mut sum = 0;
    let mut routes = alias.routes.iter();
    let found = routes.find(|(_, weight)| {
        sum += weight;
        chance < sum
    });
    found.map(|(number, _)| *number)
}

/// Less than 100, evenly.
fn percent() -> u64 {
    // The low half of a random UUID has 62 random bits; what is left over by 100 does not matter.
    (uuid::Uuid::new_v4().as_u64_pair().1 & (u64::MAX >> 2)) % 100
}

impl Engine {
    /// The state machine, the version or the alias that an ARN names.
    ///
    /// # Errors
    /// `InvalidArn`, `StateMachineDoesNotExist`.
    pub(crate) fn target(&self, arn: &str) -> Result<Target, ServiceError> {
        let MachineArn { machine, qualifier } = MachineArn::parse(arn)?;
        let current = self.machine(machine).map_err(|_| no_machine(arn))?;
        let Some(qualifier) = qualifier else {
            return Ok(Target {
                machine: current,
                version: None,
                alias: None,
            });
        };
        let published = self.published.read();
        let (number, alias) = if is_number(qualifier) {
            (qualifier.parse().ok(), None)
        } else {
            let alias = published.alias(arn).ok_or_else(|| no_machine(arn))?;
            (routed(alias, percent()), Some(arn.to_owned()))
        };
        let version = number.and_then(|number| published.version(machine, number));
        let version = version.ok_or_else(|| no_machine(arn))?;
        Ok(Target {
            machine: version.machine.clone(),
            version: Some(version.row.arn.clone()),
            alias,
        })
    }

    /// Publishes a state machine as it is now, unless its latest version is just that. To be called by who holds
    /// [`Engine::changing`].
    pub(crate) async fn publish(
        &self,
        machine: &Machine,
        description: Option<String>,
    ) -> Result<Arc<Version>, StoreError> {
        let arn = &machine.row.arn;
        let latest = self.published.read().versions(arn).next().cloned();
        if let Some(latest) = latest
            && latest.machine.row.revision == machine.row.revision
        {
            return Ok(latest);
        }
        let number = machine.row.last_version + 1;
        let row = VersionRow {
            arn: format!("{arn}:{number}"),
            machine: arn.clone(),
            number,
            description: description.unwrap_or_default(),
            created: self.clock.now(),
        };
        let machine_row = MachineRow {
            last_version: number,
            ..machine.row.clone()
        };
        self.store
            .put_version(row.clone(), machine_row.clone())
            .await?;
        let machine = self.insert_machine(machine_row, machine.compiled.clone());
        let version = Arc::new(Version { row, machine });
        self.published.write().put_version(version.clone());
        Ok(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use asl::Timestamp;

    #[test]
    fn an_alias_leads_to_its_versions_by_their_weights() {
        let alias = AliasRow {
            arn: "a".into(),
            machine: "m".into(),
            name: "live".into(),
            description: String::new(),
            routes: vec![(1, 90), (2, 10)],
            created: Timestamp(0),
            updated: Timestamp(0),
        };
        let counted = (0..100).filter(|chance| routed(&alias, *chance) == Some(2));
        assert_eq!(counted.count(), 10);
        let blue = AliasRow {
            routes: vec![(1, 0), (2, 100)],
            ..alias
        };
        assert!((0..100).all(|chance| routed(&blue, chance) == Some(2)));
        assert!((0..1_000).all(|_| percent() < 100));
    }
}
