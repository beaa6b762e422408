//! A new container worker, and what starts the first one.

use crate::{Error, Fill, Name, Plan, function::Kind};

/// Adds a worker: its crate and Dockerfile, its repository, task and job definition, its function for small jobs, and
/// what the dispatcher needs to start it. The first worker of a project brings dispatcher, cluster and queues with it.
///
/// # Errors
/// [`Error::Taken`] for the name of something else, and why the project cannot be extended.
pub fn worker(plan: &mut Plan, name: &Name) -> Result<(), Error> {
    plan.refuse(name, &[Kind::Function, Kind::Pipeline, Kind::Library])?;
    if !plan.has("deploy/fargate.yml") {
        jobs(plan)?;
    }
    let fill = Fill::new().name("my-worker", name);
    let folder = format!("workers/{}", name.kebab());
    for (file, template) in [
        ("Cargo.toml", include_str!("../templates/worker/Cargo.toml")),
        ("Dockerfile", include_str!("../templates/worker/Dockerfile")),
        ("src/lib.rs", include_str!("../templates/worker/src/lib.rs")),
        (
            "src/main.rs",
            include_str!("../templates/worker/src/main.rs"),
        ),
    ] {
        plan.file(&format!("{folder}/{file}"), fill.apply(template));
    }
    plan.member(&folder)?;
    let pascal = name.pascal();
    for (file, path, what, template) in [
        (
            "serverless.yml",
            "functions".to_owned(),
            format!("function {}", name.kebab()),
            include_str!("../templates/worker/serverless.yml"),
        ),
        (
            "deploy/fargate.yml",
            "Resources".to_owned(),
            format!("{pascal}Repository, {pascal}TaskDefinition"),
            include_str!("../templates/worker/fargate.yml"),
        ),
        (
            "deploy/batch.yml",
            "Resources".to_owned(),
            format!("{pascal}JobDefinition"),
            include_str!("../templates/worker/batch.yml"),
        ),
        (
            "deploy/iam.yml",
            "Resources".to_owned(),
            format!("role {pascal}Role"),
            include_str!("../templates/worker/iam.yml"),
        ),
        (
            "deploy/iam.yml",
            statements("DispatcherRole"),
            format!("DispatcherRole may start {}", name.kebab()),
            include_str!("../templates/worker/iam-dispatcher.yml"),
        ),
        (
            "deploy/iam.yml",
            statements("ContainerExecutionRole"),
            format!("ContainerExecutionRole may pull {}", name.kebab()),
            include_str!("../templates/worker/iam-pull.yml"),
        ),
    ] {
        plan.entry(file, &path, &what, &fill.apply(template))?;
    }
    Ok(())
}

/// The statements of a role's only policy.
fn statements(role: &str) -> String {
    format!("Resources.{role}.Properties.Policies.0.PolicyDocument.Statement")
}

/// What every worker needs: the dispatcher and what answers for jobs that died, cluster, queues, network and roles.
fn jobs(plan: &mut Plan) -> Result<(), Error> {
    for (file, text) in [
        (
            "functions/dispatcher-function/Cargo.toml",
            include_str!("../templates/jobs/dispatcher-function/Cargo.toml"),
        ),
        (
            "functions/dispatcher-function/src/main.rs",
            include_str!("../../../functions/dispatcher/src/main.rs"),
        ),
        (
            "functions/job-watcher-function/Cargo.toml",
            include_str!("../templates/jobs/job-watcher-function/Cargo.toml"),
        ),
        (
            "functions/job-watcher-function/src/main.rs",
            include_str!("../../../functions/job-watcher/src/main.rs"),
        ),
        (
            "deploy/network.yml",
            include_str!("../../../deploy/network.yml"),
        ),
        (
            "deploy/events.yml",
            include_str!("../../../deploy/events.yml"),
        ),
        (
            "deploy/fargate.yml",
            include_str!("../templates/jobs/fargate.yml"),
        ),
        (
            "deploy/batch.yml",
            include_str!("../templates/jobs/batch.yml"),
        ),
        ("deploy/images", include_str!("../../../deploy/images")),
        ("deploy/stack", include_str!("../../../deploy/stack")),
    ] {
        plan.file(file, text.to_owned());
    }
    plan.member("functions/dispatcher-function")?;
    plan.member("functions/job-watcher-function")?;
    for (file, path, what, yaml) in [
        (
            "serverless.yml",
            "params.default",
            "parameters subnets, securityGroups",
            include_str!("../templates/jobs/params.yml"),
        ),
        (
            "serverless.yml",
            "custom.settings",
            "checks of subnets, securityGroups",
            include_str!("../templates/jobs/settings.yml"),
        ),
        (
            "serverless.yml",
            "custom",
            "network and instance types",
            include_str!("../templates/jobs/custom.yml"),
        ),
        (
            "serverless.yml",
            "functions",
            "functions dispatcher, job-watcher",
            include_str!("../templates/jobs/functions.yml"),
        ),
        (
            "serverless.yml",
            "resources",
            "network, cluster, queues, events",
            include_str!("../templates/jobs/resources.yml"),
        ),
        (
            "deploy/iam.yml",
            "Resources",
            "roles of dispatcher, job-watcher, workers, instances",
            include_str!("../templates/jobs/iam.yml"),
        ),
        (
            "deploy/monitoring.yml",
            "Resources",
            "alarm of undelivered events",
            include_str!("../templates/jobs/monitoring.yml"),
        ),
    ] {
        plan.entry(file, path, what, yaml)?;
    }
    Ok(())
}
