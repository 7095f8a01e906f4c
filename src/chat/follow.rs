//! What each command does.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;

use super::command::Command;
use super::router::{Router, reply};
use crate::ids::MessageId;
use crate::language::Language;
use crate::mail::Mail;
use crate::session::file::Saved;
use crate::session::machine::{Decision, Input, Order};
use crate::session::registry::Session;
use crate::session::report;
use crate::words::short;

impl Router {
    /// Follows a command of `mail`'s sender.
    pub(super) fn command(&mut self, mail: Mail, command: Command) {
        match command {
            Command::New(new) => self.new_session(mail, new),
            Command::List => self.answer(&mail, self.list(&mail)),
            Command::Switch(number) => self.switch(&mail, number),
            Command::Close(number) => self.close(&mail, number),
            Command::Retry => match self.active(&mail) {
                Some(session) => self.enqueue(mail, session.conv_id, true),
                None => self.answer(&mail, self.words().no_session()),
            },
            Command::Stop => self.stop(&mail),
            Command::Status => self.answer(&mail, self.status(&mail)),
            Command::Help => self.answer(&mail, self.words().help()),
            Command::Run => self.run_stale(mail),
            Command::Discard => self.discard_stale(&mail),
            Command::Approve => self.decide(&mail, Decision::Allow),
            Command::Deny(reason) => self.decide(&mail, Decision::Deny(reason)),
        }
    }

    fn switch(&mut self, mail: &Mail, number: usize) {
        if let Some(session) = self.registry.of(&mail.user).switched_by(&mail.message_id) {
            // Followed before, and cut before its answer was on record. What came after it stands.
            let mut open = self.registry.of(&mail.user).list();
            let listed = open.find(|listed| listed.session.conv_id == session.conv_id);
            let number = listed.map_or(number, |listed| listed.number);
            return self.answer(mail, self.words().switched(number, &session.project()));
        }
        let Some(session) = self.registry.of(&mail.user).numbered(number).cloned() else {
            return self.answer(mail, self.words().no_such_number(number));
        };
        self.registry.switch(&mail.user, &mail.chat_id, &session.conv_id, &mail.message_id);
        self.answer_when_saved(mail, self.words().switched(number, &session.project()));
        self.warm(&session.conv_id);
    }

    fn close(&mut self, mail: &Mail, number: Option<usize>) {
        if let Some(session) = self.registry.of(&mail.user).closed_by(&mail.message_id) {
            // Followed before, and cut before its answer was on record.
            return self.answer(mail, self.words().closed(&session.project(), 0));
        }
        let session = match number {
            Some(number) => match self.registry.of(&mail.user).numbered(number) {
                Some(session) => session.clone(),
                None => return self.answer(mail, self.words().no_such_number(number)),
            },
            None => match self.active(mail) {
                Some(session) => session,
                None => return self.answer(mail, self.words().no_session()),
            },
        };
        let (saved, mut mails) = self.end(&session, Some(&mail.message_id));
        let text = self.words().closed(&session.project(), mails.len());
        mails.push(mail.seq);
        self.scribe.write(Some(saved), report::notice(mails, &reply(mail), text));
    }

    /// Ends a session, closed by this message or by an operator: when that is saved, and what waited for it. That is
    /// done with the sentence that says so, not before: it would be lost without a word.
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
        let order = Order { mail: mail.seq, message_id: mail.message_id.clone(), reply: reply(mail) };
        let active = self.active(mail);
        if !active.is_some_and(|session| self.control(&session.conv_id, Input::StopUnasked(order))) {
            self.answer(mail, self.words().nothing_runs());
        }
    }

    fn decide(&mut self, mail: &Mail, decision: Decision) {
        let running = self.desk.running(&mail.user).cloned();
        let conv_id = running.or_else(|| self.active(mail).map(|session| session.conv_id));
        let order = Order { mail: mail.seq, message_id: mail.message_id.clone(), reply: reply(mail) };
        if !conv_id.is_some_and(|conv_id| self.control(&conv_id, Input::Decide(decision, order))) {
            self.answer(mail, self.words().nothing_asked());
        }
    }

    fn list(&self, mail: &Mail) -> String {
        let mine = self.registry.of(&mail.user);
        let active = mine.active(&mail.chat_id).map(|session| &session.conv_id);
        let mut text = String::new();
        for listed in mine.list() {
            let session = listed.session;
            let mark = if Some(&session.conv_id) == active { "▶" } else { " " };
            let (place, state) =
                (self.settings.workspace.shown(&session.cwd).display(), self.state(mail, session));
            let _ = writeln!(text, "{mark} {}. {place} · {state}", listed.number);
        }
        if text.is_empty() { self.words().no_sessions() } else { text.trim_end().to_owned() }
    }

    fn status(&self, mail: &Mail) -> String {
        let Some(session) = self.active(mail) else { return self.words().no_session() };
        let keyring = &self.settings.keyring;
        let seconds = |own: Option<u64>, configured| short(own.map_or(configured, Duration::from_secs));
        let values = [
            ("project", "项目", session.project()),
            ("directory", "目录", session.cwd.display().to_string()),
            ("state", "状态", self.state(mail, &session)),
            ("waiting", "排队", self.desk.waiting(&mail.user).to_string()),
            ("session", "会话", session.conv_id.to_string()),
            ("Claude's session", "Claude 会话", session.cc_session_id.to_string()),
            ("turn timeout", "单轮时限", seconds(session.turn_timeout_s, keyring.turn_timeout)),
            ("idle timeout", "空闲时限", seconds(session.idle_timeout_s, keyring.idle_timeout)),
            ("mode", "模式", self.mode(&session)),
            (
                "model",
                "模型",
                session
                    .model
                    .clone()
                    .or_else(|| keyring.claude_model.clone())
                    .unwrap_or_else(|| "-".to_owned()),
            ),
        ];
        let line = |(en, zh, value): (&str, &str, String)| match keyring.language {
            Language::En => format!("{en}: {value}"),
            Language::Zh => format!("{zh}：{value}"),
        };
        values.map(line).join("\n")
    }

    fn state(&self, mail: &Mail, session: &Session) -> String {
        let running = self.desk.running(&mail.user) == Some(&session.conv_id);
        let (en, zh) = match (running, self.seats.has(&session.conv_id)) {
            (true, _) => ("running", "运行中"),
            (false, true) => ("ready", "就绪"),
            (false, false) => ("asleep", "休眠"),
        };
        match self.settings.keyring.language {
            Language::En => en.to_owned(),
            Language::Zh => zh.to_owned(),
        }
    }

    fn active(&self, mail: &Mail) -> Option<Session> {
        self.registry.of(&mail.user).active(&mail.chat_id).cloned()
    }

    pub(super) fn answer_when_saved(&self, mail: &Mail, text: String) {
        let saved = self.saver.save(&self.registry);
        self.scribe.write(Some(saved), report::notice(vec![mail.seq], &reply(mail), text));
    }
}
