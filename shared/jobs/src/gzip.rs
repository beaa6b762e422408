//! Bytes that may be gzipped.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;

/// Reads `bytes`, gzipped or not, and fails beyond `most` bytes of plain text: a bomb must not fill the memory,
/// and half of a file must not pass for the whole. A gzip file may have several members
/// (<https://datatracker.ietf.org/doc/html/rfc1952#section-2.2>).
pub fn plain(bytes: &[u8], most: u64) -> impl Read {
    let inner: Box<dyn Read> = if bytes.starts_with(&[0x1f, 0x8b]) {
        Box::new(MultiGzDecoder::new(bytes))
    } else {
        Box::new(bytes)
    };
    Limited {
        inner,
        left: most,
        most,
    }
}

struct Limited<'a> {
    inner: Box<dyn Read + 'a>,
    left: u64,
    most: u64,
}

impl Read for Limited<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            let most = self.most;
            io::Error::other(format!("it has more than {most} bytes unpacked; split it"))
        })?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: &[u8], most: u64) -> io::Result<String> {
        let mut text = String::new();
        plain(bytes, most).read_to_string(&mut text).map(|_| text)
    }

    #[test]
    fn plain_and_gzipped_bytes_are_read_to_the_end_of_the_last_member() {
        assert_eq!(read(b"abcdef", 6).unwrap(), "abcdef");
        assert_eq!(read(&gzip("abcdef"), 6).unwrap(), "abcdef");
        let members = [gzip("abc"), gzip("def")].concat();
        assert_eq!(read(&members, 6).unwrap(), "abcdef");
    }

    #[test]
    fn what_is_beyond_the_limit_is_an_error_and_not_the_end() {
        for bytes in [b"abcdef".to_vec(), gzip("abcdef"), gzip(&"x".repeat(9_999))] {
            let error = read(&bytes, 5).unwrap_err();
            assert!(error.to_string().contains("more than 5 bytes"), "{error}");
        }
    }
}
