//! What people ask to see: their sessions, how one stands, where a new one can be.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::asked::{ActionReply, ActionRequest, RequestSource, post};
use super::fault::no_directory;
use super::router::Router;
use super::show::sessions::{SessionRow, list, on_page, projects};
use super::show::status::{self, SessionStatus};
use crate::ids::{ConvId, OpenId};
use crate::mail::Settlement;
use crate::session::registry::Session;
use crate::words::{dollars, short};

/// What was asked last is left out of a list if the disk does not say within this time what it was.
const LOOKUP: Duration = Duration::from_secs(2);

impl Router {
    /// Shows a page of his sessions, with what was asked last in each.
    pub(super) fn list(&self, asked: ActionRequest, page: usize) {
        let mine = self.registry.of(&asked.user);
        let active = mine.active(&asked.chat_id).map(|session| &session.conv_id);
        let row = |number: usize, session: &Session| SessionRow {
            number,
            conv_id: session.conv_id.clone(),
            place: self.settings.workspace.shown(&session.cwd).display().to_string(),
            state: self.state(&asked.user, session),
            active: Some(&session.conv_id) == active,
            last: None,
        };
        let mut rows: Vec<SessionRow> =
            mine.list().map(|listed| row(listed.number, listed.session)).collect();
        if rows.is_empty() {
            return self.declined(asked, self.words().no_sessions());
        }
        let RequestSource::Typed(seq) = asked.by else { return };
        // In a group others read along: of what was asked elsewhere they learn nothing.
        let asked_in = asked.group.then(|| asked.chat_id.clone());
        let is_told = |session: &Session| asked_in.as_ref().is_none_or(|chat| session.chat_id == *chat);
        let told = mine.list().map(|listed| listed.session).filter(|session| is_told(session));
        let told: BTreeSet<ConvId> = told.map(|session| session.conv_id.clone()).collect();
        let (store, words, group, reply) = (self.store.clone(), self.words(), asked.group, asked.reply());
        // The router waits for no disk.
        tokio::spawn(async move {
            let places = on_page(rows.len(), page);
            let shown = &mut rows[places];
            let convs = shown.iter().map(|row| row.conv_id.clone()).filter(|id| told.contains(id)).collect();
            if let Ok(Ok(mut last)) = tokio::time::timeout(LOOKUP, store.last_prompts(convs, asked_in)).await
            {
                shown.iter_mut().for_each(|row| row.last = last.remove(&row.conv_id));
            }
            let posts = vec![post(&reply, list(&rows, page, words, group), None)];
            store.keep(Settlement { mails: vec![seq], posts, ..Settlement::at(Timestamp::now()) }).await;
        });
    }

    /// Offers the projects of his sessions.
    pub(super) fn projects(&self, asked: ActionRequest) {
        let (words, now) = (self.words(), Timestamp::now());
        let workspace = &self.settings.workspace;
        let mine = self.registry.of(&asked.user).projects();
        let inside = mine.into_iter().filter(|(cwd, _)| cwd.starts_with(workspace.root()));
        let offered: Vec<(String, Duration)> = inside
            .map(|(cwd, at)| {
                (workspace.shown(cwd).display().to_string(), now.duration_since(at).unsigned_abs())
            })
            .collect();
        if offered.is_empty() {
            return self.declined(asked, no_directory(words));
        }
        let shown = Some(projects(&offered, words, asked.group));
        self.done(asked, None, Vec::new(), ActionReply { sentence: no_directory(words), shown });
    }

    pub(super) fn status(&self, asked: ActionRequest) {
        let words = self.words();
        let Some(session) = self.active(&asked) else { return self.declined(asked, words.no_session()) };
        let (project, mode) = (session.project(), self.mode(&session));
        let lines = self.lines(&asked.user, &session);
        let status = SessionStatus {
            conv_id: &session.conv_id,
            project: &project,
            mode: &mode,
            lines: &lines,
            rules: &session.rules,
        };
        let shown = Some(status::status(&status, words, asked.group));
        self.done(asked, None, Vec::new(), ActionReply { sentence: project.clone(), shown });
    }

    /// What `/status` tells of a session: what, and how it is.
    fn lines(&self, user: &OpenId, session: &Session) -> Vec<(String, String)> {
        let (keyring, words) = (&self.settings.keyring, self.words());
        let seconds = |own: Option<u64>, configured| short(own.map_or(configured, Duration::from_secs));
        let model = session.model.clone().or_else(|| keyring.claude_model.clone());
        let lines = [
            (words.names_project(), Some(session.project())),
            (words.names_directory(), Some(session.cwd.display().to_string())),
            (words.names_state(), Some(self.state(user, session))),
            (words.names_waiting(), Some(self.desk.waiting(user).to_string())),
            (words.names_session(), Some(session.conv_id.to_string())),
            (words.names_claudes_session(), Some(session.cc_session_id.to_string())),
            (words.names_turn_timeout(), Some(seconds(session.turn_timeout_s, keyring.turn_timeout))),
            (words.names_idle_timeout(), Some(seconds(session.idle_timeout_s, keyring.idle_timeout))),
            (words.names_mode(), Some(self.mode(session))),
            (words.names_model(), Some(model.unwrap_or_else(|| "-".to_owned()))),
            (words.names_cost(), session.cost_usd.and_then(dollars)),
        ];
        lines.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect()
    }

    pub(super) fn show_mode(&self, asked: ActionRequest) {
        let words = self.words();
        let Some(session) = self.active(&asked) else { return self.declined(asked, words.no_session()) };
        let (project, mode) = (session.project(), self.mode(&session));
        let shown = Some(status::mode(&session.conv_id, &project, &mode, words, asked.group));
        self.done(asked, None, Vec::new(), ActionReply { sentence: words.mode_is(&project, &mode), shown });
    }

    fn state(&self, user: &OpenId, session: &Session) -> String {
        let (conv_id, words) = (&session.conv_id, self.words());
        let running = self.desk.running(user) == Some(conv_id) || self.answers.began_itself(conv_id);
        match (self.answers.asks(conv_id), running, self.seats.has(conv_id)) {
            (true, _, _) => words.is_asking(),
            (false, true, _) => words.is_running(),
            (false, false, true) => words.is_ready(),
            (false, false, false) => words.is_asleep(),
        }
    }
}
