//! What it asks, and what answers do.

use serde_json::{Value, json};

use super::*;

impl Practice {
    fn said(&mut self, prompt: &str, until: &str) -> Vec<Value> {
        self.ask(prompt);
        self.until(until)
    }

    /// The lines up to the first of this type.
    fn until(&mut self, kind: &str) -> Vec<Value> {
        let mut lines = Vec::new();
        loop {
            lines.push(self.line());
            if lines.last().unwrap()["type"] == kind {
                return lines;
            }
        }
    }

    fn allow(&self, request: &Value, with: &Value) {
        let mut response = json!({"behavior": "allow"});
        response.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        let id = &request["request_id"];
        let reply = json!({"type": "control_response",
            "response": {"subtype": "success", "request_id": id, "response": response}});
        self.send(&format!("{reply}\n"));
    }

    /// The result's text once the turn has ended without a question.
    fn ends(&mut self) -> String {
        let lines = self.until("result");
        assert!(lines.iter().all(|line| line["type"] != "control_request"), "{lines:?}");
        lines.last().unwrap()["result"].as_str().unwrap().to_owned()
    }
}

fn text_of(lines: &[Value]) -> String {
    lines.iter().filter_map(|line| line["event"]["delta"]["text"].as_str()).collect()
}

#[test]
fn streamed_words_are_the_text_that_comes_whole_before_the_block_ends() {
    let folder = tempfile::tempdir().unwrap();
    let mut practice = Practice::start(folder.path(), &["--include-partial-messages"]);
    let lines = practice.said("stream 40 words", "result");
    let place = |is: &dyn Fn(&Value) -> bool| lines.iter().position(is).unwrap();
    let whole = place(&|line| line["type"] == "assistant");
    let text = lines[whole]["message"]["content"][0]["text"].as_str().unwrap();
    assert_eq!((text_of(&lines), lines.last().unwrap()["result"].as_str().unwrap()), (text.to_owned(), text));
    assert!(whole < place(&|line| line["event"]["type"] == "content_block_stop"));
    assert!(lines.last().unwrap()["modelUsage"]["practice"]["contextWindow"].is_u64());

    practice.ask("stream 10 words in 80000");
    practice.until("stream_event");
    practice.send(&wire::interrupt("i1"));
    let cut = practice.until("result");
    assert_eq!(cut.last().unwrap()["terminal_reason"], "aborted_streaming");
    assert!(cut.iter().any(|line| line["aborted"] == true));
}

#[test]
fn every_call_of_the_model_tells_what_it_takes_of_the_context_if_that_is_asked_for() {
    let deeds = [("hello", 1), ("say 900 characters in 3 texts", 3), ("work 2", 3), ("slow 0", 1)];
    for (flags, asked_for) in [(&["--include-partial-messages"][..], true), (&[], false)] {
        let folder = tempfile::tempdir().unwrap();
        let mut practice = Practice::start(folder.path(), flags);
        for (deed, calls) in deeds {
            let lines = practice.said(deed, "result");
            let begun = lines.iter().filter(|line| line["event"]["type"] == "message_start");
            let begun: Vec<_> = begun.map(|line| &line["event"]["message"]).collect();
            let named = lines.iter().filter(|line| line["type"] == "assistant");
            let named: Vec<_> = named.map(|line| &line["message"]["id"]).collect();
            assert_eq!(named.len(), calls, "{deed}");
            if asked_for {
                assert_eq!(begun.iter().map(|message| &message["id"]).collect::<Vec<_>>(), named, "{deed}");
                let used = |message: &&Value| {
                    message["usage"]["input_tokens"].as_u64().unwrap()
                        + message["usage"]["cache_read_input_tokens"].as_u64().unwrap()
                };
                assert!(begun.iter().all(|message| used(message) == 13_500), "{deed}");
            } else {
                assert!(lines.iter().all(|line| line["type"] != "stream_event"), "{deed}");
            }
        }
    }
}

#[test]
fn work_is_so_many_tools_with_so_many_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let mut practice = Practice::start(folder.path(), &[]);
    let lines = practice.said("work 3 50", "result");
    let sizes: Vec<usize> =
        lines.iter().filter_map(|line| Some(line["tool_use_result"]["stdout"].as_str()?.len())).collect();
    assert_eq!(sizes, [50, 50, 50]);
}

#[test]
fn an_edit_comes_with_its_patch_and_is_not_asked_about_once_edits_are_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.txt");
    let mut practice = Practice::start(folder.path(), &[]);
    let asked =
        practice.said(&format!("write {} one\ntwo\n", file.display()), "control_request").pop().unwrap();
    let request = &asked["request"];
    assert_eq!((&request["tool_name"], &request["description"]), (&json!("Write"), &json!("a.txt")));
    assert_eq!(
        request["permission_suggestions"],
        json!([{"type": "setMode", "mode": "acceptEdits", "destination": "session"}])
    );
    practice.allow(&asked, &json!({"updatedInput": {"file_path": file, "content": "1\n2\n"}}));
    let done = practice.until("result");
    let result = done.iter().find(|line| line["type"] == "user").unwrap();
    assert_eq!(result["tool_use_result"]["type"], "create");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "1\n2\n");

    let asked = practice.said(&format!("edit {} 2 -> two", file.display()), "control_request").pop().unwrap();
    practice.allow(&asked, &json!({"updatedPermissions": asked["request"]["permission_suggestions"]}));
    let done = practice.until("result");
    let modes: Vec<&Value> =
        done.iter().map(|line| &line["permissionMode"]).filter(|mode| mode.is_string()).collect();
    assert_eq!(modes, ["acceptEdits"]);
    let result = done.iter().find(|line| line["type"] == "user").unwrap();
    let patch =
        json!([{"oldStart": 1, "oldLines": 2, "newStart": 1, "newLines": 2, "lines": [" 1", "-2", "+two"]}]);
    assert_eq!(result["tool_use_result"]["structuredPatch"], patch);
}

#[test]
fn a_rule_for_the_session_makes_the_same_question_needless_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut practice = Practice::start(folder.path(), &["--setting-sources=user"]);
    let asked = practice.said("run echo a", "control_request").pop().unwrap();
    let mut rule = asked["request"]["permission_suggestions"][0].clone();
    assert_eq!(
        (&rule["destination"], &rule["rules"][0]["ruleContent"]),
        (&json!("localSettings"), &json!("echo a"))
    );
    rule["destination"] = "session".into();
    practice.allow(&asked, &json!({"updatedPermissions": [rule]}));
    practice.until("result");
    practice.ask("run echo a");
    assert!(practice.ends().ends_with("The command said:\na\n"));
    practice.said("run echo b", "control_request");

    let mut ruled = Practice::start(folder.path(), &["--allowedTools=Bash(echo *)"]);
    ruled.ask("ask30");
    assert!(ruled.ends().ends_with("Of 30 commands 30 ran and 0 did not."));
}

#[test]
fn rules_that_are_handed_over_on_stdin_count_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut practice = Practice::start(folder.path(), &[]);
    practice.send(&wire::allow_rules("rules", &["Bash(echo *)".to_owned()]));
    practice.ask("run echo a");
    assert!(practice.ends().ends_with("The command said:\na\n"));
}

#[test]
fn thirty_questions_are_asked_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut practice = Practice::start(folder.path(), &[]);
    practice.ask("ask30");
    for number in 1..=30 {
        let asked = practice.until("control_request").pop().unwrap();
        assert_eq!(asked["request"]["input"]["command"], format!("echo {number}"));
        practice.allow(&asked, &json!({}));
    }
    assert!(practice.ends().ends_with("Of 30 commands 30 ran and 0 did not."));
}

#[test]
fn answers_come_back_word_for_word() {
    let folder = tempfile::tempdir().unwrap();
    let mut practice = Practice::start(folder.path(), &["--permission-mode=bypassPermissions"]);
    let asked = practice.said("ask many", "control_request").pop().unwrap();
    assert_eq!(asked["request"]["requires_user_interaction"], true);
    let mut input = asked["request"]["input"].clone();
    input["answers"] =
        json!({"Which colour shall it have?": "a \"warm\" one", "Which parts shall I do?": "Code, 文档"});
    practice.allow(&asked, &json!({ "updatedInput": input }));
    assert_eq!(
        practice.ends(),
        "(practice agent, not Claude) You answered:\n\nWhich colour shall it have? a \"warm\" one\n\n\
         Which parts shall I do? Code, 文档"
    );
}

#[test]
fn a_plan_is_sent_back_once_and_its_approval_ends_the_mode() {
    let folder = tempfile::tempdir().unwrap();
    let mut practice = Practice::start(folder.path(), &[]);
    let before = practice.said("plan", "control_request");
    assert!(before.iter().any(|line| line["permissionMode"] == "plan" && line["subtype"] == "status"));
    let first = before.last().unwrap();
    practice.send(&wire::deny(first["request_id"].as_str().unwrap(), "fewer steps"));
    let again = practice.until("control_request").pop().unwrap();
    assert!(again["request"]["input"]["plan"].as_str().unwrap().contains("fewer steps"));
    let accept = json!([{"type": "setMode", "mode": "acceptEdits", "destination": "session"}]);
    practice.allow(&again, &json!({ "updatedPermissions": accept }));
    assert!(practice.ends().ends_with("The plan is approved; the mode is acceptEdits."));
}

#[test]
fn the_mode_is_changed_on_request_and_a_bad_one_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut practice = Practice::start(folder.path(), &[]);
    for (mode, code) in [("plan", Value::Null), ("bypassPermissions", json!("bypass_not_launched"))] {
        let request = json!({"type": "control_request", "request_id": "m",
            "request": {"subtype": "set_permission_mode", "mode": mode}});
        practice.send(&format!("{request}\n"));
        assert_eq!(practice.until("control_response").pop().unwrap()["response"]["error_code"], code);
    }
}
