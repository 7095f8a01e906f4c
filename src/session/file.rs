//! Reads `sessions.json` at start, and replaces it atomically whenever the registry changes.
//!
//! A file that cannot be read is never overwritten; the daemon does not start then. Only the newest state is written:
//! states that come while one is being written are merged into the next write.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tracing::{error, info};

use super::registry::{Registry, Session};
use crate::crash::{self, Point};
use crate::ids::{ChatId, ConvId, OpenId};
use crate::paths::replace;
use crate::render::document::LongAnswers;

/// The version of the file's layout.
const VERSION: u32 = 1;
/// Pause before a failed write is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Serialize, Deserialize)]
struct SessionsFile<S> {
    version: u32,
    sessions: Vec<S>,
    #[serde(default)]
    active: BTreeMap<ChatId, BTreeMap<OpenId, ConvId>>,
    /// In which form long answers are sent to a person, if they chose it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    long: BTreeMap<OpenId, LongAnswers>,
}

#[derive(Deserialize)]
struct SessionsFileVersion {
    version: u32,
}

/// Reads the registry; it is empty if there is no such file.
///
/// # Errors
/// One sentence that names the file and says what to do.
pub fn load(path: &Path) -> Result<Registry, String> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Registry::default()),
        Err(error) => return Err(format!("{} cannot be read: {error}", path.display())),
    };
    let unreadable = |why: String| {
        format!(
            "{} cannot be understood ({why}): repair it or move it away; it is not changed",
            path.display()
        )
    };
    let SessionsFileVersion { version } =
        serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
    if version != VERSION {
        return Err(format!(
            "{} has version {version}, but this phonework knows only {VERSION}: install the phonework that wrote it",
            path.display()
        ));
    }
    let layout: SessionsFile<Session> =
        serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
    let registry = Registry::from_parts(layout.sessions, layout.active).map_err(unreadable)?;
    Ok(registry.with_long(layout.long))
}

/// Replaces the file with the registry, completely or not at all. It is on disk when this returns.
///
/// # Errors
/// Those of the file system.
pub fn save(path: &Path, registry: &Registry) -> io::Result<()> {
    let (sessions, active) = registry.parts();
    let (active, long) = (active.clone(), registry.all_long().clone());
    let layout = SessionsFile { version: VERSION, sessions, active, long };
    crash::write(Point::SessionsWrite)?;
    replace(path, &layout, || crash::write(Point::SessionsReplaceWrite))?;
    crash::at(Point::SessionsReplaced);
    Ok(())
}

/// Sends registry states to the task that writes them.
#[derive(Debug)]
pub(crate) struct Saver {
    newest: watch::Sender<(u64, Registry)>,
    written: watch::Receiver<u64>,
}

/// A way to wait until a state, or a newer one, is on disk.
#[derive(Clone, Debug)]
pub(crate) struct Saved {
    state: u64,
    written: watch::Receiver<u64>,
}

impl Saver {
    /// Starts the task that writes `path`. After the saver is dropped, the task writes the newest state and ends.
    #[must_use]
    pub(crate) fn start(path: PathBuf, registry: Registry) -> (Self, tokio::task::JoinHandle<()>) {
        let (newest, newest_rx) = watch::channel((0, registry));
        let (written_tx, written) = watch::channel(0);
        (Self { newest, written }, tokio::spawn(write_newest(path, newest_rx, written_tx)))
    }

    /// Queues this state to be written.
    pub(crate) fn save(&self, registry: &Registry) -> Saved {
        let mut state = 0;
        self.newest.send_modify(|newest| {
            newest.0 += 1;
            newest.1 = registry.clone();
            state = newest.0;
        });
        Saved { state, written: self.written.clone() }
    }
}

impl Saved {
    /// Waits until the state is on disk, or the daemon shuts down.
    pub(crate) async fn done(mut self) {
        let _ = self.written.wait_for(|written| *written >= self.state).await;
    }
}

async fn write_newest(
    path: PathBuf,
    mut newest: watch::Receiver<(u64, Registry)>,
    written: watch::Sender<u64>,
) {
    let mut failing = false;
    while newest.changed().await.is_ok() {
        loop {
            let (state, registry) = newest.borrow_and_update().clone();
            let target = path.clone();
            let result = tokio::task::spawn_blocking(move || save(&target, &registry)).await;
            match result.map_err(io::Error::other).flatten() {
                Ok(()) => {
                    written.send_replace(state);
                    if std::mem::take(&mut failing) {
                        info!(path = %path.display(), "sessions.json is written again");
                    }
                    break;
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        error!(path = %path.display(), %error, "failed to write sessions.json; trying again every second");
                    }
                    // A full disk must not keep the daemon from shutting down.
                    if newest.has_changed().is_err() {
                        return;
                    }
                    tokio::time::sleep(RETRY_INTERVAL).await;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn registry() -> Registry {
        let mut registry = Registry::default();
        registry.open(Session {
            conv_id: "c-1".into(),
            cc_session_id: "id".into(),
            begun: true,
            turn_timeout_s: Some(600),
            ..Session::new("ou_1".into(), "oc_1".into(), "/p".into(), Timestamp::UNIX_EPOCH)
        });
        registry
    }

    #[test]
    fn a_saved_registry_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sessions.json");
        assert_eq!(load(&path).unwrap(), Registry::default());
        let mut chosen = registry();
        chosen.set_long(&"ou_1".into(), LongAnswers::File);
        save(&path, &chosen).unwrap();
        assert_eq!(load(&path).unwrap(), chosen);
        save(&path, &registry()).unwrap();
        assert_eq!(load(&path).unwrap(), registry());
        insta::assert_snapshot!(std::fs::read_to_string(&path).unwrap(), @r#"
        {
          "version": 1,
          "sessions": [
            {
              "conv_id": "c-1",
              "owner": "ou_1",
              "chat_id": "oc_1",
              "cwd": "/p",
              "cc_session_id": "id",
              "begun": true,
              "turn_timeout_s": 600,
              "created_at": "1970-01-01T00:00:00Z"
            }
          ],
          "active": {
            "oc_1": {
              "ou_1": "c-1"
            }
          }
        }
        "#);
    }

    #[test]
    fn a_file_that_cannot_be_understood_is_refused_and_not_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sessions.json");
        for text in
            ["", "{", "[]", r#"{"version":2,"sessions":[]}"#, r#"{"version":1,"sessions":[{"conv_id":"x"}]}"#]
        {
            std::fs::write(&path, text).unwrap();
            assert!(load(&path).unwrap_err().contains("sessions.json"), "{text}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }
}
