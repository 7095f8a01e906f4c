//! Sessions on their way: the disk is asked for a directory, which may take long, and the router waits for nobody. What
//! their person writes meanwhile is held back, as it belongs into the new session.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::asked::{ActionReply, ActionRequest, RequestSource};
use super::command::NewSession;
use super::router::{DeferredTask, Router};
use super::user_queues::{LONGEST_QUEUE, QueueFull};
use crate::ids::{MessageId, OpenId};
use crate::mail::Mail;
use crate::paths::{ProjectError, Workspace};
use crate::session::registry::Session;
use crate::words::Words;

/// A disk that does not say within this time whether a directory is there is taken for broken.
const LOOKUP: Duration = Duration::from_secs(5);

/// A `/new` and what the disk said to it.
#[derive(Debug)]
pub(super) struct DirectoryLookup {
    asked: ActionRequest,
    new: NewSession,
    /// Where the directory is, or the sentence that says why it cannot be used.
    found: Result<PathBuf, String>,
}

/// Who opens a session just now, and what he wrote since.
#[derive(Debug, Default)]
pub(super) struct PendingOpenings {
    people: BTreeMap<OpenId, HeldMessages>,
}

#[derive(Debug, Default)]
struct HeldMessages {
    mails: Vec<Mail>,
    /// Whether there was no room for one.
    full: bool,
}

impl PendingOpenings {
    fn begin(&mut self, user: &OpenId) {
        self.people.entry(user.clone()).or_default();
    }

    /// Holds a message back, if its sender opens a session; says whether it did.
    ///
    /// # Errors
    /// [`QueueFull`] when too many of his are held back.
    pub(super) fn hold(&mut self, mail: &Mail) -> Result<bool, QueueFull> {
        match self.people.get_mut(&mail.user) {
            None => Ok(false),
            Some(held) if held.mails.len() >= LONGEST_QUEUE => {
                Err(if std::mem::replace(&mut held.full, true) { QueueFull::Still } else { QueueFull::Now })
            }
            Some(held) => {
                held.mails.push(mail.clone());
                Ok(true)
            }
        }
    }

    fn end(&mut self, user: &OpenId) -> Vec<Mail> {
        self.people.remove(user).unwrap_or_default().mails
    }

    /// Gives up the message with this id.
    pub(super) fn take_back(&mut self, message_id: &MessageId) -> Option<Mail> {
        self.people.values_mut().find_map(|held| {
            let place = held.mails.iter().position(|mail| &mail.message_id == message_id)?;
            Some(held.mails.remove(place))
        })
    }
}

impl Router {
    /// Asks the disk for the directory of a new session.
    pub(super) fn new_session(&mut self, asked: ActionRequest, new: NewSession) {
        self.opening.begin(&asked.user);
        let (workspace, words, later) = (self.settings.workspace.clone(), self.words(), self.later.clone());
        tokio::spawn(async move {
            let found = find(workspace, &new, words).await;
            // The router is gone only when the daemon leaves; the message waits for the next start then.
            let _ = later.send(DeferredTask::Found(Box::new(DirectoryLookup { asked, new, found }))).await;
        });
    }

    /// Opens the session, if it has a directory, and takes up what was held back.
    pub(super) fn found(&mut self, lookup: DirectoryLookup) {
        let DirectoryLookup { asked, new, found } = lookup;
        let held = self.opening.end(&asked.user);
        match found {
            // What Claude may write in such a folder is another person's project.
            Ok(cwd) if self.registry.has_another_below(&asked.user, &cwd) => {
                let sentence = self.words().above_another(&new.directory);
                self.declined(asked, sentence);
            }
            Ok(cwd) => self.open(asked, new, cwd),
            Err(sentence) => self.declined(asked, sentence),
        }
        for mail in held {
            if !self.is_shut_out(&mail) {
                self.fresh(mail);
            }
        }
    }

    fn open(&mut self, asked: ActionRequest, new: NewSession, cwd: PathBuf) {
        let session = Session {
            turn_timeout_s: new.timeout.map(|time| time.as_secs()),
            idle_timeout_s: new.idle.map(|time| time.as_secs()),
            permission_mode: new.mode.map(|mode| mode.as_str().to_owned()),
            model: new.model,
            opened_by: Some(opened_by(&asked, &new.directory)),
            ..Session::new(asked.user.clone(), asked.chat_id.clone(), cwd, Timestamp::now())
        };
        let conv_id = self.registry.open(session);
        let opened = self.registry.of(&asked.user).list().find(|listed| listed.session.conv_id == conv_id);
        let opened = opened.map(|listed| (listed.number, listed.session.clone()));
        let Some((number, session)) = opened else {
            // Followed before, and closed since.
            let session = self.registry.running(&conv_id);
            let text = self.words().closed(&session.map(Session::project).unwrap_or_default(), 0);
            return self.declined(asked, text);
        };
        let elsewhere = self.active(&asked).is_none_or(|active| active.conv_id != conv_id);
        if elsewhere && let RequestSource::Pressed(_) = asked.by {
            // Opened by this very button before.
            return self.switch(asked, &session);
        }
        let cwd = session.cwd.display().to_string();
        let sentence = self.words().opened(number, &session.project(), &cwd);
        let shown = self.shown_active(&sentence, &session, asked.group);
        let saved = self.saver.save(&self.registry);
        self.done(asked, Some(saved), Vec::new(), ActionReply { sentence, shown });
        self.warm(&conv_id);
    }
}

/// What opens a session once: the command, or this button of the card.
fn opened_by(asked: &ActionRequest, directory: &str) -> MessageId {
    match asked.by {
        RequestSource::Typed(_) => asked.message_id.clone(),
        RequestSource::Pressed(_) => format!("{}#{directory}", asked.message_id).into(),
    }
}

async fn find(workspace: Workspace, new: &NewSession, words: Words) -> Result<PathBuf, String> {
    let root = workspace.root().display().to_string();
    let (asked, create) = (new.directory.clone(), new.create);
    let find = move || if create { workspace.create(&asked) } else { workspace.project(&asked) };
    let found = tokio::time::timeout(LOOKUP, tokio::task::spawn_blocking(find)).await;
    let asked = &new.directory;
    let Ok(Ok(found)) = found else {
        return Err(words.unusable_directory(asked, "the disk does not answer"));
    };
    found.map_err(|error| match error {
        ProjectError::Outside => words.outside(&root),
        ProjectError::Missing { would_be } => words.missing_directory(&would_be.display().to_string(), asked),
        other @ (ProjectError::NotADirectory
        | ProjectError::Reserved
        | ProjectError::Private(_)
        | ProjectError::BadName
        | ProjectError::Unreadable(_)) => words.unusable_directory(asked, &other.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::tests::mail_of as mail;

    #[test]
    fn only_who_opens_a_session_waits_for_it_and_not_without_bound() {
        let (mut opening, anna) = (PendingOpenings::default(), OpenId::from("ou_anna"));
        assert_eq!(opening.hold(&mail(0, "ou_anna")), Ok(false));
        opening.begin(&anna);
        assert_eq!(opening.hold(&mail(1, "ou_ming")), Ok(false));
        for seq in 0..i64::try_from(LONGEST_QUEUE).unwrap() {
            assert_eq!(opening.hold(&mail(seq, "ou_anna")), Ok(true));
        }
        assert_eq!(opening.hold(&mail(999, "ou_anna")), Err(QueueFull::Now));
        assert_eq!(opening.hold(&mail(999, "ou_anna")), Err(QueueFull::Still));
        assert_eq!(opening.take_back(&"om_1".into()), Some(mail(1, "ou_anna")));
        let held: Vec<i64> = opening.end(&anna).iter().map(|mail| mail.seq).collect();
        assert_eq!((held.len(), &held[..2]), (LONGEST_QUEUE - 1, [0, 2].as_slice()));
        assert_eq!(opening.hold(&mail(3, "ou_anna")), Ok(false));
    }
}
