//! A live session: one task that owns one `claude` process and runs what the machine says.
//!
//! The control lane (stop, close, decisions) comes before Claude's lines, so that a
//! person is heard while Claude talks. The reading of Claude's output never waits for a person or for Feishu; it waits
//! for `mail.db` where something has to be on record first.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Instant, SystemTime};

use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

use super::event_feed::EventFeed;
use super::machine::{Effect, Input, Machine, SessionLimits};
use super::report::SessionOwner;
use super::turn::{Prompt, ReplyTarget};
use crate::card_action::{Press, Toast};
use crate::claude::launch::Launch;
use crate::claude::process::{ClaudeProcess, ProcessEvent, ProcessExit};
use crate::claude::running::OpenElsewhere;
use crate::claude::wire::Output;
use crate::crash::{self, Point};
use crate::ids::{ClaudeSessionId, ConvId, SlotId};
use crate::language::Language;
use crate::mail::live_cards::LiveCards;
use crate::mail::{Recipient, Store};
use crate::words::Words;

mod begin;
mod perform;
mod showing;
mod staging;

use showing::ShownTurn;
use staging::{TurnCard, is_lively};

/// A prompt for a session, or the wish to have the last one run again.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionWork {
    /// The prompt; where the last one is to be run again, its text is empty.
    pub prompt: Prompt,
    /// Whether it is run again, although the session may be open elsewhere: its owner knows.
    pub again: bool,
}

/// The router's handle of a live session.
#[derive(Clone, Debug)]
pub struct SessionHandle {
    /// Prompts, one at a time.
    pub work: mpsc::Sender<SessionWork>,
    /// What does not wait for a turn's end.
    pub control: mpsc::Sender<ControlMessage>,
    /// The process above all that the session runs; 0 while there is none.
    pid: Arc<AtomicU32>,
}

impl SessionHandle {
    /// The process above all that the session runs, while there is one.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        Some(self.pid.load(Ordering::Relaxed)).filter(|&pid| pid != 0)
    }
}

/// What does not wait for a turn's end.
#[derive(Debug)]
pub enum ControlMessage {
    /// For the machine.
    Do(Input),
    /// The session's owner pressed a button that concerns the running turn ([`Act::Stop`], [`Act::Decide`],
    /// [`Act::Answer`]); he is shown at once what came of it.
    ///
    /// [`Act::Stop`]: crate::card_action::CardAction::Stop
    /// [`Act::Decide`]: crate::card_action::CardAction::Decide
    /// [`Act::Answer`]: crate::card_action::CardAction::Answer
    Press(Press, oneshot::Sender<Toast>),
}

/// What a live session tells the router.
#[derive(Debug)]
pub enum SessionReport {
    /// The turn that was asked for is over, its answer is on record.
    Settled(ConvId),
    /// The prompt could not be put on record; it still waits.
    Unbegun(ConvId),
    /// Claude has the conversation on disk under this id.
    Conversation(ConvId, ClaudeSessionId),
    /// What waits for the owner's decision now, as soon as that changes.
    Asking(ConvId, Option<OpenRequests>),
    /// Whether a turn runs that Claude began by itself, as soon as that changes.
    Unasked(ConvId, bool),
    /// What was typed as an answer came too late to be one: it is a prompt like any other.
    NotAnAnswer(ConvId, i64),
    /// The session's permission mode is this from now on.
    Mode(ConvId, String),
    /// The owner allows what this rule covers for the rest of the session.
    Rule(ConvId, String),
    /// The session sleeps. A prompt that was sent to it and is not reported settled was not begun.
    Ended {
        /// The session.
        conv_id: ConvId,
        /// What the conversation has cost so far, in US dollars, if that is known.
        cost_usd: Option<f64>,
    },
}

/// The open requests of a session. All of them are its running turn's, so their cards are in one chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRequests {
    /// Where their cards are: what is typed elsewhere is not about them.
    pub chat: Recipient,
    /// How many there are.
    pub requests: usize,
    /// Whether one is a question or a plan: what its owner types is the answer then ([`Input::Typed`]).
    pub words: bool,
}

/// All that a live session needs.
#[derive(Debug)]
pub struct ActorSetup {
    /// The session.
    pub conv_id: ConvId,
    /// Whose it is, and where things go that answer no message.
    pub owner: SessionOwner,
    /// The program that is Claude Code, as configured; it is looked up at each start.
    pub command: String,
    /// How it is started.
    pub launch: Launch,
    /// This program, which the process is started through.
    pub phonework: PathBuf,
    /// The times it keeps.
    pub limits: SessionLimits,
    /// What the conversation had cost before, in US dollars.
    pub cost_usd: Option<f64>,
    /// For what the bot itself says.
    pub language: Language,
    /// Where everything is put on record.
    pub store: Store,
    /// What is shown while it happens.
    pub(crate) stage: LiveCards,
    /// The router.
    pub reports: mpsc::Sender<SessionReport>,
    /// Who looks on.
    pub tap: EventFeed,
}

/// Starts the task of a live session, and with it Claude's process; `first` is done even if there can be no process.
#[must_use]
pub fn start(setup: ActorSetup, first: Option<SessionWork>) -> SessionHandle {
    // The router sends one prompt and waits for its report.
    let (work, work_rx) = mpsc::channel(1);
    let (control, control_rx) = mpsc::channel(64);
    let pid = Arc::default();
    tokio::spawn(Actor::run(setup, Arc::clone(&pid), first, work_rx, control_rx));
    SessionHandle { work, control, pid }
}

struct Actor {
    setup: ActorSetup,
    machine: Machine,
    process: Option<(ClaudeProcess, mpsc::Receiver<ProcessEvent>)>,
    /// Its pid, for those who look on.
    pid: Arc<AtomicU32>,
    /// When the process was started or last heard.
    heard: SystemTime,
    /// Whether the log says already that this process writes what is no line of Claude's.
    garbled: bool,
    /// Processes with the conversation open that its user knows of: he had his prompt run nevertheless.
    accepted: BTreeSet<OpenElsewhere>,
    /// What those who look on have seen of the running turn.
    shown: ShownTurn,
    /// What the router knows to wait for the owner.
    asks: Option<OpenRequests>,
    /// Whether the router knows that a turn runs which Claude began by itself.
    unasked: bool,
    /// What the chat shows of turns that are not over; nearly always one.
    screens: Vec<TurnCard>,
    /// Whether what is shown of the running turn has changed since it was drawn.
    lively: bool,
    /// The cards that ask, and where they are.
    asking: Vec<(SlotId, ReplyTarget)>,
}

enum ActorStep {
    Control(ControlMessage),
    Work(SessionWork),
    Claude(ProcessEvent),
    Due,
}

impl Actor {
    async fn run(
        setup: ActorSetup,
        pid: Arc<AtomicU32>,
        first: Option<SessionWork>,
        mut work: mpsc::Receiver<SessionWork>,
        mut control: mpsc::Receiver<ControlMessage>,
    ) {
        let conversation = setup.launch.conversation.clone();
        let (machine, begin) =
            Machine::new(conversation.clone(), setup.limits, setup.language, setup.cost_usd, Instant::now());
        let mut actor = Self {
            setup,
            machine,
            process: None,
            pid,
            heard: SystemTime::now(),
            garbled: false,
            accepted: BTreeSet::new(),
            shown: ShownTurn::default(),
            asks: None,
            unasked: false,
            screens: Vec::new(),
            lively: false,
            asking: Vec::new(),
        };
        let mut effects = vec![Effect::Launch(conversation)];
        effects.extend(begin);
        let mut alive = actor.perform(effects).await;
        if let Some(first) = first {
            let effects = actor.begin(first).await;
            if !effects.is_empty() {
                alive = actor.perform(effects).await;
            }
        }
        while alive {
            let effects = match actor.next(&mut control, &mut work).await {
                ActorStep::Control(control) => {
                    // A prompt that was sent before it comes before it: `/stop` must find it.
                    if let Ok(job) = work.try_recv() {
                        let effects = actor.begin(job).await;
                        alive = actor.perform(effects).await;
                    }
                    match control {
                        ControlMessage::Do(input) => actor.machine.handle(input, Instant::now()),
                        ControlMessage::Press(press, toast) => actor.pressed(&press, toast),
                    }
                }
                ActorStep::Work(work) => actor.begin(work).await,
                ActorStep::Claude(ProcessEvent::Line(output)) => actor.hear(output),
                ActorStep::Claude(ProcessEvent::Exited(exit)) => {
                    actor.process = None;
                    actor.pid.store(0, Ordering::Relaxed);
                    info!(conv_id = %actor.setup.conv_id, code = exit.code, signal = exit.signal, "claude ended");
                    actor.machine.handle(Input::Exited(exit), Instant::now())
                }
                ActorStep::Due => actor.machine.handle(Input::Tick, Instant::now()),
            };
            actor.show();
            actor.draw(Instant::now());
            // Who sees the question may answer at once.
            actor.report_doing().await;
            alive = actor.perform(effects).await && alive;
            actor.clear_screens().await;
        }
        // An order that crossed with the end is answered; the router answers those that come later.
        control.close();
        while let Ok(control) = control.try_recv() {
            let effects = match control {
                ControlMessage::Do(Input::Decide(_, order)) => vec![Effect::NothingAsked(order)],
                ControlMessage::Do(Input::Typed(_, order)) => vec![Effect::NotAnAnswer(order)],
                ControlMessage::Do(Input::StopUnasked(order)) => vec![Effect::NothingRuns(order)],
                ControlMessage::Do(_) => continue,
                ControlMessage::Press(press, toast) => actor.pressed(&press, toast),
            };
            actor.perform(effects).await;
        }
        let cost_usd = actor.machine.cost_total();
        actor.report(SessionReport::Ended { conv_id: actor.setup.conv_id.clone(), cost_usd }).await;
    }

    async fn next(
        &mut self,
        control: &mut mpsc::Receiver<ControlMessage>,
        work: &mut mpsc::Receiver<SessionWork>,
    ) -> ActorStep {
        let due = self.machine.due().into_iter().chain(self.drawing_due()).min();
        let process = &mut self.process;
        let line = async {
            match process {
                Some((_, events)) => events.recv().await,
                None => std::future::pending().await,
            }
        };
        let timer = async {
            match due {
                Some(due) => tokio::time::sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // A deadline comes before Claude's lines, which may not end.
            biased;
            Some(input) = control.recv() => ActorStep::Control(input),
            () = timer => ActorStep::Due,
            Some(job) = work.recv() => ActorStep::Work(job),
            event = line => ActorStep::Claude(event.unwrap_or_else(|| ProcessEvent::Exited(ProcessExit::default()))),
        }
    }

    /// Does what a button asks for. Who pressed it is told before it is done: he waits three seconds at most.
    fn pressed(&mut self, press: &Press, toast: oneshot::Sender<Toast>) -> Vec<Effect> {
        let (effects, came_of_it) = self.machine.press(press, Instant::now());
        // Who pressed has waited no longer.
        let _ = toast.send(Words(self.setup.language).pressed(&came_of_it));
        effects
    }

    /// Tells the router what it has not asked for: a turn of Claude's own, and what the owner can decide now and where.
    async fn report_doing(&mut self) {
        let unasked = self.machine.turn().is_some_and(|turn| turn.prompt().is_none());
        if std::mem::replace(&mut self.unasked, unasked) != unasked {
            self.report(SessionReport::Unasked(self.setup.conv_id.clone(), unasked)).await;
        }
        let asks = self.open_requests();
        if self.asks != asks {
            self.asks.clone_from(&asks);
            self.report(SessionReport::Asking(self.setup.conv_id.clone(), asks)).await;
        }
    }

    fn hear(&mut self, output: Output) -> Vec<Effect> {
        passes(&output);
        self.heard = SystemTime::now();
        if matches!(output, Output::Garbage | Output::TooLong) && !std::mem::replace(&mut self.garbled, true)
        {
            warn!(conv_id = %self.setup.conv_id, "claude writes what cannot be read; further such lines are not told");
        }
        self.lively |= is_lively(&output);
        self.machine.handle(Input::Claude(output), Instant::now())
    }
}

/// The crash points among what Claude says.
fn passes(output: &Output) {
    if let Output::Init(_) = output {
        crash::at(Point::InitHeard);
    }
    if let Output::Result(_) = output {
        crash::at(Point::ResultHeard);
    }
}
