//! `phonework health`: prints the state of every part.

use std::time::Duration;

use jiff::Timestamp;

use super::client::{connect, failure, method};
use super::output::{colour, print, print_json, print_lines};
use super::{HealthArgs, show};
use crate::control::wire::{HealthCall, HealthReport};
use crate::error::{ExitStatus, Failure};
use crate::paths::Environment;

/// Maximum time for a reply with a probe: that of `claude -p ping` and a little more.
const PROBE_TIMEOUT: Duration = Duration::from_secs(180);

pub(super) fn run(args: &HealthArgs, environment: &Environment) -> Result<(), Vec<Failure>> {
    let health = match ask(args, environment) {
        Ok(health) => health,
        Err(failure) => {
            // Metrics collectors do not look at exit codes.
            if args.prometheus && failure.exit == ExitStatus::Usage {
                print(&show::absent()).map_err(|failure| vec![failure])?;
            }
            return Err(vec![failure]);
        }
    };
    let printed = if args.output.json {
        print_json(&health)
    } else if args.prometheus {
        print(&show::prometheus(&health))
    } else {
        print_lines(show::health(&health, Timestamp::now(), colour(environment)))
    };
    printed.map_err(|failure| vec![failure])?;
    // The problems were printed already.
    if health.healthy { Ok(()) } else { Err(Vec::new()) }
}

fn ask(args: &HealthArgs, environment: &Environment) -> Result<HealthReport, Failure> {
    let mut client = connect(&args.socket, environment)?;
    if args.probe {
        client.set_timeout(PROBE_TIMEOUT).map_err(failure)?;
    }
    client.call(&method("Health"), &HealthCall { probe: Some(args.probe) }).map_err(failure)
}
