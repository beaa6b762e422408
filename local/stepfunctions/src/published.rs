//! The versions and aliases of all state machines, as they are now.
//! <https://docs.aws.amazon.com/step-functions/latest/dg/concepts-cd-aliasing-versioning.html>

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::machine::Machine;
use crate::store::{AliasRow, VersionRow};

/// A version: what the state machine was when it was published.
pub struct Version {
    pub(crate) row: VersionRow,
    pub(crate) machine: Arc<Machine>,
}

/// All versions and aliases.
#[derive(Default)]
pub struct Published {
    /// By the ARN of the state machine and the number.
    versions: BTreeMap<(String, u64), Arc<Version>>,
    /// By ARN.
    aliases: BTreeMap<String, AliasRow>,
}

impl Published {
    pub(crate) fn put_version(&mut self, version: Arc<Version>) {
        let key = (version.row.machine.clone(), version.row.number);
        self.versions.insert(key, version);
    }

    pub(crate) fn remove_version(&mut self, machine: &str, number: u64) {
        self.versions.remove(&(machine.to_owned(), number));
    }

    pub(crate) fn version(&self, machine: &str, number: u64) -> Option<Arc<Version>> {
        self.versions.get(&(machine.to_owned(), number)).cloned()
    }

    /// The versions of a state machine, the newest first.
    pub(crate) fn versions(&self, machine: &str) -> impl Iterator<Item = &Arc<Version>> {
        let all = (machine.to_owned(), 0)..=(machine.to_owned(), u64::MAX);
        self.versions.range(all).rev().map(|(_, version)| version)
    }

    pub(crate) fn put_alias(&mut self, alias: AliasRow) {
        self.aliases.insert(alias.arn.clone(), alias);
    }

    pub(crate) fn remove_alias(&mut self, arn: &str) {
        self.aliases.remove(arn);
    }

    pub(crate) fn alias(&self, arn: &str) -> Option<&AliasRow> {
        self.aliases.get(arn)
    }

    /// The aliases of a state machine.
    pub(crate) fn aliases(&self, machine: &str) -> impl Iterator<Item = &AliasRow> {
        self.aliases
            .values()
            .filter(move |alias| alias.machine == machine)
    }

    /// Forgets all of a state machine.
    pub(crate) fn remove_machine(&mut self, machine: &str) {
        self.versions.retain(|(of, _), _| of != machine);
        self.aliases.retain(|_, alias| alias.machine != machine);
    }
}
