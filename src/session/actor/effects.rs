//! Runs the effects of the machine.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use jiff::{Timestamp, Zoned};
use tracing::{info, warn};

use super::{Actor, SessionReport, cards};
use crate::claude::failure;
use crate::claude::launch::{ClaudeProgram, Conversation, Launch, LaunchError, git_runs_programs};
use crate::claude::process::{ClaudeProcess, SendError};
use crate::logs::events;
use crate::mail::Settlement;
use crate::session::machine::{Effect, Input, Instruction, InstructionOutcome};
use crate::session::report;
use crate::session::show::TurnContext;
use crate::session::turn::{FinishedTurn, ReplyTarget, TurnOutcome};
use crate::words::Words;

/// Maximum wait for the disks of the project and of the program.
const DISK_TIMEOUT: Duration = Duration::from_secs(5);
/// Answers of this length and more are rendered on a blocking thread, as that takes milliseconds.
const BLOCKING_RENDER_BYTES: usize = 1 << 20;
/// A longer tool name is cut in the log: a program that is not Claude Code may send anything.
const MAX_LOGGED_TOOL_CHARS: usize = 64;

impl Actor {
    /// Runs the machine's effects; false when the session is over.
    pub(super) async fn perform(&mut self, effects: Vec<Effect>) -> bool {
        let mut effects = VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Write(line) => {
                    let sent = self.process.as_ref().map_or(Ok(()), |(process, _)| process.send(line));
                    if let Err(error) = sent {
                        warn!(conv_id = %self.setup.conv_id, %error, "failed to write a line to claude");
                    }
                    // If the process is gone, its exit is handled later.
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
                            "failed to start claude"
                        );
                        let why = failure::explain_launch(&error, self.setup.language);
                        effects = self.machine.handle(Input::NotStarted(why), Instant::now()).into();
                    }
                }
                Effect::Ask(request, open) => {
                    self.publish_request(&request);
                    info!(
                        name: events::APPROVAL_ASKED,
                        conv_id = %self.setup.conv_id,
                        user = %self.setup.owner.user,
                        tool = short(&request.permission.tool),
                        "approval requested"
                    );
                    self.ask(&request, open).await;
                }
                Effect::Remind(request) => self.remind(&request).await,
                Effect::Decided(request, outcome) => self.decided(&request, &outcome).await,
                Effect::Rule(rule) => {
                    self.setup.launch.rules.push(rule.clone());
                    self.report(SessionReport::Rule(self.setup.conv_id.clone(), rule)).await;
                }
                Effect::Mode(mode) => {
                    self.setup.launch.permission_mode.clone_from(&mode);
                    self.report(SessionReport::Mode(self.setup.conv_id.clone(), mode)).await;
                }
                Effect::Instruction(instruction, outcome) => {
                    self.answer_instruction(&instruction, outcome).await;
                }
                Effect::Tell(notice) => {
                    self.mark_overtaken();
                    let sentence = report::sentence(&notice, Words(self.setup.language));
                    self.settle(report::notice(Vec::new(), &self.reply(), sentence)).await;
                }
                Effect::Conversation(id) => {
                    self.setup.launch.conversation = Conversation::Resume(id.clone());
                    self.report(SessionReport::Conversation(self.setup.conv_id.clone(), id)).await;
                }
                Effect::Settle(turn) => self.finish(turn).await,
                Effect::End => return false,
            }
        }
        true
    }

    /// Answers the message by which a person gave an instruction.
    pub(super) async fn answer_instruction(&self, instruction: &Instruction, outcome: InstructionOutcome) {
        let words = Words(self.setup.language);
        let Instruction { mail, message_id, reply, sent: _ } = instruction;
        let sentence = match outcome {
            InstructionOutcome::Followed => {
                return self.settle(report::heard(*mail, message_id, &self.setup.owner.user)).await;
            }
            InstructionOutcome::NotAnAnswer => {
                return self.report(SessionReport::NotAnAnswer(self.setup.conv_id.clone(), *mail)).await;
            }
            InstructionOutcome::AskedSince => words.asked_since(),
            InstructionOutcome::NotOffered => words.not_offered(),
            InstructionOutcome::NothingAsked => words.nothing_asked(),
            InstructionOutcome::NothingRuns => words.nothing_runs(),
        };
        self.settle(report::notice(vec![*mail], reply, sentence)).await;
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
        let found = tokio::time::timeout(DISK_TIMEOUT, tokio::task::spawn_blocking(find)).await;
        (launch.program, launch.git_runs_programs) = match found {
            Ok(Ok(found)) => found?,
            Ok(Err(_)) | Err(_) => return Err(LaunchError::DiskSilent),
        };
        let (process, events) = ClaudeProcess::spawn(launch, &self.setup.phonework)?;
        info!(conv_id = %self.setup.conv_id, pid = process.pid(), "claude started");
        self.pid.store(process.pid().unwrap_or_default(), Ordering::Relaxed);
        self.process = Some((process, events));
        (self.last_line_at, self.garbage_logged) = (SystemTime::now(), false);
        Ok(())
    }

    fn with_process(&self, action: impl Fn(&ClaudeProcess)) {
        if let Some((process, _)) = &self.process {
            action(process);
        }
    }

    /// Where notices go now: to the running turn's message, or else to the session's chat.
    pub(super) fn reply(&self) -> ReplyTarget {
        self.machine.reply().unwrap_or_else(|| self.setup.owner.home.clone())
    }

    /// Records the end of a turn: its answer for the chat, and its line for the audit log.
    pub(super) async fn finish(&mut self, turn: FinishedTurn) {
        let words = Words(self.setup.language);
        let reply =
            turn.prompt.as_ref().map_or_else(|| self.setup.owner.home.clone(), |prompt| prompt.reply.clone());
        let at = Timestamp::now();
        info!(
            conv_id = %self.setup.conv_id,
            user = %self.setup.owner.user,
            outcome = turn.outcome.word(),
            took_ms = u64::try_from(turn.took.as_millis()).unwrap_or(u64::MAX),
            "turn ended"
        );
        let mail = turn.prompt.as_ref().map(|prompt| prompt.mail);
        if mail.is_some() && turn.outcome == TurnOutcome::Answered {
            self.setup.event_feed.note_answer(at, turn.took);
        }
        self.publish_end(&turn, at);
        let card = self.remove_turn_card(turn.id);
        self.log_failure(&turn.outcome);
        let is_long = turn.text.len() >= BLOCKING_RENDER_BYTES;
        let (conv_id, user) = (self.setup.conv_id.clone(), self.setup.owner.user.clone());
        let project = self.setup.launch.cwd.clone();
        let render = move || {
            let now = Zoned::now();
            let group = cards::is_group(&reply);
            let context =
                TurnContext { conv_id: &conv_id, turn: turn.id, project: &project, group, words, now: &now };
            let (posts, final_updates) = cards::end(&context, &turn, &reply, card);
            Settlement {
                mails: mail.into_iter().collect(),
                turn: turn.prompt.as_ref().map(|prompt| (prompt.turn_id, turn.outcome.word().to_owned())),
                posts,
                final_updates,
                audit: Some(report::record(turn, &conv_id, &user, &project, at)),
                at,
            }
        };
        let settlement = if is_long {
            match tokio::task::spawn_blocking(render).await {
                Ok(settlement) => settlement,
                // The runtime is shutting down; the next start finds the turn interrupted.
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

    fn log_failure(&self, outcome: &TurnOutcome) {
        let what = match outcome {
            TurnOutcome::Crashed(_) => "claude ended in the middle of a turn",
            TurnOutcome::Failed(_) => "claude ended a turn with an error",
            TurnOutcome::Answered
            | TurnOutcome::Stopped
            | TurnOutcome::TimedOut(_)
            | TurnOutcome::Interrupted
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
        // The router outlives its sessions; if it is gone, the daemon is shutting down.
        let _ = self.setup.reports.send(report).await;
    }
}

/// A tool's name as it is logged.
pub(super) fn short(tool: &str) -> &str {
    tool.char_indices().nth(MAX_LOGGED_TOOL_CHARS).map_or(tool, |(end, _)| &tool[..end])
}
