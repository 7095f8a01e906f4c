//! What people ask to see: their sessions, the projects for a new one, and the state of the active session.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::reply::{ActionReply, ActionRequest, RequestSource, document_post};
use super::{Router, permission_mode};
use crate::chat::fault::no_directory;
use crate::chat::show::sessions::{SessionRow, list, on_page, projects};
use crate::chat::show::status::{self, SessionStatus};
use crate::ids::{ConvId, OpenId};
use crate::mail::Settlement;
use crate::session::registry::Session;
use crate::words::{dollars, short};

/// How long the list waits for the disk to say what each session was asked last; it goes out without that then.
const LAST_PROMPTS_TIMEOUT: Duration = Duration::from_secs(2);

impl Router {
    /// Shows a page of the requester's sessions, each with what it was asked last.
    pub(super) fn list_sessions(&self, request: ActionRequest, page: usize) {
        let own = self.registry.of(&request.user);
        let active = own.active(&request.chat_id).map(|session| &session.conv_id);
        let row = |number: usize, session: &Session| SessionRow {
            number,
            conv_id: session.conv_id.clone(),
            place: self.settings.workspace.shown(&session.cwd).display().to_string(),
            state: self.session_state(&request.user, session),
            active: Some(&session.conv_id) == active,
            last: None,
        };
        let mut rows: Vec<SessionRow> = own.list().map(|listed| row(listed.number, listed.session)).collect();
        if rows.is_empty() {
            return self.decline(request, self.words().no_sessions());
        }
        let RequestSource::Typed(seq) = request.by else { return };
        // Others read along in a group: they must not learn what was asked in another chat.
        let only_in = request.group.then(|| request.chat_id.clone());
        let may_be_read = |session: &Session| only_in.as_ref().is_none_or(|chat| session.chat_id == *chat);
        let readable = own.list().map(|listed| listed.session).filter(|session| may_be_read(session));
        let readable: BTreeSet<ConvId> = readable.map(|session| session.conv_id.clone()).collect();
        let (words, group, target) = (self.words(), request.group, request.reply_target());
        let store = self.store.clone();
        // The router does not wait for the disk.
        tokio::spawn(async move {
            let on_this_page = on_page(rows.len(), page);
            let shown = &mut rows[on_this_page];
            let ids = shown.iter().map(|row| row.conv_id.clone()).filter(|id| readable.contains(id));
            let last_prompts = store.last_prompts(ids.collect(), only_in);
            if let Ok(Ok(mut last)) = tokio::time::timeout(LAST_PROMPTS_TIMEOUT, last_prompts).await {
                shown.iter_mut().for_each(|row| row.last = last.remove(&row.conv_id));
            }
            let posts = vec![document_post(&target, list(&rows, page, words, group), None)];
            store
                .settle_with_retry(Settlement { mails: vec![seq], posts, ..Settlement::at(Timestamp::now()) })
                .await;
        });
    }

    /// Offers the projects of the requester's sessions, for a new one.
    pub(super) fn list_projects(&self, request: ActionRequest) {
        let (words, now) = (self.words(), Timestamp::now());
        let workspace = &self.settings.workspace;
        let used = self.registry.of(&request.user).projects();
        let inside = used.into_iter().filter(|(cwd, _)| cwd.starts_with(workspace.root()));
        let offered: Vec<(String, Duration)> = inside
            .map(|(cwd, at)| {
                (workspace.shown(cwd).display().to_string(), now.duration_since(at).unsigned_abs())
            })
            .collect();
        if offered.is_empty() {
            return self.decline(request, no_directory(words));
        }
        let shown = Some(projects(&offered, words, request.group));
        self.confirm(request, None, Vec::new(), ActionReply { sentence: no_directory(words), shown });
    }

    /// Shows the state of the active session.
    pub(super) fn show_status(&self, request: ActionRequest) {
        let words = self.words();
        let Some(session) = self.active_session(&request) else {
            return self.decline(request, words.no_session());
        };
        let (project, mode) = (session.project(), permission_mode(&session, &self.settings));
        let lines = self.status_lines(&request.user, &session);
        let status = SessionStatus {
            conv_id: &session.conv_id,
            project: &project,
            mode: &mode,
            lines: &lines,
            rules: &session.rules,
        };
        let shown = Some(status::status(&status, words, request.group));
        self.confirm(request, None, Vec::new(), ActionReply { sentence: project.clone(), shown });
    }

    /// The lines of `/status`: a name and a value each.
    fn status_lines(&self, user: &OpenId, session: &Session) -> Vec<(String, String)> {
        let (keyring, words) = (&self.settings.keyring, self.words());
        let seconds = |own: Option<u64>, configured| short(own.map_or(configured, Duration::from_secs));
        let model = session.model.clone().or_else(|| keyring.claude_model.clone());
        let lines = [
            (words.names_project(), Some(session.project())),
            (words.names_directory(), Some(session.cwd.display().to_string())),
            (words.names_state(), Some(self.session_state(user, session))),
            (words.names_waiting(), Some(self.waiting.queues.waiting_count(user).to_string())),
            (words.names_session(), Some(session.conv_id.to_string())),
            (words.names_claudes_session(), Some(session.cc_session_id.to_string())),
            (words.names_turn_timeout(), Some(seconds(session.turn_timeout_s, keyring.turn_timeout))),
            (words.names_idle_timeout(), Some(seconds(session.idle_timeout_s, keyring.idle_timeout))),
            (words.names_mode(), Some(permission_mode(session, &self.settings))),
            (words.names_model(), Some(model.unwrap_or_else(|| "-".to_owned()))),
            (words.names_cost(), session.cost_usd.and_then(dollars)),
        ];
        lines.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect()
    }

    /// Shows the permission mode of the active session, with buttons for the others.
    pub(super) fn show_mode(&self, request: ActionRequest) {
        let words = self.words();
        let Some(session) = self.active_session(&request) else {
            return self.decline(request, words.no_session());
        };
        let (project, mode) = (session.project(), permission_mode(&session, &self.settings));
        let shown = Some(status::mode(&session.conv_id, &project, &mode, words, request.group));
        let sentence = words.mode_is(&project, &mode);
        self.confirm(request, None, Vec::new(), ActionReply { sentence, shown });
    }

    /// What a session does now, in a word.
    fn session_state(&self, user: &OpenId, session: &Session) -> String {
        let (conv_id, words, answers) = (&session.conv_id, self.words(), &self.waiting.answers);
        let runs =
            self.waiting.queues.running_session(user) == Some(conv_id) || answers.runs_unprompted(conv_id);
        match (answers.has_open(conv_id), runs, self.live.has_slot(conv_id)) {
            (true, _, _) => words.is_asking(),
            (false, true, _) => words.is_running(),
            (false, false, true) => words.is_ready(),
            (false, false, false) => words.is_asleep(),
        }
    }
}
