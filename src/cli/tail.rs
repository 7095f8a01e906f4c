//! `phonework tail`: what is said and done in the sessions. With `-f` a restart of the daemon is waited for, and what
//! happened meanwhile is told, nothing twice.

mod shown;

use std::thread::sleep;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use self::shown::Shown;
use super::TailArgs;
use super::client::{SOON, connect, failure, method, note, socket};
use super::output::{Reader, colour, json_line, reader, tell};
use super::show::{self, Colour};
use crate::control::client::{Client, ClientError};
use crate::control::wire::{Entry, Refusal, Tail, TailCall};
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
enum End {
    /// All was told.
    Complete,
    /// Nobody reads any more.
    Unread,
    /// The daemon went away.
    Lost(ClientError),
}

fn tail(args: &TailArgs, environment: &Environment) -> Result<(), Failure> {
    let screen = Screen { json: args.json, zone: TimeZone::system(), colour: colour(environment) };
    let mut client = connect(&args.socket, environment)?;
    let mut shown = Shown::since(Timestamp::now());
    let mut call = TailCall {
        conv_id: args.conv_id.clone(),
        turns: Some(args.turns),
        since: None,
        follow: Some(args.follow),
    };
    let mut told = false;
    loop {
        let lost = match stream(&mut client, &call, &screen, &mut shown, &mut told)? {
            End::Unread => return Ok(()),
            End::Complete if !args.follow => return Ok(()),
            End::Complete => None,
            End::Lost(error) if !args.follow => return Err(failure(error)),
            End::Lost(error) => Some(error),
        };
        if !std::mem::replace(&mut told, true) {
            note(&match lost {
                Some(ClientError::Refused(refusal)) => format!("{refusal}; trying again"),
                Some(_) | None => "the daemon went away; waiting for it".to_owned(),
            });
        }
        client = loop {
            if reader() == Reader::Gone {
                return Ok(());
            }
            sleep(AGAIN);
            if let Ok(client) = Client::connect(&socket(&args.socket, environment)?, SOON) {
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
    client: &mut Client,
    call: &TailCall,
    screen: &Screen,
    shown: &mut Shown,
    told: &mut bool,
) -> Result<End, Failure> {
    let follow = call.follow == Some(true);
    let tail = method("Tail");
    let replies = client
        .be_patient(if follow { SILENCE } else { SOON })
        .and_then(|()| client.more::<Tail>(&tail, call));
    let replies = match replies {
        Ok(replies) => replies,
        Err(error) => return Ok(End::Lost(error)),
    };
    for reply in replies {
        let entries = match reply {
            Ok(reply) => reply.entries,
            Err(error) if follow && may_pass(&error) => return Ok(End::Lost(error)),
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
        if reader == Reader::Gone {
            return Ok(End::Unread);
        }
    }
    Ok(End::Complete)
}

/// Whether another try may go well: the daemon leaves, or has just come.
fn may_pass(error: &ClientError) -> bool {
    match error {
        ClientError::NoDaemon { .. } | ClientError::Broken(_) => true,
        ClientError::Refused(refusal) => matches!(refusal, Refusal::Failed { .. }),
        ClientError::Forbidden { .. } | ClientError::Unknown { .. } => false,
    }
}

/// How entries are written.
struct Screen {
    json: bool,
    zone: TimeZone,
    colour: Colour,
}

impl Screen {
    fn lines(&self, entry: &Entry) -> Result<Vec<String>, Failure> {
        if self.json {
            return Ok(vec![json_line(entry)?]);
        }
        Ok(show::said(entry, &self.zone, self.colour))
    }
}
