//! The configuration in force, and the one task that changes it: by reading the keyring again, and by letting people
//! in and shutting them out at run time.
//!
//! What is changed is on disk before it counts. A change counts for all at once: whoever follows [`Settings`] sees it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::{error, info, warn};

use super::notify::{self, Reloads};
use crate::claude::launch::ClaudeProgram;
use crate::control::wire::{AllowSource, ControlError, Person};
use crate::error::Failure;
use crate::ids::OpenId;
use crate::keyring::{self, Keyring, ResolvedKeyring};
use crate::logs::events;
use crate::paths::Environment;
use crate::people::{AllowRecord, AllowedPeople, is_open_id};

/// The configuration in force.
pub type Settings = watch::Receiver<Arc<ResolvedKeyring>>;

/// Who asks waits no longer for a disk.
const ANSWER: Duration = Duration::from_secs(10);
/// So many changes wait.
const CHANGES: usize = 64;

/// Where the keyring comes from.
#[derive(Clone, Debug)]
pub struct KeyringOrigin {
    /// The file.
    pub path: PathBuf,
    /// What its values are looked at with.
    pub environment: Environment,
    /// Places of phonework's own in which no project may lie.
    pub private: Vec<PathBuf>,
}

/// A handle of the task that owns the configuration. The task ends with the last handle.
#[derive(Clone, Debug)]
pub struct ConfigHandle {
    changes: mpsc::Sender<AllowlistChange>,
    settings: Settings,
    reloads: watch::Sender<Reloads>,
    origin: KeyringOrigin,
}

#[derive(Debug)]
enum AllowlistChange {
    Reload,
    LetIn(OpenId, AllowRecord, oneshot::Sender<Result<(), ControlError>>),
    ShutOut(OpenId, oneshot::Sender<Result<(), ControlError>>),
    List(oneshot::Sender<Vec<Person>>),
}

impl KeyringOrigin {
    /// Reads the keyring.
    ///
    /// # Errors
    /// One sentence with what is wrong.
    pub fn read(&self) -> Result<ResolvedKeyring, Failure> {
        let keyring = keyring::load(&self.path, &self.environment)?;
        let mut checked = keyring::checked(&keyring, &self.path, &self.environment)?;
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

    /// Logs what an operator should know of what was read.
    pub fn warn_of(&self, checked: &ResolvedKeyring) {
        let missing = missing_claude(&checked.keyring, &self.path, &self.environment);
        for note in checked.notes.iter().cloned().chain(missing) {
            warn!("{note}");
        }
    }

    /// Whether it is a credential of systemd, which never changes while the daemon runs.
    fn is_credential(&self) -> bool {
        self.environment.get("CREDENTIALS_DIRECTORY").is_some_and(|folder| self.path.starts_with(folder))
    }
}

/// What to say when the configured Claude Code cannot be run.
#[must_use]
pub fn missing_claude(keyring: &Keyring, path: &Path, environment: &Environment) -> Option<String> {
    let command = environment.expand(Path::new(&keyring.claude_command));
    let found = ClaudeProgram::find(&command.to_string_lossy(), environment.get("PATH"));
    found.is_err().then(|| keyring::missing_claude(keyring, path))
}

impl ConfigHandle {
    /// Starts the task with what was read from `origin`, and with the people of `allowed` (a file).
    ///
    /// # Errors
    /// `allowed` cannot be understood: exit code 78, and it is left as it is.
    pub fn start(origin: KeyringOrigin, checked: ResolvedKeyring, allowed: PathBuf) -> Result<Self, Failure> {
        let people = AllowedPeople::load(&allowed).map_err(Failure::config)?;
        let (changes, changes_rx) = mpsc::channel(CHANGES);
        let (newest, settings) = watch::channel(Arc::new(with(checked, &people)));
        let (reloads, _) = watch::channel(Reloads::default());
        let owner = ConfigOwner { origin: origin.clone(), allowed, people, newest, reloads: reloads.clone() };
        tokio::spawn(owner.run(changes_rx));
        Ok(Self { changes, settings, reloads, origin })
    }

    /// What is in force, now and later.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.settings.clone()
    }

    /// Where the keyring comes from.
    #[must_use]
    pub fn origin(&self) -> &KeyringOrigin {
        &self.origin
    }

    /// How reloads went, now and later.
    #[must_use]
    pub fn reloads(&self) -> watch::Receiver<Reloads> {
        self.reloads.subscribe()
    }

    /// Has the keyring read again; what comes of it is in the journal, and told to systemd.
    pub fn reload(&self) {
        notify::reloading();
        if self.changes.try_send(AllowlistChange::Reload).is_err() {
            let why = "the keyring is not read again: too many changes wait";
            warn!("{why}");
            tell(&self.reloads, Some(why.to_owned()));
        }
    }

    /// Lets somebody in; who is in already stays so.
    ///
    /// # Errors
    /// Those of the interface's `Allow`.
    pub async fn let_in(&self, open_id: OpenId, by: String) -> Result<(), ControlError> {
        if !is_open_id(&open_id) {
            return Err(ControlError::NoOpenId { open_id });
        }
        let let_in = AllowRecord { at: Timestamp::now(), by };
        self.ask(|answer| AllowlistChange::LetIn(open_id, let_in, answer)).await?
    }

    /// Shuts out somebody who was let in.
    ///
    /// # Errors
    /// Those of the interface's `Disallow`.
    pub async fn shut_out(&self, open_id: OpenId) -> Result<(), ControlError> {
        self.ask(|answer| AllowlistChange::ShutOut(open_id, answer)).await?
    }

    /// Who may talk to the bot, in the order of their ids.
    ///
    /// # Errors
    /// When the daemon leaves.
    pub async fn people(&self) -> Result<Vec<Person>, ControlError> {
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
        match timeout(ANSWER, asked).await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(failed("phonework is leaving; ask again when it is back")),
            Err(_) => Err(failed(
                "the disk of the keyring or of the state directory does not answer; what was asked is done when it does",
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
            // Whoever does not wait for the answer does not want it.
            match change {
                AllowlistChange::Reload => tell(&self.reloads, self.reload().await),
                AllowlistChange::LetIn(open_id, let_in, answer) => {
                    let mut people = self.people.clone();
                    people.add(open_id, let_in);
                    let _ = answer.send(self.take(people).await);
                }
                AllowlistChange::ShutOut(open_id, answer) => {
                    let _ = answer.send(self.shut_out(open_id).await);
                }
                AllowlistChange::List(answer) => {
                    let _ = answer.send(self.list());
                }
            }
        }
    }

    /// Reads the keyring again; a bad one is refused, and the old one stays: why, if it was.
    async fn reload(&self) -> Option<String> {
        if self.origin.is_credential() {
            let why = "the keyring is a systemd credential, which is read at start only: restart phonework for a new one";
            warn!(name: events::RELOAD_REFUSED, "{why}");
            return Some(why.to_owned());
        }
        let origin = self.origin.clone();
        let read = spawn_blocking(move || origin.read().inspect(|checked| origin.warn_of(checked))).await;
        match read.unwrap_or_else(|error| Err(Failure::failed(error.to_string()))) {
            Ok(checked) => {
                if !checked.keyring.connects_as(&self.newest.borrow().keyring) {
                    warn!("FEISHU_APP_ID, FEISHU_APP_SECRET or FEISHU_DOMAIN changed: that takes a restart");
                }
                self.newest.send_replace(Arc::new(with(checked, &self.people)));
                info!("the keyring was read again");
                None
            }
            Err(failure) => {
                error!(name: events::RELOAD_REFUSED, "the keyring is refused, the old one stays: {failure}");
                Some(failure.to_string())
            }
        }
    }

    async fn shut_out(&mut self, open_id: OpenId) -> Result<(), ControlError> {
        let mut people = self.people.clone();
        let was_in = people.remove(&open_id);
        if was_in {
            self.take(people).await?;
        }
        if self.newest.borrow().access.is_configured(&open_id) {
            let keyring = self.origin.path.display().to_string();
            return Err(ControlError::InKeyring { open_id, keyring });
        }
        was_in.then_some(()).ok_or(ControlError::NotAllowed { open_id })
    }

    /// Has these people let in, and nobody else but those of the keyring.
    async fn take(&mut self, people: AllowedPeople) -> Result<(), ControlError> {
        if people == self.people {
            return Ok(());
        }
        let (path, written) = (self.allowed.clone(), people.clone());
        let saved =
            spawn_blocking(move || written.save(&path)).await.map_err(std::io::Error::other).flatten();
        saved.map_err(|error| ControlError::Failed {
            reason: format!("{} cannot be written: {error}; see to the disk", self.allowed.display()),
        })?;
        self.people = people;
        self.newest
            .send_modify(|newest| *newest = Arc::new(with(ResolvedKeyring::clone(newest), &self.people)));
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
        let let_in = self.people.iter().filter(|(open_id, _)| !in_keyring(open_id));
        let let_in = let_in.map(|(open_id, let_in)| Person {
            open_id: open_id.clone(),
            source: AllowSource::Operator,
            at: Some(let_in.at),
            by: Some(let_in.by.clone()),
        });
        let mut people: Vec<_> = of_keyring.chain(let_in).collect();
        people.sort_by(|one, other| one.open_id.cmp(&other.open_id));
        people
    }
}

fn with(checked: ResolvedKeyring, people: &AllowedPeople) -> ResolvedKeyring {
    ResolvedKeyring { access: checked.access.with(people), ..checked }
}

/// Tells how a reload went.
fn tell(reloads: &watch::Sender<Reloads>, refused: Option<String>) {
    reloads.send_modify(|reloads| {
        reloads.done += 1;
        reloads.refused = refused.map(|why| (Timestamp::now(), why));
    });
}
