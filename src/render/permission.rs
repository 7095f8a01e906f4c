//! What a permission request would do, in full, as text. Pure.
//!
//! Nothing is shortened: who decides must see the whole of what would run.

use std::fmt::Write as _;

use serde_json::Value;

/// What `tool` would do with `input`.
#[must_use]
pub fn describe(tool: &str, input: &Value) -> String {
    let field = |name: &str| input[name].as_str();
    match tool {
        "Bash" if field("command").is_some() => fenced("bash", field("command").unwrap_or_default()),
        "Write" if field("file_path").is_some() => {
            format!(
                "{}\n{}",
                field("file_path").unwrap_or_default(),
                fenced("", field("content").unwrap_or_default())
            )
        }
        "Edit" if field("file_path").is_some() => {
            format!(
                "{}\n{}",
                field("file_path").unwrap_or_default(),
                fenced(
                    "diff",
                    &diff(field("old_string").unwrap_or_default(), field("new_string").unwrap_or_default())
                )
            )
        }
        "WebFetch" if field("url").is_some() => field("url").unwrap_or_default().to_owned(),
        "ExitPlanMode" if field("plan").is_some() => field("plan").unwrap_or_default().to_owned(),
        _ => fenced("json", &serde_json::to_string_pretty(input).unwrap_or_default()),
    }
}

/// A code fence that the text cannot close.
fn fenced(language: &str, text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let newline = if text.ends_with('\n') { "" } else { "\n" };
    format!("{fence}{language}\n{text}{newline}{fence}")
}

fn diff(old: &str, new: &str) -> String {
    let mut out = String::new();
    for line in old.lines() {
        let _ = writeln!(out, "- {line}");
    }
    for line in new.lines() {
        let _ = writeln!(out, "+ {line}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_command_is_shown_whole_and_cannot_leave_its_fence() {
        let input = json!({"command": "echo '```'\nrm x"});
        assert_eq!(describe("Bash", &input), "````bash\necho '```'\nrm x\n````");
    }

    #[test]
    fn an_edit_is_shown_as_what_goes_and_what_comes() {
        let input = json!({"file_path": "/p/a.rs", "old_string": "a\nb", "new_string": "c"});
        assert_eq!(describe("Edit", &input), "/p/a.rs\n```diff\n- a\n- b\n+ c\n```");
    }

    #[test]
    fn an_unknown_tool_is_shown_with_all_its_input() {
        assert_eq!(describe("X", &json!({"a": 1})), "```json\n{\n  \"a\": 1\n}\n```");
    }
}
