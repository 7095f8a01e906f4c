//! `phonework health`: the state of every part.

use std::time::Duration;

use jiff::Timestamp;

use super::client::{connect, failure, method};
use super::output::{colour, print, print_json, say};
use super::{HealthArgs, show};
use crate::control::wire::{HealthCall, HealthReport};
use crate::error::{ExitStatus, Failure};
use crate::paths::Environment;

/// How long `claude -p ping` may take, and a little more.
const PROBE: Duration = Duration::from_secs(180);

pub(super) fn run(args: &HealthArgs, environment: &Environment) -> Result<(), Vec<Failure>> {
    let health = match ask(args, environment) {
        Ok(health) => health,
        Err(failure) => {
            // Nothing that collects metrics looks at exit codes.
            if args.prometheus && failure.exit == ExitStatus::Usage {
                print(&show::absent()).map_err(|failure| vec![failure])?;
            }
            return Err(vec![failure]);
        }
    };
    let printed = if args.json {
        print_json(&health)
    } else if args.prometheus {
        print(&show::prometheus(&health))
    } else {
        say(show::health(&health, Timestamp::now(), colour(environment)))
    };
    printed.map_err(|failure| vec![failure])?;
    // What is wrong was printed.
    if health.healthy { Ok(()) } else { Err(Vec::new()) }
}

fn ask(args: &HealthArgs, environment: &Environment) -> Result<HealthReport, Failure> {
    let mut client = connect(&args.socket, environment)?;
    if args.probe {
        client.be_patient(PROBE).map_err(failure)?;
    }
    client.call(&method("Health"), &HealthCall { probe: Some(args.probe) }).map_err(failure)
}
