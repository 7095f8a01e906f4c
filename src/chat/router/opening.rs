//! `/new`: opening a session. To look its directory up may take long, so a task of its own does that. What the person
//! writes meanwhile is held back, as it is meant for the new session.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::reply::{ActionReply, ActionRequest, RequestSource};
use super::{DeferredTask, Router};
use crate::chat::command::NewSession;
use crate::chat::user_queues::{MAX_WAITING, QueueFull};
use crate::ids::{MessageId, OpenId};
use crate::mail::Mail;
use crate::paths::{ProjectError, Workspace};
use crate::session::registry::Session;
use crate::words::Words;

/// How long the disk may take to say whether a directory is there.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// A `/new` whose directory has been looked up.
#[derive(Debug)]
pub(super) struct DirectoryLookup {
    request: ActionRequest,
    new: NewSession,
    /// The directory, or the sentence that says why it cannot be used.
    found: Result<PathBuf, String>,
}

/// The people whose `/new` is being carried out, and what they have written since.
#[derive(Debug, Default)]
pub(super) struct PendingOpenings {
    users: BTreeMap<OpenId, HeldMessages>,
}

#[derive(Debug, Default)]
struct HeldMessages {
    mails: Vec<Mail>,
    /// Whether there was no room for the last message.
    full: bool,
}

impl PendingOpenings {
    fn begin(&mut self, user: &OpenId) {
        self.users.entry(user.clone()).or_default();
    }

    /// Holds a message back if its sender is opening a session; returns whether it did.
    ///
    /// # Errors
    /// [`QueueFull`] when [`MAX_WAITING`] messages of this sender are held back.
    pub(super) fn hold(&mut self, mail: &Mail) -> Result<bool, QueueFull> {
        match self.users.get_mut(&mail.message.user) {
            None => Ok(false),
            Some(held) if held.mails.len() >= MAX_WAITING => {
                Err(if std::mem::replace(&mut held.full, true) { QueueFull::Still } else { QueueFull::Now })
            }
            Some(held) => {
                held.mails.push(mail.clone());
                Ok(true)
            }
        }
    }

    /// Ends the opening; returns the messages that were held back.
    fn end(&mut self, user: &OpenId) -> Vec<Mail> {
        self.users.remove(user).unwrap_or_default().mails
    }

    /// Removes the held message with this id.
    pub(super) fn remove(&mut self, message_id: &MessageId) -> Option<Mail> {
        self.users.values_mut().find_map(|held| {
            let place = held.mails.iter().position(|mail| &mail.message.message_id == message_id)?;
            Some(held.mails.remove(place))
        })
    }
}

impl Router {
    /// Begins to open a session: has its directory looked up.
    pub(super) fn open_session(&mut self, request: ActionRequest, new: NewSession) {
        self.waiting.openings.begin(&request.user);
        let (workspace, words) = (self.settings.workspace.clone(), self.words());
        let deferred = self.deferred.clone();
        tokio::spawn(async move {
            let found = find_directory(workspace, &new, words).await;
            let lookup = Box::new(DirectoryLookup { request, new, found });
            // The router is gone only when the daemon leaves; then the message waits for the next start.
            let _ = deferred.send(DeferredTask::OpenSession(lookup)).await;
        });
    }

    /// Opens the session, if its directory can be used, and routes what was held back.
    pub(super) fn finish_opening(&mut self, lookup: DirectoryLookup) {
        let DirectoryLookup { request, new, found } = lookup;
        let held = self.waiting.openings.end(&request.user);
        match found {
            // Claude could write there, and so in the other person's project.
            Ok(cwd) if self.registry.has_another_below(&request.user, &cwd) => {
                let sentence = self.words().above_another(&new.directory);
                self.decline(request, sentence);
            }
            Ok(cwd) => self.open_in(request, new, cwd),
            Err(sentence) => self.decline(request, sentence),
        }
        for mail in held {
            if !self.is_shut_out(&mail) {
                self.route(mail);
            }
        }
    }

    fn open_in(&mut self, request: ActionRequest, new: NewSession, cwd: PathBuf) {
        let session = Session {
            turn_timeout_s: new.timeout.map(|time| time.as_secs()),
            idle_timeout_s: new.idle.map(|time| time.as_secs()),
            permission_mode: new.mode.map(|mode| mode.as_str().to_owned()),
            model: new.model,
            opened_by: Some(opened_by(&request, &new.directory)),
            ..Session::new(request.user.clone(), request.chat_id.clone(), cwd, Timestamp::now())
        };
        let conv_id = self.registry.open(session);
        let opened = self.registry.of(&request.user).list().find(|listed| listed.session.conv_id == conv_id);
        let opened = opened.map(|listed| (listed.number, listed.session.clone()));
        let Some((number, session)) = opened else {
            // This command opened a session before, which has been closed since.
            let session = self.registry.running(&conv_id);
            let text = self.words().closed(&session.map(Session::project).unwrap_or_default(), 0);
            return self.decline(request, text);
        };
        let is_elsewhere = self.active_session(&request).is_none_or(|active| active.conv_id != conv_id);
        if is_elsewhere && let RequestSource::Pressed(_) = request.by {
            // This very button opened it before.
            return self.switch(request, &session);
        }
        let cwd = session.cwd.display().to_string();
        let sentence = self.words().opened(number, &session.project(), &cwd);
        let shown = self.active_document(&sentence, &session, request.group);
        let saved = self.save();
        self.confirm(request, Some(saved), Vec::new(), ActionReply { sentence, shown });
        self.warm(&conv_id);
    }
}

/// What opens a session once, however often it is taken over: the command, or this button of the card.
fn opened_by(request: &ActionRequest, directory: &str) -> MessageId {
    match request.by {
        RequestSource::Typed(_) => request.message_id.clone(),
        RequestSource::Pressed(_) => format!("{}#{directory}", request.message_id).into(),
    }
}

/// The directory that a new session is to have, or a sentence that says why it cannot be used.
async fn find_directory(workspace: Workspace, new: &NewSession, words: Words) -> Result<PathBuf, String> {
    let root = workspace.root().display().to_string();
    let (wanted, create) = (new.directory.clone(), new.create);
    let find = move || if create { workspace.create(&wanted) } else { workspace.project(&wanted) };
    let found = tokio::time::timeout(LOOKUP_TIMEOUT, tokio::task::spawn_blocking(find)).await;
    let wanted = &new.directory;
    let Ok(Ok(found)) = found else {
        return Err(words.unusable_directory(wanted, "the disk does not answer"));
    };
    found.map_err(|error| match error {
        ProjectError::Outside => words.outside(&root),
        ProjectError::Missing { would_be } => {
            words.missing_directory(&would_be.display().to_string(), wanted)
        }
        other @ (ProjectError::NotADirectory
        | ProjectError::Reserved
        | ProjectError::Private(_)
        | ProjectError::BadName
        | ProjectError::Unreadable(_)) => words.unusable_directory(wanted, &other.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::tests::mail_of as mail;

    #[test]
    fn only_messages_of_people_who_open_a_session_are_held_and_their_number_is_bounded() {
        let (mut openings, anna) = (PendingOpenings::default(), OpenId::from("ou_anna"));
        assert_eq!(openings.hold(&mail(0, "ou_anna")), Ok(false));
        openings.begin(&anna);
        assert_eq!(openings.hold(&mail(1, "ou_ming")), Ok(false));
        for seq in 0..i64::try_from(MAX_WAITING).unwrap() {
            assert_eq!(openings.hold(&mail(seq, "ou_anna")), Ok(true));
        }
        assert_eq!(openings.hold(&mail(999, "ou_anna")), Err(QueueFull::Now));
        assert_eq!(openings.hold(&mail(999, "ou_anna")), Err(QueueFull::Still));
        assert_eq!(openings.remove(&"om_1".into()), Some(mail(1, "ou_anna")));
        let held: Vec<i64> = openings.end(&anna).iter().map(|mail| mail.seq).collect();
        assert_eq!((held.len(), &held[..2]), (MAX_WAITING - 1, [0, 2].as_slice()));
        assert_eq!(openings.hold(&mail(3, "ou_anna")), Ok(false));
    }
}
