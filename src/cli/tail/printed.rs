//! Keeps track of what was printed, so that nothing is printed twice after a reconnection. Pure.
//!
//! After a restart the daemon sends turns that ended in the meantime from their beginning. Their entries were created
//! anew, with slightly different times, so they are recognised by their turn and by counting each kind of entry.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

use crate::control::wire::{TailEntry, TailEntryKind};

/// Maximum number of turns that are remembered. Older ones are long over.
const MAX_REMEMBERED_TURNS: usize = 4096;

/// The entries that were printed, by turn.
#[derive(Debug)]
pub(super) struct PrintedSoFar {
    turns: BTreeMap<String, PrintedTurn>,
    /// The turns in the order in which they were first received of.
    order: VecDeque<String>,
    newest_end: Timestamp,
}

/// What identifies an entry within a turn: its kind, and whether it holds a decision.
type EntryIdentity = (TailEntryKind, bool);

#[derive(Debug, Default)]
struct PrintedTurn {
    over: bool,
    /// Number of entries printed, over all connections.
    shown: BTreeMap<EntryIdentity, usize>,
    /// How many came over this connection.
    received: BTreeMap<EntryIdentity, usize>,
    /// Whether this connection sent the turn from its beginning.
    from_start: bool,
}

impl PrintedSoFar {
    /// Nothing was printed yet. Turns that ended before `now` do not matter.
    pub(super) fn since(now: Timestamp) -> Self {
        Self { turns: BTreeMap::new(), order: VecDeque::new(), newest_end: now }
    }

    /// A new connection was made.
    pub(super) fn reconnected(&mut self) {
        for turn in self.turns.values_mut() {
            turn.received.clear();
            turn.from_start = false;
        }
    }

    /// The end of the newest turn that was printed completely. All turns that ended later still have to be printed.
    pub(super) fn newest_end(&self) -> Timestamp {
        self.newest_end
    }

    /// Whether the entry is to be printed. Then it counts as printed.
    pub(super) fn is_new(&mut self, entry: &TailEntry) -> bool {
        if entry.kind == TailEntryKind::Missed {
            return true;
        }
        let turn = self.turn(&entry.turn);
        if turn.over {
            return false;
        }
        let what = (entry.kind, entry.decision.is_some());
        let prompt = (TailEntryKind::Prompt, false);
        // A turn whose prompt was shown and does not come first goes on where it was; one that has no prompt cannot be
        // told apart so.
        if turn.received.is_empty() {
            turn.from_start = what == prompt || !turn.shown.contains_key(&prompt);
        }
        let received = turn.received.entry(what).or_default();
        *received += 1;
        let received = *received;
        let shown = turn.shown.entry(what).or_default();
        let new = !turn.from_start || received > *shown;
        if new {
            *shown += 1;
        }
        if entry.kind == TailEntryKind::Over {
            turn.over = true;
            self.newest_end = self.newest_end.max(entry.at);
        }
        new
    }

    fn turn(&mut self, name: &str) -> &mut PrintedTurn {
        if !self.turns.contains_key(name) {
            if self.order.len() >= MAX_REMEMBERED_TURNS
                && let Some(oldest) = self.order.pop_front()
            {
                self.turns.remove(&oldest);
            }
            self.order.push_back(name.to_owned());
        }
        self.turns.entry(name.to_owned()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::show::tests::entry;

    fn now() -> Timestamp {
        entry(0, "", TailEntryKind::Over).at
    }

    fn decided(second: i64, turn: &str) -> TailEntry {
        TailEntry { decision: Some("allowed".to_owned()), ..entry(second, turn, TailEntryKind::Approval) }
    }

    /// The kinds of those that are shown.
    fn taken(shown: &mut PrintedSoFar, entries: &[TailEntry]) -> Vec<TailEntryKind> {
        entries.iter().filter(|entry| shown.is_new(entry)).map(|entry| entry.kind).collect()
    }

    #[test]
    fn of_a_turn_that_was_partly_printed_only_new_entries_are_printed() {
        let mut shown = PrintedSoFar::since(now());
        let before = [
            entry(1, "a", TailEntryKind::Prompt),
            entry(2, "a", TailEntryKind::Tool),
            entry(3, "a", TailEntryKind::Approval),
            decided(4, "a"),
        ];
        assert_eq!(taken(&mut shown, &before).len(), 4);
        shown.reconnected();
        // Times differ a little, and the audit log knows no question.
        let told_anew = [
            entry(1, "a", TailEntryKind::Prompt),
            entry(3, "a", TailEntryKind::Tool),
            decided(4, "a"),
            entry(5, "a", TailEntryKind::Tool),
            entry(9, "a", TailEntryKind::Answer),
            entry(9, "a", TailEntryKind::Over),
        ];
        assert_eq!(
            taken(&mut shown, &told_anew),
            [TailEntryKind::Tool, TailEntryKind::Answer, TailEntryKind::Over]
        );
        assert_eq!(shown.newest_end(), told_anew[5].at);
    }

    #[test]
    fn a_turn_that_is_over_is_not_printed_again() {
        let mut shown = PrintedSoFar::since(now());
        let turn = [
            entry(1, "a", TailEntryKind::Prompt),
            entry(2, "a", TailEntryKind::Answer),
            entry(2, "a", TailEntryKind::Over),
        ];
        assert_eq!(taken(&mut shown, &turn).len(), 3);
        assert_eq!(taken(&mut shown, &turn), []);
        shown.reconnected();
        assert_eq!(taken(&mut shown, &turn), []);
    }

    #[test]
    fn a_turn_that_goes_on_after_a_break_goes_on() {
        let mut shown = PrintedSoFar::since(now());
        taken(&mut shown, &[entry(1, "a", TailEntryKind::Prompt), entry(2, "a", TailEntryKind::Tool)]);
        shown.reconnected();
        let rest = [
            entry(7, "a", TailEntryKind::Tool),
            entry(8, "a", TailEntryKind::Answer),
            entry(8, "a", TailEntryKind::Over),
        ];
        assert_eq!(taken(&mut shown, &rest).len(), 3);
    }

    #[test]
    fn a_turn_without_a_prompt_is_printed_once() {
        let mut shown = PrintedSoFar::since(now());
        taken(&mut shown, &[entry(2, "a", TailEntryKind::Tool)]);
        shown.reconnected();
        let told_anew = [
            entry(2, "a", TailEntryKind::Tool),
            entry(8, "a", TailEntryKind::Answer),
            entry(8, "a", TailEntryKind::Over),
        ];
        assert_eq!(taken(&mut shown, &told_anew), [TailEntryKind::Answer, TailEntryKind::Over]);
    }

    #[test]
    fn missing_entries_are_always_reported() {
        let mut shown = PrintedSoFar::since(now());
        let missed = [entry(1, "", TailEntryKind::Missed), entry(2, "", TailEntryKind::Missed)];
        assert_eq!(taken(&mut shown, &missed).len(), 2);
        assert_eq!(shown.newest_end(), now());
    }

    #[test]
    fn the_number_of_remembered_turns_is_bounded() {
        let mut shown = PrintedSoFar::since(now());
        for n in 0..MAX_REMEMBERED_TURNS + 10 {
            shown.is_new(&entry(1, &n.to_string(), TailEntryKind::Prompt));
        }
        assert_eq!((shown.turns.len(), shown.order.len()), (MAX_REMEMBERED_TURNS, MAX_REMEMBERED_TURNS));
    }
}
