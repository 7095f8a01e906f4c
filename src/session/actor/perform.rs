//! Doing what the machine says.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use jiff::{Timestamp, Zoned};
use tracing::{info, warn};

use super::{Actor, SessionReport, staging};
use crate::claude::failure;
use crate::claude::launch::{ClaudeProgram, Conversation, Launch, LaunchError, git_runs_programs};
use crate::claude::process::{ClaudeProcess, SendError};
use crate::logs::events;
use crate::mail::Settlement;
use crate::session::machine::{Effect, Input};
use crate::session::report;
use crate::session::show::TurnContext;
use crate::session::turn::{FinishedTurn, ReplyTarget, TurnOutcome};
use crate::words::Words;

/// A disk that does not say within this time what is where is taken for broken.
const FINDING: Duration = Duration::from_secs(5);
/// An answer of so many bytes is rendered on a thread of its own, as that takes milliseconds.
const LONG_ANSWER: usize = 1 << 20;

impl Actor {
    /// Runs the machine's effects; false when the session is over.
    pub(super) async fn perform(&mut self, effects: Vec<Effect>) -> bool {
        let mut effects = VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Write(line) => {
                    let sent = self.process.as_ref().map_or(Ok(()), |(process, _)| process.send(line));
                    if let Err(error) = sent {
                        warn!(conv_id = %self.setup.conv_id, %error, "a line did not reach claude");
                    }
                    // A process that is gone is told by its exit.
                    if sent == Err(SendError::Busy) {
                        let given_up = self.machine.handle(Input::InputBlocked, Instant::now());
                        given_up.into_iter().rev().for_each(|effect| effects.push_front(effect));
                    }
                }
                Effect::CloseInput => self.with_process(ClaudeProcess::close_input),
                Effect::Terminate => self.with_process(ClaudeProcess::terminate),
                Effect::Kill => self.with_process(ClaudeProcess::kill),
                Effect::Launch(conversation) => {
                    if let Err(error) = self.launch(conversation).await {
                        warn!(
                            name: events::CLAUDE_FAILED,
                            conv_id = %self.setup.conv_id,
                            %error,
                            "claude cannot be started"
                        );
                        let why = failure::explain_launch(&error, self.setup.language);
                        effects = self.machine.handle(Input::NotStarted(why), Instant::now()).into();
                    }
                }
                Effect::Ask(ask, open) => {
                    self.show_question(&ask);
                    info!(
                        name: events::APPROVAL_ASKED,
                        conv_id = %self.setup.conv_id,
                        user = %self.setup.owner.user,
                        tool = short(&ask.request.tool),
                        "approval asked for"
                    );
                    self.ask(&ask, open).await;
                }
                Effect::Remind(ask) => self.remind(&ask).await,
                Effect::Decided(ask, decided) => self.decided(&ask, &decided).await,
                Effect::Rule(rule) => {
                    self.setup.launch.rules.push(rule.clone());
                    self.report(SessionReport::Rule(self.setup.conv_id.clone(), rule)).await;
                }
                Effect::Mode(mode) => {
                    self.setup.launch.permission_mode.clone_from(&mode);
                    self.report(SessionReport::Mode(self.setup.conv_id.clone(), mode)).await;
                }
                Effect::Followed(order) => {
                    self.settle(report::heard(order.mail, &order.message_id, &self.setup.owner.user)).await;
                }
                Effect::AskedSince(order) => {
                    let words = Words(self.setup.language).asked_since();
                    self.settle(report::notice(vec![order.mail], &order.reply, words)).await;
                }
                Effect::NotOffered(order) => {
                    let words = Words(self.setup.language).not_offered();
                    self.settle(report::notice(vec![order.mail], &order.reply, words)).await;
                }
                Effect::NothingAsked(order) => {
                    let words = Words(self.setup.language).nothing_asked();
                    self.settle(report::notice(vec![order.mail], &order.reply, words)).await;
                }
                Effect::NotAnAnswer(order) => {
                    self.report(SessionReport::NotAnAnswer(self.setup.conv_id.clone(), order.mail)).await;
                }
                Effect::NothingRuns(order) => {
                    let words = Words(self.setup.language).nothing_runs();
                    self.settle(report::notice(vec![order.mail], &order.reply, words)).await;
                }
                Effect::Tell(notice) => {
                    self.overtake();
                    let sentence = report::sentence(&notice, Words(self.setup.language));
                    self.settle(report::notice(Vec::new(), &self.reply(), sentence)).await;
                }
                Effect::Conversation(id) => {
                    self.setup.launch.conversation = Conversation::Resume(id.clone());
                    self.report(SessionReport::Conversation(self.setup.conv_id.clone(), id)).await;
                }
                Effect::Settle(done) => self.finish(done).await,
                Effect::End => return false,
            }
        }
        true
    }

    async fn launch(&mut self, conversation: Conversation) -> Result<(), LaunchError> {
        let launch = &mut self.setup.launch;
        launch.conversation = conversation;
        let (command, cwd) = (self.setup.command.clone(), launch.cwd.clone());
        let find = move || {
            Launch::find_project(&cwd)?;
            let program = ClaudeProgram::find(&command, std::env::var_os("PATH").as_deref())?;
            Ok::<_, LaunchError>((program, git_runs_programs(&cwd)))
        };
        let found = tokio::time::timeout(FINDING, tokio::task::spawn_blocking(find)).await;
        (launch.program, launch.git_runs_programs) = match found {
            Ok(Ok(found)) => found?,
            Ok(Err(_)) | Err(_) => return Err(LaunchError::DiskSilent),
        };
        let (process, events) = ClaudeProcess::spawn(launch, &self.setup.phonework)?;
        info!(conv_id = %self.setup.conv_id, pid = process.pid(), "claude started");
        self.pid.store(process.pid().unwrap_or_default(), Ordering::Relaxed);
        self.process = Some((process, events));
        (self.heard, self.garbled) = (SystemTime::now(), false);
        Ok(())
    }

    fn with_process(&self, act: impl Fn(&ClaudeProcess)) {
        if let Some((process, _)) = &self.process {
            act(process);
        }
    }

    /// Where things go now: to the running turn's message, else to the session's chat.
    pub(super) fn reply(&self) -> ReplyTarget {
        self.machine.reply().unwrap_or_else(|| self.setup.owner.home.clone())
    }

    pub(super) async fn finish(&mut self, done: FinishedTurn) {
        let words = Words(self.setup.language);
        let reply =
            done.prompt.as_ref().map_or_else(|| self.setup.owner.home.clone(), |prompt| prompt.reply.clone());
        let at = Timestamp::now();
        info!(
            conv_id = %self.setup.conv_id,
            user = %self.setup.owner.user,
            outcome = done.outcome.word(),
            took_ms = u64::try_from(done.took.as_millis()).unwrap_or(u64::MAX),
            "turn over"
        );
        let mail = done.prompt.as_ref().map(|prompt| prompt.mail);
        if mail.is_some() && done.outcome == TurnOutcome::Answered {
            self.setup.tap.note_answer(at, done.took);
        }
        self.show_end(&done, at);
        let shown = self.leave_stage(done.id);
        self.tell_failure(&done.outcome);
        let is_long = done.text.len() >= LONG_ANSWER;
        let (conv_id, user) = (self.setup.conv_id.clone(), self.setup.owner.user.clone());
        let project = self.setup.launch.cwd.clone();
        let render = move || {
            let now = Zoned::now();
            let group = staging::is_group(&reply);
            let scene =
                TurnContext { conv_id: &conv_id, turn: done.id, project: &project, group, words, now: &now };
            let (posts, final_updates) = staging::end(&scene, &done, &reply, shown);
            Settlement {
                mails: mail.into_iter().collect(),
                turn: done.prompt.as_ref().map(|prompt| (prompt.turn_id, done.outcome.word().to_owned())),
                posts,
                final_updates,
                audit: Some(report::record(done, &conv_id, &user, &project, at)),
                at,
            }
        };
        let settlement = if is_long {
            match tokio::task::spawn_blocking(render).await {
                Ok(settlement) => settlement,
                // The runtime ends: the turn is found cut at the next start.
                Err(_) => return,
            }
        } else {
            render()
        };
        self.settle(settlement).await;
        if mail.is_some() {
            self.report(SessionReport::Settled(self.setup.conv_id.clone())).await;
        }
    }

    fn tell_failure(&self, outcome: &TurnOutcome) {
        let what = match outcome {
            TurnOutcome::Crashed(_) => "claude ended in the middle of a turn",
            TurnOutcome::Failed(_) => "claude ended a turn with an error",
            TurnOutcome::Answered
            | TurnOutcome::Stopped
            | TurnOutcome::TimedOut(_)
            | TurnOutcome::Cut
            | TurnOutcome::UnknownCommand(_)
            | TurnOutcome::Limited { .. }
            | TurnOutcome::Compacted
            | TurnOutcome::Cleared
            | TurnOutcome::OpenElsewhere(_) => return,
        };
        warn!(name: events::CLAUDE_FAILED, conv_id = %self.setup.conv_id, "{what}");
    }

    pub(super) async fn settle(&self, settlement: Settlement) {
        self.setup.store.settle_with_retry(settlement).await;
    }

    pub(super) async fn report(&self, report: SessionReport) {
        // The router outlives its sessions; when it is gone, the daemon is leaving.
        let _ = self.setup.reports.send(report).await;
    }
}

/// A tool's name as far as it fits into a line of the journal: a program that is not Claude Code may send anything.
pub(super) fn short(tool: &str) -> &str {
    tool.char_indices().nth(64).map_or(tool, |(end, _)| &tool[..end])
}
