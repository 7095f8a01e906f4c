//! What Claude Code asks a person: permission to use a tool, answers to questions, approval of a plan.

use std::fmt;

use serde_json::{Value, json};

use super::Object;

/// Claude Code asks whether it may use a tool. It waits for the answer without a time limit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PermissionRequest {
    /// The id to be named in the answer. It is the only safe key, as several requests may be open at once.
    pub request_id: String,
    /// The tool's name, for example `Bash`.
    pub tool: String,
    /// The tool's input. It is the only source for showing a change to a file.
    pub input: Value,
    /// The id of the tool use, as in [`super::ContentBlock::ToolUse`].
    pub tool_use_id: Option<String>,
    /// The tool use in words.
    pub description: Option<String>,
    /// Rules that would make this request unnecessary in future; may be empty.
    pub rules: Vec<PermissionRule>,
    /// Whether accepting all edits would make it unnecessary in future.
    pub edits: bool,
    /// Why Claude Code asks, if it says so.
    pub reason: Option<String>,
    /// A path outside what the session may touch, if the request is about one.
    pub blocked_path: Option<String>,
    /// Whether a subagent asks.
    pub subagent: bool,
    /// Whether it is a question or a plan for the person, rather than a tool to allow.
    pub for_person: bool,
}

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestMatter {
    /// A tool to allow.
    Tool,
    /// Questions to answer, at least one.
    Questions(Vec<Question>),
    /// A plan to approve, in Markdown. `None` if the request does not contain it; then it is the last text before it.
    Plan(Option<String>),
}

/// A question of Claude's with options to choose from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The question's text, by which its answer is found.
    pub text: String,
    /// A heading of a word or two.
    pub header: String,
    /// Whether more than one option may be chosen.
    pub many: bool,
    /// The options in the order in which Claude gives them.
    pub options: Vec<QuestionOption>,
}

/// An option of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuestionOption {
    /// Its name, which is also the text of the answer.
    pub label: String,
    /// What choosing it means; may be empty.
    pub description: String,
    /// What choosing it would look like, such as code or a drawing; may be empty.
    pub preview: String,
}

/// A permission rule: a tool, and which uses of it the rule covers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PermissionRule {
    /// The tool's name, for example `Bash`.
    pub tool: String,
    /// Which uses it covers, for example `npm test *`; `None` covers all of them.
    pub content: Option<String>,
}

/// What is allowed for the rest of the session, in addition to the request itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionGrant {
    /// Whatever these rules cover.
    Rules(Vec<PermissionRule>),
    /// Edits in the project.
    AcceptEdits,
}

impl PermissionRequest {
    /// Reads the body of a `can_use_tool` request.
    pub(super) fn read(request_id: String, tool: String, mut request: Object) -> Self {
        let text = |key: &str| request.get(key).and_then(Value::as_str).map(str::to_owned);
        let flag = |key: &str| request.get(key).and_then(Value::as_bool).unwrap_or_default();
        let suggestions = request.get("permission_suggestions").and_then(Value::as_array);
        let suggestions = suggestions.map(Vec::as_slice).unwrap_or_default();
        let always = !flag("suppress_always_allow_rule");
        Self {
            request_id,
            tool,
            tool_use_id: text("tool_use_id"),
            description: text("description"),
            rules: if always { suggested_rules(suggestions) } else { Vec::new() },
            edits: suggestions.iter().any(|one| one["type"] == "setMode" && one["mode"] == "acceptEdits"),
            reason: text("decision_reason"),
            blocked_path: text("blocked_path"),
            subagent: text("agent_id").is_some(),
            for_person: flag("requires_user_interaction"),
            input: request.remove("input").unwrap_or_default(),
        }
    }

    /// Finds out what the request is about.
    #[must_use]
    pub fn matter(&self) -> RequestMatter {
        match self.tool.as_str() {
            "AskUserQuestion" => {
                let questions = self.input["questions"].as_array().map(Vec::as_slice).unwrap_or_default();
                let questions: Vec<Question> = questions.iter().filter_map(question).collect();
                if questions.is_empty() { RequestMatter::Tool } else { RequestMatter::Questions(questions) }
            }
            "ExitPlanMode" => {
                RequestMatter::Plan(string(&self.input, "plan").filter(|plan| !plan.is_empty()))
            }
            _ => RequestMatter::Tool,
        }
    }
}

impl PermissionRule {
    fn read(rule: &Value) -> Option<Self> {
        Some(Self { tool: string(rule, "toolName")?, content: string(rule, "ruleContent") })
    }

    /// Whether it covers every command.
    fn covers_all_commands(&self) -> bool {
        let content = self.content.as_deref().unwrap_or_default();
        self.tool == "Bash" && content.chars().all(|c| matches!(c, '*' | ':' | ' '))
    }

    pub(super) fn value(&self) -> Value {
        match &self.content {
            Some(content) => json!({"toolName": self.tool, "ruleContent": content}),
            None => json!({"toolName": self.tool}),
        }
    }
}

/// Writes the rule as Claude Code's settings do: `Bash(npm test *)`.
impl fmt::Display for PermissionRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.content {
            Some(content) => {
                let content = content.replace('\\', "\\\\").replace('(', "\\(").replace(')', "\\)");
                write!(f, "{}({content})", self.tool)
            }
            None => self.tool.fmt(f),
        }
    }
}

/// The rules of the first suggestion to allow something by rule. Empty if one of them would allow every command.
fn suggested_rules(suggestions: &[Value]) -> Vec<PermissionRule> {
    let suggestion = suggestions.iter().find(|one| one["type"] == "addRules" && one["behavior"] == "allow");
    let rules = suggestion.and_then(|one| one["rules"].as_array());
    let rules: Option<Vec<PermissionRule>> = rules.into_iter().flatten().map(PermissionRule::read).collect();
    rules.filter(|rules| !rules.iter().any(PermissionRule::covers_all_commands)).unwrap_or_default()
}

fn question(question: &Value) -> Option<Question> {
    let options = question["options"].as_array().map(Vec::as_slice).unwrap_or_default();
    let read_option = |option: &Value| {
        let [description, preview] =
            ["description", "preview"].map(|key| string(option, key).unwrap_or_default());
        Some(QuestionOption { label: string(option, "label")?, description, preview })
    };
    Some(Question {
        text: string(question, "question")?,
        header: string(question, "header").unwrap_or_default(),
        many: question["multiSelect"].as_bool().unwrap_or_default(),
        options: options.iter().filter_map(read_option).collect(),
    })
}

fn string(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).map(str::to_owned)
}
