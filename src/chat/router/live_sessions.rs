//! What lives: the sessions that have a process, the slots for these processes, and the prompts that run in them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tracing::warn;

use super::permission_mode;
use super::waiting::PendingPrompt;
use crate::card_action::{Press, Toast};
use crate::chat::process_slots::{ProcessSlots, SlotClaim};
use crate::chat::user_queues::QueuedMessage;
use crate::claude::launch::{ClaudeProgram, Conversation, Launch};
use crate::ids::{ConvId, OpenId};
use crate::keyring::ResolvedKeyring;
use crate::mail::live_cards::LiveCards;
use crate::mail::{Recipient, Store};
use crate::sandbox::limits::ResourceLimits;
use crate::sandbox::{Isolation, Sandboxes, SessionScope};
use crate::session::actor::{self, ActorSetup, ControlMessage, SessionHandle, SessionReport, SessionWork};
use crate::session::event_feed::EventFeed;
use crate::session::machine::{Input, SessionTimeouts};
use crate::session::registry::{Registry, Session};
use crate::session::report::SessionOwner;
use crate::session::turn::ReplyTarget;

/// What every live session is given.
pub(super) struct SessionResources {
    /// The program file of this daemon, which starts Claude.
    pub(super) phonework: PathBuf,
    /// What sessions may reach.
    pub(super) sandboxes: Sandboxes,
    pub(super) store: Store,
    pub(super) live_cards: LiveCards,
    pub(super) event_feed: EventFeed,
    /// Where sessions report to the router.
    pub(super) reports: mpsc::Sender<SessionReport>,
}

/// The sessions that have a process, with their prompts and slots.
pub(super) struct LiveSessions {
    resources: SessionResources,
    slots: ProcessSlots,
    handles: BTreeMap<ConvId, SessionHandle>,
    /// Each person's running prompt. It returns to the queue if its turn does not get on record.
    running: BTreeMap<OpenId, RunningPrompt>,
}

/// A message whose turn runs.
#[derive(Debug)]
pub(super) struct RunningPrompt {
    pub(super) message: QueuedMessage<PendingPrompt>,
    pub(super) since: Timestamp,
}

/// Why a press did not reach a live session.
pub(super) enum PressUndelivered {
    /// No turn of it runs.
    NotLive(oneshot::Sender<Toast>),
    /// Its control lane is full.
    Busy(oneshot::Sender<Toast>),
}

impl LiveSessions {
    pub(super) fn new(resources: SessionResources, limit: usize) -> Self {
        Self {
            resources,
            slots: ProcessSlots::new(limit),
            handles: BTreeMap::new(),
            running: BTreeMap::new(),
        }
    }

    /// Changes how many sessions may be live at once.
    pub(super) fn set_limit(&mut self, limit: usize) {
        self.slots.set_limit(limit);
    }

    /// Asks for a slot for this session, so that it can work.
    pub(super) fn claim_slot(&mut self, conv_id: &ConvId) -> SlotClaim {
        self.slots.claim(conv_id)
    }

    pub(super) fn has_slot(&self, conv_id: &ConvId) -> bool {
        self.slots.has(conv_id)
    }

    /// Takes the first session that waits for a slot and may claim one now.
    pub(super) fn next_waiting(&mut self) -> Option<ConvId> {
        self.slots.next_waiting()
    }

    /// Starts a session's process before there is work for it, if a slot is free.
    pub(super) fn warm(&mut self, session: &Session, settings: &ResolvedKeyring, registry: &Registry) {
        let conv_id = &session.conv_id;
        if self.slots.has(conv_id) || !self.slots.has_free() {
            return;
        }
        if self.slots.claim(conv_id) == SlotClaim::Granted {
            self.start(session, settings, registry, None);
            self.idle(conv_id);
        }
    }

    /// Starts a session that has been granted a slot, with its first work.
    pub(super) fn start(
        &mut self,
        session: &Session,
        settings: &ResolvedKeyring,
        registry: &Registry,
        first: Option<SessionWork>,
    ) {
        let handle = actor::start(self.setup(session, settings, registry), first);
        self.handles.insert(session.conv_id.clone(), handle);
    }

    fn setup(&self, session: &Session, settings: &ResolvedKeyring, registry: &Registry) -> ActorSetup {
        let keyring = &settings.keyring;
        let seconds = |own: Option<u64>, configured| own.map_or(configured, Duration::from_secs);
        ActorSetup {
            conv_id: session.conv_id.clone(),
            owner: SessionOwner {
                user: session.owner.clone(),
                home: ReplyTarget { to: Recipient::Chat(session.chat_id.clone()), under: None },
            },
            command: keyring.claude_command.clone(),
            launch: self.launch(session, settings, registry),
            phonework: self.resources.phonework.clone(),
            timeouts: SessionTimeouts {
                turn: seconds(session.turn_timeout_s, keyring.turn_timeout),
                idle: seconds(session.idle_timeout_s, keyring.idle_timeout),
                approval: keyring.approval_timeout,
            },
            cost_usd: session.cost_usd,
            language: keyring.language,
            store: self.resources.store.clone(),
            live_cards: self.resources.live_cards.clone(),
            reports: self.resources.reports.clone(),
            event_feed: self.resources.event_feed.clone(),
        }
    }

    /// How Claude is started for a session, and what it may reach.
    fn launch(&self, session: &Session, settings: &ResolvedKeyring, registry: &Registry) -> Launch {
        let keyring = &settings.keyring;
        let id = session.cc_session_id.clone();
        let mut launch = Launch {
            program: ClaudeProgram::default(),
            cwd: session.cwd.clone(),
            conversation: if session.begun { Conversation::Resume(id) } else { Conversation::New(id) },
            model: session.model.clone().or_else(|| keyring.claude_model.clone()),
            permission_mode: permission_mode(session, settings),
            rules: session.rules.clone(),
            trusted: keyring.trusted_projects.contains(&session.cwd),
            env: keyring.claude_env.clone(),
            isolation: Isolation::None,
            git_runs_programs: true,
            limits: ResourceLimits {
                memory: keyring.memory_limit,
                processes: keyring.sandbox_extra.processes.unwrap_or(u64::MAX),
            },
        };
        let own = registry.own_among_shared(&session.owner, &session.cwd);
        let scope = SessionScope {
            project: &session.cwd,
            user: session.owner.as_str(),
            trusted: launch.trusted,
            own_conversations: own.as_deref(),
        };
        let environment = launch.environment(std::env::vars_os());
        launch.isolation = if settings.workspace.holds(&session.cwd) {
            self.resources.sandboxes.isolation(&keyring.sandbox_extra, &scope, &environment)
        } else {
            Isolation::Refused("the project does not lie in WORKING_DIR any more".to_owned())
        };
        launch
    }

    /// Hands work to a live session; false if it is not live, or is ending.
    pub(super) fn hand_over(&self, conv_id: &ConvId, work: SessionWork) -> bool {
        self.handles.get(conv_id).is_some_and(|handle| handle.work.try_send(work).is_ok())
    }

    /// Gives a live session an input that does not wait for a turn's end; false if the session is not live, or does not
    /// take it.
    pub(super) fn control(&self, conv_id: &ConvId, input: Input) -> bool {
        self.handles
            .get(conv_id)
            .is_some_and(|handle| handle.control.try_send(ControlMessage::Do(input)).is_ok())
    }

    /// Hands a press to the session whose running turn it concerns; the session answers it.
    pub(super) fn press(
        &self,
        conv_id: &ConvId,
        press: Press,
        answer: oneshot::Sender<Toast>,
    ) -> Result<(), PressUndelivered> {
        let Some(handle) = self.handles.get(conv_id) else {
            return Err(PressUndelivered::NotLive(answer));
        };
        match handle.control.try_send(ControlMessage::Press(press, answer)) {
            Err(TrySendError::Closed(ControlMessage::Press(_, answer))) => {
                Err(PressUndelivered::NotLive(answer))
            }
            Err(TrySendError::Full(ControlMessage::Press(_, answer))) => Err(PressUndelivered::Busy(answer)),
            Ok(())
            | Err(TrySendError::Closed(ControlMessage::Do(_)) | TrySendError::Full(ControlMessage::Do(_))) => {
                Ok(())
            }
        }
    }

    /// Puts a session to sleep, so that another one gets its slot.
    pub(super) fn sleep(&self, conv_id: &ConvId) {
        self.instruct(conv_id, Input::Suspend);
    }

    /// Ends a session's process, and stops its running turn.
    pub(super) fn close(&mut self, conv_id: &ConvId) {
        if self.control(conv_id, Input::Close) {
            self.slots.leaving(conv_id);
        }
    }

    /// Has all sessions end by `deadline`.
    pub(super) fn leave_all(&self, deadline: Instant) {
        for conv_id in self.handles.keys() {
            self.instruct(conv_id, Input::Shutdown(deadline));
        }
    }

    /// A session has nothing to do; makes room if another one waits for a slot.
    pub(super) fn idle(&mut self, conv_id: &ConvId) {
        if let Some(other) = self.slots.idle(conv_id, Instant::now()) {
            self.sleep(&other);
        }
    }

    /// A session's process has ended.
    pub(super) fn ended(&mut self, conv_id: &ConvId) {
        self.handles.remove(conv_id);
        self.slots.release(conv_id);
    }

    /// Notes that a person's prompt runs.
    pub(super) fn set_running(&mut self, user: OpenId, prompt: RunningPrompt) {
        self.running.insert(user, prompt);
    }

    /// The person's running prompt is over, or was not begun.
    pub(super) fn take_running(&mut self, user: &OpenId) -> Option<RunningPrompt> {
        self.running.remove(user)
    }

    /// Takes the person's running prompt back, if it was sent to this session.
    pub(super) fn take_running_in(&mut self, user: &OpenId, conv_id: &ConvId) -> Option<RunningPrompt> {
        self.running.get(user).filter(|running| running.message.conv_id == *conv_id)?;
        self.running.remove(user)
    }

    /// Stops the person's running turn, which then says so itself; false if none runs.
    pub(super) fn stop_running(&self, user: &OpenId) -> bool {
        let Some(RunningPrompt { message, .. }) = self.running.get(user) else { return false };
        self.control(&message.conv_id, Input::Stop(message.item.mail.seq));
        true
    }

    /// The sessions with a running prompt, and since when it runs.
    pub(super) fn running_since(&self) -> BTreeMap<ConvId, Timestamp> {
        self.running.values().map(|running| (running.message.conv_id.clone(), running.since)).collect()
    }

    /// The live sessions, each with the topmost process that it runs, while there is one.
    pub(super) fn pids(&self) -> BTreeMap<ConvId, Option<u32>> {
        self.handles.iter().map(|(conv_id, handle)| (conv_id.clone(), handle.pid())).collect()
    }

    /// The number of live sessions.
    pub(super) fn count(&self) -> usize {
        self.handles.len()
    }

    fn instruct(&self, conv_id: &ConvId, input: Input) {
        if !self.control(conv_id, input) {
            warn!(%conv_id, "a live session does not take its control messages");
        }
    }
}
