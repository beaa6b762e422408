//! What a definition calls, and what of it nothing here answers: told before a run.

use asl::Resource;
use serde_json::Value;

use super::request::{Integration, is_map_resource};
use crate::map_run;
use crate::outside::Outside;

/// A call that a state of a definition makes.
#[derive(Debug, Clone, PartialEq)]
pub struct CallSite {
    /// The state's name.
    pub state: String,
    /// Its Resource, or that of its ItemReader or ResultWriter, as written.
    pub resource: String,
    /// Parameters or Arguments beside the Resource, as written.
    pub arguments: Value,
    /// Whether it is the ItemReader or ResultWriter of a Distributed Map.
    pub of_map: bool,
}

/// All calls of a definition, those of Map processors and Parallel branches included.
pub fn call_sites(definition: &str) -> Vec<CallSite> {
    let mut found = Vec::new();
    if let Ok(definition) = serde_json::from_str::<Value>(definition) {
        collect(&definition, &mut found);
    }
    found
}

fn collect(machine: &Value, found: &mut Vec<CallSite>) {
    for (name, state) in machine["States"].as_object().into_iter().flatten() {
        let site = |caller: &Value, of_map| CallSite {
            state: name.clone(),
            resource: caller["Resource"].as_str().unwrap_or_default().to_owned(),
            arguments: ["Arguments", "Parameters"]
                .into_iter()
                .find_map(|key| caller.get(key).cloned())
                .unwrap_or_default(),
            of_map,
        };
        if state["Type"] == "Task" {
            found.push(site(state, false));
        }
        let of_map = ["ItemReader", "ResultWriter"]
            .into_iter()
            .filter_map(|key| state.get(key))
            // A ResultWriter without a Resource only shapes the result.
            .filter(|caller| caller.get("Resource").is_some());
        found.extend(of_map.map(|caller| site(caller, true)));
        let branches = state["Branches"].as_array().into_iter().flatten();
        let processors = ["ItemProcessor", "Iterator"]
            .into_iter()
            .filter_map(|key| state.get(key));
        branches
            .chain(processors)
            .for_each(|machine| collect(machine, found));
    }
}

/// A call that nothing answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    /// The state's name.
    pub state: String,
    /// The Resource as written, with the arguments that are not known for it.
    pub what: String,
}

impl CallSite {
    /// What of it neither this cloud's own services nor what stands outside of them answer.
    fn unanswered(&self, outside: Option<&dyn Outside>) -> Option<Unanswered> {
        let unanswered = |what: String| Unanswered {
            state: self.state.clone(),
            what,
        };
        let Some(resource) = Resource::parse(&self.resource) else {
            return Some(unanswered(self.resource.clone()));
        };
        let local = match (&resource, self.of_map) {
            (_, true) => is_map_resource(&resource),
            (Resource::Lambda { .. } | Resource::Activity { .. }, false) => true,
            (Resource::Service { .. }, false) => Integration::of(&resource).is_some(),
        };
        if outside.is_some_and(|outside| outside.answers(&self.state, &resource, local)) {
            return None;
        }
        if !local {
            return Some(unanswered(self.resource.clone()));
        }
        let unknown = match self.of_map {
            true => map_run::unknown_arguments(&resource, &self.arguments),
            false => Vec::new(),
        };
        (!unknown.is_empty())
            .then(|| unanswered(format!("{} with {}", self.resource, unknown.join(", "))))
    }
}

/// The calls of a definition that nothing answers.
pub fn unanswered(definition: &str, outside: Option<&dyn Outside>) -> Vec<Unanswered> {
    let sites = call_sites(definition);
    let unanswered = sites.iter().filter_map(|site| site.unanswered(outside));
    unanswered.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_nothing_answers_is_found_before_the_run() {
        let definition = json!({ "StartAt": "A", "States": {
            "A": { "Type": "Task", "Resource": "arn:aws:states:::ecs:runTask.sync" },
            "B": { "Type": "Task", "Resource": "arn:aws:states:::glue:startJobRun.sync" },
            "C": { "Type": "Parallel", "Branches": [{ "States": {
                "D": { "Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:getObject" },
                "E": { "Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:selectObjectContent" },
                "I": { "Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:copyObject" },
                "J": { "Type": "Task", "Resource": "arn:aws:states:::aws-sdk:sfn:listStateMachineVersions" },
                "K": { "Type": "Task", "Resource": "arn:aws:states:::aws-sdk:scheduler:createSchedule" },
                "L": { "Type": "Task", "Resource": "arn:aws:states:::aws-sdk:ecs:RunTask" },
            } }] },
            "F": { "Type": "Map",
                "ItemReader": { "Resource": "arn:aws:states:::s3:getObject",
                    "Parameters": { "Bucket": "b", "Key.$": "$.k", "VersionId.$": "$.v" } },
                "ResultWriter": { "Resource": "arn:aws:states:::s3:copyObject" },
                "ItemProcessor": { "States": {
                    "G": { "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.sync" },
                    "H": { "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken" },
                } } },
        } });
        let expected = [
            ("B", "arn:aws:states:::glue:startJobRun.sync"),
            ("E", "arn:aws:states:::aws-sdk:s3:selectObjectContent"),
            ("I", "arn:aws:states:::aws-sdk:s3:copyObject"),
            ("L", "arn:aws:states:::aws-sdk:ecs:RunTask"),
            ("F", "arn:aws:states:::s3:getObject with VersionId"),
            ("F", "arn:aws:states:::s3:copyObject"),
            ("G", "arn:aws:states:::lambda:invoke.sync"),
        ];
        let found = unanswered(&definition.to_string(), None);
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|call| (call.state.as_str(), call.what.as_str()))
            .collect();
        assert_eq!(found, expected);
    }
}
