//! A Varlink client that does what it is told, also what is wrong.

use std::path::Path;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

use super::phonework::PATIENCE;

/// A connection to the control socket.
pub(crate) struct Varlink {
    stream: BufReader<UnixStream>,
}

impl Varlink {
    pub(crate) async fn connect(path: &Path) -> Self {
        Self { stream: BufReader::new(UnixStream::connect(path).await.unwrap()) }
    }

    /// Sends bytes; false when nobody takes them.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// The next reply; none when the connection is over.
    pub(crate) async fn reply(&mut self) -> Option<Value> {
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(PATIENCE, self.stream.read_until(0, &mut bytes));
        match read.await.expect("the daemon answers or hangs up") {
            Ok(0) | Err(_) => None,
            Ok(_) => {
                assert_eq!(bytes.pop(), Some(0), "a reply ends with a NUL");
                Some(serde_json::from_slice(&bytes).expect("a reply is JSON"))
            }
        }
    }

    /// Asks for more than one reply.
    pub(crate) async fn ask_more(&mut self, method: &str, parameters: Value) {
        let request =
            json!({ "method": format!("io.phonework.{method}"), "parameters": parameters, "more": true });
        assert!(self.send(format!("{request}\0").as_bytes()).await);
    }

    /// A call of phonework's, and its reply or its error.
    pub(crate) async fn call(&mut self, method: &str, parameters: Value) -> Result<Value, String> {
        let request = json!({ "method": format!("io.phonework.{method}"), "parameters": parameters });
        assert!(self.send(format!("{request}\0").as_bytes()).await);
        let mut reply = self.reply().await.expect("an answer");
        match reply["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(reply["parameters"].take()),
        }
    }
}
