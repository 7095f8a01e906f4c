//! Makes the lines that phonework writes to Claude Code's stdin.
//!
//! Claude Code exits with status 1 when it reads a line that is not JSON, or a user message without its role. So no line
//! is made anywhere else.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{PermissionRule, SessionGrant};

/// A person's message, word for word. The turn's result names the message by this uuid.
///
/// A text of a slash command's form ([`slash_command`]) may be one. What only begins with a slash (a path, a comment) is
/// marked as no command: Claude Code would try to read it as one. Claude Code would also read file mentions (`@path`)
/// without asking; the environment of [`crate::claude::launch::Launch`] switches that off.
#[must_use]
pub fn user_message(uuid: &Uuid, text: &str) -> String {
    let mut message = json!({
        "type": "user",
        "message": {"role": "user", "content": text},
        "parent_tool_use_id": null,
        "session_id": "",
        "uuid": uuid,
    });
    if text.trim_start().starts_with('/') && slash_command(text).is_none() {
        message["client_composed"] = Value::Bool(true);
    }
    line(&message)
}

/// A text that has the form of a slash command: its name without the slash, and what follows the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlashCommand<'a> {
    /// The name as it was typed, without punctuation and invisible characters around it.
    pub(crate) name: &'a str,
    /// What stands behind the white space after the name.
    pub(crate) arguments: &'a str,
}

/// Reads the slash command that a text has the form of: a slash, then letters, digits, `-`, `_` or `:`, alone or
/// followed by white space. Punctuation behind the name and invisible characters around it do not matter.
#[must_use]
pub(crate) fn slash_command(text: &str) -> Option<SlashCommand<'_>> {
    let text = text.trim_matches(is_blank);
    let after = text.strip_prefix('/')?;
    let (name, arguments) = after.split_once(char::is_whitespace).unwrap_or((after, ""));
    let name = name.trim_start_matches(is_invisible).trim_end_matches(is_punctuation_or_invisible);
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | ':');
    let has_form = !name.is_empty() && name.chars().all(is_part);
    has_form.then_some(SlashCommand { name, arguments: arguments.trim_matches(is_blank) })
}

/// Whether a character ends a sentence or a pause in it, in ASCII or full width. People's keyboards add it.
#[must_use]
pub(crate) fn is_sentence_punctuation(c: char) -> bool {
    matches!(
        c,
        '.' | ','
            | ';'
            | ':'
            | '!'
            | '?'
            | '~'
            | '…'
            | '。'
            | '，'
            | '；'
            | '：'
            | '！'
            | '？'
            | '、'
            | '～'
            | '．'
    )
}

fn is_punctuation_or_invisible(c: char) -> bool {
    is_sentence_punctuation(c) || is_invisible(c)
}

/// Whether a character shows nothing: white space, or one that takes no room.
#[must_use]
pub(crate) fn is_blank(c: char) -> bool {
    c.is_whitespace() || is_invisible(c)
}

/// Whether a character takes no room: joiners, direction marks, variation selectors, the byte order mark.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
    )
}

/// Asks the process to say that it is ready; otherwise it says nothing before the first turn.
#[must_use]
pub fn initialize(request_id: &str) -> String {
    request(request_id, "initialize")
}

/// Interrupts the running turn, if there is one. Messages that wait in Claude Code's queue run next.
#[must_use]
pub fn interrupt(request_id: &str) -> String {
    request(request_id, "interrupt")
}

/// Changes the permission mode, also in the middle of a turn.
#[must_use]
pub(crate) fn set_permission_mode(request_id: &str, mode: &str) -> String {
    line(&json!({
        "type": "control_request",
        "request_id": request_id,
        "request": {"subtype": "set_permission_mode", "mode": mode},
    }))
}

/// Lets Claude do what these rules cover without asking, in addition to what the person's own settings allow. Takes
/// effect from the next line on. A command-line argument could do the same, but every user of the machine can read
/// those.
pub(crate) fn allow_rules(request_id: &str, rules: &[String]) -> String {
    let settings = json!({"permissions": {"allow": rules}});
    line(&json!({
        "type": "control_request",
        "request_id": request_id,
        "request": {"subtype": "apply_flag_settings", "settings": settings},
    }))
}

/// Allows a permission request. What runs is `input`, which is what the person was shown. Beyond that only `grant` is
/// allowed, for the rest of the session.
#[must_use]
pub fn allow(request_id: &str, input: &Value, grant: Option<&SessionGrant>) -> String {
    let mut answer = json!({"behavior": "allow"});
    if input.is_object() {
        answer["updatedInput"] = input.clone();
    }
    if let Some(grant) = grant {
        answer["updatedPermissions"] = json!([update(grant)]);
    }
    success(request_id, &answer)
}

/// Answers the questions of a request. `input` is the request's input; `answers` are pairs of a question's text and its
/// answer.
pub(crate) fn answered(request_id: &str, input: &Value, answers: &[(String, String)]) -> String {
    let mut input = input.clone();
    let answers = answers.iter().map(|(question, answer)| (question.clone(), Value::from(answer.as_str())));
    if let Value::Object(input) = &mut input {
        input.insert("answers".to_owned(), Value::Object(answers.collect()));
    }
    allow(request_id, &input, None)
}

fn update(grant: &SessionGrant) -> Value {
    match grant {
        SessionGrant::Rules(rules) => json!({
            "type": "addRules",
            "rules": rules.iter().map(PermissionRule::value).collect::<Vec<_>>(),
            "behavior": "allow",
            "destination": "session",
        }),
        SessionGrant::AcceptEdits => {
            json!({"type": "setMode", "mode": "acceptEdits", "destination": "session"})
        }
    }
}

/// Denies a permission request. The model reads `message` as the tool's result and goes on.
#[must_use]
pub fn deny(request_id: &str, message: &str) -> String {
    success(request_id, &json!({"behavior": "deny", "message": message}))
}

/// Refuses a request of a kind that phonework does not know.
pub(crate) fn refuse_request(request_id: &str) -> String {
    line(&json!({
        "type": "control_response",
        "response": {"subtype": "error", "request_id": request_id, "error": "phonework does not support this request"},
    }))
}

fn request(request_id: &str, subtype: &str) -> String {
    line(&json!({"type": "control_request", "request_id": request_id, "request": {"subtype": subtype}}))
}

fn success(request_id: &str, response: &Value) -> String {
    line(&json!({
        "type": "control_response",
        "response": {"subtype": "success", "request_id": request_id, "response": response},
    }))
}

fn line(message: &Value) -> String {
    let mut line = message.to_string();
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_whatever_it_contains() {
        let uuid = Uuid::from_u128(7);
        let text = "first\nsecond\r\u{2028}\0\"quoted\" 中文 \u{1f600}";
        let line = user_message(&uuid, text);
        assert_eq!(line.find('\n'), Some(line.len() - 1));
        let message: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            message,
            json!({"type": "user", "message": {"role": "user", "content": text}, "parent_tool_use_id": null,
                   "session_id": "", "uuid": "00000000-0000-0000-0000-000000000007"})
        );
    }

    #[test]
    fn only_a_word_behind_a_slash_has_the_form_of_a_command() {
        let read = |text| slash_command(text).map(|command| (command.name, command.arguments));
        for (text, command) in [
            ("/compact", Some(("compact", ""))),
            (" /compact the  tests \n", Some(("compact", "the  tests"))),
            ("/compact。", Some(("compact", ""))),
            ("\u{200b}/compact\u{200b}", Some(("compact", ""))),
            ("/plugin:run_it now", Some(("plugin:run_it", "now"))),
            ("/etc/nginx/nginx.conf is wrong", None),
            ("// why", None),
            ("/* … */", None),
            ("/ hi", None),
            ("/", None),
            ("", None),
            ("no /compact", None),
            ("/a.b", None),
            ("/$HOME", None),
            ("/<b>", None),
        ] {
            assert_eq!(read(text), command, "{text:?}");
        }
    }

    #[test]
    fn what_only_begins_with_a_slash_is_told_to_be_no_command() {
        let is_composed = |text| user_message(&Uuid::from_u128(7), text).contains("\"client_composed\":true");
        for text in ["/etc/hosts is wrong", "// why", "/* x */", "/ hi", " /.env"] {
            assert!(is_composed(text), "{text}");
        }
        for text in ["/compact", "/compact it", "hello /etc/hosts", "hello"] {
            assert!(!is_composed(text), "{text}");
        }
    }

    #[test]
    fn an_answer_carries_the_request_id_inside_the_response() {
        let input = json!({"command": "ls"});
        let answers = [allow("r1", &input, None), deny("r2", "no"), refuse_request("r3")].map(|line| {
            let answer: Value = serde_json::from_str(&line).unwrap();
            answer["response"].clone()
        });
        assert_eq!(
            answers,
            [
                json!({"subtype": "success", "request_id": "r1", "response": {"behavior": "allow", "updatedInput": {"command": "ls"}}}),
                json!({"subtype": "success", "request_id": "r2", "response": {"behavior": "deny", "message": "no"}}),
                json!({"subtype": "error", "request_id": "r3", "error": "phonework does not support this request"}),
            ]
        );
    }

    #[test]
    fn requests_carry_their_subtype() {
        assert_eq!(
            interrupt("i1"),
            "{\"request\":{\"subtype\":\"interrupt\"},\"request_id\":\"i1\",\"type\":\"control_request\"}\n"
        );
        assert!(initialize("i2").contains("\"subtype\":\"initialize\""));
    }
}
