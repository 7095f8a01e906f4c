//! Writing to stdout. A reader that has closed the pipe has seen enough: that is no error.

use std::io::{self, IsTerminal as _, Write as _};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;

use super::show::{self, Colour};
use crate::error::Failure;
use crate::paths::Environment;

/// Whether to go on writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PipeState {
    /// Somebody reads.
    There,
    /// The pipe is closed.
    Gone,
}

/// Whether somebody still reads what is written.
pub(super) fn reader() -> PipeState {
    let stdout = io::stdout();
    let mut asked = [PollFd::new(&stdout, PollFlags::empty())];
    let nothing_to_wait_for = Timespec { tv_sec: 0, tv_nsec: 0 };
    match poll(&mut asked, Some(&nothing_to_wait_for)) {
        Ok(1..) if asked[0].revents().contains(PollFlags::ERR) => PipeState::Gone,
        Ok(_) | Err(_) => PipeState::There,
    }
}

/// Writes lines.
///
/// # Errors
/// When stdout cannot be written to, a closed pipe apart.
pub fn say(lines: impl IntoIterator<Item = String>) -> Result<(), Failure> {
    tell(lines).map(|_| ())
}

/// Writes lines, and says whether somebody reads them.
pub(super) fn tell(lines: impl IntoIterator<Item = String>) -> Result<PipeState, Failure> {
    let mut text = lines.into_iter().collect::<Vec<_>>().join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    written(&text)
}

/// Writes text as it is.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    written(text).map(|_| ())
}

/// Writes one JSON document, on one line.
pub(super) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    json_line(value).and_then(|line| say([line]))
}

/// A JSON document on one line.
pub(super) fn json_line(value: &impl Serialize) -> Result<String, Failure> {
    show::json(value).map_err(|error| Failure::failed(format!("the output cannot be put into JSON: {error}")))
}

fn written(text: &str) -> Result<PipeState, Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(PipeState::There),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(PipeState::Gone),
        Err(error) => Err(unwritable(&error)),
    }
}

pub(super) fn unwritable(error: &io::Error) -> Failure {
    Failure::failed(format!("the output cannot be written: {error}; see where it goes"))
}

/// Colour on a terminal that has it, unless `NO_COLOR` is set.
pub(super) fn colour(environment: &Environment) -> Colour {
    let dumb = environment.get("TERM").is_none_or(|term| term == "dumb");
    if io::stdout().is_terminal() && environment.get("NO_COLOR").is_none() && !dumb {
        Colour::On
    } else {
        Colour::Off
    }
}

/// The width of the terminal that is written to; none when it is none, so that nothing is cut.
pub(super) fn columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}
