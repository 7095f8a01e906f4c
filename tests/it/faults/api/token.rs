//! The token, revoked and refused.

use futures_util::future::join_all;
use phonework::emulator::{
    Chat, EmulatedChatKind, EmulatorOptions, FaultDuration, FaultEffect, InjectedFault, User,
};
use phonework::ids::{ChatId, OpenId};
use serde_json::json;

use super::{ready, struck};
use crate::support::phonework::Phonework;

const TOKEN: &str = "/open-apis/auth/v3/tenant_access_token/internal";

/// A Feishu of many people, each with a chat of their own.
fn crowd(many: u8) -> EmulatorOptions {
    let mut options = EmulatorOptions::default();
    let people = (0..many).map(|n| (OpenId::from(format!("ou_{n:032x}")), format!("Guest {n}")));
    options.users = people.map(|(open_id, name)| User { open_id, name }).collect();
    let chat = |user: &User| Chat {
        chat_id: ChatId::from(user.open_id.as_str().replacen("ou_", "oc_", 1)),
        kind: EmulatedChatKind::P2p,
        name: user.name.clone(),
        members: vec![user.open_id.clone()],
    };
    options.chats = options.users.iter().map(chat).collect();
    options
}

#[tokio::test]
async fn a_token_that_is_revoked_in_mid_flight_is_fetched_once_for_all_who_need_it() {
    let many = 12;
    let feishu = crowd(many);
    let chats = feishu.chats.clone();
    let mut phonework = Phonework::installed_at(feishu, "claude", json!({})).await;
    let everybody: Vec<_> = chats.iter().flat_map(|chat| chat.members.clone()).collect();
    phonework.configure("ALLOWED_OPEN_IDS", json!(everybody));
    phonework.start().await;
    phonework.logged("learned the bot's open_id", 1).await;
    assert_eq!(phonework.calls(TOKEN).len(), 1);

    let hold = |chat: &Chat| {
        InjectedFault::sending(FaultEffect::Hold, FaultDuration::UntilLifted).in_chat(&chat.chat_id)
    };
    let held: Vec<_> = chats.iter().map(|chat| phonework.emulator.fault(hold(chat))).collect();
    for chat in &chats {
        phonework.emulator.say(&chat.members[0], &chat.chat_id, "/status");
    }
    for fault in &held {
        struck(&phonework, *fault, 1).await;
    }
    phonework.emulator.expire_tokens();
    // Half of them are told at once, and the others when there is a new token already.
    let half = usize::from(many) / 2;
    for (held, chats) in [(&held[..half], &chats[..half]), (&held[half..], &chats[half..])] {
        held.iter().for_each(|fault| phonework.emulator.lift(*fault));
        join_all(chats.iter().map(|chat| phonework.hear(&chat.chat_id, 1))).await;
    }
    assert_eq!(phonework.calls(TOKEN).len(), 2);
    assert_eq!(phonework.lines(&["did not accept the token"]).len(), 1);
    assert!(chats.iter().all(|chat| phonework.heard(&chat.chat_id).len() == 1));
    assert_eq!(phonework.lines(&["not delivered yet"]), [""; 0]);
}

#[tokio::test]
async fn while_there_is_no_token_to_be_had_answers_wait_and_the_trouble_is_told_once() {
    let phonework = ready().await;
    phonework.emulator.expire_tokens();
    let effect = FaultEffect::Refuse { http: 500, code: 1500, reset: None };
    let fault =
        phonework.emulator.fault(InjectedFault::api("POST", TOKEN, effect, FaultDuration::UntilLifted));
    phonework.say("echo at last");
    struck(&phonework, fault, 3).await;
    phonework.emulator.lift(fault);
    assert_eq!(phonework.hear(&phonework.chat, 2).await[1], "at last");
    assert_eq!(phonework.lines(&["WARN", "not delivered yet"]).len(), 1);
}
