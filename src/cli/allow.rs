//! `phonework allow`: lists, allows and disallows people.

use serde::Serialize;
use serde::de::IgnoredAny;

use super::client::{connect, failure, method};
use super::output::{colour, columns, print_json, print_lines};
use super::{AllowArgs, show};
use crate::control::wire::{PeopleList, PersonCall};
use crate::error::Failure;
use crate::ids::OpenId;
use crate::paths::Environment;

/// What `--json` prints for a change.
#[derive(Serialize)]
struct Changed<'a> {
    open_id: &'a OpenId,
    allowed: bool,
}

pub(super) fn run(args: &AllowArgs, environment: &Environment) -> Result<(), Vec<Failure>> {
    allow(args, environment).map_err(|failure| vec![failure])
}

fn allow(args: &AllowArgs, environment: &Environment) -> Result<(), Failure> {
    let mut client = connect(&args.socket, environment)?;
    let (name, open_id, allowed) = match (&args.open_id, &args.remove) {
        (Some(open_id), _) => ("Allow", open_id, true),
        (None, Some(open_id)) => ("Disallow", open_id, false),
        (None, None) => {
            let none = serde_json::Map::new();
            let people: PeopleList = client.call(&method("Allowed"), &none).map_err(failure)?;
            if args.output.json {
                return print_json(&people);
            }
            if people.people.is_empty() {
                return print_lines([
                    "Nobody may talk to the bot; it tells everyone who writes to it their open_id, for \
                             `phonework allow OPEN_ID`."
                        .to_owned(),
                ]);
            }
            return print_lines(show::people(
                &people.people,
                &jiff::tz::TimeZone::system(),
                columns(),
                colour(environment),
            ));
        }
    };
    let call = PersonCall { open_id: open_id.clone() };
    client.call::<IgnoredAny>(&method(name), &call).map_err(failure)?;
    if args.output.json {
        return print_json(&Changed { open_id, allowed });
    }
    let what = if allowed { "may talk to the bot now" } else { "may not talk to the bot any more" };
    print_lines([format!("{} {what}", show::plain(open_id.as_str()))])
}
