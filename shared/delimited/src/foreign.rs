//! Files that are no text, by the bytes that they begin with.

/// The first bytes of a format and what it is called.
const KNOWN: &[(&[u8], &str)] = &[
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"FEA1", "a Feather file"),
    (b"ORC", "an ORC file"),
    (b"Obj\x01", "an Avro file"),
    (b"PK\x03\x04", "a zip archive or an Excel workbook"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook"),
    (b"\x89HDF", "an HDF5 file"),
    (b"SQLite format 3\0", "a SQLite database"),
    (b"%PDF", "a PDF file"),
    (b"\x1f\x8b", "gzip inside of gzip"),
    (
        b"\x28\xb5\x2f\xfd",
        "compressed with Zstandard; of compressions gzip is undone",
    ),
    (
        b"BZh",
        "compressed with bzip2; of compressions gzip is undone",
    ),
    (
        b"\xfd7zXZ\0",
        "compressed with xz; of compressions gzip is undone",
    ),
    (b"\xff\xfe", "text in UTF-16"),
    (b"\xfe\xff", "text in UTF-16"),
];

/// What a file that begins with `head` is, if it is known and no UTF-8 text.
pub(crate) fn name(head: &[u8]) -> Option<&'static str> {
    let known = KNOWN.iter().find(|(magic, _)| head.starts_with(magic));
    let is_page = || {
        let start = head.trim_ascii_start();
        [&b"<!doctype html"[..], b"<html"].iter().any(|tag| {
            start
                .get(..tag.len())
                .is_some_and(|begin| begin.eq_ignore_ascii_case(tag))
        })
    };
    known
        .map(|(_, name)| *name)
        .or_else(|| is_page().then_some("an HTML page"))
        .or_else(|| {
            head.contains(&0)
                .then_some("a binary file, or text in UTF-16")
        })
}
