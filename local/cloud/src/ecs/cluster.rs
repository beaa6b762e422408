//! Clusters: groups of tasks, of which here only the name and the capacity providers matter.
//! <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Cluster.html>

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::request::{CapacityProvider, check_strategy};
use super::{Ecs, Status, invalid, texts};
use crate::error::ServiceError;
use crate::pages::{page, with_next};
use crate::tags::Tags;

const PAGE: usize = 100;
/// The providers that every cluster can have; others are groups of EC2 instances.
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-capacity-providers.html>
const PROVIDERS: [&str; 2] = ["FARGATE", "FARGATE_SPOT"];

/// A cluster.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Cluster {
    pub(super) name: String,
    pub(super) arn: String,
    /// Whether it has not been deleted.
    pub(super) active: bool,
    pub(super) providers: Vec<String>,
    /// The strategy of tasks that say neither a strategy nor a launch type.
    pub(super) strategy: Vec<CapacityProvider>,
    settings: Value,
    configuration: Value,
    pub(super) tags: Tags,
    /// Whether it is in the stack's file, which is read at every start.
    #[serde(skip)]
    of_stack: bool,
}

impl Cluster {
    fn named(name: &str, arn: String) -> Cluster {
        Cluster {
            name: name.to_owned(),
            arn,
            active: true,
            providers: Vec::new(),
            strategy: Vec::new(),
            settings: Value::Null,
            configuration: Value::Null,
            tags: Tags::default(),
            of_stack: false,
        }
    }

    /// A cluster of the stack. The file does not tell its providers here, so it has all.
    pub(super) fn of_stack(cluster: &stack::Cluster) -> Cluster {
        Cluster {
            providers: PROVIDERS.map(str::to_owned).into(),
            of_stack: true,
            ..Cluster::named(&cluster.name, cluster.arn.clone())
        }
    }

    fn is(&self, name_or_arn: &str) -> bool {
        self.name == name_or_arn || self.arn == name_or_arn
    }
}

impl Ecs {
    /// The cluster that a request names, or the default one. A deleted one is none.
    pub(super) fn cluster(&self, request: &Value) -> Result<Cluster, ServiceError> {
        self.cluster_named(request["cluster"].as_str().unwrap_or("default"))
    }

    pub(super) fn cluster_named(&self, name_or_arn: &str) -> Result<Cluster, ServiceError> {
        let none = |words| Err(ServiceError::new("ClusterNotFoundException", words));
        let clusters = self.inner.clusters.lock();
        match clusters.iter().find(|cluster| cluster.is(name_or_arn)) {
            Some(cluster) if cluster.active => Ok(cluster.clone()),
            Some(_) => none("The referenced cluster was inactive."),
            None => none("Cluster not found."),
        }
    }

    /// CreateCluster; of one that is there its description is the answer.
    pub(super) fn create_cluster(&self, request: &Value) -> Result<Value, ServiceError> {
        let name = request["clusterName"].as_str().unwrap_or("default");
        check_name(name)?;
        if let Ok(cluster) = self.cluster_named(name) {
            return Ok(json!({"cluster": self.cluster_json(&cluster, &Include::ALL)}));
        }
        let providers = providers(&request["capacityProviders"])?;
        let cluster = Cluster {
            strategy: strategy(&request["defaultCapacityProviderStrategy"], &providers)?,
            providers,
            settings: request["settings"].clone(),
            configuration: request["configuration"].clone(),
            tags: Tags::from_list(&request["tags"]).map_err(|error| invalid(error.to_string()))?,
            ..Cluster::named(name, self.arn(&format!("cluster/{name}")))
        };
        self.put_cluster(cluster.clone());
        Ok(json!({"cluster": self.cluster_json(&cluster, &Include::ALL)}))
    }

    /// UpdateCluster and UpdateClusterSettings.
    pub(super) fn update_cluster(&self, request: &Value) -> Result<Value, ServiceError> {
        let mut cluster = self.cluster(request)?;
        for (member, kept) in [
            ("settings", &mut cluster.settings),
            ("configuration", &mut cluster.configuration),
        ] {
            if !request[member].is_null() {
                *kept = request[member].clone();
            }
        }
        self.put_cluster(cluster.clone());
        Ok(json!({"cluster": self.cluster_json(&cluster, &Include::ALL)}))
    }

    pub(super) fn put_providers(&self, request: &Value) -> Result<Value, ServiceError> {
        let providers = providers(&request["capacityProviders"])?;
        let cluster = Cluster {
            strategy: strategy(&request["defaultCapacityProviderStrategy"], &providers)?,
            providers,
            ..self.cluster(request)?
        };
        self.put_cluster(cluster.clone());
        Ok(json!({"cluster": self.cluster_json(&cluster, &Include::ALL)}))
    }

    /// DeleteCluster. It is described as INACTIVE from then on; one of the stack is back at the next start.
    pub(super) fn delete_cluster(&self, request: &Value) -> Result<Value, ServiceError> {
        let cluster = Cluster {
            active: false,
            ..self.cluster(request)?
        };
        if self.count(&cluster, |status| status < Status::Stopped) > 0 {
            return Err(ServiceError::new(
                "ClusterContainsTasksException",
                "The Cluster cannot be deleted while Tasks are active.",
            ));
        }
        self.put_cluster(cluster.clone());
        Ok(json!({"cluster": self.cluster_json(&cluster, &Include::ALL)}))
    }

    /// Keeps a new or changed cluster, also for the next start unless the stack's file has it.
    pub(super) fn put_cluster(&self, cluster: Cluster) {
        if !cluster.of_stack {
            self.inner.cluster_records.save(&cluster.name, &cluster);
        }
        let mut clusters = self.inner.clusters.lock();
        clusters.retain(|known| known.arn != cluster.arn);
        clusters.push(cluster);
    }

    pub(super) fn list_clusters(&self, request: &Value) -> Result<Value, ServiceError> {
        let clusters = self.inner.clusters.lock();
        let active = clusters.iter().filter(|cluster| cluster.active);
        let mut arns: Vec<String> = active.map(|cluster| cluster.arn.clone()).collect();
        arns.sort();
        let page = page(arns, String::as_str, request, PAGE)
            .map_err(|error| invalid(error.to_string()))?;
        Ok(with_next(json!({"clusterArns": page.items}), page.next))
    }

    /// DescribeClusters; of the default cluster if none is named.
    pub(super) fn describe_clusters(&self, request: &Value) -> Result<Value, ServiceError> {
        let include = Include::read(&request["include"])?;
        let mut names = texts(&request["clusters"]);
        if names.is_empty() {
            names.push("default");
        }
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        for name in names {
            let clusters = self.inner.clusters.lock();
            let cluster = clusters.iter().find(|cluster| cluster.is(name)).cloned();
            drop(clusters);
            match cluster {
                Some(cluster) => found.push(self.cluster_json(&cluster, &include)),
                None => failures.push(self.missing("cluster", name)),
            }
        }
        Ok(json!({"clusters": found, "failures": failures}))
    }

    fn count(&self, cluster: &Cluster, wanted: impl Fn(Status) -> bool) -> usize {
        let tasks = self.tasks();
        let tasks = tasks.iter().map(|handle| handle.task.borrow());
        tasks
            .filter(|task| task.cluster_arn == cluster.arn && wanted(task.status))
            .count()
    }

    fn cluster_json(&self, cluster: &Cluster, include: &Include) -> Value {
        let or_empty = |value: &Value, wanted: bool| match value {
            Value::Array(items) if wanted => json!(items),
            _ => json!([]),
        };
        let mut json = json!({
            "clusterArn": cluster.arn,
            "clusterName": cluster.name,
            "status": if cluster.active { "ACTIVE" } else { "INACTIVE" },
            "registeredContainerInstancesCount": 0,
            "runningTasksCount": self.count(cluster, |status| status == Status::Running),
            "pendingTasksCount": self.count(cluster, |status| status < Status::Running),
            "activeServicesCount": 0,
            "statistics": [],
            "tags": if include.tags { cluster.tags.to_list() } else { json!([]) },
            "settings": or_empty(&cluster.settings, include.settings),
            "capacityProviders": cluster.providers,
            "defaultCapacityProviderStrategy": cluster.strategy,
        });
        if include.configurations && !cluster.configuration.is_null() {
            json["configuration"] = cluster.configuration.clone();
        }
        json
    }
}

/// What DescribeClusters tells only if it is asked to.
struct Include {
    tags: bool,
    settings: bool,
    configurations: bool,
}

impl Include {
    const ALL: Include = Include {
        tags: true,
        settings: true,
        configurations: true,
    };

    fn read(list: &Value) -> Result<Include, ServiceError> {
        let names = texts(list);
        // Nothing is attached, and there are no services to count.
        const KNOWN: [&str; 5] = [
            "ATTACHMENTS",
            "CONFIGURATIONS",
            "SETTINGS",
            "STATISTICS",
            "TAGS",
        ];
        if let Some(unknown) = names.iter().find(|name| !KNOWN.contains(name)) {
            return Err(invalid(format!(
                "include: {unknown} is none of {}",
                KNOWN.join(", ")
            )));
        }
        Ok(Include {
            tags: names.contains(&"TAGS"),
            settings: names.contains(&"SETTINGS"),
            configurations: names.contains(&"CONFIGURATIONS"),
        })
    }
}

/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateCluster.html>
fn check_name(name: &str) -> Result<(), ServiceError> {
    let fits = (1..=255).contains(&name.len())
        && (name.chars()).all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if fits {
        return Ok(());
    }
    Err(invalid(format!(
        "clusterName '{name}' must have 1 to 255 letters, digits, hyphens and underscores"
    )))
}

fn providers(list: &Value) -> Result<Vec<String>, ServiceError> {
    let names = texts(list);
    match names.iter().find(|name| !PROVIDERS.contains(name)) {
        Some(other) => Err(invalid(format!(
            "The specified capacity provider {other} was not found: the local cloud has {}",
            PROVIDERS.join(" and ")
        ))),
        None => Ok(names.into_iter().map(str::to_owned).collect()),
    }
}

fn strategy(list: &Value, providers: &[String]) -> Result<Vec<CapacityProvider>, ServiceError> {
    let strategy: Option<Vec<CapacityProvider>> =
        Deserialize::deserialize(list).map_err(|error: serde_json::Error| {
            invalid(format!("defaultCapacityProviderStrategy: {error}"))
        })?;
    let strategy = strategy.unwrap_or_default();
    check_strategy(&strategy, providers)?;
    Ok(strategy)
}
