use super::*;
use jobs::activity::MemoryActivity;
use jobs::task::MemoryCallback;

const MINUTE: Duration = Duration::from_secs(60);

fn task(name: &str) -> ActivityTask {
    ActivityTask {
        token: TaskToken::new(name),
        input: format!("{{\"name\":\"{name}\"}}"),
    }
}

fn deps(
    script: Vec<(Duration, Option<ActivityTask>)>,
    invoker: MemoryInvoker,
) -> Deps<MemoryActivity, MemoryCallback, MemoryInvoker> {
    let activity = MemoryActivity::new(script);
    Deps {
        activity,
        callback: MemoryCallback::default(),
        invoker,
        dispatcher: "dispatcher".into(),
    }
}

fn request(more: Value) -> Request {
    let mut request = json!({"activityArn": "arn:aws:states:us-east-1:123456789012:activity:demo",
                             "processor": {"kind": "FUNCTION", "function": "worker"}});
    for (key, value) in more.as_object().unwrap() {
        request[key] = value.clone();
    }
    input::parse(request).unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_task_is_handed_over_and_the_poller_stops_in_time() {
    let seconds = Duration::from_secs;
    let script = vec![
        (seconds(5), Some(task("a"))),
        (MINUTE, None),
        (seconds(59), Some(task("b"))),
        (seconds(1), Some(task("c"))),
    ];
    let deps = deps(script, MemoryInvoker::default());
    let (begin, limit) = (Instant::now(), seconds(300));
    let response = handle(&deps, request(json!({})), begin + limit)
        .await
        .unwrap();
    assert_eq!(
        response,
        Response {
            handed_over: 3,
            failed: 0,
            polls: 6,
            stopped: Stopped::Time
        }
    );
    assert!(
        begin.elapsed() <= limit.checked_sub(HAND_OVER).unwrap(),
        "{:?}",
        begin.elapsed()
    );
    let calls = deps.invoker.calls();
    assert_eq!(
        calls[1].payload,
        json!({"taskToken": "b", "input": {"name": "b"}})
    );
    assert!(
        calls
            .iter()
            .all(|call| call.function == "worker" && !call.wait)
    );
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_could_not_end_in_time_is_not_begun() {
    let deps = deps(
        vec![(MINUTE, None), (MINUTE, Some(task("late")))],
        MemoryInvoker::default(),
    );
    let deadline = Instant::now() + POLL + HAND_OVER + Duration::from_secs(30);
    let response = handle(&deps, request(json!({})), deadline).await.unwrap();
    assert_eq!((response.polls, response.stopped), (1, Stopped::Time));
    assert_eq!(deps.activity.left(), 1, "the task stays with the activity");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_cannot_be_handed_over_is_failed_by_name() {
    let not_invoked = |capacity, reason: &str| InvokeError::NotInvoked {
        function: "worker".into(),
        capacity,
        reason: reason.into(),
    };
    let failed = |name: &str| InvokeError::Failed {
        function: "worker".into(),
        name: name.into(),
        message: "m".into(),
    };
    let cases = [
        (not_invoked(true, "throttled"), "Job.Capacity"),
        (not_invoked(false, "no such function"), "Job.NotStarted"),
        (failed("Input.Invalid"), "Input.Invalid"),
        (failed("Runtime.ExitError"), "Runtime.ExitError"),
        (failed(""), "Job.Crashed"),
    ];
    for (refusal, name) in cases {
        let deps = deps(
            vec![(MINUTE, Some(task("a")))],
            MemoryInvoker::refusing(refusal),
        );
        let deadline = Instant::now() + Duration::from_secs(140);
        let response = handle(&deps, request(json!({})), deadline).await.unwrap();
        assert_eq!((response.handed_over, response.failed), (0, 1));
        let signals = deps.callback.signals();
        let Signal::Failure(failure) = &signals[0].1 else {
            panic!("{signals:?}")
        };
        assert_eq!((signals[0].0.reveal(), failure.error.as_str()), ("a", name));
    }
}

#[tokio::test(start_paused = true)]
async fn a_few_failed_polls_are_borne_and_hopeless_ones_are_not() {
    let error = |capacity| {
        Err(PollError {
            activity: "demo".into(),
            capacity,
            reason: "no".into(),
        })
    };
    let poll = async |script: Vec<Result<Option<ActivityTask>, PollError>>| {
        let script = script.into_iter().map(|answer| (Duration::ZERO, answer));
        let deps = Deps {
            activity: MemoryActivity::with_failures(script),
            ..deps(vec![], MemoryInvoker::default())
        };
        let wanted = request(json!({"maxTasks": 1}));
        handle(&deps, wanted, Instant::now() + MINUTE * 15).await
    };
    let begin = Instant::now();
    let response = poll(vec![error(true), error(true), Ok(Some(task("a")))]).await;
    assert_eq!(response.unwrap().handed_over, 1);
    assert_eq!(begin.elapsed(), Duration::from_secs(2 + 4));
    let throttled = poll((0..9).map(|_| error(true)).collect()).await;
    assert_eq!(throttled.unwrap_err().name(), "Job.Capacity");
    let absent = poll(vec![error(false), Ok(Some(task("a")))]).await;
    assert_eq!(absent.unwrap_err().name(), "Job.NotStarted");
}

#[tokio::test(start_paused = true)]
async fn a_task_whose_input_is_no_json_is_failed() {
    let broken = ActivityTask {
        token: TaskToken::new("a"),
        input: "{".into(),
    };
    let deps = deps(vec![(MINUTE, Some(broken))], MemoryInvoker::default());
    handle(
        &deps,
        request(json!({"maxTasks": 1})),
        Instant::now() + MINUTE * 5,
    )
    .await
    .unwrap();
    let signals = deps.callback.signals();
    assert!(
        matches!(&signals[0].1, Signal::Failure(failure) if failure.error == "Input.Invalid"),
        "{signals:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn it_stops_after_the_wanted_tasks_or_when_idle() {
    let three = || {
        (0..3)
            .map(|n| (MINUTE, Some(task(&n.to_string()))))
            .collect()
    };
    let deps = deps(three(), MemoryInvoker::default());
    let ask = |more| handle(&deps, request(more), Instant::now() + MINUTE * 15);
    assert_eq!(
        ask(json!({"maxTasks": 2})).await.unwrap().stopped,
        Stopped::MaxTasks
    );
    let rest = ask(json!({"idlePolls": 2})).await.unwrap();
    assert_eq!(
        rest,
        Response {
            handed_over: 1,
            failed: 0,
            polls: 3,
            stopped: Stopped::Idle
        }
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_goes_through_the_dispatcher_under_a_stable_name() {
    let deps = deps(
        vec![(MINUTE, Some(task("secret")))],
        MemoryInvoker::default(),
    );
    let job = json!({"processor": {"kind": "JOB", "worker": "trainer", "placement": "FARGATE"}, "maxTasks": 1});
    handle(&deps, request(job), Instant::now() + MINUTE * 5)
        .await
        .unwrap();
    let call = &deps.invoker.calls()[0];
    assert!(call.wait, "the dispatcher may refuse");
    assert_eq!(call.function, "dispatcher");
    assert_eq!(
        (&call.payload["execution"], &call.payload["worker"]),
        (&json!("demo"), &json!("trainer"))
    );
    assert_eq!(call.payload["placement"], "FARGATE");
    assert_eq!(call.payload["state"], json!(digest(&["secret"], 16)));
}

#[tokio::test(start_paused = true)]
async fn bad_input_is_refused_before_any_poll() {
    let soon = Instant::now() + Duration::from_secs(30);
    let later = Instant::now() + MINUTE * 15;
    let cases = [
        (
            json!({"activityArn": "arn:aws:states:us-east-1:123456789012:stateMachine:x"}),
            later,
            "$.activityArn",
        ),
        (json!({"workerName": ""}), later, "$.workerName"),
        (json!({}), soon, "30 s are left"),
    ];
    for (more, deadline, begin) in cases {
        let deps = deps(vec![(MINUTE, Some(task("a")))], MemoryInvoker::default());
        let error = handle(&deps, request(more), deadline).await.unwrap_err();
        assert_eq!(error.name(), "Input.Invalid");
        assert!(error.to_string().starts_with(begin), "{error}");
        assert_eq!(deps.activity.left(), 1);
    }
}
