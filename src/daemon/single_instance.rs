//! One phonework on one machine for one app: Feishu gives each event to only one of an app's connections, so that two
//! daemons would take each other's messages.
//!
//! The sign is a socket with a name of its own in the kernel (an abstract one), which goes with the process however
//! that ends. Another user's is only warned of: anybody may make such a socket, and nobody shall keep a daemon from
//! starting by it.

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

/// A daemon that was killed leaves its socket, for a moment, to a process that it was just starting.
const LEFT_BEHIND: Duration = Duration::from_secs(1);
/// Between two looks, and when the system is out of something.
const BREATH: Duration = Duration::from_millis(20);

/// The app is this process's, as long as this lives.
pub(super) struct SingleInstance {
    answering: Option<JoinHandle<()>>,
}

/// Who has the app already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct InstanceHolder {
    uid: u32,
    pid: Option<i32>,
}

impl SingleInstance {
    /// Takes the app at this Feishu for this process.
    ///
    /// # Errors
    /// When another process of this user or of root has it.
    pub(super) async fn claim(app_id: &str, domain: &str) -> Result<Self, Failure> {
        let name = name(app_id, domain);
        let until = Instant::now() + LEFT_BEHIND;
        loop {
            match bind(&name) {
                Ok(listener) => return Ok(Self { answering: Some(tokio::spawn(answer(listener))) }),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => {
                    debug!(%error, "it cannot be seen whether another phonework is connected with this app");
                    return Ok(Self { answering: None });
                }
            }
            if Instant::now() < until {
                sleep(BREATH).await;
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

/// The socket's name. The app's id is no secret, but it may hold anything.
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

/// Takes who looks in and lets him go again: the kernel has told him by then whose socket it is.
async fn answer(listener: UnixListener) {
    loop {
        if let Err(error) = listener.accept().await {
            debug!(%error, "who asks for the app cannot be answered");
            sleep(BREATH).await;
        }
    }
}

async fn holder(name: &[u8]) -> Option<InstanceHolder> {
    let path = [b"\0", name].concat();
    let path: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(&path);
    let peer = timeout(LEFT_BEHIND, UnixStream::connect(path)).await.ok()?.ok()?;
    let credentials = peer.peer_cred().ok()?;
    Some(InstanceHolder { uid: credentials.uid(), pid: credentials.pid() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_app_is_one_processs_at_a_time_and_free_when_it_ends() {
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
