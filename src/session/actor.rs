//! A live session: one task that owns one `claude` process and runs the effects of the machine.
//!
//! The control lane (stop, close, decisions) has priority over Claude's lines, so that a person is heard while Claude
//! writes. Reading Claude's output never waits for a person or for Feishu. It waits for `mail.db` where something has to
//! be recorded first.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Instant, SystemTime};

use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

use super::event_feed::EventFeed;
use super::machine::{Effect, Input, InstructionOutcome, Machine, SessionTimeouts};
use super::report::SessionOwner;
use super::show::press;
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
mod cards;
mod effects;
mod feed;

use cards::{TurnCard, changes_card};
use feed::PublishedTurn;

/// Maximum number of control messages that wait for the actor.
const CONTROL_QUEUE_LEN: usize = 64;

/// A prompt for a session, or a request to run the last prompt again.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SessionWork {
    /// The prompt; its text is empty if the last prompt is to be run again.
    pub(crate) prompt: Prompt,
    /// Whether its owner asked to run it again, so that it runs even if the conversation is open elsewhere.
    pub(crate) again: bool,
}

/// The router's handle to a live session.
#[derive(Clone, Debug)]
pub(crate) struct SessionHandle {
    /// Takes prompts, one at a time.
    pub(crate) work: mpsc::Sender<SessionWork>,
    /// Takes what does not wait for the end of a turn.
    pub(crate) control: mpsc::Sender<ControlMessage>,
    /// The pid of the warden; 0 while there is none.
    pid: Arc<AtomicU32>,
}

impl SessionHandle {
    /// The pid of the warden, the ancestor of all processes of the session.
    pub(crate) fn pid(&self) -> Option<u32> {
        Some(self.pid.load(Ordering::Relaxed)).filter(|&pid| pid != 0)
    }
}

/// What does not wait for the end of a turn.
#[derive(Debug)]
pub(crate) enum ControlMessage {
    /// An input for the machine.
    Do(Input),
    /// The session's owner pressed a button of the running turn (`CardAction::Stop`, `Decide` or `Answer`) and waits for
    /// the toast.
    Press(Press, oneshot::Sender<Toast>),
}

/// What a live session reports to the router.
#[derive(Debug)]
pub(crate) enum SessionReport {
    /// The turn of a prompt is over, and its answer is recorded.
    Settled(ConvId),
    /// The prompt could not be recorded; its message still waits.
    NotBegun(ConvId),
    /// Claude has the conversation on disk under this id.
    Conversation(ConvId, ClaudeSessionId),
    /// The requests that wait for the owner's decision have changed.
    Asking(ConvId, Option<OpenRequests>),
    /// A turn that Claude began by itself has started or ended.
    Unasked(ConvId, bool),
    /// What was typed as an answer came too late: this inbox entry is a prompt like any other.
    NotAnAnswer(ConvId, i64),
    /// The session's permission mode has changed.
    Mode(ConvId, String),
    /// The owner allows what this rule covers for the rest of the session.
    Rule(ConvId, String),
    /// The session is suspended. A prompt that was sent to it and is not reported as settled was not begun.
    Ended {
        conv_id: ConvId,
        /// What the conversation has cost so far in US dollars, if that is known.
        cost_usd: Option<f64>,
    },
}

/// The open requests of a session. All of them belong to its running turn, so their cards are in one chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenRequests {
    /// The chat with their cards. What is typed in another chat is not about them.
    pub(crate) chat: Recipient,
    /// How many there are.
    pub(crate) requests: usize,
    /// Whether one of them is a question or a plan, so that what the owner types is its answer ([`Input::Typed`]).
    pub(crate) words: bool,
}

/// Everything that a live session needs.
#[derive(Debug)]
pub(crate) struct ActorSetup {
    pub(crate) conv_id: ConvId,
    pub(crate) owner: SessionOwner,
    /// `CLAUDE_COMMAND` of the keyring. The program is looked up at each start.
    pub(crate) command: String,
    /// How Claude Code is started.
    pub(crate) launch: Launch,
    /// The path of this program, through which Claude Code is started.
    pub(crate) phonework: PathBuf,
    pub(crate) timeouts: SessionTimeouts,
    /// What the conversation cost before, in US dollars.
    pub(crate) cost_usd: Option<f64>,
    /// The language of the bot's own sentences.
    pub(crate) language: Language,
    /// Where turns, answers and notices are recorded.
    pub(crate) store: Store,
    /// The cards of running turns.
    pub(crate) live_cards: LiveCards,
    /// The way to the router.
    pub(crate) reports: mpsc::Sender<SessionReport>,
    /// Where `phonework tail` and health checks learn what happens.
    pub(crate) event_feed: EventFeed,
}

/// Starts the task of a live session and Claude's process. `first` is handled even if the process cannot be started.
pub(crate) fn start(setup: ActorSetup, first: Option<SessionWork>) -> SessionHandle {
    // One place is enough: the router sends one prompt and waits for its report.
    let (work, work_rx) = mpsc::channel(1);
    let (control, control_rx) = mpsc::channel(CONTROL_QUEUE_LEN);
    let pid = Arc::default();
    tokio::spawn(Actor::run(setup, Arc::clone(&pid), first, work_rx, control_rx));
    SessionHandle { work, control, pid }
}

struct Actor {
    setup: ActorSetup,
    machine: Machine,
    process: Option<(ClaudeProcess, mpsc::Receiver<ProcessEvent>)>,
    /// The warden's pid, shared with the [`SessionHandle`].
    pid: Arc<AtomicU32>,
    /// When the process was started or last wrote a line.
    last_line_at: SystemTime,
    /// Whether unreadable lines of this process were logged already.
    garbage_logged: bool,
    /// Other processes that have the conversation open and that its owner knows of.
    accepted: BTreeSet<OpenElsewhere>,
    /// What the event feed has had of the running turn.
    published: PublishedTurn,
    /// The open requests that were last reported to the router.
    reported_requests: Option<OpenRequests>,
    /// Whether the router was told that Claude has begun a turn by itself.
    reported_unasked: bool,
    /// The cards of turns that are not over; nearly always one.
    turn_cards: Vec<TurnCard>,
    /// Whether the running turn has changed since its card was last drawn.
    card_outdated: bool,
    /// The cards of open requests, and where they are.
    request_cards: Vec<(SlotId, ReplyTarget)>,
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
        let (machine, first_effects) = Machine::new(
            conversation.clone(),
            setup.timeouts,
            setup.language,
            setup.cost_usd,
            Instant::now(),
        );
        let mut actor = Self {
            setup,
            machine,
            process: None,
            pid,
            last_line_at: SystemTime::now(),
            garbage_logged: false,
            accepted: BTreeSet::new(),
            published: PublishedTurn::default(),
            reported_requests: None,
            reported_unasked: false,
            turn_cards: Vec::new(),
            card_outdated: false,
            request_cards: Vec::new(),
        };
        let mut effects = vec![Effect::Launch(conversation)];
        effects.extend(first_effects);
        let mut alive = actor.perform(effects).await;
        if let Some(first) = first {
            let effects = actor.begin(first).await;
            if !effects.is_empty() {
                alive = actor.perform(effects).await;
            }
        }
        while alive {
            alive = actor.step(&mut control, &mut work).await;
        }
        actor.answer_late_messages(control).await;
        let cost_usd = actor.machine.cost_total();
        actor.report(SessionReport::Ended { conv_id: actor.setup.conv_id.clone(), cost_usd }).await;
    }

    /// Waits for what happens next and handles it; false when the session is over.
    async fn step(
        &mut self,
        control: &mut mpsc::Receiver<ControlMessage>,
        work: &mut mpsc::Receiver<SessionWork>,
    ) -> bool {
        let mut alive = true;
        let effects = match self.next(control, work).await {
            ActorStep::Control(control) => {
                // A prompt that was sent earlier is handled first, so that `/stop` finds it.
                if let Ok(job) = work.try_recv() {
                    let effects = self.begin(job).await;
                    alive = self.perform(effects).await;
                }
                match control {
                    ControlMessage::Do(input) => self.machine.handle(input, Instant::now()),
                    ControlMessage::Press(press, toast) => self.pressed(&press, toast),
                }
            }
            ActorStep::Work(work) => self.begin(work).await,
            ActorStep::Claude(ProcessEvent::Line(output)) => self.handle_line(output),
            ActorStep::Claude(ProcessEvent::Exited(exit)) => {
                self.process = None;
                self.pid.store(0, Ordering::Relaxed);
                info!(conv_id = %self.setup.conv_id, code = exit.code, signal = exit.signal, "claude ended");
                self.machine.handle(Input::Exited(exit), Instant::now())
            }
            ActorStep::Due => self.machine.handle(Input::Tick, Instant::now()),
        };
        self.publish();
        self.draw(Instant::now());
        // Before the effects are run: whoever sees a request may answer it at once.
        self.report_changes().await;
        alive = self.perform(effects).await && alive;
        self.close_unasked_cards().await;
        alive
    }

    /// Answers the messages that arrived while the session was ending. The router answers later ones.
    async fn answer_late_messages(&mut self, mut control: mpsc::Receiver<ControlMessage>) {
        control.close();
        while let Ok(message) = control.try_recv() {
            let (instruction, outcome) = match message {
                ControlMessage::Do(Input::Decide(_, instruction)) => {
                    (instruction, InstructionOutcome::NothingAsked)
                }
                ControlMessage::Do(Input::Typed(_, instruction)) => {
                    (instruction, InstructionOutcome::NotAnAnswer)
                }
                ControlMessage::Do(Input::StopUnasked(instruction)) => {
                    (instruction, InstructionOutcome::NothingRuns)
                }
                ControlMessage::Do(_) => continue,
                ControlMessage::Press(press, toast) => {
                    let effects = self.pressed(&press, toast);
                    self.perform(effects).await;
                    continue;
                }
            };
            self.answer_instruction(&instruction, outcome).await;
        }
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
            // Deadlines have priority over Claude's lines, which may come without end.
            biased;
            Some(input) = control.recv() => ActorStep::Control(input),
            () = timer => ActorStep::Due,
            Some(job) = work.recv() => ActorStep::Work(job),
            event = line => ActorStep::Claude(event.unwrap_or_else(|| ProcessEvent::Exited(ProcessExit::default()))),
        }
    }

    /// Handles the press of a button. The toast is sent before the effects are run, as Feishu waits three seconds at
    /// most.
    fn pressed(&mut self, press: &Press, toast: oneshot::Sender<Toast>) -> Vec<Effect> {
        let (effects, result) = self.machine.press(press, Instant::now());
        // Whoever pressed may no longer wait.
        let _ = toast.send(press::toast(&result, Words(self.setup.language)));
        effects
    }

    /// Reports to the router whether Claude has begun a turn by itself, and what the owner can decide, if that changed.
    async fn report_changes(&mut self) {
        let unasked = self.machine.turn().is_some_and(|turn| turn.prompt().is_none());
        if std::mem::replace(&mut self.reported_unasked, unasked) != unasked {
            self.report(SessionReport::Unasked(self.setup.conv_id.clone(), unasked)).await;
        }
        let requests = self.open_requests();
        if self.reported_requests != requests {
            self.reported_requests.clone_from(&requests);
            self.report(SessionReport::Asking(self.setup.conv_id.clone(), requests)).await;
        }
    }

    fn handle_line(&mut self, output: Output) -> Vec<Effect> {
        crash_points(&output);
        self.last_line_at = SystemTime::now();
        let is_unreadable = matches!(output, Output::Garbage | Output::TooLong);
        if is_unreadable && !std::mem::replace(&mut self.garbage_logged, true) {
            warn!(conv_id = %self.setup.conv_id, "claude wrote a line that cannot be read; further such lines are not logged");
        }
        self.card_outdated |= changes_card(&output);
        self.machine.handle(Input::Claude(output), Instant::now())
    }
}

/// The crash points that lie at lines of Claude's.
fn crash_points(output: &Output) {
    if let Output::Init(_) = output {
        crash::at(Point::InitHeard);
    }
    if let Output::Result(_) = output {
        crash::at(Point::ResultHeard);
    }
}
