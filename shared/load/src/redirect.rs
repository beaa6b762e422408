//! Finding the URL to test. Redirects are followed before the test, each hop checked like the first, and
//! never during it: the hot path connects to one checked address and nowhere else.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::request::{RequestTemplate, Scratch};
use crate::spec::LoadTest;
use crate::stream::TlsSettings;
use crate::target::{AllowedTargets, Target};

/// The longest response head that is read.
const MAX_HEAD: usize = 64 * 1024;

/// Headers that are meant for the host of the test alone.
const CONFIDENTIAL: [&str; 4] = ["authorization", "cookie", "host", "proxy-authorization"];

/// The URL to test and its checked target. Confidential headers leave the test when a redirect leads to another host.
///
/// # Errors
/// [`Error::Target`] when it or a hop on the way is not allowed, [`Error::Redirect`] when a hop cannot be asked.
pub fn resolve(test: &mut LoadTest, allowed: &AllowedTargets) -> Result<(String, Target), Error> {
    let mut url = test.url.clone();
    let mut target = allowed.resolve(&url)?;
    for _ in 0..test.follow_redirects {
        let location = ask(test, &target).map_err(|reason| Error::Redirect {
            url: url.clone(),
            reason,
        })?;
        let Some(location) = location else {
            return Ok((url, target));
        };
        url = absolute(&target, &location);
        let next = allowed.resolve(&url)?;
        if !may_be_told(&target, &next) {
            let confidential =
                |name: &String| CONFIDENTIAL.contains(&name.to_ascii_lowercase().as_str());
            test.headers.retain(|name, _| !confidential(name));
        }
        target = next;
    }
    Ok((url, target))
}

/// Whether `next` may get what is meant for `target`: the same port of the same host, or the same host over TLS.
fn may_be_told(target: &Target, next: &Target) -> bool {
    let same = target.tls == next.tls && target.address.port() == next.address.port();
    target.host == next.host && (same || (!target.tls && next.tls))
}

/// Asks once with GET; the Location if the answer is a redirect.
fn ask(test: &LoadTest, target: &Target) -> Result<Option<String>, String> {
    let plain = LoadTest {
        method: "GET".to_owned(),
        body: String::new(),
        keep_alive: false,
        ..test.clone()
    };
    let request = RequestTemplate::new(&plain, target).map_err(|error| error.to_string())?;
    let mut scratch = Scratch::default();
    let bytes = request.render(0, &mut rand::make_rng(), &mut scratch);
    let timeout = Duration::from_millis(test.timeout_ms);
    let connect = || {
        let socket = TcpStream::connect_timeout(&target.address, timeout)?;
        socket.set_read_timeout(Some(timeout))?;
        socket.set_write_timeout(Some(timeout))?;
        Ok(socket)
    };
    let mut socket = connect().map_err(|error: std::io::Error| error.to_string())?;
    let head = if target.tls {
        let tls = TlsSettings::new(&target.host, &test.trusted_pem, b"http/1.1")
            .map_err(|error| error.to_string())?;
        let session = rustls::ClientConnection::new(Arc::clone(&tls.config), tls.name);
        exchange(
            &mut rustls::StreamOwned::new(session.map_err(|error| error.to_string())?, socket),
            bytes,
        )
    } else {
        exchange(&mut socket, bytes)
    };
    location(&head.map_err(|error| error.to_string())?)
}

/// Sends the request and reads until the head is complete.
fn exchange(
    stream: &mut (impl std::io::Read + std::io::Write),
    request: &[u8],
) -> std::io::Result<Vec<u8>> {
    stream.write_all(request)?;
    stream.flush()?;
    let mut head = Vec::new();
    let mut piece = [0; 4096];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") && head.len() < MAX_HEAD {
        match stream.read(&mut piece)? {
            0 => break,
            length => head.extend_from_slice(&piece[..length]),
        }
    }
    Ok(head)
}

/// The Location of a redirect; `None` for any other response.
fn location(head: &[u8]) -> Result<Option<String>, String> {
    let mut headers = [httparse::EMPTY_HEADER; 100];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => {
            return Err("the response ended before its head was complete".to_owned());
        }
        Err(error) => return Err(format!("not an HTTP/1.1 response: {error}")),
    }
    if !matches!(response.code, Some(301 | 302 | 303 | 307 | 308)) {
        return Ok(None);
    }
    let header = response
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("location"));
    let header = header.ok_or("a redirect without Location")?;
    String::from_utf8(header.value.to_vec())
        .map(Some)
        .map_err(|_| "a Location that is not text".to_owned())
}

/// `location` relative to `target` (RFC 3986, section 5.2, without dot segments).
fn absolute(target: &Target, location: &str) -> String {
    let scheme = if target.tls { "https" } else { "http" };
    let authority = &target.authority;
    if location.contains("://") {
        location.to_owned()
    } else if let Some(rest) = location.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else {
        let path = target.path.split('?').next().unwrap_or_default();
        let folder = path.rfind('/').map_or("/", |at| &path[..=at]);
        format!("{scheme}://{authority}{folder}{location}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Ceilings, Load};
    use crate::target::TargetError;
    use crate::{Plan, Share};
    use jobs::task::Named as _;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    /// Answers each connection with the next of `answers`; its port.
    fn serve(answers: Vec<String>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for answer in answers {
                let (mut socket, _) = listener.accept().unwrap();
                let _ = socket.read(&mut [0; 4096]);
                socket.write_all(answer.as_bytes()).unwrap();
            }
        });
        port
    }

    fn redirect(to: &str) -> String {
        format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
    }

    fn find(url: &str, follow_redirects: u32) -> Result<String, Error> {
        let load = Load::Closed {
            connections: 1,
            seconds: 1.0,
        };
        let mut test = LoadTest {
            follow_redirects,
            ..LoadTest::new(url, load)
        };
        resolve(&mut test, &AllowedTargets::parse("127.0.0.1").unwrap()).map(|(url, _)| url)
    }

    #[test]
    fn redirects_are_followed_as_far_as_the_test_says() {
        let answers = || {
            vec![
                redirect("/b"),
                redirect("c?d"),
                "HTTP/1.1 200 OK\r\n\r\n".to_owned(),
            ]
        };
        let port = serve(answers());
        assert_eq!(
            find(&format!("http://127.0.0.1:{port}/a"), 5).unwrap(),
            format!("http://127.0.0.1:{port}/c?d")
        );
        let port = serve(answers());
        assert_eq!(
            find(&format!("http://127.0.0.1:{port}/a"), 1).unwrap(),
            format!("http://127.0.0.1:{port}/b")
        );
        assert_eq!(
            find("http://127.0.0.1:1/a", 0).unwrap(),
            "http://127.0.0.1:1/a"
        );
    }

    #[test]
    fn what_is_meant_for_one_host_does_not_go_to_another() {
        let secrets = ["Authorization", "cookie", "Host"];
        let sent = |to: &str| {
            let port = serve(vec![redirect(to)]);
            let load = Load::Closed {
                connections: 1,
                seconds: 1.0,
            };
            let mut test = LoadTest::new(format!("http://127.0.0.1:{port}/"), load);
            test.follow_redirects = 1;
            for name in secrets.iter().chain(&["Accept"]) {
                test.headers.insert((*name).to_owned(), "x".to_owned());
            }
            let allowed = AllowedTargets::parse("127.0.0.1").unwrap();
            let plan = Plan::new(test, Share::WHOLE, &allowed, Ceilings::NONE).unwrap();
            plan.test.headers.into_keys().collect::<Vec<_>>()
        };
        assert_eq!(sent("/elsewhere").len(), 4);
        assert_eq!(sent("http://127.0.0.1:9/"), ["Accept"]);
    }

    #[test]
    fn a_redirect_to_a_target_that_is_not_allowed_is_refused() {
        for to in [
            "http://169.254.169.254/latest/meta-data/",
            "//127.0.0.2/",
            "http://localhost/",
        ] {
            let port = serve(vec![redirect(to)]);
            let error = find(&format!("http://127.0.0.1:{port}/"), 3).unwrap_err();
            assert!(
                matches!(error, Error::Target(TargetError::Host { .. })),
                "{to}: {error}"
            );
            assert_eq!(error.name(), "Input.TargetNotAllowed");
        }
    }

    #[test]
    fn a_target_that_does_not_answer_is_told() {
        let port = serve(vec!["SSH-2.0\r\n\r\n".to_owned()]);
        let error = find(&format!("http://127.0.0.1:{port}/"), 1).unwrap_err();
        assert_eq!(error.name(), "Job.TargetUnreachable");
    }
}
