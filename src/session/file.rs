//! `sessions.json`: read once at start, replaced atomically whenever a session is opened, closed, switched or named
//! anew.
//!
//! A file that cannot be read is never overwritten: the start ends there. The newest state wins: while one is being
//! written, those that come are joined into the next.

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

#[derive(Serialize, Deserialize)]
struct SessionsFile<S> {
    version: u32,
    sessions: Vec<S>,
    #[serde(default)]
    active: BTreeMap<ChatId, BTreeMap<OpenId, ConvId>>,
    /// What becomes of a person's long answers, where he chose it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    long: BTreeMap<OpenId, LongAnswers>,
}

#[derive(Deserialize)]
struct SessionsFileVersion {
    version: u32,
}

/// Reads the registry; a file that is not there is an empty one.
///
/// # Errors
/// One sentence that names the file and the way out.
pub fn load(path: &Path) -> Result<Registry, String> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Registry::default()),
        Err(error) => return Err(format!("{} cannot be read: {error}", path.display())),
    };
    let unreadable = |why: String| {
        format!(
            "{} cannot be understood ({why}); mend it or move it away, it is left as it is",
            path.display()
        )
    };
    let SessionsFileVersion { version } =
        serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
    if version != VERSION {
        return Err(format!(
            "{} has version {version}, this phonework knows {VERSION}; install the phonework that wrote it",
            path.display()
        ));
    }
    let layout: SessionsFile<Session> =
        serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
    let registry = Registry::from_parts(layout.sessions, layout.active).map_err(unreadable)?;
    Ok(registry.with_long(layout.long))
}

/// Writes the registry in place of the file: whole or not at all, and on disk when this returns.
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

/// Hands states to the task that writes them.
#[derive(Debug)]
pub struct Saver {
    newest: watch::Sender<(u64, Registry)>,
    written: watch::Receiver<u64>,
}

/// Resolves when a state, or a newer one, is on disk.
#[derive(Clone, Debug)]
pub struct Saved {
    state: u64,
    written: watch::Receiver<u64>,
}

impl Saver {
    /// Starts the task that writes `path`. It ends, with the newest state on disk, after the saver is dropped.
    #[must_use]
    pub fn start(path: PathBuf, registry: Registry) -> (Self, tokio::task::JoinHandle<()>) {
        let (newest, newest_rx) = watch::channel((0, registry));
        let (written_tx, written) = watch::channel(0);
        (Self { newest, written }, tokio::spawn(write_newest(path, newest_rx, written_tx)))
    }

    /// Has this state written.
    pub fn save(&self, registry: &Registry) -> Saved {
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
    /// Waits until the state is on disk, or the daemon leaves.
    pub async fn done(mut self) {
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
                        info!(path = %path.display(), "the sessions can be saved again");
                    }
                    break;
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        error!(path = %path.display(), %error, "the sessions cannot be saved; it is tried again every second");
                    }
                    // A disk that is full when the daemon leaves must not keep it.
                    if newest.has_changed().is_err() {
                        return;
                    }
                    tokio::time::sleep(Duration::from_secs(1)).await;
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
    fn what_is_saved_is_read_again() {
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
    fn what_cannot_be_understood_is_refused_and_left_as_it_is() {
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
