#![no_main]
//! A query of any language and the input that it reads, separated by a zero byte.

#[path = "../entry.rs"]
#[allow(dead_code)]
mod entry;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        let (query, input) = text.split_once('\0').unwrap_or((text, "{}"));
        entry::queries(query, input);
    }
});
