//! A client's message read: which method, with what, and how it wants to be answered. Pure.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::wire::{CloseCall, ControlCall, HealthCall, INTERFACE, PersonCall, SessionsCall, TailCall};

/// The interface that every Varlink service has.
pub const SERVICE: &str = "org.varlink.service";
/// Its definition.
pub const SERVICE_DEFINITION: &str = include_str!("org.varlink.service.varlink");

/// A message that is a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What is asked, or why that cannot be.
    pub asked: Result<RequestedCall, RequestFault>,
    /// Whether the client takes more than one reply.
    pub more: bool,
    /// Whether the client wants no reply.
    pub oneway: bool,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum RequestedCall {
    /// Something of phonework.
    Call(ControlCall),
    /// Who answers here.
    Info,
    /// The definition of an interface.
    Description(&'static str),
}

/// Why something cannot be asked, in Varlink's own terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestFault {
    /// There is no such interface.
    InterfaceNotFound(String),
    /// The interface has no such method.
    MethodNotFound(String),
    /// A parameter is missing or of the wrong kind.
    InvalidParameter(String),
    /// The method has too many replies for one who takes only one.
    ExpectedMore,
}

impl RequestFault {
    /// The reply that says so.
    #[must_use]
    pub fn reply(&self) -> Value {
        let (error, parameters) = match self {
            Self::InterfaceNotFound(interface) => ("InterfaceNotFound", json!({ "interface": interface })),
            Self::MethodNotFound(method) => ("MethodNotFound", json!({ "method": method })),
            Self::InvalidParameter(parameter) => ("InvalidParameter", json!({ "parameter": parameter })),
            Self::ExpectedMore => ("ExpectedMore", json!({})),
        };
        json!({ "error": format!("{SERVICE}.{error}"), "parameters": parameters })
    }
}

#[derive(Deserialize)]
struct RawMessage {
    method: String,
    #[serde(default)]
    parameters: Option<Map<String, Value>>,
    #[serde(default)]
    more: Option<bool>,
    #[serde(default)]
    oneway: Option<bool>,
    #[serde(default)]
    upgrade: Option<bool>,
}

/// Reads a message; none when it is no request at all, after which nothing can be said.
#[must_use]
pub fn read(message: &[u8]) -> Option<Request> {
    let message: RawMessage = serde_json::from_slice(message).ok()?;
    let parameters = message.parameters.unwrap_or_default();
    let asked = if message.upgrade == Some(true) {
        Err(RequestFault::InvalidParameter("upgrade".to_owned()))
    } else {
        asked(&message.method, parameters)
    };
    Some(Request { asked, more: message.more == Some(true), oneway: message.oneway == Some(true) })
}

fn asked(method: &str, parameters: Map<String, Value>) -> Result<RequestedCall, RequestFault> {
    let Some((interface, name)) = method.rsplit_once('.') else {
        return Err(RequestFault::InterfaceNotFound(method.to_owned()));
    };
    let unknown = || RequestFault::MethodNotFound(method.to_owned());
    if interface == SERVICE {
        return match name {
            "GetInfo" => Ok(RequestedCall::Info),
            "GetInterfaceDescription" => description(&parameters),
            _ => Err(unknown()),
        };
    }
    if interface != INTERFACE {
        return Err(RequestFault::InterfaceNotFound(interface.to_owned()));
    }
    let mut given = CallParameters(parameters);
    let call = match name {
        "Sessions" => ControlCall::Sessions(SessionsCall { all: given.optional("all")? }),
        "Close" => ControlCall::Close(CloseCall { conv_id: given.required("conv_id")? }),
        "Tail" => ControlCall::Tail(TailCall {
            conv_id: given.optional("conv_id")?,
            turns: given.optional("turns")?,
            since: given.optional("since")?,
            follow: given.optional("follow")?,
        }),
        "Health" => ControlCall::Health(HealthCall { probe: given.optional("probe")? }),
        "Allowed" => ControlCall::Allowed,
        "Allow" => ControlCall::Allow(PersonCall { open_id: given.required("open_id")? }),
        "Disallow" => ControlCall::Disallow(PersonCall { open_id: given.required("open_id")? }),
        _ => return Err(unknown()),
    };
    Ok(RequestedCall::Call(call))
}

fn description(parameters: &Map<String, Value>) -> Result<RequestedCall, RequestFault> {
    match parameters.get("interface").and_then(Value::as_str) {
        Some(INTERFACE) => Ok(RequestedCall::Description(super::wire::DEFINITION)),
        Some(SERVICE) => Ok(RequestedCall::Description(SERVICE_DEFINITION)),
        Some(other) => Err(RequestFault::InterfaceNotFound(other.to_owned())),
        None => Err(RequestFault::InvalidParameter("interface".to_owned())),
    }
}

/// What a call is given; what it does not know is passed over. Each parameter is looked at once, as callers may send
/// thousands.
struct CallParameters(Map<String, Value>);

impl CallParameters {
    fn required<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, RequestFault> {
        self.optional(name)?.ok_or_else(|| RequestFault::InvalidParameter(name.to_owned()))
    }

    fn optional<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, RequestFault> {
        let value = self.0.remove(name).unwrap_or_default();
        Option::deserialize(value).map_err(|_| RequestFault::InvalidParameter(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked_by(message: &str) -> Result<RequestedCall, RequestFault> {
        read(message.as_bytes()).expect("it is a request").asked
    }

    #[test]
    fn a_call_is_read_with_its_parameters() {
        let sessions = |all| Ok(RequestedCall::Call(ControlCall::Sessions(SessionsCall { all })));
        assert_eq!(asked_by(r#"{"method":"io.phonework.Sessions"}"#), sessions(None));
        assert_eq!(asked_by(r#"{"method":"io.phonework.Sessions","parameters":null}"#), sessions(None));
        let message = r#"{"method":"io.phonework.Sessions","parameters":{"all":true,"later":1}}"#;
        assert_eq!(asked_by(message), sessions(Some(true)));
        let close = ControlCall::Close(CloseCall { conv_id: "c-1".into() });
        let message = r#"{"method":"io.phonework.Close","parameters":{"conv_id":"c-1"}}"#;
        assert_eq!(asked_by(message), Ok(RequestedCall::Call(close)));
        let message = r#"{"method":"io.phonework.Tail","more":true,"oneway":false}"#;
        let tail = Ok(RequestedCall::Call(ControlCall::Tail(TailCall::default())));
        assert_eq!(read(message.as_bytes()), Some(Request { asked: tail, more: true, oneway: false }));
    }

    #[test]
    fn the_service_tells_of_itself() {
        assert_eq!(asked_by(r#"{"method":"org.varlink.service.GetInfo"}"#), Ok(RequestedCall::Info));
        for interface in [SERVICE, INTERFACE] {
            let method = "org.varlink.service.GetInterfaceDescription";
            let message = json!({ "method": method, "parameters": { "interface": interface } }).to_string();
            let Ok(RequestedCall::Description(text)) = asked_by(&message) else { panic!("{interface}") };
            assert!(text.contains(&format!("\ninterface {interface}\n")), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_asked_is_told_in_varlinks_terms() {
        for (message, error, parameter) in [
            (r#"{"method":"Sessions"}"#, "InterfaceNotFound", "Sessions"),
            (r#"{"method":"io.other.Sessions"}"#, "InterfaceNotFound", "io.other"),
            (r#"{"method":"io.phonework.Fly"}"#, "MethodNotFound", "io.phonework.Fly"),
            (r#"{"method":"org.varlink.service.Fly"}"#, "MethodNotFound", "org.varlink.service.Fly"),
            (r#"{"method":"io.phonework.Close"}"#, "InvalidParameter", "conv_id"),
            (r#"{"method":"io.phonework.Close","parameters":{"conv_id":1}}"#, "InvalidParameter", "conv_id"),
            (
                r#"{"method":"io.phonework.Tail","parameters":{"conv_id":"c","turns":-1}}"#,
                "InvalidParameter",
                "turns",
            ),
            (r#"{"method":"io.phonework.Health","upgrade":true}"#, "InvalidParameter", "upgrade"),
            (
                r#"{"method":"org.varlink.service.GetInterfaceDescription","parameters":{"interface":"x"}}"#,
                "InterfaceNotFound",
                "x",
            ),
            (r#"{"method":"org.varlink.service.GetInterfaceDescription"}"#, "InvalidParameter", "interface"),
        ] {
            let reply = asked_by(message).unwrap_err().reply();
            assert_eq!(reply["error"], format!("org.varlink.service.{error}"), "{message}");
            let named: Vec<_> = reply["parameters"].as_object().unwrap().values().collect();
            assert_eq!(named, [parameter], "{message}");
        }
    }

    #[test]
    fn what_is_no_request_is_none() {
        for message in
            ["", "{}", "[]", "{\"method\":1}", "{\"method\":\"a.b\",\"parameters\":[]}", "\u{fffd}"]
        {
            assert_eq!(read(message.as_bytes()), None, "{message}");
        }
    }
}
