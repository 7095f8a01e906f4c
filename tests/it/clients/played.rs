//! A daemon that is played: it answers the real client's calls with what a test has put down, over a real socket.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tempfile::TempDir;

/// What the played daemon says.
#[derive(Clone)]
pub(crate) enum Said {
    /// A reply that ends the call.
    Last(Value),
    /// A reply that others follow.
    More(Value),
    /// An error of this name.
    Error(&'static str, Value),
    /// Bytes that are no reply.
    Nonsense(&'static [u8]),
    /// Nothing more: the connection ends.
    HangsUp,
}

/// The daemon; calls are kept in the order in which they came.
pub(crate) struct Played {
    folder: TempDir,
    calls: Arc<Mutex<Vec<Value>>>,
}

impl Played {
    /// One of this program's version. `says` gets the number of the connection, from 0, the method's name without its
    /// interface, and the parameters.
    pub(crate) fn new(says: impl Fn(usize, &str, &Value) -> Vec<Said> + Send + Sync + 'static) -> Self {
        Self::of_version(env!("CARGO_PKG_VERSION"), says)
    }

    pub(crate) fn of_version(
        version: &'static str,
        says: impl Fn(usize, &str, &Value) -> Vec<Said> + Send + Sync + 'static,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("control.sock")).unwrap();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (says, heard) = (Arc::new(says), Arc::clone(&calls));
        // It ends with the test's process.
        std::thread::spawn(move || {
            for (n, stream) in listener.incoming().enumerate() {
                let (says, heard) = (Arc::clone(&says), Arc::clone(&heard));
                std::thread::spawn(move || {
                    serve(stream.unwrap(), |method, parameters| match method {
                        "org.varlink.service.GetInfo" => vec![Said::Last(json!({"version": version}))],
                        _ => {
                            heard.lock().unwrap().push(json!({"method": method, "parameters": parameters}));
                            says(n, method.strip_prefix("io.phonework.").unwrap(), parameters)
                        }
                    });
                });
            }
        });
        Self { folder, calls }
    }

    /// What was called so far: the methods, with their parameters.
    pub(crate) fn calls(&self) -> Vec<Value> {
        self.calls.lock().unwrap().clone()
    }

    /// The socket that it listens on.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("control.sock")
    }

    /// The real client, ready to be run.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phonework"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.folder.path())
            .env("TZ", "UTC")
            .env("PHONEWORK_SOCKET", self.socket())
            .stdin(Stdio::null());
        command
    }

    /// What the real client says.
    pub(crate) fn asked(&self, arguments: &[&str]) -> String {
        shown(&self.command(arguments).output().unwrap())
    }
}

/// The exit code, then what was written to stdout, then to stderr.
pub(crate) fn shown(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let code = output.status.code().expect("it was not killed");
    format!("exit {code}\n{}{}", text(&output.stdout), text(&output.stderr))
}

fn serve(mut stream: UnixStream, says: impl Fn(&str, &Value) -> Vec<Said>) {
    let mut read = Vec::new();
    loop {
        while let Some(end) = read.iter().position(|byte| *byte == 0) {
            let call: Value = serde_json::from_slice(&read[..end]).unwrap();
            read.drain(..=end);
            for said in says(call["method"].as_str().unwrap(), &call["parameters"]) {
                let message = match said {
                    Said::Last(parameters) => json!({"parameters": parameters}).to_string().into_bytes(),
                    Said::More(parameters) => {
                        json!({"parameters": parameters, "continues": true}).to_string().into_bytes()
                    }
                    Said::Error(error, parameters) => {
                        json!({"error": error, "parameters": parameters}).to_string().into_bytes()
                    }
                    Said::Nonsense(bytes) => bytes.to_vec(),
                    Said::HangsUp => return,
                };
                // The client may have seen enough.
                if stream.write_all(&message).and_then(|()| stream.write_all(&[0])).is_err() {
                    return;
                }
            }
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(length) => read.extend_from_slice(&buffer[..length]),
        }
    }
}
