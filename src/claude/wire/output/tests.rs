use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use super::*;

mod card_content;

#[test]
fn the_start_of_a_turn_gives_session_model_mode_and_version() {
    let line = br#"{"type":"system","subtype":"init","cwd":"/p","session_id":"5c3e","tools":["Bash"],"model":"claude-opus-5-5","permissionMode":"default","claude_code_version":"2.1.330","skills":[]}"#;
    assert_eq!(
        parse(line),
        Output::Init(Init {
            session_id: ClaudeSessionId::from("5c3e"),
            model: Some("claude-opus-5-5".to_owned()),
            permission_mode: Some("default".to_owned()),
            version: Some("2.1.330".to_owned()),
        })
    );
}

#[test]
fn text_and_tool_uses_of_an_answer_are_read_in_order() {
    let line = br#"{"type":"assistant","message":{"id":"msg_1","role":"assistant","model":"m","content":[{"type":"thinking","thinking":"hm"},{"type":"text","text":"hello"},{"type":"tool_use","id":"toolu_1","name":"Bash","input":{"command":"ls"}}],"stop_reason":null},"parent_tool_use_id":null,"user_message_uuid":"x"}"#;
    assert_eq!(
        parse(line),
        Output::Assistant(Assistant {
            message_id: Some("msg_1".to_owned()),
            blocks: vec![
                ContentBlock::Other,
                ContentBlock::Text("hello".to_owned()),
                ContentBlock::ToolUse {
                    id: "toolu_1".to_owned(),
                    name: "Bash".to_owned(),
                    input: json!({"command": "ls"})
                },
            ],
            model: Some("m".to_owned()),
            ..Assistant::default()
        })
    );
}

#[test]
fn a_failure_that_claude_code_wrote_itself_is_marked() {
    let line = br#"{"error":"rate_limit","message":{"model":"<synthetic>","content":[{"type":"text","text":"limit"}]},"type":"assistant"}"#;
    assert_eq!(
        parse(line),
        Output::Assistant(Assistant {
            blocks: vec![ContentBlock::Text("limit".to_owned())],
            synthetic: true,
            error: Some("rate_limit".to_owned()),
            ..Assistant::default()
        })
    );
}

#[test]
fn text_of_a_subagent_and_text_cut_off_are_marked() {
    let line =
        br#"{"type":"assistant","message":{"content":"ab"},"parent_tool_use_id":"toolu_9","aborted":true}"#;
    assert_eq!(
        parse(line),
        Output::Assistant(Assistant {
            blocks: vec![ContentBlock::Text("ab".to_owned())],
            subagent: true,
            aborted: true,
            ..Assistant::default()
        })
    );
}

#[test]
fn the_end_of_a_tool_use_is_not_confused_with_an_echo() {
    let line = br#"{"type":"user","message":{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"made","is_error":true}]}}"#;
    assert_eq!(
        parse(line),
        Output::ToolResult(ToolEnd {
            tool_use_id: "toolu_1".to_owned(),
            is_error: true,
            output: "made".to_owned(),
            ..ToolEnd::default()
        })
    );
    let echo = br#"{"type":"user","isReplay":true,"message":{"role":"user","content":"hi"}}"#;
    assert_eq!(parse(echo), Output::Other);
}

#[test]
fn a_result_is_read_whatever_the_order_of_its_fields() {
    let line = br#"{"is_error":false,"subtype":"success","result":"hello","session_id":"5c3e","type":"result","num_turns":1,"terminal_reason":"completed","api_error_status":null,"total_cost_usd":0.0539,"user_message_uuid":"00000000-0000-0000-0000-000000000001","user_message_uuids":["00000000-0000-0000-0000-000000000001","no uuid",3]}"#;
    assert_eq!(
        parse(line),
        Output::Result(TurnResult {
            subtype: "success".to_owned(),
            terminal_reason: Some("completed".to_owned()),
            text: Some("hello".to_owned()),
            total_cost_usd: Some(0.0539),
            num_turns: 1,
            user_message_uuids: vec![Uuid::from_u128(1)],
            session_id: Some(ClaudeSessionId::from("5c3e")),
            ..TurnResult::default()
        })
    );
}

#[test]
fn a_failed_result_keeps_its_status_and_errors() {
    let Output::Result(failed) = parse(br#"{"type":"result","subtype":"error_during_execution","is_error":true,"terminal_reason":"aborted_tools","errors":["[ede_diagnostic] x"],"api_error_status":429}"#)
    else {
        panic!("not a result")
    };
    assert!(failed.is_interrupted());
    assert_eq!(
        failed,
        TurnResult {
            subtype: "error_during_execution".to_owned(),
            is_error: true,
            terminal_reason: Some("aborted_tools".to_owned()),
            errors: vec!["[ede_diagnostic] x".to_owned()],
            api_error_status: Some(429),
            ..TurnResult::default()
        }
    );
}

#[test]
fn every_field_of_a_permission_request_is_read() {
    let line = br#"{"type":"control_request","request_id":"f56c","request":{"subtype":"can_use_tool","tool_name":"Bash","display_name":"Bash","input":{"command":"touch y.txt"},"description":"touch y.txt","tool_use_id":"toolu_1","permission_suggestions":[{"type":"setMode","mode":"acceptEdits","destination":"session"}],"blocked_path":"/p/y.txt","agent_id":"a1"}}"#;
    assert_eq!(
        parse(line),
        Output::Permission(PermissionRequest {
            request_id: "f56c".to_owned(),
            tool: "Bash".to_owned(),
            input: json!({"command": "touch y.txt"}),
            tool_use_id: Some("toolu_1".to_owned()),
            description: Some("touch y.txt".to_owned()),
            edits: true,
            blocked_path: Some("/p/y.txt".to_owned()),
            subagent: true,
            ..PermissionRequest::default()
        })
    );
    let withdrawn = br#"{"type":"control_cancel_request","request_id":"f56c"}"#;
    assert_eq!(parse(withdrawn), Output::PermissionWithdrawn { request_id: "f56c".to_owned() });
}

#[test]
fn an_unknown_request_is_refused_but_an_undeclared_dialog_is_not() {
    let hook = br#"{"type":"control_request","request_id":"h","request":{"subtype":"hook_callback"}}"#;
    assert_eq!(
        parse(hook),
        Output::UnknownRequest { request_id: "h".to_owned(), subtype: "hook_callback".to_owned() }
    );
    let nameless = br#"{"type":"control_request","request_id":"n","request":{"subtype":"can_use_tool"}}"#;
    assert_eq!(
        parse(nameless),
        Output::UnknownRequest { request_id: "n".to_owned(), subtype: "can_use_tool".to_owned() }
    );
    let dialog =
        br#"{"type":"control_request","request_id":"d","request":{"subtype":"request_user_dialog"}}"#;
    assert_eq!(parse(dialog), Output::Other);
    assert_eq!(parse(br#"{"type":"control_request","request":{"subtype":"x"}}"#), Output::Other);
}

#[test]
fn a_reply_is_a_response_or_claude_codes_error() {
    let success = br#"{"type":"control_response","response":{"subtype":"success","request_id":"i1","response":{"still_queued":[]}}}"#;
    assert_eq!(
        parse(success),
        Output::ControlReply { request_id: "i1".to_owned(), result: Ok(json!({"still_queued": []})) }
    );
    let error = br#"{"type":"control_response","response":{"subtype":"error","request_id":"i1","error":"unsupported"}}"#;
    assert_eq!(
        parse(error),
        Output::ControlReply { request_id: "i1".to_owned(), result: Err("unsupported".to_owned()) }
    );
}

#[test]
fn retries_limits_and_compactions_carry_their_numbers() {
    let retry = br#"{"type":"system","subtype":"api_retry","attempt":3,"max_retries":10,"retry_delay_ms":2216.5,"error_status":529,"error":"overloaded"}"#;
    assert_eq!(
        parse(retry),
        Output::ApiRetry { attempt: 3, max: 10, delay: Duration::from_micros(2_216_500), status: Some(529) }
    );
    let limit = br#"{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":1795282200,"rateLimitType":"five_hour"}}"#;
    assert_eq!(
        parse(limit),
        Output::RateLimit {
            status: "rejected".to_owned(),
            resets_at: Timestamp::from_second(1_795_282_200).ok(),
            kind: Some("five_hour".to_owned()),
        }
    );
    let compacted =
        br#"{"type":"system","subtype":"compact_boundary","compact_metadata":{"trigger":"auto"}}"#;
    assert_eq!(parse(compacted), Output::Compacted { trigger: "auto".to_owned() });
    let failed = br#"{"type":"system","subtype":"status","status":null,"compact_result":"failed","compact_error":"too_few_groups"}"#;
    assert_eq!(parse(failed), Output::CompactionFailed);
    let succeeded = br#"{"type":"system","subtype":"status","status":null,"compact_result":"success"}"#;
    assert_eq!(parse(succeeded), Output::Other);
    assert_eq!(parse(br#"{"type":"conversation_reset","trigger":"clear"}"#), Output::Cleared);
    let tasks = br#"{"type":"system","subtype":"background_tasks_changed","tasks":[{"task_id":"b1"},{"task_id":"b2"}]}"#;
    assert_eq!(parse(tasks), Output::Background(2));
}

#[test]
fn a_message_that_reached_its_maximum_length_is_marked() {
    let delta = |reason: &str| {
        let line = format!(
            r#"{{"type":"stream_event","event":{{"type":"message_delta","delta":{{"stop_reason":"{reason}"}}}}}}"#
        );
        parse(line.as_bytes())
    };
    let ended = |cut_off| Output::CallEnded { usage: TokenUsage::default(), cut_off, subagent: false };
    assert_eq!([delta("max_tokens"), delta("end_turn")], [ended(true), ended(false)]);
    assert_eq!(parse(br#"{"type":"stream_event","event":7}"#), Output::Other);
}

#[test]
fn a_result_names_what_it_answers_or_that_nobody_asked() {
    let result = |line: &[u8]| {
        let Output::Result(result) = parse(line) else { panic!("no result") };
        result
    };
    let unasked =
        result(br#"{"type":"result","subtype":"success","origin":{"kind":"task-notification","runId":"r"}}"#);
    assert_eq!(unasked.origin.as_deref(), Some("task-notification"));
    let asked = result(br#"{"type":"result","user_message_uuids":["00000000-0000-0000-0000-000000000007"]}"#);
    let untold = result(br#"{"type":"result"}"#);
    let answers = |result: &TurnResult| [7, 8].map(|n| result.answers(&Uuid::from_u128(n)));
    assert_eq!([&unasked, &asked, &untold].map(answers), [[false, false], [true, false], [true, true]]);
}

#[test]
fn unknown_objects_are_signs_of_life_and_other_lines_are_garbage() {
    for line in [
        &br#"{"type":"ui_invalidate"}"#[..],
        br#"{"type":"stream_event","event":{}}"#,
        br#"{"type":"keep_alive"}"#,
        br#"{"type":7}"#,
        br#" {} "#,
        br#"{"type":"system","subtype":"init"}"#,
        br#"{"type":"system","subtype":"api_retry_2"}"#,
        br#"{"type":"control_response"}"#,
        br#"{"type":"user","message":null}"#,
    ] {
        assert_eq!(parse(line), Output::Other, "{}", String::from_utf8_lossy(line));
    }
    for line in [&b""[..], b"[]", b"7", b"{", b"warning: x", b"\xff\xfe", b"{\"type\":}"] {
        assert_eq!(parse(line), Output::Garbage, "{}", String::from_utf8_lossy(line));
    }
}

#[test]
fn impossible_numbers_are_ignored() {
    let retry = br#"{"type":"system","subtype":"api_retry","attempt":-3,"max_retries":1e30,"retry_delay_ms":-5,"error_status":70000}"#;
    assert_eq!(parse(retry), Output::ApiRetry { attempt: 0, max: 0, delay: Duration::ZERO, status: None });
    let limit = br#"{"type":"rate_limit_event","rate_limit_info":{"resetsAt":9223372036854775807}}"#;
    assert_eq!(parse(limit), Output::RateLimit { status: String::new(), resets_at: None, kind: None });
}

#[test]
fn half_a_surrogate_pair_costs_one_character_not_the_line() {
    let line = br#"{"type":"assistant","message":{"content":"\\ud83d \ud83d\ude00 cut \ud83d"}}"#;
    assert_eq!(
        parse(line),
        Output::Assistant(Assistant {
            blocks: vec![ContentBlock::Text("\\ud83d \u{1f600} cut \u{fffd}".to_owned())],
            ..Assistant::default()
        })
    );
    let bytes = b"{\"type\":\"assistant\",\"message\":{\"content\":\"a\xffb\"}}";
    assert_eq!(
        parse(bytes),
        Output::Assistant(Assistant {
            blocks: vec![ContentBlock::Text("a\u{fffd}b".to_owned())],
            ..Assistant::default()
        })
    );
}

#[test]
fn a_line_of_several_megabytes_is_read() {
    let text = "x".repeat(3 << 20);
    let line = json!({"type": "assistant", "message": {"content": text}}).to_string();
    let Output::Assistant(assistant) = parse(line.as_bytes()) else { panic!("not an answer") };
    assert_eq!(assistant.blocks, [ContentBlock::Text(text)]);
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key(), inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "message",
        "content",
        "request",
        "response",
        "request_id",
        "subtype",
        "errors",
        "input",
        "tool_name",
        "attempt",
        "resetsAt",
        "rate_limit_info",
        "user_message_uuids",
        "result",
        "parent_tool_use_id",
        "event",
        "permission_suggestions",
        "questions",
        "tool_use_result",
        "structuredPatch",
        "filePath",
        "modelUsage",
    ])
    .prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn no_bytes_make_parse_panic(bytes: Vec<u8>) {
        let _ = parse(&bytes);
    }

    #[test]
    fn no_escapes_make_parse_panic(text in r#"\{"type":"assistant","message":\{"content":"(\\[u\\"nx]|[0-9a-fA-F]|d8|dc|é){0,40}"?\}?\}?"#) {
        let _ = parse(text.as_bytes());
    }

    #[test]
    fn no_object_makes_parse_panic(
        kind in prop::sample::select(vec!["system", "assistant", "user", "result", "control_request",
            "control_response", "control_cancel_request", "rate_limit_event", "stream_event"]),
        fields in prop::collection::btree_map(key(), anything(), 0..8),
    ) {
        let mut message: Object = fields.into_iter().collect();
        message.insert("type".to_owned(), Value::from(kind));
        prop_assert_ne!(parse(Value::Object(message).to_string().as_bytes()), Output::Garbage);
    }
}
