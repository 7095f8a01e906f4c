//! Frames as Feishu builds them, and what a strict reader demands of a client's. Pure.

use prost::Message as _;
use tokio_tungstenite::tungstenite::Message;

use crate::feishu::frame::{Frame, Header};

/// The value of a header.
pub(crate) fn header<'a>(frame: &'a Frame, key: &str) -> Option<&'a str> {
    frame.headers.iter().find(|header| header.key == key).map(|header| header.value.as_str())
}

/// The answer to a ping.
pub(crate) fn pong(service: i32, payload: Vec<u8>) -> Message {
    encode(&frame(service, 0, &[("type", "pong")], payload))
}

/// An event, cut into `slices` frames; `timestamp` in milliseconds.
pub(crate) fn event(
    service: i32,
    frame_id: &str,
    payload: &[u8],
    slices: usize,
    timestamp: i64,
) -> Vec<Message> {
    let slices = slices.clamp(1, payload.len().max(1));
    let length = payload.len().div_ceil(slices).max(1);
    let parts: Vec<&[u8]> = if payload.is_empty() { vec![payload] } else { payload.chunks(length).collect() };
    let (sum, timestamp) = (parts.len().to_string(), timestamp.to_string());
    let trace_id = format!("{:032x}", fastrand::u128(..));
    parts
        .iter()
        .enumerate()
        .map(|(seq, part)| {
            let seq = seq.to_string();
            let headers = [
                ("timestamp", timestamp.as_str()),
                ("message_id", frame_id),
                ("trace_id", &trace_id),
                ("type", "event"),
                ("sum", &sum),
                ("seq", &seq),
                ("instance_id", "emulated-instance-1"),
            ];
            encode(&frame(service, 1, &headers, part.to_vec()))
        })
        .collect()
}

/// The first required field that an encoded frame lacks. proto2 has them written also when they are zero; a lenient
/// decoder would not notice.
pub(crate) fn missing_field(mut bytes: &[u8]) -> Option<&'static str> {
    const REQUIRED: [&str; 4] = ["SeqID", "LogID", "service", "method"];
    let mut seen = [false; 4];
    while let Some(key) = varint(&mut bytes) {
        if let Some(seen) =
            usize::try_from(key >> 3).ok().and_then(|field| seen.get_mut(field.wrapping_sub(1)))
        {
            *seen = true;
        }
        let length = match key & 7 {
            0 => varint(&mut bytes).map(|_| 0),
            1 => Some(8),
            2 => varint(&mut bytes).and_then(|length| usize::try_from(length).ok()),
            5 => Some(4),
            _ => None,
        };
        match length.and_then(|length| bytes.get(length..)) {
            Some(rest) => bytes = rest,
            None => break,
        }
    }
    seen.iter().position(|seen| !seen).map(|field| REQUIRED[field])
}

fn frame(service: i32, method: i32, headers: &[(&str, &str)], payload: Vec<u8>) -> Frame {
    let header = |(key, value): &(&str, &str)| Header { key: (*key).to_owned(), value: (*value).to_owned() };
    Frame {
        seq_id: fastrand::u64(..),
        // Above what a double holds exactly, so that a client that rounds it is noticed.
        log_id: fastrand::u64((1 << 62)..),
        service,
        method,
        headers: headers.iter().map(header).collect(),
        payload_encoding: None,
        payload_type: None,
        payload: Some(payload),
        log_id_new: Some(format!("{:032X}", fastrand::u128(..))),
    }
}

fn encode(frame: &Frame) -> Message {
    Message::Binary(frame.encode_to_vec().into())
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_joined_are_the_payload() {
        let frames = event(1, "id", "eins zwei drei".as_bytes(), 3, 0);
        let mut joined = Vec::new();
        for (seq, message) in frames.iter().enumerate() {
            let Message::Binary(bytes) = message else { panic!("{message:?}") };
            assert_eq!(missing_field(bytes), None);
            let frame = Frame::decode(bytes.as_ref()).unwrap();
            assert_eq!(header(&frame, "sum"), Some("3"));
            assert_eq!(header(&frame, "seq"), Some(seq.to_string().as_str()));
            joined.extend(frame.payload.unwrap());
        }
        assert_eq!(joined, b"eins zwei drei");
    }

    #[test]
    fn a_frame_that_leaves_zeros_out_is_noticed() {
        assert_eq!(missing_field(&[0x08, 1, 0x10, 2, 0x18, 3]), Some("method"));
        assert_eq!(missing_field(&[0x08, 0, 0x10, 0, 0x18, 0, 0x20, 0]), None);
        assert_eq!(missing_field(b"\xff\xff"), Some("SeqID"));
    }
}
