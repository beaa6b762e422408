//! Requests that the endpoint must not serve: by hand, and from a page in a real browser.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use aws_sdk_batch::types::JobStatus;

use crate::cloud::{Cloud, stack};

/// Sends a request as it stands; status and body.
fn send(address: &str, head: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        stream,
        "{head}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_page_can_send_is_refused() {
    let cloud = Cloud::start(&stack()).await;
    let address = cloud.endpoint.strip_prefix("http://").unwrap().to_owned();
    let host = format!("Host: {address}");
    let job = r#"{"jobName":"j","jobQueue":"on-demand","jobDefinition":"worker"}"#;
    let form = "--x\r\ncontent-disposition: form-data; name=\"key\"\r\n\r\nstolen\r\n--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nstolen\r\n--x--\r\n";
    let submit = "POST /v1/submitjob HTTP/1.1";
    for (head, body, status, words) in [
        (
            format!("{submit}\r\n{host}\r\nContent-Type: text/plain"),
            job,
            415,
            "text/plain",
        ),
        (
            format!("{submit}\r\n{host}\r\nContent-Type: multipart/form-data; boundary=x"),
            job,
            415,
            "multipart/form-data",
        ),
        (format!("{submit}\r\n{host}"), job, 403, "unsigned"),
        (
            format!(
                "{submit}\r\n{host}\r\nContent-Type: application/json\r\nOrigin: http://evil.test"
            ),
            job,
            403,
            "Origin",
        ),
        (
            format!("{submit}\r\nHost: evil.test:4566\r\nContent-Type: application/json"),
            job,
            403,
            "Host",
        ),
        (
            format!(
                "POST /bucket HTTP/1.1\r\n{host}\r\nContent-Type: multipart/form-data; boundary=x"
            ),
            form,
            501,
            "PostObject",
        ),
        (
            format!("PUT /bucket/stolen HTTP/1.1\r\n{host}"),
            "x",
            403,
            "unsigned",
        ),
        (
            format!(
                "POST /2015-03-31/functions/probe/invocations HTTP/1.1\r\n{host}\r\nContent-Type: text/plain"
            ),
            "{}",
            415,
            "text/plain",
        ),
        (
            format!("POST /schedules/s HTTP/1.1\r\n{host}\r\nContent-Type: text/plain"),
            "{}",
            415,
            "text/plain",
        ),
        (
            format!(
                "POST / HTTP/1.1\r\n{host}\r\nContent-Type: text/plain\r\nX-Amz-Target: AmazonEC2ContainerServiceV20141113.ListTasks"
            ),
            "{}",
            415,
            "text/plain",
        ),
        (
            format!("GET /bucket/secret HTTP/1.1\r\n{host}\r\nSec-Fetch-Site: cross-site"),
            "",
            403,
            "Sec-Fetch-Site",
        ),
        (
            format!("OPTIONS /bucket/secret HTTP/1.1\r\n{host}\r\nOrigin: http://evil.test"),
            "",
            403,
            "Origin",
        ),
    ] {
        let sent = (address.clone(), head.clone(), body);
        let answer = tokio::task::spawn_blocking(move || send(&sent.0, &sent.1, sent.2));
        let (found, answer) = answer.await.unwrap();
        assert_eq!(found, status, "{head}\n{answer}");
        assert!(answer.contains(words), "{head}\n{answer}");
        let lower = answer.to_lowercase();
        assert!(!lower.contains("access-control"), "{answer}");
        assert!(
            lower.contains("cross-origin-resource-policy: same-origin"),
            "{answer}"
        );
    }
    assert_untouched(&cloud).await;
}

/// No job, and no object but the secret.
async fn assert_untouched(cloud: &Cloud) {
    let listed = cloud.s3().list_objects_v2().bucket("bucket").send().await;
    let keys = listed.unwrap();
    let keys: BTreeSet<_> = keys.contents().iter().filter_map(|o| o.key()).collect();
    assert!(keys.is_subset(&["secret"].into()), "{keys:?}");
    for status in JobStatus::values() {
        let jobs = cloud.batch().list_jobs().job_queue("on-demand");
        let jobs = jobs.job_status((*status).into()).send().await.unwrap();
        assert!(jobs.job_summary_list().is_empty(), "{jobs:?}");
    }
    assert_eq!(cloud.logs("aws/lambda"), "");
}

/// Name of a browser on this machine.
fn browser() -> Option<&'static str> {
    let known = ["chromium", "chromium-browser", "google-chrome"];
    known.into_iter().find(|name| {
        let asked = Command::new(name).arg("--version").output();
        asked.is_ok_and(|output| output.status.success())
    })
}

/// Kills the browser at the end of the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server of the foreign site: it gives the page, notes every other request, and hands over what
/// the page says at its end.
fn foreign_site(
    listener: TcpListener,
    page: String,
) -> (Arc<Mutex<BTreeSet<String>>>, mpsc::Receiver<String>) {
    let seen: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let (done, said) = mpsc::channel();
    let (notes, page) = (seen.clone(), Arc::new(page));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (notes, page, done) = (notes.clone(), page.clone(), done.clone());
            std::thread::spawn(move || visit(stream.unwrap(), &notes, &page, &done));
        }
    });
    (seen, said)
}

fn visit(
    mut stream: TcpStream,
    notes: &Mutex<BTreeSet<String>>,
    page: &str,
    done: &mpsc::Sender<String>,
) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        // A browser also opens connections on which it sends nothing.
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_lowercase());
    }
    let length = lines
        .iter()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    let first: Vec<&str> = lines[0].split(' ').collect();
    notes
        .lock()
        .unwrap()
        .insert(format!("{} {}", first[0], first[1]));
    let answer = if first[..2] == ["get", "/"] { page } else { "" };
    let length = answer.len();
    // The browser may be gone.
    let _ = write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{answer}"
    );
    if first[1] == "/done" {
        let _ = done.send(String::from_utf8(body).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_page_in_a_browser_gets_and_does_nothing() {
    let Some(browser) = browser() else {
        eprintln!("SKIPPED: no Chromium on this machine");
        return;
    };
    let cloud = Cloud::start(&stack()).await;
    let secret = aws_sdk_s3::primitives::ByteStream::from_static(b"the secret");
    let put = cloud.s3().put_object().bucket("bucket").key("secret");
    put.body(secret).send().await.unwrap();
    let (_, port) = cloud.endpoint.rsplit_once(':').unwrap();
    // Towards the foreign site's own second name the browser does the same: so it is known to do it.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let site = listener.local_addr().unwrap().port();
    let bases = [
        format!("http://127.0.0.1:{port}"),
        format!("http://localhost:{port}"),
        format!("http://evil.test:{port}"),
        format!("http://other.test:{site}"),
    ];
    let page = include_str!("foreign.html").replace("BASES", &format!("{bases:?}"));
    let (seen, said) = foreign_site(listener, page);
    let profile = tempfile::tempdir().unwrap();
    let child = Command::new(browser)
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-dev-shm-usage",
        ])
        .arg("--host-resolver-rules=MAP evil.test 127.0.0.1, MAP other.test 127.0.0.1")
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("http://evil.test:{site}/"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _browser = Running(child.unwrap());
    let said = tokio::task::spawn_blocking(move || said.recv_timeout(Duration::from_secs(120)));
    let read = said.await.unwrap().expect("the page came to its end");
    assert!(!read.contains("the secret"), "the page has read {read}");
    let seen = seen.lock().unwrap().clone();
    for sent in [
        "get /bucket/secret",
        "get /bucket/secret?blind",
        "get /bucket/secret?picture",
        "post /v1/submitjob",
        "post /v1/submitjob?form",
        "post /2015-03-31/functions/probe/invocations",
        "post /bucket",
        "options /",
        "options /bucket/stolen",
    ] {
        assert!(
            seen.contains(sent),
            "the browser did not send {sent}: {seen:?}"
        );
    }
    assert_untouched(&cloud).await;
}
