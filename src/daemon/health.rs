//! `phonework health`: gathers the state of every part and judges it.

mod judge;

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use rustix::process::Pid;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use super::claude_proof::ClaudeProver;
use super::config::Settings;
use crate::chat::router::RouterEvent;
use crate::chat::router::operator::{OperatorRequest, SessionCounts, SessionsSnapshot};
use crate::control::wire::{
    ApiHealth, ClaudeHealth, ClaudeProof, ConnectionHealth, ControlError, HealthCounts, HealthReport,
    LinkState, MailHealth, ProcessUsage, ProofSource, StuckTaskInfo, TroubleInfo, WedgedInfo,
};
use crate::feishu::api::Api;
use crate::feishu::socket::{ConnectionState, Phase};
use crate::mail::{MailDepths, Recipient, Store, live_cards::LiveCards};
use crate::process_tree;
use crate::pulse::{self, Pulses};
use crate::sandbox::Sandboxes;
use crate::session::event_feed::EventFeed;
use judge::{JudgeInputs, judge};

/// A part that does not answer within this time is reported as not answering.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum number of refused messages in a report.
const MAX_WEDGED: u32 = 10;

/// The parts that are asked for their state. Cheap to clone.
#[derive(Clone)]
pub(super) struct HealthSources {
    pub(super) settings: Settings,
    pub(super) connection: watch::Receiver<ConnectionState>,
    pub(super) api: Api,
    pub(super) store: Store,
    pub(super) live_cards: LiveCards,
    pub(super) router: mpsc::Sender<RouterEvent>,
    pub(super) event_feed: EventFeed,
    pub(super) prover: ClaudeProver,
    pub(super) sandboxes: Sandboxes,
    pub(super) pulses: Pulses,
    pub(super) started: Timestamp,
    /// The last answer of `mail.db`.
    pub(super) last_mail: watch::Sender<(MailDepths, Vec<WedgedInfo>)>,
}

impl HealthSources {
    /// The state of every part; with `probe`, Claude is asked first. A part that does not answer is reported as a
    /// problem and does not hide the others.
    pub(super) async fn report(&self, probe: bool) -> HealthReport {
        // The slowest part comes first, so that the report describes one moment.
        let known = self.prover.known(probe).await;
        let claude_looked_up = known.is_known();
        let counts = ask_router(&self.router, OperatorRequest::Counts).await.ok();
        let mail = self.mail(counts.as_ref().and_then(|counts| counts.last_received)).await;
        let router_answers = counts.is_some();
        let sessions = match counts {
            Some(counts) => sessions(counts).await,
            None => HealthCounts::default(),
        };
        let settings = self.settings.borrow().clone();
        let verdict = self.sandboxes.verdict();
        let api = self.api.state();
        let by_turn = self.event_feed.last_answer().map(|(at, took)| ClaudeProof {
            at,
            by: ProofSource::Turn,
            passed: true,
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            why: None,
        });
        let mut report = HealthReport {
            healthy: false,
            problems: Vec::new(),
            notes: Vec::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started_at: self.started,
            memory: memory(std::process::id()),
            connection: connection(&self.connection.borrow()),
            api: ApiHealth {
                last_success_at: api.last_success,
                last_error: api.last_error.map(|(at, what)| TroubleInfo { at, what }),
                token_until: api.token_until,
            },
            mail,
            sessions,
            claude: ClaudeHealth {
                command: settings.keyring.claude_command.clone(),
                path: known.path.map(|path| path.display().to_string()),
                version: known.version,
                proof: by_turn.into_iter().chain(known.proof).max_by_key(|proof| proof.at),
            },
            sandbox: verdict.as_str().to_owned(),
            stuck: self.pulses.stuck().iter().map(stuck).collect(),
        };
        let inputs = JudgeInputs {
            failing: api.failing.map(|(at, what)| TroubleInfo { at, what }),
            nobody_allowed: settings.access.is_empty(),
            claude_looked_up,
            cards_redrawn: self.live_cards.is_redrawn(),
            verdict,
        };
        (report.problems, report.notes) = judge(&report, &inputs, Timestamp::now());
        if !router_answers {
            report.problems.push("the sessions are not known: the router does not answer".to_owned());
        }
        report.healthy = report.problems.is_empty();
        report
    }

    async fn mail(&self, last_received_at: Option<Timestamp>) -> MailHealth {
        let query =
            async { Some((self.store.depths().await.ok()?, self.store.wedged(MAX_WEDGED).await.ok()?)) };
        let answer = timeout(ANSWER_TIMEOUT, query).await.ok().flatten();
        let answers = answer.is_some();
        if let Some((depths, wedged)) = answer {
            let wedged = wedged.into_iter().map(|wedged| {
                let to = match wedged.to {
                    Recipient::Chat(id) => id.to_string(),
                    Recipient::User(id) => id.to_string(),
                };
                WedgedInfo { at: wedged.at, to, why: wedged.why }
            });
            self.last_mail.send_replace((depths, wedged.collect()));
        }
        let (depths, last_wedged) = self.last_mail.borrow().clone();
        MailHealth {
            answers,
            inbox: depths.waiting,
            running: depths.running,
            oldest_inbox_at: depths.oldest_waiting,
            outbox: depths.pending,
            oldest_outbox_at: depths.oldest_pending,
            wedged: depths.wedged,
            last_wedged,
            last_received_at,
        }
    }
}

/// All sessions as they are now.
///
/// # Errors
/// When the router does not answer.
pub(super) async fn sessions_snapshot(
    router: &mpsc::Sender<RouterEvent>,
) -> Result<SessionsSnapshot, ControlError> {
    ask_router(router, OperatorRequest::Snapshot).await
}

/// Sends the router a request and waits for its answer.
///
/// # Errors
/// When the router does not answer in time.
pub(super) async fn ask_router<T>(
    router: &mpsc::Sender<RouterEvent>,
    request: impl FnOnce(oneshot::Sender<T>) -> OperatorRequest,
) -> Result<T, ControlError> {
    let (answer, answered) = oneshot::channel();
    let asked = async {
        router.send(RouterEvent::Operator(request(answer))).await.ok()?;
        answered.await.ok()
    };
    timeout(ANSWER_TIMEOUT, asked).await.ok().flatten().ok_or_else(|| ControlError::Failed {
        reason: "phonework is overloaded or shutting down; ask again".to_owned(),
    })
}

fn stuck(stuck: &pulse::StuckTask) -> StuckTaskInfo {
    let for_ms = u64::try_from(stuck.still.as_millis()).unwrap_or(u64::MAX);
    StuckTaskInfo { task: stuck.name.to_owned(), for_ms }
}

fn connection(state: &ConnectionState) -> ConnectionHealth {
    let (link, next_try_at) = match state.phase {
        Phase::Connecting => (LinkState::Connecting, None),
        Phase::Connected => (LinkState::Connected, None),
        Phase::Waiting { until } => (LinkState::Waiting, Some(until)),
        Phase::Stopped => (LinkState::Stopped, None),
    };
    ConnectionHealth {
        state: link,
        since: state.since,
        next_try_at,
        last_frame_at: state.last_frame,
        reconnects: state.reconnects,
        last_error: state.last_error.clone(),
        turned_away_at: state.turned_away,
    }
}

/// The numbers of sessions, with the processes and the memory of those that are live.
async fn sessions(counts: SessionCounts) -> HealthCounts {
    let SessionCounts { open, live: processes, running, last_received: _ } = counts;
    let live = processes.len();
    let measure = move || {
        let usage = processes.into_iter().filter_map(|(conv_id, pid)| {
            let pid = pid?;
            let top = Pid::from_raw(i32::try_from(pid).ok()?)?;
            let below = process_tree::descendants(top);
            let memory_below =
                below.iter().filter_map(|pid| u32::try_from(pid.as_raw_pid()).ok()).map(memory);
            let memory = memory(pid) + memory_below.sum::<u64>();
            Some(ProcessUsage { conv_id, pid, processes: below.len() + 1, memory })
        });
        usage.collect()
    };
    let processes = tokio::task::spawn_blocking(measure).await.unwrap_or_default();
    HealthCounts { open, live, running, processes }
}

/// The resident memory of a process, in bytes; 0 if the process is gone.
fn memory(pid: u32) -> u64 {
    let path = PathBuf::from(format!("/proc/{pid}/statm"));
    let statm = std::fs::read_to_string(path).unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or_default();
    pages * u64::try_from(rustix::param::page_size()).unwrap_or_default()
}
