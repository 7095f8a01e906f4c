//! The events that an operator alerts on. In the journal each has a `MESSAGE_ID` of its own, which stays the same
//! whatever its words become: `journalctl MESSAGE_ID=…` finds it.
//!
//! | event | `MESSAGE_ID` | priority | when |
//! |---|---|---|---|
//! | `connected` | `e2ee470ff8b845e5bff701e1243809bb` | 6 | the first try to connect to Feishu succeeded |
//! | `not-connected` | `13545f98fe6a4c119ec101d394914885` | 3, 4 | a try to connect failed; each cause once until there is a connection (3: only a person can mend it) |
//! | `connection-lost` | `f6aedd468b984fd8a48cb7b5e2bf532a` | 4 | the connection to Feishu is gone; each cause once until one holds again |
//! | `reconnected` | `930ed35c98324de18f2dfb824c0b69a3` | 6 | there is a connection after one was lost, or after tries that failed |
//! | `message-refused` | `2997ba1ea815411687bc7eb7b2a8a5c6` | 5 | somebody wrote to the bot who is not allowed to |
//! | `approval-asked` | `06c122d18fe04d10b78c782c24c28e17` | 6 | Claude asked a person for leave to use a tool |
//! | `approval-decided` | `a204a899de2744d8a9fdc42328481943` | 6 | what became of that |
//! | `wedged` | `7755a720c2f64d1db40d62b5748df430` | 3 | Feishu refused a message for good |
//! | `claude-failed` | `2c0e8b64c6234e49963c801d64a9066c` | 4 | Claude Code could not be started, ended in the middle of a turn, or ended a turn with an error |
//! | `store-failed` | `d12bdd625b504920abef5220bfa8d000` | 3 | `mail.db` cannot be written: no message is taken over |
//! | `store-mended` | `35777890d6e54a4f8ae61c4c6deece23` | 6 | it can again |
//! | `task-stuck` | `951bae949cc040cba7a61203955077cd` | 3 | a task of the daemon does not move; the watchdog is not fed until it does |
//! | `task-moves` | `fc3cfc9ef2e04e47aa60e0e20cfc87f3` | 6 | it moves again |
//! | `reload-refused` | `230116c4a99f4443b983a4355e6d3fd3` | 3, 4 | the keyring was not taken; the old one stays |
//!
//! An event is made one of these by its name: `info!(name: events::CONNECTED, …)`.

/// The first try to connect to Feishu succeeded.
pub const CONNECTED: &str = "connected";
/// A try to connect failed.
pub const NOT_CONNECTED: &str = "not-connected";
/// The connection to Feishu is gone.
pub const CONNECTION_LOST: &str = "connection-lost";
/// There is a connection after one was lost, or after tries that failed.
pub const RECONNECTED: &str = "reconnected";
/// Somebody who is not allowed wrote to the bot.
pub const MESSAGE_REFUSED: &str = "message-refused";
/// Claude asked a person for leave to use a tool.
pub const APPROVAL_ASKED: &str = "approval-asked";
/// What became of that.
pub const APPROVAL_DECIDED: &str = "approval-decided";
/// Feishu refused a message for good.
pub const WEDGED: &str = "wedged";
/// Claude Code could not be started, ended in the middle of a turn, or ended a turn with an error.
pub const CLAUDE_FAILED: &str = "claude-failed";
/// `mail.db` cannot be written.
pub(crate) const STORE_FAILED: &str = "store-failed";
/// The store can be written again.
pub(crate) const STORE_MENDED: &str = "store-mended";
/// A task of the daemon does not move.
pub const TASK_STUCK: &str = "task-stuck";
/// A task that was stuck moves again.
pub(crate) const TASK_MOVES: &str = "task-moves";
/// The keyring was not taken.
pub const RELOAD_REFUSED: &str = "reload-refused";

/// All of them, each with its `MESSAGE_ID`.
pub const MESSAGE_IDS: [(&str, &str); 14] = [
    (CONNECTED, "e2ee470ff8b845e5bff701e1243809bb"),
    (NOT_CONNECTED, "13545f98fe6a4c119ec101d394914885"),
    (CONNECTION_LOST, "f6aedd468b984fd8a48cb7b5e2bf532a"),
    (RECONNECTED, "930ed35c98324de18f2dfb824c0b69a3"),
    (MESSAGE_REFUSED, "2997ba1ea815411687bc7eb7b2a8a5c6"),
    (APPROVAL_ASKED, "06c122d18fe04d10b78c782c24c28e17"),
    (APPROVAL_DECIDED, "a204a899de2744d8a9fdc42328481943"),
    (WEDGED, "7755a720c2f64d1db40d62b5748df430"),
    (CLAUDE_FAILED, "2c0e8b64c6234e49963c801d64a9066c"),
    (STORE_FAILED, "d12bdd625b504920abef5220bfa8d000"),
    (STORE_MENDED, "35777890d6e54a4f8ae61c4c6deece23"),
    (TASK_STUCK, "951bae949cc040cba7a61203955077cd"),
    (TASK_MOVES, "fc3cfc9ef2e04e47aa60e0e20cfc87f3"),
    (RELOAD_REFUSED, "230116c4a99f4443b983a4355e6d3fd3"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_of_the_documents_has_each_event_with_its_id() {
        let documents = include_str!("events.rs").lines().filter_map(|line| line.strip_prefix("//! | `"));
        let cells = documents.map(|line| line.split('`').step_by(2).take(2).collect::<Vec<_>>());
        let table: Vec<_> =
            cells.filter(|cells| cells[1].len() == 32).map(|cells| (cells[0], cells[1])).collect();
        assert_eq!(table, MESSAGE_IDS);
    }

    #[test]
    fn each_event_has_an_id_of_its_own_of_128_bits() {
        let ids: BTreeSet<_> =
            MESSAGE_IDS.iter().map(|(_, id)| u128::from_str_radix(id, 16).unwrap()).collect();
        assert_eq!(ids.len(), MESSAGE_IDS.len());
    }
}
