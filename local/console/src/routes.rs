//! Which address has which page, and what a form does.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use cloud::action::StepFunctionsAction;
use cloud::router::CONSOLE;
use maud::html;
use serde_json::{Value, json};

use crate::error::Failure;
use crate::links::{self, Fields};
use crate::live::{self, View};
use crate::page::Page;
use crate::schema::{self, Problem};
use crate::views::{execution, machine, map_run, notice, overview};
use crate::{Console, forms, parts};

/// The most that a form may hold: an input of 256 KiB in which every byte is written as three, and the rest.
const MOST: usize = 1024 * 1024;
/// What a page may do: nothing but what comes from here, and no page of others may hold it.
const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'; object-src 'none'";
/// What a report may do: be looked at. It has its style and its pictures in itself.
const REPORT: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox allow-popups; frame-ancestors 'self'";

/// All pages.
pub fn routes(console: Console) -> Router {
    let at = |path: &str| format!("{CONSOLE}{path}");
    Router::new()
        .route(
            CONSOLE,
            get(async || Redirect::permanent(&links::overview())),
        )
        .route(&at("/"), get(show_overview))
        .route(&at("/machines/{*arn}"), get(show_machine))
        .route(&at("/executions/{*arn}"), get(show_execution))
        .route(&at("/map-runs/{*arn}"), get(show_map_run))
        .route(&at("/reports/{*arn}"), get(show_report))
        .route(&at("/console.css"), get(async || style()))
        .route(
            &at("/console.js"),
            get(async || asset("text/javascript", include_str!("console.js"))),
        )
        .route(
            &at("/icon.svg"),
            get(async || asset("image/svg+xml", include_str!("icon.svg"))),
        )
        .route(&at("/check"), post(check))
        .route(&at("/start"), post(start))
        .route(&at("/stop"), post(stop))
        .route(&at("/redrive"), post(redrive))
        .route(&at("/answer"), post(answer))
        .route(&at("/test"), post(test))
        .fallback(async |request: axum::extract::Request| {
            Failure::NoPage(request.uri().path().to_owned())
        })
        .layer(DefaultBodyLimit::max(MOST))
        .layer(map_response(secure))
        .with_state(Arc::new(console))
}

/// Tells the browser what a page may do.
async fn secure(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    (
        [
            (header::CONTENT_TYPE, kind),
            (header::CACHE_CONTROL, "no-cache"),
        ],
        text,
    )
        .into_response()
}

/// The reports' stylesheet and what the console has besides.
fn style() -> Response {
    let text = [
        load::report::STYLE,
        include_str!("console.css"),
        &graph::style(),
    ]
    .concat();
    ([(header::CONTENT_TYPE, "text/css")], text).into_response()
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        Html(self.document(CONSOLE).into_string()).into_response()
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status(), notice::failure(&self)).into_response()
    }
}

/// The page, or, for who asks for a stream of events, what changes of it.
async fn answer_with(
    console: &Console,
    headers: &HeaderMap,
    mut view: impl View + 'static,
) -> Result<Response, Failure> {
    let accepts = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    if accepts.is_some_and(|kinds| kinds.contains("text/event-stream")) {
        return Ok(live::follow(Box::new(view), console.0.sfn.changes()));
    }
    let page = view.look().await?;
    Ok(page.map_or_else(
        || StatusCode::NO_CONTENT.into_response(),
        IntoResponse::into_response,
    ))
}

type Shared = State<Arc<Console>>;

fn query(query: RawQuery) -> Fields {
    links::fields(query.0.unwrap_or_default().as_bytes())
}

async fn show_overview(State(console): Shared, headers: HeaderMap) -> Result<Response, Failure> {
    answer_with(&console, &headers, overview::Look::new((*console).clone())).await
}

async fn show_machine(
    State(console): Shared,
    Path(arn): Path<String>,
    asked: RawQuery,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let asked = query(asked);
    let input = match asked.get("input-of") {
        Some(execution) => Some(console.0.sfn.describe(execution)?.input),
        None => None,
    };
    let start = console.start_form(&arn, input);
    let look = machine::Look::new((*console).clone(), &arn, &asked, start).await?;
    answer_with(&console, &headers, look).await
}

async fn show_execution(
    State(console): Shared,
    Path(arn): Path<String>,
    asked: RawQuery,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let look = execution::Look::new((*console).clone(), &arn, &query(asked));
    answer_with(&console, &headers, look).await
}

async fn show_map_run(
    State(console): Shared,
    Path(arn): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let look = map_run::Look {
        console: (*console).clone(),
        arn,
    };
    answer_with(&console, &headers, look).await
}

/// The report that the output of an execution points to.
async fn show_report(State(console): Shared, Path(arn): Path<String>) -> Result<Response, Failure> {
    let execution = console.0.sfn.describe(&arn)?;
    let none = || Failure::NoPage(links::report(&arn));
    let uri = execution::report_of(&execution).ok_or_else(none)?;
    let place = uri
        .strip_prefix("s3://")
        .and_then(|rest| rest.split_once('/'));
    let (bucket, key) = place.ok_or_else(none)?;
    let report = console.0.compute.s3.get(bucket, key).await?;
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    let policy = HeaderValue::from_static(REPORT);
    let mut response = Response::new(Body::from(report));
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, policy);
    Ok(response)
}

/// A form that comes from a page of this console: only those know its token.
fn form(console: &Console, body: &[u8]) -> Result<Fields, Failure> {
    if !console.0.acts {
        return Err(Failure::AtRest);
    }
    let fields = links::fields(body);
    match fields.get("token") {
        Some(token) if *token == console.0.token => Ok(fields),
        Some(_) | None => Err(Failure::Token),
    }
}

fn member<'a>(fields: &'a Fields, name: &'static str) -> Result<&'a str, Failure> {
    fields
        .get(name)
        .map(String::as_str)
        .ok_or(Failure::Missing(name))
}

/// What is given, if anything is.
fn given(fields: &Fields, name: &str) -> Value {
    let text = fields.get(name).filter(|text| !text.is_empty());
    text.map_or(Value::Null, |text| json!(text))
}

/// A request without the members that are not given.
fn request(mut members: Value) -> Value {
    if let Some(members) = members.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    members
}

/// Everything that is wrong with an input of a state machine.
fn problems(console: &Console, machine: &str, input: &str) -> Vec<Problem> {
    let at_all = |message: String| {
        vec![Problem {
            path: "$".into(),
            message,
        }]
    };
    let input: Value = match serde_json::from_str(input) {
        Ok(input) => input,
        Err(error) => return at_all(format!("this is not JSON: {error}")),
    };
    let Some(schema) = console.read_beside(machine, "schema") else {
        return Vec::new();
    };
    schema::problems(&input, &schema).unwrap_or_else(|error| {
        at_all(format!("the schema beside the definition is none: {error}"))
    })
}

/// The problems of an input that is being written, as a fragment of the page.
async fn check(State(console): Shared, body: Bytes) -> Result<Response, Failure> {
    let fields = form(&console, &body)?;
    let (machine, input) = (member(&fields, "machine")?, member(&fields, "input")?);
    let found = problems(&console, machine, input);
    let has_schema = console.beside(machine, "schema").is_some();
    Ok(Html(forms::problems(&found, has_schema).into_string()).into_response())
}

/// Starts an execution, and leads to it; an input that does not fit its schema is shown with its problems.
async fn start(State(console): Shared, body: Bytes) -> Result<Response, Failure> {
    let fields = form(&console, &body)?;
    let (machine, input) = (member(&fields, "machine")?, member(&fields, "input")?);
    let mut found = problems(&console, machine, input);
    if found.is_empty() {
        // As Step Functions Local names a test case.
        let case = fields.get("case").filter(|case| !case.is_empty());
        let started = case.map_or_else(|| machine.to_owned(), |case| format!("{machine}#{case}"));
        let name = name_of_start(&console, machine, &fields);
        let asked = json!({"stateMachineArn": started, "input": input, "name": name});
        match console
            .ask(StepFunctionsAction::StartExecution, request(asked))
            .await
        {
            Ok(started) => {
                let arn = started["executionArn"].as_str().unwrap_or_default();
                return Ok(Redirect::to(&links::execution(arn)).into_response());
            }
            Err(error) => found.push(Problem {
                path: error.code,
                message: error.message,
            }),
        }
    }
    let mut form = console.start_form(machine, Some(input.to_owned()));
    form.name = fields.get("name").cloned().unwrap_or_default();
    form.case = fields.get("case").cloned().unwrap_or_default();
    form.problems = found;
    let mut look = machine::Look::new((*console).clone(), machine, &Fields::new(), form).await?;
    let page = look.look().await?;
    let mut response = page.map_or_else(
        || StatusCode::NO_CONTENT.into_response(),
        IntoResponse::into_response,
    );
    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(response)
}

/// The name that is given, else one as `hybrid run` makes it: of the pipeline and the time.
fn name_of_start(console: &Console, machine: &str, fields: &Fields) -> String {
    let given = fields.get("name").filter(|name| !name.is_empty());
    given.cloned().unwrap_or_else(|| {
        let milliseconds = cloud::time::now().0 / 1_000;
        let machine: String = console
            .short(links::name_of(machine))
            .chars()
            .take(60)
            .collect();
        format!("{machine}-{milliseconds}")
    })
}

async fn stop(State(console): Shared, body: Bytes) -> Result<Redirect, Failure> {
    let fields = form(&console, &body)?;
    let execution = member(&fields, "execution")?;
    let asked = json!({
        "executionArn": execution,
        "error": given(&fields, "error"),
        "cause": given(&fields, "cause"),
    });
    console
        .ask(StepFunctionsAction::StopExecution, request(asked))
        .await?;
    Ok(Redirect::to(&links::execution(execution)))
}

/// Lets an execution go on where it stopped.
async fn redrive(State(console): Shared, body: Bytes) -> Result<Redirect, Failure> {
    let fields = form(&console, &body)?;
    let execution = member(&fields, "execution")?;
    let asked = json!({"executionArn": execution});
    console
        .ask(StepFunctionsAction::RedriveExecution, asked)
        .await?;
    Ok(Redirect::to(&links::execution(execution)))
}

/// Answers a task by its token: an approval, or its refusal.
async fn answer(State(console): Shared, body: Bytes) -> Result<Redirect, Failure> {
    let fields = form(&console, &body)?;
    let (execution, task) = (member(&fields, "execution")?, member(&fields, "task")?);
    let (action, asked) = match member(&fields, "answer")? {
        "success" => (
            StepFunctionsAction::SendTaskSuccess,
            json!({"taskToken": task, "output": member(&fields, "output")?}),
        ),
        "failure" => (
            StepFunctionsAction::SendTaskFailure,
            json!({"taskToken": task, "error": given(&fields, "error"), "cause": given(&fields, "cause")}),
        ),
        other => return Err(Failure::Form(format!("{other:?} is no answer"))),
    };
    console.ask(action, request(asked)).await?;
    Ok(Redirect::to(&links::execution(execution)))
}

/// Runs one state by itself, as TestState does, and shows what came of it.
async fn test(State(console): Shared, body: Bytes) -> Result<Page, Failure> {
    let fields = form(&console, &body)?;
    let (execution, state) = (member(&fields, "execution")?, member(&fields, "state")?);
    let mock = given(&fields, "mock");
    let mock = match mock.is_null() {
        true => Value::Null,
        false => json!({"result": mock, "fieldValidationMode": "NONE"}),
    };
    let asked = json!({
        "definition": console.definition_of(execution).await?,
        "stateName": state,
        "input": member(&fields, "input")?,
        "inspectionLevel": "DEBUG",
        "mock": mock,
    });
    let result = console
        .ask(StepFunctionsAction::TestState, request(asked))
        .await?;
    let text = |member: &str| result[member].as_str().map(str::to_owned);
    let back = links::with(&links::execution(execution), &[("state", state.to_owned())]);
    let said = html! {
        p { (parts::badge(text("status").as_deref().unwrap_or_default()))
            @if let Some(next) = text("nextState") { " goes on with " b { (next) } } }
        @if let Some(error) = text("error") { p { b.bad { (error) } } }
        (parts::document("cause", "Cause", text("cause").as_deref()))
        (parts::document("output", "Output", text("output").as_deref()))
        (parts::document("inspection", "On the way", Some(&result["inspectionData"].to_string())))
        p { a href=(back) { "Back to the execution" } }
    };
    Ok(notice::notice(&format!("{state}, alone"), said))
}
