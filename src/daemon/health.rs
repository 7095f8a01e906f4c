//! The state of every part, gathered from those who know it, and judged.

mod judge;

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use rustix::process::Pid;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use super::config::Settings;
use super::proof::ClaudeProver;
use crate::chat::router::RouterEvent;
use crate::chat::router::operator::{OperatorRequest, SessionCounts, SessionsSnapshot};
use crate::control::wire::{
    ApiHealth, ClaudeHealth, ClaudeProof, ConnectionHealth, ControlError, HealthCounts, HealthReport as Told,
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

/// A part that does not answer within this time is said not to.
const ANSWER: Duration = Duration::from_secs(2);
/// So many of the messages that Feishu refused are told of.
const LAST_WEDGED: u32 = 10;

/// Those who know.
#[derive(Clone)]
pub(super) struct HealthSources {
    pub(super) settings: Settings,
    pub(super) connection: watch::Receiver<ConnectionState>,
    pub(super) api: Api,
    pub(super) store: Store,
    pub(super) stage: LiveCards,
    pub(super) news: mpsc::Sender<RouterEvent>,
    pub(super) tap: EventFeed,
    pub(super) prover: ClaudeProver,
    pub(super) sandboxes: Sandboxes,
    pub(super) pulses: Pulses,
    pub(super) started: Timestamp,
    /// What `mail.db` last said.
    pub(super) last: watch::Sender<(MailDepths, Vec<WedgedInfo>)>,
}

impl HealthSources {
    /// The state of every part; with `probe` Claude is asked first. A part that does not answer is a problem, and keeps
    /// nobody from hearing of the others.
    pub(super) async fn tell(&self, probe: bool) -> Told {
        // What takes long comes first: all that is told is of one moment.
        let known = self.prover.known(probe).await;
        let looked = known.is_known();
        let glance = ask(&self.news, OperatorRequest::Counts).await.ok();
        let mail = self.mail(glance.as_ref().and_then(|glance| glance.last_received)).await;
        let router_answers = glance.is_some();
        let sessions = match glance {
            Some(glance) => sessions(glance).await,
            None => HealthCounts::default(),
        };
        let settings = self.settings.borrow().clone();
        let verdict = self.sandboxes.verdict();
        let api = self.api.state();
        let by_turn = self.tap.answered().map(|(at, took)| ClaudeProof {
            at,
            by: ProofSource::Turn,
            passed: true,
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            why: None,
        });
        let mut told = Told {
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
        let besides = JudgeInputs {
            failing: api.failing.map(|(at, what)| TroubleInfo { at, what }),
            nobody: settings.access.is_empty(),
            looked,
            redrawn: self.stage.is_redrawn(),
            verdict,
        };
        (told.problems, told.notes) = judge(&told, &besides, Timestamp::now());
        if !router_answers {
            told.problems.push("the sessions are not known: the router does not answer".to_owned());
        }
        told.healthy = told.problems.is_empty();
        told
    }

    async fn mail(&self, last_received_at: Option<Timestamp>) -> MailHealth {
        let asked =
            async { Some((self.store.depths().await.ok()?, self.store.wedged(LAST_WEDGED).await.ok()?)) };
        let answer = timeout(ANSWER, asked).await.ok().flatten();
        let answers = answer.is_some();
        if let Some((depths, wedged)) = answer {
            let wedged = wedged.into_iter().map(|wedged| {
                let to = match wedged.to {
                    Recipient::Chat(id) => id.to_string(),
                    Recipient::User(id) => id.to_string(),
                };
                WedgedInfo { at: wedged.at, to, why: wedged.why }
            });
            self.last.send_replace((depths, wedged.collect()));
        }
        let (depths, last_wedged) = self.last.borrow().clone();
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

/// The sessions as they are now.
///
/// # Errors
/// When the router does not answer.
pub(super) async fn look(news: &mpsc::Sender<RouterEvent>) -> Result<SessionsSnapshot, ControlError> {
    ask(news, OperatorRequest::Snapshot).await
}

/// Asks the router.
///
/// # Errors
/// When it does not answer.
pub(super) async fn ask<T>(
    news: &mpsc::Sender<RouterEvent>,
    order: impl FnOnce(oneshot::Sender<T>) -> OperatorRequest,
) -> Result<T, ControlError> {
    let (answer, answered) = oneshot::channel();
    let asked = async {
        news.send(RouterEvent::Operator(order(answer))).await.ok()?;
        answered.await.ok()
    };
    timeout(ANSWER, asked).await.ok().flatten().ok_or_else(|| ControlError::Failed {
        reason: "phonework has too much to do, or is leaving; ask again".to_owned(),
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

async fn sessions(glance: SessionCounts) -> HealthCounts {
    let SessionCounts { open, live: tops, running, last_received: _ } = glance;
    let live = tops.len();
    let weigh = move || {
        let weighed = tops.into_iter().filter_map(|(conv_id, pid)| {
            let pid = pid?;
            let top = Pid::from_raw(i32::try_from(pid).ok()?)?;
            let below = process_tree::descendants(top);
            let memory_below =
                below.iter().filter_map(|pid| u32::try_from(pid.as_raw_pid()).ok()).map(memory);
            let memory = memory(pid) + memory_below.sum::<u64>();
            Some(ProcessUsage { conv_id, pid, processes: below.len() + 1, memory })
        });
        weighed.collect()
    };
    let processes = tokio::task::spawn_blocking(weigh).await.unwrap_or_default();
    HealthCounts { open, live, running, processes }
}

/// The resident memory of a process, in bytes; 0 when it is gone.
fn memory(pid: u32) -> u64 {
    let path = PathBuf::from(format!("/proc/{pid}/statm"));
    let statm = std::fs::read_to_string(path).unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or_default();
    pages * u64::try_from(rustix::param::page_size()).unwrap_or_default()
}
