//! Standard output, with colours where it is a terminal, whose reader may go away, as in `hybrid history | head`: that is the end of the printing, no panic.

use std::{fmt::Arguments, io::Write as _};

/// Exit code of a process whose output nobody reads any more, as shells expect: 128 + SIGPIPE.
const BROKEN_PIPE: i32 = 141;

/// Prints in place of the standard library's macro of that name.
macro_rules! print {
    ($($arguments:tt)*) => { $crate::output::write(format_args!($($arguments)*)) };
}

/// As [`print`], with a line's end.
macro_rules! println {
    ($($arguments:tt)*) => { print!("{}\n", format_args!($($arguments)*)) };
}

/// Writes to standard output; ends the process where that is impossible.
pub fn write(text: Arguments<'_>) {
    let mut stdout = anstream::stdout().lock();
    match stdout.write_fmt(text).and_then(|()| stdout.flush()) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            std::process::exit(BROKEN_PIPE)
        }
        Err(error) => {
            eprintln!("error: standard output: {error}");
            std::process::exit(i32::from(crate::error::FAILED))
        }
    }
}
