//! Finds out whether Claude Code answers: from the answer to somebody's message or, failing that, by `claude -p ping`.
//! The latter costs a little and is therefore run rarely.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{info, warn};

use super::config::Settings;
use super::sandbox::CHECK_USER;
use crate::claude::probe::{ANSWER_TIMEOUT, Probe, ProbeResult};
use crate::control::wire::{ClaudeProof, ProofSource};
use crate::logs::events;
use crate::sandbox::{Isolation, Sandboxes, SessionScope};
use crate::session::event_feed::EventFeed;

/// Delay of the first proof after the start, so that a daemon that is restarted again and again costs nothing.
const FIRST_PROOF_DELAY: Duration = Duration::from_secs(30);
/// How long a proof is valid.
const PROOF_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the program's version is valid. It is then looked up again when somebody asks.
const VERSION_LIFETIME: Duration = Duration::from_secs(10 * 60);
/// Maximum wait for a report without a probe.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum wait for a probe; long enough for one that is already running and one more.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// Maximum number of requests that wait.
const REQUEST_CAPACITY: usize = 64;

/// What is known about Claude Code.
#[derive(Clone, Debug, Default)]
pub(super) struct ProofState {
    pub(super) path: Option<PathBuf>,
    pub(super) version: Option<String>,
    /// The outcome of the last probe.
    pub(super) proof: Option<ClaudeProof>,
    /// When path and version were looked up, and for which command.
    looked_up: Option<(Instant, String)>,
}

impl ProofState {
    /// Whether Claude Code was looked for yet.
    pub(super) fn is_known(&self) -> bool {
        self.looked_up.is_some()
    }
}

enum ProofRequest {
    Look(oneshot::Sender<ProofState>),
    Probe(oneshot::Sender<ProofState>),
}

/// A handle of the prover task.
#[derive(Clone, Debug)]
pub(super) struct ClaudeProver {
    requests: mpsc::Sender<ProofRequest>,
    known: watch::Receiver<ProofState>,
}

impl ClaudeProver {
    /// Starts the task. It ends with the last handle.
    pub(super) fn start(
        settings: Settings,
        phonework: PathBuf,
        sandboxes: Sandboxes,
        event_feed: EventFeed,
    ) -> Self {
        let (requests, inbox) = mpsc::channel(REQUEST_CAPACITY);
        let (newest, known) = watch::channel(ProofState::default());
        tokio::spawn(
            ProverTask { settings, phonework, sandboxes, event_feed, newest, failing: false }.run(inbox),
        );
        Self { requests, known }
    }

    /// What is known about Claude Code. With `probe`, Claude is asked first, which takes a while.
    pub(super) async fn known(&self, probe: bool) -> ProofState {
        let (answer, answered) = oneshot::channel();
        let (request, patience) = if probe {
            (ProofRequest::Probe(answer), PROBE_TIMEOUT)
        } else {
            (ProofRequest::Look(answer), LOOKUP_TIMEOUT)
        };
        // If too many wait, the task is busy, or the daemon is shutting down, return what is known.
        let asked = self.requests.try_send(request).is_ok();
        match timeout(patience, answered).await {
            Ok(Ok(known)) if asked => known,
            Ok(Ok(_) | Err(_)) | Err(_) => self.known.borrow().clone(),
        }
    }
}

struct ProverTask {
    settings: Settings,
    phonework: PathBuf,
    sandboxes: Sandboxes,
    event_feed: EventFeed,
    newest: watch::Sender<ProofState>,
    /// Whether the last log line said that Claude does not answer.
    failing: bool,
}

impl ProverTask {
    async fn run(mut self, mut requests: mpsc::Receiver<ProofRequest>) {
        let mut due = Instant::now() + FIRST_PROOF_DELAY;
        loop {
            let request = tokio::select! {
                request = requests.recv() => match request {
                    Some(request) => Some(request),
                    None => return,
                },
                () = sleep_until(due) => None,
            };
            match request {
                Some(ProofRequest::Look(answer)) => {
                    self.look_up().await;
                    // Sending fails if the caller no longer waits; that does not matter.
                    let _ = answer.send(self.newest.borrow().clone());
                }
                Some(ProofRequest::Probe(answer)) => {
                    self.probe().await;
                    due = Instant::now() + PROOF_LIFETIME;
                    let _ = answer.send(self.newest.borrow().clone());
                    // Requests that came in the meantime need no second probe.
                    while let Ok(ProofRequest::Look(answer) | ProofRequest::Probe(answer)) =
                        requests.try_recv()
                    {
                        let _ = answer.send(self.newest.borrow().clone());
                    }
                }
                None => {
                    let age =
                        |(at, _): (Timestamp, Duration)| Timestamp::now().duration_since(at).unsigned_abs();
                    match self
                        .event_feed
                        .last_answer()
                        .map(age)
                        .and_then(|age| PROOF_LIFETIME.checked_sub(age))
                    {
                        Some(left) if !left.is_zero() => due = Instant::now() + left,
                        Some(_) | None => {
                            self.probe().await;
                            due = Instant::now() + PROOF_LIFETIME;
                        }
                    }
                }
            }
        }
    }

    async fn look_up(&self) {
        let probe = self.probe_settings();
        let known =
            |(at, command): &(Instant, String)| at.elapsed() < VERSION_LIFETIME && *command == probe.command;
        if !self.newest.borrow().looked_up.as_ref().is_some_and(known) {
            let found = probe.check_version().await;
            self.record(&probe, &found, None);
        }
    }

    async fn probe(&mut self) {
        let probe = self.probe_settings();
        let at = Timestamp::now();
        let probed = probe.check_answer().await;
        match &probed.why {
            Some(why) => {
                self.failing = true;
                warn!(name: events::CLAUDE_FAILED, "Claude Code does not answer: {why}");
            }
            None if std::mem::take(&mut self.failing) => info!("Claude Code answers again"),
            None => {}
        }
        let took_ms = u64::try_from(probed.took.as_millis()).unwrap_or(u64::MAX);
        let (passed, why) = (probed.why.is_none(), probed.why.clone());
        self.record(&probe, &probed, Some(ClaudeProof { at, by: ProofSource::Probe, passed, took_ms, why }));
    }

    fn record(&self, probe: &Probe, probed: &ProbeResult, proof: Option<ClaudeProof>) {
        self.newest.send_modify(|known| {
            known.path.clone_from(&probed.path);
            known.version.clone_from(&probed.version);
            known.looked_up = Some((Instant::now(), probe.command.clone()));
            known.proof = proof.or_else(|| known.proof.take());
        });
    }

    fn probe_settings(&self) -> Probe {
        let settings = self.settings.borrow();
        let project = self.sandboxes.trial_project();
        let scope =
            SessionScope { project: &project, user: CHECK_USER, trusted: false, own_conversations: None };
        let environment = std::env::vars_os().collect();
        let isolation = self.sandboxes.isolation(&settings.keyring.sandbox_extra, &scope, &environment);
        let cwd = match isolation {
            Isolation::Sandbox(_) => project,
            Isolation::None | Isolation::Refused(_) => settings.workspace.root().to_owned(),
        };
        Probe {
            command: settings.keyring.claude_command.clone(),
            env: settings.keyring.claude_env.clone(),
            model: settings.keyring.claude_model.clone(),
            cwd,
            phonework: self.phonework.clone(),
            isolation,
            answer_timeout: ANSWER_TIMEOUT,
        }
    }
}
