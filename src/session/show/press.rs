//! The toast for whoever pressed a button of a running turn. Pure.

use crate::card_action::{Toast, ToastKind};
use crate::session::machine::PressResult;
use crate::session::turn::RequestOutcome;
use crate::words::Words;

/// Says what came of the press.
pub(crate) fn toast(result: &PressResult, words: Words) -> Toast {
    let (kind, text) = match result {
        PressResult::Stopping => (ToastKind::Success, words.toast_stopping()),
        PressResult::Decided(outcome) => (ToastKind::Success, decided_now(outcome, words)),
        PressResult::Already(outcome) => (ToastKind::Info, decided_before(outcome, words)),
        PressResult::Over => (ToastKind::Info, words.toast_turn_over()),
        PressResult::Changed => (ToastKind::Warning, words.toast_request_changed()),
        PressResult::NotOffered => (ToastKind::Warning, words.toast_not_offered()),
        PressResult::NoAnswer => (ToastKind::Warning, words.toast_no_answer()),
    };
    Toast { kind, text }
}

fn decided_now(outcome: &RequestOutcome, words: Words) -> String {
    match outcome {
        RequestOutcome::Allowed => words.toast_allowed(),
        RequestOutcome::AllowedRules(_) => words.toast_allowed_rules(),
        RequestOutcome::AllowedEdits => words.toast_allowed_edits(),
        RequestOutcome::Denied(_) => words.toast_denied(),
        RequestOutcome::Answered(_) => words.toast_answered(),
        RequestOutcome::Expired | RequestOutcome::Withdrawn => decided_before(outcome, words),
    }
}

fn decided_before(outcome: &RequestOutcome, words: Words) -> String {
    match outcome {
        RequestOutcome::Allowed | RequestOutcome::AllowedRules(_) | RequestOutcome::AllowedEdits => {
            words.toast_already_allowed()
        }
        RequestOutcome::Denied(_) => words.toast_already_denied(),
        RequestOutcome::Answered(_) => words.toast_already_answered(),
        RequestOutcome::Expired => words.toast_expired(),
        RequestOutcome::Withdrawn => words.toast_withdrawn(),
    }
}
