//! The bytes of requests, prepared so that sending one costs no allocation.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use rand::rngs::StdRng;

use crate::error::Error;
use crate::spec::LoadTest;
use crate::target::Target;
use crate::template::Template;

/// What is the same in every request of a test, and what is not.
#[derive(Debug)]
pub struct RequestTemplate {
    method: Method,
    path: Template,
    body: Template,
    /// Request line after the path, and all headers but the length.
    head: Vec<u8>,
    /// The whole HTTP/1.1 request, if all are the same.
    fixed: Option<Vec<u8>>,
    scheme_and_authority: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// The memory in which requests that differ are put together.
#[derive(Debug, Default)]
pub struct Scratch {
    request: Vec<u8>,
    body: Vec<u8>,
}

impl RequestTemplate {
    /// Prepares the requests of `test` to `target`.
    ///
    /// # Errors
    /// [`Error::Template`] for an unknown placeholder, [`Error::Invalid`] for what HTTP does not allow.
    pub fn new(test: &LoadTest, target: &Target) -> Result<Self, Error> {
        let template = |field, text: &str| {
            Template::parse(text).map_err(|source| Error::Template { field, source })
        };
        let (path, body) = (
            template("url", &target.path)?,
            template("body", &test.body)?,
        );
        let headers = test.header_values()?;
        let mut head = b" HTTP/1.1\r\n".to_vec();
        let defaults = [
            (header::HOST, target.authority.as_str()),
            (header::USER_AGENT, USER_AGENT),
        ];
        for (name, value) in defaults {
            if headers.iter().all(|(own, _)| *own != name) {
                line(&mut head, name.as_str(), value.as_bytes());
            }
        }
        for (name, value) in &headers {
            line(&mut head, name.as_str(), value.as_bytes());
        }
        if !test.keep_alive {
            line(&mut head, "connection", b"close");
        }
        let scheme = if target.tls { "https" } else { "http" };
        let mut request = Self {
            method: test.method_parsed()?,
            path,
            body,
            head,
            fixed: None,
            scheme_and_authority: format!("{scheme}://{}", target.authority),
            headers,
        };
        let mut scratch = Scratch::default();
        let mut random = rand::make_rng();
        request.uri(0, &mut random, &mut scratch)?;
        if request.path.is_fixed() && request.body.is_fixed() {
            request.fixed = Some(request.render(0, &mut random, &mut scratch).to_vec());
        }
        Ok(request)
    }

    /// Whether the answer has no body because the method is HEAD.
    pub fn is_head(&self) -> bool {
        self.method == Method::HEAD
    }

    /// The bytes of request number `seq` in HTTP/1.1.
    pub fn render<'a>(
        &'a self,
        seq: u64,
        random: &mut StdRng,
        scratch: &'a mut Scratch,
    ) -> &'a [u8] {
        use std::io::Write as _;
        if let Some(fixed) = &self.fixed {
            return fixed;
        }
        let Scratch { request, body } = scratch;
        request.clear();
        body.clear();
        self.body.render(seq, random, body);
        request.extend_from_slice(self.method.as_str().as_bytes());
        request.push(b' ');
        self.path.render(seq, random, request);
        request.extend_from_slice(&self.head);
        if !body.is_empty() || matches!(self.method, Method::POST | Method::PUT | Method::PATCH) {
            // Writing to a Vec cannot fail.
            let _ = write!(request, "content-length: {}\r\n", body.len());
        }
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(body);
        request
    }

    /// The head of request number `seq` in HTTP/2, and its body.
    ///
    /// # Errors
    /// [`Error::Invalid`] when a placeholder made the path one that HTTP does not allow.
    pub fn http2(
        &self,
        seq: u64,
        random: &mut StdRng,
        scratch: &mut Scratch,
    ) -> Result<(http::Request<()>, bytes::Bytes), Error> {
        let mut request = http::Request::new(());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri(seq, random, scratch)?;
        *request.version_mut() = http::Version::HTTP_2;
        let mut headers = HeaderMap::with_capacity(self.headers.len() + 2);
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        for (name, value) in &self.headers {
            // HTTP/2 says it in :authority.
            if name != header::HOST {
                headers.insert(name.clone(), value.clone());
            }
        }
        scratch.body.clear();
        self.body.render(seq, random, &mut scratch.body);
        let body = bytes::Bytes::copy_from_slice(&scratch.body);
        if !body.is_empty() {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        *request.headers_mut() = headers;
        Ok((request, body))
    }

    fn uri(&self, seq: u64, random: &mut StdRng, scratch: &mut Scratch) -> Result<Uri, Error> {
        scratch.request.clear();
        scratch
            .request
            .extend_from_slice(self.scheme_and_authority.as_bytes());
        self.path.render(seq, random, &mut scratch.request);
        Uri::try_from(scratch.request.as_slice()).map_err(|_| {
            Error::invalid(
                "url",
                "has a path or query with characters that must be percent-encoded",
            )
        })
    }
}

const USER_AGENT: &str = concat!("load-generator/", env!("CARGO_PKG_VERSION"));

fn line(head: &mut Vec<u8>, name: &str, value: &[u8]) {
    head.extend_from_slice(name.as_bytes());
    head.extend_from_slice(b": ");
    head.extend_from_slice(value);
    head.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Load;
    use crate::target::AllowedTargets;
    use rand::SeedableRng as _;

    fn rendered(edit: impl FnOnce(&mut LoadTest), url: &str) -> Result<String, Error> {
        let mut test = LoadTest::new(
            url,
            Load::Closed {
                connections: 1,
                seconds: 1.0,
            },
        );
        edit(&mut test);
        let target = AllowedTargets::only(url)?.resolve(url)?;
        let template = RequestTemplate::new(&test, &target)?;
        let mut scratch = Scratch::default();
        let bytes = template
            .render(7, &mut StdRng::seed_from_u64(0), &mut scratch)
            .to_vec();
        Ok(String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn a_get_has_no_body_and_no_length() {
        let text = rendered(|_| (), "http://127.0.0.1:81/a?b").unwrap();
        let version = env!("CARGO_PKG_VERSION");
        let wanted = format!(
            "GET /a?b HTTP/1.1\r\nhost: 127.0.0.1:81\r\nuser-agent: load-generator/{version}\r\n\r\n"
        );
        assert_eq!(text, wanted);
    }

    #[test]
    fn the_length_follows_the_rendered_body() {
        let edit = |test: &mut LoadTest| {
            test.method = "POST".to_owned();
            test.body = "{\"id\": {{seq}}}".to_owned();
            test.keep_alive = false;
            test.headers.insert("Host".to_owned(), "other".to_owned());
        };
        let text = rendered(edit, "http://127.0.0.1/{{seq}}").unwrap();
        assert!(text.starts_with("POST /7 HTTP/1.1\r\n"), "{text}");
        assert!(
            text.ends_with("\r\ncontent-length: 9\r\n\r\n{\"id\": 7}"),
            "{text}"
        );
        assert!(
            text.contains("host: other\r\n") && !text.contains("127.0.0.1"),
            "{text}"
        );
        assert!(text.contains("connection: close\r\n"), "{text}");
    }

    #[test]
    fn a_path_that_http_does_not_allow_is_refused() {
        assert!(matches!(
            rendered(|_| (), "http://127.0.0.1/a\u{7f}b"),
            Err(Error::Invalid { field: "url", .. })
        ));
        assert!(matches!(
            rendered(|_| (), "http://127.0.0.1/{{x}}"),
            Err(Error::Template { field: "url", .. })
        ));
        assert!(rendered(|_| (), "http://127.0.0.1/a\r\nX: y").is_err());
    }
}
