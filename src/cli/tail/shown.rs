//! What was shown already, so that a new connection to the daemon tells nothing twice. Pure.
//!
//! After a restart the daemon tells turns that ended in the meantime from their beginning. Their entries were made
//! anew, with times that differ a little, so they are recognised by their turn and by counting each kind of entry.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

use crate::control::wire::{TailEntry, TailEntryKind};

/// So many turns are remembered; older ones are long over.
const REMEMBERED: usize = 4096;

/// What was shown.
#[derive(Debug)]
pub(super) struct PrintedSoFar {
    turns: BTreeMap<String, PrintedTurn>,
    /// The turns in the order in which they were first heard of.
    order: VecDeque<String>,
    newest_end: Timestamp,
}

/// What is told apart within a turn: the kind, and whether a permission was decided.
type EntryIdentity = (TailEntryKind, bool);

#[derive(Debug, Default)]
struct PrintedTurn {
    over: bool,
    /// How many entries were shown, over all connections.
    shown: BTreeMap<EntryIdentity, usize>,
    /// How many came over this connection.
    heard: BTreeMap<EntryIdentity, usize>,
    /// Whether this connection told the turn from its beginning.
    anew: bool,
}

impl PrintedSoFar {
    /// Nothing was shown yet; what ended before is of no interest.
    pub(super) fn since(now: Timestamp) -> Self {
        Self { turns: BTreeMap::new(), order: VecDeque::new(), newest_end: now }
    }

    /// There is a new connection.
    pub(super) fn begin_again(&mut self) {
        for turn in self.turns.values_mut() {
            turn.heard.clear();
            turn.anew = false;
        }
    }

    /// The end of the newest turn that was shown to its end. All that ended later is to be told.
    pub(super) fn newest_end(&self) -> Timestamp {
        self.newest_end
    }

    /// Whether the entry is to be shown; it counts as shown then.
    pub(super) fn takes(&mut self, entry: &TailEntry) -> bool {
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
        if turn.heard.is_empty() {
            turn.anew = what == prompt || !turn.shown.contains_key(&prompt);
        }
        let heard = turn.heard.entry(what).or_default();
        *heard += 1;
        let heard = *heard;
        let shown = turn.shown.entry(what).or_default();
        let new = !turn.anew || heard > *shown;
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
            if self.order.len() >= REMEMBERED
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
        entries.iter().filter(|entry| shown.takes(entry)).map(|entry| entry.kind).collect()
    }

    #[test]
    fn a_turn_whose_beginning_was_shown_gets_only_what_is_new() {
        let mut shown = PrintedSoFar::since(now());
        let before = [
            entry(1, "a", TailEntryKind::Prompt),
            entry(2, "a", TailEntryKind::Tool),
            entry(3, "a", TailEntryKind::Approval),
            decided(4, "a"),
        ];
        assert_eq!(taken(&mut shown, &before).len(), 4);
        shown.begin_again();
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
    fn a_turn_that_is_over_is_not_told_again() {
        let mut shown = PrintedSoFar::since(now());
        let turn = [
            entry(1, "a", TailEntryKind::Prompt),
            entry(2, "a", TailEntryKind::Answer),
            entry(2, "a", TailEntryKind::Over),
        ];
        assert_eq!(taken(&mut shown, &turn).len(), 3);
        assert_eq!(taken(&mut shown, &turn), []);
        shown.begin_again();
        assert_eq!(taken(&mut shown, &turn), []);
    }

    #[test]
    fn a_turn_that_goes_on_after_a_break_goes_on() {
        let mut shown = PrintedSoFar::since(now());
        taken(&mut shown, &[entry(1, "a", TailEntryKind::Prompt), entry(2, "a", TailEntryKind::Tool)]);
        shown.begin_again();
        let rest = [
            entry(7, "a", TailEntryKind::Tool),
            entry(8, "a", TailEntryKind::Answer),
            entry(8, "a", TailEntryKind::Over),
        ];
        assert_eq!(taken(&mut shown, &rest).len(), 3);
    }

    #[test]
    fn a_turn_that_nobody_asked_for_is_told_once() {
        let mut shown = PrintedSoFar::since(now());
        taken(&mut shown, &[entry(2, "a", TailEntryKind::Tool)]);
        shown.begin_again();
        let told_anew = [
            entry(2, "a", TailEntryKind::Tool),
            entry(8, "a", TailEntryKind::Answer),
            entry(8, "a", TailEntryKind::Over),
        ];
        assert_eq!(taken(&mut shown, &told_anew), [TailEntryKind::Answer, TailEntryKind::Over]);
    }

    #[test]
    fn what_was_left_out_is_always_said() {
        let mut shown = PrintedSoFar::since(now());
        let missed = [entry(1, "", TailEntryKind::Missed), entry(2, "", TailEntryKind::Missed)];
        assert_eq!(taken(&mut shown, &missed).len(), 2);
        assert_eq!(shown.newest_end(), now());
    }

    #[test]
    fn memory_is_bounded() {
        let mut shown = PrintedSoFar::since(now());
        for n in 0..REMEMBERED + 10 {
            shown.takes(&entry(1, &n.to_string(), TailEntryKind::Prompt));
        }
        assert_eq!((shown.turns.len(), shown.order.len()), (REMEMBERED, REMEMBERED));
    }
}
