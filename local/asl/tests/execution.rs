//! The interpreter as a driver sees it: events in, commands and history out.
#![allow(clippy::unwrap_used)]

use asl::simulate::{self, Answer, Services};
use asl::{
    Command, Event, Execution, ExecutionType, ItemReader, Limits, MapRunResults, ResultWriter,
    Seen, Start, StateMachine, Status, Task, TaskError, TaskId, TimerId, Timestamp, Value,
};
use proptest::prelude::*;

const NOW: Timestamp = Timestamp(1_700_000_000_000_000);

fn json(text: &str) -> Value {
    Value::parse(text).unwrap()
}

fn machine(definition: &str) -> StateMachine {
    StateMachine::parse(definition).unwrap_or_else(|invalid| panic!("{invalid}\n{definition}"))
}

fn start(definition: &str, input: &str) -> (Execution, Vec<Command>) {
    let start = Start {
        input: json(input),
        ..Start::default()
    };
    Execution::start(&machine(definition), start, NOW)
}

fn types(execution: &Execution) -> Vec<String> {
    execution
        .history()
        .iter()
        .map(asl::HistoryEvent::type_name)
        .collect()
}

fn links(execution: &Execution) -> Vec<u64> {
    execution
        .history()
        .iter()
        .map(|event| event.previous_event_id)
        .collect()
}

fn tasks(commands: &[Command]) -> Vec<&Task> {
    commands
        .iter()
        .filter_map(|command| match command {
            Command::ScheduleTask(task) => Some(task),
            _ => None,
        })
        .collect()
}

fn timers(commands: &[Command]) -> Vec<(TimerId, f64)> {
    commands
        .iter()
        .filter_map(|command| match command {
            Command::StartTimer { id, at } => Some((*id, (at.0 - NOW.0) as f64 / 1e6)),
            _ => None,
        })
        .collect()
}

fn cancelled(commands: &[Command]) -> Vec<TaskId> {
    commands
        .iter()
        .filter_map(|command| match command {
            Command::CancelTask { id } => Some(*id),
            _ => None,
        })
        .collect()
}

fn after(seconds: f64) -> Timestamp {
    NOW.plus_seconds(seconds)
}

fn fail(id: TaskId, error: &str) -> Event {
    Event::TaskFailed {
        id,
        error: error.to_string(),
        cause: Some("why".to_string()),
    }
}

/// A definition of one Task state with more fields.
fn task(fields: &str) -> String {
    let caught = match fields.contains("Caught") {
        true => r#""Caught":{"Type":"Pass","End":true},"#,
        false => "",
    };
    format!(
        r#"{{"StartAt":"T","States":{{
            "T":{{"Type":"Task","Resource":"arn:aws:states:us-east-1:123456789012:activity:work",{fields}"Next":"Done"}},
            {caught}
            "Done":{{"Type":"Succeed"}}}}}}"#
    )
}

/// A machine that would go on for ever: its way out is never taken.
fn endless(parameters: &str) -> String {
    format!(
        r#"{{"StartAt":"A","States":{{
            "A":{{"Type":"Pass","Parameters":{parameters},"Next":"C"}},
            "C":{{"Type":"Choice","Choices":[{{"Variable":"$.out","IsPresent":true,"Next":"Out"}}],"Default":"A"}},
            "Out":{{"Type":"Succeed"}}}}}}"#
    )
}

#[test]
fn a_task_is_scheduled_and_its_output_goes_on() {
    let (mut execution, commands) = start(
        r#"{"StartAt":"T","States":{
            "T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken","Next":"Done",
                "Parameters":{"FunctionName":"f","Payload":{"token.$":"$$.Task.Token","n.$":"$.n"}}},
            "Done":{"Type":"Succeed"}}}"#,
        r#"{"n":1}"#,
    );
    let scheduled = tasks(&commands)[0].clone();
    assert_eq!(
        scheduled
            .arguments
            .get("Payload")
            .and_then(|payload| payload.get("token"))
            .and_then(Value::as_str),
        Some(&*scheduled.task_token)
    );
    assert_eq!((scheduled.attempt, scheduled.index), (0, None));
    execution.apply(
        Event::TaskStarted {
            id: scheduled.id,
            worker: None,
        },
        after(1.0),
    );
    execution.apply(
        Event::TaskSubmitted {
            id: scheduled.id,
            output: json("{}"),
        },
        after(2.0),
    );
    execution.apply(
        Event::TaskSucceeded {
            id: scheduled.id,
            output: json("[1]"),
        },
        after(3.0),
    );
    assert_eq!(
        execution.status(),
        &Status::Succeeded {
            output: json("[1]")
        }
    );
    assert_eq!(
        types(&execution)[1..7],
        [
            "TaskStateEntered",
            "TaskScheduled",
            "TaskStarted",
            "TaskSubmitted",
            "TaskSucceeded",
            "TaskStateExited"
        ]
    );
    // Whoever answers a second time comes too late.
    assert!(
        execution
            .apply(fail(scheduled.id, "Late"), after(4.0))
            .is_empty()
    );
}

#[test]
fn retries_wait_longer_each_time_until_the_error_is_caught() {
    let definition = task(
        r#""Retry":[{"ErrorEquals":["Job.Crashed"],"IntervalSeconds":2,"BackoffRate":3,"MaxAttempts":3,"MaxDelaySeconds":10}],
           "Catch":[{"ErrorEquals":["States.ALL"],"ResultPath":"$.error","Next":"Caught"}],"#,
    );
    let (mut execution, mut commands) = start(&definition, "{}");
    let mut now = NOW;
    for (attempt, delay) in [(0, Some(2.0)), (1, Some(6.0)), (2, Some(10.0)), (3, None)] {
        let task = tasks(&commands)[0].clone();
        assert_eq!(task.attempt, attempt);
        commands = execution.apply(fail(task.id, "Job.Crashed"), now);
        let Some(delay) = delay else { break };
        let (timer, at) = timers(&commands)[0];
        assert_eq!(at, (now.0 - NOW.0) as f64 / 1e6 + delay);
        now = after(at);
        commands = execution.apply(Event::TimerFired { id: timer }, now);
    }
    let output = json(r#"{"error":{"Error":"Job.Crashed","Cause":"why"}}"#);
    assert_eq!(execution.status(), &Status::Succeeded { output });
}

#[test]
fn another_error_is_neither_retried_nor_caught() {
    let definition =
        task(r#""Retry":[{"ErrorEquals":["A"]}],"Catch":[{"ErrorEquals":["B"],"Next":"Caught"}],"#);
    let (mut execution, commands) = start(&definition, "{}");
    execution.apply(fail(tasks(&commands)[0].id, "C"), NOW);
    assert_eq!(
        execution.status(),
        &Status::Failed {
            error: Some("C".into()),
            cause: Some("why".into())
        }
    );
}

#[test]
fn a_task_that_takes_too_long_is_called_off() {
    let definition = task(
        r#""TimeoutSeconds":60,"Catch":[{"ErrorEquals":["States.Timeout"],"Next":"Caught"}],"#,
    );
    let (mut execution, commands) = start(&definition, "{}");
    let (timer, at) = timers(&commands)[0];
    assert_eq!(at, 60.0);
    let commands = execution.apply(Event::TimerFired { id: timer }, after(60.0));
    assert_eq!(cancelled(&commands).len(), 1);
    assert!(types(&execution).contains(&"ActivityTimedOut".to_string()));
    assert_eq!(
        execution.status(),
        &Status::Succeeded {
            output: json(r#"{"Error":"States.Timeout","Cause":""}"#)
        }
    );
}

#[test]
fn heartbeats_put_off_the_end_but_silence_does_not() {
    let definition = task(
        r#""HeartbeatSeconds":10,"Catch":[{"ErrorEquals":["States.HeartbeatTimeout"],"Next":"Caught"}],"#,
    );
    let (mut execution, commands) = start(&definition, "{}");
    let id = tasks(&commands)[0].id;
    let (first, at) = timers(&commands)[0];
    assert_eq!(at, 10.0);
    let commands = execution.apply(Event::TaskHeartbeat { id }, after(8.0));
    let (second, at) = timers(&commands)[0];
    assert_eq!(at, 18.0);
    // The first timer was cancelled; should it fire all the same, nothing happens.
    assert!(
        execution
            .apply(Event::TimerFired { id: first }, after(10.0))
            .is_empty()
    );
    execution.apply(Event::TimerFired { id: second }, after(18.0));
    assert!(
        matches!(execution.status(), Status::Succeeded { output } if output.get("Error") == Some(&"States.Timeout".into()))
    );
}

#[test]
fn a_failed_branch_stops_the_others() {
    let (mut execution, commands) = start(
        r#"{"StartAt":"P","States":{"P":{"Type":"Parallel","End":true,"Branches":[
            {"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:states:us-east-1:123456789012:activity:work","End":true}}},
            {"StartAt":"B","States":{"B":{"Type":"Task","Resource":"arn:aws:states:us-east-1:123456789012:activity:work","End":true}}},
            {"StartAt":"C","States":{"C":{"Type":"Wait","Seconds":5,"End":true}}}]}}}"#,
        "{}",
    );
    let (a, b) = (tasks(&commands)[0].clone(), tasks(&commands)[1].clone());
    assert_eq!((a.index, b.index), (Some(0), Some(1)));
    let commands = execution.apply(fail(a.id, "Job.Crashed"), NOW);
    assert_eq!(cancelled(&commands), [b.id]);
    assert!(
        commands
            .iter()
            .any(|command| matches!(command, Command::CancelTimer { .. }))
    );
    let types = types(&execution);
    assert_eq!(
        types[types.len() - 6..],
        [
            "ActivityFailed",
            "TaskStateAborted",
            "TaskStateAborted",
            "WaitStateAborted",
            "ParallelStateFailed",
            "ExecutionFailed"
        ]
    );
    assert_eq!(
        execution.status(),
        &Status::Failed {
            error: Some("Job.Crashed".into()),
            cause: Some("why".into())
        }
    );
}

#[test]
fn a_failing_result_selector_comes_after_the_branches_success() {
    let (execution, _) = start(
        r#"{"StartAt":"P","States":{"P":{"Type":"Parallel","ResultSelector":{"x.$":"$.no"},"End":true,
            "Branches":[{"StartAt":"A","States":{"A":{"Type":"Succeed"}}}]}}}"#,
        "{}",
    );
    let types = types(&execution);
    let succeeded = types
        .iter()
        .position(|name| name == "ParallelStateSucceeded")
        .unwrap();
    assert_eq!(types.last().map(String::as_str), Some("ExecutionFailed"));
    assert_eq!(links(&execution).last(), Some(&(succeeded as u64 + 1)));
}

#[test]
fn branches_share_what_was_assigned_before_but_not_what_they_assign() {
    let (execution, _) = start(
        r#"{"QueryLanguage":"JSONata","StartAt":"Set","States":{
            "Set":{"Type":"Pass","Assign":{"x":1},"Next":"P"},
            "P":{"Type":"Parallel","Next":"End","Branches":[
                {"StartAt":"A","States":{"A":{"Type":"Pass","Assign":{"y":2},"Next":"A2"},"A2":{"Type":"Pass","Output":"{% $x + $y %}","End":true}}},
                {"StartAt":"B","States":{"B":{"Type":"Pass","Output":"{% $exists($y) %}","End":true}}}]},
            "End":{"Type":"Succeed","Output":{"branches":"{% $states.input %}","y":"{% $exists($y) %}"}}}}"#,
        "{}",
    );
    let output = json(r#"{"branches":[3,false],"y":false}"#);
    assert_eq!(execution.status(), &Status::Succeeded { output });
}

fn map_of_tasks(fields: &str) -> String {
    format!(
        r#"{{"StartAt":"M","States":{{"M":{{"Type":"Map","ItemsPath":"$.items",{fields}"End":true,"ItemProcessor":{{
            "StartAt":"T","States":{{"T":{{"Type":"Task","Resource":"arn:aws:states:us-east-1:123456789012:activity:work","End":true}}}}}}}}}}}}"#
    )
}

#[test]
fn a_map_runs_no_more_iterations_at_once_than_it_may() {
    for (fields, items, at_once) in [
        ("", 100, 40),
        (r#""MaxConcurrency":3,"#, 10, 3),
        (r#""MaxConcurrency":1000,"#, 50, 40),
    ] {
        let items = Value::array((0..items).map(|item: i64| Value::from(item)).collect());
        let (mut execution, commands) =
            start(&map_of_tasks(fields), &format!(r#"{{"items":{items}}}"#));
        let mut open: Vec<Task> = tasks(&commands).into_iter().cloned().collect();
        assert_eq!(open.len(), at_once, "{fields}");
        // The last one that was started ends first.
        while let Some(task) = open.pop() {
            let commands = execution.apply(
                Event::TaskSucceeded {
                    id: task.id,
                    output: task.arguments,
                },
                NOW,
            );
            open.extend(tasks(&commands).into_iter().cloned());
            assert!(open.len() <= at_once);
        }
        assert_eq!(execution.status(), &Status::Succeeded { output: items });
    }
}

#[test]
fn stopping_calls_everything_off() {
    let (mut execution, commands) = start(&map_of_tasks(""), r#"{"items":[1,2]}"#);
    let open: Vec<TaskId> = tasks(&commands).iter().map(|task| task.id).collect();
    let commands = execution.apply(
        Event::Stop {
            error: Some("E".into()),
            cause: None,
        },
        NOW,
    );
    assert_eq!(cancelled(&commands), open);
    assert_eq!(
        execution.status(),
        &Status::Aborted {
            error: Some("E".into()),
            cause: None
        }
    );
    let last = execution.history().last().unwrap();
    assert_eq!(
        (last.type_name().as_str(), last.previous_event_id),
        ("ExecutionAborted", 0)
    );
    assert!(!types(&execution).contains(&"TaskStateAborted".to_string()));
}

#[test]
fn the_state_machine_has_a_timeout_of_its_own() {
    let (mut execution, commands) = start(
        r#"{"TimeoutSeconds":30,"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":60,"End":true}}}"#,
        "{}",
    );
    let due = timers(&commands);
    assert_eq!(
        due.iter().map(|(_, at)| *at).collect::<Vec<_>>(),
        [30.0, 60.0]
    );
    execution.apply(Event::TimerFired { id: due[0].0 }, after(30.0));
    assert_eq!(
        execution.status(),
        &Status::TimedOut {
            error: None,
            cause: None
        }
    );
    assert_eq!(
        types(&execution),
        ["ExecutionStarted", "WaitStateEntered", "ExecutionTimedOut"]
    );
    assert_eq!(links(&execution), [0, 0, 0]);
}

#[test]
fn an_endless_loop_ends_at_the_last_event_that_a_history_may_have() {
    let endless = endless("{}");
    let (execution, _) = start(&endless, "{}");
    assert_eq!(execution.history().len(), 25_000);
    let cause = "The execution reached the maximum number of history events (25000).";
    assert_eq!(
        execution.status(),
        &Status::Failed {
            error: Some("States.Runtime".into()),
            cause: Some(cause.into())
        }
    );

    let start = Start {
        kind: ExecutionType::Express,
        ..Start::default()
    };
    let (execution, _) = Execution::start(&machine(&endless), start, NOW);
    assert_eq!(execution.status().name(), "FAILED");
}

#[test]
fn values_that_grow_without_end_do_not() {
    for parameters in [r#"{"a.$":"$"}"#, r#"{"a.$":"$","b.$":"$"}"#] {
        let (execution, _) = start(&endless(parameters), "{}");
        assert!(
            matches!(execution.status(), Status::Failed { error: Some(error), .. } if &**error == "States.DataLimitExceeded")
        );
    }
}

#[test]
fn a_caught_error_that_makes_the_output_too_large_ends_the_execution() {
    let text = "x".repeat(256 * 1024 - 40);
    let (mut execution, commands) = start(
        &task(
            r#""Catch":[{"ErrorEquals":["States.ALL"],"ResultPath":"$.error","Next":"Caught"}],"#,
        ),
        &format!(r#"{{"text":"{text}"}}"#),
    );
    execution.apply(fail(tasks(&commands)[0].id, "Job.Crashed"), NOW);
    assert!(
        matches!(execution.status(), Status::Failed { error: Some(error), .. } if &**error == "States.DataLimitExceeded")
    );
}

/// Answers every task with its arguments; an argument that is a text fails with that text as the error.
#[derive(Default)]
struct Echo {
    items: Vec<Value>,
    written: Option<MapRunResults>,
}

impl Services for Echo {
    fn run(&mut self, task: &Task) -> Answer {
        match task.arguments.as_str() {
            Some(error) => Answer::error(error, None),
            None => Answer::output(task.arguments.clone()).after(1.0),
        }
    }

    fn read_items(&mut self, _: &ItemReader) -> Result<Vec<Value>, TaskError> {
        Ok(self.items.clone())
    }

    fn write_results(
        &mut self,
        writer: &ResultWriter,
        results: &MapRunResults,
    ) -> Result<Value, TaskError> {
        self.written = Some(results.clone());
        Ok(asl::results::files(results, &writer.arguments, &writer.config).1)
    }
}

fn simulate(definition: &str, input: &str, services: &mut Echo) -> Execution {
    let start = Start {
        input: json(input),
        ..Start::default()
    };
    simulate::run(&machine(definition), start, NOW, services)
}

fn distributed(fields: &str) -> String {
    format!(
        r#"{{"StartAt":"M","States":{{"M":{{"Type":"Map","Label":"L",{fields}"End":true,"ItemProcessor":{{
            "ProcessorConfig":{{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"}},
            "StartAt":"T","States":{{"T":{{"Type":"Task","Resource":"arn:aws:states:us-east-1:123456789012:activity:work","End":true}}}}}}}}}}}}"#
    )
}

#[test]
fn a_distributed_map_runs_its_items_as_children() {
    let execution = simulate(
        &distributed(r#""MaxConcurrency":2,"#),
        "[1,[2],null]",
        &mut Echo::default(),
    );
    assert_eq!(
        execution.status(),
        &Status::Succeeded {
            output: json("[1,[2],null]")
        }
    );
    assert_eq!(
        types(&execution)[2..],
        [
            "MapStateStarted",
            "MapRunStarted",
            "MapRunSucceeded",
            "MapStateSucceeded",
            "MapStateExited",
            "ExecutionSucceeded"
        ]
    );
    assert_eq!(links(&execution), [0, 0, 2, 3, 4, 5, 4, 7]);
}

#[test]
fn the_members_of_an_object_are_items_of_a_distributed_map_only() {
    let items = r#"{"a":1,"b":[2]}"#;
    let execution = simulate(&distributed(""), items, &mut Echo::default());
    let output = json(r#"[{"Key":"a","Value":1},{"Key":"b","Value":[2]}]"#);
    assert_eq!(execution.status(), &Status::Succeeded { output });
    let selector = r#""ItemSelector":{"of.$":"$$.Map.Item"},"#;
    let execution = simulate(&distributed(selector), r#"{"a":1}"#, &mut Echo::default());
    let output = json(r#"[{"of":{"Index":0,"Key":"a","Value":1,"Source":"STATE_DATA"}}]"#);
    assert_eq!(execution.status(), &Status::Succeeded { output });
    let execution = simulate(
        &map_of_tasks("").replace("$.items", "$"),
        items,
        &mut Echo::default(),
    );
    assert_eq!(execution.status().name(), "FAILED");
}

#[test]
fn a_full_history_ends_a_map_of_tasks_too() {
    let limits = Limits {
        history_events: 50,
        ..Limits::aws(ExecutionType::Standard)
    };
    let input = Value::object([(
        "items",
        Value::array((0..100i64).map(Value::from).collect()),
    )]);
    let start = Start {
        input,
        limits: Some(limits),
        ..Start::default()
    };
    let (execution, commands) = Execution::start(&machine(&map_of_tasks("")), start, NOW);
    assert_eq!(
        (execution.status().name(), execution.history().len()),
        ("FAILED", 50)
    );
    // What was asked for before the history was full is called off.
    assert_eq!(tasks(&commands).len(), cancelled(&commands).len());
}

#[test]
fn items_are_read_batched_and_their_results_written() {
    let mut services = Echo {
        items: (1..=5i64).map(Value::from).collect(),
        written: None,
    };
    let fields = r#""ItemReader":{"Resource":"arn:aws:states:::s3:getObject","Parameters":{"Bucket":"b","Key":"k"}},
        "ItemSelector":{"n.$":"$$.Map.Item.Value"},
        "ItemBatcher":{"MaxItemsPerBatch":2,"BatchInput":{"run":7}},
        "ResultWriter":{"Resource":"arn:aws:states:::s3:putObject","Parameters":{"Bucket":"out","Prefix":"p"}},"#;
    let execution = simulate(&distributed(fields), "{}", &mut services);
    let Status::Succeeded { output } = execution.status() else {
        panic!("{:?}", execution.status());
    };
    let key = output
        .get("ResultWriterDetails")
        .and_then(|details| details.get("Key"))
        .and_then(Value::as_str)
        .unwrap();
    assert!(
        key.starts_with("p/") && key.ends_with("/manifest.json"),
        "{key}"
    );
    let inputs: Vec<String> = services
        .written
        .unwrap()
        .children
        .iter()
        .map(|child| child.input.to_string())
        .collect();
    assert_eq!(
        inputs,
        [
            r#"{"BatchInput":{"run":7},"Items":[{"n":1},{"n":2}]}"#,
            r#"{"BatchInput":{"run":7},"Items":[{"n":3},{"n":4}]}"#,
            r#"{"BatchInput":{"run":7},"Items":[{"n":5}]}"#,
        ]
    );
}

#[test]
fn a_map_run_tolerates_as_many_failures_as_it_says() {
    for (fields, expected) in [
        ("", Err("States.ExceedToleratedFailureThreshold")),
        (
            r#""ToleratedFailureCount":1,"#,
            Ok(r#"[1,{"Status":"FAILED","Error":"Job.Crashed"},3,4]"#),
        ),
        (
            r#""ToleratedFailureCount":0,"#,
            Err("States.ExceedToleratedFailureThreshold"),
        ),
        (
            r#""ToleratedFailurePercentage":25,"#,
            Ok(r#"[1,{"Status":"FAILED","Error":"Job.Crashed"},3,4]"#),
        ),
        (
            r#""ToleratedFailurePercentage":24.9,"#,
            Err("States.ExceedToleratedFailureThreshold"),
        ),
    ] {
        let execution = simulate(
            &distributed(fields),
            r#"[1,"Job.Crashed",3,4]"#,
            &mut Echo::default(),
        );
        match (execution.status(), expected) {
            (Status::Succeeded { output }, Ok(expected)) => {
                assert_eq!(output, &json(expected), "{fields}");
            }
            (
                Status::Failed {
                    error: Some(error), ..
                },
                Err(expected),
            ) => assert_eq!(&**error, expected, "{fields}"),
            (status, _) => panic!("{fields}: {status:?}"),
        }
    }
}

/// Fails the first task that it is asked for and echoes all others.
#[derive(Default)]
struct FirstFails(bool);

impl Services for FirstFails {
    fn run(&mut self, task: &Task) -> Answer {
        match std::mem::replace(&mut self.0, true) {
            false => Answer::error("Job.Crashed", None),
            true => Answer::output(task.arguments.clone()),
        }
    }
}

#[test]
fn a_composite_state_is_retried_as_a_whole() {
    let retry = r#""Retry":[{"ErrorEquals":["States.ALL"]}],"#;
    let parallel = r#"{"StartAt":"M","States":{"M":{"Type":"Parallel","End":true,"Retry":[{"ErrorEquals":["States.ALL"]}],"Branches":[
        {"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:states:us-east-1:123456789012:activity:work","End":true}}},
        {"StartAt":"B","States":{"B":{"Type":"Pass","End":true}}}]}}}"#;
    for (definition, input, started, output) in [
        (
            map_of_tasks(retry),
            r#"{"items":[1,2]}"#,
            "MapStateStarted",
            "[1,2]",
        ),
        (distributed(retry), "[1,2]", "MapRunStarted", "[1,2]"),
        (
            parallel.to_string(),
            "{}",
            "ParallelStateStarted",
            "[{},{}]",
        ),
    ] {
        let start = Start {
            input: json(input),
            ..Start::default()
        };
        let execution = simulate::run(
            &machine(&definition),
            start,
            NOW,
            &mut FirstFails::default(),
        );
        assert_eq!(
            execution.status(),
            &Status::Succeeded {
                output: json(output)
            },
            "{definition}"
        );
        let times = types(&execution)
            .iter()
            .filter(|kind| *kind == started)
            .count();
        assert_eq!(times, 2, "{definition}");
    }
}

#[test]
fn a_stopped_map_run_stops_its_children() {
    let (mut execution, commands) = start(&distributed(""), "[1,2,3]");
    let children: Vec<_> = commands
        .iter()
        .filter_map(|command| match command {
            Command::StartChild { id, .. } => Some(*id),
            _ => None,
        })
        .collect();
    assert_eq!(children.len(), 3);
    let status = Status::Failed {
        error: Some("Job.Crashed".into()),
        cause: None,
    };
    let commands = execution.apply(
        Event::ChildFinished {
            id: children[1],
            status,
        },
        NOW,
    );
    let stopped: Vec<_> = commands
        .iter()
        .filter_map(|command| match command {
            Command::StopChild { id } => Some(*id),
            _ => None,
        })
        .collect();
    assert_eq!(stopped, [children[0], children[2]]);
    let types = types(&execution);
    assert_eq!(
        types[types.len() - 3..],
        ["MapRunFailed", "MapStateFailed", "ExecutionFailed"]
    );
}

/// A machine with a bit of everything that depends on seed, time and order.
const MIXED: &str = r#"{"StartAt":"M","States":{
    "M":{"Type":"Map","ItemsPath":"$.items","MaxConcurrency":3,"ItemProcessor":{"StartAt":"T","States":{
        "T":{"Type":"Task","Resource":"arn:aws:states:us-east-1:123456789012:activity:work","TimeoutSeconds":5,
            "Retry":[{"ErrorEquals":["Retry"],"JitterStrategy":"FULL","MaxAttempts":2}],
            "Catch":[{"ErrorEquals":["Catch"],"Next":"U"}],"End":true},
        "U":{"Type":"Pass","Parameters":{"id.$":"States.UUID()"},"End":true}}},"Next":"W"},
    "W":{"Type":"Wait","Seconds":3,"Next":"D"},
    "D":{"Type":"Map","ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"EXPRESS"},
        "StartAt":"P","States":{"P":{"Type":"Pass","End":true}}},"End":true}}}"#;

/// What a driver would do next, in a random order: an answer to one of the open commands.
fn answers(commands: &[Command], open: &mut Vec<Event>, choice: u8) {
    for command in commands {
        match command {
            Command::ScheduleTask(task) => open.push(match choice % 4 {
                0 => Event::TaskFailed {
                    id: task.id,
                    error: "Retry".into(),
                    cause: None,
                },
                1 => Event::TaskFailed {
                    id: task.id,
                    error: "Catch".into(),
                    cause: None,
                },
                _ => Event::TaskSucceeded {
                    id: task.id,
                    output: Value::from(i64::from(choice)),
                },
            }),
            Command::StartTimer { id, .. } => open.push(Event::TimerFired { id: *id }),
            Command::StartChild { id, child } => open.push(Event::ChildFinished {
                id: *id,
                status: match choice % 4 {
                    0 => Status::Failed {
                        error: None,
                        cause: None,
                    },
                    _ => Status::Succeeded {
                        output: child.start.input.clone(),
                    },
                },
            }),
            _ => {}
        }
    }
}

proptest! {
    #[test]
    fn a_replay_gives_the_same_commands_and_history(
        seed: u64,
        items in prop::collection::vec(0i64..100, 0..8),
        choices in prop::collection::vec(any::<u8>(), 1..60),
    ) {
        let input = Value::object([("items", Value::array(items.into_iter().map(Value::from).collect()))]);
        let start = Start { input, seed, ..Start::default() };
        let machine = machine(MIXED);
        let (mut execution, commands) = Execution::start(&machine, start.clone(), NOW);
        let mut open = Vec::new();
        answers(&commands, &mut open, 2);
        let mut log = Vec::new();
        let mut given = vec![format!("{commands:?}")];
        for (step, choice) in choices.iter().enumerate() {
            match execution.status() {
                Status::Running => open.extend((choice % 16 == 0).then_some(Event::Stop { error: None, cause: None })),
                Status::Succeeded { .. } => break,
                _ => open = vec![Event::Redrive],
            }
            let event = open.remove(usize::from(*choice) % open.len());
            let at = after(step as f64);
            let commands = execution.apply(event.clone(), at);
            answers(&commands, &mut open, *choice);
            given.push(format!("{commands:?}"));
            log.push((serde_json::to_string(&event).unwrap(), at));
        }

        let start = serde_json::from_str(&serde_json::to_string(&start).unwrap()).unwrap();
        let (mut replayed, commands) = Execution::start(&machine, start, NOW);
        let mut again = vec![format!("{commands:?}")];
        for (event, at) in log {
            again.push(format!("{:?}", replayed.apply(serde_json::from_str(&event).unwrap(), at)));
        }
        prop_assert_eq!(given, again);
        prop_assert_eq!(execution.history(), replayed.history());
        prop_assert_eq!(execution.status(), replayed.status());
        if let Status::Failed { error, .. } = execution.status() {
            prop_assert_ne!(error.as_deref(), Some("States.BrokenInvariant"));
        }
    }

    #[test]
    fn an_inline_map_equals_a_distributed_one(items in prop::collection::vec(-1_000i64..1_000, 0..50)) {
        let inline = r#"{"StartAt":"M","States":{"M":{"Type":"Map","End":true,"ItemSelector":{"i.$":"$$.Map.Item.Index","v.$":"$$.Map.Item.Value"},
            "ItemProcessor":{"StartAt":"P","States":{"P":{"Type":"Pass","Parameters":{"sum.$":"States.MathAdd($.i, $.v)"},"End":true}}}}}}"#;
        let distributed = inline.replace(r#""ItemProcessor":{"#, r#""ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"#);
        let input = Value::array(items.into_iter().map(Value::from).collect()).to_string();
        let inline = simulate(inline, &input, &mut Echo::default());
        let distributed = simulate(&distributed, &input, &mut Echo::default());
        prop_assert_eq!(inline.status(), distributed.status());
        prop_assert_eq!(inline.status().name(), "SUCCEEDED");
    }

    #[test]
    fn limits_hold_for_any_number_of_events(history_events in 3u64..200) {
        let start = Start {
            limits: Some(Limits { history_events, ..Limits::aws(ExecutionType::Standard) }),
            ..Start::default()
        };
        let (execution, _) = Execution::start(&machine(&endless("{}")), start, NOW);
        prop_assert_eq!(execution.history().len() as u64, history_events);
        prop_assert_eq!(execution.status().name(), "FAILED");
    }
}

#[test]
fn an_observer_is_told_what_happens_inside_a_state() {
    let definition = r#"{"StartAt":"Call","States":{
        "Call":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:123456789012:function:call","InputPath":"$.in",
            "Parameters":{"n.$":"$.n"},
            "Retry":[{"ErrorEquals":["Other"]},{"ErrorEquals":["Busy"],"IntervalSeconds":3,"MaxAttempts":1}],
            "Catch":[{"ErrorEquals":["States.ALL"],"ResultPath":"$.error","Next":"Choose"}],
            "Next":"Choose"},
        "Choose":{"Type":"Choice","Choices":[{"Variable":"$.error","IsPresent":true,"Next":"Done"}],"Default":"Done"},
        "Done":{"Type":"Succeed"}}}"#;
    let about = Start {
        input: json(r#"{"in":{"n":1}}"#),
        ..Start::default()
    };
    let (mut execution, commands) = Execution::start_observed(&machine(definition), about, NOW);
    let seen = |execution: &mut Execution| -> Vec<(String, u64, Seen)> {
        let observations = execution.observations().into_iter();
        observations
            .map(|o| (o.state.to_string(), o.entered_event_id, o.seen))
            .collect()
    };
    let call = |seen| ("Call".to_string(), 2, seen);
    let busy = || {
        call(Seen::Failed {
            error: Some("Busy".into()),
            cause: None,
        })
    };
    let evaluated = [
        call(Seen::InputPath(json(r#"{"n":1}"#))),
        call(Seen::Arguments(json(r#"{"n":1}"#))),
    ];
    let begun = seen(&mut execution);
    let Seen::Entered {
        input,
        variables,
        context,
    } = &begun[0].2
    else {
        panic!("{begun:?}");
    };
    assert_eq!((input, variables.len()), (&json(r#"{"in":{"n":1}}"#), 0));
    let name = context.get("State").and_then(|state| state.get("Name"));
    assert_eq!(name, Some(&Value::from("Call")));
    assert_eq!(begun[1..], evaluated);
    let fail = |execution: &mut Execution, commands: &[Command]| {
        let event = Event::TaskFailed {
            id: tasks(commands)[0].id,
            error: "Busy".to_string(),
            cause: None,
        };
        execution.apply(event, NOW)
    };
    let commands = fail(&mut execution, &commands);
    let retrier = |backoff_seconds| {
        call(Seen::Retrier {
            index: 1,
            backoff_seconds,
        })
    };
    assert_eq!(seen(&mut execution), [busy(), retrier(Some(3.0))]);
    let id = timers(&commands)[0].0;
    let commands = execution.apply(Event::TimerFired { id }, NOW);
    assert_eq!(seen(&mut execution), evaluated);
    fail(&mut execution, &commands);
    let told = seen(&mut execution);
    let head = [busy(), retrier(None), call(Seen::Catcher { index: 0 })];
    assert_eq!(told[..3], head);
    let (output, next) = match &told[3].2 {
        Seen::Left { output, next, .. } => (output.to_string(), next.as_deref()),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        (output.as_str(), next),
        (
            r#"{"in":{"n":1},"error":{"Error":"Busy","Cause":""}}"#,
            Some("Choose")
        )
    );
    let chosen = told.iter().filter(|(state, ..)| state == "Choose");
    let chosen: Vec<&Seen> = chosen.map(|(_, _, seen)| seen).collect();
    assert!(chosen.contains(&&Seen::Chosen(Some(0))), "{chosen:?}");
    assert_eq!(execution.observations(), []);
    let (mut unwatched, _) = start(definition, r#"{"in":{"n":1}}"#);
    assert_eq!(unwatched.observations(), []);
}
