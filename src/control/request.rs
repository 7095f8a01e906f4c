//! Parses a client's message: which method, which parameters, and how the client wants to be answered. Pure.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::wire::{CloseCall, ControlCall, HealthCall, INTERFACE, PersonCall, SessionsCall, TailCall};

/// The interface that every Varlink service implements.
pub const SERVICE: &str = "org.varlink.service";
/// The definition of [`SERVICE`].
const SERVICE_DEFINITION: &str = include_str!("org.varlink.service.varlink");

/// A request as it was parsed: method, parameters and flags.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The call, or why it is not one.
    pub call: Result<RequestedCall, RequestFault>,
    /// Whether the client accepts several replies.
    pub more: bool,
    /// Whether the client wants no reply at all.
    pub oneway: bool,
}

/// A call of either interface.
#[derive(Clone, Debug, PartialEq)]
pub enum RequestedCall {
    /// A method of `io.phonework`.
    Call(ControlCall),
    /// `GetInfo`: what service this is.
    Info,
    /// `GetInterfaceDescription`; holds the definition.
    Description(&'static str),
}

/// The errors that Varlink itself defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestFault {
    /// There is no such interface.
    InterfaceNotFound(String),
    /// The interface has no such method.
    MethodNotFound(String),
    /// A parameter is missing or of the wrong type.
    InvalidParameter(String),
    /// The method has several replies, but the client accepts only one.
    ExpectedMore,
}

impl RequestFault {
    /// The error as a reply.
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

/// Parses a message; `None` if it is not a request at all. Then it cannot be answered.
#[must_use]
pub fn read(message: &[u8]) -> Option<Request> {
    let message: RawMessage = serde_json::from_slice(message).ok()?;
    let parameters = message.parameters.unwrap_or_default();
    let call = if message.upgrade == Some(true) {
        Err(RequestFault::InvalidParameter("upgrade".to_owned()))
    } else {
        parse_call(&message.method, parameters)
    };
    Some(Request { call, more: message.more == Some(true), oneway: message.oneway == Some(true) })
}

fn parse_call(method: &str, parameters: Map<String, Value>) -> Result<RequestedCall, RequestFault> {
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

/// The parameters of a call. Unknown ones are ignored. Each is looked up by name, as a caller may send thousands.
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

    fn call_of(message: &str) -> Result<RequestedCall, RequestFault> {
        read(message.as_bytes()).expect("it is a request").call
    }

    #[test]
    fn a_call_is_read_with_its_parameters() {
        let sessions = |all| Ok(RequestedCall::Call(ControlCall::Sessions(SessionsCall { all })));
        assert_eq!(call_of(r#"{"method":"io.phonework.Sessions"}"#), sessions(None));
        assert_eq!(call_of(r#"{"method":"io.phonework.Sessions","parameters":null}"#), sessions(None));
        let message = r#"{"method":"io.phonework.Sessions","parameters":{"all":true,"later":1}}"#;
        assert_eq!(call_of(message), sessions(Some(true)));
        let close = ControlCall::Close(CloseCall { conv_id: "c-1".into() });
        let message = r#"{"method":"io.phonework.Close","parameters":{"conv_id":"c-1"}}"#;
        assert_eq!(call_of(message), Ok(RequestedCall::Call(close)));
        let message = r#"{"method":"io.phonework.Tail","more":true,"oneway":false}"#;
        let tail = Ok(RequestedCall::Call(ControlCall::Tail(TailCall::default())));
        assert_eq!(read(message.as_bytes()), Some(Request { call: tail, more: true, oneway: false }));
    }

    #[test]
    fn the_service_describes_itself() {
        assert_eq!(call_of(r#"{"method":"org.varlink.service.GetInfo"}"#), Ok(RequestedCall::Info));
        for interface in [SERVICE, INTERFACE] {
            let method = "org.varlink.service.GetInterfaceDescription";
            let message = json!({ "method": method, "parameters": { "interface": interface } }).to_string();
            let Ok(RequestedCall::Description(text)) = call_of(&message) else { panic!("{interface}") };
            assert!(text.contains(&format!("\ninterface {interface}\n")), "{text}");
        }
    }

    #[test]
    fn faulty_calls_are_answered_with_varlinks_errors() {
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
            let reply = call_of(message).unwrap_err().reply();
            assert_eq!(reply["error"], format!("org.varlink.service.{error}"), "{message}");
            let named: Vec<_> = reply["parameters"].as_object().unwrap().values().collect();
            assert_eq!(named, [parameter], "{message}");
        }
    }

    #[test]
    fn a_message_that_is_not_a_request_is_none() {
        for message in
            ["", "{}", "[]", "{\"method\":1}", "{\"method\":\"a.b\",\"parameters\":[]}", "\u{fffd}"]
        {
            assert_eq!(read(message.as_bytes()), None, "{message}");
        }
    }
}
