//! How the app is set up in Feishu's console, and what time does to cards: both as a test wants them.

use std::{collections::BTreeSet, time::Duration};

use axum::http::Method;

use crate::emulator::{Emulator, answer::FeishuRefusal, world::World};
use crate::ids::MessageId;

/// What the app may do.
#[derive(Debug)]
pub(crate) struct AppSettings {
    /// Whether `card.action.trigger` is subscribed to.
    pub(crate) callbacks: bool,
    withheld: BTreeSet<String>,
}

impl Default for AppSettings {
    fn default() -> Self {
        Self { callbacks: true, withheld: BTreeSet::new() }
    }
}

impl AppSettings {
    /// Whether a request needs a scope that the app was not given.
    pub(crate) fn check(&self, method: &Method, path: &str) -> Result<(), FeishuRefusal> {
        match scope(method, path).filter(|scope| self.withheld.contains(*scope)) {
            Some(scope) => Err(FeishuRefusal::new(
                99_991_672,
                format!("Access denied. One of the following scopes is required: [{scope}]."),
            )),
            None => Ok(()),
        }
    }
}

/// The narrowest scope that a request needs.
fn scope(method: &Method, path: &str) -> Option<&'static str> {
    let rest = path.strip_prefix("/open-apis/")?;
    if rest.starts_with("cardkit/") {
        return Some("cardkit:card:write");
    }
    let rest = rest.strip_prefix("im/v1/")?;
    Some(match (rest.starts_with("messages"), method) {
        (false, _) => "im:resource",
        (true, _) if rest.contains("/reactions") => "im:message.reactions:write_only",
        (true, &Method::GET) => "im:message:readonly",
        (true, &Method::PUT) => "im:message:update",
        (true, &Method::DELETE) => "im:message:recall",
        (true, _) => "im:message:send_as_bot",
    })
}

/// The console, and the calendar.
impl Emulator {
    /// Whether the app is subscribed to presses on cards; if not, each brings 200340.
    pub fn subscribe_callbacks(&self, subscribed: bool) {
        self.shared.change(|world| world.app.callbacks = subscribed);
    }

    /// Takes a scope away from the app, `cardkit:card:write` or `im:resource` for example: requests that need it are
    /// refused with 99991672.
    pub fn withhold_scope(&self, scope: &str) {
        self.shared.change(|world| world.app.withheld.insert(scope.to_owned()));
    }

    /// Gives the scope back.
    pub fn grant_scope(&self, scope: &str) {
        self.shared.change(|world| world.app.withheld.remove(scope));
    }

    /// The 10 minutes of every card that streams are over.
    pub fn end_streaming(&self) {
        self.shared
            .change(|world| world.cards.values_mut().for_each(super::card_entity::CardEntity::time_out));
    }

    /// Makes a message older by this much, and with it the card that it shows.
    pub fn age(&self, id: &MessageId, by: Duration) {
        self.shared.change(|world| world.age(id, by));
    }
}

impl World {
    fn age(&mut self, id: &MessageId, by: Duration) {
        let Some(message) = self.message_mut(id) else { return };
        let older = |at: jiff::Timestamp| at.checked_sub(by).unwrap_or(jiff::Timestamp::MIN);
        message.created = older(message.created);
        let card = message.card_id.clone();
        if let Some(entity) = card.and_then(|card| self.cards.get_mut(&card)) {
            entity.created = older(entity.created);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_needs_the_scope_of_what_it_does() {
        for (method, path, needed) in [
            (Method::POST, "/open-apis/im/v1/messages", Some("im:message:send_as_bot")),
            (Method::PATCH, "/open-apis/im/v1/messages/om_1", Some("im:message:send_as_bot")),
            (Method::GET, "/open-apis/im/v1/messages/om_1/resources/f", Some("im:message:readonly")),
            (Method::POST, "/open-apis/im/v1/files", Some("im:resource")),
            (Method::PUT, "/open-apis/cardkit/v1/cards/7", Some("cardkit:card:write")),
            (Method::GET, "/open-apis/bot/v3/info", None),
        ] {
            assert_eq!(scope(&method, path), needed, "{method} {path}");
        }
    }
}
