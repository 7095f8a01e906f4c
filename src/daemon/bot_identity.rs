//! Learns the bot's own open_id from Feishu. In groups the bot listens only when it is mentioned, and mentions carry that
//! id.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::feishu_transport::FeishuTransport;
use crate::backoff::Backoff;
use crate::ids::OpenId;
use crate::logs::LastingTrouble;
use crate::mail::courier::Transport as _;

/// The waits between attempts.
const RETRY: Backoff =
    Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(60), jitter: 0.0 };

/// Asks Feishu for the bot's open_id until it answers or `stop` is cancelled.
pub(super) async fn learn(
    transport: FeishuTransport,
    bot: watch::Sender<Option<OpenId>>,
    stop: CancellationToken,
) {
    let mut failures = 0_u32;
    let mut trouble = LastingTrouble::default();
    loop {
        let answer = tokio::select! {
            answer = transport.api.bot_open_id() => answer,
            () = stop.cancelled() => return,
        };
        match answer {
            Ok(open_id) => {
                let past = trouble.over(Instant::now()).map_or(0, |past| past.failures);
                info!(%open_id, failures = past, "learned the bot's open_id");
                bot.send_replace(Some(open_id));
                return;
            }
            Err(error) if trouble.met(&error.cause(), Instant::now()) => {
                warn!(%error, "failed to learn the bot's open_id; messages in groups are ignored until then");
            }
            Err(error) => debug!(%error, "failed to learn the bot's open_id again"),
        }
        failures = failures.saturating_add(1);
        tokio::select! {
            () = tokio::time::sleep(RETRY.wait(failures, 0.0)) => {}
            () = transport.recovered() => failures = 0,
            () = stop.cancelled() => return,
        }
    }
}
