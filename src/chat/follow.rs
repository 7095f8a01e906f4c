//! What each command does, and the buttons that do the same.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::answers::DecidableHere;
use super::asked::{ActionReply, ActionRequest, RequestSource};
use super::command::Command;
use super::router::{Router, reply};
use super::show;
use crate::ids::{ConvId, MessageId};
use crate::keyring::PermissionMode;
use crate::mail::Mail;
use crate::render::document::{Document, LongAnswers};
use crate::session::file::Saved;
use crate::session::machine::{Decision, Input, Instruction};
use crate::session::registry::{Ownership, Session};
use crate::session::report;

impl Router {
    /// Follows a command of `mail`'s sender.
    pub(super) fn command(&mut self, mail: Mail, command: Command) {
        let asked = ActionRequest::typed(&mail);
        match command {
            Command::New(new) => self.new_session(asked, new),
            Command::Projects => self.projects(asked),
            Command::List(page) => self.list(asked, page),
            Command::Switch(number) => self.switch_to(asked, number),
            Command::Close(number) => self.close_numbered(asked, number),
            Command::Mode(None) => self.show_mode(asked),
            Command::Mode(Some(mode)) => match self.active(&asked) {
                Some(session) => self.set_mode(asked, &session, mode),
                None => self.declined(asked, self.words().no_session()),
            },
            Command::Long(long) => self.long(asked, long),
            Command::Retry => match self.active(&asked) {
                Some(session) => self.enqueue(mail, session.conv_id, true),
                None => self.declined(asked, self.words().no_session()),
            },
            Command::Continue => match self.active(&asked) {
                Some(session) => {
                    let text = self.words().go_on();
                    self.enqueue(Mail { text, ..mail }, session.conv_id, false);
                }
                None => self.declined(asked, self.words().no_session()),
            },
            Command::Cancel(number) => self.cancel_numbered(asked, number),
            Command::Now(number) => self.send_numbered_now(asked, number),
            Command::Stop => self.stop(&mail),
            Command::Status => self.status(asked),
            Command::Help => {
                let (words, group) = (self.words(), asked.group);
                let shown = Some(show::status::help(words, group));
                self.done(asked, None, Vec::new(), ActionReply { sentence: words.help(), shown });
            }
            Command::Run => self.run_late(asked),
            Command::Discard => self.discard_late(asked),
            Command::Approve(grant) => self.decide(&mail, Decision::Allow(grant)),
            Command::Deny(reason) => self.decide(&mail, Decision::Deny(reason)),
        }
    }

    fn switch_to(&mut self, asked: ActionRequest, number: usize) {
        if let Some(session) = self.registry.of(&asked.user).switched_by(&asked.message_id).cloned() {
            // Followed before, and cut before its answer was on record. What came after it stands.
            return self.switched(asked, None, &session, number);
        }
        match self.registry.of(&asked.user).numbered(number).cloned() {
            Some(session) => self.switch(asked, &session),
            None => self.declined(asked, self.words().no_such_number(number)),
        }
    }

    /// Makes a session of his the active one of the chat.
    pub(super) fn switch(&mut self, asked: ActionRequest, session: &Session) {
        let conv_id = session.conv_id.clone();
        let before = self.active(&asked).is_some_and(|active| active.conv_id == conv_id);
        if before && let RequestSource::Pressed(_) = asked.by {
            let text = self.words().active_already(&session.project());
            return self.declined(asked, text);
        }
        self.registry.switch(&asked.user, &asked.chat_id, &conv_id, asked.command());
        self.answers.switched(&asked.user, &asked.chat_id, &conv_id);
        let saved = self.saver.save(&self.registry);
        self.switched(asked, Some(saved), session, 0);
        self.warm(&conv_id);
    }

    fn switched(&self, asked: ActionRequest, saved: Option<Saved>, session: &Session, otherwise: usize) {
        let number = {
            let mut open = self.registry.of(&asked.user).list();
            let listed = open.find(|listed| listed.session.conv_id == session.conv_id);
            listed.map_or(otherwise, |listed| listed.number)
        };
        let sentence = self.words().switched(number, &session.project());
        let shown = self.shown_active(&sentence, session, asked.group);
        self.done(asked, saved, Vec::new(), ActionReply { sentence, shown });
    }

    /// That this session is active, unless it was closed since.
    pub(super) fn shown_active(&self, sentence: &str, session: &Session, group: bool) -> Option<Document> {
        let (words, project) = (self.words(), session.project());
        let open = session.closed_at.is_none();
        open.then(|| show::sessions::active(sentence.to_owned(), &session.conv_id, &project, words, group))
    }

    fn close_numbered(&mut self, asked: ActionRequest, number: Option<usize>) {
        if let Some(session) = self.registry.of(&asked.user).closed_by(&asked.message_id) {
            // Followed before, and cut before its answer was on record.
            let text = self.words().closed(&session.project(), 0);
            return self.declined(asked, text);
        }
        let session = match number {
            Some(number) => match self.registry.of(&asked.user).numbered(number) {
                Some(session) => session.clone(),
                None => return self.declined(asked, self.words().no_such_number(number)),
            },
            None => match self.active(&asked) {
                Some(session) => session,
                None => return self.declined(asked, self.words().no_session()),
            },
        };
        self.close(asked, &session);
    }

    /// Closes a session of his.
    pub(super) fn close(&mut self, asked: ActionRequest, session: &Session) {
        let (saved, mails) = self.end(session, asked.command());
        let words = self.words();
        let sentence = words.closed(&session.project(), mails.len());
        let directory = self.settings.workspace.shown(&session.cwd).display().to_string();
        let shown = Some(show::sessions::closed(sentence.clone(), Some(directory), words, asked.group));
        self.done(asked, Some(saved), mails, ActionReply { sentence, shown });
    }

    /// Ends a session, closed by this message, by a button or by an operator: when that is saved, and what waited for
    /// it. That is done with the sentence that says so, not before: it would be lost without a word.
    pub(super) fn end(&mut self, session: &Session, by: Option<&MessageId>) -> (Saved, Vec<i64>) {
        let conv_id = &session.conv_id;
        if self.control(conv_id, Input::Close) {
            self.seats.leaving(conv_id);
        }
        let withdrawn = self.desk.withdraw(&session.owner, conv_id);
        self.registry.close(&session.owner, conv_id, by, Timestamp::now());
        let mails = withdrawn.iter().map(|waiting| waiting.item.mail.seq).collect();
        (self.saver.save(&self.registry), mails)
    }

    /// Changes the permission mode of a session of his, also of its process.
    pub(super) fn set_mode(&mut self, asked: ActionRequest, session: &Session, mode: PermissionMode) {
        let (words, project, mode) = (self.words(), session.project(), mode.as_str());
        if self.mode(session) == mode {
            return self.declined(asked, words.mode_is(&project, mode));
        }
        self.registry.set_mode(&session.conv_id, mode);
        let saved = self.saver.save(&self.registry);
        // One that is not live starts in it.
        self.control(&session.conv_id, Input::Mode(mode.to_owned()));
        let sentence = words.mode_changed(&project, mode);
        self.done(asked, Some(saved), Vec::new(), sentence);
    }

    fn long(&mut self, asked: ActionRequest, long: Option<LongAnswers>) {
        if let Some(long) = long {
            self.registry.set_long(&asked.user, long);
        }
        let saved = long.map(|_| self.saver.save(&self.registry));
        let text = match self.registry.long(&asked.user) {
            LongAnswers::Parts => self.words().long_in_parts(),
            LongAnswers::File => self.words().long_as_file(),
        };
        self.done(asked, saved, Vec::new(), text);
    }

    fn stop(&mut self, mail: &Mail) {
        if let Some(running) = self.begun.get(&mail.user) {
            // The turn itself says that it was stopped.
            self.control(&running.waiting.conv_id, Input::Stop(running.waiting.item.mail.seq));
            return self.scribe.write(None, report::heard(mail.seq, &mail.message_id, &mail.user));
        }
        let Some(waiting) = self.desk.take(&mail.user) else { return self.stop_unasked(mail) };
        // It waited for a seat.
        self.desk.done(&mail.user);
        let mails = vec![waiting.item.mail.seq, mail.seq];
        self.scribe.write(None, report::notice(mails, &reply(mail), self.words().stopped()));
        self.dispatch(&mail.user);
    }

    /// Stops what Claude does by itself in the active session.
    fn stop_unasked(&mut self, mail: &Mail) {
        let asked = ActionRequest::typed(mail);
        let active = self.active(&asked);
        if !active.is_some_and(|session| self.control(&session.conv_id, Input::StopUnasked(order(mail)))) {
            self.declined(asked, self.words().nothing_runs());
        }
    }

    fn decide(&mut self, mail: &Mail, decision: Decision) {
        let asked = ActionRequest::typed(mail);
        let conv_id = match self.asks_here(&asked) {
            DecidableHere::Nothing => return self.declined(asked, self.words().nothing_asked()),
            DecidableHere::One(conv_id) => conv_id,
            DecidableHere::Several(sessions) => {
                let sentence = self.words().several_ask(&sessions);
                return self.declined(asked, sentence);
            }
        };
        if !self.control(&conv_id, Input::Decide(decision, order(mail))) {
            self.declined(asked, self.words().nothing_asked());
        }
    }

    /// The active session of who asks, in the chat that he asks in.
    pub(super) fn active(&self, asked: &ActionRequest) -> Option<Session> {
        self.registry.of(&asked.user).active(&asked.chat_id).cloned()
    }

    /// The session that a button names, if it is open and his; he is told if not.
    pub(super) fn his(&self, asked: ActionRequest, conv_id: &ConvId) -> Option<(ActionRequest, Session)> {
        let sentence = match self.registry.of(&asked.user).standing(conv_id) {
            Ownership::His(session) => {
                let session = session.clone();
                return Some((asked, session));
            }
            Ownership::Over => self.words().session_over(),
            Ownership::NotHis => self.words().not_yours(),
        };
        self.declined(asked, sentence);
        None
    }
}

/// What a message tells a live session to do.
pub(super) fn order(mail: &Mail) -> Instruction {
    let age = Duration::try_from(Timestamp::now().duration_since(mail.created)).unwrap_or_default();
    let now = Instant::now();
    let sent = now.checked_sub(age).unwrap_or(now);
    Instruction { mail: mail.seq, message_id: mail.message_id.clone(), reply: reply(mail), sent }
}
