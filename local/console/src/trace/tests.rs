use super::*;
use asl::simulate::{Answer, Services};
use asl::{StateMachine, Task, Value};

/// Fails what is named `fails`, and the first attempt of what is named `again`.
struct Twin;

impl Services for Twin {
    fn run(&mut self, task: &Task) -> Answer {
        match (&*task.state, task.attempt) {
            ("fails", _) | ("again", 0) => Answer::error("Broken", Some("it broke".into())),
            _ => Answer::output(Value::Null),
        }
    }
}

fn trace(definition: &str, input: &str) -> Trace {
    let machine = StateMachine::parse(definition).unwrap();
    let start = asl::Start {
        input: Value::parse(input).unwrap(),
        ..asl::Start::default()
    };
    let execution = asl::simulate::run(&machine, start, asl::Timestamp(0), &mut Twin);
    let mut trace = Trace::default();
    for event in execution.history() {
        trace.push(event);
    }
    trace
}

fn told(trace: &Trace) -> Vec<String> {
    let line = |index: usize| {
        let visit = &trace.visits[index];
        let branch = visit
            .branch
            .map_or(String::new(), |branch| format!("[{branch}]"));
        let (depth, outcome) = (trace.depth(index), visit.outcome.word());
        format!(
            "{depth} {}{branch} {outcome} {}",
            visit.name,
            visit.attempts.len()
        )
    };
    trace.tree(|_| true).into_iter().map(line).collect()
}

const TASK: &str = r#""Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f"}"#;

#[test]
fn branches_stand_below_their_parallel_and_retries_are_attempts() {
    let retry = r#""Retry":[{"ErrorEquals":["States.ALL"],"MaxAttempts":1}]"#;
    let definition = format!(
        r#"{{"StartAt":"both","States":{{"both":{{"Type":"Parallel","Next":"after","Branches":[
            {{"StartAt":"first","States":{{"first":{{"Type":"Pass","Next":"second"}},"second":{{"Type":"Pass","End":true}}}}}},
            {{"StartAt":"again","States":{{"again":{{{TASK},{retry},"End":true}}}}}}]}},
            "after":{{"Type":"Succeed"}}}}}}"#
    );
    assert_eq!(
        told(&trace(&definition, "{}")),
        [
            "0 both succeeded 0",
            "1 first[0] succeeded 0",
            "1 second[0] succeeded 0",
            "1 again[1] succeeded 2",
            "0 after succeeded 0",
        ]
    );
}

#[test]
fn a_failed_iteration_is_told_from_what_its_failure_has_stopped() {
    let definition = format!(
        r#"{{"StartAt":"each","States":{{"each":{{"Type":"Map","Catch":[{{"ErrorEquals":["States.ALL"],"Next":"after"}}],"Next":"after","ItemProcessor":{{
            "StartAt":"which","States":{{"which":{{"Type":"Choice","Choices":[{{"Variable":"$","NumericEquals":1,"Next":"fails"}}],"Default":"wait"}},
            "wait":{{"Type":"Wait","Seconds":60,"End":true}},"fails":{{{TASK},"End":true}}}}}}}},
            "after":{{"Type":"Pass","End":true}}}}}}"#
    );
    let trace = trace(&definition, "[0, 1]");
    assert_eq!(
        told(&trace),
        [
            "0 each caught 0",
            "1 which[0] succeeded 0",
            "1 wait[0] aborted 0",
            "1 which[1] succeeded 0",
            "1 fails[1] failed 1",
            "0 after succeeded 0",
        ]
    );
    let failed = trace.telling("fails").unwrap();
    assert_eq!(trace.visits[failed].error.as_deref(), Some("Broken"));
    assert!(trace.ended.is_some());
}

#[test]
fn an_execution_fails_with_the_state_that_failed_and_those_around_it() {
    let definition = format!(
        r#"{{"StartAt":"outer","States":{{"outer":{{"Type":"Parallel","End":true,"Branches":[
            {{"StartAt":"fails","States":{{"fails":{{{TASK},"End":true}}}}}}]}}}}}}"#
    );
    let trace = trace(&definition, "{}");
    assert_eq!(told(&trace), ["0 outer failed 0", "1 fails[0] failed 1"]);
    assert_eq!(trace.begun_by(trace.visits[1].event), Some(1));
}

#[test]
fn a_redrive_opens_what_had_failed() {
    let branch = |name: &str| {
        format!(r#"{{"StartAt":"{name}","States":{{"{name}":{{{TASK},"End":true}}}}}}"#)
    };
    let definition = format!(
        r#"{{"StartAt":"both","States":{{"both":{{"Type":"Parallel","End":true,"Branches":[{},{}]}}}}}}"#,
        branch("works"),
        branch("fails")
    );
    let machine = StateMachine::parse(&definition).unwrap();
    let now = asl::Timestamp(0);
    let (mut execution, commands) = asl::Execution::start(&machine, asl::Start::default(), now);
    let answer = |execution: &mut asl::Execution, commands: Vec<asl::Command>, works: bool| {
        for command in commands {
            let asl::Command::ScheduleTask(task) = command else {
                continue;
            };
            let id = task.id;
            execution.apply(
                match works || &*task.state == "works" {
                    true => asl::Event::TaskSucceeded {
                        id,
                        output: Value::Null,
                    },
                    false => asl::Event::TaskFailed {
                        id,
                        error: "Broken".into(),
                        cause: None,
                    },
                },
                now,
            );
        }
    };
    let told = |execution: &asl::Execution| {
        let mut trace = Trace::default();
        execution
            .history()
            .iter()
            .for_each(|event| trace.push(event));
        told(&trace)
    };
    answer(&mut execution, commands, false);
    assert_eq!(
        told(&execution),
        [
            "0 both failed 0",
            "1 works[0] succeeded 1",
            "1 fails[1] failed 1"
        ]
    );
    let commands = execution.apply(asl::Event::Redrive, now);
    assert_eq!(
        told(&execution),
        [
            "0 both running 0",
            "1 works[0] succeeded 1",
            "1 fails[1] running 2"
        ]
    );
    answer(&mut execution, commands, true);
    assert_eq!(
        told(&execution),
        [
            "0 both succeeded 0",
            "1 works[0] succeeded 1",
            "1 fails[1] succeeded 2"
        ]
    );
}
