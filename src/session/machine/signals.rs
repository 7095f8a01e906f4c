//! What goes into a session's machine and what comes out of it.

use std::time::{Duration, Instant};

use crate::claude::launch::Conversation;
use crate::claude::process::ProcessExit;
use crate::claude::wire::Output;
use crate::ids::{ClaudeSessionId, MessageId};
use crate::session::turn::{FinishedTurn, OpenRequest, Prompt, ReplyTarget, RequestOutcome};

/// What happens to a session.
#[derive(Debug)]
pub enum Input {
    /// A prompt; its turn is on record already.
    Prompt(Prompt),
    /// A line of Claude's.
    Claude(Output),
    /// The process and all it started have ended.
    Exited(ProcessExit),
    /// The process could not be started; the sentence says why.
    NotStarted(String),
    /// Claude does not read its input: a line could not be written.
    InputBlocked,
    /// The answer to the oldest open permission request.
    Decide(Decision, Instruction),
    /// The owner typed this while a question or a plan waits for his words.
    Typed(String, Instruction),
    /// The session's permission mode shall be this from now on, as Claude Code names it.
    Mode(String),
    /// The turn of this inbox entry shall end now, if it still runs.
    Stop(i64),
    /// What Claude does without being asked shall end: a turn that it began by itself, what it runs in the background.
    StopUnasked(Instruction),
    /// The session's process shall end; a running turn is stopped.
    Close,
    /// The process shall make room, as soon as it is idle.
    Sleep,
    /// The daemon leaves: the running turn has until then.
    Leave(Instant),
    /// Time has passed.
    Tick,
}

/// The message by which a person said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Its place in the inbox; it is done with the effect that names the order.
    pub mail: i64,
    /// The message.
    pub message_id: MessageId,
    /// Where an answer to it goes.
    pub reply: ReplyTarget,
    /// When it was sent: what Claude has asked since is not what it is about.
    pub sent: Instant,
}

/// A person's answer to a permission request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may run: once, by its rule for the session, or with all edits.
    Allow(AllowScope),
    /// It may not; Claude is told why.
    Deny(Option<String>),
}

/// How far a leave goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllowScope {
    /// For this once.
    Once,
    /// For whatever the same rule covers, in this session.
    Rule,
    /// For edits in this session.
    Edits,
}

/// What came of a press of a button.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PressResult {
    /// The turn is being stopped.
    Stopping,
    /// This was decided by it.
    Decided(RequestOutcome),
    /// Nothing: this was decided before.
    Already(RequestOutcome),
    /// Nothing: the turn is over.
    Over,
    /// Nothing: what was shown is not what Claude asks.
    Changed,
    /// Nothing: this is no answer to what Claude asks.
    NotOffered,
    /// Nothing: no answer was chosen or typed.
    NoAnswer,
}

/// What the actor shall do.
#[derive(Debug, PartialEq)]
pub enum Effect {
    /// Write a line to Claude.
    Write(String),
    /// Show a request of Claude's to the session's owner; so many are open now.
    Ask(OpenRequest, usize),
    /// Tell the owner once more that this waits for him.
    Remind(OpenRequest),
    /// Show what became of a request.
    Decided(OpenRequest, RequestOutcome),
    /// What this rule covers needs no question for the rest of the session.
    Rule(String),
    /// The session's permission mode is this from now on.
    Mode(String),
    /// The order was followed.
    Followed(Instruction),
    /// There was nothing to decide.
    NothingAsked(Instruction),
    /// What Claude asks was asked after the order was sent: its sender has not seen it.
    AskedSince(Instruction),
    /// What Claude asks cannot be allowed so far.
    NotOffered(Instruction),
    /// Nothing waited for the owner's words: his message is a prompt.
    NotAnAnswer(Instruction),
    /// There was nothing to stop.
    NothingRuns(Instruction),
    /// Tell the running turn's user, or the owner.
    Tell(Notice),
    /// Put a turn's end on record and tell its user.
    Settle(FinishedTurn),
    /// The conversation goes by this id from now on, and Claude has it on disk.
    Conversation(ClaudeSessionId),
    /// Close Claude's input: it ends when it is done.
    CloseInput,
    /// End the process and all it started.
    Terminate,
    /// End them at once.
    Kill,
    /// Start the process (again).
    Launch(Conversation),
    /// Nothing is left to do: the session sleeps.
    End,
}

/// What a person is told while a turn runs, or between turns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Nobody answered the request to use this tool in time.
    Expired(String),
    /// Claude has lost the conversation and a new one begins.
    Forgotten,
    /// No line came for so long; the turn may still take so long.
    Silent {
        /// The silence so far.
        lasted: Duration,
        /// What is left of the turn's time.
        left: Duration,
    },
    /// Calls of the API fail, with this HTTP status or without any answer, and are tried again.
    Retrying {
        /// The status.
        status: Option<u16>,
    },
    /// The conversation was summarised to make room.
    Compacted,
    /// The conversation was to be summarised to make room, and could not be.
    CompactionFailed,
    /// A line was too long to be read; a part of the answer may be missing.
    LineLost,
    /// Claude would not go on in this permission mode.
    ModeRefused(String),
    /// So many commands and subagents that ran in the background were ended.
    BackgroundEnded(usize),
}
