//! The real Claude Code, driven by a session's machine whose clock the test moves.

use std::time::Instant;

use phonework::card_action::{CardAction, Press, Verdict};
use phonework::claude::wire::PermissionRequest;
use phonework::language::Language;
use phonework::mail::Recipient;
use phonework::render::document::LongAnswers;
use phonework::session::machine::{Effect, Input, Machine, PressResult, SessionTimeouts};
use phonework::session::turn::{FinishedTurn, OpenRequest, Prompt, ReplyTarget, RequestOutcome};

use super::*;

pub(super) const TIMEOUTS: SessionTimeouts = SessionTimeouts {
    turn: Duration::from_secs(300),
    idle: Duration::from_secs(1800),
    approval: Duration::from_secs(3600),
};

/// A session: it does what the actor does, but for the chat and the disk.
pub(super) struct Driven {
    session: Session,
    pub(super) launch: Launch,
    pub(super) machine: Machine,
    /// By how much the test has moved the clock.
    moved: Duration,
    /// What was to be shown or kept, and was not looked at yet.
    effects: std::collections::VecDeque<Effect>,
    mails: i64,
}

impl Driven {
    pub(super) fn start(launch: Launch) -> Self {
        let (machine, effects) =
            Machine::new(launch.conversation.clone(), TIMEOUTS, Language::En, None, Instant::now());
        let session = Session::start(&launch);
        let (moved, mails) = (Duration::ZERO, 0);
        let mut driven =
            Self { session, launch, machine, moved, effects: std::collections::VecDeque::new(), mails };
        driven.perform(effects);
        driven
    }

    pub(super) fn now(&self) -> Instant {
        Instant::now() + self.moved
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            #[expect(clippy::wildcard_enum_match_arm, reason = "the test looks at the rest")]
            match &effect {
                Effect::Write(line) => self.session.process.send(line.clone()).unwrap(),
                Effect::CloseInput => self.session.process.close_input(),
                Effect::Terminate => self.session.process.terminate(),
                Effect::Launch(conversation) => {
                    self.launch.conversation = conversation.clone();
                    self.session = Session::start(&self.launch);
                }
                Effect::Conversation(id) => self.launch.conversation = Conversation::Resume(id.clone()),
                Effect::Rule(rule) => self.launch.rules.push(rule.clone()),
                Effect::Mode(mode) => self.launch.permission_mode.clone_from(mode),
                _ => self.effects.push_back(effect),
            }
        }
    }

    pub(super) fn put(&mut self, input: Input) {
        let effects = self.machine.handle(input, self.now());
        self.perform(effects);
    }

    pub(super) fn prompt(&mut self, text: &str) {
        self.mails += 1;
        self.put(Input::Prompt(Prompt {
            turn_id: Uuid::new_v4(),
            mail: self.mails,
            text: text.to_owned(),
            chat_id: "oc_1".into(),
            reply: ReplyTarget { to: Recipient::Chat("oc_1".into()), under: None },
            long: LongAnswers::Parts,
        }));
    }

    /// Lets this much time pass; nothing happens in it but what is due.
    pub(super) fn after(&mut self, time: Duration) {
        self.moved += time;
        self.put(Input::Tick);
    }

    pub(super) fn press(&mut self, press: &Press) -> PressResult {
        let (effects, pressed) = self.machine.press(press, self.now());
        self.perform(effects);
        pressed
    }

    pub(super) fn choose(&mut self, ask: &OpenRequest, choice: Verdict) -> PressResult {
        self.press(&button(ask, choice))
    }

    /// Takes a line of Claude's, or its end.
    pub(super) async fn hear(&mut self) -> Option<Output> {
        match self.session.event().await {
            ProcessEvent::Line(output) => {
                self.put(Input::Claude(output.clone()));
                Some(output)
            }
            ProcessEvent::Exited(exit) => {
                self.put(Input::Exited(exit));
                None
            }
        }
    }

    /// The next effect that `wanted` makes something of; those before it are passed over.
    pub(super) async fn until<T>(&mut self, wanted: impl Fn(Effect) -> Option<T>) -> T {
        loop {
            while let Some(effect) = self.effects.pop_front() {
                if let Some(found) = wanted(effect) {
                    return found;
                }
            }
            self.hear().await;
        }
    }

    /// The next request of Claude's. A turn that ends without one is a failure.
    pub(super) async fn asked(&mut self) -> OpenRequest {
        self.until(|effect| {
            if let Effect::Settle(done) = &effect {
                panic!("it asked nothing: {done:?}");
            }
            if let Effect::Ask(ask, _) = effect { Some(ask) } else { None }
        })
        .await
    }

    /// The end of the turn. A request before it is a failure.
    pub(super) async fn done(&mut self) -> FinishedTurn {
        self.until(|effect| {
            if let Effect::Ask(ask, _) = &effect {
                panic!("it asked: {ask:?}");
            }
            if let Effect::Settle(done) = effect { Some(done) } else { None }
        })
        .await
    }

    /// A turn in which Claude asks for one thing, and what is chosen.
    pub(super) async fn with(&mut self, prompt: &str, choice: Verdict) -> (PermissionRequest, FinishedTurn) {
        self.prompt(prompt);
        let ask = self.asked().await;
        assert!(matches!(self.choose(&ask, choice), PressResult::Decided(_)));
        (ask.permission, self.done().await)
    }

    /// What was decided next.
    pub(super) async fn decided(&mut self) -> (OpenRequest, RequestOutcome) {
        let decided =
            |effect| if let Effect::Decided(ask, decided) = effect { Some((ask, decided)) } else { None };
        self.until(decided).await
    }

    /// Puts the process to sleep and waits until it is gone.
    pub(super) async fn sleep(&mut self) {
        self.put(Input::Suspend);
        self.until(|effect| (effect == Effect::End).then_some(())).await;
    }
}

pub(super) fn button(ask: &OpenRequest, choice: Verdict) -> Press {
    let act = CardAction::Decide { about: ask.about(&"c-1".into()), choice };
    Press { action: act, group: false, fields: BTreeMap::new() }
}
