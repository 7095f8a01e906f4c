//! `phonework tail`: shows what is said and done in the sessions. With `-f` it waits for a daemon that restarts, and then
//! shows what happened in the meantime, nothing twice.

mod printed;

use std::thread::sleep;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use self::printed::PrintedSoFar;
use super::TailArgs;
use super::client::{REPLY_TIMEOUT, connect, failure, method, note, socket};
use super::output::{PipeState, colour, json_line, pipe_state, print_lines_to_reader};
use super::show::{self, Colour};
use crate::control::client::{ControlClient, ControlClientError};
use crate::control::wire::{ControlError, Tail, TailCall, TailEntry};
use crate::error::Failure;
use crate::paths::Environment;

/// Maximum time without a reply from the daemon, with `-f`.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(90);
/// Wait between two attempts to reach a daemon that went away.
const RECONNECT_INTERVAL: Duration = Duration::from_millis(300);
/// Maximum number of turns that are shown of those that ended while there was no connection.
const MAX_MISSED_TURNS: u32 = 1000;

pub(super) fn run(args: &TailArgs, environment: &Environment) -> Result<(), Vec<Failure>> {
    tail(args, environment).map_err(|failure| vec![failure])
}

/// How a stream of entries ended.
enum StreamEnd {
    /// Everything was shown.
    Complete,
    /// Stdout is a closed pipe.
    Unread,
    /// The daemon went away.
    Lost(ControlClientError),
}

fn tail(args: &TailArgs, environment: &Environment) -> Result<(), Failure> {
    let format = EntryFormat { json: args.json, zone: TimeZone::system(), colour: colour(environment) };
    let mut client = connect(&args.socket, environment)?;
    let mut shown = PrintedSoFar::since(Timestamp::now());
    let mut call = TailCall {
        conv_id: args.conv_id.clone(),
        turns: Some(args.turns),
        since: None,
        follow: Some(args.follow),
    };
    let mut away_noted = false;
    loop {
        let lost = match stream(&mut client, &call, &format, &mut shown, &mut away_noted)? {
            StreamEnd::Unread => return Ok(()),
            StreamEnd::Complete if !args.follow => return Ok(()),
            StreamEnd::Complete => None,
            StreamEnd::Lost(error) if !args.follow => return Err(failure(error)),
            StreamEnd::Lost(error) => Some(error),
        };
        if !std::mem::replace(&mut away_noted, true) {
            note(&match lost {
                Some(ControlClientError::Refused(refusal)) => format!("{refusal}; trying again"),
                Some(_) | None => "the daemon went away; waiting for it".to_owned(),
            });
        }
        client = loop {
            if pipe_state() == PipeState::Closed {
                return Ok(());
            }
            sleep(RECONNECT_INTERVAL);
            if let Ok(client) = ControlClient::connect(&socket(&args.socket, environment)?, REPLY_TIMEOUT) {
                break client;
            }
        };
        shown.reconnected();
        (call.since, call.turns) = (Some(shown.newest_end()), Some(MAX_MISSED_TURNS));
    }
}

/// Prints entries until the stream ends. `away_noted` is whether a note has said that the daemon is away; a reply resets
/// it.
fn stream(
    client: &mut ControlClient,
    call: &TailCall,
    format: &EntryFormat,
    shown: &mut PrintedSoFar,
    away_noted: &mut bool,
) -> Result<StreamEnd, Failure> {
    let follow = call.follow == Some(true);
    let tail = method("Tail");
    let replies = client
        .set_timeout(if follow { SILENCE_TIMEOUT } else { REPLY_TIMEOUT })
        .and_then(|()| client.more::<Tail>(&tail, call));
    let replies = match replies {
        Ok(replies) => replies,
        Err(error) => return Ok(StreamEnd::Lost(error)),
    };
    for reply in replies {
        let entries = match reply {
            Ok(reply) => reply.entries,
            Err(error) if follow && may_pass(&error) => return Ok(StreamEnd::Lost(error)),
            Err(error) => return Err(failure(error)),
        };
        *away_noted = false;
        let pipe = if entries.is_empty() {
            pipe_state()
        } else {
            let new = entries.iter().filter(|entry| shown.is_new(entry));
            let lines = new.map(|entry| format.lines(entry)).collect::<Result<Vec<_>, _>>()?;
            print_lines_to_reader(lines.into_iter().flatten())?
        };
        if pipe == PipeState::Closed {
            return Ok(StreamEnd::Unread);
        }
    }
    Ok(StreamEnd::Complete)
}

/// Whether another attempt may succeed: the daemon is stopping, or has just started.
fn may_pass(error: &ControlClientError) -> bool {
    match error {
        ControlClientError::NoDaemon { .. } | ControlClientError::Broken(_) => true,
        ControlClientError::Refused(refusal) => matches!(refusal, ControlError::Failed { .. }),
        ControlClientError::Forbidden { .. } | ControlClientError::Unknown { .. } => false,
    }
}

/// How entries are printed.
struct EntryFormat {
    json: bool,
    zone: TimeZone,
    colour: Colour,
}

impl EntryFormat {
    fn lines(&self, entry: &TailEntry) -> Result<Vec<String>, Failure> {
        if self.json {
            return Ok(vec![json_line(entry)?]);
        }
        Ok(show::tail_entry(entry, &self.zone, self.colour))
    }
}
