//! The lines that the practice agent writes, as Claude Code 2.1.330 writes them.

use std::io::Write;

use serde_json::{Value, json};
use uuid::Uuid;

use super::deed::Failure;

pub(super) fn write(output: &mut impl Write, message: &Value) -> std::io::Result<()> {
    writeln!(output, "{message}")?;
    output.flush()
}

pub(super) fn init(session: &str, model: &str, mode: &str) -> Value {
    let cwd = std::env::current_dir().unwrap_or_default();
    json!({
        "type": "system", "subtype": "init", "session_id": session, "uuid": Uuid::new_v4(),
        "cwd": cwd.to_string_lossy(), "tools": ["Bash"], "mcp_servers": [], "model": model, "permissionMode": mode,
        "claude_code_version": super::VERSION, "capabilities": [],
    })
}

/// A finished block of text; `aborted` when an interrupt cut it.
pub(super) fn text(session: &str, text: &str, aborted: bool) -> Value {
    let mut message = assistant(session, "practice", &json!({"type": "text", "text": text}));
    if aborted {
        message["aborted"] = Value::Bool(true);
    }
    message
}

pub(super) fn failure(session: &str, failure: Failure) -> Value {
    let mut message = assistant(session, "<synthetic>", &json!({"type": "text", "text": failure.words}));
    message["error"] = Value::from(failure.kind);
    message
}

pub(super) fn tool_use(session: &str, id: &str, input: &Value) -> Value {
    assistant(session, "practice", &json!({"type": "tool_use", "id": id, "name": "Bash", "input": input}))
}

fn assistant(session: &str, model: &str, block: &Value) -> Value {
    json!({
        "type": "assistant", "session_id": session, "uuid": Uuid::new_v4(), "parent_tool_use_id": null,
        "message": {
            "id": format!("msg_{}", Uuid::new_v4().simple()), "type": "message", "role": "assistant",
            "model": model, "content": [block], "stop_reason": null,
        },
    })
}

pub(super) fn tool_result(session: &str, id: &str, content: &str, is_error: bool) -> Value {
    json!({
        "type": "user", "session_id": session, "uuid": Uuid::new_v4(), "parent_tool_use_id": null,
        "message": {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": id, "content": content, "is_error": is_error},
        ]},
    })
}

pub(super) fn permission_request(request_id: &str, tool_use_id: &str, input: &Value) -> Value {
    json!({
        "type": "control_request", "request_id": request_id,
        "request": {
            "subtype": "can_use_tool", "tool_name": "Bash", "display_name": "Bash", "input": input,
            "description": input["command"], "tool_use_id": tool_use_id, "permission_suggestions": [],
        },
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

pub(super) fn refusal(request_id: &str) -> Value {
    json!({
        "type": "control_response",
        "response": {
            "subtype": "error", "request_id": request_id, "error": "Unsupported control request",
            "error_code": "unsupported_request",
        },
    })
}

/// A line of a kind that nobody knows, so many megabytes long.
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
pub(super) fn result(session: &str, uuids: &[Uuid], ending: &Value) -> Value {
    let mut result = json!({
        "type": "result", "subtype": "success", "is_error": false, "session_id": session, "uuid": Uuid::new_v4(),
        "num_turns": 1, "terminal_reason": "completed", "api_error_status": null, "total_cost_usd": 0.0,
        "permission_denials": [], "user_message_uuids": uuids,
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
