//! Colours of the terminal. They are written always and taken out again by `anstream` where standard output is no
//! terminal or NO_COLOR asks for none; CLICOLOR_FORCE keeps them (<https://no-color.org>, <https://bixense.com/clicolors>).

/// `text` so that it stands out.
pub fn bold(text: &str) -> String {
    format!("\x1b[1m{text}\x1b[0m")
}

/// `text` as something that went well.
pub fn good(text: &str) -> String {
    format!("\x1b[1;32m{text}\x1b[0m")
}

/// `text` as something that went wrong.
pub fn bad(text: &str) -> String {
    format!("\x1b[1;31m{text}\x1b[0m")
}

/// `text` that may be skipped.
pub fn dim(text: &str) -> String {
    format!("\x1b[2m{text}\x1b[0m")
}
