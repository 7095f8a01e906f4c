//! What no log may hold: secrets, tokens, and what people and the bot say to each other.

use std::collections::BTreeSet;

use phonework::emulator::Emulator;

/// A variable of the daemon's environment has this value.
pub(crate) const NEVER_TO_BE_SEEN: &str = "never-to-be-seen";

/// Shorter lines may well be in a log by chance: `hang`, `echo 1`.
const BY_CHANCE: usize = 12;
/// Maximum number of lines that are looked for: the first of a flood are as good as all.
const MOST: usize = 2000;

/// Fails when the log holds what went to and from this Feishu.
pub(crate) fn is_kept(log: &str, emulator: &Emulator) {
    let found = broken_by(log, emulator);
    assert!(found.is_empty(), "the log tells what it must not: {found:#?}");
}

/// What the log should not have told.
fn broken_by(log: &str, emulator: &Emulator) -> Vec<String> {
    let mut hushed: BTreeSet<String> = emulator.secrets().into_iter().collect();
    hushed.extend([emulator.options().app_secret.clone(), NEVER_TO_BE_SEEN.to_owned()]);
    let said = emulator.chats().into_iter().flat_map(|chat| emulator.shown(&chat.chat_id));
    let lines: BTreeSet<String> = said
        .flat_map(|message| message.text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>())
        .filter(|line| line.chars().count() >= BY_CHANCE)
        .take(MOST)
        .collect();
    hushed.extend(lines);
    hushed.into_iter().filter(|words| log.contains(words.as_str())).collect()
}

#[tokio::test]
async fn what_a_log_must_not_tell_is_found_in_it() {
    let emulator = Emulator::start(phonework::emulator::EmulatorOptions::default()).await.unwrap();
    let anna = emulator.user(0);
    emulator.say(&anna, &emulator.p2p(&anna), "a question\n  of two long lines  ");
    let log = format!("INFO of two long lines, {}, {NEVER_TO_BE_SEEN}", emulator.options().app_secret);
    let secret = emulator.options().app_secret.clone();
    assert_eq!(
        broken_by(&log, &emulator),
        [secret, NEVER_TO_BE_SEEN.to_owned(), "of two long lines".to_owned()]
    );
    assert_eq!(broken_by("INFO a question", &emulator), [""; 0]);
}
