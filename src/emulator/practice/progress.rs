//! Turns that take their time: text that comes word by word, and tool after tool.

use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use super::agent::{Agent, Ending, Woken};
use super::deed::LABEL;
use super::lines::{self, Result};
use super::texts;

/// Claude Code joins deltas within so many milliseconds.
const HOLD: &str = "CLAUDE_CODE_STREAM_EVENT_HOLD_MS";

impl<W: Write> Agent<W> {
    /// Says so many words in so much time, a few at a time.
    pub(super) fn stream(&mut self, count: usize, time: Duration) -> std::io::Result<Ending> {
        let words = texts::words(count);
        let hold = std::env::var(HOLD)
            .ok()
            .and_then(|hold| hold.parse().ok())
            .map_or(Duration::ZERO, Duration::from_millis);
        let pieces = texts::pieces(&words, time, hold);
        let message = format!("msg_{}", Uuid::new_v4().simple());
        self.event(&json!({"type": "message_start", "message": {"id": message, "type": "message",
            "role": "assistant", "model": self.model, "content": [], "stop_reason": null, "usage": lines::usage(0)}}))?;
        self.event(&json!({"type": "content_block_start", "index": 0,
                           "content_block": {"type": "text", "text": ""}}))?;
        let begun = Instant::now();
        let mut said = String::new();
        for (number, piece) in (0_u32..).zip(&pieces) {
            let due = begun + time * number / u32::try_from(pieces.len()).unwrap_or(u32::MAX);
            if self.interrupted_before(due)? {
                self.write(&lines::said(self.memory.session(), &message, &said, true))?;
                return Ok(Ending::Interrupted { reason: "aborted_streaming" });
            }
            said.push_str(piece);
            self.event(&json!({"type": "content_block_delta", "index": 0,
                               "delta": {"type": "text_delta", "text": piece}}))?;
        }
        if self.interrupted_before(begun + time)? {
            self.write(&lines::said(self.memory.session(), &message, &said, true))?;
            return Ok(Ending::Interrupted { reason: "aborted_streaming" });
        }
        // The whole block comes before its end.
        self.write(&lines::said(self.memory.session(), &message, &said, false))?;
        self.event(&json!({"type": "content_block_stop", "index": 0}))?;
        self.event(
            &json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null},
                           "usage": {"output_tokens": lines::tokens(&said)}}),
        )?;
        self.event(&json!({"type": "message_stop"}))?;
        Ok(Ending::Streamed(said))
    }

    /// Uses so many tools that need no question, with results of so many bytes.
    pub(super) fn work(&mut self, times: usize, bytes: usize, time: Duration) -> std::io::Result<Ending> {
        let begun = Instant::now();
        let share = u32::try_from(times).unwrap_or(u32::MAX);
        for number in 1..=times {
            let command = format!("cat step-{number}.txt");
            let input = json!({"command": command, "description": format!("step {number} of {times}")});
            let tool_use = self.announce("Bash", input)?;
            if self.interrupted_before(begun + time * u32::try_from(number).unwrap_or(u32::MAX) / share)? {
                return Ok(Ending::Interrupted { reason: "aborted_tools" });
            }
            let output = texts::output(number, bytes);
            let details = json!({"stdout": output, "stderr": "", "interrupted": false, "isImage": false});
            self.tell(&tool_use.id, &Result::of(output, details))?;
        }
        Ok(Ending::Said(format!("{LABEL} I have used {times} tools.")))
    }

    /// Whether the turn is interrupted before this moment, which it waits for.
    fn interrupted_before(&mut self, due: Instant) -> std::io::Result<bool> {
        loop {
            // What came meanwhile is heard even where nothing is waited for.
            match self.wait(Some(due))? {
                Woken::Deadline => return Ok(false),
                Woken::Interrupted => return Ok(true),
                Woken::InputEnded | Woken::Answered { .. } | Woken::Ran(_) => {}
            }
        }
    }

    fn event(&mut self, event: &Value) -> std::io::Result<()> {
        self.write(&lines::stream_event(self.memory.session(), event))
    }
}
