//! The console as a browser has it: over HTTP, at the endpoint of a local cloud.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;

use placement::pricing::Prices;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use stack::{Activity, Stack, StateMachine};
use stepfunctions::{Cloud, Config};

/// What a page must never hold as it is.
const HOSTILE: &str = "<img src=x onerror=alert(1)>";
const STATES: &str = "arn:aws:states:us-east-1:123456789012";

struct Site {
    cloud: Cloud,
    client: Client,
    folder: tempfile::TempDir,
}

fn machine(name: &str, definition: &Value, folder: &Path) -> StateMachine {
    let source = folder.join(format!("{name}.asl.json"));
    StateMachine {
        name: name.into(),
        arn: format!("{STATES}:stateMachine:{name}"),
        definition: definition.to_string(),
        role_arn: "arn:aws:iam::123456789012:role/r".into(),
        source: Some(source),
        pipeline: Some(name.into()),
        ..StateMachine::default()
    }
}

impl Site {
    async fn open() -> Site {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let schema = json!({"properties": {"n": {"type": "integer", "description": HOSTILE}}, "required": ["n"]});
        std::fs::write(path.join("pass.schema.json"), schema.to_string()).unwrap();
        std::fs::write(path.join("pass.input.json"), r#"{"n": 3}"#).unwrap();
        let approval = format!("{STATES}:activity:approval");
        let items = json!({"Type": "Map", "ItemsPath": "$.items", "End": true, "ItemProcessor": {
            "StartAt": "One", "States": {"One": {"Type": "Pass", "End": true}}}});
        let machines = [
            (
                "pass",
                json!({"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}),
            ),
            (
                "hostile",
                json!({"StartAt": HOSTILE, "States": {HOSTILE: {
                "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
                "Parameters": {"FunctionName": "f"}, "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Fails"}], "End": true},
                "Fails": {"Type": "Fail", "Error": HOSTILE, "Cause": HOSTILE}}}),
            ),
            (
                "approve",
                json!({"StartAt": "Ask", "States": {"Ask": {"Type": "Task", "Resource": approval, "End": true}}}),
            ),
            (
                "wait",
                json!({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 600, "End": true}}}),
            ),
            (
                "each",
                json!({"StartAt": "Each", "States": {"Each": items}}),
            ),
        ];
        let stack = Stack {
            region: "us-east-1".into(),
            account: "123456789012".into(),
            state_machines: machines
                .iter()
                .map(|(name, definition)| machine(name, definition, path))
                .collect(),
            activities: vec![Activity {
                logical_id: "Approval".into(),
                name: "approval".into(),
                arn: approval,
            }],
            ..Stack::default()
        };
        let config = Config::new(stack.clone(), path.join("data"), path.join("bin"));
        let cloud = Cloud::start(config).await.unwrap();
        console::open(&cloud, &stack, Prices::default());
        // Once a process; who comes second finds it there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().redirect(Policy::none()).build().unwrap();
        Site {
            cloud,
            client,
            folder,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.cloud.endpoint())
    }

    async fn page(&self, path: &str) -> String {
        let response = self.client.get(self.url(path)).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.text().await.unwrap()
    }

    async fn token(&self) -> String {
        let page = self
            .page(&format!("/_console/machines/{STATES}:stateMachine:pass"))
            .await;
        between(&page, r#"name="token" value=""#, "\"").to_owned()
    }

    fn post(&self, path: &str, form: &[(&str, &str)]) -> RequestBuilder {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(form);
        let request = self.client.post(self.url(path)).body(body.finish());
        request.header("content-type", "application/x-www-form-urlencoded")
    }

    async fn start(&self, name: &str, machine: &str, input: &str) -> Response {
        let (token, machine) = (
            self.token().await,
            format!("{STATES}:stateMachine:{machine}"),
        );
        let form = [
            ("token", token.as_str()),
            ("machine", &machine),
            ("name", name),
            ("input", input),
        ];
        self.post("/_console/start", &form).send().await.unwrap()
    }

    async fn status(&self, machine: &str, name: &str) -> &'static str {
        let arn = format!("{STATES}:execution:{machine}:{name}");
        self.cloud.wait(&arn).await.unwrap().status.name()
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text.split_once(before).unwrap();
    rest.split_once(after).unwrap().0
}

fn execution(machine: &str, name: &str) -> String {
    format!("/_console/executions/{STATES}:execution:{machine}:{name}")
}

#[tokio::test]
async fn a_person_finds_the_console_and_a_program_the_services() {
    let site = Site::open().await;
    let get = |path: &str| site.client.get(site.url(path));
    let visit = get("/")
        .header("accept", "text/html,*/*")
        .send()
        .await
        .unwrap();
    assert_eq!(visit.status(), StatusCode::SEE_OTHER);
    assert_eq!(visit.headers()["location"], "/_console/");
    let program = get("/").send().await.unwrap();
    assert!(
        program
            .text()
            .await
            .unwrap()
            .contains("ListAllMyBucketsResult")
    );
    // A key of a bucket may be the console's path.
    let object = get("/_console/")
        .header("host", "bucket.localhost")
        .send()
        .await
        .unwrap();
    assert!(object.text().await.unwrap().contains("NoSuchBucket"));

    let page = get("/_console/").send().await.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'self';"), "{policy}");
    let page = page.text().await.unwrap();
    for machine in ["pass", "hostile", "approve"] {
        assert!(page.contains(&format!(">{machine}</a>")), "{machine}");
    }
    for asset in ["console.css", "console.js", "icon.svg"] {
        assert!(!site.page(&format!("/_console/{asset}")).await.is_empty());
    }
    let nowhere = get("/_console/nowhere").send().await.unwrap();
    assert_eq!(nowhere.status(), StatusCode::NOT_FOUND);
    let unknown = get(&execution("pass", "unknown")).send().await.unwrap();
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    site.cloud.shutdown().await;
}

#[tokio::test]
async fn a_foreign_page_can_neither_look_nor_act() {
    let site = Site::open().await;
    let token = site.token().await;
    let machine = format!("{STATES}:stateMachine:pass");
    let form = [
        ("token", token.as_str()),
        ("machine", &machine),
        ("input", r#"{"n": 1}"#),
    ];
    for (header, value) in [
        ("host", "evil.test:4566"),
        ("origin", "http://evil.test"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let looks = site
            .client
            .get(site.url("/_console/"))
            .header(header, value);
        assert_eq!(
            looks.send().await.unwrap().status(),
            StatusCode::FORBIDDEN,
            "{header} {value}"
        );
        let acts = site.post("/_console/start", &form).header(header, value);
        assert_eq!(
            acts.send().await.unwrap().status(),
            StatusCode::FORBIDDEN,
            "{header} {value}"
        );
    }
    // Its own origin may, but only with the token of its pages.
    let own = site.cloud.endpoint().to_owned();
    for path in ["start", "stop", "redrive", "answer", "test", "check"] {
        for form in [&form[1..], &[("token", "guessed"), form[1], form[2]]] {
            let acts = site
                .post(&format!("/_console/{path}"), form)
                .header("origin", &own);
            assert_eq!(
                acts.send().await.unwrap().status(),
                StatusCode::FORBIDDEN,
                "{path}"
            );
        }
    }
    let acts = site.post("/_console/start", &form).header("origin", &own);
    assert_eq!(acts.send().await.unwrap().status(), StatusCode::SEE_OTHER);

    let long = "x".repeat(2 * 1024 * 1024);
    let acts = site.post(
        "/_console/start",
        &[("token", token.as_str()), ("input", &long)],
    );
    assert_eq!(
        acts.send().await.unwrap().status(),
        StatusCode::PAYLOAD_TOO_LARGE
    );
    let input = format!(r#"{{"n": 1, "x": "{}"}}"#, "y".repeat(300_000));
    let refused = site.start("long", "pass", &input).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    site.cloud.shutdown().await;
}

#[tokio::test]
async fn whatever_is_shown_is_text() {
    let site = Site::open().await;
    let started = site
        .start("bad", "hostile", &json!({"it": HOSTILE}).to_string())
        .await;
    assert_eq!(started.status(), StatusCode::SEE_OTHER);
    let logs = &site.cloud.compute().logs;
    let log = logs.stream("/aws/lambda/f", "2026/11/24/[1]ab").unwrap();
    log.line(HOSTILE);
    assert_eq!(site.status("hostile", "bad").await, "FAILED");
    let page = execution("hostile", "bad");
    let mut query = form_urlencoded::Serializer::new(String::new());
    query
        .append_pair("state", HOSTILE)
        .append_pair("event", "2");
    let machine = |name: &str| format!("/_console/machines/{STATES}:stateMachine:{name}");
    for (path, marks) in [
        ("/_console/".to_owned(), 0),
        (machine("hostile"), 1),
        (machine("pass"), 1),
        (page.clone(), 1),
        (format!("{page}?{}", query.finish()), 3),
        (format!("{page}?state=Fails"), 2),
        (format!("{}?name=%3Cimg+src%3Dx%3E", machine("pass")), 1),
    ] {
        let html = site.page(&path).await;
        assert!(!html.contains("<img"), "{path}");
        assert!(html.matches("&lt;img").count() >= marks, "{path}");
    }
    let token = site.token().await;
    let arn = format!("{STATES}:execution:hostile:bad");
    let form = [
        ("token", token.as_str()),
        ("execution", &arn),
        ("state", "Fails"),
        ("input", "{}"),
    ];
    let alone = site.post("/_console/test", &form).send().await.unwrap();
    let alone = alone.text().await.unwrap();
    assert!(
        alone.contains("FAILED") && !alone.contains("<img"),
        "{alone}"
    );
    site.cloud.shutdown().await;
}

#[tokio::test]
async fn an_input_is_checked_against_the_schema_beside_the_definition() {
    let site = Site::open().await;
    let page = site
        .page(&format!("/_console/machines/{STATES}:stateMachine:pass"))
        .await;
    assert!(
        page.contains(r#"data-pointer="/n" data-kind="number""#),
        "{page}"
    );
    for (input, problem) in [
        (r#"{"n": "x"}"#, "<code>$.n</code>"),
        ("{}", "required property"),
        ("{", "this is not JSON"),
    ] {
        let refused = site.start("x", "pass", input).await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let page = refused.text().await.unwrap();
        assert!(page.contains(problem), "{page}");
        assert!(page.contains(r#"value="x""#), "what was written stays");
    }
    let started = site.start("x", "pass", r#"{"n": 3}"#).await;
    assert_eq!(started.headers()["location"], execution("pass", "x"));
    assert_eq!(site.status("pass", "x").await, "SUCCEEDED");
    let again = site.start("x", "pass", r#"{"n": 4}"#).await;
    assert!(
        again
            .text()
            .await
            .unwrap()
            .contains("ExecutionAlreadyExists")
    );
    let unnamed = site.start("", "pass", r#"{"n": 3}"#).await;
    let location = unnamed.headers()["location"].to_str().unwrap();
    assert!(
        location.starts_with(&execution("pass", "pass-")),
        "{location}"
    );
    site.cloud.shutdown().await;
}

#[tokio::test]
async fn an_approval_is_given_or_refused_and_a_run_stopped() {
    let site = Site::open().await;
    for (name, answer, status) in [("yes", "success", "SUCCEEDED"), ("no", "failure", "FAILED")] {
        site.start(name, "approve", "{}").await;
        let page = site.page(&execution("approve", name)).await;
        let task = between(&page, r#"name="task" value=""#, "\"");
        let (token, arn) = (
            site.token().await,
            format!("{STATES}:execution:approve:{name}"),
        );
        let form = [
            ("token", token.as_str()),
            ("execution", &arn),
            ("task", task),
            ("answer", answer),
            ("output", r#"{"by": "me"}"#),
            ("error", "Rejected"),
        ];
        let answered = site.post("/_console/answer", &form).send().await.unwrap();
        assert_eq!(answered.status(), StatusCode::SEE_OTHER);
        assert_eq!(site.status("approve", name).await, status);
        let late = site.post("/_console/answer", &form).send().await.unwrap();
        assert!(late.text().await.unwrap().contains("TaskTimedOut"));
    }
    site.start("long", "wait", "{}").await;
    let (token, arn) = (site.token().await, format!("{STATES}:execution:wait:long"));
    let form = [
        ("token", token.as_str()),
        ("execution", &arn),
        ("error", "Enough"),
        ("cause", ""),
    ];
    site.post("/_console/stop", &form).send().await.unwrap();
    assert_eq!(site.status("wait", "long").await, "ABORTED");
    assert!(
        site.page(&execution("wait", "long"))
            .await
            .contains("Enough")
    );
    site.cloud.shutdown().await;
}

#[tokio::test]
async fn what_was_refused_is_redriven_and_approved() {
    let site = Site::open().await;
    site.start("second", "approve", "{}").await;
    let page = execution("approve", "second");
    let arn = format!("{STATES}:execution:approve:second");
    let token = site.token().await;
    for (answer, status) in [("failure", "FAILED"), ("success", "SUCCEEDED")] {
        let shown = site.page(&page).await;
        let task = between(&shown, r#"name="task" value=""#, "\"");
        let form = [
            ("token", token.as_str()),
            ("execution", &arn),
            ("task", task),
            ("answer", answer),
            ("output", "{}"),
        ];
        site.post("/_console/answer", &form).send().await.unwrap();
        assert_eq!(site.status("approve", "second").await, status);
        let may_be = site.page(&page).await.contains("/_console/redrive");
        assert_eq!(may_be, status == "FAILED");
        let redrive = site.post("/_console/redrive", &form[..2]);
        let redriven = redrive.send().await.unwrap().status();
        assert_eq!(redriven == StatusCode::SEE_OTHER, status == "FAILED");
    }
    site.cloud.shutdown().await;
}

#[tokio::test]
async fn what_an_earlier_run_left_is_shown_and_nothing_can_be_done() {
    let site = Site::open().await;
    site.start("left", "wait", "{}").await;
    site.start("done", "pass", r#"{"n": 3}"#).await;
    site.status("pass", "done").await;
    site.cloud.shutdown().await;
    let stack = Stack {
        region: "us-east-1".into(),
        account: "123456789012".into(),
        ..Stack::default()
    };
    let data = site.folder.path().join("data");
    let mut config = Config::new(stack.clone(), data, std::path::PathBuf::new());
    config.at_rest = true;
    let cloud = Cloud::start(config).await.unwrap();
    console::open(&cloud, &stack, Prices::default());
    let site = Site { cloud, ..site };
    let left = site.page(&execution("wait", "left")).await;
    assert!(
        left.contains("RUNNING") && left.contains("interrupted"),
        "{left}"
    );
    assert!(!left.contains("<form"), "{left}");
    let done = site.page(&execution("pass", "done")).await;
    assert!(done.contains("SUCCEEDED") && !done.contains("Start again"));
    for path in ["start", "stop", "redrive", "answer", "test"] {
        let acts = site.post(&format!("/_console/{path}"), &[]).send().await;
        assert_eq!(acts.unwrap().status(), StatusCode::FORBIDDEN, "{path}");
    }
    let lists = site.client.post(site.url("/")).body("{}");
    let lists = lists.header("x-amz-target", "AWSStepFunctions.StartExecution");
    assert!(!lists.send().await.unwrap().status().is_success());
    site.cloud.shutdown().await;
}

#[tokio::test]
async fn a_page_hears_of_what_changes() {
    let site = Site::open().await;
    site.start("live", "approve", "{}").await;
    let stream = site.client.get(site.url(&execution("approve", "live")));
    let mut stream = stream
        .header("accept", "text/event-stream")
        .send()
        .await
        .unwrap();
    let mut heard = String::new();
    let mut answered = false;
    let all = async {
        while let Some(chunk) = stream.chunk().await.unwrap() {
            heard.push_str(&String::from_utf8_lossy(&chunk));
            if heard.contains("event: whole") && !std::mem::replace(&mut answered, true) {
                let arn = format!("{STATES}:execution:approve:live");
                site.cloud.stop_execution(&arn, "Over", "").await.unwrap();
            }
            if heard.contains("Over") {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all)
        .await
        .unwrap();
    let (first, later) = heard.split_once("event: whole").unwrap();
    assert!(first.contains(r#""id":"timeline""#) && first.contains("RUNNING"));
    assert!(
        later.contains("ABORTED") && !later.contains(r#""id":"documents""#),
        "{later}"
    );
    site.cloud.shutdown().await;
}

#[tokio::test]
async fn many_executions_have_pages_and_a_long_history_a_small_one() {
    let site = Site::open().await;
    let arn = format!("{STATES}:stateMachine:pass");
    for number in 0..120 {
        let name = format!("run-{number:03}");
        site.cloud
            .start_execution(&arn, &name, &json!({"n": number}))
            .await
            .unwrap();
        site.status("pass", &name).await;
    }
    let machine = format!("/_console/machines/{arn}");
    let names = |page: &str| -> Vec<String> {
        let rows = page
            .match_indices(":execution:pass:")
            .map(|(at, mark)| &page[at + mark.len()..]);
        rows.map(|row| row.split('"').next().unwrap().to_owned())
            .collect()
    };
    let mut seen = Vec::new();
    let mut next = Some(machine.clone());
    while let Some(path) = next {
        let page = site.page(&path).await;
        seen.extend(names(&page));
        let older = page
            .split_once(">Older</a>")
            .map(|(before, _)| before.rsplit_once("href=\"").unwrap().1);
        next = older.map(|rest| rest.split('#').next().unwrap().replace("&amp;", "&"));
    }
    let all: Vec<String> = (0..120)
        .rev()
        .map(|number| format!("run-{number:03}"))
        .collect();
    assert_eq!(seen, all);
    assert_eq!(
        names(&site.page(&format!("{machine}?name=n-01")).await).len(),
        10
    );
    assert!(names(&site.page(&format!("{machine}?status=FAILED")).await).is_empty());

    let items: Vec<u32> = (0..2_000).collect();
    site.start("many", "each", &json!({"items": items}).to_string())
        .await;
    assert_eq!(site.status("each", "many").await, "SUCCEEDED");
    let page = site
        .page(&format!("{}?state=Each", execution("each", "many")))
        .await;
    let elements = page.matches('<').count() - page.matches("</").count();
    assert!(elements < 3_000, "{elements}");
    assert!(page.contains("of 2,001"), "the timeline has pages");
    site.cloud.shutdown().await;
}
