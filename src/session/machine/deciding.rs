//! What a person decides: about what Claude asks, by a button or by typing, once, and only what was shown to him.

use std::time::{Duration, Instant};

use super::{AllowScope, Decision, Effect, Instruction, Machine, PressResult};
use crate::card_action::{CardAction, Press, REASON, RequestRef, Verdict, chosen_field, typed_field};
use crate::claude::wire::{self, Question, RequestMatter};
use crate::session::turn::{OpenRequest, RequestOutcome, TurnOutcome};

mod typed;

/// Feishu tells when a message was sent in whole milliseconds.
const GRAIN: Duration = Duration::from_millis(1);

impl Machine {
    /// Does what a button of a card of this session asks for, and says what came of it.
    pub fn press(&mut self, press: &Press, now: Instant) -> (Vec<Effect>, PressResult) {
        match &press.action {
            CardAction::Stop { turn, .. } => {
                let running = self.turn.as_ref().is_some_and(|running| running.id() == *turn);
                if running || self.held.as_ref().is_some_and(|held| held.turn_id == *turn) {
                    (self.end_turn(TurnOutcome::Stopped, now), PressResult::Stopping)
                } else {
                    (Vec::new(), PressResult::Over)
                }
            }
            CardAction::Decide { about, choice } => {
                self.answer(about, |ask| chosen(ask, *choice, press), now)
            }
            CardAction::Answer { about, option } => {
                self.answer(about, |ask| answers(ask, *option, press).map(RequestOutcome::Answered), now)
            }
            CardAction::Continue { .. }
            | CardAction::Again { .. }
            | CardAction::Dismiss { .. }
            | CardAction::Close { .. }
            | CardAction::Switch { .. }
            | CardAction::Cancel { .. }
            | CardAction::SendNow { .. }
            | CardAction::RunLate
            | CardAction::DiscardLate
            | CardAction::Open { .. }
            | CardAction::Mode { .. } => (Vec::new(), PressResult::NotOffered),
        }
    }

    /// Decides about the oldest open request, as `/approve` and `/deny` do. What has to be answered in words cannot be
    /// allowed.
    pub(super) fn decide(&mut self, decision: Decision, order: Instruction, now: Instant) -> Vec<Effect> {
        let choice = match decision {
            Decision::Allow(AllowScope::Once) => Some(Verdict::Allow),
            Decision::Allow(AllowScope::Rule) => Some(Verdict::AllowRule),
            Decision::Allow(AllowScope::Edits) => Some(Verdict::AllowEdits),
            Decision::Deny(_) => None,
        };
        let fits =
            |ask: &&OpenRequest| choice.is_none() || !matches!(ask.matter, RequestMatter::Questions(_));
        let Some(ask) = self.asks().find(fits).cloned() else { return vec![Effect::NothingAsked(order)] };
        if self.is_newer(&ask, &order) {
            return vec![Effect::AskedSince(order)];
        }
        let decided = match (choice, decision) {
            (Some(choice), _) => allowed(&ask, choice),
            (None, Decision::Deny(reason)) => Some(RequestOutcome::Denied(reason)),
            (None, Decision::Allow(_)) => None,
        };
        let Some(decided) = decided else { return vec![Effect::NotOffered(order)] };
        let mut effects = self.settle_request(&ask, decided, now);
        effects.push(Effect::Followed(order));
        effects
    }

    /// Takes what the owner typed while a question or a plan waits for his words.
    pub(super) fn typed(&mut self, text: &str, order: Instruction, now: Instant) -> Vec<Effect> {
        let asked = self.asks().find(|ask| ask.takes_words() && !self.is_newer(ask, &order));
        let Some(ask) = asked.cloned() else { return vec![Effect::NotAnAnswer(order)] };
        let decided = match &ask.matter {
            RequestMatter::Questions(questions) => RequestOutcome::Answered(typed::answers(questions, text)),
            RequestMatter::Plan(_) | RequestMatter::Tool => RequestOutcome::Denied(Some(text.to_owned())),
        };
        let mut effects = self.settle_request(&ask, decided, now);
        effects.push(Effect::Followed(order));
        effects
    }

    /// Whether a question or a plan waits for the owner's words: what he types is [`Input::Typed`](super::Input::Typed) then.
    #[must_use]
    pub fn asks_for_words(&self) -> bool {
        self.asks().any(OpenRequest::takes_words)
    }

    /// Whether Claude asked this after the order was sent.
    fn is_newer(&self, ask: &OpenRequest, order: &Instruction) -> bool {
        let asked = self.turn.as_ref().map(|turn| turn.started() + ask.after);
        asked.is_some_and(|asked| asked > order.sent + GRAIN)
    }

    /// What can be decided now: nothing of a turn that is being ended.
    fn asks(&self) -> impl Iterator<Item = &OpenRequest> {
        self.turn.iter().filter(|turn| turn.ending.is_none()).flat_map(|turn| turn.asks())
    }

    fn answer(
        &mut self,
        about: &RequestRef,
        decide: impl FnOnce(&OpenRequest) -> Result<RequestOutcome, PressResult>,
        now: Instant,
    ) -> (Vec<Effect>, PressResult) {
        let decided = self.find(about).and_then(|ask| decide(&ask).map(|decided| (ask, decided)));
        match decided {
            Ok((ask, decided)) => {
                (self.settle_request(&ask, decided.clone(), now), PressResult::Decided(decided))
            }
            Err(pressed) => (Vec::new(), pressed),
        }
    }

    /// The open request that a button is about: in the running turn, and with the input that was shown.
    fn find(&self, about: &RequestRef) -> Result<OpenRequest, PressResult> {
        if let Some(ask) =
            self.asks().find(|ask| ask.turn == about.turn && ask.request.request_id == about.request)
        {
            let same = ask.fingerprint == about.input;
            return if same { Ok(ask.clone()) } else { Err(PressResult::Changed) };
        }
        let turn = self.turn.as_ref().filter(|turn| turn.id() == about.turn);
        let decided = turn.and_then(|turn| {
            turn.approvals().iter().rev().find(|approval| approval.request_id == about.request)
        });
        Err(decided.map_or(PressResult::Over, |approval| PressResult::Already(approval.decision.clone())))
    }

    /// Answers a request of Claude's, once.
    fn settle_request(&mut self, ask: &OpenRequest, decided: RequestOutcome, now: Instant) -> Vec<Effect> {
        let id = &ask.request.request_id;
        let Some(ask) = self.turn.as_mut().and_then(|turn| turn.decide(id, decided.clone(), now)) else {
            return Vec::new();
        };
        let input = &ask.request.input;
        let line = match &decided {
            RequestOutcome::Allowed => wire::allow(id, input, None),
            RequestOutcome::AllowedRules(rules) => {
                wire::allow(id, input, Some(&wire::SessionGrant::Rules(rules.clone())))
            }
            RequestOutcome::AllowedEdits => wire::allow(id, input, Some(&wire::SessionGrant::AcceptEdits)),
            RequestOutcome::Answered(answers) => wire::answered(id, input, answers),
            RequestOutcome::Denied(Some(reason)) => wire::deny(id, reason),
            RequestOutcome::Denied(None) => wire::deny(
                id,
                match ask.matter {
                    RequestMatter::Tool => "The user said no.",
                    RequestMatter::Questions(_) => "The user does not want to answer.",
                    RequestMatter::Plan(_) => "The user does not approve this plan. Stay in plan mode.",
                },
            ),
            RequestOutcome::Expired | RequestOutcome::Withdrawn => wire::deny(id, "Nobody answered in time."),
        };
        let mut effects = vec![Effect::Write(line)];
        if let RequestOutcome::AllowedRules(rules) = &decided {
            effects.extend(rules.iter().map(|rule| Effect::Rule(rule.to_string())));
        }
        effects.push(Effect::Decided(ask, decided));
        effects
    }
}

/// What a button says, if it can be said to this request.
fn chosen(ask: &OpenRequest, choice: Verdict, press: &Press) -> Result<RequestOutcome, PressResult> {
    match choice {
        Verdict::Allow | Verdict::AllowRule | Verdict::AllowEdits => {
            allowed(ask, choice).ok_or(PressResult::NotOffered)
        }
        Verdict::Deny => Ok(RequestOutcome::Denied(None)),
        Verdict::DenyWhy => {
            Ok(RequestOutcome::Denied(press.fields.get(REASON).and_then(|texts| texts.first()).cloned()))
        }
    }
}

/// How a request is allowed, if it can be allowed like that.
fn allowed(ask: &OpenRequest, choice: Verdict) -> Option<RequestOutcome> {
    let is_tool = ask.matter == RequestMatter::Tool;
    match choice {
        _ if !ask.is_allowable() => None,
        Verdict::Allow if !matches!(ask.matter, RequestMatter::Questions(_)) => Some(RequestOutcome::Allowed),
        Verdict::AllowRule if is_tool && !ask.request.rules.is_empty() => {
            Some(RequestOutcome::AllowedRules(ask.request.rules.clone()))
        }
        Verdict::AllowEdits if ask.takes_edits() => Some(RequestOutcome::AllowedEdits),
        Verdict::Allow | Verdict::AllowRule | Verdict::AllowEdits | Verdict::Deny | Verdict::DenyWhy => None,
    }
}

/// The answers that a form holds, or the one option of the only question.
fn answers(
    ask: &OpenRequest,
    option: Option<usize>,
    press: &Press,
) -> Result<Vec<(String, String)>, PressResult> {
    let RequestMatter::Questions(questions) = &ask.matter else { return Err(PressResult::NotOffered) };
    if let Some(option) = option {
        let [question] = &questions[..] else { return Err(PressResult::NotOffered) };
        let label = question.options.get(option).map(|option| option.label.clone());
        return label.map(|label| vec![(question.text.clone(), label)]).ok_or(PressResult::NotOffered);
    }
    let answers: Vec<(String, String)> =
        questions.iter().enumerate().filter_map(|(n, question)| filled_in(n, question, press)).collect();
    if answers.is_empty() { Err(PressResult::NoAnswer) } else { Ok(answers) }
}

/// What was chosen for a question, and what was typed beside it.
fn filled_in(n: usize, question: &Question, press: &Press) -> Option<(String, String)> {
    let fields = [chosen_field(n), typed_field(n)];
    let texts = fields.iter().filter_map(|field| press.fields.get(field)).flatten();
    let texts: Vec<&str> = texts.map(String::as_str).collect();
    (!texts.is_empty()).then(|| (question.text.clone(), texts.join(", ")))
}
