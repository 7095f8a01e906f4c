//! The cards of running turns and of requests: when they are drawn, and how they end.

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
use crate::session::show::{self, TurnContext, ended, running};
use crate::session::turn::{FinishedTurn, OpenRequest, ReplyTarget, RequestOutcome, Turn};
use crate::words::Words;

/// The card of a turn that is not over, whether or not the chat shows it yet.
#[derive(Debug)]
pub(super) struct TurnCard {
    turn: Uuid,
    /// Whether the turn answers a prompt. Then its end is recorded, whatever happens.
    has_prompt: bool,
    reply: ReplyTarget,
    pace: UpdatePace,
    ending: bool,
    /// What was drawn last.
    last: Option<Document>,
    /// Whether another message of the bot's came below it.
    overtaken: bool,
}

impl Actor {
    /// When the card of the running turn is to be drawn next.
    pub(super) fn drawing_due(&self) -> Option<Instant> {
        let running = self.machine.turn()?.id();
        self.turn_cards.iter().find(|card| card.turn == running)?.pace.due()
    }

    /// Draws the card of the running turn, if it is time to.
    pub(super) fn draw(&mut self, now: Instant) {
        let outdated = std::mem::take(&mut self.card_outdated);
        let Some(turn) = self.machine.turn() else { return };
        let index = match self.turn_cards.iter().position(|card| card.turn == turn.id()) {
            Some(index) => index,
            None => {
                let prompt = turn.prompt();
                let reply =
                    prompt.map_or_else(|| self.setup.owner.home.clone(), |prompt| prompt.reply.clone());
                self.turn_cards.push(TurnCard {
                    turn: turn.id(),
                    has_prompt: prompt.is_some(),
                    reply,
                    pace: UpdatePace::new(now),
                    ending: false,
                    last: None,
                    overtaken: false,
                });
                self.turn_cards.len() - 1
            }
        };
        let card = &mut self.turn_cards[index];
        let ending = turn.ending.is_some();
        if outdated || ending != card.ending {
            card.ending = ending;
            card.pace.changed(now);
        }
        card.pace.asking(turn.open_requests().next().is_some(), now);
        if !card.pace.take(now) {
            return;
        }
        let time = Zoned::now();
        let words = Words(self.setup.language);
        let (conv_id, project) = (&self.setup.conv_id, self.setup.launch.cwd.as_path());
        let context = TurnContext {
            conv_id,
            turn: turn.id(),
            project,
            group: is_group(&card.reply),
            words,
            now: &time,
        };
        let document = running::document(&context, turn, now);
        if card.last.as_ref() == Some(&document) {
            return;
        }
        // If the daemon dies, the next start ends the card of a prompt's turn, but it knows of no other turn.
        let fallback = (!card.has_prompt).then(|| ended::interrupted(&context));
        let ReplyTarget { to, under } = card.reply.clone();
        card.last = Some(document.clone());
        let update = CardUpdate { to, reply_to: under, document, fallback };
        self.setup.live_cards.show(SlotId::of_turn(turn.id()), update);
    }

    /// Ends the cards of unasked turns that ended without text.
    pub(super) async fn close_unasked_cards(&mut self) {
        let running = self.machine.turn().map(|turn| turn.id());
        let is_over = |card: &mut TurnCard| !card.has_prompt && Some(card.turn) != running;
        let over: Vec<TurnCard> = self.turn_cards.extract_if(.., is_over).collect();
        for TurnCard { turn, reply, pace, .. } in over {
            if pace.is_shown() {
                let document = self.with_context(turn, &reply, ended::stopped);
                self.post(document_post(&reply, document, SlotId::of_turn(turn), None)).await;
            }
        }
    }

    /// Removes the card of a turn that has ended. `None` if the chat does not show it; else whether another message came
    /// below it.
    pub(super) fn remove_turn_card(&mut self, turn: Uuid) -> Option<bool> {
        let index = self.turn_cards.iter().position(|card| card.turn == turn)?;
        let card = self.turn_cards.remove(index);
        card.pace.is_shown().then_some(card.overtaken)
    }

    /// Notes that a message of the bot's comes below the cards that the chat shows.
    pub(super) fn mark_overtaken(&mut self) {
        for card in self.turn_cards.iter_mut().filter(|card| card.pace.is_shown()) {
            card.overtaken = true;
        }
    }

    /// The requests that wait for the owner's decision.
    pub(super) fn open_requests(&self) -> Option<OpenRequests> {
        let turn = self.machine.turn().filter(|turn| turn.ending.is_none())?;
        let requests = turn.open_requests().count();
        let chat = || self.request_reply().to;
        (requests > 0).then(|| OpenRequests { chat: chat(), requests, words: self.machine.takes_words() })
    }

    /// Where the cards of the running turn's requests go, whatever prompt waits behind the turn.
    fn request_reply(&self) -> ReplyTarget {
        let prompt = self.machine.turn().and_then(Turn::prompt);
        prompt.map_or_else(|| self.setup.owner.home.clone(), |prompt| prompt.reply.clone())
    }

    /// Posts the card of a request.
    pub(super) async fn ask(&mut self, request: &OpenRequest, open: usize) {
        let reply = self.request_reply();
        let until = zoned(request.expires);
        let (document, fallback) = self.with_context(request.turn, &reply, |context| {
            (show::request::asking(context, request, &until, open), show::request::fallback(context, request))
        });
        self.mark_overtaken();
        self.post(document_post(&reply, document, request.slot, Some(fallback))).await;
        self.request_cards.push((request.slot, reply));
    }

    /// Shows on a request's card what became of the request.
    pub(super) async fn decided(&mut self, request: &OpenRequest, outcome: &RequestOutcome) {
        let index = self.request_cards.iter().position(|(slot, _)| *slot == request.slot);
        let reply = match index {
            Some(index) => self.request_cards.remove(index).1,
            None => self.request_reply(),
        };
        let document = self.with_context(request.turn, &reply, |context| {
            show::request::decided(context, request, outcome, context.now)
        });
        self.post(document_post(&reply, document, request.slot, None)).await;
    }

    /// Reminds the owner of a request.
    pub(super) async fn remind(&self, request: &OpenRequest) {
        let reply = self.request_reply();
        let until = zoned(request.expires);
        let sentence = self
            .with_context(request.turn, &reply, |context| show::request::reminder(context, request, &until));
        self.post(Post { to: reply.to, reply_to: reply.under, body: PostBody::Text(sentence) }).await;
    }

    fn with_context<T>(&self, turn: Uuid, reply: &ReplyTarget, make: impl FnOnce(&TurnContext) -> T) -> T {
        let words = Words(self.setup.language);
        let (conv_id, project) = (&self.setup.conv_id, self.setup.launch.cwd.as_path());
        make(&TurnContext { conv_id, turn, project, group: is_group(reply), words, now: &Zoned::now() })
    }

    async fn post(&self, post: Post) {
        self.settle(Settlement { posts: vec![post], ..Settlement::at(Timestamp::now()) }).await;
    }
}

/// The posts that end a turn and the last changes of its card; empty if there is nothing to say. `card` is what
/// [`Actor::remove_turn_card`] returned.
pub(super) fn end(
    context: &TurnContext,
    turn: &FinishedTurn,
    reply: &ReplyTarget,
    card: Option<bool>,
) -> (Vec<Post>, Vec<(SlotId, Post)>) {
    let slot = SlotId::of_turn(turn.id);
    let log = context.project.join(audit::FOLDER).join(Path::new(&format!("{}.jsonl", context.conv_id)));
    let document = ended::document(context, turn, &log).or_else(|| card.map(|_| ended::stopped(context)));
    let Some(document) = document else { return (Vec::new(), Vec::new()) };
    if card.is_some_and(|overtaken| ended::is_below(turn, overtaken)) {
        let body = PostBody::Document { document, slot: None };
        let answer = Post { to: reply.to.clone(), reply_to: reply.under.clone(), body };
        return (
            vec![answer],
            vec![(slot, document_post(reply, ended::answered_below(context), slot, None))],
        );
    }
    (vec![document_post(reply, document, slot, None)], Vec::new())
}

/// Whether the reply goes to a group: answers there are replies to the message that they answer.
pub(super) fn is_group(reply: &ReplyTarget) -> bool {
    reply.under.is_some()
}

fn document_post(reply: &ReplyTarget, document: Document, id: SlotId, fallback: Option<Document>) -> Post {
    let body = PostBody::Document { document, slot: Some(Slot { id, fallback }) };
    Post { to: reply.to.clone(), reply_to: reply.under.clone(), body }
}

/// The date and time of an instant.
fn zoned(at: Instant) -> Zoned {
    let now = Zoned::now();
    now.checked_add(at.saturating_duration_since(Instant::now())).unwrap_or(now)
}

/// Whether a line of Claude's changes the card of its turn.
pub(super) fn changes_card(output: &Output) -> bool {
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
