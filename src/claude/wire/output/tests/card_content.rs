//! What the card of a turn is made of: pieces of text, ends of tools, tokens and requests.

use super::*;
use crate::claude::wire::{
    FileChange, Hunk, PermissionRule, Question, QuestionOption, RequestMatter, SavedOutput, SessionGrant,
    allow,
};

fn line(value: Value) -> Output {
    parse(value.to_string().as_bytes())
}

fn end(content: Value, result: Value) -> ToolEnd {
    let block = json!({"type": "tool_result", "tool_use_id": "t", "content": content});
    let message = json!({"type": "user", "message": {"content": [block]}, "tool_use_result": result});
    let Output::ToolResult(end) = line(message) else { panic!("no end of a tool") };
    end
}

#[test]
fn a_message_is_followed_from_its_first_token_to_its_last() {
    let event =
        |event: Value| line(json!({"type": "stream_event", "event": event, "parent_tool_use_id": null}));
    let usage = json!({"input_tokens": 3, "cache_read_input_tokens": 1000, "cache_creation_input_tokens": 20,
                       "output_tokens": 1});
    assert_eq!(
        [
            event(json!({"type": "message_start", "message": {"id": "m", "usage": usage}})),
            event(
                json!({"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}})
            ),
            event(
                json!({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "hi "}})
            ),
            event(json!({"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta",
                         "partial_json": "{"}})),
            event(json!({"type": "message_delta", "delta": {}, "usage": {"output_tokens": 7}})),
        ],
        [
            Output::CallBegan { usage: TokenUsage { input: 1023, output: 1 }, subagent: false },
            Output::Other,
            Output::TextDelta { text: "hi ".into(), index: 1, subagent: false },
            Output::Other,
            Output::CallEnded { usage: TokenUsage { input: 0, output: 7 }, cut_off: false, subagent: false },
        ]
    );
    let subagent = json!({"type": "stream_event", "parent_tool_use_id": "t",
        "event": {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}}});
    assert_eq!(line(subagent), Output::TextDelta { text: "x".into(), index: 0, subagent: true });
}

#[test]
fn the_result_gives_the_context_window_of_each_model() {
    let usage = json!({"a": {"contextWindow": 200_000}, "b": {"contextWindow": 1_000_000}, "c": {}, "d": 7});
    let Output::Result(result) = line(json!({"type": "result", "modelUsage": usage})) else { panic!() };
    assert_eq!(result.windows, BTreeMap::from([("a".to_owned(), 200_000), ("b".to_owned(), 1_000_000)]));
}

#[test]
fn a_change_of_mode_is_read() {
    let changed = json!({"type": "system", "subtype": "status", "status": null, "permissionMode": "plan"});
    assert_eq!(line(changed), Output::Mode("plan".into()));
    assert_eq!(line(json!({"type": "system", "subtype": "status", "status": "requesting"})), Output::Other);
}

#[test]
fn the_end_of_a_tools_output_is_kept_without_images() {
    assert_eq!(end(json!("made"), json!({})).output, "made");
    let blocks = json!([{"type": "text", "text": "one"}, {"type": "image", "source": {"data": "AAAA"}},
                        {"type": "text", "text": "two"}]);
    assert_eq!(end(blocks, json!(null)).output, "one\ntwo");
    let long = end(json!("语".repeat(10_000)), json!("Error"));
    assert_eq!((long.output.len(), long.cut), (4095, true));
    assert_eq!(end(json!(7), json!([])), ToolEnd { tool_use_id: "t".into(), ..ToolEnd::default() });
}

#[test]
fn the_lines_of_an_edit_are_kept_and_counted() {
    let patch = json!([{"oldStart": 1, "oldLines": 3, "newStart": 1, "newLines": 4,
                        "lines": [" a", "-b", "+B", "+BB", " c"]}]);
    let result = json!({"filePath": "/p/f", "oldString": "b", "structuredPatch": patch});
    assert_eq!(
        end(json!("done"), result).file,
        Some(FileChange {
            path: "/p/f".into(),
            added: 2,
            removed: 1,
            hunks: vec![Hunk {
                old_start: 1,
                new_start: 1,
                lines: [" a", "-b", "+B", "+BB", " c"].map(str::to_owned).into()
            }],
            ..FileChange::default()
        })
    );
    let result = json!({"type": "create", "filePath": "/p/g", "content": "a\nb\n", "structuredPatch": []});
    assert_eq!(
        end(json!("done"), result).file,
        Some(FileChange {
            path: "/p/g".into(),
            created: true,
            added: 2,
            hunks: vec![Hunk { old_start: 0, new_start: 1, lines: vec!["+a".into(), "+b".into()] }],
            ..FileChange::default()
        })
    );
    let read = json!({"type": "text", "file": {"filePath": "/p/f"}});
    assert_eq!(end(json!("1 a"), read).file, None);
}

#[test]
fn of_a_large_change_4_kib_are_kept_and_all_lines_counted() {
    let content = format!("{}\n", "x".repeat(99)).repeat(10_000);
    let result = json!({"type": "create", "filePath": "/p/g", "content": content, "structuredPatch": []});
    let file = end(json!("done"), result).file.unwrap();
    assert_eq!((file.added, file.cut, file.hunks[0].lines.len()), (10_000, true, 40));
    let lines: Vec<String> = (0..10_000).map(|n| format!("-{n}{}", "x".repeat(5000))).collect();
    let result = json!({"filePath": "/p/g", "structuredPatch": [{"lines": lines}, {"lines": ["+a"]}]});
    let file = end(json!("done"), result).file.unwrap();
    assert_eq!((file.added, file.removed, file.cut, file.hunks), (1, 10_000, true, vec![]));
}

fn asked(tool: &str, request: Value) -> PermissionRequest {
    let mut request = request;
    request["subtype"] = json!("can_use_tool");
    request["tool_name"] = json!(tool);
    let request = json!({"type": "control_request", "request_id": "r", "request": request});
    let Output::Permission(request) = line(request) else { panic!("no request") };
    request
}

#[test]
fn only_the_rule_and_accepting_edits_are_taken_from_the_suggestions() {
    let rule = |content: &str| json!({"toolName": "Bash", "ruleContent": content});
    let suggestions = |rules: Value, behavior: &str| {
        json!([{"type": "addDirectories", "directories": ["/"], "destination": "session"},
               {"type": "addRules", "rules": rules, "behavior": behavior, "destination": "userSettings"},
               {"type": "setMode", "mode": "acceptEdits", "destination": "session"}])
    };
    let read = |suggestions: Value| {
        let request = asked("Bash", json!({"permission_suggestions": suggestions}));
        (request.rules, request.edits)
    };
    let make = PermissionRule { tool: "Bash".into(), content: Some("make *".into()) };
    let (rules, edits) = read(suggestions(json!([rule("make *")]), "allow"));
    assert_eq!((&rules, edits), (&vec![make], true));
    let granted: Value =
        serde_json::from_str(&allow("r", &json!({}), Some(&SessionGrant::Rules(rules)))).unwrap();
    assert_eq!(
        granted["response"]["response"],
        json!({"behavior": "allow", "updatedInput": {}, "updatedPermissions": [{"type": "addRules",
               "rules": [rule("make *")], "behavior": "allow", "destination": "session"}]})
    );
    for none in [
        suggestions(json!([rule("make *")]), "deny"),
        suggestions(json!([rule("make *"), {"ruleContent": "x"}]), "allow"),
        suggestions(json!([rule("make *"), rule(":*")]), "allow"),
        suggestions(json!([{"toolName": "Bash"}]), "allow"),
        suggestions(json!(7), "allow"),
    ] {
        assert_eq!(read(none.clone()).0, [], "{none}");
    }
    assert_eq!(read(json!([{"type": "setMode", "mode": "bypassPermissions"}])), (vec![], false));
    let suppressed = json!({"suppress_always_allow_rule": true,
        "permission_suggestions": suggestions(json!([rule("make *")]), "allow")});
    assert_eq!(asked("Bash", suppressed).rules, []);
}

#[test]
fn a_rule_is_written_as_in_claude_codes_settings() {
    let rule = |tool: &str, content: Option<&str>| {
        PermissionRule { tool: tool.into(), content: content.map(str::to_owned) }.to_string()
    };
    assert_eq!(rule("WebSearch", None), "WebSearch");
    assert_eq!(rule("Bash", Some("npm test *")), "Bash(npm test *)");
    assert_eq!(rule("Bash", Some(r#"python3 -c "f(1, '\n')""#)), r#"Bash(python3 -c "f\(1, '\\n'\)")"#);
}

#[test]
fn questions_and_plans_are_distinguished_from_tools() {
    let question = json!({"question": "Colour?", "header": "C", "multiSelect": true,
                          "options": [{"label": "Red", "description": "r"}, {"description": "no label"}]});
    let input = json!({"questions": [question, {"header": "no question"}, 7]});
    assert_eq!(
        asked("AskUserQuestion", json!({"input": input})).matter(),
        RequestMatter::Questions(vec![Question {
            text: "Colour?".into(),
            header: "C".into(),
            many: true,
            options: vec![QuestionOption {
                label: "Red".into(),
                description: "r".into(),
                preview: String::new()
            }],
        }])
    );
    assert_eq!(asked("AskUserQuestion", json!({"input": {}})).matter(), RequestMatter::Tool);
    let plan = |input: Value| asked("ExitPlanMode", json!({ "input": input })).matter();
    assert_eq!(plan(json!({"plan": "# One"})), RequestMatter::Plan(Some("# One".into())));
    assert_eq!(
        [plan(json!({})), plan(json!({"plan": ""}))],
        [RequestMatter::Plan(None), RequestMatter::Plan(None)]
    );
    assert_eq!(asked("Bash", json!({"input": {"plan": "x"}})).matter(), RequestMatter::Tool);
}

#[test]
fn what_claude_code_writes_around_an_output_is_not_part_of_it() {
    let saved = "<persisted-output>\nOutput too large (106.2KB). Full output saved to: /c/tool-results/b.txt\n\nPreview (first 2KB):\n1\n2\n...\n</persisted-output>";
    let capped = "<persisted-output>\nOutput exceeded the 64MB persist limit; only the first 64MB were saved to: /c/b.txt\n\nPreview (first 2KB):\n1\n</persisted-output>";
    let place = |path: &str, size: &str| Some(SavedOutput { path: path.to_owned(), size: size.to_owned() });
    // The output, what the tool returned beside it, and what is read: the text, whether it is cut, where the rest is.
    let cases = [
        ("plain", json!({}), "plain", false, None),
        ("<tool_use_error>File not found</tool_use_error>", json!({}), "File not found", false, None),
        ("<tool_use_error>\nTwo\nlines\n</tool_use_error>", json!({}), "Two\nlines", false, None),
        ("<tool_use_error>cut", json!({}), "cut", false, None),
        (
            "x <tool_use_error>y</tool_use_error>",
            json!({}),
            "x <tool_use_error>y</tool_use_error>",
            false,
            None,
        ),
        (saved, json!({}), "1\n2", true, place("/c/tool-results/b.txt", "106.2KB")),
        (saved, json!({"persistedOutputPath": "/d"}), "1\n2", true, place("/d", "106.2KB")),
        (
            saved,
            json!({"stdout": "1\n…\n20000\nEND\n", "stderr": "", "stdoutHoldsOutputEnd": true}),
            "1\n…\n20000\nEND",
            true,
            None,
        ),
        (
            saved,
            json!({"stdout": "END", "stderr": "warn", "stdoutHoldsOutputEnd": true}),
            "END\nwarn",
            true,
            None,
        ),
        (
            saved,
            json!({"stdout": "1\n2\n3", "stderr": ""}),
            "1\n2",
            true,
            place("/c/tool-results/b.txt", "106.2KB"),
        ),
        (capped, json!({}), "1", true, place("/c/b.txt", "64MB")),
        ("\u{1b}[31merror\u{1b}[0m\n 1%\r99%", json!({}), "error\n99%", false, None),
    ];
    for (content, result, output, cut, saved) in cases {
        let end = end(json!(content), result);
        assert_eq!((end.output.as_str(), end.cut, end.saved), (output, cut, saved), "{content}");
    }
}
