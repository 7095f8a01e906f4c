//! What a press of a button on a card asks the daemon to do. Pure.
//!
//! A button carries its action as JSON in its value. Feishu returns the value together with the open_id of whoever pressed
//! the button. An action says what is wanted, not that it is allowed: `session::registry` decides who may do it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::ids::ConvId;

/// What a button asks the daemon to do. Cards that were sent long ago can still be pressed, so the JSON names must not
/// change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum CardAction {
    /// Stop this turn.
    Stop {
        /// The session that the card belongs to.
        conv_id: ConvId,
        /// The turn that was running when the card was sent.
        turn: Uuid,
    },
    /// Decide about a permission request or a plan.
    Decide {
        /// The request that the card shows.
        about: RequestRef,
        /// What the person decided.
        choice: Verdict,
    },
    /// Answer Claude's questions, with the fields of the form or with an option of the only question.
    Answer {
        /// The request with the questions.
        about: RequestRef,
        /// The index of the option, from 0. `None` if the fields of the form are the answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        option: Option<usize>,
    },
    /// Tell Claude to continue after this turn.
    Continue {
        /// The session that the card belongs to.
        conv_id: ConvId,
        /// The turn that has ended.
        turn: Uuid,
    },
    /// Run the prompt of this turn again.
    Again {
        /// The session that the card belongs to.
        conv_id: ConvId,
        /// The turn that has ended.
        turn: Uuid,
    },
    /// Do neither, and remove the buttons.
    Dismiss {
        /// The session that the card belongs to.
        conv_id: ConvId,
        /// The turn that has ended.
        turn: Uuid,
    },
    /// Close this session.
    Close {
        /// The session that the card belongs to.
        conv_id: ConvId,
    },
    /// Make this session the active one in the chat of the card.
    Switch {
        /// The session that the card belongs to.
        conv_id: ConvId,
    },
    /// Remove a waiting message from the queue.
    Cancel {
        /// The message's row id in the inbox.
        mail: i64,
    },
    /// Stop the running turn and run this waiting message now.
    SendNow {
        /// The message's row id in the inbox.
        mail: i64,
    },
    /// Run the messages that arrived late.
    RunLate,
    /// Discard the messages that arrived late.
    DiscardLate,
    /// Open a session in this project.
    Open {
        /// The directory, written as for `/new`.
        directory: String,
    },
    /// Change a session's permission mode.
    Mode {
        /// The session that the card belongs to.
        conv_id: ConvId,
        /// Claude Code's name of the mode.
        mode: String,
    },
}

impl CardAction {
    /// The name of the action, for the log.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Stop { .. } => "stop",
            Self::Decide { .. } => "decide",
            Self::Answer { .. } => "answer",
            Self::Continue { .. } => "continue",
            Self::Again { .. } => "again",
            Self::Dismiss { .. } => "dismiss",
            Self::Close { .. } => "close",
            Self::Switch { .. } => "switch",
            Self::Cancel { .. } => "cancel",
            Self::SendNow { .. } => "send_now",
            Self::RunLate => "run_late",
            Self::DiscardLate => "discard_late",
            Self::Open { .. } => "open",
            Self::Mode { .. } => "mode",
        }
    }
}

/// A reference to a request of Claude's. A decision counts only for exactly this request: with this input, in this turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRef {
    /// The session that asked.
    pub conv_id: ConvId,
    /// The turn that asked. A turn that Claude started by itself has an id given by the daemon.
    pub turn: Uuid,
    /// Claude's id for the request.
    pub request: String,
    /// The [`fingerprint`] of the tool and its input.
    pub input: String,
}

/// A decision about a permission request or a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Allow it once. For a plan: carry it out.
    Allow,
    /// Allow it, and everything that the same rule covers, for the rest of the session.
    AllowRule,
    /// Allow it, and allow all edits for the rest of the session. For a plan: carry it out that way.
    AllowEdits,
    /// Deny the request, without a reason.
    Deny,
    /// Deny it for the reason in the form field [`REASON`]. For a plan: change what the field says.
    DenyWhy,
}

/// The name of the form field with the reason for a denial, or with the changes to a plan.
pub const REASON: &str = "reason";

/// The name of the form field with the options chosen for question `n`, counted from 0.
#[must_use]
pub(crate) fn chosen_field(n: usize) -> String {
    format!("q{n}")
}

/// The name of the form field with the typed answer to question `n`, counted from 0.
#[must_use]
pub(crate) fn typed_field(n: usize) -> String {
    format!("w{n}")
}

/// A hash of a tool and its input: the first 16 hex digits of SHA-256.
#[must_use]
pub fn fingerprint(tool: &str, input: &Value) -> String {
    use sha2::Digest as _;
    let mut hash = sha2::Sha256::new();
    hash.update(tool);
    hash.update([0]);
    hash.update(input.to_string());
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// A press of a button, as Feishu reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Press {
    /// What the button asks the daemon to do.
    pub action: CardAction,
    /// Whether the card is in a group.
    pub group: bool,
    /// If the button submits a form: everything that was chosen or typed, by field name. Empty fields are left out.
    pub fields: BTreeMap<String, Vec<String>>,
}

impl Press {
    /// The value of a button with this action.
    #[must_use]
    pub fn value(action: &CardAction, group: bool) -> Value {
        json!({ "phonework": 1, "act": action, "group": group })
    }

    /// Reads the value of a button and the fields of its form. `None` if this version of phonework did not make the button.
    #[must_use]
    pub fn read(value: &Value, form: Option<&Value>) -> Option<Self> {
        if value["phonework"] != 1 {
            return None;
        }
        let action = CardAction::deserialize(&value["act"]).ok()?;
        let fields = form.and_then(Value::as_object).into_iter().flatten();
        let fields = fields.map(|(name, value)| (name.clone(), texts(value)));
        Some(Self {
            action,
            group: value["group"].as_bool().unwrap_or_default(),
            fields: fields.filter(|(_, texts)| !texts.is_empty()).collect(),
        })
    }
}

fn texts(value: &Value) -> Vec<String> {
    let one =
        |value: &Value| value.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    match value.as_array() {
        Some(many) => many.iter().filter_map(one).collect(),
        None => one(value).into_iter().collect(),
    }
}

/// The short notice for whoever pressed a button; Feishu shows it for a few seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toast {
    /// The colour of the notice.
    pub kind: ToastKind,
    /// One short sentence.
    pub text: String,
}

/// The kind of a toast, which decides its colour and icon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToastKind {
    /// Nothing happened, or nothing needed to.
    Info,
    /// The action was carried out.
    Success,
    /// The action was not possible now.
    Warning,
    /// The action was refused or failed.
    Error,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_read_back_as_it_was_written() {
        let about = RequestRef {
            conv_id: "c-1".into(),
            turn: Uuid::from_u128(7),
            request: "r".into(),
            input: fingerprint("Bash", &json!({"command": "ls"})),
        };
        for action in [
            CardAction::Stop { conv_id: "c-1".into(), turn: Uuid::from_u128(7) },
            CardAction::Decide { about: about.clone(), choice: Verdict::AllowRule },
            CardAction::Answer { about, option: Some(2) },
            CardAction::RunLate,
            CardAction::Cancel { mail: 7 },
        ] {
            let press = Press::read(&Press::value(&action, true), None);
            assert_eq!(press, Some(Press { action, group: true, fields: BTreeMap::new() }));
        }
    }

    #[test]
    fn a_form_reports_what_was_chosen_and_typed() {
        let form = json!({"q0": ["a", "b"], "w0": " more ", "q1": "x", "w1": "", "n": 7});
        let press = Press::read(&Press::value(&CardAction::RunLate, false), Some(&form)).unwrap();
        let fields: Vec<(String, String)> =
            press.fields.into_iter().map(|(name, texts)| (name, texts.join("|"))).collect();
        let expected = [("q0", "a|b"), ("q1", "x"), ("w0", "more")];
        assert_eq!(fields, expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
    }

    #[test]
    fn values_that_phonework_did_not_make_are_ignored() {
        for value in [json!(null), json!("x"), json!({"act": {"do": "run_late"}}), json!({"phonework": 2})] {
            assert_eq!(Press::read(&value, None), None, "{value}");
        }
        assert_eq!(Press::read(&json!({"phonework": 1, "act": {"do": "format_disk"}}), None), None);
    }

    #[test]
    fn the_fingerprint_depends_on_tool_and_input() {
        let of = |tool: &str, command: &str| fingerprint(tool, &json!({"command": command}));
        assert_eq!(of("Bash", "ls").len(), 16);
        assert_ne!(of("Bash", "ls"), of("Bash", "ls "));
        assert_ne!(of("Bash", "ls"), of("Bas", "ls"));
    }
}
