//! `phonework check`: reads the configuration, looks at what it names, and says what is wrong.

use super::{CheckArgs, say};
use crate::daemon::config::missing_claude;
use crate::error::Failure;
use crate::keyring;
use crate::paths::{self, Environment, PathOptions};

/// Checks the keyring. What is good or only worth a note goes to stdout.
///
/// # Errors
/// Everything that is wrong with it, a sentence each.
pub fn run(args: CheckArgs, environment: &Environment) -> Result<(), Vec<Failure>> {
    let chosen = PathOptions { keyring: args.keyring.keyring, ..PathOptions::default() };
    let path = paths::keyring(&chosen, environment, |path| path.exists()).map_err(|failure| vec![failure])?;
    let keyring = keyring::read(&path, environment)?;

    let mut failures = Vec::new();
    let mut notes = Vec::new();
    match keyring::checked(&keyring, &path, environment) {
        Ok(checked) => notes = checked.notes,
        Err(failure) => failures.push(failure),
    }
    failures.extend(missing_claude(&keyring, &path, environment).map(Failure::config));
    let good = failures.is_empty().then(|| format!("{} is good", path.display()));
    let notes = notes.into_iter().map(|note| format!("note: {note}"));
    say(good.into_iter().chain(notes)).map_err(|failure| vec![failure])?;
    if failures.is_empty() { Ok(()) } else { Err(failures) }
}
