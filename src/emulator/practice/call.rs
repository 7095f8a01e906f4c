//! A call of the model as Claude Code tells of it: the finished block, and around it the raw events of the Messages API
//! where it was started with `--include-partial-messages`. The first of them says how much of the context is used.

use std::io::Write;

use serde_json::{Value, json};
use uuid::Uuid;

use super::agent::Agent;
use super::lines;

impl<W: Write> Agent<W> {
    /// Says a text at once.
    pub(super) fn say(&mut self, text: &str) -> std::io::Result<()> {
        let call = self.speech_begins()?;
        self.piece(text)?;
        self.speech_ends(&call, text)
    }

    /// Says the beginning of a text that an interrupt cuts.
    pub(super) fn say_cut(&mut self, text: &str) -> std::io::Result<()> {
        let call = self.speech_begins()?;
        self.piece(text)?;
        self.speech_is_cut(&call, text)
    }

    /// A text begins; this names its message.
    pub(super) fn speech_begins(&mut self) -> std::io::Result<String> {
        self.begins(&json!({"type": "text", "text": ""}))
    }

    /// A little more of the text.
    pub(super) fn piece(&mut self, text: &str) -> std::io::Result<()> {
        self.delta(&json!({"type": "text_delta", "text": text}))
    }

    /// All of the text is said.
    pub(super) fn speech_ends(&mut self, call: &str, text: &str) -> std::io::Result<()> {
        self.write(&lines::text(self.memory.session(), call, text, false))?;
        self.ends("end_turn", lines::tokens(text))
    }

    /// An interrupt cuts the text.
    pub(super) fn speech_is_cut(&mut self, call: &str, text: &str) -> std::io::Result<()> {
        self.write(&lines::text(self.memory.session(), call, text, true))
    }

    /// Wants to use a tool.
    pub(super) fn want(&mut self, id: &str, tool: &str, input: &Value) -> std::io::Result<()> {
        let call = self.begins(&json!({"type": "tool_use", "id": id, "name": tool, "input": {}}))?;
        self.delta(&json!({"type": "input_json_delta", "partial_json": input.to_string()}))?;
        self.write(&lines::tool_use(self.memory.session(), &call, id, tool, input))?;
        self.ends("tool_use", lines::TOOL_USE_TOKENS)
    }

    fn begins(&mut self, block: &Value) -> std::io::Result<String> {
        let call = format!("msg_{}", Uuid::new_v4().simple());
        self.event(&json!({"type": "message_start", "message": {"id": call, "type": "message",
            "role": "assistant", "model": self.model, "content": [], "stop_reason": null, "usage": lines::usage(0)}}))?;
        self.event(&json!({"type": "content_block_start", "index": 0, "content_block": block}))?;
        Ok(call)
    }

    fn delta(&mut self, delta: &Value) -> std::io::Result<()> {
        self.event(&json!({"type": "content_block_delta", "index": 0, "delta": delta}))
    }

    /// The whole block has come before its end.
    fn ends(&mut self, reason: &str, tokens: usize) -> std::io::Result<()> {
        self.event(&json!({"type": "content_block_stop", "index": 0}))?;
        self.event(
            &json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null},
                           "usage": {"output_tokens": tokens}}),
        )?;
        self.event(&json!({"type": "message_stop"}))
    }

    fn event(&mut self, event: &Value) -> std::io::Result<()> {
        if !self.tells_events {
            return Ok(());
        }
        self.write(&lines::stream_event(self.memory.session(), event))
    }
}
