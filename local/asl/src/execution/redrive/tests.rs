use crate::command::{Child, ChildId, Command, Task};
use crate::definition::StateMachine;
use crate::event::{Event, MapRunUpdate};
use crate::execution::{Execution, MapRunReport};
use crate::start::{Start, Status};
use crate::timestamp::Timestamp;
use crate::value::Value;

/// An execution and what it has asked for last.
struct Test {
    execution: Execution,
    commands: Vec<Command>,
    now: Timestamp,
}

const ACTIVITY: &str =
    r#""Type":"Task","Resource":"arn:aws:states:us-east-1:123456789012:activity:work""#;

fn machine(states: &str) -> Test {
    let definition = format!(r#"{{"StartAt":"A","States":{{{states}}}}}"#);
    start(&definition, "{}")
}

fn start(definition: &str, input: &str) -> Test {
    let machine = StateMachine::parse(definition).unwrap_or_else(|invalid| panic!("{invalid}"));
    let start = Start {
        input: Value::parse(input).unwrap(),
        ..Start::default()
    };
    let (execution, commands) = Execution::start(&machine, start, Timestamp(0));
    Test {
        execution,
        commands,
        now: Timestamp(0),
    }
}

impl Test {
    fn apply(&mut self, event: Event) {
        self.now = self.now.plus_seconds(1.0);
        self.commands = self.execution.apply(event, self.now);
    }

    fn tasks(&self) -> Vec<&Task> {
        let tasks = self.commands.iter().filter_map(|command| match command {
            Command::ScheduleTask(task) => Some(task),
            _ => None,
        });
        tasks.collect()
    }

    fn children(&self) -> Vec<(ChildId, &Child)> {
        let children = self.commands.iter().filter_map(|command| match command {
            Command::StartChild { id, child } => Some((*id, &**child)),
            _ => None,
        });
        children.collect()
    }

    /// Answers the tasks that were asked for last, in their order: with an error, or with an output.
    fn answer(&mut self, answers: &[Result<&str, &str>]) {
        let ids: Vec<_> = self.tasks().iter().map(|task| task.id).collect();
        assert_eq!(ids.len(), answers.len(), "{:?}", self.commands);
        let mut commands = Vec::new();
        for (id, answer) in ids.into_iter().zip(answers) {
            self.apply(match answer {
                Ok(output) => Event::TaskSucceeded {
                    id,
                    output: Value::string(*output),
                },
                Err(error) => Event::TaskFailed {
                    id,
                    error: (*error).to_owned(),
                    cause: None,
                },
            });
            commands.append(&mut self.commands);
        }
        self.commands = commands;
    }

    fn end_children(&mut self, statuses: Vec<Status>) {
        let ids: Vec<ChildId> = self.children().iter().map(|(id, _)| *id).collect();
        assert_eq!(ids.len(), statuses.len(), "{:?}", self.commands);
        let mut commands = Vec::new();
        for (id, status) in ids.into_iter().zip(statuses) {
            self.apply(Event::ChildFinished { id, status });
            commands.append(&mut self.commands);
        }
        self.commands = commands;
    }

    /// Redrives it; the types of the events from there on.
    fn redrive(&mut self) -> Vec<String> {
        let known = self.execution.history().len();
        self.apply(Event::Redrive);
        self.since(known)
    }

    fn since(&self, known: usize) -> Vec<String> {
        let events = self.execution.history().iter().skip(known);
        events.map(crate::HistoryEvent::type_name).collect()
    }

    fn status(&self) -> &'static str {
        self.execution.status().name()
    }

    fn output(&self) -> String {
        match self.execution.status() {
            Status::Succeeded { output } => output.to_string(),
            other => panic!("{other:?}"),
        }
    }

    fn map_run(&self) -> &MapRunReport {
        self.execution.map_runs().last().unwrap()
    }
}

fn failed() -> Status {
    Status::Failed {
        error: Some("Broken".into()),
        cause: None,
    }
}

fn succeeded(output: &str) -> Status {
    Status::Succeeded {
        output: Value::string(output),
    }
}

#[test]
fn a_task_is_scheduled_again_with_its_retries() {
    let retry = r#""Retry":[{"ErrorEquals":["Broken"],"MaxAttempts":1}]"#;
    let count = r#""Parameters":{"redriven.$":"$$.Execution.RedriveCount","tried.$":"$$.State.RetryCount"}"#;
    let mut test = machine(&format!(r#""A":{{{ACTIVITY},{retry},{count},"End":true}}"#));
    test.answer(&[Err("Broken")]);
    let retry = |test: &mut Test| {
        let timer = test.commands.iter().find_map(|command| match command {
            Command::StartTimer { id, .. } => Some(*id),
            _ => None,
        });
        test.apply(Event::TimerFired { id: timer.unwrap() });
    };
    retry(&mut test);
    test.answer(&[Err("Broken")]);
    assert_eq!(test.status(), "FAILED");
    assert_eq!(test.redrive(), ["ExecutionRedriven", "ActivityScheduled"]);
    assert_eq!(test.status(), "RUNNING");
    let task = test.tasks()[0];
    assert_eq!(
        (task.attempt, task.arguments.to_string().as_str()),
        (0, r#"{"redriven":1,"tried":0}"#)
    );
    let history = test.execution.history();
    let [.., failure, end, redriven, scheduled] = history else {
        panic!("{history:?}")
    };
    assert_eq!(
        (redriven.previous_event_id, scheduled.previous_event_id),
        (end.id, failure.id)
    );
    assert_eq!(
        redriven
            .to_json()
            .get("executionRedrivenEventDetails")
            .unwrap()
            .to_string(),
        r#"{"redriveCount":1}"#
    );
    test.answer(&[Err("Broken")]);
    retry(&mut test);
    test.answer(&[Ok("done")]);
    assert_eq!(test.output(), r#""done""#);
    // It is no error for the interpreter that there is nothing to redrive.
    assert_eq!(test.redrive(), [""; 0]);
}

#[test]
fn each_state_goes_on_in_its_own_way() {
    let fail = r#""A":{"Type":"Fail","Error":"E"}"#;
    let mut test = machine(fail);
    assert_eq!(
        test.redrive(),
        ["ExecutionRedriven", "FailStateEntered", "ExecutionFailed"]
    );
    assert_eq!(test.redrive().len(), 3);

    let wait = r#""A":{"Type":"Wait","Timestamp":"1970-01-01T00:00:02Z","End":true}"#;
    let mut test = machine(wait);
    test.apply(Event::Stop {
        error: None,
        cause: None,
    });
    assert_eq!(test.status(), "ABORTED");
    assert_eq!(
        test.redrive(),
        ["ExecutionRedriven", "WaitStateExited", "ExecutionSucceeded"]
    );

    // The time of the whole begins anew.
    let definition = format!(
        r#"{{"StartAt":"A","TimeoutSeconds":10,"States":{{"A":{{{ACTIVITY},"End":true}}}}}}"#
    );
    let mut test = start(&definition, "{}");
    let timer = |test: &Test| {
        test.commands.iter().find_map(|command| match command {
            Command::StartTimer { id, at } => Some((*id, at.0)),
            _ => None,
        })
    };
    let (id, at) = timer(&test).unwrap();
    assert_eq!(at, 10_000_000);
    test.apply(Event::TimerFired { id });
    assert_eq!(test.status(), "TIMED_OUT");
    assert_eq!(test.redrive(), ["ExecutionRedriven", "ActivityScheduled"]);
    assert_eq!(timer(&test).unwrap().1, 12_000_000);
}

#[test]
fn branches_that_succeeded_are_kept() {
    let branch = |name: &str| {
        format!(r#"{{"StartAt":"{name}","States":{{"{name}":{{{ACTIVITY},"End":true}}}}}}"#)
    };
    let inner = format!(
        r#"{{"StartAt":"I","States":{{"I":{{"Type":"Parallel","Branches":[{},{}],"End":true}}}}}}"#,
        branch("X"),
        branch("Y")
    );
    let mut test = machine(&format!(
        r#""A":{{"Type":"Parallel","Branches":[{},{},{inner}],"End":true}}"#,
        branch("B"),
        branch("C")
    ));
    // B succeeds, C waits, X succeeds and Y fails, which ends them all.
    let ids: Vec<_> = test
        .tasks()
        .iter()
        .map(|task| (task.state.to_string(), task.id))
        .collect();
    let id = |state: &str| ids.iter().find(|(name, _)| name == state).unwrap().1;
    for state in ["B", "X"] {
        test.apply(Event::TaskSucceeded {
            id: id(state),
            output: Value::string(state),
        });
    }
    test.apply(Event::TaskFailed {
        id: id("Y"),
        error: "Broken".into(),
        cause: None,
    });
    assert_eq!(test.status(), "FAILED");
    test.redrive();
    let again: Vec<&str> = test.tasks().iter().map(|task| &*task.state).collect();
    assert_eq!(again, ["Y", "C"]);
    test.answer(&[Ok("y"), Ok("c")]);
    assert_eq!(test.output(), r#"["B","c",["X","y"]]"#);
}

#[test]
fn iterations_that_succeeded_are_kept_and_others_follow() {
    let iteration = format!(r#"{{"StartAt":"B","States":{{"B":{{{ACTIVITY},"End":true}}}}}}"#);
    let map = format!(
        r#"{{"StartAt":"A","States":{{"A":{{"Type":"Map","MaxConcurrency":2,"ItemProcessor":{iteration},"End":true}}}}}}"#
    );
    let mut test = start(&map, "[1,2,3,4]");
    test.answer(&[Ok("one"), Err("Broken")]);
    assert_eq!(test.status(), "FAILED");
    // The third had begun in the place of the first, and was aborted.
    assert_eq!(
        test.redrive(),
        [
            "ExecutionRedriven",
            "ActivityScheduled",
            "ActivityScheduled"
        ]
    );
    let given: Vec<String> = test
        .tasks()
        .iter()
        .map(|task| task.arguments.to_string())
        .collect();
    assert_eq!(given, ["2", "3"]);
    test.answer(&[Ok("two"), Ok("three")]);
    test.answer(&[Ok("four")]);
    assert_eq!(test.output(), r#"["one","two","three","four"]"#);
}

#[test]
fn a_state_whose_data_were_too_large_runs_as_a_whole() {
    let branch = |name: &str| {
        format!(r#"{{"StartAt":"{name}","States":{{"{name}":{{{ACTIVITY},"End":true}}}}}}"#)
    };
    let mut test = machine(&format!(
        r#""A":{{"Type":"Parallel","Branches":[{},{}],"End":true}}"#,
        branch("B"),
        branch("C")
    ));
    let large = "x".repeat(200_000);
    test.answer(&[Ok(&large), Ok(&large)]);
    assert_eq!(test.status(), "FAILED");
    test.redrive();
    assert_eq!(test.tasks().len(), 2);
    test.answer(&[Ok("b"), Ok("c")]);
    assert_eq!(test.output(), r#"["b","c"]"#);
}

fn distributed(kind: &str, more: &str) -> String {
    format!(
        r#"{{"StartAt":"A","States":{{"A":{{"Type":"Map",{more}"ItemProcessor":{{
            "ProcessorConfig":{{"Mode":"DISTRIBUTED","ExecutionType":"{kind}"}},
            "StartAt":"P","States":{{"P":{{"Type":"Pass","End":true}}}}}},"End":true}}}}}}"#
    )
}

#[test]
fn a_map_run_redrives_the_children_that_did_not_succeed() {
    for kind in ["STANDARD", "EXPRESS"] {
        let mut test = start(&distributed(kind, r#""MaxConcurrency":2,"#), "[1,2,3,4]");
        let arns = |test: &Test| -> Vec<String> {
            let children = test.children().into_iter();
            children
                .map(|(_, child)| child.start.arn.to_string())
                .collect()
        };
        let first = arns(&test);
        test.end_children(vec![succeeded("one"), failed()]);
        assert_eq!(test.status(), "FAILED");
        assert_eq!(test.redrive(), ["ExecutionRedriven", "MapRunRedriven"]);
        let run = test.map_run();
        assert_eq!((run.redrives, run.redriven), (1, Some(test.now)));
        let counts = run.executions;
        assert_eq!(
            (
                counts.succeeded,
                counts.running,
                counts.pending,
                counts.total()
            ),
            (1, 2, 1, 4)
        );
        let again: Vec<_> = test.children();
        assert_eq!(again.len(), 2);
        let redrives: Vec<u64> = again.iter().map(|(_, child)| child.redrive).collect();
        assert_eq!(redrives, [1, 1], "the third had begun and was stopped");
        assert_eq!(arns(&test)[0], first[1]);
        test.end_children(vec![succeeded("two"), succeeded("three")]);
        assert_eq!(test.children()[0].1.redrive, 0);
        test.end_children(vec![succeeded("four")]);
        assert_eq!(test.output(), r#"["one","two","three","four"]"#);
        assert_eq!(test.execution.map_runs().len(), 1);
        assert_eq!(test.map_run().executions.succeeded, 4);
    }
}

#[test]
fn redrives_wait_for_their_turn() {
    let definition = distributed(
        "STANDARD",
        r#""MaxConcurrency":1,"ToleratedFailureCount":1,"#,
    );
    let mut test = start(&definition, "[1,2,3]");
    test.end_children(vec![failed()]);
    test.end_children(vec![failed()]);
    assert_eq!(test.status(), "FAILED");
    test.redrive();
    let counts = test.map_run().executions;
    assert_eq!(
        (
            counts.running,
            counts.failed,
            counts.pending_redrive,
            counts.pending
        ),
        (1, 1, 1, 1)
    );
    test.apply(Event::Stop {
        error: None,
        cause: None,
    });
    assert_eq!(test.map_run().executions.pending_redrive, 0);
    test.redrive();
    let redrives: Vec<u64> = test
        .children()
        .iter()
        .map(|(_, child)| child.redrive)
        .collect();
    assert_eq!(redrives, [2]);
    assert_eq!(test.map_run().redrives, 2);
}

#[test]
fn a_writer_that_failed_writes_again() {
    let writer = r#""ResultWriter":{"Resource":"arn:aws:states:::s3:putObject","Parameters":{"Bucket":"b","Prefix":"p"}},"#;
    let mut test = start(&distributed("STANDARD", writer), "[1]");
    test.end_children(vec![succeeded("one")]);
    let written = |test: &Test| {
        let write = test.commands.iter().find_map(|command| match command {
            Command::WriteResults { id, results, .. } => Some((*id, results.children.len())),
            _ => None,
        });
        write.unwrap()
    };
    let (id, children) = written(&test);
    assert_eq!(children, 1);
    let error = crate::TaskError {
        error: "States.ResultWriterFailed".into(),
        cause: None,
    };
    test.apply(Event::ResultsWritten {
        id,
        result: Err(error),
    });
    assert_eq!(test.status(), "FAILED");
    test.redrive();
    let (id, children) = written(&test);
    assert_eq!(children, 1);
    test.apply(Event::ResultsWritten {
        id,
        result: Ok(Value::string("there")),
    });
    assert_eq!(test.output(), r#""there""#);
}

#[test]
fn a_map_run_takes_other_limits() {
    let mut test = start(
        &distributed("STANDARD", r#""MaxConcurrency":1,"#),
        "[1,2,3]",
    );
    let arn = test.map_run().arn.to_string();
    let update = |update: MapRunUpdate| Event::MapRunUpdated {
        map_run: arn.clone(),
        update,
    };
    test.apply(update(MapRunUpdate {
        max_concurrency: Some(3),
        tolerated_count: Some(2),
        ..MapRunUpdate::default()
    }));
    assert_eq!(test.children().len(), 2);
    let run = test.map_run();
    assert_eq!((run.max_concurrency, run.tolerated_count), (3, 2));
    test.end_children(vec![failed(), failed()]);
    assert_eq!(test.status(), "RUNNING");
    test.apply(update(MapRunUpdate {
        tolerated_count: Some(1),
        ..MapRunUpdate::default()
    }));
    assert_eq!(test.status(), "FAILED");
    // Of a Map Run that is over nothing changes.
    test.apply(update(MapRunUpdate {
        max_concurrency: Some(9),
        ..MapRunUpdate::default()
    }));
    assert_eq!(test.map_run().max_concurrency, 3);
}
