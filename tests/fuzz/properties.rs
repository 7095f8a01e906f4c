//! Properties that hold for any input from outside. The fuzz targets check them, and so does the test that replays the
//! corpora.

use std::time::{Duration, Instant};

use phonework::chat::command;
use phonework::claude::running;
use phonework::claude::wire::{self, Output};
use phonework::control::codec::{Framing, MAX_REQUEST_BYTES};
use phonework::control::request::{self, RequestedCall};
use phonework::feishu::event::{self, FeishuEvent};
use phonework::feishu::frame::{Frame, Header};
use phonework::feishu::reassembly::{Assembled, MAX_BYTES, MAX_OPEN, Reassembly};
use phonework::ids::OpenId;
use phonework::keyring;
use phonework::language::Language;
use phonework::render::document::{Block, Document};
use phonework::render::ladder::{LadderPosition, OutgoingPart, SendPlan, snapshot};
use phonework::render::{limits, split};
use phonework::words::Words;

/// A frame that can be read is written back unchanged, and so is its acknowledgement.
pub(crate) fn frame(bytes: &[u8]) {
    let Ok(frame) = Frame::from_bytes(bytes) else { return };
    assert_eq!(Frame::from_bytes(&frame.to_bytes()).as_ref(), Ok(&frame));
    let ack = frame.acknowledged(200, 1, None);
    assert_eq!(Frame::from_bytes(&ack.to_bytes()).as_ref(), Ok(&ack));
}

/// Any input is read as some event. A message has a text for everybody.
pub(crate) fn event(bytes: &[u8]) {
    if let FeishuEvent::Message(message) = event::parse(bytes) {
        for mention in &message.mentions {
            let _ = mention.open_id.as_ref().map(|id| message.text_for(id));
        }
        let _ = message.text_for(&OpenId::from("ou_nobody"));
    }
}

/// Whatever slices arrive, the memory is bounded, and a complete message has all its parts in order.
///
/// Every four bytes are a step: id, `sum`, `seq`, and a byte with a time in seconds (high half) and a length (low half).
pub(crate) fn reassembly(script: &[u8]) {
    let mut reassembly = Reassembly::default();
    let mut now = Instant::now();
    let mut given = 0;
    for step in script.chunks_exact(4) {
        let &[id, sum, seq, more] = step else { return };
        now += Duration::from_secs(u64::from(more >> 4));
        let payload = vec![seq; usize::from(more & 15)];
        given += payload.len();
        let frame = Frame {
            headers: vec![
                Header::new("message_id", id.to_string()),
                Header::new("sum", (i16::from(sum) - 2).to_string()),
                Header::new("seq", (i16::from(seq) - 2).to_string()),
            ],
            payload: Some(payload),
            ..Frame::default()
        };
        if let Assembled::Whole(whole) = reassembly.add(&frame, now) {
            assert!(whole.len() <= given);
            assert!(whole.is_sorted(), "the parts are in order");
        }
        assert!(reassembly.open_sets() <= MAX_OPEN && reassembly.held_bytes() <= MAX_BYTES);
    }
}

/// Any line from Claude Code is read as something, and only a line that is not a JSON object is garbage.
pub(crate) fn claude_line(line: &[u8]) {
    let object = serde_json::from_slice::<serde_json::Map<_, _>>(line).is_ok();
    assert!(!object || wire::parse(line) != Output::Garbage);
}

/// Any file in Claude Code's list of running processes is an entry or nothing, and an entry has the process and session of
/// its file.
pub(crate) fn claude_running(bytes: &[u8]) {
    let Some(entry) = running::parse(bytes) else { return };
    let file: serde_json::Value = serde_json::from_slice(bytes).expect("an entry is JSON");
    assert_eq!(file["pid"].as_u64(), Some(u64::from(entry.pid)));
    assert_eq!(file["sessionId"].as_str(), Some(entry.session_id.as_str()));
}

/// A keyring is valid, or every fault in it is shown as one line.
pub(crate) fn keyring(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(faults) = keyring::parse_all(text) {
        assert!(!faults.is_empty());
        for fault in faults {
            let shown = fault.in_file(std::path::Path::new("keyring.yaml"));
            assert!(shown.lines().count() == 1 && !shown.contains(char::is_control), "{shown:?}");
        }
    }
}

/// Any text is a prompt, a command or a fault, and white space around it makes no difference.
pub(crate) fn command(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    assert_eq!(command::parse(&text), command::parse(&format!(" {text}\n")));
}

/// However the bytes are divided, the messages between the NUL bytes come out. Each is a request or nothing, and a fault is
/// answered with an error of Varlink's own.
///
/// The first byte is the length of the pieces.
pub(crate) fn control_request(bytes: &[u8]) {
    let Some((piece, bytes)) = bytes.split_first() else { return };
    let mut framing = Framing::default();
    let mut messages =
        bytes.split_inclusive(|byte| *byte == 0).filter_map(|message| message.strip_suffix(b"\0"));
    for piece in bytes.chunks(usize::from(*piece) + 1) {
        framing.buffer().extend_from_slice(piece);
        loop {
            match framing.take() {
                Ok(Some(message)) => assert_eq!(Some(message.as_ref()), messages.next()),
                Ok(None) => break,
                Err(_) => {
                    assert!(bytes.len() > MAX_REQUEST_BYTES);
                    return;
                }
            }
        }
    }
    assert_eq!(messages.next(), None);
    for message in bytes.split(|byte| *byte == 0) {
        let Some(request) = request::read(message) else { continue };
        match request.call {
            Ok(RequestedCall::Call(_) | RequestedCall::Info | RequestedCall::Description(_)) => {}
            Err(fault) => assert!(fault.reply()["error"].as_str().unwrap().starts_with(request::SERVICE)),
        }
    }
}

/// Whatever Claude writes becomes cards and a snapshot within Feishu's limits. Every rung below has messages, and the way
/// down ends.
pub(crate) fn markdown(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let words = Words(Language::En);
    let card = |json: &str| {
        assert!(json.len() <= limits::MAX_CARD_BYTES, "{} bytes", json.len());
        let card: serde_json::Value = serde_json::from_str(json).expect("a card is JSON");
        assert!(
            card["body"]["elements"]
                .as_array()
                .is_some_and(|elements| elements.len() <= limits::MAX_CARD_ELEMENTS)
        );
    };
    card(&snapshot(&Document::new(vec![Block::Stream { text: text.clone() }]), words, true).card);
    let plan = SendPlan::of(&Document::new(vec![Block::markdown(text)]), words);
    let mut place = LadderPosition::default();
    let mut steps = 0;
    while let Some(sheet) = plan.message(&place) {
        match sheet {
            OutgoingPart::Card(json) => card(&json),
            OutgoingPart::Text(text) => assert!(!text.is_empty()),
            OutgoingPart::File { text, .. } => assert!(!text.is_empty()),
        }
        let mut lower = plan.lower(&place).filter(|lower| lower.part == place.part);
        while let Some(at) = lower {
            assert!(plan.message(&at).is_some(), "nothing at {at:?}");
            steps += 1;
            assert!(steps < 1_000, "the way down does not end");
            lower = plan.lower(&at).filter(|lower| lower.part == at.part);
        }
        place = plan.next(&place);
        steps += 1;
        assert!(steps < 1_000, "the way on does not end");
    }
}

/// The first byte is the limit. The parts of the rest are within it, and joined they give the rest.
pub(crate) fn split(bytes: &[u8]) {
    let Some((limit, text)) = bytes.split_first() else { return };
    let (limit, text) = (split::MIN_LIMIT + usize::from(*limit), String::from_utf8_lossy(text));
    let parts = split::parts(&text, limit);
    assert_eq!(parts.iter().map(|part| part.body).collect::<String>(), text);
    assert!(parts.iter().all(|part| part.to_string().chars().count() <= limit));
}
