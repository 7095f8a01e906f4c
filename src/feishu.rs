//! Feishu's protocols: the long connection that events come in by, and the HTTP API that messages go out by.
//!
//! Nothing in here knows Claude. The pure parts read and write bytes and decide by value: [`frame`], [`reassembly`],
//! [`event`], [`content`], [`endpoint`], [`liveness`], `backoff`, [`failure`]. The thin parts talk to the network:
//! [`socket`] and [`api`]. The app secret, tokens and the WebSocket URL with its ticket never reach a log.
//!
//! Deliberately absent: Feishu's own reconnect settings (ours are faster), proxies (a long connection through one is
//! not supported, and the API alone would be of no use), and the legacy card callback.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use secrecy::SecretString;

pub mod api;
mod backoff;
mod calls;
mod connection;
pub mod content;
pub mod endpoint;
pub mod event;
pub mod failure;
pub mod frame;
mod journal;
pub mod liveness;
mod reach;
pub mod reassembly;
pub mod socket;
mod suspend;
mod token;

pub use calls::ApiState;

/// What the app proves itself to Feishu with.
#[derive(Clone)]
pub struct AppCredentials {
    /// The app's id (`cli_…`); no secret.
    pub app_id: String,
    /// The app's secret.
    pub app_secret: SecretString,
}

impl fmt::Debug for AppCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("app_id", &self.app_id).finish_non_exhaustive()
    }
}

/// The longest time for reaching a host, before anything is asked of it.
pub const REACH_TIMEOUT: Duration = Duration::from_secs(6);

/// The way to the network, shared by all: one HTTP client with its pool, one set of trusted roots. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HttpClient {
    http: reqwest::Client,
    fresh: reqwest::Client,
    tls: Arc<ClientConfig>,
}

/// Why there is no [`HttpClient`].
#[derive(Debug, thiserror::Error)]
pub enum HttpClientError {
    /// The TLS library refused its own settings.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// The HTTP client could not be built.
    #[error("the HTTP client cannot be set up: {0}")]
    Http(#[from] reqwest::Error),
}

impl HttpClient {
    /// Reads the system's trusted roots (`SSL_CERT_FILE` and `SSL_CERT_DIR` count) and builds the client.
    ///
    /// Without any roots it is built nevertheless, with a warning: plain `http` and `ws` still work.
    ///
    /// # Errors
    /// When TLS or the HTTP client cannot be set up.
    pub fn new() -> Result<Self, HttpClientError> {
        let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(trusted_roots())
            .with_no_client_auth();
        // The WebSocket handshake is HTTP/1.1 and must not offer anything else.
        let mut http_tls = tls.clone();
        http_tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let plain = || {
            reqwest::Client::builder()
                .tls_backend_preconfigured(http_tls.clone())
                .user_agent(concat!("phonework/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(REACH_TIMEOUT)
                .no_proxy()
        };
        let http = plain()
            // A dead HTTP/2 connection would otherwise stay in the pool and swallow one request after another.
            .http2_keep_alive_interval(Duration::from_secs(5))
            .http2_keep_alive_timeout(Duration::from_secs(5))
            .build()?;
        let fresh = plain().pool_max_idle_per_host(0).build()?;
        Ok(Self { http, fresh, tls: Arc::new(tls) })
    }

    /// The HTTP client: no redirects, no proxy. It has a timeout for connecting only: give each request its own.
    #[must_use]
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// The same, but each request has a connection of its own: after an outage none is lost to a connection that only
    /// looks alive.
    #[must_use]
    pub fn fresh(&self) -> &reqwest::Client {
        &self.fresh
    }

    /// The TLS settings, without any application protocol.
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
        tracing::debug!(%error, "a trusted root certificate could not be read");
    }
    if trusted == 0 {
        tracing::warn!("no trusted root certificates found: TLS will fail; install ca-certificates");
    } else {
        tracing::debug!(trusted, ignored, "read the trusted root certificates");
    }
    roots
}

/// The body of an answer, if it has at most `limit` bytes; `None` when it is longer.
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

/// An HTTP client's error with its causes and without the URL.
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

/// The beginning of a text from outside in one line, fit for a log.
fn excerpt(text: &str, limit: usize) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(limit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_can_be_made_and_offers_the_socket_no_other_protocol() {
        let client = HttpClient::new().unwrap();
        assert!(client.tls().alpn_protocols.is_empty());
    }

    #[test]
    fn credentials_do_not_show_their_secret() {
        let credentials = AppCredentials { app_id: "cli_1".to_owned(), app_secret: "hush".into() };
        assert_eq!(format!("{credentials:?}"), "Credentials { app_id: \"cli_1\", .. }");
    }

    #[test]
    fn an_excerpt_is_one_line_and_never_cut_inside_a_character() {
        assert_eq!(excerpt("你\n好\u{1b}[31m", 3), "你 好");
    }
}
