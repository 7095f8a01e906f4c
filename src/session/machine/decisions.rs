//! How people decide what Claude asks, by a button or by typing: once, and only about what they were shown.

use std::time::{Duration, Instant};

use super::{AllowScope, Decision, Effect, Instruction, InstructionOutcome, Machine, PressResult};
use crate::card_action::{CardAction, Press, REASON, RequestRef, Verdict, chosen_field, typed_field};
use crate::claude::wire::{self, Question, RequestMatter};
use crate::session::turn::{OpenRequest, RequestOutcome, TurnOutcome};

mod typed_answers;

/// Feishu gives the time at which a message was sent in whole milliseconds.
const SENT_PRECISION: Duration = Duration::from_millis(1);

impl Machine {
    /// Does what a button of one of this session's cards asks for, and says what came of it.
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
                self.decide_by_button(about, |request| chosen(request, *choice, press), now)
            }
            CardAction::Answer { about, option } => self.decide_by_button(
                about,
                |request| answers(request, *option, press).map(RequestOutcome::Answered),
                now,
            ),
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

    /// Decides the oldest open request, as `/approve` and `/deny` do. A request that has to be answered in words cannot
    /// be allowed.
    pub(super) fn decide(
        &mut self,
        decision: Decision,
        instruction: Instruction,
        now: Instant,
    ) -> Vec<Effect> {
        let verdict = match decision {
            Decision::Allow(AllowScope::Once) => Some(Verdict::Allow),
            Decision::Allow(AllowScope::Rule) => Some(Verdict::AllowRule),
            Decision::Allow(AllowScope::Edits) => Some(Verdict::AllowEdits),
            Decision::Deny(_) => None,
        };
        let fits = |request: &&OpenRequest| {
            verdict.is_none() || !matches!(request.matter, RequestMatter::Questions(_))
        };
        let Some(request) = self.decidable().find(fits).cloned() else {
            return vec![Effect::Instruction(instruction, InstructionOutcome::NothingAsked)];
        };
        if self.is_newer(&request, &instruction) {
            return vec![Effect::Instruction(instruction, InstructionOutcome::AskedSince)];
        }
        let outcome = match (verdict, decision) {
            (Some(verdict), _) => allowed(&request, verdict),
            (None, Decision::Deny(reason)) => Some(RequestOutcome::Denied(reason)),
            (None, Decision::Allow(_)) => None,
        };
        let Some(outcome) = outcome else {
            return vec![Effect::Instruction(instruction, InstructionOutcome::NotOffered)];
        };
        let mut effects = self.settle_request(&request, outcome, now);
        effects.push(Effect::Instruction(instruction, InstructionOutcome::Followed));
        effects
    }

    /// Takes what the owner typed as the answer to a question or a plan.
    pub(super) fn typed(&mut self, text: &str, instruction: Instruction, now: Instant) -> Vec<Effect> {
        let request =
            self.decidable().find(|request| request.takes_words() && !self.is_newer(request, &instruction));
        let Some(request) = request.cloned() else {
            return vec![Effect::Instruction(instruction, InstructionOutcome::NotAnAnswer)];
        };
        let outcome = match &request.matter {
            RequestMatter::Questions(questions) => {
                RequestOutcome::Answered(typed_answers::answers(questions, text))
            }
            RequestMatter::Plan(_) | RequestMatter::Tool => RequestOutcome::Denied(Some(text.to_owned())),
        };
        let mut effects = self.settle_request(&request, outcome, now);
        effects.push(Effect::Instruction(instruction, InstructionOutcome::Followed));
        effects
    }

    /// Whether a question or a plan waits for an answer in words. If so, what the owner types is
    /// [`Input::Typed`](super::Input::Typed).
    pub(crate) fn takes_words(&self) -> bool {
        self.decidable().any(OpenRequest::takes_words)
    }

    /// Whether Claude asked this after the instruction was sent.
    fn is_newer(&self, request: &OpenRequest, instruction: &Instruction) -> bool {
        let asked = self.turn.as_ref().map(|turn| turn.started() + request.after);
        asked.is_some_and(|asked| asked > instruction.sent + SENT_PRECISION)
    }

    /// The requests that can be decided now: none of a turn that is being ended.
    fn decidable(&self) -> impl Iterator<Item = &OpenRequest> {
        self.turn.iter().filter(|turn| turn.ending.is_none()).flat_map(|turn| turn.open_requests())
    }

    /// Decides the request that a button is about.
    fn decide_by_button(
        &mut self,
        about: &RequestRef,
        decide: impl FnOnce(&OpenRequest) -> Result<RequestOutcome, PressResult>,
        now: Instant,
    ) -> (Vec<Effect>, PressResult) {
        let decided = self.find(about).and_then(|request| decide(&request).map(|outcome| (request, outcome)));
        match decided {
            Ok((request, outcome)) => {
                (self.settle_request(&request, outcome.clone(), now), PressResult::Decided(outcome))
            }
            Err(result) => (Vec::new(), result),
        }
    }

    /// The open request that a button is about: in the running turn, and with the input that was shown.
    fn find(&self, about: &RequestRef) -> Result<OpenRequest, PressResult> {
        let is_it = |request: &&OpenRequest| {
            request.turn == about.turn && request.permission.request_id == about.request
        };
        if let Some(request) = self.decidable().find(is_it) {
            let same = request.fingerprint == about.input;
            return if same { Ok(request.clone()) } else { Err(PressResult::Changed) };
        }
        let turn = self.turn.as_ref().filter(|turn| turn.id() == about.turn);
        let decided = turn.and_then(|turn| {
            turn.approvals().iter().rev().find(|approval| approval.request_id == about.request)
        });
        Err(decided.map_or(PressResult::Over, |approval| PressResult::Already(approval.decision.clone())))
    }

    /// Sends the answer to a request to Claude, once.
    fn settle_request(
        &mut self,
        request: &OpenRequest,
        outcome: RequestOutcome,
        now: Instant,
    ) -> Vec<Effect> {
        let id = &request.permission.request_id;
        let Some(request) = self.turn.as_mut().and_then(|turn| turn.decide(id, outcome.clone(), now)) else {
            return Vec::new();
        };
        let mut effects = vec![Effect::Write(answer_line(&request, &outcome))];
        if let RequestOutcome::AllowedRules(rules) = &outcome {
            effects.extend(rules.iter().map(|rule| Effect::Rule(rule.to_string())));
        }
        effects.push(Effect::Decided(request, outcome));
        effects
    }
}

/// The line that answers a request.
fn answer_line(request: &OpenRequest, outcome: &RequestOutcome) -> String {
    let (id, input) = (&request.permission.request_id, &request.permission.input);
    match outcome {
        RequestOutcome::Allowed => wire::allow(id, input, None),
        RequestOutcome::AllowedRules(rules) => {
            wire::allow(id, input, Some(&wire::SessionGrant::Rules(rules.clone())))
        }
        RequestOutcome::AllowedEdits => wire::allow(id, input, Some(&wire::SessionGrant::AcceptEdits)),
        RequestOutcome::Answered(answers) => wire::answered(id, input, answers),
        RequestOutcome::Denied(Some(reason)) => wire::deny(id, reason),
        RequestOutcome::Denied(None) => wire::deny(
            id,
            match request.matter {
                RequestMatter::Tool => "The user said no.",
                RequestMatter::Questions(_) => "The user does not want to answer.",
                RequestMatter::Plan(_) => "The user does not approve this plan. Stay in plan mode.",
            },
        ),
        RequestOutcome::Expired | RequestOutcome::Withdrawn => wire::deny(id, "Nobody answered in time."),
    }
}

/// What a button says about this request, if the request can be answered like that.
fn chosen(request: &OpenRequest, verdict: Verdict, press: &Press) -> Result<RequestOutcome, PressResult> {
    match verdict {
        Verdict::Allow | Verdict::AllowRule | Verdict::AllowEdits => {
            allowed(request, verdict).ok_or(PressResult::NotOffered)
        }
        Verdict::Deny => Ok(RequestOutcome::Denied(None)),
        Verdict::DenyWhy => {
            Ok(RequestOutcome::Denied(press.fields.get(REASON).and_then(|texts| texts.first()).cloned()))
        }
    }
}

/// How a request is allowed, if it can be allowed like that.
fn allowed(request: &OpenRequest, verdict: Verdict) -> Option<RequestOutcome> {
    if !request.is_allowable() {
        return None;
    }
    let is_tool = request.matter == RequestMatter::Tool;
    match verdict {
        Verdict::Allow if !matches!(request.matter, RequestMatter::Questions(_)) => {
            Some(RequestOutcome::Allowed)
        }
        Verdict::AllowRule if is_tool && !request.permission.rules.is_empty() => {
            Some(RequestOutcome::AllowedRules(request.permission.rules.clone()))
        }
        Verdict::AllowEdits if request.takes_edits() => Some(RequestOutcome::AllowedEdits),
        Verdict::Allow | Verdict::AllowRule | Verdict::AllowEdits | Verdict::Deny | Verdict::DenyWhy => None,
    }
}

/// The answers in a form, or the one option of the only question.
fn answers(
    request: &OpenRequest,
    option: Option<usize>,
    press: &Press,
) -> Result<Vec<(String, String)>, PressResult> {
    let RequestMatter::Questions(questions) = &request.matter else { return Err(PressResult::NotOffered) };
    if let Some(option) = option {
        let [question] = &questions[..] else { return Err(PressResult::NotOffered) };
        let label = question.options.get(option).map(|option| option.label.clone());
        return label.map(|label| vec![(question.text.clone(), label)]).ok_or(PressResult::NotOffered);
    }
    let answers: Vec<(String, String)> =
        questions.iter().enumerate().filter_map(|(n, question)| filled_in(n, question, press)).collect();
    if answers.is_empty() { Err(PressResult::NoAnswer) } else { Ok(answers) }
}

/// What was chosen for question `n` and what was typed beside it.
fn filled_in(n: usize, question: &Question, press: &Press) -> Option<(String, String)> {
    let fields = [chosen_field(n), typed_field(n)];
    let texts = fields.iter().filter_map(|field| press.fields.get(field)).flatten();
    let texts: Vec<&str> = texts.map(String::as_str).collect();
    (!texts.is_empty()).then(|| (question.text.clone(), texts.join(", ")))
}
