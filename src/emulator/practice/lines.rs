//! The lines that the practice agent writes, as Claude Code 2.1.330 writes them.

use std::io::Write;

use serde_json::{Value, json};
use uuid::Uuid;

use super::deed::SimulatedFailure;

/// Tokens of a first request of Claude Code's, before any work, and what is new in it.
const CACHED_TOKENS: u32 = 13_400;
const FRESH_TOKENS: u32 = 100;
/// Tokens of any use of a tool.
pub(super) const TOOL_USE_TOKENS: usize = 20;
/// What fits into a conversation.
const CONTEXT_WINDOW: u32 = 200_000;

pub(super) fn write(output: &mut impl Write, message: &Value) -> std::io::Result<()> {
    writeln!(output, "{message}")?;
    output.flush()
}

pub(super) fn init(session: &str, model: &str, mode: &str) -> Value {
    let cwd = std::env::current_dir().unwrap_or_default();
    json!({
        "type": "system", "subtype": "init", "session_id": session, "uuid": Uuid::new_v4(),
        "cwd": cwd.to_string_lossy(),
        "tools": ["Bash", "Edit", "Write", "WebFetch", "AskUserQuestion", "ExitPlanMode"], "mcp_servers": [], "model": model, "permissionMode": mode,
        "claude_code_version": super::VERSION, "capabilities": [],
    })
}

/// A finished block of text; `aborted` when an interrupt cut it.
pub(super) fn text(session: &str, message_id: &str, text: &str, aborted: bool) -> Value {
    let mut message = assistant(session, "practice", message_id, &json!({"type": "text", "text": text}));
    if aborted {
        message["aborted"] = Value::Bool(true);
    }
    message
}

pub(super) fn failure(session: &str, failure: SimulatedFailure) -> Value {
    let text = json!({"type": "text", "text": failure.words});
    let mut message = assistant(session, "<synthetic>", &Uuid::new_v4().to_string(), &text);
    message["error"] = Value::from(failure.kind);
    message
}

pub(super) fn tool_use(session: &str, message_id: &str, id: &str, tool: &str, input: &Value) -> Value {
    let block = json!({"type": "tool_use", "id": id, "name": tool, "input": input});
    assistant(session, "practice", message_id, &block)
}

fn assistant(session: &str, model: &str, message_id: &str, block: &Value) -> Value {
    let length = block["text"].as_str().map_or(TOOL_USE_TOKENS, tokens);
    json!({
        "type": "assistant", "session_id": session, "uuid": Uuid::new_v4(), "parent_tool_use_id": null,
        "message": {
            "id": message_id, "type": "message", "role": "assistant", "model": model, "content": [block],
            "stop_reason": null, "usage": usage(length),
        },
    })
}

/// A raw event of the Messages API.
pub(super) fn stream_event(session: &str, event: &Value) -> Value {
    json!({
        "type": "stream_event", "session_id": session, "uuid": Uuid::new_v4(), "parent_tool_use_id": null,
        "event": event,
    })
}

/// About what a text would take.
pub(super) fn tokens(text: &str) -> usize {
    text.chars().count() / 4 + 1
}

/// The tokens of one call; those of the input are always the same.
pub(super) fn usage(output: usize) -> Value {
    json!({
        "input_tokens": FRESH_TOKENS, "cache_creation_input_tokens": 0, "cache_read_input_tokens": CACHED_TOKENS,
        "output_tokens": output,
    })
}

/// What a tool gave: what the model reads of it, and what a program does.
pub(super) struct ToolOutput {
    content: String,
    details: Value,
    failed: bool,
}

impl ToolOutput {
    pub(super) fn of(content: impl Into<String>, details: Value) -> Self {
        Self { content: content.into(), details, failed: false }
    }

    pub(super) fn error(content: &str) -> Self {
        Self { content: content.to_owned(), details: format!("Error: {content}").into(), failed: true }
    }
}

pub(super) fn tool_result(session: &str, id: &str, result: &ToolOutput) -> Value {
    json!({
        "type": "user", "session_id": session, "uuid": Uuid::new_v4(), "parent_tool_use_id": null,
        "message": {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": id, "content": result.content, "is_error": result.failed},
        ]},
        "tool_use_result": result.details,
    })
}

/// A request of the agent's own.
pub(super) fn request(request_id: &str, request: &Value) -> Value {
    json!({"type": "control_request", "request_id": request_id, "request": request})
}

/// The permission mode is another one now.
pub(super) fn mode(session: &str, mode: &str) -> Value {
    json!({
        "type": "system", "subtype": "status", "status": null, "permissionMode": mode, "session_id": session,
        "uuid": Uuid::new_v4(),
    })
}

pub(super) fn withdrawal(request_id: &str) -> Value {
    json!({"type": "control_cancel_request", "request_id": request_id})
}

pub(super) fn reply(request_id: &str, response: &Value) -> Value {
    json!({
        "type": "control_response",
        "response": {"subtype": "success", "request_id": request_id, "response": response},
    })
}

/// The reply to a request of which there is nothing to tell.
pub(super) fn done(request_id: &str) -> Value {
    json!({"type": "control_response", "response": {"subtype": "success", "request_id": request_id}})
}

pub(super) fn refusal(request_id: &str, code: &str) -> Value {
    json!({
        "type": "control_response",
        "response": {
            "subtype": "error", "request_id": request_id, "error": format!("Refused: {code}"), "error_code": code,
        },
    })
}

/// A line of an unknown kind, this number of megabytes long.
pub(super) fn flood(session: &str, megabytes: usize) -> Value {
    json!({"type": "flood", "session_id": session, "water": "~".repeat(megabytes << 20)})
}

pub(super) fn compacted(session: &str) -> Value {
    json!({
        "type": "system", "subtype": "compact_boundary", "session_id": session, "uuid": Uuid::new_v4(),
        "compact_metadata": {"trigger": "auto", "pre_tokens": 190_000, "post_tokens": 3_000},
    })
}

/// A turn's end; practising costs nothing.
pub(super) fn result(session: &str, model: &str, uuids: &[Uuid], ending: &Value) -> Value {
    let output = ending["result"].as_str().map_or(0, tokens);
    let models = json!({model: {"inputTokens": FRESH_TOKENS, "outputTokens": output,
        "cacheReadInputTokens": CACHED_TOKENS, "cacheCreationInputTokens": 0, "costUSD": 0.0,
        "contextWindow": CONTEXT_WINDOW, "maxOutputTokens": 64_000}});
    let mut result = json!({
        "type": "result", "subtype": "success", "is_error": false, "session_id": session, "uuid": Uuid::new_v4(),
        "num_turns": 1, "terminal_reason": "completed", "api_error_status": null, "total_cost_usd": 0.0,
        "permission_denials": [], "user_message_uuids": uuids, "usage": usage(output), "modelUsage": models,
    });
    if let (Some(result), Some(ending)) = (result.as_object_mut(), ending.as_object()) {
        result.extend(ending.clone());
    }
    result
}

pub(super) fn refused_resume(session: &str, sentence: &str) -> Value {
    json!({
        "type": "result", "subtype": "error_during_execution", "is_error": true, "session_id": session,
        "num_turns": 0, "total_cost_usd": 0.0, "errors": [sentence], "permission_denials": [],
        "uuid": Uuid::new_v4(),
    })
}
