//! The running turn's card: when it is drawn, and that it gets its last word.

use std::path::Path;
use std::time::Instant;

use jiff::{Timestamp, Zoned};
use uuid::Uuid;

use super::{Actor, OpenRequests};
use crate::audit;
use crate::claude::wire::Output;
use crate::ids::SlotId;
use crate::mail::live_cards::CardUpdate;
use crate::mail::{Post, PostBody, Settlement, Slot};
use crate::render::document::Document;
use crate::session::show::pace::UpdatePace;
use crate::session::show::{TurnContext, ended, request, running};
use crate::session::turn::{FinishedTurn, OpenRequest, ReplyTarget, RequestOutcome, Turn};
use crate::words::Words;

/// What the chat shows, or will show, of a turn.
#[derive(Debug)]
pub(super) struct TurnCard {
    turn: Uuid,
    /// Whether somebody asked for it: it has an end on record then, whatever happens.
    asked_for: bool,
    reply: ReplyTarget,
    pace: UpdatePace,
    ending: bool,
    last: Option<Document>,
    /// Whether something was said below its card.
    overtaken: bool,
}

impl Actor {
    /// When the running turn is to be drawn next.
    pub(super) fn drawing_due(&self) -> Option<Instant> {
        let running = self.machine.turn()?.id();
        self.screens.iter().find(|screen| screen.turn == running)?.pace.due()
    }

    /// Draws the running turn, if it is time to.
    pub(super) fn draw(&mut self, now: Instant) {
        let lively = std::mem::take(&mut self.lively);
        let Some(turn) = self.machine.turn() else { return };
        let place = match self.screens.iter().position(|screen| screen.turn == turn.id()) {
            Some(place) => place,
            None => {
                let prompt = turn.prompt();
                let reply =
                    prompt.map_or_else(|| self.setup.owner.home.clone(), |prompt| prompt.reply.clone());
                self.screens.push(TurnCard {
                    turn: turn.id(),
                    asked_for: prompt.is_some(),
                    reply,
                    pace: UpdatePace::new(now),
                    ending: false,
                    last: None,
                    overtaken: false,
                });
                self.screens.len() - 1
            }
        };
        let screen = &mut self.screens[place];
        let ending = turn.ending.is_some();
        if lively || ending != screen.ending {
            screen.ending = ending;
            screen.pace.changed(now);
        }
        screen.pace.asking(turn.open_requests() > 0, now);
        if !screen.pace.take(now) {
            return;
        }
        let time = Zoned::now();
        let words = Words(self.setup.language);
        let (conv_id, project) = (&self.setup.conv_id, self.setup.launch.cwd.as_path());
        let scene = TurnContext {
            conv_id,
            turn: turn.id(),
            project,
            group: is_group(&screen.reply),
            words,
            now: &time,
        };
        let document = running::document(&scene, turn, now);
        if screen.last.as_ref() == Some(&document) {
            return;
        }
        // A turn that somebody asked for is found cut at the next start.
        let fallback = (!screen.asked_for).then(|| ended::interrupted(&scene));
        let ReplyTarget { to, under } = screen.reply.clone();
        screen.last = Some(document.clone());
        let picture = CardUpdate { to, reply_to: under, document, fallback };
        self.setup.stage.show(SlotId::of_turn(turn.id()), picture);
    }

    /// Ends what is shown of turns that ended without a word: nobody asked for them.
    pub(super) async fn clear_screens(&mut self) {
        let running = self.machine.turn().map(|turn| turn.id());
        let is_over = |screen: &mut TurnCard| !screen.asked_for && Some(screen.turn) != running;
        let over: Vec<TurnCard> = self.screens.extract_if(.., is_over).collect();
        for TurnCard { turn, reply, pace, .. } in over {
            if pace.is_shown() {
                let document = self.scene(turn, &reply, ended::stopped);
                self.post(document_post(&reply, document, SlotId::of_turn(turn), None)).await;
            }
        }
    }

    /// Takes a turn off the stage, as its end comes; if it was shown, whether something was said below it since.
    pub(super) fn leave_stage(&mut self, turn: Uuid) -> Option<bool> {
        let place = self.screens.iter().position(|screen| screen.turn == turn)?;
        let screen = self.screens.remove(place);
        screen.pace.is_shown().then_some(screen.overtaken)
    }

    /// Notes that something is said below what is shown.
    pub(super) fn overtake(&mut self) {
        for screen in self.screens.iter_mut().filter(|screen| screen.pace.is_shown()) {
            screen.overtaken = true;
        }
    }

    /// What waits for the owner's decision.
    pub(super) fn open_requests(&self) -> Option<OpenRequests> {
        let turn = self.machine.turn().filter(|turn| turn.ending.is_none())?;
        let requests = turn.open_requests();
        let chat = || self.asks_at().to;
        (requests > 0).then(|| OpenRequests { chat: chat(), requests, words: self.machine.asks_for_words() })
    }

    /// Where the cards of the running turn's requests go. A prompt that waits behind it has no say in that.
    fn asks_at(&self) -> ReplyTarget {
        let prompt = self.machine.turn().and_then(Turn::prompt);
        prompt.map_or_else(|| self.setup.owner.home.clone(), |prompt| prompt.reply.clone())
    }

    /// Shows a request of Claude's.
    pub(super) async fn ask(&mut self, ask: &OpenRequest, open: usize) {
        let reply = self.asks_at();
        let until = in_time(ask.expires);
        let (document, fallback) = self.scene(ask.turn, &reply, |scene| {
            (request::asking(scene, ask, &until, open), request::fallback(scene, ask))
        });
        self.overtake();
        self.post(document_post(&reply, document, ask.slot, Some(fallback))).await;
        self.asking.push((ask.slot, reply));
    }

    /// Shows what became of it.
    pub(super) async fn decided(&mut self, ask: &OpenRequest, decided: &RequestOutcome) {
        let place = self.asking.iter().position(|(slot, _)| *slot == ask.slot);
        let reply = match place {
            Some(place) => self.asking.remove(place).1,
            None => self.asks_at(),
        };
        let document = self.scene(ask.turn, &reply, |scene| request::decided(scene, ask, decided, scene.now));
        self.post(document_post(&reply, document, ask.slot, None)).await;
    }

    /// Reminds of it.
    pub(super) async fn remind(&self, ask: &OpenRequest) {
        let reply = self.asks_at();
        let until = in_time(ask.expires);
        let sentence = self.scene(ask.turn, &reply, |scene| request::reminder(scene, ask, &until));
        self.post(Post { to: reply.to, reply_to: reply.under, body: PostBody::Text(sentence) }).await;
    }

    fn scene<T>(&self, turn: Uuid, reply: &ReplyTarget, make: impl FnOnce(&TurnContext) -> T) -> T {
        let words = Words(self.setup.language);
        let (conv_id, project) = (&self.setup.conv_id, self.setup.launch.cwd.as_path());
        make(&TurnContext { conv_id, turn, project, group: is_group(reply), words, now: &Zoned::now() })
    }

    async fn post(&self, post: Post) {
        self.settle(Settlement { posts: vec![post], ..Settlement::at(Timestamp::now()) }).await;
    }
}

/// What ends a turn, if there is anything to say: posts, and the last word of its card; `shown` is what
/// [`Actor::leave_stage`] says of that.
pub(super) fn end(
    scene: &TurnContext,
    done: &FinishedTurn,
    reply: &ReplyTarget,
    shown: Option<bool>,
) -> (Vec<Post>, Vec<(SlotId, Post)>) {
    let slot = SlotId::of_turn(done.id);
    let log = scene.project.join(audit::FOLDER).join(Path::new(&format!("{}.jsonl", scene.conv_id)));
    let document = ended::document(scene, done, &log).or_else(|| shown.map(|_| ended::stopped(scene)));
    let Some(document) = document else { return (Vec::new(), Vec::new()) };
    if shown.is_some_and(|overtaken| ended::is_below(done, overtaken)) {
        let body = PostBody::Document { document, slot: None };
        let answer = Post { to: reply.to.clone(), reply_to: reply.under.clone(), body };
        return (vec![answer], vec![(slot, document_post(reply, ended::answered_below(scene), slot, None))]);
    }
    (vec![document_post(reply, document, slot, None)], Vec::new())
}

/// Whether this is a way into a group: answers quote what they answer there.
pub(super) fn is_group(reply: &ReplyTarget) -> bool {
    reply.under.is_some()
}

fn document_post(reply: &ReplyTarget, document: Document, id: SlotId, fallback: Option<Document>) -> Post {
    let body = PostBody::Document { document, slot: Some(Slot { id, fallback }) };
    Post { to: reply.to.clone(), reply_to: reply.under.clone(), body }
}

/// The time of day that a moment will be.
fn in_time(at: Instant) -> Zoned {
    let now = Zoned::now();
    now.checked_add(at.saturating_duration_since(Instant::now())).unwrap_or(now)
}

/// Whether a line of Claude's changes what is shown of its turn.
pub(super) fn is_lively(output: &Output) -> bool {
    match output {
        Output::Assistant(_) | Output::TextDelta { .. } | Output::ToolResult(_) | Output::Permission(_) => {
            true
        }
        Output::Init(_)
        | Output::CallBegan { .. }
        | Output::CallEnded { .. }
        | Output::Result(_)
        | Output::PermissionWithdrawn { .. }
        | Output::ControlReply { .. }
        | Output::UnknownRequest { .. }
        | Output::ApiRetry { .. }
        | Output::Compacted { .. }
        | Output::Cleared
        | Output::CompactionFailed
        | Output::Background(_)
        | Output::RateLimit { .. }
        | Output::Mode(_)
        | Output::Other
        | Output::Garbage
        | Output::TooLong => false,
    }
}
