//! `hybrid doctor`: what is missing on this machine, or in the AWS account it can reach, and how to get it.

use std::{
    io::Read as _,
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::json;

use stack::Stack;

use crate::error::{Error, FAILED};
use crate::place::{ProjectArguments, tell_not_run};
use crate::project::Project;
use crate::{needed, style};

mod handlers;

/// Longest time that a tool on this machine may take to answer, and an AWS account.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(10));

/// Arguments of `hybrid doctor`.
#[derive(Args)]
pub struct Doctor {
    #[command(flatten)]
    project: ProjectArguments,
    /// What it shall be possible to do: only what that needs is looked at [default: all on this machine; the exit code
    /// is that of `run`]. An AWS account is asked only for `deploy`.
    #[arg(value_enum)]
    purpose: Option<Purpose>,
    /// Print one JSON document: `[{"for","what","found","missing"}]`.
    #[arg(long)]
    json: bool,
}

/// What something is needed for; each contains the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Purpose {
    /// Run pipelines on this machine.
    Run,
    /// Package the stack.
    Package,
    /// Deploy it to AWS.
    Deploy,
}

/// Commands to try in turn; the first that succeeds shows that the thing is there.
struct Check {
    purpose: Purpose,
    what: &'static str,
    commands: &'static [&'static [&'static str]],
    least: Option<(u32, u32)>,
    /// How to get it.
    cure: &'static str,
}

const CHECKS: &[Check] = &[
    Check {
        purpose: Purpose::Run,
        what: "Rust 1.95",
        commands: &[&["rustc", "--version"]],
        least: Some((1, 95)),
        cure: "install it with rustup, or `rustup update stable`",
    },
    Check {
        purpose: Purpose::Run,
        what: "a C compiler",
        commands: &[&["cc", "--version"], &["clang", "--version"]],
        least: None,
        cure: "`apt install gcc libc6-dev`, or the system's own package of a C compiler",
    },
    Check {
        purpose: Purpose::Package,
        what: "cargo-lambda",
        commands: &[&["cargo", "lambda", "--version"]],
        least: None,
        cure: "`pip install cargo-lambda` in a virtual environment on the PATH",
    },
    Check {
        purpose: Purpose::Package,
        what: "zig, which links for Lambda's C library",
        commands: &[
            &["zig", "version"],
            &["python3", "-m", "ziglang", "version"],
        ],
        least: None,
        cure: "`pip install ziglang` beside cargo-lambda",
    },
    Check {
        purpose: Purpose::Package,
        what: "Node.js 18",
        commands: &[&["node", "--version"]],
        least: Some((18, 0)),
        cure: "install a supported release of Node.js",
    },
    Check {
        purpose: Purpose::Package,
        what: "osls or the Serverless Framework",
        commands: &[
            &["node_modules/.bin/osls", "--version"],
            &["osls", "--version"],
            &["serverless", "--version"],
        ],
        least: None,
        cure: "`npm ci` in the project",
    },
    Check {
        purpose: Purpose::Deploy,
        what: "the AWS CLI",
        // Asked for its version it would take longer than all others together.
        commands: &[&["sh", "-c", "command -v aws"]],
        least: None,
        cure: "`pip install awscli`, or the installer of AWS",
    },
    Check {
        purpose: Purpose::Deploy,
        what: "Docker, Podman or Buildah, for the images of the workers",
        commands: &[
            &["docker", "info", "--format", "{{.ServerVersion}}"],
            &["podman", "--version"],
            &["buildah", "--version"],
        ],
        least: None,
        cure: "install one of them; `apt install buildah` needs no daemon",
    },
    Check {
        purpose: Purpose::Deploy,
        what: "credentials of an AWS account",
        commands: &[&[
            "aws",
            "sts",
            "get-caller-identity",
            "--query",
            "Arn",
            "--output",
            "text",
        ]],
        least: None,
        cure: "`aws configure`, `aws sso login`, or the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    },
    Check {
        purpose: Purpose::Deploy,
        // https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
        what: "1,000 concurrent Lambda executions",
        commands: &[&[
            "aws",
            "lambda",
            "get-account-settings",
            "--query",
            "AccountLimit.ConcurrentExecutions",
            "--output",
            "text",
        ]],
        least: Some((1000, 0)),
        cure: "ask with credentials; new accounts start lower: raise quota L-B99A9384 of Lambda in the Service Quotas console",
    },
    Check {
        purpose: Purpose::Deploy,
        // https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html
        what: "16 Fargate vCPUs",
        commands: &[&[
            "aws",
            "service-quotas",
            "get-service-quota",
            "--service-code",
            "fargate",
            "--quota-code",
            "L-3032A538",
            "--query",
            "Quota.Value",
            "--output",
            "text",
        ]],
        least: Some((16, 0)),
        cure: "ask with credentials; raise quota L-3032A538 of AWS Fargate in the Service Quotas console",
    },
];

/// What came of one check.
#[derive(Debug, Serialize)]
struct Finding {
    #[serde(rename = "for")]
    purpose: Purpose,
    what: String,
    /// What the tool said of itself.
    found: Option<String>,
    /// How to get it, when it is missing or too old.
    missing: Option<String>,
}

impl Doctor {
    /// Exit code 0 if nothing is missing for the purpose, else 1; what only later purposes need is told.
    pub async fn execute(self) -> Result<ExitCode, Error> {
        let project = self.project()?;
        let builds = project
            .as_ref()
            .is_none_or(|(_, stack)| !needed::all(stack).is_empty());
        let asked: Vec<&Check> = CHECKS
            .iter()
            .filter(|check| match self.purpose {
                Some(purpose) => check.purpose <= purpose,
                None => !check.asks_aws(),
            })
            .filter(|check| !check.is_to_build() || builds)
            .collect();
        // All at once: each is the start of another program, and some of them take their time.
        let mut findings: Vec<Finding> = std::thread::scope(|scope| {
            let running: Vec<_> = asked
                .iter()
                .map(|check| scope.spawn(|| check.find()))
                .collect();
            let done = running.into_iter().zip(&asked);
            done.map(|(finding, check)| finding.join().unwrap_or_else(|_| judge(check, None)))
                .collect()
        });
        if let Some((project, stack)) = &project {
            findings.extend(handlers::findings(project, stack).await);
            findings.extend(of_project(project));
            tell_not_run(stack);
        }
        if self.json {
            println!("{}", json!(findings));
        } else {
            print(&findings, self.purpose);
        }
        let asked = self.purpose.unwrap_or(Purpose::Run);
        let ready = findings
            .iter()
            .all(|finding| finding.purpose > asked || finding.missing.is_none());
        Ok(if ready {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(FAILED)
        })
    }
}

impl Doctor {
    /// The project, where there is one.
    fn project(&self) -> Result<Option<(Project, Stack)>, Error> {
        match self.project.find() {
            Ok(project) => {
                let stack = self.project.stack(&project)?;
                Ok(Some((project, stack)))
            }
            Err(Error::NoProject { .. }) if !self.project.is_named() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Check {
    /// Whether only executables that are built here need it.
    fn is_to_build(&self) -> bool {
        self.purpose == Purpose::Run
    }

    /// Whether it is a question to an AWS account.
    fn asks_aws(&self) -> bool {
        self.commands
            .iter()
            .any(|command| command[0] == "aws" && command.len() > 2)
    }

    fn find(&self) -> Finding {
        let patience = if self.asks_aws() {
            PATIENCE.1
        } else {
            PATIENCE.0
        };
        let said = self
            .commands
            .iter()
            .find_map(|command| answer(command, patience));
        judge(self, said)
    }
}

/// Whether the project is what AWS takes, as far as that is known of projects of its kind.
fn of_project(project: &Project) -> Option<Finding> {
    let found = blueprint::check::check(project.root()).ok()?;
    let wrong = found.iter().filter(|finding| finding.is_error()).count();
    Some(Finding {
        purpose: Purpose::Deploy,
        what: "this project".to_owned(),
        found: Some(match wrong {
            0 => "nothing in it would fail on AWS only".to_owned(),
            1 => "one thing in it would fail on AWS only".to_owned(),
            many => format!("{many} things in it would fail on AWS only"),
        }),
        missing: (wrong > 0).then(|| "`hybrid validate` says what".to_owned()),
    })
}

fn judge(check: &Check, said: Option<String>) -> Finding {
    let enough = match (&said, check.least) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(said), Some(least)) => version(said).is_some_and(|version| version >= least),
    };
    Finding {
        purpose: check.purpose,
        what: check.what.to_owned(),
        found: said,
        missing: (!enough).then(|| check.cure.to_owned()),
    }
}

fn ready(findings: &[Finding], purpose: Purpose) -> bool {
    findings
        .iter()
        .all(|finding| finding.purpose != purpose || finding.missing.is_none())
}

fn print(findings: &[Finding], asked: Option<Purpose>) {
    let purposes = [
        (Purpose::Run, "run pipelines on this machine"),
        (Purpose::Package, "package the stack"),
        (Purpose::Deploy, "deploy it to AWS"),
    ];
    let looked_at = |purpose: &Purpose| asked.is_none_or(|asked| *purpose <= asked);
    for (purpose, title) in purposes
        .into_iter()
        .filter(|(purpose, _)| looked_at(purpose))
    {
        let state = if ready(findings, purpose) {
            "ready"
        } else {
            "not ready"
        };
        println!("{}", style::bold(&format!("{title}: {state}")));
        for finding in findings.iter().filter(|finding| finding.purpose == purpose) {
            let found = finding.found.as_deref();
            match &finding.missing {
                None => println!(
                    "  {}       {}: {}",
                    style::good("ok"),
                    finding.what,
                    found.unwrap_or("found")
                ),
                Some(cure) => {
                    let found = found.map_or(String::new(), |found| format!(" (found {found})"));
                    println!(
                        "  {}  {}{found}: {cure}",
                        style::bad("missing"),
                        finding.what
                    );
                }
            }
        }
    }
    if asked.is_none() {
        println!("Credentials and quotas of an AWS account: asked by `hybrid doctor deploy`.");
    }
}

/// First line that a tool prints when it succeeds in time.
fn answer(command: &[&str], patience: Duration) -> Option<String> {
    let (program, arguments) = command.split_first()?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let started = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if started.elapsed() < patience => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Ok(None) | Err(_) => {
                // A tool that hangs is as good as none; its own end does not matter.
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
    };
    let mut said = String::new();
    child.stdout.take()?.read_to_string(&mut said).ok()?;
    status
        .success()
        .then(|| said.lines().next().unwrap_or_default().trim().to_owned())
}

/// The first number of a text, with its minor part: `rustc 1.95.0 (…)` is (1, 95), `v20.11.1` is (20, 11).
fn version(text: &str) -> Option<(u32, u32)> {
    let start = text.find(|character: char| character.is_ascii_digit())?;
    let mut numbers = text[start..]
        .split(|character: char| !character.is_ascii_digit())
        .map(str::parse);
    let major = numbers.next()?.ok()?;
    Some((major, numbers.next().and_then(Result::ok).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_tools_print_them() {
        let table = [
            ("rustc 1.95.0 (59807616e 2026-04-14)", Some((1, 95))),
            ("v20.20.2", Some((20, 20))),
            ("osls version: 4.3.1", Some((4, 3))),
            ("1000", Some((1000, 0))),
            ("16.0", Some((16, 0))),
            ("none", None),
        ];
        for (text, expected) in table {
            assert_eq!(version(text), expected, "{text}");
        }
    }

    #[test]
    fn too_old_and_absent_are_missing() {
        let rust = &CHECKS[0];
        assert!(judge(rust, Some("rustc 1.95.0".into())).missing.is_none());
        assert!(judge(rust, Some("rustc 2.0.0".into())).missing.is_none());
        assert_eq!(
            judge(rust, Some("rustc 1.80.1".into())).missing,
            Some(rust.cure.to_owned())
        );
        assert_eq!(judge(rust, None).missing, Some(rust.cure.to_owned()));
    }

    #[test]
    fn a_tool_answers_with_its_first_line_or_not_at_all() {
        assert_eq!(
            answer(&["echo", "one\ntwo"], PATIENCE.1).as_deref(),
            Some("one")
        );
        assert_eq!(answer(&["false"], PATIENCE.1), None);
        assert_eq!(answer(&["no-such-tool-anywhere"], PATIENCE.1), None);
    }
}
