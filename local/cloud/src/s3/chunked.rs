//! The framing `aws-chunked`, in which SDKs send contents whose checksum follows them.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html>
//!
//! Signatures of chunks are not checked, as no signature is: everybody knows the local secret.

use std::sync::Arc;

use axum::body::{Body, BodyDataStream};
use bytes::{Buf, Bytes, BytesMut};
use futures::StreamExt;
use futures::stream;
use parking_lot::Mutex;

/// Longest line between two chunks, bytes.
const LINE_LIMIT: usize = 16 * 1_024;

/// What follows the contents: names in lower case, and values. There once the contents are read.
#[derive(Debug, Clone, Default)]
pub(super) struct Trailers(Arc<Mutex<Vec<(String, String)>>>);

impl Trailers {
    pub(super) fn get(&self, name: &str) -> Option<String> {
        let trailers = self.0.lock();
        let found = trailers.iter().find(|(trailer, _)| trailer == name);
        found.map(|(_, value)| value.clone())
    }
}

/// Why a framed body cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChunkError {
    #[error("the request's body broke off: {0}")]
    Body(#[from] axum::Error),
    #[error("the request's body ends before its last chunk")]
    Incomplete,
    #[error("{0:?} is no head of a chunk: it begins with the chunk's size in hexadecimal digits")]
    Head(String),
    #[error("a line between two chunks is longer than {LINE_LIMIT} bytes")]
    LongLine,
    #[error("the contents have {found} bytes, not the {wanted} of x-amz-decoded-content-length")]
    Length { found: u64, wanted: u64 },
}

enum At {
    Head,
    Data(u64),
    /// Behind the data of a chunk.
    Gap,
    Trailer,
    End,
}

struct Decoder {
    body: BodyDataStream,
    buffer: BytesMut,
    at: At,
    trailers: Trailers,
    found: u64,
    wanted: u64,
}

/// The contents of a framed body of `wanted` bytes.
pub(super) fn decode(body: Body, wanted: u64, trailers: Trailers) -> Body {
    let decoder = Decoder {
        body: body.into_data_stream(),
        buffer: BytesMut::new(),
        at: At::Head,
        trailers,
        found: 0,
        wanted,
    };
    let chunks = stream::try_unfold(decoder, |mut decoder| async move {
        let next = decoder.next().await?;
        Ok::<_, ChunkError>(next.map(|bytes| (bytes, decoder)))
    });
    Body::from_stream(chunks)
}

impl Decoder {
    async fn next(&mut self) -> Result<Option<Bytes>, ChunkError> {
        loop {
            match self.at {
                At::Head => {
                    let line = self.line().await?;
                    let digits = line.split(';').next().unwrap_or_default();
                    let size = u64::from_str_radix(digits.trim(), 16)
                        .map_err(|_| ChunkError::Head(line.clone()))?;
                    self.at = if size == 0 {
                        At::Trailer
                    } else {
                        At::Data(size)
                    };
                }
                At::Data(left) => {
                    if self.buffer.is_empty() {
                        self.fill().await?;
                    }
                    let size = usize::try_from(left)
                        .unwrap_or(usize::MAX)
                        .min(self.buffer.len());
                    let left = left - size as u64;
                    self.at = if left == 0 { At::Gap } else { At::Data(left) };
                    self.found += size as u64;
                    return Ok(Some(self.buffer.split_to(size).freeze()));
                }
                At::Gap => {
                    self.line().await?;
                    self.at = At::Head;
                }
                At::Trailer => self.trailer().await?,
                At::End => return self.check().map(|()| None),
            }
        }
    }

    async fn trailer(&mut self) -> Result<(), ChunkError> {
        // Some clients end with the last trailer instead of an empty line.
        let line = match self.line().await {
            Err(ChunkError::Incomplete) => String::new(),
            line => line?,
        };
        match line.split_once(':') {
            Some((name, value)) => {
                let trailer = (name.trim().to_ascii_lowercase(), value.trim().to_owned());
                self.trailers.0.lock().push(trailer);
            }
            None => self.at = At::End,
        }
        Ok(())
    }

    fn check(&self) -> Result<(), ChunkError> {
        let (found, wanted) = (self.found, self.wanted);
        if found == wanted {
            Ok(())
        } else {
            Err(ChunkError::Length { found, wanted })
        }
    }

    /// The next line, without its end.
    async fn line(&mut self) -> Result<String, ChunkError> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(end);
                self.buffer.advance(1);
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if self.buffer.len() > LINE_LIMIT {
                return Err(ChunkError::LongLine);
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), ChunkError> {
        let bytes = self.body.next().await.ok_or(ChunkError::Incomplete)??;
        self.buffer.extend_from_slice(&bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(text: &'static str, wanted: u64) -> Result<(Bytes, Trailers), String> {
        let trailers = Trailers::default();
        // Byte by byte: no boundary may matter.
        let pieces = text.bytes().map(|byte| Ok::<_, ChunkError>(vec![byte]));
        let body = Body::from_stream(stream::iter(pieces));
        let body = decode(body, wanted, trailers.clone());
        let bytes = axum::body::to_bytes(body, usize::MAX).await;
        bytes
            .map(|bytes| (bytes, trailers))
            .map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn contents_and_trailers_are_read() {
        let signed = "4;chunk-signature=ab\r\nabcd\r\n2;chunk-signature=cd\r\nef\r\n0;chunk-signature=ef\r\n\r\n";
        assert_eq!(read(signed, 6).await.unwrap().0, "abcdef");
        let trailing = "3\r\na\r\n\r\n0\r\nX-Amz-Checksum-Crc32: AAAAAA==\r\n\r\n";
        let (contents, trailers) = read(trailing, 3).await.unwrap();
        assert_eq!(contents, "a\r\n");
        let sum = trailers.get("x-amz-checksum-crc32");
        assert_eq!(sum.as_deref(), Some("AAAAAA=="));
    }

    #[tokio::test]
    async fn what_is_cut_off_or_of_another_length_is_an_error() {
        for (text, wanted, error) in [
            ("4\r\nab", 4, "ends before its last chunk"),
            ("xyz\r\nab", 2, "is no head of a chunk"),
            ("2\r\nab\r\n0\r\n\r\n", 3, "have 2 bytes, not the 3"),
        ] {
            let found = read(text, wanted).await.unwrap_err();
            assert!(found.contains(error), "{found}");
        }
    }
}
