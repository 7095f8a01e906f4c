//! Writes to stdout. A closed pipe is not an error: its reader has seen enough.

use std::io::{self, IsTerminal as _, Write as _};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;

use super::show::{self, Colour};
use crate::error::Failure;
use crate::paths::Environment;

/// Whether there is still a reader of stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PipeState {
    /// Stdout can be written to.
    Open,
    /// Stdout is a pipe that was closed.
    Closed,
}

/// Whether stdout is a closed pipe, without writing to it.
pub(super) fn pipe_state() -> PipeState {
    let stdout = io::stdout();
    let mut polled = [PollFd::new(&stdout, PollFlags::empty())];
    let no_wait = Timespec { tv_sec: 0, tv_nsec: 0 };
    match poll(&mut polled, Some(&no_wait)) {
        Ok(1..) if polled[0].revents().contains(PollFlags::ERR) => PipeState::Closed,
        Ok(_) | Err(_) => PipeState::Open,
    }
}

/// Writes lines.
///
/// # Errors
/// When stdout cannot be written to, unless it is a closed pipe.
pub(crate) fn print_lines(lines: impl IntoIterator<Item = String>) -> Result<(), Failure> {
    print_lines_to_reader(lines).map(|_| ())
}

/// Writes lines, and returns whether there is still a reader.
pub(super) fn print_lines_to_reader(lines: impl IntoIterator<Item = String>) -> Result<PipeState, Failure> {
    let mut text = lines.into_iter().collect::<Vec<_>>().join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    write_text(&text)
}

/// Writes a text unchanged; a closed pipe is no error.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    write_text(text).map(|_| ())
}

/// Writes one JSON document, on one line.
pub(super) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    json_line(value).and_then(|line| print_lines([line]))
}

/// A JSON document on one line.
pub(super) fn json_line(value: &impl Serialize) -> Result<String, Failure> {
    show::json(value)
        .map_err(|error| Failure::failed(format!("the output cannot be written as JSON: {error}")))
}

fn write_text(text: &str) -> Result<PipeState, Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(PipeState::Open),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(PipeState::Closed),
        Err(error) => Err(unwritable(&error)),
    }
}

pub(super) fn unwritable(error: &io::Error) -> Failure {
    Failure::failed(format!("the output cannot be written: {error}; see where it goes"))
}

/// Whether to use colours: on a terminal that has them, unless `NO_COLOR` is set.
pub(super) fn colour(environment: &Environment) -> Colour {
    let dumb = environment.get("TERM").is_none_or(|term| term == "dumb");
    if io::stdout().is_terminal() && environment.get("NO_COLOR").is_none() && !dumb {
        Colour::On
    } else {
        Colour::Off
    }
}

/// The width of the terminal that stdout is; `None` if it is not one. Then nothing is cut.
pub(super) fn columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}
