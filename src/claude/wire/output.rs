//! Reads a line of Claude Code's stdout.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Assistant, ContentBlock, Init, Object, Output, PermissionRequest, TokenUsage, ToolEnd, TurnResult,
};
use crate::ids::ClaudeSessionId;

/// Reads a line. Never fails: a line that is not a JSON object is [`Output::Garbage`], and an unknown message or one
/// that lacks a required field is [`Output::Other`].
#[must_use]
pub fn parse(line: &[u8]) -> Output {
    let Some(mut message) = object(line) else { return Output::Garbage };
    match text(&message, "type").as_deref() {
        Some("system") => system(&message),
        Some("assistant") => assistant(message),
        Some("user") => ToolEnd::read(&message).map_or(Output::Other, Output::ToolResult),
        Some("result") => Output::Result(turn_result(message)),
        Some("control_request") => control_request(message),
        Some("control_response") => control_reply(take_object(&mut message, "response")),
        Some("control_cancel_request") => text(&message, "request_id")
            .map_or(Output::Other, |request_id| Output::PermissionWithdrawn { request_id }),
        Some("stream_event") => stream_event(message),
        Some("conversation_reset") => Output::Cleared,
        Some("rate_limit_event") => rate_limit(&take_object(&mut message, "rate_limit_info")),
        Some(_) | None => Output::Other,
    }
}

/// Parses the line as a JSON object.
///
/// When JavaScript cuts a text inside a surrogate pair, it writes half of the pair (`\ud83d`), which serde does not
/// accept as JSON. Such a line may be a result or a question, so it is repaired rather than dropped.
fn object(line: &[u8]) -> Option<Object> {
    if line.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return None;
    }
    serde_json::from_slice(line).or_else(|_| serde_json::from_str(&repair_surrogates(line))).ok()
}

fn repair_surrogates(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line);
    let mut repaired = String::with_capacity(line.len());
    let mut rest = line.as_ref();
    while let Some(at) = rest.find('\\') {
        repaired.push_str(&rest[..at]);
        rest = &rest[at..];
        let (escape, after) = match (surrogate(rest), rest.get(6..).and_then(surrogate)) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => rest.split_at(12),
            (Some(_), _) => ("\\ufffd", &rest[6..]),
            // Any other escape has two characters. They are skipped together, as the second may be a backslash.
            (None, _) => rest.split_at(1 + rest[1..].chars().next().map_or(0, char::len_utf8)),
        };
        repaired.push_str(escape);
        rest = after;
    }
    repaired.push_str(rest);
    repaired
}

/// The value of the `\uXXXX` at the start of `text`, if it is half of a surrogate pair.
fn surrogate(text: &str) -> Option<u32> {
    let unit = u32::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok()?;
    (0xd800..0xe000).contains(&unit).then_some(unit)
}

fn system(message: &Object) -> Output {
    match text(message, "subtype").as_deref() {
        Some("init") => match text(message, "session_id") {
            Some(session_id) => Output::Init(Init {
                session_id: ClaudeSessionId::from(session_id),
                model: text(message, "model"),
                permission_mode: text(message, "permissionMode"),
                version: text(message, "claude_code_version"),
            }),
            None => Output::Other,
        },
        Some("api_retry") => Output::ApiRetry {
            attempt: count(message, "attempt"),
            max: count(message, "max_retries"),
            delay: message
                .get("retry_delay_ms")
                .and_then(Value::as_f64)
                .and_then(|delay| Duration::try_from_secs_f64(delay / 1000.0).ok())
                .unwrap_or_default(),
            status: status(message, "error_status"),
        },
        Some("compact_boundary") => Output::Compacted {
            trigger: message
                .get("compact_metadata")
                .and_then(Value::as_object)
                .and_then(|metadata| text(metadata, "trigger"))
                .unwrap_or_default(),
        },
        Some("status") if text(message, "compact_result").as_deref() == Some("failed") => {
            Output::CompactionFailed
        }
        Some("status") => text(message, "permissionMode").map_or(Output::Other, Output::Mode),
        Some("background_tasks_changed") => match message.get("tasks") {
            Some(Value::Array(tasks)) => Output::Background(tasks.len()),
            Some(_) | None => Output::Other,
        },
        Some(_) | None => Output::Other,
    }
}

fn stream_event(mut message: Object) -> Output {
    let subagent = text(&message, "parent_tool_use_id").is_some();
    let mut event = message.remove("event").unwrap_or_default();
    match event["type"].as_str() {
        Some("message_start") => Output::CallBegan { usage: usage(&event["message"]["usage"]), subagent },
        Some("content_block_delta") => {
            let index = event["index"].as_u64().unwrap_or_default();
            match event.pointer_mut("/delta/text").map(Value::take) {
                Some(Value::String(text)) => Output::TextDelta { text, index, subagent },
                Some(_) | None => Output::Other,
            }
        }
        Some("message_delta") => {
            let cut_off = event["delta"]["stop_reason"] == "max_tokens";
            Output::CallEnded { usage: usage(&event["usage"]), cut_off, subagent }
        }
        Some(_) | None => Output::Other,
    }
}

fn usage(usage: &Value) -> TokenUsage {
    let count = |key: &str| usage[key].as_u64().unwrap_or_default();
    let given = ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"];
    TokenUsage {
        input: given.map(count).into_iter().fold(0, u64::saturating_add),
        output: count("output_tokens"),
    }
}

fn assistant(mut message: Object) -> Output {
    let mut body = take_object(&mut message, "message");
    let model = text(&body, "model");
    let synthetic = model.as_deref() == Some("<synthetic>");
    let blocks = match body.remove("content") {
        Some(Value::String(text)) => vec![ContentBlock::Text(text)],
        Some(Value::Array(blocks)) => blocks.into_iter().map(block).collect(),
        Some(_) | None => Vec::new(),
    };
    Output::Assistant(Assistant {
        message_id: text(&body, "id"),
        blocks,
        subagent: text(&message, "parent_tool_use_id").is_some(),
        synthetic,
        model: model.filter(|_| !synthetic),
        aborted: flag(&message, "aborted"),
        error: text(&message, "error"),
    })
}

fn block(block: Value) -> ContentBlock {
    let Value::Object(mut block) = block else { return ContentBlock::Other };
    match text(&block, "type").as_deref() {
        Some("text") => take_text(&mut block, "text").map_or(ContentBlock::Other, ContentBlock::Text),
        Some("tool_use") => match (text(&block, "id"), text(&block, "name")) {
            (Some(id), Some(name)) => {
                ContentBlock::ToolUse { id, name, input: block.remove("input").unwrap_or_default() }
            }
            (_, _) => ContentBlock::Other,
        },
        Some(_) | None => ContentBlock::Other,
    }
}

fn turn_result(mut message: Object) -> TurnResult {
    let said = take_text(&mut message, "result");
    let message = &message;
    TurnResult {
        subtype: text(message, "subtype").unwrap_or_default(),
        is_error: flag(message, "is_error"),
        terminal_reason: text(message, "terminal_reason"),
        text: said,
        errors: texts(message, "errors"),
        api_error_status: status(message, "api_error_status"),
        total_cost_usd: message.get("total_cost_usd").and_then(Value::as_f64),
        num_turns: count(message, "num_turns"),
        user_message_uuids: texts(message, "user_message_uuids")
            .iter()
            .filter_map(|uuid| uuid.parse().ok())
            .collect(),
        refused: text(message, "stop_reason").as_deref() == Some("refusal"),
        origin: message
            .get("origin")
            .and_then(Value::as_object)
            .map(|origin| text(origin, "kind").unwrap_or_default()),
        session_id: text(message, "session_id").map(ClaudeSessionId::from),
        windows: windows(message),
    }
}

fn windows(message: &Object) -> BTreeMap<String, u64> {
    let models = message.get("modelUsage").and_then(Value::as_object);
    let window = |(name, usage): (&String, &Value)| Some((name.clone(), usage["contextWindow"].as_u64()?));
    models.into_iter().flatten().filter_map(window).collect()
}

fn control_request(mut message: Object) -> Output {
    let Some(request_id) = text(&message, "request_id") else { return Output::Other };
    let request = take_object(&mut message, "request");
    match (text(&request, "subtype").as_deref(), text(&request, "tool_name")) {
        (Some("can_use_tool"), Some(tool)) => {
            Output::Permission(PermissionRequest::read(request_id, tool, request))
        }
        // Claude Code's protocol: a dialog of a kind that the client has not declared must not be answered.
        (Some("request_user_dialog"), _) => Output::Other,
        (subtype, _) => {
            Output::UnknownRequest { request_id, subtype: subtype.unwrap_or_default().to_owned() }
        }
    }
}

fn control_reply(mut response: Object) -> Output {
    let Some(request_id) = text(&response, "request_id") else { return Output::Other };
    let result = if text(&response, "subtype").as_deref() == Some("success") {
        Ok(response.remove("response").unwrap_or_default())
    } else {
        Err(text(&response, "error").unwrap_or_default())
    };
    Output::ControlReply { request_id, result }
}

fn rate_limit(info: &Object) -> Output {
    Output::RateLimit {
        status: text(info, "status").unwrap_or_default(),
        resets_at: info
            .get("resetsAt")
            .and_then(Value::as_i64)
            .and_then(|seconds| Timestamp::from_second(seconds).ok()),
        kind: text(info, "rateLimitType"),
    }
}

fn text(object: &Object, key: &str) -> Option<String> {
    object.get(key).and_then(Value::as_str).map(str::to_owned)
}

/// Like [`text`], for texts that may be long: it moves instead of copying.
fn take_text(object: &mut Object, key: &str) -> Option<String> {
    match object.remove(key) {
        Some(Value::String(text)) => Some(text),
        Some(_) | None => None,
    }
}

fn texts(object: &Object, key: &str) -> Vec<String> {
    let values = object.get(key).and_then(Value::as_array);
    values.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn flag(object: &Object, key: &str) -> bool {
    object.get(key).and_then(Value::as_bool).unwrap_or_default()
}

fn count(object: &Object, key: &str) -> u32 {
    object.get(key).and_then(Value::as_u64).map_or(0, |count| u32::try_from(count).unwrap_or(u32::MAX))
}

fn status(object: &Object, key: &str) -> Option<u16> {
    object.get(key).and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok())
}

fn take_object(object: &mut Object, key: &str) -> Object {
    match object.remove(key) {
        Some(Value::Object(inner)) => inner,
        Some(_) | None => Object::new(),
    }
}

#[cfg(test)]
mod tests;
