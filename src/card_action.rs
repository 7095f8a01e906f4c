//! What the buttons of a card ask for. Pure.
//!
//! A button carries its act in its value, as JSON of phonework's own; Feishu gives it back with the open_id of who
//! pressed it. An act says what is meant, never that it may be done: whose session it is is decided where all else of
//! that person's is decided, in `session::registry`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::ids::ConvId;

/// What a button asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum CardAction {
    /// End this running turn.
    Stop {
        /// The session.
        conv_id: ConvId,
        /// The turn.
        turn: Uuid,
    },
    /// Decide about what Claude asks: a permission or a plan.
    Decide {
        /// What is decided about.
        about: RequestRef,
        /// How.
        choice: Verdict,
    },
    /// Answer Claude's questions, by the form's fields or by this one option of the only question.
    Answer {
        /// The questions.
        about: RequestRef,
        /// The option, from 0; none when the form's fields answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        option: Option<usize>,
    },
    /// Have the session go on after this turn.
    Continue {
        /// The session.
        conv_id: ConvId,
        /// The turn that is over.
        turn: Uuid,
    },
    /// Run this turn's prompt again.
    Again {
        /// The session.
        conv_id: ConvId,
        /// The turn that is over.
        turn: Uuid,
    },
    /// Neither; the card is done with.
    Dismiss {
        /// The session.
        conv_id: ConvId,
        /// The turn that is over.
        turn: Uuid,
    },
    /// Close this session.
    Close {
        /// The session.
        conv_id: ConvId,
    },
    /// Make this session the active one of the chat that the card is in.
    Switch {
        /// The session.
        conv_id: ConvId,
    },
    /// Take a waiting message out of the queue.
    Cancel {
        /// Its place in the inbox.
        mail: i64,
    },
    /// Interrupt what runs and run this waiting message now.
    SendNow {
        /// Its place in the inbox.
        mail: i64,
    },
    /// Run the messages that came too late.
    RunLate,
    /// Drop them.
    DiscardLate,
    /// Open a session in this project.
    Open {
        /// Its directory, as `/new` takes it.
        directory: String,
    },
    /// Change a session's permission mode.
    Mode {
        /// The session.
        conv_id: ConvId,
        /// The mode, as Claude Code names it.
        mode: String,
    },
}

impl CardAction {
    /// What it asks for, in one word, for the log.
    #[must_use]
    pub fn word(&self) -> &'static str {
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

/// The request of Claude's that a decision is about. It counts for this very one: this input, in this running turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRef {
    /// The session.
    pub conv_id: ConvId,
    /// The turn that asks; of a turn that Claude began by itself, the id that the daemon gave it.
    pub turn: Uuid,
    /// Claude's id of the request.
    pub request: String,
    /// The beginning of the hash of the tool and its input: see [`fingerprint`].
    pub input: String,
}

/// What is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It may run, once; of a plan: begin.
    Allow,
    /// It may run, and whatever the same rule covers, in this session.
    AllowRule,
    /// It may run, and edits in this session need no question from now on; of a plan: begin like that.
    AllowEdits,
    /// It may not.
    Deny,
    /// It may not, for the reason in the form's field [`REASON`]; of a plan: that is what is to be changed.
    DenyWhy,
}

/// The form's field with the reason of a denial, or with what is to be changed in a plan.
pub const REASON: &str = "reason";

/// The form's field with the options chosen for question `n`, from 0.
#[must_use]
pub fn chosen_field(n: usize) -> String {
    format!("q{n}")
}

/// The form's field with the answer to question `n`, from 0, in the person's own words.
#[must_use]
pub fn words_field(n: usize) -> String {
    format!("w{n}")
}

/// The hash of a tool and its input as far as a card carries it: 16 hex digits of SHA-256.
#[must_use]
pub fn fingerprint(tool: &str, input: &Value) -> String {
    use sha2::Digest as _;
    let mut hash = sha2::Sha256::new();
    hash.update(tool);
    hash.update([0]);
    hash.update(input.to_string());
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// A press of a button.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Press {
    /// What the button asks for.
    pub act: CardAction,
    /// Whether the card is in a group.
    pub group: bool,
    /// What the form holds, if the button submits one: all that was chosen or typed, by the field's name. Empty fields
    /// are left out.
    pub fields: BTreeMap<String, Vec<String>>,
}

impl Press {
    /// The value of a button that asks for this.
    #[must_use]
    pub fn value(act: &CardAction, group: bool) -> Value {
        json!({ "phonework": 1, "act": act, "group": group })
    }

    /// Reads what Feishu gives back: a button's value and, of a form, its fields. None when it is not phonework's, or of
    /// another version.
    #[must_use]
    pub fn read(value: &Value, form: Option<&Value>) -> Option<Self> {
        if value["phonework"] != 1 {
            return None;
        }
        let act = CardAction::deserialize(&value["act"]).ok()?;
        let fields = form.and_then(Value::as_object).into_iter().flatten();
        let fields = fields.map(|(name, value)| (name.clone(), texts(value)));
        Some(Self {
            act,
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

/// What who pressed a button is shown for a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toast {
    /// How it looks.
    pub kind: ToastKind,
    /// A short sentence.
    pub text: String,
}

/// How a toast looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToastKind {
    /// Neutral.
    Info,
    /// Done.
    Success,
    /// Not done, and nothing is wrong.
    Warning,
    /// Refused.
    Error,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_act_comes_back_as_it_went_out() {
        let about = RequestRef {
            conv_id: "c-1".into(),
            turn: Uuid::from_u128(7),
            request: "r".into(),
            input: fingerprint("Bash", &json!({"command": "ls"})),
        };
        for act in [
            CardAction::Stop { conv_id: "c-1".into(), turn: Uuid::from_u128(7) },
            CardAction::Decide { about: about.clone(), choice: Verdict::AllowRule },
            CardAction::Answer { about, option: Some(2) },
            CardAction::RunLate,
            CardAction::Cancel { mail: 7 },
        ] {
            let press = Press::read(&Press::value(&act, true), None);
            assert_eq!(press, Some(Press { act, group: true, fields: BTreeMap::new() }));
        }
    }

    #[test]
    fn a_form_gives_what_was_chosen_and_typed() {
        let form = json!({"q0": ["a", "b"], "w0": " more ", "q1": "x", "w1": "", "n": 7});
        let press = Press::read(&Press::value(&CardAction::RunLate, false), Some(&form)).unwrap();
        let fields: Vec<(String, String)> =
            press.fields.into_iter().map(|(name, texts)| (name, texts.join("|"))).collect();
        let expected = [("q0", "a|b"), ("q1", "x"), ("w0", "more")];
        assert_eq!(fields, expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
    }

    #[test]
    fn what_is_not_phoneworks_is_nothing() {
        for value in [json!(null), json!("x"), json!({"act": {"do": "run_late"}}), json!({"phonework": 2})] {
            assert_eq!(Press::read(&value, None), None, "{value}");
        }
        assert_eq!(Press::read(&json!({"phonework": 1, "act": {"do": "format_disk"}}), None), None);
    }

    #[test]
    fn another_input_has_another_fingerprint() {
        let of = |tool: &str, command: &str| fingerprint(tool, &json!({"command": command}));
        assert_eq!(of("Bash", "ls").len(), 16);
        assert_ne!(of("Bash", "ls"), of("Bash", "ls "));
        assert_ne!(of("Bash", "ls"), of("Bas", "ls"));
    }
}
