//! `phonework check`: reads the configuration, checks the paths and programs that it names, and says what is wrong.

use super::{CheckArgs, print_lines};
use crate::daemon::config::missing_claude;
use crate::error::Failure;
use crate::keyring;
use crate::paths::{self, Environment, PathOptions};

/// Checks the keyring. Notes, and the sentence that it is good, go to stdout.
///
/// # Errors
/// Every fault of the keyring as a sentence.
pub(super) fn run(args: CheckArgs, environment: &Environment) -> Result<(), Vec<Failure>> {
    let options = PathOptions { keyring: args.keyring.keyring, ..PathOptions::default() };
    let path =
        paths::keyring(&options, environment, |path| path.exists()).map_err(|failure| vec![failure])?;
    let keyring = keyring::read(&path, environment)?;

    let mut failures = Vec::new();
    let mut notes = Vec::new();
    match keyring::resolve(&keyring, &path, environment) {
        Ok(checked) => notes = checked.notes,
        Err(failure) => failures.push(failure),
    }
    failures.extend(missing_claude(&keyring, &path, environment).map(Failure::config));
    let good = failures.is_empty().then(|| format!("{} is good", path.display()));
    let notes = notes.into_iter().map(|note| format!("note: {note}"));
    print_lines(good.into_iter().chain(notes)).map_err(|failure| vec![failure])?;
    if failures.is_empty() { Ok(()) } else { Err(failures) }
}
