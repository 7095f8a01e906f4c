//! Begins the turn of a prompt: check who else has the conversation open, record the turn, give the prompt to the machine.

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

/// Maximum wait for the disk with Claude Code's folder.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// A process that ends with its daemon is gone within this time.
const EXIT_TIME: Duration = Duration::from_millis(500);
/// Claude Code has written everything to the conversation's transcript within this time after its last line. If it were
/// slower, its process would be restarted without need. No person at the machine is faster.
const TRANSCRIPT_DELAY: Duration = Duration::from_millis(300);

impl Actor {
    /// Records the turn, and only then gives the prompt to the machine: it must not reach Claude earlier.
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
                Err(error) => return self.not_begun(&error).await,
            }
        }
        let mut check = self.check_conversation().await;
        if !again && check.elsewhere.iter().any(|other| !self.accepted.contains(other)) {
            // It may be ending, for example after its daemon was killed.
            tokio::time::sleep(EXIT_TIME).await;
            check = self.check_conversation().await;
        }
        if again {
            self.accepted.extend(check.elsewhere.iter().cloned());
        }
        let open_elsewhere = check.elsewhere.into_iter().find(|other| !self.accepted.contains(other));
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
                info!(%conv_id, %user, "turn started");
                self.publish_prompt(prompt.turn_id, &prompt.text);
                let now = Instant::now();
                let mut effects = Vec::new();
                if let Some(other) = open_elsewhere {
                    let outcome = TurnOutcome::OpenElsewhere(other);
                    let turn = Turn::new(Some(prompt), self.setup.timeouts.turn, now);
                    effects.push(Effect::Settle(turn.finish(outcome, None, now)));
                    // The process would not know what the other one writes.
                    effects.extend(self.machine.handle(Input::Suspend, now));
                } else {
                    if check.written.is_some_and(|written| self.is_behind(written)) {
                        info!(%conv_id, "the conversation was continued elsewhere; restarting claude to read it");
                        effects.extend(self.machine.handle(Input::Suspend, now));
                    }
                    effects.extend(self.machine.handle(Input::Prompt(prompt), now));
                }
                effects
            }
            Err(StoreError::Conflict(why)) => {
                // An earlier attempt, which seemed to have failed, recorded another turn. Whether that ran is not known.
                warn!(conv_id = %self.setup.conv_id, why, "prompt not run, as it is recorded already");
                let words = Words(self.setup.language).cut_by_crash(&prompt.text);
                self.settle(report::notice(Vec::new(), &prompt.reply, words)).await;
                self.report(SessionReport::Settled(self.setup.conv_id.clone())).await;
                Vec::new()
            }
            Err(error) => self.not_begun(&error).await,
        }
    }

    async fn not_begun(&mut self, error: &StoreError) -> Vec<Effect> {
        debug!(conv_id = %self.setup.conv_id, %error, "failed to record a turn; its message waits");
        self.report(SessionReport::NotBegun(self.setup.conv_id.clone())).await;
        Vec::new()
    }

    /// Checks who else has the conversation open. A disk that does not answer delays nobody's turn.
    async fn check_conversation(&self) -> ConversationCheck {
        let Conversation::Resume(id) = self.setup.launch.conversation.clone() else {
            return ConversationCheck::default();
        };
        let environment = self.setup.launch.environment(std::env::vars_os());
        let Some(folder) = running::folder(&environment) else { return ConversationCheck::default() };
        let ours = rustix::process::getpid();
        let check = tokio::task::spawn_blocking(move || running::check(&folder, &id, ours));
        match tokio::time::timeout(CHECK_TIMEOUT, check).await {
            Ok(Ok(check)) => check,
            Ok(Err(_)) | Err(_) => {
                warn!(conv_id = %self.setup.conv_id, "failed to check who else has the conversation open");
                ConversationCheck::default()
            }
        }
    }

    /// Whether somebody else wrote to the conversation, so that the idle process, which reads it only at its start, is
    /// behind. What the process itself writes comes with a line on its stdout.
    fn is_behind(&self, written: SystemTime) -> bool {
        let own = self.last_line_at + TRANSCRIPT_DELAY;
        self.process.is_some() && !self.machine.is_busy() && written > own
    }
}
