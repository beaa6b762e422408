//! HTTP/1.1 responses, read incrementally and without allocation (RFC 9112).

use std::mem::MaybeUninit;

/// The most header lines that a response may have.
const MAX_HEADERS: usize = 100;

/// Where the reader of one response stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Length(u64),
    ChunkSize { size: u64, digits: u8 },
    ChunkExtension { size: u64 },
    ChunkData(u64),
    ChunkEnd,
    Trailer { empty: bool },
    UntilClose,
    Done,
}

/// What is known of a response while it arrives.
#[derive(Clone, Debug)]
pub struct Response {
    state: State,
    /// The request was HEAD: whatever the headers say, there is no body.
    head_request: bool,
    /// Status code; 0 until the head is complete.
    pub status: u16,
    /// The server will close the connection after it.
    pub close: bool,
}

/// Bytes that are not an HTTP/1.1 response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Status line or headers.
    #[error("not an HTTP/1.1 response head: {0}")]
    Head(httparse::Error),
    /// More header lines than are read.
    #[error("more than {MAX_HEADERS} headers")]
    Headers,
    /// `Content-Length` that is no number.
    #[error("Content-Length is not a number")]
    Length,
    /// Two of them that differ: nobody knows where the response ends (RFC 9112, section 6.3).
    #[error("two different Content-Lengths")]
    Lengths,
    /// Chunk framing.
    #[error("broken chunk framing")]
    Chunk,
}

/// What a call of [`Response::feed`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fed {
    /// Bytes that were used up. The caller must offer the rest again, with more behind it.
    pub consumed: usize,
    /// The response is complete.
    pub done: bool,
}

impl Response {
    /// The reader for the answer to a HEAD request (`head_request`) or any other.
    pub fn new(head_request: bool) -> Self {
        Self {
            state: State::Head,
            head_request,
            status: 0,
            close: false,
        }
    }

    /// Reads on. Body bytes go to `body` when the caller wants them.
    ///
    /// # Errors
    /// [`ParseError`]; the connection is then of no further use.
    pub fn feed(
        &mut self,
        input: &[u8],
        mut body: Option<&mut Vec<u8>>,
    ) -> Result<Fed, ParseError> {
        let mut at = 0;
        loop {
            let rest = &input[at..];
            match self.state {
                State::Done => {
                    return Ok(Fed {
                        consumed: at,
                        done: true,
                    });
                }
                _ if rest.is_empty() => {
                    return Ok(Fed {
                        consumed: at,
                        done: false,
                    });
                }
                State::Head => match self.head(rest)? {
                    Some(length) => at += length,
                    None => {
                        return Ok(Fed {
                            consumed: at,
                            done: false,
                        });
                    }
                },
                State::Length(left) | State::ChunkData(left) => {
                    let take = take(rest, left);
                    if let Some(body) = body.as_deref_mut() {
                        body.extend_from_slice(&rest[..take]);
                    }
                    at += take;
                    let chunked = matches!(self.state, State::ChunkData(_));
                    self.state = match (left - take as u64, chunked) {
                        (0, false) => State::Done,
                        (0, true) => State::ChunkEnd,
                        (left, false) => State::Length(left),
                        (left, true) => State::ChunkData(left),
                    };
                }
                State::UntilClose => {
                    if let Some(body) = body.as_deref_mut() {
                        body.extend_from_slice(rest);
                    }
                    at = input.len();
                }
                State::ChunkSize { .. }
                | State::ChunkExtension { .. }
                | State::ChunkEnd
                | State::Trailer { .. } => {
                    self.chunk_byte(rest[0])?;
                    at += 1;
                }
            }
        }
    }

    /// The server closed the connection: whether that completes the response.
    pub fn closed(&self) -> bool {
        matches!(self.state, State::UntilClose | State::Done)
    }

    /// Parses the head if it is complete; its length in bytes.
    fn head(&mut self, input: &[u8]) -> Result<Option<usize>, ParseError> {
        let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let mut head = httparse::Response::new(&mut []);
        let parsed = httparse::ParserConfig::default()
            .parse_response_with_uninit_headers(&mut head, input, &mut headers)
            .map_err(|error| match error {
                httparse::Error::TooManyHeaders => ParseError::Headers,
                error => ParseError::Head(error),
            })?;
        let httparse::Status::Complete(length) = parsed else {
            return Ok(None);
        };
        // A complete head always has both.
        let (status, version) = (
            head.code.unwrap_or_default(),
            head.version.unwrap_or_default(),
        );
        // Interim responses (100, 103) precede the real one; 101 would end HTTP.
        if (100..200).contains(&status) && status != 101 {
            return Ok(Some(length));
        }
        self.status = status;
        self.close = version == 0;
        let (mut content_length, mut chunked) = (None, false);
        for header in head.headers.iter() {
            let name = header.name;
            if name.eq_ignore_ascii_case("content-length") {
                let text = std::str::from_utf8(header.value).map_err(|_| ParseError::Length)?;
                for text in text.split(',') {
                    let length = text.trim().parse::<u64>().map_err(|_| ParseError::Length)?;
                    if content_length.is_some_and(|known| known != length) {
                        return Err(ParseError::Lengths);
                    }
                    content_length = Some(length);
                }
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                chunked = ends_with_ignore_case(header.value, b"chunked");
            } else if name.eq_ignore_ascii_case("connection") {
                if header.value.eq_ignore_ascii_case(b"close") {
                    self.close = true;
                } else if header.value.eq_ignore_ascii_case(b"keep-alive") {
                    self.close = false;
                }
            }
        }
        self.state = if self.head_request || status == 204 || status == 304 {
            State::Done
        } else if chunked {
            State::ChunkSize { size: 0, digits: 0 }
        } else {
            match content_length {
                Some(0) => State::Done,
                Some(length) => State::Length(length),
                None => State::UntilClose,
            }
        };
        if self.state == State::UntilClose {
            self.close = true;
        }
        Ok(Some(length))
    }

    /// One byte of chunk framing. Bodies themselves never come here.
    fn chunk_byte(&mut self, byte: u8) -> Result<(), ParseError> {
        self.state = match (self.state, byte) {
            (State::ChunkSize { size, digits }, _) if byte.is_ascii_hexdigit() && digits < 15 => {
                let digit = (byte as char).to_digit(16).unwrap_or_default();
                State::ChunkSize {
                    size: size * 16 + u64::from(digit),
                    digits: digits + 1,
                }
            }
            (State::ChunkSize { digits: 0, .. }, _) => return Err(ParseError::Chunk),
            (State::ChunkSize { size, .. } | State::ChunkExtension { size }, b'\n') => match size {
                0 => State::Trailer { empty: true },
                size => State::ChunkData(size),
            },
            (State::ChunkSize { size, .. }, b'\r' | b';' | b' ' | b'\t') => {
                State::ChunkExtension { size }
            }
            (State::ChunkExtension { size }, _) => State::ChunkExtension { size },
            (State::ChunkEnd, b'\r') => State::ChunkEnd,
            (State::ChunkEnd, b'\n') => State::ChunkSize { size: 0, digits: 0 },
            (State::Trailer { empty: true }, b'\n') => State::Done,
            (State::Trailer { .. }, b'\n') => State::Trailer { empty: true },
            (State::Trailer { empty }, b'\r') => State::Trailer { empty },
            (State::Trailer { .. }, _) => State::Trailer { empty: false },
            _ => return Err(ParseError::Chunk),
        };
        Ok(())
    }
}

fn take(rest: &[u8], left: u64) -> usize {
    usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()))
}

fn ends_with_ignore_case(text: &[u8], end: &[u8]) -> bool {
    text.len() >= end.len() && text[text.len() - end.len()..].eq_ignore_ascii_case(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Feeds `text` in pieces as a connection would; status, body and whether it is complete.
    fn read(
        text: &[u8],
        piece: usize,
        head_request: bool,
    ) -> Result<(u16, Vec<u8>, bool), ParseError> {
        let mut response = Response::new(head_request);
        let (mut pending, mut body) = (Vec::new(), Vec::new());
        for part in text.chunks(piece) {
            pending.extend_from_slice(part);
            let fed = response.feed(&pending, Some(&mut body))?;
            pending.drain(..fed.consumed);
            if fed.done {
                return Ok((response.status, body, true));
            }
        }
        Ok((response.status, body, response.closed()))
    }

    const RESPONSES: [(&str, u16, &str); 7] = [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            200,
            "hello",
        ),
        (
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            404,
            "",
        ),
        ("HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n", 204, ""),
        (
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            200,
            "ok",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;x=\"y\"\r\n!\r\n0\r\n\r\n",
            200,
            "hello!",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n",
            200,
            "0123456789",
        ),
        ("HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, "until the end"),
    ];

    #[test]
    fn responses_are_read_however_they_are_cut() {
        for (text, status, body) in RESPONSES {
            for piece in 1..=text.len() {
                let read = read(text.as_bytes(), piece, false).unwrap();
                assert_eq!(
                    read,
                    (status, body.as_bytes().to_vec(), true),
                    "{text:?} in pieces of {piece}"
                );
            }
        }
    }

    #[test]
    fn an_answer_to_head_has_no_body() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
        assert_eq!(read(text, 8, true).unwrap(), (200, Vec::new(), true));
        assert!(!read(text, 8, false).unwrap().2);
    }

    #[test]
    fn closing_is_announced_or_implied() {
        for (head, close) in [
            (
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
                true,
            ),
            ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", true),
            (
                "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n",
                false,
            ),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false),
            ("HTTP/1.1 200 OK\r\n\r\n", true),
        ] {
            let mut response = Response::new(false);
            response.feed(head.as_bytes(), None).unwrap();
            assert_eq!(response.close, close, "{head}");
        }
    }

    #[test]
    fn bytes_behind_the_response_are_left() {
        let mut response = Response::new(false);
        let fed = response
            .feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokmore", None)
            .unwrap();
        assert_eq!(
            fed,
            Fed {
                consumed: 40,
                done: true
            }
        );
    }

    #[test]
    fn what_is_wrong_with_a_head_is_named() {
        let head = |headers: &str| format!("HTTP/1.1 200 OK\r\n{headers}\r\nhello");
        let refusal = |headers: &str| {
            let text = head(headers);
            read(text.as_bytes(), text.len(), false).unwrap_err()
        };
        assert_eq!(refusal(&"A: b\r\n".repeat(101)), ParseError::Headers);
        let twice = "Content-Length: 5\r\nContent-Length: 6\r\n";
        assert_eq!(refusal(twice), ParseError::Lengths);
        assert_eq!(refusal("Content-Length: 5, 6\r\n"), ParseError::Lengths);
        // The same length twice may be taken for one (RFC 9110, section 8.6).
        let same = head("Content-Length: 5, 5\r\nContent-Length: 5\r\n");
        assert!(read(same.as_bytes(), 9, false).unwrap().2);
        let most = head(&("A: b\r\n".repeat(99) + "Content-Length: 5\r\n"));
        assert!(read(most.as_bytes(), 9, false).unwrap().2);
    }

    #[test]
    fn what_is_not_http_is_an_error() {
        for text in [
            "SSH-2.0-OpenSSH_9.2\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc",
        ] {
            assert!(
                read(text.as_bytes(), text.len(), false).is_err(),
                "{text:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), which in 0usize..7, cut in 0usize..60) {
            let valid = RESPONSES[which].0.as_bytes();
            let mixed = [&valid[..cut.min(valid.len())], &bytes].concat();
            let _ = read(&mixed, 7, false);
        }
    }
}
