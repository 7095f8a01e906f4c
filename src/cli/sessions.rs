//! `phonework sessions`: lists everybody's sessions, as a table or as JSON.

use jiff::Timestamp;

use super::client::{self, connect, failure};
use super::output::{colour, columns, print_json, print_lines};
use super::{SessionsArgs, show};
use crate::control::wire;
use crate::error::Failure;
use crate::paths::Environment;

pub(super) fn run(args: &SessionsArgs, environment: &Environment) -> Result<(), Vec<Failure>> {
    list(args, environment).map_err(|failure| vec![failure])
}

fn list(args: &SessionsArgs, environment: &Environment) -> Result<(), Failure> {
    let mut client = connect(&args.socket, environment)?;
    let sessions = client::sessions(&mut client, args.all).map_err(failure)?;
    if args.output.json {
        return print_json(&wire::Sessions { sessions });
    }
    if sessions.is_empty() {
        return print_lines(["There are no sessions; people begin one with /new in the chat.".to_owned()]);
    }
    print_lines(show::sessions(&sessions, Timestamp::now(), columns(), colour(environment)))
}
