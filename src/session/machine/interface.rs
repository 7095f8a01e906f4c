//! The inputs and effects of a session's machine.

use std::time::{Duration, Instant};

use crate::claude::launch::Conversation;
use crate::claude::process::ProcessExit;
use crate::claude::wire::Output;
use crate::ids::{ClaudeSessionId, MessageId};
use crate::session::turn::{FinishedTurn, OpenRequest, Prompt, ReplyTarget, RequestOutcome};

/// What happens to a session.
#[derive(Debug)]
pub enum Input {
    /// Run this prompt; its turn is on record already.
    Prompt(Prompt),
    /// Claude Code wrote this line.
    Claude(Output),
    /// The process and everything it started have ended.
    Exited(ProcessExit),
    /// The process could not be started; the sentence says why.
    NotStarted(String),
    /// A line could not be written because Claude Code does not read its input.
    InputBlocked,
    /// Decide the oldest open permission request.
    Decide(Decision, Instruction),
    /// The owner typed this while a question or a plan waits for an answer in words.
    Typed(String, Instruction),
    /// Change the permission mode, as Claude Code names it.
    Mode(String),
    /// Stop the turn of this inbox entry if it still runs.
    Stop(i64),
    /// Stop what Claude does without being asked: a turn that it began by itself, and what it runs in the background.
    StopUnasked(Instruction),
    /// End the session's process; a running turn is stopped.
    Close,
    /// Make room for another session: end the process as soon as it is idle.
    Suspend,
    /// The daemon shuts down; the running turn may go on until this time.
    Shutdown(Instant),
    /// Time has passed; deadlines are looked at.
    Tick,
}

/// A person's message that instructs the session to do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Its number in the inbox. It is answered by the [`Effect::Instruction`] that carries it.
    pub mail: i64,
    /// Its id in Feishu.
    pub message_id: MessageId,
    /// Where an answer to it goes.
    pub reply: ReplyTarget,
    /// When it was sent. It does not apply to what Claude asked later.
    pub sent: Instant,
}

/// What became of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstructionOutcome {
    /// The instruction was followed.
    Followed,
    /// There was no request to decide.
    NothingAsked,
    /// Claude asked after the instruction was sent, so its sender has not seen the request.
    AskedSince,
    /// The request cannot be allowed to that extent.
    NotOffered,
    /// Nothing waited for an answer in words, so the message is a prompt.
    NotAnAnswer,
    /// There was nothing to stop.
    NothingRuns,
}

/// A person's answer to a permission request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Allow it, to this extent.
    Allow(AllowScope),
    /// Deny it; Claude is told the reason, if there is one.
    Deny(Option<String>),
}

/// How much is allowed along with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllowScope {
    /// Allows this request only.
    Once,
    /// Also whatever its rules cover, in this session.
    Rule,
    /// Also all edits, in this session.
    Edits,
}

/// What came of a press of a button.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PressResult {
    /// The turn is being stopped.
    Stopping,
    /// It decided the request in this way.
    Decided(RequestOutcome),
    /// Nothing: the request was decided before, in this way.
    Already(RequestOutcome),
    /// Nothing: the turn is over.
    Over,
    /// Nothing: the card shows something else than what Claude asks.
    Changed,
    /// Nothing: the request cannot be answered like that.
    NotOffered,
    /// Nothing: no answer was chosen or typed.
    NoAnswer,
}

/// What the actor has to do.
#[derive(Debug, PartialEq)]
pub enum Effect {
    /// Write a line to Claude.
    Write(String),
    /// Show a request to the session's owner; the number says how many are open now.
    Ask(OpenRequest, usize),
    /// Remind the owner of a request.
    Remind(OpenRequest),
    /// Show what became of a request.
    Decided(OpenRequest, RequestOutcome),
    /// Remember a rule: what it covers needs no permission for the rest of the session.
    Rule(String),
    /// Remember the session's permission mode.
    Mode(String),
    /// Tells what became of an instruction.
    Instruction(Instruction, InstructionOutcome),
    /// Tell the running turn's user or else the owner.
    Tell(Notice),
    /// Record the end of a turn and tell its user.
    Settle(FinishedTurn),
    /// Remember the conversation's id; Claude has it on disk from now on.
    Conversation(ClaudeSessionId),
    /// Close Claude's input: it ends when it is done.
    CloseInput,
    /// End the process and everything it started.
    Terminate,
    /// Kill the process and everything it started.
    Kill,
    /// Start the process, or start it again.
    Launch(Conversation),
    /// Nothing is left to do: the session is suspended.
    End,
}

/// What a person is told while a turn runs, or between turns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Nobody answered the request to use this tool in time.
    Expired(String),
    /// Claude has lost the conversation, and a new one begins.
    Forgotten,
    /// Claude has written no line for some time.
    Silent {
        /// How long the silence has lasted.
        lasted: Duration,
        /// How long the turn may still take.
        left: Duration,
    },
    /// Calls to the API fail and are tried again.
    Retrying {
        /// The HTTP status; `None` if there was no answer.
        status: Option<u16>,
    },
    /// The conversation was summarised to make room.
    Compacted,
    /// Summarising the conversation failed.
    CompactionFailed,
    /// A line was too long to be read; a part of the answer may be missing.
    LineLost,
    /// Claude refused to work in this permission mode.
    ModeRefused(String),
    /// This many commands and subagents that ran in the background were ended.
    BackgroundEnded(usize),
}
