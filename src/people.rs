//! Who may talk to the bot: the people in the keyring and those who were allowed at run time ([`AccessList`]); and the
//! record of the latter, with when and by whom (`allowed.json` in the state directory).
//!
//! A file that cannot be read ends the start and is never overwritten.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::OpenId;
use crate::paths::replace;

/// Version of the file's format.
const VERSION: u32 = 1;
/// Maximum length of an open_id, in bytes. Feishu's have about thirty.
const MAX_ID_LENGTH: usize = 100;

/// The people who were allowed, by their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AllowedPeople(BTreeMap<OpenId, AllowRecord>);

/// When and by whom a person was allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AllowRecord {
    /// When they were allowed.
    pub at: Timestamp,
    /// The user of this machine who allowed them: `uid 0`.
    pub by: String,
}

#[derive(Serialize, Deserialize)]
struct AllowedFile {
    version: u32,
    allowed: Vec<StoredPerson>,
}

#[derive(Serialize, Deserialize)]
struct StoredPerson {
    open_id: OpenId,
    at: Timestamp,
    by: String,
}

#[derive(Deserialize)]
struct AllowedFileVersion {
    version: u32,
}

/// Everybody who may talk to the bot. This is the one place that answers the question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AccessList {
    /// The people in `ALLOWED_OPEN_IDS`.
    configured: BTreeSet<OpenId>,
    /// The people in `allowed.json`.
    at_run_time: BTreeSet<OpenId>,
}

impl AccessList {
    /// A list of the people in the keyring.
    pub(crate) fn of_keyring(configured: impl IntoIterator<Item = OpenId>) -> Self {
        Self { configured: configured.into_iter().collect(), at_run_time: BTreeSet::new() }
    }

    /// The same list with these people, in place of those who were allowed at run time before.
    #[must_use]
    pub(crate) fn with(self, people: &AllowedPeople) -> Self {
        Self { at_run_time: people.0.keys().cloned().collect(), ..self }
    }

    /// Whether this person may talk to the bot.
    #[must_use]
    pub(crate) fn allows(&self, user: &OpenId) -> bool {
        self.configured.contains(user) || self.at_run_time.contains(user)
    }

    /// Whether nobody may talk to the bot.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.configured.is_empty() && self.at_run_time.is_empty()
    }

    /// Whether the keyring allows this person. Then they cannot be disallowed at run time.
    #[must_use]
    pub(crate) fn is_configured(&self, user: &OpenId) -> bool {
        self.configured.contains(user)
    }
}

impl AllowedPeople {
    /// Reads the file. If there is none, nobody was allowed.
    ///
    /// # Errors
    /// One sentence that names the file and says what to do.
    pub(crate) fn load(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(format!("{shown} cannot be read: {error}; let this user read it")),
        };
        let unclear = |why: String| {
            format!("{shown} cannot be understood ({why}); fix it or move it away; it is left as it is")
        };
        let AllowedFileVersion { version } =
            serde_json::from_str(&text).map_err(|error| unclear(error.to_string()))?;
        if version != VERSION {
            return Err(format!(
                "{shown} has version {version}, this phonework knows {VERSION}; install the phonework that wrote it"
            ));
        }
        let layout: AllowedFile = serde_json::from_str(&text).map_err(|error| unclear(error.to_string()))?;
        if let Some(entry) = layout.allowed.iter().find(|entry| !is_open_id(&entry.open_id)) {
            return Err(unclear(format!("{:?} is no open_id", entry.open_id.as_str())));
        }
        let people = layout.allowed.into_iter();
        Ok(Self(people.map(|entry| (entry.open_id, AllowRecord { at: entry.at, by: entry.by })).collect()))
    }

    /// Writes the file, which is on disk when this returns.
    ///
    /// # Errors
    /// Those of the file system. The file is then unchanged.
    pub(crate) fn save(&self, path: &Path) -> io::Result<()> {
        let entry = |(open_id, let_in): (&OpenId, &AllowRecord)| {
            let AllowRecord { at, by } = let_in.clone();
            StoredPerson { open_id: open_id.clone(), at, by }
        };
        let layout = AllowedFile { version: VERSION, allowed: self.0.iter().map(entry).collect() };
        replace(path, &layout, || Ok(()))
    }

    /// Allows a person. Returns false, and changes nothing, if they are allowed already.
    pub(crate) fn add(&mut self, open_id: OpenId, let_in: AllowRecord) -> bool {
        if self.0.contains_key(&open_id) {
            return false;
        }
        self.0.insert(open_id, let_in);
        true
    }

    /// Disallows a person. Returns false if they were not allowed.
    pub(crate) fn remove(&mut self, open_id: &OpenId) -> bool {
        self.0.remove(open_id).is_some()
    }

    /// All people, in the order of their ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&OpenId, &AllowRecord)> {
        self.0.iter()
    }
}

/// Whether the text has the form of an open_id.
#[must_use]
pub(crate) fn is_open_id(id: &OpenId) -> bool {
    let id = id.as_str();
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    id.len() <= MAX_ID_LENGTH
        && id.strip_prefix("ou_").is_some_and(|rest| !rest.is_empty() && rest.chars().all(fits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn let_in(by: &str) -> AllowRecord {
        AllowRecord { at: Timestamp::UNIX_EPOCH, by: by.to_owned() }
    }

    #[test]
    fn people_in_the_keyring_and_people_allowed_at_run_time_are_allowed() {
        let mut people = AllowedPeople::default();
        people.add("ou_b".into(), let_in("uid 0"));
        let access = AccessList::of_keyring(["ou_a".into()]).with(&people);
        let allowed = |access: &AccessList| ["ou_a", "ou_b", "ou_c"].map(|user| access.allows(&user.into()));
        assert_eq!(allowed(&access), [true, true, false]);
        assert!(access.is_configured(&"ou_a".into()) && !access.is_configured(&"ou_b".into()));
        assert_eq!(allowed(&access.with(&AllowedPeople::default())), [true, false, false]);
    }

    #[test]
    fn saved_people_are_loaded_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("allowed.json");
        let mut people = AllowedPeople::load(&path).unwrap();
        assert_eq!(people, AllowedPeople::default());
        assert!(people.add("ou_b".into(), let_in("uid 0")));
        assert!(people.add("ou_a".into(), let_in("uid 7")));
        assert!(!people.add("ou_a".into(), let_in("uid 8")));
        people.save(&path).unwrap();
        assert_eq!(AllowedPeople::load(&path).unwrap(), people);
        insta::assert_snapshot!(std::fs::read_to_string(&path).unwrap(), @r#"
        {
          "version": 1,
          "allowed": [
            {
              "open_id": "ou_a",
              "at": "1970-01-01T00:00:00Z",
              "by": "uid 7"
            },
            {
              "open_id": "ou_b",
              "at": "1970-01-01T00:00:00Z",
              "by": "uid 0"
            }
          ]
        }
        "#);
        assert!(people.remove(&"ou_a".into()) && !people.remove(&"ou_a".into()));
        assert_eq!(people.iter().collect::<Vec<_>>(), [(&"ou_b".into(), &let_in("uid 0"))]);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_refused_and_left_unchanged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("allowed.json");
        for text in [
            "",
            "[]",
            r#"{"version":2,"allowed":[]}"#,
            r#"{"version":1,"allowed":[{"open_id":"*","at":"1970-01-01T00:00:00Z","by":""}]}"#,
        ] {
            std::fs::write(&path, text).unwrap();
            assert!(AllowedPeople::load(&path).unwrap_err().contains("allowed.json"), "{text}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn an_open_id_begins_with_ou() {
        assert!(is_open_id(&"ou_7d8a6e6df7621556ce0d21922b676706".into()));
        for id in ["", "ou_", "oc_1", "ou_a b", "ou_\n", "*"] {
            assert!(!is_open_id(&id.into()), "{id}");
        }
    }
}
