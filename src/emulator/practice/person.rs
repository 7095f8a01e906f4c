//! What only a person can answer: questions, and whether a plan is good.

use std::io::Write;

use serde_json::{Value, json};

use super::agent::{Agent, TurnEnding};
use super::deed::LABEL;
use super::lines::{self, ToolOutput};
use super::texts;
use super::tool::{PracticeToolUse, ToolPermission};

impl<W: Write> Agent<W> {
    /// Asks, and says what the answers were, word for word.
    pub(super) fn question(&mut self, many: bool) -> std::io::Result<TurnEnding> {
        let PracticeToolUse { id, input } = match self.leave_for("AskUserQuestion", texts::questions(many))? {
            ToolPermission::Given(tool_use) => tool_use,
            ToolPermission::Refused(message) => {
                return Ok(TurnEnding::Said(format!("{LABEL} You did not answer: {message}")));
            }
            ToolPermission::Interrupted => return Ok(TurnEnding::Interrupted { reason: "aborted_tools" }),
        };
        let answers = answers(&input);
        let told = if answers.is_empty() {
            "The user did not answer the questions.".to_owned()
        } else {
            let pairs: Vec<String> =
                answers.iter().map(|(question, answer)| format!("{question:?}={answer:?}")).collect();
            format!(
                "Your questions have been answered: {}. You can now continue with these answers in mind.",
                pairs.join(", ")
            )
        };
        let details = json!({"questions": input["questions"], "answers": input["answers"]});
        self.tell(&id, &ToolOutput::of(told, details))?;
        let lines: Vec<String> =
            answers.iter().map(|(question, answer)| format!("{question} {answer}")).collect();
        Ok(TurnEnding::Said(format!("{LABEL} You answered:\n\n{}", lines.join("\n\n"))))
    }

    /// Makes a plan, in plan mode, and once another when it is sent back.
    pub(super) fn plan(&mut self) -> std::io::Result<TurnEnding> {
        if self.permissions.mode() != "plan" {
            let _ = self.permissions.set_mode("plan");
            self.write(&lines::mode(self.memory.session(), self.permissions.mode()))?;
        }
        let mut feedback: Option<String> = None;
        loop {
            let plan = texts::plan(feedback.as_deref());
            let input = json!({"plan": plan, "planFilePath": "/tmp/plans/practice.md"});
            match self.leave_for("ExitPlanMode", input)? {
                ToolPermission::Given(tool_use) => {
                    let details = json!({"plan": plan, "isAgent": false});
                    let told = "User has approved your plan. You can now start coding.";
                    self.tell(&tool_use.id, &ToolOutput::of(told, details))?;
                    let mode = self.permissions.mode();
                    return Ok(TurnEnding::Said(format!(
                        "{LABEL} The plan is approved; the mode is {mode}."
                    )));
                }
                ToolPermission::Interrupted => {
                    return Ok(TurnEnding::Interrupted { reason: "aborted_tools" });
                }
                ToolPermission::Refused(message) if feedback.is_some() => {
                    return Ok(TurnEnding::Said(format!("{LABEL} I leave it at that. You said: {message}")));
                }
                ToolPermission::Refused(message) => {
                    let text = format!("{LABEL} You want it otherwise: {message}");
                    self.say(&text)?;
                    feedback = Some(message);
                }
            }
        }
    }
}

/// The answers in the order of the questions; a note behind its answer.
fn answers(input: &Value) -> Vec<(&str, String)> {
    let questions = input["questions"].as_array().into_iter().flatten();
    let answered = questions.filter_map(|question| {
        let question = question["question"].as_str()?;
        let answer = &input["answers"][question];
        let several =
            answer.as_array().map(|several| several.iter().filter_map(Value::as_str).collect::<Vec<_>>());
        let answer = answer.as_str().map(str::to_owned).or(several.map(|several| several.join(",")))?;
        let note = input["annotations"][question]["notes"].as_str();
        Some((question, note.map_or(answer.clone(), |note| format!("{answer} ({note})"))))
    });
    answered.collect()
}
