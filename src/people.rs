//! Who may talk to the bot: the people whom the keyring names ([`AccessList`]), and those who were let in at run time,
//! with when and by whom (`allowed.json` in the state directory).
//!
//! A file that cannot be understood is never overwritten: the daemon does not start with it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::OpenId;
use crate::paths::replace;

/// The version of the file's layout.
const VERSION: u32 = 1;
/// Ids of Feishu have some thirty characters.
const LONGEST_ID: usize = 100;

/// The people who were let in, by their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedPeople(BTreeMap<OpenId, AllowRecord>);

/// How somebody was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowRecord {
    /// When.
    pub at: Timestamp,
    /// By whom: a user of this machine.
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
pub struct AccessList {
    /// From `ALLOWED_OPEN_IDS`.
    configured: BTreeSet<OpenId>,
    /// From `allowed.json`.
    let_in: BTreeSet<OpenId>,
}

impl AccessList {
    /// The people whom the keyring allows, and nobody else yet.
    pub fn of_keyring(configured: impl IntoIterator<Item = OpenId>) -> Self {
        Self { configured: configured.into_iter().collect(), let_in: BTreeSet::new() }
    }

    /// The same list with these people let in, in the place of those who were.
    #[must_use]
    pub fn with(self, people: &AllowedPeople) -> Self {
        Self { let_in: people.0.keys().cloned().collect(), ..self }
    }

    /// Whether this person may talk to the bot.
    #[must_use]
    pub fn allows(&self, user: &OpenId) -> bool {
        self.configured.contains(user) || self.let_in.contains(user)
    }

    /// Whether nobody may talk to the bot.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.configured.is_empty() && self.let_in.is_empty()
    }

    /// Whether the keyring itself allows this person, so that they cannot be shut out at run time.
    #[must_use]
    pub fn is_configured(&self, user: &OpenId) -> bool {
        self.configured.contains(user)
    }
}

impl AllowedPeople {
    /// Reads the file; one that is not there has nobody in it.
    ///
    /// # Errors
    /// One sentence that names the file and the way out.
    pub fn load(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(format!("{shown} cannot be read: {error}; let this user read it")),
        };
        let unclear = |why: String| {
            format!("{shown} cannot be understood ({why}); mend it or move it away, it is left as it is")
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

    /// Writes the file; on disk when this returns.
    ///
    /// # Errors
    /// Those of the file system; the file is then as it was.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let entry = |(open_id, let_in): (&OpenId, &AllowRecord)| {
            let AllowRecord { at, by } = let_in.clone();
            StoredPerson { open_id: open_id.clone(), at, by }
        };
        let layout = AllowedFile { version: VERSION, allowed: self.0.iter().map(entry).collect() };
        replace(path, &layout, || Ok(()))
    }

    /// Lets somebody in; false when he was in already, which stays as it was.
    pub fn add(&mut self, open_id: OpenId, let_in: AllowRecord) -> bool {
        if self.0.contains_key(&open_id) {
            return false;
        }
        self.0.insert(open_id, let_in);
        true
    }

    /// Shuts somebody out; false when he was not in.
    pub fn remove(&mut self, open_id: &OpenId) -> bool {
        self.0.remove(open_id).is_some()
    }

    /// Everybody, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (&OpenId, &AllowRecord)> {
        self.0.iter()
    }
}

/// Whether this may be somebody's open_id.
#[must_use]
pub fn is_open_id(id: &OpenId) -> bool {
    let id = id.as_str();
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    id.len() <= LONGEST_ID
        && id.strip_prefix("ou_").is_some_and(|rest| !rest.is_empty() && rest.chars().all(fits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn let_in(by: &str) -> AllowRecord {
        AllowRecord { at: Timestamp::UNIX_EPOCH, by: by.to_owned() }
    }

    #[test]
    fn people_of_the_keyring_and_people_who_were_let_in_are_allowed() {
        let mut people = AllowedPeople::default();
        people.add("ou_b".into(), let_in("uid 0"));
        let access = AccessList::of_keyring(["ou_a".into()]).with(&people);
        let allowed = |access: &AccessList| ["ou_a", "ou_b", "ou_c"].map(|user| access.allows(&user.into()));
        assert_eq!(allowed(&access), [true, true, false]);
        assert!(access.is_configured(&"ou_a".into()) && !access.is_configured(&"ou_b".into()));
        assert_eq!(allowed(&access.with(&AllowedPeople::default())), [true, false, false]);
    }

    #[test]
    fn what_is_saved_is_read_again() {
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
    fn what_cannot_be_understood_is_refused_and_left_as_it_is() {
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
