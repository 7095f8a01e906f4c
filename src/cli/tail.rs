//! `phonework tail`: what is said and done in the sessions. With `-f` a restart of the daemon is waited for, and what
//! happened meanwhile is told, nothing twice.

mod shown;

use std::thread::sleep;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use self::shown::PrintedSoFar;
use super::TailArgs;
use super::client::{SOON, connect, failure, method, note, socket};
use super::output::{PipeState, colour, json_line, reader, tell};
use super::show::{self, Colour};
use crate::control::client::{ControlClient, ControlClientError};
use crate::control::wire::{ControlError, Tail, TailCall, TailEntry};
use crate::error::Failure;
use crate::paths::Environment;

/// How long one who follows waits for a sign of life.
const SILENCE: Duration = Duration::from_secs(90);
/// How often a daemon that went away is looked for.
const AGAIN: Duration = Duration::from_millis(300);
/// So many turns that ended while nobody listened are told at most.
const MISSED_TURNS: u32 = 1000;

pub(super) fn run(args: &TailArgs, environment: &Environment) -> Result<(), Vec<Failure>> {
    tail(args, environment).map_err(|failure| vec![failure])
}

/// How a stream of entries ended.
enum StreamEnd {
    /// All was told.
    Complete,
    /// Nobody reads any more.
    Unread,
    /// The daemon went away.
    Lost(ControlClientError),
}

fn tail(args: &TailArgs, environment: &Environment) -> Result<(), Failure> {
    let screen = EntryFormat { json: args.json, zone: TimeZone::system(), colour: colour(environment) };
    let mut client = connect(&args.socket, environment)?;
    let mut shown = PrintedSoFar::since(Timestamp::now());
    let mut call = TailCall {
        conv_id: args.conv_id.clone(),
        turns: Some(args.turns),
        since: None,
        follow: Some(args.follow),
    };
    let mut told = false;
    loop {
        let lost = match stream(&mut client, &call, &screen, &mut shown, &mut told)? {
            StreamEnd::Unread => return Ok(()),
            StreamEnd::Complete if !args.follow => return Ok(()),
            StreamEnd::Complete => None,
            StreamEnd::Lost(error) if !args.follow => return Err(failure(error)),
            StreamEnd::Lost(error) => Some(error),
        };
        if !std::mem::replace(&mut told, true) {
            note(&match lost {
                Some(ControlClientError::Refused(refusal)) => format!("{refusal}; trying again"),
                Some(_) | None => "the daemon went away; waiting for it".to_owned(),
            });
        }
        client = loop {
            if reader() == PipeState::Gone {
                return Ok(());
            }
            sleep(AGAIN);
            if let Ok(client) = ControlClient::connect(&socket(&args.socket, environment)?, SOON) {
                break client;
            }
        };
        shown.begin_again();
        (call.since, call.turns) = (Some(shown.newest_end()), Some(MISSED_TURNS));
    }
}

/// Shows what comes until the stream ends. `told` is whether the reader knows that the daemon is away; a reply ends
/// that.
fn stream(
    client: &mut ControlClient,
    call: &TailCall,
    screen: &EntryFormat,
    shown: &mut PrintedSoFar,
    told: &mut bool,
) -> Result<StreamEnd, Failure> {
    let follow = call.follow == Some(true);
    let tail = method("Tail");
    let replies = client
        .be_patient(if follow { SILENCE } else { SOON })
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
        *told = false;
        let reader = if entries.is_empty() {
            reader()
        } else {
            let new = entries.iter().filter(|entry| shown.takes(entry));
            let lines = new.map(|entry| screen.lines(entry)).collect::<Result<Vec<_>, _>>()?;
            tell(lines.into_iter().flatten())?
        };
        if reader == PipeState::Gone {
            return Ok(StreamEnd::Unread);
        }
    }
    Ok(StreamEnd::Complete)
}

/// Whether another try may go well: the daemon leaves, or has just come.
fn may_pass(error: &ControlClientError) -> bool {
    match error {
        ControlClientError::NoDaemon { .. } | ControlClientError::Broken(_) => true,
        ControlClientError::Refused(refusal) => matches!(refusal, ControlError::Failed { .. }),
        ControlClientError::Forbidden { .. } | ControlClientError::Unknown { .. } => false,
    }
}

/// How entries are written.
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
        Ok(show::said(entry, &self.zone, self.colour))
    }
}
