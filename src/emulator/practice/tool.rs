//! The use of a tool: it is announced, leave for it is asked where that is needed, and its result is told.

use std::io::Write;
use std::path::PathBuf;

use serde_json::{Value, json};
use uuid::Uuid;

use super::agent::{Agent, WakeCause};
use super::lines::{self, ToolOutput};
use super::permission;

/// What became of a tool that the agent wanted to use.
pub(super) enum ToolPermission {
    /// The tool may run, with the input that was allowed.
    Given(PracticeToolUse),
    /// It may not, and the model was told why.
    Refused(String),
    /// The turn is over.
    Interrupted,
}

/// The use of a tool that is to run.
pub(super) struct PracticeToolUse {
    pub(super) id: String,
    /// What it runs with, which may be another input than the one that was shown.
    pub(super) input: Value,
}

impl<W: Write> Agent<W> {
    /// Announces a tool use and asks for leave, if no rule and no mode gives it.
    pub(super) fn leave_for(&mut self, tool: &str, input: Value) -> std::io::Result<ToolPermission> {
        let tool_use = self.announce(tool, input)?;
        let for_person = matches!(tool, "AskUserQuestion" | "ExitPlanMode");
        if !for_person && self.permissions.allow(tool, &tool_use.input, &project()) {
            return Ok(ToolPermission::Given(tool_use));
        }
        let Some(answer) = self.ask(tool, &tool_use, for_person)? else {
            return Ok(ToolPermission::Interrupted);
        };
        if answer["behavior"] != "allow" {
            let message = answer["message"].as_str().unwrap_or("The answer was invalid.").to_owned();
            self.tell(&tool_use.id, &ToolOutput::error(&message))?;
            let over = answer["interrupt"] == true;
            return Ok(if over { ToolPermission::Interrupted } else { ToolPermission::Refused(message) });
        }
        // An approved plan ends its mode, whatever comes in its place.
        let before = self.permissions.mode().to_owned();
        if tool == "ExitPlanMode" {
            let _ = self.permissions.set_mode("default");
        }
        self.permissions.update(&answer["updatedPermissions"]);
        if self.permissions.mode() != before {
            self.write(&lines::mode(self.memory.session(), self.permissions.mode()))?;
        }
        let updated = answer["updatedInput"].as_object().filter(|updated| !updated.is_empty());
        let input = updated.cloned().map_or(tool_use.input, Value::Object);
        Ok(ToolPermission::Given(PracticeToolUse { id: tool_use.id, input }))
    }

    /// Writes that a tool is about to be used.
    pub(super) fn announce(&mut self, tool: &str, input: Value) -> std::io::Result<PracticeToolUse> {
        let id = format!("toolu_{}", Uuid::new_v4().simple());
        self.want(&id, tool, &input)?;
        Ok(PracticeToolUse { id, input })
    }

    /// Writes what came of a tool.
    pub(super) fn tell(&mut self, id: &str, result: &ToolOutput) -> std::io::Result<()> {
        self.write(&lines::tool_result(self.memory.session(), id, result))
    }

    /// The answer to a permission request; none when it was interrupted.
    fn ask(
        &mut self,
        tool: &str,
        tool_use: &PracticeToolUse,
        for_person: bool,
    ) -> std::io::Result<Option<Value>> {
        let asked = Uuid::new_v4().to_string();
        let input = &tool_use.input;
        let mut request = json!({
            "subtype": "can_use_tool", "tool_name": tool, "display_name": tool, "input": input,
            "tool_use_id": tool_use.id,
        });
        if for_person {
            request["requires_user_interaction"] = true.into();
        } else {
            let project = project();
            let file = input["file_path"].as_str().map(|file| file.rsplit('/').next().unwrap_or(file));
            let description = file.or(input["url"].as_str()).or(input["description"].as_str());
            request["description"] = description.into();
            request["permission_suggestions"] = permission::suggestions(tool, input, &project).into();
            let written = permission::written_by(input["command"].as_str().unwrap_or_default(), &project);
            if let Some(written) = written {
                request["blocked_path"] = written.into();
            }
        }
        self.write(&lines::request(&asked, &request))?;
        loop {
            match self.wait(None)? {
                WakeCause::Answered { request_id, response } if request_id == asked => {
                    return Ok(Some(response));
                }
                WakeCause::Interrupted => {
                    self.write(&lines::withdrawal(&asked))?;
                    return Ok(None);
                }
                WakeCause::InputEnded => {
                    return Ok(Some(json!({"behavior": "deny", "message": "stream closed"})));
                }
                WakeCause::Answered { .. } | WakeCause::Deadline | WakeCause::Ran(_) => {}
            }
        }
    }
}

/// Where the agent runs.
pub(super) fn project() -> PathBuf {
    std::env::current_dir().unwrap_or_default()
}
