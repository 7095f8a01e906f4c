//! What people write, and what can be seen of the daemon from outside.

use phonework::emulator::{ApiCall, ShownMessage};
use phonework::ids::{ChatId, MessageId};
use serde_json::Value;

use super::{PATIENCE, Phonework, until};

impl Phonework {
    /// Anna writes to the bot.
    pub(crate) fn say(&self, text: &str) -> MessageId {
        self.emulator.say(&self.anna, &self.chat, text)
    }

    /// Anna writes to the bot in the group.
    pub(crate) fn say_in_group(&self, text: &str) -> MessageId {
        let name = &self.emulator.options().bot_name;
        self.emulator.say(&self.anna, &self.emulator.group(), &format!("@{name} {text}"))
    }

    /// Anna writes, a millisecond after her last message at the least: Feishu's times are not finer.
    pub(crate) fn say_later(&self, text: &str) -> MessageId {
        let now = || jiff::Timestamp::now().as_millisecond();
        let before = now();
        while now() == before {
            std::hint::spin_loop();
        }
        self.say(text)
    }

    /// Anna writes, and these are the bot's words from then on, as soon as there is this number of messages of it.
    pub(crate) async fn ask(&self, text: &str, answers: usize) -> Vec<String> {
        let before = self.heard(&self.chat).len();
        self.say(text);
        self.hear(&self.chat.clone(), before + answers).await.split_off(before)
    }

    /// Anna opens a session in `shop`.
    pub(crate) async fn open_shop(&self) {
        let said = self.ask("/new shop", 1).await;
        assert!(said[0].contains("is open and active here"), "{said:?}");
    }

    /// The bot's messages in a chat.
    pub(crate) fn heard(&self, chat: &ChatId) -> Vec<String> {
        texts(&self.emulator.shown(chat))
    }

    /// The bot's messages in a chat, as soon as there are this many.
    pub(crate) async fn hear(&self, chat: &ChatId, many: usize) -> Vec<String> {
        self.hear_until(chat, |texts| texts.len() >= many).await
    }

    /// The bot's messages in a chat, as soon as they are as wanted.
    pub(crate) async fn hear_until(&self, chat: &ChatId, is: impl Fn(&[String]) -> bool) -> Vec<String> {
        let shown = self.emulator.wait_until(chat, |shown| is(&texts(shown)), PATIENCE).await;
        match shown {
            Ok(shown) => texts(&shown),
            Err(not) => panic!("the bot did not say it: {:#?}\n--- log\n{}", texts(&not.shown), self.log()),
        }
    }

    /// Waits until the bot has put this emoji on a message.
    pub(crate) async fn reacted(&self, message: &MessageId, emoji: &str) {
        let found = self.emulator.wait_for(
            |emulator| {
                let shown = emulator.shown_message(message)?;
                shown.reactions.iter().any(|reaction| reaction.emoji == emoji).then_some(())
            },
            PATIENCE,
        );
        assert!(found.await.is_some(), "no {emoji}\n--- log\n{}", self.log());
    }

    /// Waits until the daemon has logged this so often.
    pub(crate) async fn logged(&self, words: &str, times: usize) {
        until(|| (self.log().matches(words).count() >= times).then_some(())).await;
    }

    /// The lines of the log that hold all these words.
    pub(crate) fn lines(&self, words: &[&str]) -> Vec<String> {
        let log = self.log();
        log.lines().filter(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned).collect()
    }

    /// The requests for a path that reached Feishu.
    pub(crate) fn calls(&self, path: &str) -> Vec<ApiCall> {
        self.emulator.api_calls().into_iter().filter(|call| call.path == path).collect()
    }

    /// The audit log of all sessions in `shop`, as soon as it has this many lines.
    pub(crate) async fn audited(&self, lines: usize) -> Vec<Value> {
        until(|| Some(self.audit()).filter(|audit| audit.len() >= lines)).await
    }

    fn audit(&self) -> Vec<Value> {
        let folder = self.projects().join("shop/.phonework");
        let mut lines = Vec::new();
        for file in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if file.path().extension().is_some_and(|extension| extension == "jsonl") {
                let text = std::fs::read_to_string(file.path()).unwrap();
                lines.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
            }
        }
        lines
    }
}

fn texts(shown: &[ShownMessage]) -> Vec<String> {
    let said = shown.iter().filter(|message| message.from_bot() && !message.is_unfinished());
    // A card may have nothing to say but small print.
    said.map(ShownMessage::answer).filter(|text| !text.is_empty()).collect()
}
