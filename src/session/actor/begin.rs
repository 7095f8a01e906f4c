//! How a prompt begins: who else has the conversation open, then the record, then the machine.

use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use tracing::{debug, info, warn};

use super::{Actor, SessionReport, SessionWork};
use crate::claude::launch::Conversation;
use crate::claude::running::{self, ConversationCheck};
use crate::crash::{self, Point};
use crate::mail::{StoreError, TurnStart};
use crate::session::machine::{Effect, Input};
use crate::session::report;
use crate::session::turn::{Turn, TurnOutcome};
use crate::words::Words;

/// A disk that does not answer for so long is not waited for.
const LOOKING: Duration = Duration::from_secs(2);
/// A process that is ended with its daemon is gone after so long.
const LEAVING: Duration = Duration::from_millis(500);
/// Claude Code has written all of its own to a conversation so long after its last line. Were it slower, its process
/// would be started anew without need; nobody at the machine is faster.
const AFTERTHOUGHT: Duration = Duration::from_millis(300);

impl Actor {
    /// Puts the turn on record, then lets the machine have the prompt: it may reach Claude only after that.
    pub(super) async fn begin(&mut self, work: SessionWork) -> Vec<Effect> {
        let SessionWork { mut prompt, again } = work;
        let mail = prompt.mail;
        if again && prompt.text.is_empty() {
            match self.setup.store.last_prompt(&self.setup.conv_id).await {
                Ok(Some(text)) => prompt.text = text,
                Ok(None) => {
                    let words = Words(self.setup.language).nothing_to_retry();
                    self.settle(report::notice(vec![mail], &prompt.reply, words)).await;
                    self.report(SessionReport::Settled(self.setup.conv_id.clone())).await;
                    return Vec::new();
                }
                Err(error) => return self.unbegun(&error).await,
            }
        }
        let mut look = self.look().await;
        if !again && look.elsewhere.iter().any(|other| !self.accepted.contains(other)) {
            // It may be on its way out, as what a killed daemon leaves behind is.
            tokio::time::sleep(LEAVING).await;
            look = self.look().await;
        }
        if again {
            self.accepted.extend(look.elsewhere.iter().cloned());
        }
        let open_elsewhere = look.elsewhere.into_iter().find(|other| !self.accepted.contains(other));
        let start = TurnStart {
            turn_id: prompt.turn_id,
            mail: Some(mail),
            conv_id: self.setup.conv_id.clone(),
            user: self.setup.owner.user.clone(),
            chat_id: prompt.chat_id.clone(),
            group: prompt.reply.under.is_some(),
            reply_to: prompt.reply.under.clone(),
            prompt: prompt.text.clone(),
            at: Timestamp::now(),
        };
        match self.setup.store.begin_turn(start).await {
            Ok(()) => {
                crash::at(Point::TurnCommitted);
                let (conv_id, user) = (&self.setup.conv_id, &self.setup.owner.user);
                info!(%conv_id, %user, "turn begun");
                self.show_prompt(prompt.turn_id, &prompt.text);
                let now = Instant::now();
                let mut effects = Vec::new();
                if let Some(other) = open_elsewhere {
                    let outcome = TurnOutcome::OpenElsewhere(other);
                    let turn = Turn::new(Some(prompt), self.setup.limits.turn, now);
                    effects.push(Effect::Settle(turn.finish(outcome, None, now)));
                    // Its memory of the conversation will be old.
                    effects.extend(self.machine.handle(Input::Sleep, now));
                } else {
                    if look.written.is_some_and(|written| self.is_behind(written)) {
                        info!(%conv_id, "the conversation went on elsewhere; claude reads it anew");
                        effects.extend(self.machine.handle(Input::Sleep, now));
                    }
                    effects.extend(self.machine.handle(Input::Prompt(prompt), now));
                }
                effects
            }
            Err(StoreError::Conflict(why)) => {
                // An earlier try, which was thought to have failed, put another turn on record: whether it ran is not
                // known.
                warn!(conv_id = %self.setup.conv_id, why, "a prompt is not run, as it is on record already");
                let words = Words(self.setup.language).cut_by_crash(&prompt.text);
                self.settle(report::notice(Vec::new(), &prompt.reply, words)).await;
                self.report(SessionReport::Settled(self.setup.conv_id.clone())).await;
                Vec::new()
            }
            Err(error) => self.unbegun(&error).await,
        }
    }

    async fn unbegun(&mut self, error: &StoreError) -> Vec<Effect> {
        debug!(conv_id = %self.setup.conv_id, %error, "a turn could not be put on record; its message waits");
        self.report(SessionReport::Unbegun(self.setup.conv_id.clone())).await;
        Vec::new()
    }

    /// Looks who else has the conversation open. A disk that does not answer keeps nobody from his turn.
    async fn look(&self) -> ConversationCheck {
        let Conversation::Resume(id) = self.setup.launch.conversation.clone() else {
            return ConversationCheck::default();
        };
        let environment = self.setup.launch.environment(std::env::vars_os());
        let Some(folder) = running::folder(&environment) else { return ConversationCheck::default() };
        let ours = rustix::process::getpid();
        let looking = tokio::task::spawn_blocking(move || running::check(&folder, &id, ours));
        match tokio::time::timeout(LOOKING, looking).await {
            Ok(Ok(look)) => look,
            Ok(Err(_)) | Err(_) => {
                warn!(conv_id = %self.setup.conv_id, "it is not known who else has the conversation open");
                ConversationCheck::default()
            }
        }
    }

    /// Whether an idle process has missed what somebody else wrote to the conversation: it reads it at its start only,
    /// and what it writes itself comes with a line on its stdout.
    fn is_behind(&self, written: SystemTime) -> bool {
        let own = self.heard + AFTERTHOUGHT;
        self.process.is_some() && !self.machine.is_busy() && written > own
    }
}
