//! Whether Claude Code answers, proved: by an answer to somebody's message, or else by `claude -p ping`, which costs a
//! little and is therefore run rarely.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{info, warn};

use super::config::Settings;
use super::sandbox::NOBODY;
use crate::claude::probe::{ANSWER_TIMEOUT, Probe, ProbeResult};
use crate::control::wire::{ClaudeProof, ProofSource};
use crate::logs::events;
use crate::sandbox::{Isolation, Sandboxes, SessionScope};
use crate::session::event_feed::EventFeed;

/// The first proof is due so long after the start: a daemon that is started again and again costs nothing.
const FIRST: Duration = Duration::from_secs(30);
/// A proof is good for so long.
const GOOD_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// The version is looked at again after so long, when somebody asks.
const VERSION_GOOD_FOR: Duration = Duration::from_secs(10 * 60);
/// Who only wants to know how things are waits no longer than this.
const LOOKING: Duration = Duration::from_secs(2);
/// A probe has ended by then, and one before it, too.
const PROBING: Duration = Duration::from_secs(5 * 60);
/// So many wait for a proof.
const WAITING: usize = 64;

/// What is known of Claude Code.
#[derive(Clone, Debug, Default)]
pub(super) struct ProofState {
    pub(super) path: Option<PathBuf>,
    pub(super) version: Option<String>,
    /// The last probe.
    pub(super) proof: Option<ClaudeProof>,
    /// When path and version were looked at, and of which command.
    looked: Option<(Instant, String)>,
}

impl ProofState {
    /// Whether it was ever looked whether Claude Code is there.
    pub(super) fn is_known(&self) -> bool {
        self.looked.is_some()
    }
}

enum ProofRequest {
    Look(oneshot::Sender<ProofState>),
    Probe(oneshot::Sender<ProofState>),
}

/// A handle of the task that proves.
#[derive(Clone, Debug)]
pub(super) struct ClaudeProver {
    asks: mpsc::Sender<ProofRequest>,
    known: watch::Receiver<ProofState>,
}

impl ClaudeProver {
    /// Starts the task; it ends with the last handle.
    pub(super) fn start(
        settings: Settings,
        phonework: PathBuf,
        sandboxes: Sandboxes,
        tap: EventFeed,
    ) -> Self {
        let (asks, asks_rx) = mpsc::channel(WAITING);
        let (newest, known) = watch::channel(ProofState::default());
        tokio::spawn(ProverTask { settings, phonework, sandboxes, tap, newest, failing: false }.run(asks_rx));
        Self { asks, known }
    }

    /// What is known; with `probe` Claude is asked first, and it takes as long as that takes.
    pub(super) async fn known(&self, probe: bool) -> ProofState {
        let (answer, answered) = oneshot::channel();
        let (ask, patience) = if probe {
            (ProofRequest::Probe(answer), PROBING)
        } else {
            (ProofRequest::Look(answer), LOOKING)
        };
        // When too many wait, Claude is being asked just now, or the daemon leaves, what is known has to do.
        let asked = self.asks.try_send(ask).is_ok();
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
    tap: EventFeed,
    newest: watch::Sender<ProofState>,
    /// Whether the journal says that Claude does not answer.
    failing: bool,
}

impl ProverTask {
    async fn run(mut self, mut asks: mpsc::Receiver<ProofRequest>) {
        let mut due = Instant::now() + FIRST;
        loop {
            let ask = tokio::select! {
                ask = asks.recv() => match ask {
                    Some(ask) => Some(ask),
                    None => return,
                },
                () = sleep_until(due) => None,
            };
            match ask {
                Some(ProofRequest::Look(answer)) => {
                    self.look().await;
                    // Whoever does not wait for the answer does not want it.
                    let _ = answer.send(self.newest.borrow().clone());
                }
                Some(ProofRequest::Probe(answer)) => {
                    self.probe().await;
                    due = Instant::now() + GOOD_FOR;
                    let _ = answer.send(self.newest.borrow().clone());
                    // Who asked meanwhile need not pay for another.
                    while let Ok(ProofRequest::Look(answer) | ProofRequest::Probe(answer)) = asks.try_recv() {
                        let _ = answer.send(self.newest.borrow().clone());
                    }
                }
                None => {
                    let age =
                        |(at, _): (Timestamp, Duration)| Timestamp::now().duration_since(at).unsigned_abs();
                    match self.tap.answered().map(age).and_then(|age| GOOD_FOR.checked_sub(age)) {
                        Some(left) if !left.is_zero() => due = Instant::now() + left,
                        Some(_) | None => {
                            self.probe().await;
                            due = Instant::now() + GOOD_FOR;
                        }
                    }
                }
            }
        }
    }

    async fn look(&self) {
        let probe = self.what();
        let known =
            |(at, command): &(Instant, String)| at.elapsed() < VERSION_GOOD_FOR && *command == probe.command;
        if !self.newest.borrow().looked.as_ref().is_some_and(known) {
            let looked = probe.check_version().await;
            self.take(&probe, &looked, None);
        }
    }

    async fn probe(&mut self) {
        let probe = self.what();
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
        self.take(&probe, &probed, Some(ClaudeProof { at, by: ProofSource::Probe, passed, took_ms, why }));
    }

    fn take(&self, probe: &Probe, probed: &ProbeResult, proof: Option<ClaudeProof>) {
        self.newest.send_modify(|known| {
            known.path.clone_from(&probed.path);
            known.version.clone_from(&probed.version);
            known.looked = Some((Instant::now(), probe.command.clone()));
            known.proof = proof.or_else(|| known.proof.take());
        });
    }

    fn what(&self) -> Probe {
        let settings = self.settings.borrow();
        let project = self.sandboxes.trial_project();
        let scope = SessionScope { project: &project, user: NOBODY, trusted: false };
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
