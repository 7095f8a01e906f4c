//! A live session: one task that owns one `claude` process and runs what the machine says.
//!
//! The control lane (stop, close, decisions) comes before Claude's lines, so that a
//! person is heard while Claude talks. The reading of Claude's output never waits for a person or for Feishu; it waits
//! for `mail.db` where something has to be on record first.

use std::path::PathBuf;
use std::time::Instant;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::machine::{Effect, Input, Limits, Machine};
use super::report::{self, Owner};
use super::turn::{Done, Outcome, Prompt};
use crate::claude::failure;
use crate::claude::launch::{Conversation, Launch, LaunchError, Program};
use crate::claude::process::{Event, Exit, Process};
use crate::claude::wire::Output;
use crate::crash::{self, Point};
use crate::ids::{ClaudeSessionId, ConvId};
use crate::language::Language;
use crate::mail::{Settlement, Store, StoreError, TurnStart};
use crate::words::Words;

/// A prompt for a session, or the wish to have the last one run again.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    /// The prompt; its text is empty where the last one is meant.
    pub prompt: Prompt,
    /// Whether the session's last prompt is to be run again.
    pub again: bool,
}

/// The router's handle of a live session.
#[derive(Clone, Debug)]
pub struct Handle {
    /// Prompts, one at a time.
    pub work: mpsc::Sender<Work>,
    /// What does not wait for a turn's end.
    pub control: mpsc::Sender<Input>,
}

/// What a live session tells the router.
#[derive(Debug)]
pub enum Report {
    /// The turn that was asked for is over, its answer is on record.
    Settled(ConvId),
    /// The prompt could not be put on record; it still waits.
    Unbegun(ConvId),
    /// Claude has the conversation on disk under this id.
    Conversation(ConvId, ClaudeSessionId),
    /// The session sleeps. A prompt that was sent to it and is not reported settled was not begun.
    Ended {
        /// The session.
        conv_id: ConvId,
        /// What the conversation has cost so far, in US dollars, if that is known.
        cost_usd: Option<f64>,
    },
}

/// All that a live session needs.
#[derive(Debug)]
pub struct Setup {
    /// The session.
    pub conv_id: ConvId,
    /// Whose it is, and where things go that answer no message.
    pub owner: Owner,
    /// The program that is Claude Code, as configured; it is looked up at each start.
    pub command: String,
    /// How it is started.
    pub launch: Launch,
    /// This program, which the process is started through.
    pub phonework: PathBuf,
    /// The times it keeps.
    pub limits: Limits,
    /// What the conversation had cost before, in US dollars.
    pub cost_usd: Option<f64>,
    /// For what the bot itself says.
    pub language: Language,
    /// The longest message, in characters.
    pub message_limit: usize,
    /// Where everything is put on record.
    pub store: Store,
    /// The router.
    pub reports: mpsc::Sender<Report>,
}

/// Starts the task of a live session, and with it Claude's process; `first` is done even if there can be no process.
#[must_use]
pub fn start(setup: Setup, first: Option<Work>) -> Handle {
    // The router sends one prompt and waits for its report.
    let (work, work_rx) = mpsc::channel(1);
    let (control, control_rx) = mpsc::channel(64);
    tokio::spawn(Actor::run(setup, first, work_rx, control_rx));
    Handle { work, control }
}

struct Actor {
    setup: Setup,
    machine: Machine,
    process: Option<(Process, mpsc::Receiver<Event>)>,
}

enum Next {
    Control(Input),
    Work(Work),
    Claude(Event),
    Due,
}

impl Actor {
    async fn run(
        setup: Setup,
        first: Option<Work>,
        mut work: mpsc::Receiver<Work>,
        mut control: mpsc::Receiver<Input>,
    ) {
        let conversation = setup.launch.conversation.clone();
        let (machine, begin) =
            Machine::new(conversation.clone(), setup.limits, setup.language, setup.cost_usd, Instant::now());
        let mut actor = Self { setup, machine, process: None };
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
                Next::Control(input) => {
                    // A prompt that was sent before it comes before it: `/stop` must find it.
                    if let Ok(job) = work.try_recv() {
                        let effects = actor.begin(job).await;
                        alive = actor.perform(effects).await;
                    }
                    actor.machine.handle(input, Instant::now())
                }
                Next::Work(work) => actor.begin(work).await,
                Next::Claude(Event::Line(output)) => {
                    passes(&output);
                    actor.machine.handle(Input::Claude(output), Instant::now())
                }
                Next::Claude(Event::Exited(exit)) => {
                    actor.process = None;
                    info!(PHONEWORK_CONV_ID = %actor.setup.conv_id, code = exit.code, signal = exit.signal, "claude ended");
                    actor.machine.handle(Input::Exited(exit), Instant::now())
                }
                Next::Due => actor.machine.handle(Input::Tick, Instant::now()),
            };
            alive = actor.perform(effects).await && alive;
        }
        // An order that crossed with the end is answered; the router answers those that come later.
        control.close();
        while let Ok(input) = control.try_recv() {
            if let Input::Decide(_, order) = input {
                actor.perform(vec![Effect::NothingAsked(order)]).await;
            }
        }
        let cost_usd = actor.machine.cost_total();
        actor.report(Report::Ended { conv_id: actor.setup.conv_id.clone(), cost_usd }).await;
    }

    async fn next(&mut self, control: &mut mpsc::Receiver<Input>, work: &mut mpsc::Receiver<Work>) -> Next {
        let due = self.machine.due();
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
            Some(input) = control.recv() => Next::Control(input),
            () = timer => Next::Due,
            Some(job) = work.recv() => Next::Work(job),
            event = line => Next::Claude(event.unwrap_or_else(|| Event::Exited(Exit::default()))),
        }
    }

    /// Puts the turn on record, then lets the machine have the prompt: it may reach Claude only after that.
    async fn begin(&mut self, work: Work) -> Vec<Effect> {
        let Work { mut prompt, again } = work;
        let mail = prompt.mail;
        if again {
            match self.setup.store.last_prompt(&self.setup.conv_id).await {
                Ok(Some(text)) => prompt.text = text,
                Ok(None) => {
                    let words = Words(self.setup.language).nothing_to_retry();
                    self.settle(report::notice(vec![mail], &prompt.reply, words)).await;
                    self.report(Report::Settled(self.setup.conv_id.clone())).await;
                    return Vec::new();
                }
                Err(error) => return self.unbegun(&error).await,
            }
        }
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
                info!(PHONEWORK_CONV_ID = %conv_id, PHONEWORK_USER = %user, "turn begun");
                self.machine.handle(Input::Prompt(prompt), Instant::now())
            }
            Err(StoreError::Conflict(why)) => {
                // An earlier try, which was thought to have failed, put another turn on record: whether it ran is not
                // known.
                warn!(PHONEWORK_CONV_ID = %self.setup.conv_id, why, "a prompt is not run, as it is on record already");
                let words = Words(self.setup.language).cut_by_crash(&prompt.text);
                self.settle(report::notice(Vec::new(), &prompt.reply, words)).await;
                self.report(Report::Settled(self.setup.conv_id.clone())).await;
                Vec::new()
            }
            Err(error) => self.unbegun(&error).await,
        }
    }

    async fn unbegun(&mut self, error: &StoreError) -> Vec<Effect> {
        warn!(PHONEWORK_CONV_ID = %self.setup.conv_id, %error, "a turn could not be put on record; its message waits");
        self.report(Report::Unbegun(self.setup.conv_id.clone())).await;
        Vec::new()
    }

    /// Runs the machine's effects; false when the session is over.
    async fn perform(&mut self, effects: Vec<Effect>) -> bool {
        let mut effects = std::collections::VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Write(line) => {
                    // A process that is gone is told by its exit.
                    if let Some((process, _)) = &self.process
                        && let Err(error) = process.send(line)
                    {
                        warn!(PHONEWORK_CONV_ID = %self.setup.conv_id, %error, "a line did not reach claude");
                    }
                }
                Effect::CloseInput => self.with_process(Process::close_input),
                Effect::Terminate => self.with_process(Process::terminate),
                Effect::Kill => self.with_process(Process::kill),
                Effect::Launch(conversation) => {
                    if let Err(error) = self.launch(conversation) {
                        warn!(PHONEWORK_CONV_ID = %self.setup.conv_id, %error, "claude cannot be started");
                        let why = failure::explain_launch(&error, self.setup.language);
                        effects = self.machine.handle(Input::NotStarted(why), Instant::now()).into();
                    }
                }
                Effect::Ask(request, open) => {
                    let reply = self.reply();
                    let words = Words(self.setup.language);
                    let posts = report::ask(&request, open, &reply, words, self.setup.message_limit);
                    self.settle(Settlement { posts, ..Settlement::at(Timestamp::now()) }).await;
                }
                Effect::Followed(order) => {
                    self.settle(report::heard(order.mail, &order.message_id, &self.setup.owner.user)).await;
                }
                Effect::NothingAsked(order) => {
                    let words = Words(self.setup.language).nothing_asked();
                    self.settle(report::notice(vec![order.mail], &order.reply, words)).await;
                }
                Effect::Expired(request) => {
                    let words = Words(self.setup.language).approval_expired(&request.tool);
                    self.settle(report::notice(Vec::new(), &self.reply(), words)).await;
                }
                Effect::Forgotten => {
                    let words = Words(self.setup.language).conversation_forgotten();
                    self.settle(report::notice(Vec::new(), &self.reply(), words)).await;
                }
                Effect::Conversation(id) => {
                    self.setup.launch.conversation = Conversation::Resume(id.clone());
                    self.report(Report::Conversation(self.setup.conv_id.clone(), id)).await;
                }
                Effect::Settle(done) => self.finish(done).await,
                Effect::End => return false,
            }
        }
        true
    }

    fn launch(&mut self, conversation: Conversation) -> Result<(), LaunchError> {
        let launch = &mut self.setup.launch;
        launch.conversation = conversation;
        launch.program = Program::find(&self.setup.command, std::env::var_os("PATH").as_deref())?;
        let (process, events) = Process::spawn(launch, &self.setup.phonework)?;
        info!(PHONEWORK_CONV_ID = %self.setup.conv_id, pid = process.pid(), "claude started");
        self.process = Some((process, events));
        Ok(())
    }

    fn with_process(&self, act: impl Fn(&Process)) {
        if let Some((process, _)) = &self.process {
            act(process);
        }
    }

    /// Where things go now: to the running turn's message, else to the session's chat.
    fn reply(&self) -> super::turn::Reply {
        self.machine.reply().unwrap_or_else(|| self.setup.owner.home.clone())
    }

    async fn finish(&mut self, done: Done) {
        let words = Words(self.setup.language);
        let reply =
            done.prompt.as_ref().map_or_else(|| self.setup.owner.home.clone(), |prompt| prompt.reply.clone());
        let at = Timestamp::now();
        info!(
            PHONEWORK_CONV_ID = %self.setup.conv_id,
            PHONEWORK_USER = %self.setup.owner.user,
            outcome = done.outcome.word(),
            took_ms = u64::try_from(done.took.as_millis()).unwrap_or(u64::MAX),
            "turn over"
        );
        let record =
            report::record(&done, &self.setup.conv_id, &self.setup.owner.user, &self.setup.launch.cwd, at);
        let mail = done.prompt.as_ref().map(|prompt| prompt.mail);
        let settlement = Settlement {
            mails: mail.into_iter().collect(),
            turn: done.prompt.as_ref().map(|prompt| (prompt.turn_id, done.outcome.word().to_owned())),
            posts: report::answer(&done, &reply, words, self.setup.message_limit),
            audit: Some(record),
            at,
        };
        if let Outcome::Crashed(_) = done.outcome {
            warn!(PHONEWORK_CONV_ID = %self.setup.conv_id, "claude ended in the middle of a turn");
        }
        self.settle(settlement).await;
        if mail.is_some() {
            self.report(Report::Settled(self.setup.conv_id.clone())).await;
        }
    }

    async fn settle(&self, settlement: Settlement) {
        self.setup.store.keep(settlement).await;
    }

    async fn report(&self, report: Report) {
        // The router outlives its sessions; when it is gone, the daemon is leaving.
        let _ = self.setup.reports.send(report).await;
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
