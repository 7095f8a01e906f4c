//! Keeps two daemons on one machine from connecting as the same app: a second one refuses to start and says why. Feishu
//! gives each event to only one of an app's connections, so two daemons would take each other's messages.
//!
//! The claim is an abstract Unix socket whose name is derived from the app. The kernel removes it when the process ends,
//! however it ends. A socket of another user only causes a warning: anybody can create one, and that must not keep a
//! daemon from starting.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener as StdListener};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, warn};

use crate::error::Failure;

/// How long a taken name is tried again. A killed daemon leaves its socket, for a moment, to a child that it was just
/// starting.
const CLAIM_TIMEOUT: Duration = Duration::from_secs(1);
/// Wait between two attempts, and after a failed accept.
const RETRY_DELAY: Duration = Duration::from_millis(20);

/// The claim of this process to the app; dropping it gives it up.
pub(super) struct SingleInstance {
    answering: Option<JoinHandle<()>>,
}

/// The process that holds the claim, as the kernel names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct InstanceHolder {
    uid: u32,
    pid: Option<i32>,
}

impl SingleInstance {
    /// Claims the app (at this Feishu) for this process.
    ///
    /// # Errors
    /// When another process of this user or of root holds the claim.
    pub(super) async fn claim(app_id: &str, domain: &str) -> Result<Self, Failure> {
        let name = name(app_id, domain);
        let until = Instant::now() + CLAIM_TIMEOUT;
        loop {
            match bind(&name) {
                Ok(listener) => return Ok(Self { answering: Some(tokio::spawn(answer(listener))) }),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => {
                    debug!(%error, "failed to check whether another phonework is connected with this app");
                    return Ok(Self { answering: None });
                }
            }
            if Instant::now() < until {
                sleep(RETRY_DELAY).await;
                continue;
            }
            let own = rustix::process::geteuid().as_raw();
            let holder = holder(&name).await;
            let process = holder.and_then(|holder| holder.pid).map(|pid| format!(" (process {pid})"));
            let process = process.unwrap_or_default();
            if holder.is_some_and(|holder| holder.uid == own || holder.uid == 0) {
                return Err(Failure::failed(format!(
                    "another phonework on this machine{process} is connected with the app {app_id}, and Feishu gives \
                     each message to only one of them, at random; stop it, or give this one an app of its own"
                )));
            }
            warn!(
                "another user's phonework on this machine{process} is connected with the app {app_id}: Feishu gives each message to only one of them, at random; stop one, or give it an app of its own"
            );
            return Ok(Self { answering: None });
        }
    }
}

impl Drop for SingleInstance {
    fn drop(&mut self) {
        if let Some(answering) = &self.answering {
            answering.abort();
        }
    }
}

/// The socket's name: a hash, because the app id may hold any characters.
fn name(app_id: &str, domain: &str) -> Vec<u8> {
    let digest = Sha256::digest(format!("{domain}\n{app_id}"));
    let hex: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("phonework-{hex}").into_bytes()
}

fn bind(name: &[u8]) -> io::Result<UnixListener> {
    let listener = StdListener::bind_addr(&SocketAddr::from_abstract_name(name)?)?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// Accepts connections and drops them: by then the kernel has told the other side who holds the socket.
async fn answer(listener: UnixListener) {
    loop {
        if let Err(error) = listener.accept().await {
            debug!(%error, "accept on the instance socket failed");
            sleep(RETRY_DELAY).await;
        }
    }
}

async fn holder(name: &[u8]) -> Option<InstanceHolder> {
    let path = [b"\0", name].concat();
    let path: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(&path);
    let peer = timeout(CLAIM_TIMEOUT, UnixStream::connect(path)).await.ok()?.ok()?;
    let credentials = peer.peer_cred().ok()?;
    Some(InstanceHolder { uid: credentials.uid(), pid: credentials.pid() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_app_belongs_to_one_process_at_a_time_and_is_free_when_it_ends() {
        let domain = format!("http://{}.test", uuid::Uuid::new_v4());
        let first = SingleInstance::claim("cli_1", &domain).await.unwrap();
        let refused = SingleInstance::claim("cli_1", &domain).await.err().unwrap();
        let expected = format!(
            "another phonework on this machine (process {}) is connected with the app cli_1, and Feishu gives each \
             message to only one of them, at random; stop it, or give this one an app of its own",
            std::process::id()
        );
        assert_eq!((refused.exit.code(), refused.sentence), (1, expected));
        SingleInstance::claim("cli_2", &domain).await.unwrap();
        drop(first);
        SingleInstance::claim("cli_1", &domain).await.unwrap();
    }
}
