//! Groups of schedules.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config::Local;
use crate::time::{Timestamp, epoch_seconds, now};

/// A group of schedules.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Group {
    pub name: String,
    pub arn: String,
    pub created: Timestamp,
    pub modified: Timestamp,
    pub tags: BTreeMap<String, String>,
    /// What makes a repeated request the same one.
    pub client_token: Option<String>,
}

impl Group {
    pub(super) fn new(name: &str, local: &Local) -> Self {
        let at = now();
        Group {
            name: name.to_owned(),
            arn: local.arn("scheduler", &format!("schedule-group/{name}")),
            created: at,
            modified: at,
            tags: BTreeMap::new(),
            client_token: None,
        }
    }

    pub(super) fn describe(&self) -> Value {
        json!({
            "Name": self.name,
            "Arn": self.arn,
            "State": "ACTIVE",
            "CreationDate": epoch_seconds(self.created),
            "LastModificationDate": epoch_seconds(self.modified),
        })
    }
}
