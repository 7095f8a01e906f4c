//! The configuration in force, and the one task that changes it: by reading the keyring again, and by allowing and
//! disallowing people at run time.
//!
//! A change is on disk before it takes effect, and then takes effect everywhere at once: all parts follow [`Settings`].

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::{error, info, warn};

use super::systemd::{self, Reloads};
use crate::claude::launch::ClaudeProgram;
use crate::control::wire::{AllowSource, ControlError, Person};
use crate::error::Failure;
use crate::ids::OpenId;
use crate::keyring::{self, Keyring, ResolvedKeyring};
use crate::logs::events;
use crate::paths::Environment;
use crate::people::{AllowRecord, AllowedPeople, is_open_id};

/// The configuration in force, now and later.
pub(crate) type Settings = watch::Receiver<Arc<ResolvedKeyring>>;

/// Maximum time that a caller waits for the disk.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum number of changes that wait.
const CHANGE_CAPACITY: usize = 64;

/// Where the keyring is read from.
#[derive(Clone, Debug)]
pub(crate) struct KeyringOrigin {
    /// The path of `keyring.yaml`.
    pub(crate) path: PathBuf,
    /// The environment that paths in the keyring are resolved with.
    pub(crate) environment: Environment,
    /// Places of phonework's own in which no project may lie.
    pub(crate) private: Vec<PathBuf>,
}

/// A handle of the task that owns the configuration. The task ends with the last handle.
#[derive(Clone, Debug)]
pub(crate) struct ConfigHandle {
    changes: mpsc::Sender<AllowlistChange>,
    settings: Settings,
    reloads: watch::Sender<Reloads>,
}

#[derive(Debug)]
enum AllowlistChange {
    Reload,
    Allow(OpenId, AllowRecord, oneshot::Sender<Result<(), ControlError>>),
    Disallow(OpenId, oneshot::Sender<Result<(), ControlError>>),
    List(oneshot::Sender<Vec<Person>>),
}

impl KeyringOrigin {
    /// Reads the keyring and resolves its paths.
    ///
    /// # Errors
    /// One sentence that says what is wrong.
    pub(crate) fn read(&self) -> Result<ResolvedKeyring, Failure> {
        let keyring = keyring::load(&self.path, &self.environment)?;
        let mut checked = keyring::resolve(&keyring, &self.path, &self.environment)?;
        let private = self.places(&checked.keyring);
        checked.workspace = checked.workspace.with_private(private);
        Ok(checked)
    }

    /// Places of secrets: phonework's own, Claude Code's folder, and the keys of the daemon's user.
    fn places(&self, keyring: &Keyring) -> Vec<PathBuf> {
        let mut places = self.private.clone();
        places.extend(self.path.parent().map(Path::to_owned));
        places.push(self.path.clone());
        let named = |name: &str| {
            let own = keyring.claude_env.get(name).map(PathBuf::from);
            own.or_else(|| self.environment.get(name).map(PathBuf::from)).filter(|path| path.is_absolute())
        };
        places.extend(named("CLAUDE_CONFIG_DIR"));
        let homes = [named("HOME"), self.environment.home().map(Path::to_owned)];
        for home in homes.into_iter().flatten() {
            places.extend([".claude", ".claude.json", ".ssh", ".gnupg"].map(|name| home.join(name)));
        }
        places
    }

    /// Logs what an operator should know about a keyring.
    pub(crate) fn log_warnings(&self, checked: &ResolvedKeyring) {
        let missing = missing_claude(&checked.keyring, &self.path, &self.environment);
        for note in checked.notes.iter().cloned().chain(missing) {
            warn!("{note}");
        }
    }

    /// Whether it is a systemd credential, which does not change while the daemon runs.
    fn is_credential(&self) -> bool {
        self.environment.get("CREDENTIALS_DIRECTORY").is_some_and(|folder| self.path.starts_with(folder))
    }
}

/// A sentence for an operator, if `CLAUDE_COMMAND` cannot be run.
#[must_use]
pub(crate) fn missing_claude(keyring: &Keyring, path: &Path, environment: &Environment) -> Option<String> {
    let command = environment.expand(Path::new(&keyring.claude_command));
    let found = ClaudeProgram::find(&command.to_string_lossy(), environment.get("PATH"));
    found.is_err().then(|| keyring::missing_claude(keyring, path))
}

impl ConfigHandle {
    /// Starts the task with the keyring that was read from `origin`, and with the people in the file `allowed`.
    ///
    /// # Errors
    /// When `allowed` cannot be read: exit code 78, and the file is left as it is.
    pub(crate) fn start(
        origin: KeyringOrigin,
        checked: ResolvedKeyring,
        allowed: PathBuf,
    ) -> Result<Self, Failure> {
        let people = AllowedPeople::load(&allowed).map_err(Failure::config)?;
        let (changes, changes_rx) = mpsc::channel(CHANGE_CAPACITY);
        let (newest, settings) = watch::channel(Arc::new(with_people(checked, &people)));
        let (reloads, _) = watch::channel(Reloads::default());
        let owner = ConfigOwner { origin, allowed, people, newest, reloads: reloads.clone() };
        tokio::spawn(owner.run(changes_rx));
        Ok(Self { changes, settings, reloads })
    }

    /// The configuration in force, now and later.
    #[must_use]
    pub(crate) fn settings(&self) -> Settings {
        self.settings.clone()
    }

    /// The outcome of reloads, now and later.
    #[must_use]
    pub(crate) fn reloads(&self) -> watch::Receiver<Reloads> {
        self.reloads.subscribe()
    }

    /// Has the keyring read again. The outcome goes to the journal and to systemd.
    pub(crate) fn reload(&self) {
        systemd::reloading();
        if self.changes.try_send(AllowlistChange::Reload).is_err() {
            let why = "the keyring is not read again: too many changes wait";
            warn!("{why}");
            record_reload(&self.reloads, Some(why.to_owned()));
        }
    }

    /// Allows a person to talk to the bot. For a person who is allowed already, nothing changes.
    ///
    /// # Errors
    /// Those of the interface's `Allow`.
    pub(super) async fn allow(&self, open_id: OpenId, by: String) -> Result<(), ControlError> {
        if !is_open_id(&open_id) {
            return Err(ControlError::NoOpenId { open_id });
        }
        let record = AllowRecord { at: Timestamp::now(), by };
        self.ask(|answer| AllowlistChange::Allow(open_id, record, answer)).await?
    }

    /// Disallows a person who was allowed at run time.
    ///
    /// # Errors
    /// Those of the interface's `Disallow`.
    pub(super) async fn disallow(&self, open_id: OpenId) -> Result<(), ControlError> {
        self.ask(|answer| AllowlistChange::Disallow(open_id, answer)).await?
    }

    /// The people who may talk to the bot, in the order of their ids.
    ///
    /// # Errors
    /// When the daemon is shutting down.
    pub(super) async fn people(&self) -> Result<Vec<Person>, ControlError> {
        self.ask(AllowlistChange::List).await
    }

    async fn ask<T>(
        &self,
        change: impl FnOnce(oneshot::Sender<T>) -> AllowlistChange,
    ) -> Result<T, ControlError> {
        let (answer, answered) = oneshot::channel();
        let failed = |reason: &str| ControlError::Failed { reason: reason.to_owned() };
        let asked = async {
            self.changes.send(change(answer)).await.ok()?;
            answered.await.ok()
        };
        match timeout(ANSWER_TIMEOUT, asked).await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(failed("phonework is shutting down; ask again when it is back")),
            Err(_) => Err(failed(
                "the disk of the keyring or of the state directory does not answer; the change is made when it does",
            )),
        }
    }
}

struct ConfigOwner {
    origin: KeyringOrigin,
    allowed: PathBuf,
    people: AllowedPeople,
    newest: watch::Sender<Arc<ResolvedKeyring>>,
    reloads: watch::Sender<Reloads>,
}

impl ConfigOwner {
    async fn run(mut self, mut changes: mpsc::Receiver<AllowlistChange>) {
        while let Some(change) = changes.recv().await {
            // Sending fails if the caller no longer waits; that does not matter.
            match change {
                AllowlistChange::Reload => record_reload(&self.reloads, self.reload().await),
                AllowlistChange::Allow(open_id, record, answer) => {
                    let mut people = self.people.clone();
                    people.add(open_id, record);
                    let _ = answer.send(self.save(people).await);
                }
                AllowlistChange::Disallow(open_id, answer) => {
                    let _ = answer.send(self.disallow(open_id).await);
                }
                AllowlistChange::List(answer) => {
                    let _ = answer.send(self.list());
                }
            }
        }
    }

    /// Reads the keyring again. Returns why the new one was refused, if it was; then the old one stays in force.
    async fn reload(&self) -> Option<String> {
        if self.origin.is_credential() {
            let why = "the keyring is a systemd credential, which is read at start only: restart phonework for a new one";
            warn!(name: events::RELOAD_REFUSED, "{why}");
            return Some(why.to_owned());
        }
        let origin = self.origin.clone();
        let read =
            spawn_blocking(move || origin.read().inspect(|checked| origin.log_warnings(checked))).await;
        match read.unwrap_or_else(|error| Err(Failure::failed(error.to_string()))) {
            Ok(checked) => {
                if !checked.keyring.connects_as(&self.newest.borrow().keyring) {
                    warn!(
                        "FEISHU_APP_ID, FEISHU_APP_SECRET or FEISHU_DOMAIN changed: restart phonework for the change to take effect"
                    );
                }
                self.newest.send_replace(Arc::new(with_people(checked, &self.people)));
                info!("the keyring was read again");
                None
            }
            Err(failure) => {
                error!(name: events::RELOAD_REFUSED, "the keyring is refused, the old one stays: {failure}");
                Some(failure.to_string())
            }
        }
    }

    async fn disallow(&mut self, open_id: OpenId) -> Result<(), ControlError> {
        let mut people = self.people.clone();
        let was_allowed = people.remove(&open_id);
        if was_allowed {
            self.save(people).await?;
        }
        if self.newest.borrow().access.is_configured(&open_id) {
            let keyring = self.origin.path.display().to_string();
            return Err(ControlError::InKeyring { open_id, keyring });
        }
        was_allowed.then_some(()).ok_or(ControlError::NotAllowed { open_id })
    }

    /// Saves the list of people allowed at run time, then puts it in force.
    async fn save(&mut self, people: AllowedPeople) -> Result<(), ControlError> {
        if people == self.people {
            return Ok(());
        }
        let (path, written) = (self.allowed.clone(), people.clone());
        let saved =
            spawn_blocking(move || written.save(&path)).await.map_err(std::io::Error::other).flatten();
        saved.map_err(|error| ControlError::Failed {
            reason: format!("{} cannot be written: {error}; check the disk", self.allowed.display()),
        })?;
        self.people = people;
        self.newest.send_modify(|newest| {
            *newest = Arc::new(with_people(ResolvedKeyring::clone(newest), &self.people))
        });
        Ok(())
    }

    fn list(&self) -> Vec<Person> {
        let newest = self.newest.borrow();
        let in_keyring = |open_id: &OpenId| newest.access.is_configured(open_id);
        let of_keyring = newest.keyring.allowed.iter().map(|open_id| Person {
            open_id: open_id.clone(),
            source: AllowSource::Keyring,
            at: None,
            by: None,
        });
        let at_run_time = self.people.iter().filter(|(open_id, _)| !in_keyring(open_id));
        let at_run_time = at_run_time.map(|(open_id, record)| Person {
            open_id: open_id.clone(),
            source: AllowSource::Operator,
            at: Some(record.at),
            by: Some(record.by.clone()),
        });
        let mut people: Vec<_> = of_keyring.chain(at_run_time).collect();
        people.sort_by(|one, other| one.open_id.cmp(&other.open_id));
        people
    }
}

fn with_people(checked: ResolvedKeyring, people: &AllowedPeople) -> ResolvedKeyring {
    ResolvedKeyring { access: checked.access.with(people), ..checked }
}

/// Records the outcome of a reload, for systemd's status.
fn record_reload(reloads: &watch::Sender<Reloads>, refused: Option<String>) {
    reloads.send_modify(|reloads| {
        reloads.done += 1;
        reloads.refused = refused.map(|why| (Timestamp::now(), why));
    });
}
