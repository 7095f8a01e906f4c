//! Feishu's protocols: the long connection, over which events arrive, and the HTTP API, which sends messages.
//!
//! Nothing here knows Claude. The pure parts parse bytes and decide by value: [`frame`], [`reassembly`], [`event`],
//! [`content`], [`endpoint`], [`liveness`], `backoff` and [`failure`]. The parts that use the network are thin:
//! [`socket`] keeps the long connection (`handshake` opens a WebSocket, `connection` serves it until it is lost), and
//! [`api`] makes the HTTP calls. The app secret, tokens and the WebSocket URL with its ticket never reach a log.
//!
//! Deliberately absent:
//! - Feishu's reconnect settings: ours reconnect faster.
//! - Proxies: a long connection through a proxy is not supported, and the API alone would be of no use.
//! - The legacy card callback.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use secrecy::SecretString;
use tokio_tungstenite::tungstenite::Error as WsError;

pub mod api;
mod backoff;
mod call_history;
mod connection;
mod connection_log;
pub mod content;
pub mod endpoint;
pub mod event;
pub mod failure;
pub mod frame;
mod handshake;
pub mod liveness;
pub mod reassembly;
pub mod socket;
mod suspend;
mod token;

pub use call_history::ApiState;

/// What identifies the app to Feishu.
#[derive(Clone)]
pub struct AppCredentials {
    /// The app's id (`cli_…`); not secret.
    pub app_id: String,
    /// The app secret, as the developer console shows it.
    pub app_secret: SecretString,
}

impl fmt::Debug for AppCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppCredentials").field("app_id", &self.app_id).finish_non_exhaustive()
    }
}

/// Maximum time for connecting to a host (name, TCP), before a request is sent.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(6);

/// The network access that all parts share: one HTTP client with its pool and one set of trusted roots. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HttpClient {
    http: reqwest::Client,
    fresh: reqwest::Client,
    tls: Arc<ClientConfig>,
}

/// Why an [`HttpClient`] could not be built.
#[derive(Debug, thiserror::Error)]
pub enum HttpClientError {
    /// The TLS library refused the settings.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// The HTTP client could not be built.
    #[error("the HTTP client cannot be set up: {0}")]
    Http(#[from] reqwest::Error),
}

impl HttpClient {
    /// Builds the client with the system's trusted roots; `SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured.
    ///
    /// If there are no roots it only logs a warning: plain `http` and `ws` still work.
    ///
    /// # Errors
    /// When TLS or the HTTP client cannot be set up.
    pub fn new() -> Result<Self, HttpClientError> {
        let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(trusted_roots())
            .with_no_client_auth();
        // The WebSocket handshake is HTTP/1.1 and must not offer another protocol.
        let mut http_tls = tls.clone();
        http_tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let builder = || {
            reqwest::Client::builder()
                .tls_backend_preconfigured(http_tls.clone())
                .user_agent(concat!("phonework/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(CONNECT_TIMEOUT)
                .no_proxy()
        };
        let http = builder()
            // Without this a dead HTTP/2 connection would stay in the pool and swallow one request after another.
            .http2_keep_alive_interval(Duration::from_secs(5))
            .http2_keep_alive_timeout(Duration::from_secs(5))
            .build()?;
        let fresh = builder().pool_max_idle_per_host(0).build()?;
        Ok(Self { http, fresh, tls: Arc::new(tls) })
    }

    /// The HTTP client, which follows no redirects and uses no proxy. Only connecting has a timeout: give each request
    /// its own.
    #[must_use]
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Like [`Self::http`], but every request opens a new connection. After an outage no request is lost to a pooled
    /// connection that only looks alive.
    #[must_use]
    pub(crate) fn fresh(&self) -> &reqwest::Client {
        &self.fresh
    }

    /// The TLS settings, which offer no application protocol (ALPN).
    #[must_use]
    pub fn tls(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.tls)
    }
}

fn trusted_roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (trusted, ignored) = roots.add_parsable_certificates(found.certs);
    for error in &found.errors {
        tracing::debug!(%error, "failed to read a trusted root certificate");
    }
    if trusted == 0 {
        tracing::warn!("no trusted root certificates found: TLS will fail; install ca-certificates");
    } else {
        tracing::debug!(trusted, ignored, "read the trusted root certificates");
    }
    roots
}

/// Reads the body of a response; `None` if it is longer than `limit` bytes.
async fn body_up_to(mut answer: reqwest::Response, limit: usize) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > limit {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// An HTTP error with its causes, but without the URL.
fn http_error_text(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}

/// A WebSocket error without the URL, whose ticket is secret.
fn ws_error_text(error: &WsError) -> String {
    if let WsError::Url(_) | WsError::HttpFormat(_) = error {
        return "the WebSocket URL cannot be used".to_owned();
    }
    error.to_string()
}

/// The first `limit` characters of a text from outside, on one line and safe to log.
fn excerpt(text: &str, limit: usize) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(limit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_about_the_url_does_not_show_it() {
        use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

        let error = "wss://x.example/a b?ticket=hush".into_client_request().unwrap_err();
        assert_eq!(ws_error_text(&error), "the WebSocket URL cannot be used");
    }

    #[test]
    fn the_client_offers_the_websocket_no_application_protocol() {
        let client = HttpClient::new().unwrap();
        assert!(client.tls().alpn_protocols.is_empty());
    }

    #[test]
    fn credentials_hide_the_app_secret_in_debug_output() {
        let credentials = AppCredentials { app_id: "cli_1".to_owned(), app_secret: "hush".into() };
        assert_eq!(format!("{credentials:?}"), "AppCredentials { app_id: \"cli_1\", .. }");
    }

    #[test]
    fn an_excerpt_is_one_line_and_ends_at_a_character_boundary() {
        assert_eq!(excerpt("你\n好\u{1b}[31m", 3), "你 好");
    }
}
