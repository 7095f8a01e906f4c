//! A blocking Varlink client, for commands that ask one thing and end.

use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use interprocess::ConnectWaitMode;
use interprocess::local_socket::traits::Stream as _;
use interprocess::local_socket::{ConnectOptions, GenericFilePath, Stream, ToFsName as _};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::control::wire::ControlError;

/// Maximum length of a reply. The daemon sends no longer one.
const MAX_REPLY_BYTES: usize = 16 << 20;

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ControlClientError {
    /// Nothing listens on the socket.
    #[error(
        "no phonework answers at {path}; start it with `systemctl start phonework`, or `phonework serve` in a terminal",
        path = path.display()
    )]
    NoDaemon {
        /// The path of the socket.
        path: PathBuf,
    },
    /// This user may not connect to the socket.
    #[error("this user may not connect to {path}; join the group of that directory, or use sudo", path = path.display())]
    Forbidden {
        /// The path of the socket.
        path: PathBuf,
    },
    /// The daemon answered with an error of its interface.
    #[error("{0}")]
    Refused(ControlError),
    /// The daemon does not know the method or a parameter.
    #[error("the running daemon is too old for this ({what}); restart it with `systemctl restart phonework`")]
    Unknown {
        /// The method or parameter.
        what: String,
    },
    /// The connection failed, or a reply makes no sense.
    #[error("{0}")]
    Broken(String),
}

/// A connection to the daemon's control socket.
pub(crate) struct ControlClient {
    stream: Stream,
    path: PathBuf,
    read: Vec<u8>,
}

#[derive(Serialize)]
struct SentCall<'a, P> {
    method: &'a str,
    parameters: &'a P,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    more: bool,
}

/// The fields that tell how the reply is to be read. The reply is then parsed a second time as [`ReplyBody`], so that
/// its parameters need no intermediate copy.
#[derive(Deserialize)]
struct ReplyHead {
    error: Option<String>,
    #[serde(default)]
    continues: bool,
}

/// The parameters of a reply.
#[derive(Deserialize)]
struct ReplyBody<T> {
    parameters: T,
}

#[derive(Deserialize)]
struct ServiceInfo {
    version: String,
}

impl ControlClient {
    /// Connects. Connecting and every reply may take at most `timeout`.
    ///
    /// # Errors
    /// When nothing listens there, or the user may not connect.
    pub(crate) fn connect(path: &Path, timeout: Duration) -> Result<Self, ControlClientError> {
        // A daemon that hangs accepts no connections.
        let wait = ConnectWaitMode::Timeout(timeout);
        let connected = path
            .to_fs_name::<GenericFilePath>()
            .and_then(|name| ConnectOptions::new().name(name).wait_mode(wait).connect_sync());
        let stream = connected.map_err(|error| {
            let kind = error.kind();
            let path = path.to_owned();
            if kind == ErrorKind::PermissionDenied {
                return ControlClientError::Forbidden { path };
            }
            if matches!(kind, ErrorKind::NotFound | ErrorKind::ConnectionRefused) {
                return ControlClientError::NoDaemon { path };
            }
            let path = path.display();
            ControlClientError::Broken(format!(
                "the daemon at {path} cannot be reached: {error}; see `systemctl status phonework`"
            ))
        })?;
        let mut client = Self { stream, path: path.to_owned(), read: Vec::new() };
        client.set_timeout(timeout)?;
        Ok(client)
    }

    /// Sets the maximum time for a reply.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn set_timeout(&mut self, timeout: Duration) -> Result<(), ControlClientError> {
        let set = self.stream.set_recv_timeout(Some(timeout));
        set.and_then(|()| self.stream.set_send_timeout(Some(timeout)))
            .map_err(|error| self.broken(&error.to_string()))
    }

    /// The daemon's version.
    ///
    /// # Errors
    /// Those of [`Self::call`].
    pub(crate) fn version(&mut self) -> Result<String, ControlClientError> {
        let none = serde_json::Map::new();
        self.call::<ServiceInfo>("org.varlink.service.GetInfo", &none).map(|info| info.version)
    }

    /// Calls a method that has one reply.
    ///
    /// # Errors
    /// When the daemon refuses or cannot be understood.
    pub(crate) fn call<T: DeserializeOwned>(
        &mut self,
        method: &str,
        parameters: &impl Serialize,
    ) -> Result<T, ControlClientError> {
        self.send(&SentCall { method, parameters, more: false })?;
        self.reply(method).map(|(reply, _)| reply)
    }

    /// Calls a method that has several replies. Each is read when the iterator reaches it.
    ///
    /// # Errors
    /// When the call cannot be sent.
    pub(crate) fn more<T: DeserializeOwned>(
        &mut self,
        method: &str,
        parameters: &impl Serialize,
    ) -> Result<impl Iterator<Item = Result<T, ControlClientError>>, ControlClientError> {
        self.send(&SentCall { method, parameters, more: true })?;
        let mut over = false;
        Ok(std::iter::from_fn(move || {
            if over {
                return None;
            }
            let reply = self.reply(method);
            over = !matches!(reply, Ok((_, true)));
            Some(reply.map(|(reply, _)| reply))
        }))
    }

    fn send(&mut self, call: &impl Serialize) -> Result<(), ControlClientError> {
        let mut message = serde_json::to_vec(call).map_err(|error| self.broken(&error.to_string()))?;
        message.push(0);
        self.stream.write_all(&message).map_err(|error| self.broken(&error.to_string()))
    }

    /// Reads the next reply; the flag says whether more follow.
    fn reply<T: DeserializeOwned>(&mut self, method: &str) -> Result<(T, bool), ControlClientError> {
        let message = self.message()?;
        let not_understood = |error: serde_json::Error| {
            ControlClientError::Broken(format!(
                "the daemon's reply to {method} is not understood: {error}; is it of another version?"
            ))
        };
        let head: ReplyHead = serde_json::from_slice(&message).map_err(not_understood)?;
        let Some(error) = head.error else {
            let body: ReplyBody<T> = serde_json::from_slice(&message).map_err(not_understood)?;
            return Ok((body.parameters, head.continues));
        };
        let parameters =
            serde_json::from_slice(&message).map_or(Value::Null, |body: ReplyBody<Value>| body.parameters);
        Err(match error.strip_prefix("org.varlink.service.") {
            Some("InterfaceNotFound" | "MethodNotFound" | "MethodNotImplemented") => {
                ControlClientError::Unknown { what: method.to_owned() }
            }
            Some("InvalidParameter") => {
                let parameter = parameters["parameter"].as_str().unwrap_or("a parameter");
                ControlClientError::Unknown { what: format!("{parameter} of {method}") }
            }
            Some(_) | None => {
                let refused = serde_json::json!({"error": error, "parameters": parameters});
                serde_json::from_value(refused).map_or_else(
                    |_| ControlClientError::Broken(format!("the daemon answers {method} with {error}")),
                    ControlClientError::Refused,
                )
            }
        })
    }

    /// Reads the next message, without its NUL.
    fn message(&mut self) -> Result<Vec<u8>, ControlClientError> {
        let mut searched = 0;
        let mut buffer = vec![0; 64 << 10];
        loop {
            if let Some(end) = self.read[searched..].iter().position(|byte| *byte == 0) {
                let mut message: Vec<u8> = self.read.drain(..=searched + end).collect();
                message.pop();
                return Ok(message);
            }
            searched = self.read.len();
            if searched > MAX_REPLY_BYTES {
                return Err(self.broken("a reply is longer than 16 MiB"));
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(self.broken("it closed the connection")),
                Ok(length) => self.read.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Err(self.broken("it does not answer"));
                }
                Err(error) => return Err(self.broken(&error.to_string())),
            }
        }
    }

    fn broken(&self, why: &str) -> ControlClientError {
        ControlClientError::Broken(format!(
            "the daemon at {} does not answer as it should: {why}; see `journalctl -u phonework`",
            self.path.display()
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    #[test]
    fn connecting_to_a_daemon_that_hangs_times_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let frozen = UnixListener::bind(&path).unwrap();
        rustix::net::listen(&frozen, 0).unwrap();
        let _waits = UnixStream::connect(&path).unwrap();
        let timeout = Duration::from_millis(100);
        let refused = ControlClient::connect(&path, timeout).and_then(|mut client| client.version());
        assert!(matches!(refused, Err(ControlClientError::Broken(_))), "{refused:?}");
    }
}
