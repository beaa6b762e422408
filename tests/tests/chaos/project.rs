//! The project that is served: the product's own stack, with a function, a task and a job of this test added. It lies
//! in a folder of its own, so that the processes of this test are told from all others.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use end_to_end::root;
use serde_json::Value;
use stack::Stack;
use tempfile::TempDir;

/// Resources beside the product's own; the worker's image is a script of this test.
const RESOURCES: &str = r#"
Resources:
  ChaosTaskDefinition:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: chaos-worker
      RequiresCompatibilities: [FARGATE]
      NetworkMode: awsvpc
      Cpu: "256"
      Memory: "512"
      ContainerDefinitions: [{ Name: worker, Image: chaos-worker, Essential: true }]
  ChaosJobDefinition:
    Type: AWS::Batch::JobDefinition
    Properties:
      JobDefinitionName: chaos-worker
      Type: container
      RetryStrategy: { Attempts: 1 }
      Timeout: { AttemptDurationSeconds: 600 }
      ContainerProperties:
        Image: chaos-worker
        ResourceRequirements: [{ Type: VCPU, Value: "1" }, { Type: MEMORY, Value: "256" }]
"#;

/// Binary of the function of this test, which is this test itself.
const OWN_FUNCTION: &str = "chaos-function";
const FUNCTION: &str = "
functions:
  chaos:
    handler: chaos-function
    timeout: 60
";

/// Does what its environment says, and notes each start, stop and end. A start that was noted has its stop noted too:
/// the trap looks into the file, for the signal may come between two commands.
const WORKER: &str = r#"me="$WORK start $$"
trap 'grep -qx "$me" "$NOTES" && echo "$WORK stop $$" >> "$NOTES"; exit 143' TERM
echo "$me" >> "$NOTES"
if [ -n "$TASK_TOKEN" ]; then
  printf %s "$TASK_TOKEN" > "$TOKENS/$WORK.$$" && mv "$TOKENS/$WORK.$$" "$TOKENS/$WORK"
fi
sleep "$LASTS" &
wait $!
echo "$WORK end $$" >> "$NOTES"
exit "$EXIT"
"#;

/// Workers that are no functions too.
const CONTAINERS: [&str; 1] = ["transformer"];

/// A project of its own for one round.
pub struct Project {
    folder: TempDir,
    /// The stack that is served.
    pub stack: Stack,
}

impl Project {
    /// Lays out a project beside the binaries, so that `hybrid` can be a second name of the same file: where it was
    /// not built it looks for the others in the project.
    pub fn new(built: &Path) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let path = folder.path();
        for shared in ["deploy", "data"] {
            symlink(root().join(shared), path.join(shared)).unwrap();
        }
        copy_definitions(&path.join("statemachines"));
        let text = fs::read_to_string(root().join("serverless.yml")).unwrap();
        let resources = "\nresources:\n";
        let own = text.replacen("\nfunctions:\n", FUNCTION, 1).replacen(
            resources,
            &format!("{resources}  - ${{file(chaos.yml)}}\n"),
            1,
        );
        assert_eq!(
            own.matches("chaos").count(),
            3,
            "serverless.yml has other sections now"
        );
        fs::write(path.join("serverless.yml"), own).unwrap();
        fs::write(path.join("chaos.yml"), RESOURCES).unwrap();
        let stack = Stack::load(&path.join("serverless.yml"), &stack::Options::default()).unwrap();
        let project = Self { folder, stack };
        fs::create_dir_all(project.binary("")).unwrap();
        let functions = project
            .stack
            .functions
            .iter()
            .map(|function| function.binary.as_str());
        for name in functions
            .chain(CONTAINERS)
            .filter(|name| *name != OWN_FUNCTION)
        {
            symlink(built.join(name), project.binary(name)).unwrap();
        }
        fs::hard_link(built.join("hybrid"), project.hybrid()).unwrap();
        project.write_scripts();
        project
    }

    fn binary(&self, name: &str) -> PathBuf {
        self.path().join("target/release").join(name)
    }

    /// The project's folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The `hybrid` binary.
    pub fn hybrid(&self) -> PathBuf {
        self.binary("hybrid")
    }

    /// Where function and workers note what they do.
    pub fn notes(&self) -> PathBuf {
        self.path().join("notes")
    }

    /// Where workers put their task tokens down, each in a file of the work's name.
    pub fn tokens(&self) -> PathBuf {
        self.path().join("tokens")
    }

    /// Keeps the folder as this one.
    pub fn keep_as(self, path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::rename(self.folder.keep(), path).unwrap();
    }

    fn write_scripts(&self) {
        fs::create_dir_all(self.tokens()).unwrap();
        fs::write(self.notes(), "").unwrap();
        let (notes, tokens) = (self.notes(), self.tokens());
        let (notes, tokens) = (notes.display(), tokens.display());
        let worker = format!("#!/bin/sh\nNOTES='{notes}' TOKENS='{tokens}'\n{WORKER}");
        self.script("chaos-worker", &worker);
        let function = format!(
            "#!/bin/sh\nCHAOS_NOTES='{}' exec '{}' --exact function --ignored --nocapture\n",
            self.notes().display(),
            std::env::current_exe().unwrap().display()
        );
        self.script(OWN_FUNCTION, &function);
    }

    fn script(&self, name: &str, text: &str) {
        let path = self.binary(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// The pipelines' definitions. That of the activity waits half an hour for the news of a task that went down with its
/// poller, for a job may wait so long for capacity; here a minute says the same.
fn copy_definitions(to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(root().join("statemachines")).unwrap() {
        let from = entry.unwrap().path();
        fs::copy(&from, to.join(from.file_name().unwrap())).unwrap();
    }
    let path = to.join("activity.asl.json");
    let mut definition: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let place = "/States/Ask and serve/Branches/2/States/Ask by the trigger/HeartbeatSeconds";
    *definition.pointer_mut(place).expect(place) = 60.into();
    fs::write(path, definition.to_string()).unwrap();
}
