//! Where to connect: the response of `POST /callback/ws/endpoint`, and what a refused connection means.
//!
//! The URL carries a ticket that is valid for one connection. So every attempt asks for a new URL, and nobody is shown
//! it.

use std::fmt;

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use url::Url;

use super::{AppCredentials, excerpt, liveness::ClientConfig};

/// Path of the request, below Feishu's base URL.
pub(crate) const PATH: &str = "/callback/ws/endpoint";

/// A URL to connect to, once, and what Feishu says of the connection.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `wss://…` with its ticket: a secret.
    pub url: Url,
    /// The service id that pings must carry; 0 if the URL has none.
    pub service_id: i32,
    /// Feishu's name for the connection, for logs only.
    pub connection: String,
    /// The settings that Feishu asks for.
    pub config: ClientConfig,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("host", &self.url.host_str())
            .field("connection", &self.connection)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// Why an attempt to connect failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// Only an operator can fix this. Holds what Feishu says and what to check.
    #[error("Feishu refuses the app: {0}")]
    Refused(String),
    /// Feishu, or something in its place, answered but gave no connection. Try again, with growing waits.
    #[error("{0}")]
    Trouble(String),
    /// Feishu was probably not reached (no name, TCP, TLS or answer). Try again soon.
    #[error("{0}")]
    Unreachable(String),
}

/// The body of the request for an endpoint.
#[must_use]
pub fn request(credentials: &AppCredentials) -> Value {
    json!({ "AppID": credentials.app_id, "AppSecret": credentials.app_secret.expose_secret() })
}

/// Reads the response. Unless `plain_allowed`, the URL must be `wss`.
///
/// # Errors
/// When the response has no usable URL. The codes 1, 1000040343 and 1000040345 mean trouble at Feishu's end; an operator
/// has to deal with any other.
pub fn read(http: u16, body: &[u8], plain_allowed: bool) -> Result<Endpoint, ConnectError> {
    let answer = serde_json::from_slice::<Value>(body).unwrap_or_default();
    let Some(code) = answer.get("code").and_then(Value::as_i64) else {
        return Err(trouble(format!("the endpoint answered HTTP {http} without a Feishu code")));
    };
    let said = excerpt(answer.get("msg").and_then(Value::as_str).unwrap_or_default(), 200);
    match code {
        0 if http == 200 => {}
        0 | 1 | 1_000_040_343 | 1_000_040_345 => {
            return Err(trouble(format!("the endpoint answered code {code} (HTTP {http}): {said}")));
        }
        _ if http >= 500 || http == 429 => {
            return Err(trouble(format!("the endpoint answered code {code} (HTTP {http}): {said}")));
        }
        _ => return Err(ConnectError::Refused(refusal(code, &said))),
    }
    let data = answer.get("data").unwrap_or(&Value::Null);
    let url = data.get("URL").and_then(Value::as_str).and_then(|url| Url::parse(url).ok());
    let Some(url) = url.filter(|url| {
        url.host_str().is_some() && (url.scheme() == "wss" || plain_allowed && url.scheme() == "ws")
    }) else {
        return Err(trouble("the endpoint answered without a usable WebSocket URL".to_owned()));
    };
    let parameter = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value);
    let service_id = parameter("service_id").and_then(|id| id.parse().ok()).unwrap_or(0);
    let connection = parameter("device_id").map(|id| excerpt(&id, 64)).unwrap_or_default();
    let config = data.get("ClientConfig").map(ClientConfig::read).unwrap_or_default();
    Ok(Endpoint { url, service_id, connection, config })
}

/// What a refused WebSocket upgrade means, judged by its HTTP status and Feishu's headers `Handshake-Status`,
/// `Handshake-Autherrcode` and `Handshake-Msg`.
#[must_use]
pub(crate) fn upgrade_refused(http: u16, header: impl Fn(&str) -> Option<String>) -> ConnectError {
    let status = header("handshake-status").and_then(|status| status.trim().parse::<i64>().ok());
    let auth = header("handshake-autherrcode").and_then(|code| code.trim().parse::<i64>().ok());
    let said = excerpt(&header("handshake-msg").unwrap_or_default(), 200);
    match (status, auth) {
        (Some(403), _) => ConnectError::Refused(refusal(403, &said)),
        (Some(514), Some(TOO_MANY_CONNECTIONS)) => {
            ConnectError::Refused(refusal(TOO_MANY_CONNECTIONS, &said))
        }
        (Some(status), _) => trouble(format!("the connection was refused with status {status}: {said}")),
        (None, _) => trouble(format!("the connection was refused with HTTP {http}")),
    }
}

/// Feishu's code for too many connections of one app (more than 50).
const TOO_MANY_CONNECTIONS: i64 = 1_000_040_350;

fn refusal(code: i64, said: &str) -> String {
    let advice = match code {
        403 => "the app is banned or disabled; look at it in the developer console",
        514 => "authentication failed; check FEISHU_APP_ID and FEISHU_APP_SECRET",
        TOO_MANY_CONNECTIONS => {
            "the app has too many connections (50 at most); stop the other programs that use it"
        }
        1_000_040_344 => "no credentials arrived; check FEISHU_APP_ID and FEISHU_APP_SECRET",
        _ => "check FEISHU_APP_ID, FEISHU_APP_SECRET, FEISHU_DOMAIN and the app in the developer console",
    };
    format!("code {code} ({said}): {advice}")
}

fn trouble(text: String) -> ConnectError {
    ConnectError::Trouble(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: i64, url: &str) -> Vec<u8> {
        let data = json!({"URL": url, "ClientConfig": {"PingInterval": 90, "ReconnectCount": -1}});
        json!({"code": code, "msg": "said", "data": data}).to_string().into_bytes()
    }

    #[test]
    fn the_url_and_its_parameters_are_read() {
        let url = "wss://frontier.example/ws/v2?device_id=d-1&service_id=33&ticket=hush";
        let endpoint = read(200, &answer(0, url), false).unwrap();
        let config = ClientConfig { ping_interval: Some(90) };
        let expected =
            Endpoint { url: Url::parse(url).unwrap(), service_id: 33, connection: "d-1".to_owned(), config };
        assert_eq!(endpoint, expected);
        assert!(!format!("{endpoint:?}").contains("hush"));
    }

    #[test]
    fn missing_values_of_the_url_and_the_response_get_defaults() {
        let body = br#"{"code":0,"data":{"URL":"wss://frontier.example/?service_id=x"}}"#;
        let endpoint = read(200, body, false).unwrap();
        assert_eq!((endpoint.service_id, endpoint.connection.as_str()), (0, ""));
        assert_eq!(endpoint.config, ClientConfig::default());
    }

    #[test]
    fn a_plain_websocket_is_accepted_only_if_the_api_is_plain_too() {
        assert!(read(200, &answer(0, "ws://127.0.0.1:1/"), true).is_ok());
        for url in ["ws://127.0.0.1:1/", "http://x.example/", "nonsense", ""] {
            assert!(matches!(read(200, &answer(0, url), false), Err(ConnectError::Trouble(_))), "{url}");
        }
    }

    #[test]
    fn codes_tell_refusals_from_trouble() {
        let refused = |http, code| match read(http, &answer(code, "wss://x.example/"), false) {
            Ok(_) => panic!("{code} is not a success"),
            Err(ConnectError::Refused(text)) => {
                assert!(text.contains("said"), "{text}");
                true
            }
            Err(ConnectError::Trouble(_) | ConnectError::Unreachable(_)) => false,
        };
        for code in [1, 1_000_040_343, 1_000_040_345] {
            assert!(!refused(200, code), "{code}");
        }
        for code in [403, 514, 1_000_040_344, 1_000_040_350, 10_003] {
            assert!(refused(200, code), "{code}");
            assert!(refused(400, code), "{code}");
            assert!(!refused(503, code), "{code}");
        }
        assert!(!refused(500, 0));
    }

    #[test]
    fn a_response_that_is_not_feishus_is_trouble() {
        for body in [&b"<html>502</html>"[..], b"", b"[]", br#"{"code":"0"}"#] {
            let expected = "the endpoint answered HTTP 200 without a Feishu code".to_owned();
            assert_eq!(read(200, body, false), Err(ConnectError::Trouble(expected)));
        }
    }

    #[test]
    fn the_headers_of_a_refused_upgrade_tell_refusals_from_trouble() {
        let of = |status: &'static str, auth: &'static str| {
            upgrade_refused(200, move |name| match name {
                "handshake-status" => Some(status.to_owned()),
                "handshake-autherrcode" => Some(auth.to_owned()),
                _ => None,
            })
        };
        assert!(matches!(of("403", ""), ConnectError::Refused(_)));
        assert!(matches!(of("514", "1000040350"), ConnectError::Refused(_)));
        assert!(matches!(of("514", "1000040351"), ConnectError::Trouble(_)));
        assert!(matches!(of("500", ""), ConnectError::Trouble(_)));
        let bare = upgrade_refused(401, |_| None);
        assert_eq!(bare, ConnectError::Trouble("the connection was refused with HTTP 401".to_owned()));
    }
}
