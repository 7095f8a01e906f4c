//! Pressing what is on a card: the callback, the toast, the card that comes back.

mod form;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::emulator::{
    answer::FeishuRefusal,
    cards, content,
    world::people::{PeopleError, envelope},
    world::{CallbackToken, SharedWorld, World, new_id},
};
use crate::ids::{MessageId, OpenId};

/// Feishu: a click's token changes the card within 30 minutes, twice.
const TOKEN_LASTS: Duration = Duration::from_secs(30 * 60);
const TOKEN_USES: u8 = 2;
/// Feishu: what is on a card of schema 2.0 can be pressed for 14 days.
const CLICKABLE: Duration = Duration::from_secs(14 * 24 * 3600);
/// What people press or fill in.
const PRESSABLE: [&str; 6] =
    ["button", "input", "select_static", "multi_select_static", "checker", "interactive_container"];

/// Which element of a card is pressed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PressTarget {
    /// The first button with this label.
    Label(String),
    /// The nth button, from 0, of those with this label.
    LabelNth(String, usize),
    /// The nth, from 0, in the order of the card.
    Nth(usize),
    /// The one whose callback carries this value.
    Value(Value),
    /// The one with this `element_id` or `name`.
    Named(String),
    /// The one at this JSON pointer into the card.
    Pointer(String),
    /// A button with this value that the card had before it changed: a phone may not have seen the change yet.
    Earlier(Value),
}

/// A press, with what was filled in.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Click {
    /// Which element of the card is pressed.
    pub press: PressTarget,
    /// The values of the form that the button submits.
    #[serde(default)]
    pub form_value: Option<Map<String, Value>>,
    /// The text of an input outside a form.
    #[serde(default)]
    pub input_value: Option<String>,
    /// The option chosen in a select outside a form.
    #[serde(default)]
    pub option: Option<String>,
}

impl From<PressTarget> for Click {
    fn from(press: PressTarget) -> Self {
        Self { press, form_value: None, input_value: None, option: None }
    }
}

/// The short notice over the phone's screen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownToast {
    /// `info`, `success`, `error` or `warning`.
    pub kind: String,
    /// The text of the toast.
    pub content: String,
}

/// What a press did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Clicked {
    /// The notice that the bot answered with.
    pub toast: Option<ShownToast>,
    /// Whether another card came with the answer.
    pub card_replaced: bool,
    /// The code that Feishu's app shows when the bot did not answer as it should: 200340 nobody listens, 200341 no
    /// answer in time, 200671 refused, 200672 unreadable, 200673 a bad card, 200830 a card of the old schema.
    pub error: Option<i64>,
}

impl SharedWorld {
    /// A person presses something on a card, and the bot's answer is shown.
    pub(crate) async fn click(
        self: &Arc<Self>,
        user: &OpenId,
        id: &MessageId,
        click: Click,
    ) -> Result<Clicked, PeopleError> {
        let app_id = &self.options.app_id;
        let Some((token, envelope)) = self.change(|world| world.press(user, id, &click, app_id))? else {
            return Ok(Clicked { toast: None, card_replaced: false, error: None });
        };
        if !self.look(|world| world.app.callbacks) {
            return Ok(Clicked { toast: None, card_replaced: false, error: Some(200_340) });
        }
        let answered = self.call_back(&envelope).await;
        Ok(self.change(|world| {
            if let Some(token) = world.callback_tokens.get_mut(&token) {
                token.answered = true;
            }
            match answered {
                Ok(answer) => world.show_answer(id, &answer.unwrap_or_default()),
                Err(code) => Clicked { toast: None, card_replaced: false, error: Some(code) },
            }
        }))
    }
}

impl World {
    /// The callback of a press and its token; `None` when the element calls nobody.
    fn press(
        &mut self,
        user: &OpenId,
        id: &MessageId,
        click: &Click,
        app_id: &str,
    ) -> Result<Option<(String, Value)>, PeopleError> {
        let message = self.message(id).filter(|message| !message.recalled);
        let message = message.ok_or_else(|| PeopleError::NoMessage(id.clone()))?;
        let chat_id = message.chat_id.clone();
        self.membership(user, &chat_id)?;
        if Timestamp::now().duration_since(message.created).unsigned_abs() > CLICKABLE {
            return Err(PeopleError::Expired(id.clone()));
        }
        let card = self.show(message).content;
        let earlier;
        let element = if let PressTarget::Earlier(value) = &click.press {
            earlier = json!({"tag": "button", "value": value});
            &earlier
        } else {
            find(&card, &click.press).ok_or_else(|| PeopleError::NoButton(id.clone()))?
        };
        if element["disabled"] == json!(true) {
            return Err(PeopleError::NoButton(id.clone()));
        }
        let value = cards::callback(element);
        let submits = element["form_action_type"].as_str() == Some("submit");
        if value.is_none() && !submits {
            return Ok(None);
        }
        let filled = match form::around(&card, element).filter(|_| submits) {
            Some(form) => Some(form::fill(form, click.form_value.as_ref())?),
            None => click.form_value.clone(),
        };
        let mut action = json!({"tag": element["tag"], "timezone": "Asia/Shanghai"});
        let given = [
            ("value", value.cloned()),
            ("name", element.get("name").cloned()),
            ("form_value", filled.map(Value::Object)),
            ("input_value", click.input_value.clone().map(Value::String)),
            ("option", click.option.clone().map(Value::String)),
        ];
        for (name, value) in given {
            if let Some(value) = value {
                action[name] = value;
            }
        }
        let token = new_id("c-");
        let event = json!({
            "operator": {
                "tenant_key": "emulated",
                "open_id": user,
                "union_id": user.as_str().replacen("ou_", "on_", 1),
            },
            "token": token,
            "action": action,
            "host": "im_message",
            "context": {"open_message_id": id, "open_chat_id": chat_id},
        });
        let made = CallbackToken {
            message_id: id.clone(),
            made: Instant::now(),
            uses_left: TOKEN_USES,
            answered: false,
        };
        self.callback_tokens.retain(|_, token| token.made.elapsed() < TOKEN_LASTS * 2);
        self.callback_tokens.insert(token.clone(), made);
        Ok(Some((token, envelope(app_id, "card.action.trigger", event))))
    }

    /// Shows the bot's answer to a press.
    fn show_answer(&mut self, id: &MessageId, answer: &Value) -> Clicked {
        let toast = answer["toast"].as_object().map(|toast| ShownToast {
            kind: toast.get("type").and_then(Value::as_str).unwrap_or("info").to_owned(),
            content: toast.get("content").and_then(Value::as_str).unwrap_or_default().to_owned(),
        });
        let failed = |code| Clicked { toast: None, card_replaced: false, error: Some(code) };
        let Some(card) = answer.get("card") else {
            return Clicked { toast, card_replaced: false, error: None };
        };
        let new = &card["data"];
        if card["type"].as_str() != Some("raw") {
            return failed(200_673);
        }
        if let Err(fault) = cards::check(new) {
            let (_, against) = fault.for_messages();
            self.refused_card(format!("answer to a press: {against}\n{new}"));
            return failed(200_673);
        }
        let Some(message) = self.message(id) else { return failed(300_000) };
        let old = self.show(message).content;
        if cards::is_second_schema(&old) && !cards::is_second_schema(new) {
            return failed(200_830);
        }
        let card_replaced = self.put_card(id, new.clone());
        Clicked { toast, card_replaced, error: None }
    }

    /// Changes a card with the token of a click.
    pub(crate) fn update_after_click(&mut self, token: &str, new: Value) -> Result<Value, FeishuRefusal> {
        let Some(found) = self.callback_tokens.get_mut(token) else {
            return Err(FeishuRefusal::new(300_020, "token is invalid"));
        };
        if found.made.elapsed() > TOKEN_LASTS {
            return Err(FeishuRefusal::new(300_030, "token is expired"));
        }
        if found.uses_left == 0 {
            return Err(FeishuRefusal::new(300_040, "token is used up"));
        }
        if new.to_string().len() > 100_000 {
            return Err(FeishuRefusal::of_card(100_000, "card is too large"));
        }
        cards::check(&new)
            .map_err(|fault| FeishuRefusal::of_card(10_002, content::card_refusal(&fault).msg))?;
        found.uses_left -= 1;
        let (id, answered) = (found.message_id.clone(), found.answered);
        if self.message(&id).is_none_or(|message| message.recalled) {
            return Err(FeishuRefusal::new(200_000, "message is recalled"));
        }
        // Before the callback is answered an update is taken and lost.
        if answered {
            self.put_card(&id, new);
        }
        Ok(json!({}))
    }

    /// Puts a card in the place of a message's; while streaming is on nothing happens.
    fn put_card(&mut self, id: &MessageId, new: Value) -> bool {
        let Some(message) = self.message_mut(id) else { return false };
        let Some(card_id) = message.card_id.clone() else {
            message.content = new;
            return true;
        };
        match self.cards.get_mut(&card_id) {
            Some(entity) if !entity.is_streaming(Instant::now()) => {
                entity.card = new;
                true
            }
            Some(_) | None => false,
        }
    }
}

fn find<'a>(card: &'a Value, press: &PressTarget) -> Option<&'a Value> {
    if let PressTarget::Pointer(pointer) = press {
        return card.pointer(pointer).filter(|element| is_pressable(element));
    }
    let mut all = Vec::new();
    collect(card, &mut all);
    match press {
        PressTarget::Nth(place) => all.get(*place).copied(),
        PressTarget::Label(label) => {
            all.into_iter().find(|each| each["text"]["content"].as_str() == Some(label))
        }
        PressTarget::LabelNth(label, place) => {
            let mut labelled = all.into_iter().filter(|each| each["text"]["content"].as_str() == Some(label));
            labelled.nth(*place)
        }
        PressTarget::Named(name) => all.into_iter().find(|each| {
            [&each["element_id"], &each["name"]].iter().any(|given| given.as_str() == Some(name))
        }),
        PressTarget::Value(value) => all.into_iter().find(|each| {
            let behaviors = each["behaviors"].as_array().into_iter().flatten();
            behaviors.map(|behavior| &behavior["value"]).chain(each.get("value")).any(|given| given == value)
        }),
        PressTarget::Pointer(_) | PressTarget::Earlier(_) => None,
    }
}

fn is_pressable(element: &Value) -> bool {
    element["tag"].as_str().is_some_and(|tag| PRESSABLE.contains(&tag))
}

fn collect<'a>(within: &'a Value, all: &mut Vec<&'a Value>) {
    if is_pressable(within) {
        all.push(within);
    }
    for list in ["body", "elements", "columns", "actions"] {
        let inner = &within[list];
        if let Some(list) = inner.as_array() {
            list.iter().for_each(|each| collect(each, all));
        } else if inner.is_object() {
            collect(inner, all);
        }
    }
}
