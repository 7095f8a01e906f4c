//! `phonework close`: ends sessions as their owners' `/close` does; the owners are told.

use serde::Serialize;

use super::client::{self, connect, failure, method};
use super::output::{print_json, print_lines};
use super::{CloseArgs, show};
use crate::control::client::ControlClientError;
use crate::control::wire::CloseCall;
use crate::error::Failure;
use crate::ids::ConvId;
use crate::paths::Environment;

/// The JSON document of `close --json`.
#[derive(Default, Serialize)]
struct CloseReport {
    closed: Vec<ConvId>,
    failed: Vec<NotClosed>,
}

#[derive(Serialize)]
struct NotClosed {
    conv_id: ConvId,
    why: String,
}

pub(super) fn run(args: &CloseArgs, environment: &Environment) -> Result<(), Vec<Failure>> {
    let mut client = connect(&args.socket, environment).map_err(|failure| vec![failure])?;
    let conv_ids = if args.all {
        let sessions = client::sessions(&mut client, false).map_err(|error| vec![failure(error)])?;
        sessions.into_iter().map(|session| session.conv_id).collect()
    } else {
        args.conv_ids.clone()
    };
    let mut report = CloseReport::default();
    let mut failures = Vec::new();
    let none_open = conv_ids.is_empty();
    for conv_id in conv_ids {
        let call = CloseCall { conv_id: conv_id.clone() };
        match client.call::<serde::de::IgnoredAny>(&method("Close"), &call) {
            Ok(_) => {
                if !args.output.json {
                    print_lines([format!("{} is closed", show::plain(conv_id.as_str()))])
                        .map_err(|failure| vec![failure])?;
                }
                report.closed.push(conv_id);
            }
            // The owner closed the session in the meantime.
            Err(ControlClientError::Refused(crate::control::wire::ControlError::NoSuchSession {
                ..
            })) if args.all => {}
            Err(error) => {
                let stop =
                    matches!(error, ControlClientError::Broken(_) | ControlClientError::Unknown { .. });
                let failure = failure(error);
                report.failed.push(NotClosed { conv_id, why: failure.sentence.clone() });
                failures.push(failure);
                if stop {
                    break;
                }
            }
        }
    }
    if args.output.json {
        print_json(&report).map_err(|failure| vec![failure])?;
    } else if none_open {
        print_lines(["There are no open sessions.".to_owned()]).map_err(|failure| vec![failure])?;
    }
    if failures.is_empty() { Ok(()) } else { Err(failures) }
}
