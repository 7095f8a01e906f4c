//! The frame of Feishu's long connection: one protobuf message (proto2, package `pbbp2`) in each binary WebSocket
//! message.
//!
//! The first four fields of a frame and both of a header are `required`: they are written even when they are zero or
//! empty, because a strict reader refuses a frame without them. Reading is lenient: what is missing is zero.

use base64::Engine as _;
use prost::Message as _;
use serde_json::{Value, json};

/// The `method` of ping and pong.
pub(crate) const METHOD_CONTROL: i32 = 0;
/// The `method` of events and callbacks, and of the answers to them.
pub const METHOD_DATA: i32 = 1;

/// A frame, in either direction.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Frame {
    /// Feishu's number for the frame; echoed in the acknowledgement.
    #[prost(uint64, required, tag = "1")]
    pub seq_id: u64,
    /// Feishu's log id; echoed. It uses all 64 bits.
    #[prost(uint64, required, tag = "2")]
    pub log_id: u64,
    /// The service that the connection belongs to: `service_id` of the WebSocket URL.
    #[prost(int32, required, tag = "3")]
    pub service: i32,
    /// [`METHOD_CONTROL`] or [`METHOD_DATA`].
    #[prost(int32, required, tag = "4")]
    pub method: i32,
    /// What the payload is and how it is to be routed: `type`, `message_id`, `sum`, `seq`, `trace_id`, …
    #[prost(message, repeated, tag = "5")]
    pub headers: Vec<Header>,
    /// Not used by Feishu's own clients; echoed.
    #[prost(string, optional, tag = "6")]
    pub payload_encoding: Option<String>,
    /// Unused by Feishu's own clients; echoed.
    #[prost(string, optional, tag = "7")]
    pub payload_type: Option<String>,
    /// JSON, or one slice of it.
    #[prost(bytes = "vec", optional, tag = "8")]
    pub payload: Option<Vec<u8>>,
    /// A newer form of the log id; echoed.
    #[prost(string, optional, tag = "9")]
    pub log_id_new: Option<String>,
}

/// One header of a frame. Values are always text, numbers too.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Header {
    /// The name, in lower case with underscores.
    #[prost(string, required, tag = "1")]
    pub key: String,
    /// The value, always as text.
    #[prost(string, required, tag = "2")]
    pub value: String,
}

impl Header {
    /// A header with this name and value.
    #[must_use]
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self { key: key.into(), value: value.into() }
    }
}

impl Frame {
    /// A client's ping, its heartbeat.
    #[must_use]
    pub fn ping(service: i32) -> Self {
        Self {
            service,
            method: METHOD_CONTROL,
            headers: vec![Header::new("type", "ping")],
            ..Self::default()
        }
    }

    /// Parses the content of one binary WebSocket message. Unknown fields are skipped.
    ///
    /// # Errors
    /// When the bytes are not such a protobuf message.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, prost::DecodeError> {
        Self::decode(bytes)
    }

    /// The content of one binary WebSocket message.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    /// The value of the first header with this name.
    #[must_use]
    pub fn header(&self, key: &str) -> Option<&str> {
        self.headers.iter().find(|header| header.key == key).map(|header| header.value.as_str())
    }

    /// The payload; empty if there is none.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.payload.as_deref().unwrap_or_default()
    }

    /// The answer to this frame: its echo, with the processing time and a result.
    ///
    /// `code` is 200 (accepted) or 500 (deliver it again). `data` is the body of a callback's answer; on the wire
    /// it is base64 of its JSON.
    #[must_use]
    pub fn acknowledged(&self, code: u16, biz_rt_ms: u64, data: Option<&Value>) -> Self {
        let mut answer = json!({ "code": code });
        if let Some(data) = data {
            let encoded = base64::engine::general_purpose::STANDARD.encode(data.to_string());
            answer["data"] = Value::String(encoded);
        }
        let mut headers = self.headers.clone();
        headers.retain(|header| header.key != "biz_rt");
        headers.push(Header::new("biz_rt", biz_rt_ms.to_string()));
        Self {
            seq_id: self.seq_id,
            log_id: self.log_id,
            service: self.service,
            method: self.method,
            headers,
            payload_encoding: self.payload_encoding.clone(),
            payload_type: self.payload_type.clone(),
            payload: Some(answer.to_string().into_bytes()),
            log_id_new: self.log_id_new.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event_frame() -> Frame {
        Frame {
            seq_id: 7,
            log_id: u64::MAX,
            service: 33,
            method: METHOD_DATA,
            headers: vec![
                Header::new("type", "event"),
                Header::new("message_id", "m"),
                Header::new("instance_id", "i-1"),
            ],
            payload_encoding: Some("gzip".to_owned()),
            payload_type: Some("json".to_owned()),
            payload: Some(b"{}".to_vec()),
            log_id_new: Some("new".to_owned()),
        }
    }

    #[test]
    fn required_fields_are_written_even_when_they_are_zero() {
        assert_eq!(Frame::default().to_bytes(), [0x08, 0, 0x10, 0, 0x18, 0, 0x20, 0]);
        let empty_header = Frame { headers: vec![Header::default()], ..Frame::default() };
        assert_eq!(empty_header.to_bytes()[8..], [0x2a, 4, 0x0a, 0, 0x12, 0]);
    }

    #[test]
    fn a_ping_is_a_control_frame_of_the_service() {
        let ping = Frame::ping(33);
        assert_eq!((ping.seq_id, ping.log_id, ping.service, ping.method), (0, 0, 33, METHOD_CONTROL));
        assert_eq!(ping.header("type"), Some("ping"));
        assert_eq!(ping.payload, None);
    }

    #[test]
    fn an_acknowledgement_is_the_echo_with_its_time_and_result() {
        let frame = event_frame();
        let ack = frame.acknowledged(200, 12, None);
        let mut expected = frame.clone();
        expected.headers.push(Header::new("biz_rt", "12"));
        expected.payload = Some(br#"{"code":200}"#.to_vec());
        assert_eq!(ack, expected);
    }

    #[test]
    fn the_body_of_a_callback_answer_is_base64_once() {
        let ack = event_frame().acknowledged(200, 0, Some(&json!({"toast": {"type": "info"}})));
        let answer: Value = serde_json::from_slice(ack.body()).unwrap();
        assert_eq!(answer, json!({"code": 200, "data": "eyJ0b2FzdCI6eyJ0eXBlIjoiaW5mbyJ9fQ=="}));
    }

    #[test]
    fn unknown_fields_are_skipped_and_negative_numbers_are_read() {
        let mut bytes = Frame { service: -1, ..Frame::default() }.to_bytes();
        assert_eq!(bytes.len(), 8 + 9, "a negative int32 is a varint of ten bytes");
        bytes.extend([0xa2, 0x06, 2, b'h', b'i']);
        assert_eq!(Frame::from_bytes(&bytes).unwrap().service, -1);
    }

    #[test]
    fn bytes_that_are_not_a_frame_are_an_error() {
        assert!(Frame::from_bytes(b"hello").is_err());
        assert!(Frame::from_bytes(&[0x2a, 0xff]).is_err());
    }

    fn any_header() -> impl Strategy<Value = Header> {
        (any::<String>(), any::<String>()).prop_map(|(key, value)| Header { key, value })
    }

    proptest! {
        #[test]
        fn any_frame_is_decoded_as_it_was_encoded(
            numbers in any::<(u64, u64, i32, i32)>(),
            headers in prop::collection::vec(any_header(), 0..6),
            texts in any::<(Option<String>, Option<String>, Option<String>)>(),
            payload in any::<Option<Vec<u8>>>(),
        ) {
            let frame = Frame {
                seq_id: numbers.0, log_id: numbers.1, service: numbers.2, method: numbers.3, headers,
                payload_encoding: texts.0, payload_type: texts.1, payload, log_id_new: texts.2,
            };
            prop_assert_eq!(Frame::from_bytes(&frame.to_bytes()).unwrap(), frame);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in any::<Vec<u8>>()) {
            if let Ok(frame) = Frame::from_bytes(&bytes) {
                prop_assert_eq!(Frame::from_bytes(&frame.to_bytes()).unwrap(), frame);
            }
        }
    }
}
