#![no_main]
//! A definition and its input, separated by a zero byte.

#[path = "../entry.rs"]
#[allow(dead_code)]
mod entry;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        let (definition, input) = text.split_once('\0').unwrap_or((text, "{}"));
        entry::definition(definition, input);
    }
});
