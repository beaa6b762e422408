use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};

use super::guard::Guard;
use super::*;
use axum::http::StatusCode;
use jobs::artifacts::MemoryStore;
use serde_json::{Value, json};

const SEATTLE: &str = "date,temp\n2010/01/01 00:00,39.4\n2010/01/01 01:00,39.2\n";
const SAN_FRANCISCO: &str = "temp,date\n47.8,2010/01/01 00:00:00\n";

fn source(url: &str, seconds: bool) -> Value {
    let pattern = "[year]/[month]/[day] [hour]:[minute]";
    let pattern = if seconds {
        format!("{pattern}:[second]")
    } else {
        pattern.to_owned()
    };
    json!({"name": "temps", "url": url, "format": "CSV", "fields": [
        {"name": "time", "from": "date", "type": "TIMESTAMP", "pattern": pattern},
        {"name": "temperature", "from": "temp", "type": "FLOAT"},
    ]})
}

fn deps() -> Deps<MemoryStore, Web> {
    Deps {
        bucket: "b".into(),
        store: MemoryStore::default(),
        web: Web::guarded(Guard { runtime_api: None }),
    }
}

async fn fetch_source(
    deps: &Deps<MemoryStore, impl Download>,
    source: Value,
) -> Result<Response, Error> {
    let request = json!({"execution": "e", "source": source, "attempts": 3});
    handle(deps, input::parse(request)?).await
}

async fn rows_of(deps: &Deps<MemoryStore, Web>, response: &Response) -> String {
    let uri: S3Uri = response.rows_uri.parse().unwrap();
    String::from_utf8(deps.store.get(&uri).await.unwrap().unwrap()).unwrap()
}

async fn put(deps: &Deps<MemoryStore, Web>, body: &[u8]) {
    deps.store
        .put(&S3Uri::new("b", "in"), body.to_vec(), When::Always)
        .await
        .unwrap();
}

/// Serves `body` on a loopback port, after failing `failures` times.
async fn serve(body: &'static str, failures: u32, status: StatusCode) -> String {
    let failed = std::sync::Arc::new(AtomicU32::new(0));
    let answer = move || {
        let failed = std::sync::Arc::clone(&failed);
        async move {
            if failed.fetch_add(1, Ordering::SeqCst) < failures {
                (status, "")
            } else {
                (StatusCode::OK, body)
            }
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/temps.csv", listener.local_addr().unwrap());
    let app = axum::Router::new().route("/temps.csv", axum::routing::get(answer));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    url
}

/// Redirects to `target` from a loopback port.
async fn redirect(target: String) -> String {
    let answer = move || {
        let answer = axum::response::Redirect::temporary(&target);
        async move { answer }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/old", listener.local_addr().unwrap());
    let app = axum::Router::new().route("/old", axum::routing::get(answer));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    url
}

#[tokio::test]
async fn columns_and_dates_of_different_sources_become_alike() {
    for (body, seconds, first) in [(SEATTLE, false, "39.4"), (SAN_FRANCISCO, true, "47.8")] {
        let deps = deps();
        put(&deps, body.as_bytes()).await;
        let response = fetch_source(&deps, source("s3://b/in", seconds))
            .await
            .unwrap();
        let rows = rows_of(&deps, &response).await;
        assert!(
            rows.starts_with(&format!("time,temperature\n2010-01-01T00:00:00,{first}\n")),
            "{rows}"
        );
        assert_eq!(response.rows, body.lines().count() as u64 - 1);
        assert_eq!(response.bytes, body.len() as u64);
    }
}

#[tokio::test]
async fn gzip_and_json_lines_are_read() {
    let deps = deps();
    let lines = b"{\"date\":\"2010/01/01 00:00\",\"temp\":39.5}\n\n{\"temp\":\"40\",\"date\":\"2010/01/01 01:00\"}\n";
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(lines).unwrap();
    put(&deps, &encoder.finish().unwrap()).await;
    let mut source = source("s3://b/in", false);
    source["format"] = json!("JSON_LINES");
    let response = fetch_source(&deps, source).await.unwrap();
    let rows = rows_of(&deps, &response).await;
    assert_eq!(
        rows,
        "time,temperature\n2010-01-01T00:00:00,39.5\n2010-01-01T01:00:00,40\n"
    );
}

#[tokio::test]
async fn a_server_that_fails_is_asked_again_and_one_that_refuses_is_not() {
    let temporary = StatusCode::SERVICE_UNAVAILABLE;
    let url = serve(SEATTLE, 2, temporary).await;
    let deps = deps();
    assert_eq!(
        fetch_source(&deps, source(&url, false)).await.unwrap().rows,
        2
    );
    let cases = [
        (serve(SEATTLE, 3, temporary).await, SOURCE_UNAVAILABLE),
        (
            serve(SEATTLE, 1, StatusCode::NOT_FOUND).await,
            "Input.NotFound",
        ),
        (
            serve(SEATTLE, 1, StatusCode::FORBIDDEN).await,
            "Input.Invalid",
        ),
        (
            "http://127.0.0.1:9/temps.csv".to_owned(),
            SOURCE_UNAVAILABLE,
        ),
    ];
    for (url, name) in cases {
        let error = fetch_source(&deps, source(&url, false)).await.unwrap_err();
        assert_eq!(error.name(), name, "{error}");
        assert!(error.to_string().contains(&url), "{error}");
    }
}

#[tokio::test]
async fn the_query_of_a_url_is_nowhere_to_be_seen_and_redirects_are() {
    let landed = serve(SEATTLE, 0, StatusCode::OK).await;
    let old = redirect(format!("{landed}?signature=secret")).await;
    let old = format!("{old}?signature=secret");
    let response = fetch_source(&deps(), source(&old, false)).await.unwrap();
    assert_eq!(response.url, landed);
    let gone = serve(SEATTLE, 9, StatusCode::NOT_FOUND).await;
    for url in [gone, "http://127.0.0.1:9/x".to_owned()] {
        let url = format!("{url}?signature=secret");
        let error = fetch_source(&deps(), source(&url, false))
            .await
            .unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn neither_a_source_nor_a_redirect_leads_into_the_function() {
    let runtime_api = serve(SEATTLE, 0, StatusCode::OK).await;
    let port = runtime_api.parse::<reqwest::Url>().unwrap().port();
    let deps = Deps {
        web: Web::guarded(Guard { runtime_api: port }),
        ..deps()
    };
    let old = redirect(runtime_api.clone()).await;
    for url in [runtime_api, old] {
        let error = fetch_source(&deps, source(&url, false)).await.unwrap_err();
        assert_eq!(error.name(), "Input.Invalid", "{error}");
        assert!(error.to_string().contains("Runtime API"), "{error}");
    }
}

/// A server that goes on for ever.
struct Endless;

impl Download for Endless {
    async fn download(&self, _url: &str) -> Result<Downloaded, DownloadError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_download_ends_before_the_function_does() {
    let deps = Deps {
        bucket: "b".into(),
        store: MemoryStore::default(),
        web: Endless,
    };
    let begin = tokio::time::Instant::now();
    let error = fetch_source(&deps, source("http://endless/", false)).await;
    assert_eq!(error.unwrap_err().name(), SOURCE_UNAVAILABLE);
    assert_eq!(begin.elapsed(), LONGEST_DOWNLOAD);
}

#[tokio::test]
async fn the_checksum_is_told_and_checked() {
    let deps = deps();
    put(&deps, SEATTLE.as_bytes()).await;
    let mut source = source("s3://b/in", false);
    let sha256 = fetch_source(&deps, source.clone()).await.unwrap().sha256;
    source["sha256"] = json!(sha256.to_uppercase());
    assert!(fetch_source(&deps, source.clone()).await.is_ok());
    source["sha256"] = json!("0".repeat(64));
    let error = fetch_source(&deps, source).await.unwrap_err();
    assert_eq!(error.name(), "Input.ChecksumMismatch");
}

#[tokio::test]
async fn unreadable_rows_are_counted_or_too_many() {
    let deps = deps();
    put(
        &deps,
        format!("{SEATTLE}soon,40\n2010/01/01 03:00,NaN\n2010/01/01 04:00\n").as_bytes(),
    )
    .await;
    let error = fetch_source(&deps, source("s3://b/in", false))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("3 of 5 rows cannot be read") && error.contains("line 4: date is `soon`"),
        "{error}"
    );
    let mut source = source("s3://b/in", false);
    source["maxRejected"] = json!(0.6);
    let response = fetch_source(&deps, source).await.unwrap();
    assert_eq!((response.rows, response.rejected), (2, 3));
    assert_eq!(response.complaints[2], "line 6: temp is nothing");
}

#[tokio::test]
async fn bad_input_is_refused_by_its_path() {
    let deps = deps();
    put(&deps, SEATTLE.as_bytes()).await;
    let cases = [
        ("/name", json!("a/b"), "$.source.name"),
        ("/url", json!("ftp://x"), "$.source.url"),
        ("/url", json!("https://"), "$.source.url"),
        ("/url", json!("s3://b"), "$.source.url"),
        (
            "/url",
            json!("http://user:secret@x/"),
            "$.source.url: holds a user name",
        ),
        ("/fields", json!([]), "$.source.fields"),
        (
            "/fields/0/pattern",
            json!("[yeer]"),
            "$.source.fields[0].pattern",
        ),
        (
            "/fields/1/from",
            json!("heat"),
            "$.source.fields[1]: no column `heat`; the columns are date, temp",
        ),
        ("/sha256", json!("xyz"), "$.source.sha256"),
        ("/delimiter", json!(":"), "$.source.delimiter: expected `,`"),
        (
            "/fields/1/default",
            json!(0),
            "$.source.fields[1].default: unknown field `default`",
        ),
        (
            "/fields/1/pattern",
            json!("x"),
            "$.source.fields[1]: unknown field `pattern`, which only",
        ),
        ("/maxRejected", json!(2), "$.source.maxRejected"),
    ];
    for (pointer, value, expected) in cases {
        let mut source = source("s3://b/in", false);
        let (parent, last) = pointer.rsplit_once('/').unwrap();
        match source.pointer_mut(pointer) {
            Some(place) => *place = value,
            None => source.pointer_mut(parent).unwrap()[last] = value,
        }
        let error = fetch_source(&deps, source).await.unwrap_err();
        assert!(error.name().starts_with("Input."), "{error}");
        assert!(error.to_string().starts_with(expected), "{error}");
    }
    let missing = fetch_source(&deps, source("s3://b/none", false))
        .await
        .unwrap_err();
    assert_eq!(missing.name(), "Input.NotFound");
}

/// The rows that become of `text` in a format, or the refusal.
async fn read(text: &[u8], format: Value) -> Result<(String, Vec<String>), String> {
    let deps = deps();
    put(&deps, text).await;
    let mut source = json!({"name": "s", "url": "s3://b/in", "maxRejected": 0.9, "fields": [
        {"name": "a", "type": "INTEGER"}, {"name": "b", "type": "FLOAT", "optional": true}]});
    for (name, value) in format.as_object().unwrap() {
        source[name] = value.clone();
    }
    let response = fetch_source(&deps, source).await;
    let response = response.map_err(|error| error.to_string())?;
    Ok((rows_of(&deps, &response).await, response.complaints))
}

#[tokio::test]
async fn csv_is_read_as_people_have_it() {
    let rows = "a,b\n1,0.5\n2,\n";
    let same: [(&[u8], &str); 5] = [
        (b"a,b\n1,0.5\n2,\n", ","),
        (b"\xef\xbb\xbf\"a\",b\r\n\"1\",0.5\r\n2.0\r\n", ","),
        (b"b;x;a\n0.5;u;1\n;v;2\n", ";"),
        (b"a\tb\n1\t0.5\n2\t\n", "\t"),
        (b"a|b\n1|0.5\n2|", "|"),
    ];
    for (text, delimiter) in same {
        let read = read(text, json!({"format": "CSV", "delimiter": delimiter})).await;
        assert_eq!(read, Ok((rows.to_owned(), vec![])));
    }
    let csv = json!({"format": "CSV"});
    let (_, complaints) = read(b"a,b\n\n1,2,3\n\"x\ny\",1\n\xff,1\n,1\n4,4\n", csv.clone())
        .await
        .unwrap();
    let expected = [
        "line 3: 3 cells where the header has 2",
        "line 4: a is `x\ny`",
        "line 6: a is not in UTF-8",
        "line 7: a is nothing",
    ];
    assert_eq!(complaints, expected);
    for (text, refusal) in [
        (
            &b"a,b,a\n1,2,3\n"[..],
            "fields[0]: the header names `a` twice, in columns 1 and 3",
        ),
        (
            b"a;b\n1;2\n",
            "no column `a`; the columns are a;b; see `delimiter`",
        ),
        (b"PAR1\x15\x04", "it is a Parquet file"),
        (b"", "expected a header line"),
    ] {
        let error = read(text, csv.clone()).await.unwrap_err();
        assert!(error.contains(refusal), "{error}");
    }
}

#[tokio::test]
async fn json_lines_are_read_as_people_have_them() {
    let text = "\u{feff}{\"a\":1,\"b\":2}\r\nnot JSON\n\n{\"a\":{}}\n{\"a\":[1]}\n[1]\n{\"b\":1}\n{\"a\":2,\"b\":null}\n";
    let (rows, complaints) = read(text.as_bytes(), json!({"format": "JSON_LINES"}))
        .await
        .unwrap();
    assert_eq!(rows, "a,b\n1,2\n2,\n");
    let expected = [
        "line 2 is not JSON",
        "line 4: a is an object",
        "line 5: a is an array",
        "line 6 is an array, not an object",
        "line 7: a is nothing",
    ];
    assert_eq!(complaints, expected);
    let delimiter = json!({"format": "JSON_LINES", "delimiter": ","});
    let error = read(b"{}", delimiter).await.unwrap_err();
    assert!(
        error.contains("$.source.delimiter: only CSV has one"),
        "{error}"
    );
}

/// The file that Arrow writes, with a pattern where the moments are texts and without one where they are moments.
#[tokio::test]
async fn parquet_is_read() {
    let deps = deps();
    put(
        &deps,
        include_bytes!("../../../shared/columns/fixtures/arrow.parquet"),
    )
    .await;
    let source = |fields: Value| json!({"name": "temps", "url": "s3://b/in", "format": "PARQUET", "fields": fields});
    let fields = json!([
        {"name": "time", "from": "date", "type": "TIMESTAMP", "optional": true},
        {"name": "city", "type": "TEXT", "optional": true},
        {"name": "temperature", "from": "temp", "type": "FLOAT", "optional": true},
        {"name": "count", "type": "INTEGER"},
    ]);
    let response = fetch_source(&deps, source(fields)).await.unwrap();
    let rows = "time,city,temperature,count\n2010-01-31T23:00:00,Seattle,39.4,1\n\
                2010-02-01T00:00:00,San Francisco,,2\n,,47.5,3\n";
    assert_eq!(rows_of(&deps, &response).await, rows);
    let cases = [
        (
            json!([{"name": "temp", "type": "FLOAT"}]),
            "1 of 3 rows cannot be read, more than maxRejected: row 2: temp is nothing",
        ),
        (
            json!([{"name": "heat", "type": "FLOAT"}]),
            "no column `heat`; the columns are date, temp, city, wet, count",
        ),
        (
            json!([{"name": "date", "type": "FLOAT"}]),
            "row 1: date is the moment 2010-01-31T23:00:00",
        ),
    ];
    for (fields, expected) in cases {
        let error = fetch_source(&deps, source(fields)).await.unwrap_err();
        assert_eq!(error.name(), "Input.Invalid");
        assert!(error.to_string().contains(expected), "{error}");
    }
    put(&deps, b"a,b\n1,2\n").await;
    let fields = json!([{"name": "a", "type": "INTEGER"}]);
    let error = fetch_source(&deps, source(fields)).await.unwrap_err();
    assert!(
        error.to_string().contains("it is no Parquet file"),
        "{error}"
    );
}
