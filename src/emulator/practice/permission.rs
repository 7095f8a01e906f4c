//! What the practice agent may do without a question: by its mode, and by the rules of its launch and those that people
//! made meanwhile. Pure. They hold for this process; nothing is written to a settings file.

use std::path::Path;

use serde_json::{Value, json};

/// The modes that Claude Code knows.
const MODES: [&str; 6] = ["default", "acceptEdits", "plan", "dontAsk", "auto", "bypassPermissions"];
/// Commands that `acceptEdits` covers, as long as they are simple.
const EDITING: [&str; 5] = ["touch", "mkdir", "rm", "mv", "sed -i"];

/// The mode and the rules in force.
#[derive(Debug)]
pub(super) struct Permissions {
    mode: String,
    rules: Vec<PracticeRule>,
    /// Whether it was launched so that all questions may be skipped.
    bypass: bool,
    /// Whether rules for `localSettings` apply: not when local settings are not read.
    local: bool,
}

/// What the launch says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct LaunchOptions {
    pub(super) mode: Option<String>,
    /// `--allowedTools`: rules with commas or spaces between them.
    pub(super) allowed: Option<String>,
    /// The value of `--settings`: a JSON text.
    pub(super) settings: Option<String>,
    /// The value of `--setting-sources`: names, separated by commas.
    pub(super) sources: Option<String>,
    pub(super) bypass: bool,
}

/// `Bash`, `Bash(npm test *)`, `WebFetch(domain:example.com)`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PracticeRule {
    tool: String,
    content: Option<String>,
}

impl Permissions {
    pub(super) fn new(launched: &LaunchOptions) -> Self {
        let settings: Value =
            launched.settings.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let listed = split_rules(launched.allowed.as_deref().unwrap_or_default());
        let mut rules: Vec<PracticeRule> = listed.iter().map(|rule| PracticeRule::read(rule)).collect();
        rules.extend(allowed_by(&settings));
        let mode = launched.mode.clone().unwrap_or_else(|| "default".to_owned());
        Self {
            rules,
            bypass: launched.bypass || mode == "bypassPermissions",
            local: launched.sources.as_deref().is_none_or(|sources| sources.contains("local")),
            mode: if mode == "manual" { "default".to_owned() } else { mode },
        }
    }

    pub(super) fn mode(&self) -> &str {
        &self.mode
    }

    /// The mode that is in force then, or the code of Claude Code's refusal.
    pub(super) fn set_mode(&mut self, mode: &str) -> Result<&str, &'static str> {
        let mode = if mode == "manual" { "default" } else { mode };
        if !MODES.contains(&mode) {
            return Err("invalid_mode");
        }
        if mode == "bypassPermissions" && !self.bypass {
            return Err("bypass_not_launched");
        }
        self.mode = mode.to_owned();
        Ok(&self.mode)
    }

    /// Whether a tool may be used without a question. The project is where edits may be accepted.
    pub(super) fn allow(&self, tool: &str, input: &Value, project: &Path) -> bool {
        if self.mode == "bypassPermissions" || self.rules.iter().any(|rule| rule.covers(tool, input)) {
            return true;
        }
        let file = input["file_path"].as_str().map(Path::new);
        self.mode == "acceptEdits"
            && match tool {
                "Write" | "Edit" => file.is_some_and(|file| file.starts_with(project)),
                "Bash" => is_editing(input["command"].as_str().unwrap_or_default()),
                _ => false,
            }
    }

    /// Takes over the rules of settings as `--settings` has them.
    pub(super) fn apply(&mut self, settings: &Value) {
        self.rules.extend(allowed_by(settings));
    }

    /// Takes over what came with a permission; whether the mode is another one now.
    pub(super) fn update(&mut self, updates: &Value) -> bool {
        let before = self.mode.clone();
        for update in updates.as_array().into_iter().flatten() {
            let here = match update["destination"].as_str() {
                Some("session") => true,
                Some("localSettings") => self.local,
                Some(_) | None => false,
            };
            match update["type"].as_str() {
                Some("addRules") if here && update["behavior"] == "allow" => {
                    let rules = update["rules"].as_array().into_iter().flatten();
                    self.rules.extend(rules.filter_map(|rule| {
                        let content = rule["ruleContent"].as_str().map(str::to_owned);
                        Some(PracticeRule { tool: rule["toolName"].as_str()?.to_owned(), content })
                    }));
                }
                Some("setMode") if here => {
                    // What is no mode changes nothing.
                    let _ = self.set_mode(update["mode"].as_str().unwrap_or_default());
                }
                Some(_) | None => {}
            }
        }
        before != self.mode
    }
}

/// What would make a question needless, as Claude Code suggests it.
pub(super) fn suggestions(tool: &str, input: &Value, project: &Path) -> Vec<Value> {
    let rule = |content: &str| {
        json!({"type": "addRules", "rules": [{"toolName": tool, "ruleContent": content}], "behavior": "allow",
               "destination": "localSettings"})
    };
    let accept = json!({"type": "setMode", "mode": "acceptEdits", "destination": "session"});
    match tool {
        "Bash" => {
            let command = input["command"].as_str().unwrap_or_default();
            let mut all = vec![rule(command)];
            if is_editing(command) {
                let directories = [project.to_string_lossy()];
                all.push(
                    json!({"type": "addDirectories", "directories": directories, "destination": "session"}),
                );
                all.push(accept);
            }
            all
        }
        "WebFetch" => vec![rule(&format!("domain:{}", host(input["url"].as_str().unwrap_or_default())))],
        "Write" | "Edit" => vec![accept],
        _ => Vec::new(),
    }
}

/// The file that a simple command is about to write, for the question about it.
pub(super) fn written_by(command: &str, project: &Path) -> Option<String> {
    let last = command.split_whitespace().next_back().filter(|_| is_editing(command))?;
    Some(project.join(last).to_string_lossy().into_owned())
}

fn is_editing(command: &str) -> bool {
    !is_compound(command)
        && EDITING.iter().any(|first| command.strip_prefix(first).is_some_and(|rest| rest.starts_with(' ')))
}

/// A rule for one command does not cover another behind it.
fn is_compound(command: &str) -> bool {
    command.contains(['&', ';', '|', '\n', '`', '>', '<']) || command.contains("$(")
}

fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', ':', '?', '#']).next().unwrap_or_default()
}

impl PracticeRule {
    fn read(rule: &str) -> Self {
        match rule.split_once('(').and_then(|(tool, rest)| Some((tool, rest.strip_suffix(')')?))) {
            Some((tool, content)) => Self { tool: tool.to_owned(), content: Some(content.to_owned()) },
            None => Self { tool: rule.to_owned(), content: None },
        }
    }

    fn covers(&self, tool: &str, input: &Value) -> bool {
        let text = |name: &str| input[name].as_str().unwrap_or_default();
        self.tool == tool
            && match (&self.content, tool) {
                (None, _) => true,
                (Some(content), "Bash") => match content.strip_suffix(" *") {
                    Some(start) => {
                        let rest = text("command").strip_prefix(start);
                        !is_compound(text("command"))
                            && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
                    }
                    None => text("command") == content,
                },
                (Some(content), "WebFetch") => content.strip_prefix("domain:") == Some(host(text("url"))),
                (Some(_), _) => false,
            }
    }
}

/// `{"permissions":{"allow":["Bash(ls)"]}}`
fn allowed_by(settings: &Value) -> impl Iterator<Item = PracticeRule> {
    let rules = settings["permissions"]["allow"].as_array().into_iter().flatten();
    rules.filter_map(|rule| rule.as_str().map(PracticeRule::read))
}

/// Rules stand with commas or spaces between them; inside of parentheses both belong to the rule.
fn split_rules(list: &str) -> Vec<String> {
    let (mut rules, mut depth) = (vec![String::new()], 0_usize);
    for character in list.chars() {
        match character {
            ',' | ' ' if depth == 0 => rules.push(String::new()),
            _ => {
                depth = match character {
                    '(' => depth + 1,
                    ')' => depth.saturating_sub(1),
                    _ => depth,
                };
                if let Some(rule) = rules.last_mut() {
                    rule.push(character);
                }
            }
        }
    }
    rules.retain(|rule| !rule.is_empty());
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launched(allowed: &str, settings: &str, sources: Option<&str>) -> Permissions {
        Permissions::new(&LaunchOptions {
            allowed: Some(allowed.to_owned()),
            settings: Some(settings.to_owned()),
            sources: sources.map(str::to_owned),
            ..LaunchOptions::default()
        })
    }

    fn runs(permissions: &Permissions, command: &str) -> bool {
        permissions.allow("Bash", &json!({"command": command}), Path::new("/p"))
    }

    #[test]
    fn a_rule_covers_what_it_says_and_no_command_behind_it() {
        let permissions = launched(
            "Bash(npm test *),Bash(make a, b) Write",
            r#"{"permissions":{"allow":["WebFetch(domain:a.b)"]}}"#,
            None,
        );
        for (command, allowed) in [
            ("npm test", true),
            ("npm test -- x", true),
            ("npm tests", false),
            ("npm test && rm x", false),
            ("make a, b", true),
            ("make a, b c", false),
        ] {
            assert_eq!(runs(&permissions, command), allowed, "{command}");
        }
        let fetch = |url: &str| permissions.allow("WebFetch", &json!({ "url": url }), Path::new("/p"));
        assert_eq!([fetch("https://a.b/c"), fetch("https://x.a.b/c")], [true, false]);
        assert!(permissions.allow("Write", &json!({"file_path": "/x"}), Path::new("/p")));
        assert!(!permissions.allow("Edit", &json!({"file_path": "/p/x"}), Path::new("/p")));
    }

    #[test]
    fn accepted_edits_are_those_inside_the_project() {
        let mut permissions = launched("", "", None);
        assert!(
            permissions
                .update(&json!([{"type": "setMode", "mode": "acceptEdits", "destination": "session"}]))
        );
        let writes = |file: &str| permissions.allow("Write", &json!({ "file_path": file }), Path::new("/p"));
        assert_eq!([writes("/p/x"), writes("/q/x")], [true, false]);
        assert!(
            runs(&permissions, "touch x")
                && !runs(&permissions, "touch x; ls")
                && !runs(&permissions, "make")
        );
    }

    #[test]
    fn rules_for_local_settings_apply_only_where_those_are_read() {
        let rule = |destination: &str| {
            json!([{"type": "addRules", "rules": [{"toolName": "Bash", "ruleContent": "make"}],
                    "behavior": "allow", "destination": destination}])
        };
        for (sources, destination, applies) in [
            (Some("user"), "localSettings", false),
            (Some("user"), "session", true),
            (None, "localSettings", true),
            (None, "userSettings", false),
        ] {
            let mut permissions = launched("", "", sources);
            permissions.update(&rule(destination));
            assert_eq!(runs(&permissions, "make"), applies, "{sources:?} {destination}");
        }
    }

    #[test]
    fn a_mode_is_set_only_if_there_is_one_and_the_launch_lets_it() {
        let mut permissions = launched("", "", None);
        assert_eq!(permissions.set_mode("manual"), Ok("default"));
        assert_eq!(permissions.set_mode("yolo"), Err("invalid_mode"));
        assert_eq!(permissions.set_mode("bypassPermissions"), Err("bypass_not_launched"));
    }

    #[test]
    fn an_edit_suggests_the_mode_and_a_command_its_rule() {
        let kinds = |tool: &str, input: Value| -> Vec<String> {
            let all = suggestions(tool, &input, Path::new("/p"));
            all.iter().map(|each| each["type"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(kinds("Write", json!({"file_path": "/p/x"})), ["setMode"]);
        assert_eq!(kinds("Bash", json!({"command": "make"})), ["addRules"]);
        assert_eq!(kinds("Bash", json!({"command": "touch x"})), ["addRules", "addDirectories", "setMode"]);
        assert_eq!(
            suggestions("WebFetch", &json!({"url": "https://a.b:1/c"}), Path::new("/p"))[0]["rules"][0]["ruleContent"],
            "domain:a.b"
        );
    }
}
