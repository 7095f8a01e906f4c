//! Opens one connection: asks Feishu for an endpoint, dials its host, and upgrades the TCP connection to a WebSocket.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, client::IntoClientRequest as _};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};
use url::Url;

use super::endpoint::{self, ConnectError, Endpoint};
use super::{AppCredentials, CONNECT_TIMEOUT, HttpClient, body_up_to, http_error_text, ws_error_text};

/// Maximum time for asking Feishu where to connect.
const ENDPOINT_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum time for name lookup, TCP, TLS and upgrade together.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum time for one of several addresses of a host.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(3);
/// Maximum size of a WebSocket message. Feishu documents no limit; events are a few kilobytes.
const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;
/// Maximum size of the endpoint's response.
const MAX_ENDPOINT_BODY_BYTES: usize = 1024 * 1024;

pub(super) type WebSocket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Opens a WebSocket to Feishu; the endpoint says what its pings must carry.
///
/// # Errors
/// See [`ConnectError`].
pub(super) async fn connect(
    base_url: &str,
    credentials: &AppCredentials,
    client: &HttpClient,
) -> Result<(WebSocket, Endpoint), ConnectError> {
    let endpoint = ask_endpoint(base_url, credentials, client).await?;
    let socket = timeout(HANDSHAKE_TIMEOUT, upgrade(&endpoint.url, client)).await.map_err(|_| {
        ConnectError::Unreachable(format!("no connection within {} s", HANDSHAKE_TIMEOUT.as_secs()))
    })??;
    Ok((socket, endpoint))
}

async fn ask_endpoint(
    base_url: &str,
    credentials: &AppCredentials,
    client: &HttpClient,
) -> Result<Endpoint, ConnectError> {
    let url = Url::parse(&format!("{}{}", base_url.trim_end_matches('/'), endpoint::PATH))
        .map_err(|_| ConnectError::Refused("FEISHU_DOMAIN is no usable base URL".to_owned()))?;
    let plain_allowed = url.scheme() == "http";
    let request = client
        .fresh()
        .post(url)
        .header("locale", "zh")
        .timeout(ENDPOINT_TIMEOUT)
        .json(&endpoint::request(credentials));
    let no_answer = |error| format!("no endpoint: {}", http_error_text(error));
    let answer = request.send().await.map_err(|error| ConnectError::Unreachable(no_answer(error)))?;
    let http = answer.status().as_u16();
    let body = body_up_to(answer, MAX_ENDPOINT_BODY_BYTES).await;
    let body = body.map_err(|error| ConnectError::Trouble(no_answer(error)))?;
    endpoint::read(http, &body.unwrap_or_default(), plain_allowed)
}

async fn upgrade(url: &Url, client: &HttpClient) -> Result<WebSocket, ConnectError> {
    let unreachable = |error: String| ConnectError::Unreachable(format!("no connection: {error}"));
    let trouble = |error: WsError| ConnectError::Trouble(format!("no connection: {}", ws_error_text(&error)));
    let request = url.as_str().into_client_request().map_err(trouble)?;
    let stream = dial(url).await.map_err(|error| unreachable(error.to_string()))?;
    let config = WebSocketConfig::default()
        .read_buffer_size(16 * 1024)
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    let connector = Connector::Rustls(client.tls());
    match client_async_tls_with_config(request, stream, Some(config), Some(connector)).await {
        Ok((socket, _)) => Ok(socket),
        Err(WsError::Http(answer)) => {
            let header = |name: &str| Some(answer.headers().get(name)?.to_str().ok()?.to_owned());
            Err(endpoint::upgrade_refused(answer.status().as_u16(), header))
        }
        Err(
            error @ (WsError::Io(_)
            | WsError::Tls(_)
            | WsError::ConnectionClosed
            | WsError::AlreadyClosed
            | WsError::Protocol(ProtocolError::HandshakeIncomplete)),
        ) => Err(unreachable(ws_error_text(&error))),
        Err(error) => Err(trouble(error)),
    }
}

/// Connects to the host over TCP, trying its addresses in turn. An address that swallows packets costs only a few
/// seconds.
async fn dial(url: &Url) -> io::Result<TcpStream> {
    timeout(CONNECT_TIMEOUT, try_all(url)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn try_all(url: &Url) -> io::Result<TcpStream> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = url.port_or_known_default().unwrap_or(443);
    let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
    let mut last = io::Error::other("the host has no address");
    for address in families_alternating(&found) {
        match timeout(ADDRESS_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

/// The addresses in the system's order, but alternating between IPv4 and IPv6: often one family is broken altogether.
fn families_alternating(found: &[SocketAddr]) -> Vec<SocketAddr> {
    let Some(first) = found.first() else { return Vec::new() };
    let (preferred, other): (Vec<_>, Vec<_>) =
        found.iter().copied().partition(|address| address.is_ipv4() == first.is_ipv4());
    let mut ordered = Vec::with_capacity(found.len());
    for place in 0..found.len() {
        ordered.extend(preferred.get(place));
        ordered.extend(other.get(place));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_alternate_between_ipv4_and_ipv6() {
        let of = |list: &[&str]| list.iter().map(|a| a.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let found = of(&["[::1]:1", "[::2]:1", "1.1.1.1:1", "2.2.2.2:1", "3.3.3.3:1"]);
        let expected = of(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "3.3.3.3:1"]);
        assert_eq!(families_alternating(&found), expected);
        assert_eq!(families_alternating(&[]), []);
    }
}
