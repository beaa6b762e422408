//! A new project: a workspace of its own with one pipeline.

use std::path::Path;

use crate::{Calls, Error, Fill, Name, Origin, Plan, manifest, pipeline};

/// Where the libraries are in the template's Cargo.toml.
const ORIGIN: &str = "/origin";

/// The function and the pipeline that a new project begins with.
const FIRST: (&str, &str) = ("counter", "hello");

/// Adds a whole project to an empty folder: workspace, stack, one function and one pipeline that calls it.
///
/// # Errors
/// [`Error::Folder`] if there is something else, or the folder lies in a project; [`Error::Name`] if its name cannot be
/// that of a stack.
pub fn project(root: &Path, origin: &Origin) -> Result<Plan, Error> {
    let mut plan = Plan::new(root);
    let refuse = |why: String| Error::Folder {
        folder: root.to_path_buf(),
        why,
    };
    let name = root.file_name().and_then(|name| name.to_str());
    let name = Name::of_project(name.unwrap_or_default())?;
    let is_ours = plan
        .text("serverless.yml")
        .is_ok_and(|text| text.contains(&format!("service: {}\n", name.kebab())));
    let is_empty = std::fs::read_dir(root).map_or(true, |mut entries| entries.next().is_none());
    if !is_ours && !is_empty {
        return Err(refuse(
            "it is not empty; name a folder that is, or is not there yet".to_owned(),
        ));
    }
    let around = root.ancestors().skip(1);
    if let Some(other) = around
        .into_iter()
        .find(|folder| folder.join("serverless.yml").is_file())
    {
        return Err(refuse(format!(
            "it lies in the project {}, to which `hybrid new function`, `worker` and `pipeline` add",
            other.display()
        )));
    }
    let fill = Fill::new().name("my-project", &name);
    let manifest = include_str!("../templates/project/Cargo.toml");
    let manifest = manifest::with_origin(manifest, ORIGIN, origin)?;
    plan.file("Cargo.toml", manifest);
    for (file, template) in [
        (".gitignore", include_str!("../templates/project/gitignore")),
        ("README.md", include_str!("../templates/project/README.md")),
        (
            "package.json",
            include_str!("../templates/project/package.json"),
        ),
        (
            "serverless.yml",
            include_str!("../templates/project/serverless.yml"),
        ),
        (
            "deploy/iam.yml",
            include_str!("../templates/project/iam.yml"),
        ),
        (
            "deploy/monitoring.yml",
            include_str!("../templates/project/monitoring.yml"),
        ),
        (
            "deploy/rollout.yml",
            include_str!("../templates/project/rollout.yml"),
        ),
        (
            "deploy/statemachines.yml",
            include_str!("../templates/project/statemachines.yml"),
        ),
    ] {
        plan.file(file, fill.apply(template));
    }
    for (file, text) in [
        (
            "deploy/storage.yml",
            include_str!("../../../deploy/storage.yml"),
        ),
        (
            "deploy/settings.js",
            include_str!("../../../deploy/settings.js"),
        ),
        (
            "deploy/cargo-lambda.js",
            include_str!("../../../deploy/cargo-lambda.js"),
        ),
    ] {
        plan.file(file, text.to_owned());
    }
    if let Origin::Path(path) = origin {
        // The versions that the libraries are tested with; Cargo drops what this workspace does not use.
        let lock = root.join(path).join("Cargo.lock");
        if let Ok(text) = std::fs::read_to_string(lock) {
            plan.file("Cargo.lock", text);
        }
    }
    let (function, first) = (Name::new(FIRST.0)?, Name::new(FIRST.1)?);
    pipeline(&mut plan, &first, &Calls::Function(function))?;
    Ok(plan)
}
