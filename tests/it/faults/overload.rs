//! More than anybody should send, and more than anybody can read.
//!
//! The bounds of memory are for a daemon that was built without optimisation; each is several times what it takes, and
//! a fraction of what it would take if it kept all that comes.

use phonework::emulator::{Chat, EmulatedChatKind, Emulator, EmulatorOptions, User};
use phonework::ids::{ChatId, OpenId};
use serde_json::json;

use crate::support::audit::audit_below;
use crate::support::phonework::{PATIENCE, Phonework, until};

/// A Feishu with this many people, each in a chat with the bot.
fn feishu(people: usize) -> EmulatorOptions {
    let person = |n: usize| OpenId::from(format!("ou_{n:032x}"));
    let user = |n: usize| User { open_id: person(n), name: format!("person {n}") };
    let chat = |n: usize| Chat {
        chat_id: ChatId::from(format!("oc_{n:032x}")),
        kind: EmulatedChatKind::P2p,
        name: "phonework".to_owned(),
        members: vec![person(n)],
    };
    EmulatorOptions {
        users: (0..people).map(user).collect(),
        chats: (0..people).map(chat).collect(),
        // What is not taken at once comes again soon.
        redelivery: vec![std::time::Duration::from_secs(1); 1000],
        // The daemon keeps to Feishu's 1,000 calls a minute by itself; one that is refused here would count for it and
        // leave the last answers to the next minute.
        rate_limits: false,
        ..EmulatorOptions::default()
    }
}

async fn crowd(people: usize, sessions: usize) -> Phonework {
    let feishu = feishu(people);
    let allowed: Vec<_> = feishu.users.iter().map(|user| user.open_id.clone()).collect();
    let agent = format!("{} practice-agent", env!("CARGO_BIN_EXE_phonework"));
    let keyring = json!({ "ALLOWED_OPEN_IDS": allowed, "MAX_LIVE_SESSIONS": people });
    let mut phonework = Phonework::installed_at(feishu, &agent, keyring).await;
    phonework.sleeping(sessions);
    phonework.start().await;
    phonework
}

#[tokio::test]
async fn a_thousand_messages_of_a_hundred_people_at_once_are_all_answered_in_order() {
    let phonework = crowd(100, 100).await;
    let people = phonework.emulator.users();
    for nth in 0..10 {
        for person in &people {
            let chat = phonework.emulator.p2p(&person.open_id);
            phonework.emulator.say(&person.open_id, &chat, &format!("echo {} {nth}", person.name));
        }
    }
    for person in &people {
        let is_answer = |text: &String| text.starts_with(&person.name);
        let chat = phonework.emulator.p2p(&person.open_id);
        let all = |texts: &[String]| texts.iter().filter(|text| is_answer(text)).count() >= 10;
        let (answers, others): (Vec<_>, Vec<_>) =
            phonework.hear_until(&chat, all).await.into_iter().partition(is_answer);
        let wanted: Vec<_> = (0..10).map(|nth| format!("{} {nth}", person.name)).collect();
        assert_eq!(answers, wanted);
        // What waits for 2 s is shown, which depends on the machine; nothing else is said.
        let is_queue = |text: &String| text.contains("echo ") || text.starts_with("The queue is empty");
        assert!(others.iter().all(is_queue), "{others:?}");
    }
    assert!(phonework.most_memory() < 100, "{} MB", phonework.most_memory());
}

#[tokio::test]
async fn a_message_is_answered_where_ten_thousand_sessions_sleep() {
    let phonework = crowd(2, 10_000).await;
    assert_eq!(phonework.ask("echo awake", 1).await, ["awake"]);
    assert!(phonework.most_memory() < 100, "{} MB", phonework.most_memory());
}

#[tokio::test]
async fn who_floods_is_told_so_once_and_the_others_are_served_meanwhile() {
    const MESSAGES: usize = 5000;
    let phonework = crowd(2, 2).await;
    phonework.say("slow 3600");
    phonework.logged("turn started", 1).await;
    let flood: Vec<_> = (0..MESSAGES).map(|nth| phonework.say(&format!("echo {nth}"))).collect();
    let mings = phonework.emulator.p2p(&phonework.ming);
    phonework.emulator.say(&phonework.ming, &mings, "echo and I?");
    assert_eq!(phonework.hear(&mings, 1).await, ["and I?"]);
    let told = phonework.hear(&phonework.chat, 1).await;
    assert!(told[0].starts_with("Not accepted: you already have 200 messages waiting."), "{told:?}");
    // The 200 that wait show that they do; of the others each, but for the first, shows that it was not taken.
    phonework.reacted(&flood[199], "OneSecond").await;
    phonework.reacted(&flood[201], "CrossMark").await;
    let marked = flood.iter().filter(|message| {
        let shown = phonework.emulator.shown_message(message);
        shown.is_some_and(|shown| shown.reactions.iter().any(|reaction| reaction.emoji == "CrossMark"))
    });
    assert!(marked.count() < MESSAGES - 200, "Ming waited until the flood was through");
    assert_eq!(phonework.heard(&phonework.chat), told);
    assert!(phonework.most_memory() < 100, "{} MB", phonework.most_memory());
}

#[tokio::test]
async fn strangers_who_flood_get_one_sentence_and_take_nothing_from_the_others() {
    let mut phonework = crowd(2, 2).await;
    let only_anna = json!([phonework.anna]);
    phonework.reload("ALLOWED_OPEN_IDS", only_anna);
    phonework.logged("the keyring was read again", 1).await;
    let mings = phonework.emulator.p2p(&phonework.ming);
    for nth in 0..2000 {
        phonework.emulator.say(&phonework.ming, &mings, &format!("echo {nth}"));
    }
    assert_eq!(phonework.ask("echo and I?", 1).await, ["and I?"]);
    until(|| (phonework.emulator.acks().len() > 2000).then_some(())).await;
    let told = phonework.hear(&mings, 1).await;
    assert!(told.len() == 1 && told[0].contains("You don't have access yet"), "{told:?}");
}

/// In characters: three of four have one byte, the others three.
const FIFTY_MEGABYTES: usize = 35_000_000;

/// An answer of this size, while somebody else is answered; `come` waits for what comes of it in the chat. The audit log
/// has all of it, and what the daemon took for it is bounded.
async fn long_answer(characters: usize, texts: usize, come: impl AsyncFnOnce(&Phonework)) {
    let phonework = crowd(2, 2).await;
    phonework.say("echo before");
    phonework.hear(&phonework.chat, 1).await;
    let before = phonework.most_memory();
    phonework.say(&format!("say {characters} characters in {texts} texts"));
    phonework.logged("turn started", 2).await;
    let mings = phonework.emulator.p2p(&phonework.ming);
    phonework.emulator.say(&phonework.ming, &mings, "echo and I?");
    assert_eq!(phonework.hear(&mings, 1).await, ["and I?"]);
    come(&phonework).await;
    let whole: usize = until(|| {
        let (lines, _) = audit_below(&phonework.projects());
        let line =
            lines.iter().find(|line| line["prompt"].as_str().is_some_and(|text| text.starts_with("say")))?;
        Some(line["response"].as_str()?.chars().filter(|c| *c != '\n').count())
    })
    .await;
    assert!(whole > characters * 9 / 10, "{whole}");
    assert!(phonework.most_memory() < before + 400, "{} MB", phonework.most_memory());
}

#[tokio::test]
async fn of_fifty_megabytes_in_one_text_the_beginning_and_the_end_are_shown_and_the_log_has_all() {
    // More than Feishu takes as a file.
    long_answer(FIFTY_MEGABYTES, 1, async |phonework| {
        let heard = phonework.hear(&phonework.chat, 103).await;
        assert!(heard[1].contains("35000000 characters:"), "{}", &heard[1][..100]);
        assert!(heard[2].starts_with("[1/"), "{}", &heard[2][..100]);
        assert!(heard[52].starts_with("✂️ This text would be "), "{}", heard[52]);
        let total = heard[2].split(['/', ']']).nth(1).unwrap();
        assert!(heard[102].starts_with(&format!("[{total}/{total}]")), "{}", &heard[102][..100]);
        assert!(heard[52].contains(".phonework/"), "{}", heard[52]);
    })
    .await;
}

#[tokio::test]
async fn ten_megabytes_in_a_thousand_texts_come_as_their_beginning_and_a_file_with_the_whole() {
    long_answer(FIFTY_MEGABYTES / 5, 1000, async |phonework| {
        let file = |_: &Emulator| {
            let said = phonework.said(&phonework.chat);
            said.iter().find_map(|shown| phonework.emulator.file_of(shown))
        };
        let (name, bytes) = phonework.emulator.wait_for(file, PATIENCE).await.expect("a file");
        assert!(name.ends_with(".md") && bytes.len() > 8_000_000, "{name}: {} bytes", bytes.len());
    })
    .await;
}
