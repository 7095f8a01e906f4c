//! What each typed command does. A button that does the same as a command calls the same function.

use jiff::Timestamp;

use super::Router;
use super::dispatch::instruction;
use super::permission_mode;
use super::reply::{ActionReply, ActionRequest, RequestSource, reply_target};
use crate::chat::command::Command;
use crate::chat::show;
use crate::chat::typed_answers::DecidableHere;
use crate::ids::MessageId;
use crate::keyring::PermissionMode;
use crate::mail::Mail;
use crate::render::document::{Document, LongAnswers};
use crate::session::file::Saved;
use crate::session::machine::{Decision, Input};
use crate::session::registry::Session;
use crate::session::report;

impl Router {
    /// Follows a command of the sender of `mail`.
    pub(super) fn follow_command(&mut self, mut mail: Mail, command: Command) {
        let request = ActionRequest::typed(&mail);
        match command {
            Command::New(new) => self.open_session(request, new),
            Command::Projects => self.list_projects(request),
            Command::List(page) => self.list_sessions(request, page),
            Command::Switch(number) => self.switch_to_number(request, number),
            Command::Close(number) => self.close_number(request, number),
            Command::Mode(None) => self.show_mode(request),
            Command::Mode(Some(mode)) => match self.active_session(&request) {
                Some(session) => self.set_mode(request, &session, mode),
                None => self.decline(request, self.words().no_session()),
            },
            Command::Long(long) => self.set_long_answers(request, long),
            Command::Retry => match self.active_session(&request) {
                Some(session) => self.enqueue(mail, session.conv_id, true),
                None => self.decline(request, self.words().no_session()),
            },
            Command::Continue => match self.active_session(&request) {
                Some(session) => {
                    mail.message.text = self.words().go_on();
                    self.enqueue(mail, session.conv_id, false);
                }
                None => self.decline(request, self.words().no_session()),
            },
            Command::Cancel(number) => self.cancel_number(request, number),
            Command::Now(number) => self.send_number_now(request, number),
            Command::Stop => self.stop(&mail),
            Command::Status => self.show_status(request),
            Command::Help => {
                let (words, group) = (self.words(), request.group);
                let shown = Some(show::status::help(words, group));
                self.confirm(request, None, Vec::new(), ActionReply { sentence: words.help(), shown });
            }
            Command::Run => self.run_stale(request),
            Command::Discard => self.discard_stale(request),
            Command::Approve(scope) => self.decide(&mail, Decision::Allow(scope)),
            Command::Deny(reason) => self.decide(&mail, Decision::Deny(reason)),
        }
    }

    fn switch_to_number(&mut self, request: ActionRequest, number: usize) {
        if let Some(session) = self.registry.of(&request.user).switched_by(&request.message_id).cloned() {
            // Followed before a crash that came before its reply was on record. What was done since stands.
            return self.confirm_switch(request, None, &session, number);
        }
        match self.registry.of(&request.user).numbered(number).cloned() {
            Some(session) => self.switch(request, &session),
            None => self.decline(request, self.words().no_such_number(number)),
        }
    }

    /// Makes a session of the requester's the active one of the chat.
    pub(super) fn switch(&mut self, request: ActionRequest, session: &Session) {
        let conv_id = session.conv_id.clone();
        let was_active = self.active_session(&request).is_some_and(|active| active.conv_id == conv_id);
        if was_active && let RequestSource::Pressed(_) = request.by {
            let text = self.words().active_already(&session.project());
            return self.decline(request, text);
        }
        self.registry.switch(&request.user, &request.chat_id, &conv_id, request.command());
        self.waiting.answers.switched_to(&request.user, &request.chat_id, &conv_id);
        let saved = self.save();
        self.confirm_switch(request, Some(saved), session, 0);
        self.warm(&conv_id);
    }

    /// Replies that a session is active now; a session that has been closed since is called by its `old_number`.
    fn confirm_switch(
        &self,
        request: ActionRequest,
        saved: Option<Saved>,
        session: &Session,
        old_number: usize,
    ) {
        let number = {
            let mut open = self.registry.of(&request.user).list();
            let listed = open.find(|listed| listed.session.conv_id == session.conv_id);
            listed.map_or(old_number, |listed| listed.number)
        };
        let sentence = self.words().switched(number, &session.project());
        let shown = self.active_document(&sentence, session, request.group);
        self.confirm(request, saved, Vec::new(), ActionReply { sentence, shown });
    }

    /// Shows that this session is active; `None` if it was closed meanwhile.
    pub(super) fn active_document(&self, sentence: &str, session: &Session, group: bool) -> Option<Document> {
        let (words, project) = (self.words(), session.project());
        let open = session.closed_at.is_none();
        open.then(|| show::sessions::active(sentence.to_owned(), &session.conv_id, &project, words, group))
    }

    fn close_number(&mut self, request: ActionRequest, number: Option<usize>) {
        if let Some(session) = self.registry.of(&request.user).closed_by(&request.message_id) {
            // Followed before a crash that came before its reply was on record.
            let text = self.words().closed(&session.project(), 0);
            return self.decline(request, text);
        }
        let session = match number {
            Some(number) => match self.registry.of(&request.user).numbered(number) {
                Some(session) => session.clone(),
                None => return self.decline(request, self.words().no_such_number(number)),
            },
            None => match self.active_session(&request) {
                Some(session) => session,
                None => return self.decline(request, self.words().no_session()),
            },
        };
        self.close(request, &session);
    }

    /// Closes a session of the requester's.
    pub(super) fn close(&mut self, request: ActionRequest, session: &Session) {
        let (saved, mails) = self.end_session(session, request.command());
        let words = self.words();
        let sentence = words.closed(&session.project(), mails.len());
        let directory = self.settings.workspace.shown(&session.cwd).display().to_string();
        let shown = Some(show::sessions::closed(sentence.clone(), Some(directory), words, request.group));
        self.confirm(request, Some(saved), mails, ActionReply { sentence, shown });
    }

    /// Ends a session, for the command `by`, a button or an operator. Returns when that is saved, and the inbox entries
    /// that waited for the session. The caller settles them together with the sentence that reports the end: settled
    /// earlier, they could be lost in a crash without a word.
    pub(super) fn end_session(&mut self, session: &Session, by: Option<&MessageId>) -> (Saved, Vec<i64>) {
        let conv_id = &session.conv_id;
        self.live.close(conv_id);
        let mails = self.waiting.remove_session(&session.owner, conv_id);
        self.registry.close(&session.owner, conv_id, by, Timestamp::now());
        (self.save(), mails)
    }

    /// Changes the permission mode of a session of the requester's, and of its process.
    pub(super) fn set_mode(&mut self, request: ActionRequest, session: &Session, mode: PermissionMode) {
        let (words, project, mode) = (self.words(), session.project(), mode.as_str());
        if permission_mode(session, &self.settings) == mode {
            return self.decline(request, words.mode_is(&project, mode));
        }
        self.registry.set_mode(&session.conv_id, mode);
        let saved = self.save();
        // A session that is not live starts in this mode.
        self.live.control(&session.conv_id, Input::Mode(mode.to_owned()));
        let sentence = words.mode_changed(&project, mode);
        self.confirm(request, Some(saved), Vec::new(), sentence);
    }

    fn set_long_answers(&mut self, request: ActionRequest, long: Option<LongAnswers>) {
        if let Some(long) = long {
            self.registry.set_long(&request.user, long);
        }
        let saved = long.map(|_| self.save());
        let text = match self.registry.long(&request.user) {
            LongAnswers::Parts => self.words().long_in_parts(),
            LongAnswers::File => self.words().long_as_file(),
        };
        self.confirm(request, saved, Vec::new(), text);
    }

    fn stop(&mut self, mail: &Mail) {
        if self.live.stop_running(&mail.message.user) {
            return self
                .writer
                .write(None, report::heard(mail.seq, &mail.message.message_id, &mail.message.user));
        }
        let Some(first) = self.waiting.queues.start_next(&mail.message.user) else {
            return self.stop_unprompted(mail);
        };
        // It waited for a process slot: it is dropped.
        self.waiting.queues.finish(&mail.message.user);
        let mails = vec![first.item.mail.seq, mail.seq];
        self.writer.write(None, report::notice(mails, &reply_target(mail), self.words().stopped()));
        self.dispatch_next(&mail.message.user);
    }

    /// Stops what Claude does by itself in the active session.
    fn stop_unprompted(&mut self, mail: &Mail) {
        let request = ActionRequest::typed(mail);
        let stop =
            |session: Session| self.live.control(&session.conv_id, Input::StopUnasked(instruction(mail)));
        if !self.active_session(&request).is_some_and(stop) {
            self.decline(request, self.words().nothing_runs());
        }
    }

    fn decide(&mut self, mail: &Mail, decision: Decision) {
        let request = ActionRequest::typed(mail);
        let conv_id = match self.decidable_here(&request) {
            DecidableHere::Nothing => return self.decline(request, self.words().nothing_asked()),
            DecidableHere::One(conv_id) => conv_id,
            DecidableHere::Several(sessions) => {
                let sentence = self.words().several_ask(&sessions);
                return self.decline(request, sentence);
            }
        };
        if !self.live.control(&conv_id, Input::Decide(decision, instruction(mail))) {
            self.decline(request, self.words().nothing_asked());
        }
    }

    /// Which of their sessions the requester decides about by typing in this chat. Requests whose cards are in other
    /// chats are not meant, as they are not seen here.
    fn decidable_here(&self, request: &ActionRequest) -> DecidableHere {
        let (user, chat, answers) = (&request.user, request.reply_target().to, &self.waiting.answers);
        let asks_here = |conv_id| answers.open_in(conv_id, &chat).is_some();
        let open = self.registry.of(user).list();
        let here: Vec<_> = open.filter(|listed| asks_here(&listed.session.conv_id)).collect();
        let one = match &here[..] {
            [] => return DecidableHere::Nothing,
            [one] => Some(one),
            several => {
                let active = self.active_session(request).map(|session| session.conv_id);
                several.iter().find(|listed| {
                    let conv_id = &listed.session.conv_id;
                    active.as_ref() == Some(conv_id) && answers.is_meant(user, &chat, conv_id)
                })
            }
        };
        match one {
            Some(one) => DecidableHere::One(one.session.conv_id.clone()),
            None => DecidableHere::Several(
                here.iter().map(|listed| (listed.number, listed.session.project())).collect(),
            ),
        }
    }
}
