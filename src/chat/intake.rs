//! From Feishu's events to the inbox. The intake decides for each event: seen before? allowed? whose? Then comes the
//! commit, then the ack, and only then the work.
//!
//! Events are committed in the order they came, many at a time; none waits for the disk write of another to begin.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{debug, info, warn};

use super::misdelivery::MisdeliveryHints;
use super::router::{ButtonPress, RouterEvent, show_toast};
use super::storage_alarm::{StorageAlarm, StorageAlert};
use super::strangers::Strangers;
use crate::card_action::{Press, Toast, ToastKind};
use crate::crash::{self, Point};
use crate::feishu::content;
use crate::feishu::event::{self, CardCallback, ChatKind, FeishuEvent, IncomingMessage, MessageContent};
use crate::feishu::socket::{Answer, Delivery};
use crate::ids::{ChatId, MessageId, OpenId};
use crate::keyring::ResolvedKeyring;
use crate::logs::events;
use crate::mail::{Mail, NewMail, Post, PostBody, Recipient, Store, StoreError};
use crate::pulse::Pulse;
use crate::words::Words;

/// Maximum number of deliveries on their way to the disk: half of what the store takes, so that answers find room.
const MAX_IN_FLIGHT: usize = 512;
/// Time after which a press is answered whether it is done or not. Feishu shows an error of its own after 3 s.
const PRESS_TIMEOUT: Duration = Duration::from_secs(2);

/// All that the intake needs from the daemon.
#[derive(Debug)]
pub(crate) struct Intake {
    /// The configuration in force.
    pub(crate) settings: watch::Receiver<Arc<ResolvedKeyring>>,
    /// The inbox that accepted messages are committed to.
    pub(crate) store: Store,
    /// The bot's own open_id, once Feishu has told it.
    pub(crate) bot: watch::Receiver<Option<OpenId>>,
    /// The router, which is told of each accepted message.
    pub(crate) router: mpsc::Sender<RouterEvent>,
    /// What people are told past the outbox.
    pub(crate) alerts: mpsc::Sender<StorageAlert>,
    /// The intake's sign of life, for the watchdog.
    pub(crate) pulse: Pulse,
}

/// What the intake remembers of past deliveries.
struct RecentDeliveries {
    strangers: Strangers,
    hints: MisdeliveryHints,
}

type Commit = Pin<Box<dyn Future<Output = (Delivered, Result<DeliveryOutcome, StoreError>)> + Send>>;

/// What follows from a delivery that is on record.
enum DeliveryOutcome {
    /// The ack, and nothing else.
    Nothing,
    /// The ack, then this event for the router.
    Event(RouterEvent),
    /// The router drops the recalled message, and acknowledges the event when that is on record.
    Recalled(MessageId),
    /// The router follows the press. Its answer to Feishu goes its own way, see `answer_press`.
    Pressed(ButtonPress),
}

/// A delivery without its payload.
struct Delivered {
    answer: oneshot::Sender<Answer>,
    received: Instant,
    /// Where its sender is told if it cannot be put on record: the chat, and the message to reply to.
    alert_to: Option<(ChatId, Option<MessageId>)>,
}

impl Intake {
    /// Serves until the connection closes its end of the channel.
    pub(crate) async fn run(self, mut deliveries: mpsc::Receiver<Delivery>, hints: MisdeliveryHints) {
        let mut recent = RecentDeliveries { strangers: Strangers::default(), hints };
        let mut alarm = StorageAlarm::new(self.alerts.clone());
        let mut commits: FuturesOrdered<Commit> = FuturesOrdered::new();
        loop {
            self.pulse.beat();
            tokio::select! {
                biased;
                Some((delivered, outcome)) = commits.next() => self.committed(delivered, outcome, &mut alarm).await,
                delivery = deliveries.recv(), if commits.len() < MAX_IN_FLIGHT => match delivery {
                    Some(delivery) => commits.push_back(self.begin_commit(delivery, &mut recent)),
                    None => break,
                },
                () = self.pulse.rest() => {}
            }
        }
        while let Some((delivered, outcome)) = commits.next().await {
            self.committed(delivered, outcome, &mut alarm).await;
        }
    }

    async fn committed(
        &self,
        delivered: Delivered,
        outcome: Result<DeliveryOutcome, StoreError>,
        alarm: &mut StorageAlarm,
    ) {
        let (code, event) = match outcome {
            Ok(DeliveryOutcome::Nothing) => (200, None),
            Ok(DeliveryOutcome::Event(event)) => (200, Some(event)),
            Ok(DeliveryOutcome::Recalled(message_id)) => {
                let _ = self.router.send(RouterEvent::Recalled(message_id, delivered.answer)).await;
                return;
            }
            Ok(DeliveryOutcome::Pressed(pressed)) => {
                let _ = self.router.send(RouterEvent::ButtonPressed(pressed)).await;
                return;
            }
            Err(error) => {
                debug!(%error, "event not on record; Feishu will send it again");
                if let (StoreError::Failed(_), Some((chat, under))) = (error, delivered.alert_to) {
                    let text = self.words().not_on_record();
                    alarm.raise(StorageAlert { chat, under, text }, Instant::now());
                }
                (500, None)
            }
        };
        // A connection that is gone cannot be answered: Feishu sends the event again, and it is known then.
        let _ = delivered.answer.send(Answer { code, data: None });
        crash::at(Point::AckHanded);
        debug!(micros = delivered.received.elapsed().as_micros(), code, "acknowledged");
        if let Some(event) = event {
            // The router outlives the intake.
            let _ = self.router.send(event).await;
        }
    }

    fn is_allowed(&self, user: &OpenId) -> bool {
        self.settings.borrow().access.allows(user)
    }

    fn words(&self) -> Words {
        Words(self.settings.borrow().keyring.language)
    }

    /// Decides what becomes of a delivery and starts its commit.
    fn begin_commit(&self, delivery: Delivery, recent: &mut RecentDeliveries) -> Commit {
        let Delivery { payload, received, answer } = delivery;
        let delivered = Delivered { answer, received, alert_to: None };
        let event = event::parse(&payload);
        crash::at(Point::EventRead);
        match event {
            FeishuEvent::Message(message) => self.accept_message(delivered, message, recent),
            FeishuEvent::ChatEntered { event_id, chat_id, user, last_message } if self.is_allowed(&user) => {
                recent.hints.note_private_chat(&chat_id);
                if let Some(last) = last_message {
                    recent.hints.note_named(&chat_id, &last);
                }
                let first = self.store.first_time(&event_id, Timestamp::now());
                Box::pin(async move {
                    let first = first.await;
                    crash::at(Point::EventCommitted);
                    (
                        delivered,
                        first.map(|first| {
                            event_outcome(first.then_some(RouterEvent::ChatEntered(chat_id, user)))
                        }),
                    )
                })
            }
            // To note it twice changes nothing, so it does not matter whether this is the first time.
            FeishuEvent::Recalled { message_id, chat_id, .. } => {
                recent.hints.note_recalled(&chat_id, &message_id, &self.store);
                let noted = self.store.recalled(&message_id, Timestamp::now());
                Box::pin(async move {
                    let noted = noted.await;
                    crash::at(Point::EventCommitted);
                    (delivered, noted.map(|()| DeliveryOutcome::Recalled(message_id)))
                })
            }
            FeishuEvent::CardAction(action) => self.pass_on_press(delivered, action),
            FeishuEvent::ChatEntered { .. } | FeishuEvent::Menu { .. } => {
                done(delivered, Ok(DeliveryOutcome::Nothing))
            }
            FeishuEvent::Other { event_type, .. } => {
                debug!(event_type, "event ignored");
                done(delivered, Ok(DeliveryOutcome::Nothing))
            }
            FeishuEvent::Malformed { reason } => {
                warn!(reason, "event not understood");
                done(delivered, Ok(DeliveryOutcome::Nothing))
            }
        }
    }

    /// Passes a press on to the router, behind what came before it. The presser is answered in time, whatever holds the
    /// router up.
    fn pass_on_press(&self, delivered: Delivered, action: CardCallback) -> Commit {
        let (toast, toast_rx) = oneshot::channel();
        // The delivery itself needs no answer any more.
        let (unused, _) = oneshot::channel();
        let Delivered { answer, received, .. } = delivered;
        tokio::spawn(answer_press(answer, toast_rx, received, self.words()));
        let delivered = Delivered { answer: unused, received, alert_to: None };
        let CardCallback { operator, message_id, chat_id, value, form_value, .. } = action;
        let press = Press::read(&value, form_value.as_ref());
        let refused = match press {
            Some(press) if self.is_allowed(&operator) => {
                let pressed = ButtonPress { press, operator, chat_id, message_id, answer: toast };
                return done(delivered, Ok(DeliveryOutcome::Pressed(pressed)));
            }
            None if self.is_allowed(&operator) => self.words().another_version(),
            Some(_) | None => {
                info!(
                    name: events::MESSAGE_REFUSED,
                    user = %operator,
                    %message_id,
                    "press refused: the presser is not allowed"
                );
                self.words().not_let_in()
            }
        };
        show_toast(toast, ToastKind::Error, refused);
        done(delivered, Ok(DeliveryOutcome::Nothing))
    }

    /// Accepts a message into the inbox if it is for the bot, comes from a person who is allowed, and can be read; answers
    /// or ignores it otherwise.
    fn accept_message(
        &self,
        delivered: Delivered,
        message: IncomingMessage,
        recent: &mut RecentDeliveries,
    ) -> Commit {
        if !message.sender_is_user {
            return done(delivered, Ok(DeliveryOutcome::Nothing));
        }
        let group = message.chat_kind == ChatKind::Group;
        let bot = self.bot.borrow().clone();
        let bot = match bot {
            Some(bot) => bot,
            // Whether the bot is mentioned cannot be told yet: Feishu sends the event again in 15 s.
            None if group => return done(delivered, Err(StoreError::Busy)),
            None => OpenId::from(""),
        };
        if group && !message.mentions_user(&bot) {
            return done(delivered, Ok(DeliveryOutcome::Nothing));
        }
        let mail = NewMail {
            message_id: message.message_id.clone(),
            chat_id: message.chat_id.clone(),
            user: message.sender.clone(),
            group,
            text: String::new(),
            created: message.created,
            received: Timestamp::now(),
        };
        let under = group.then(|| message.message_id.clone());
        if !self.is_allowed(&message.sender) {
            return self.refuse_stranger(delivered, mail, under, recent);
        }
        let alert_to = Some((message.chat_id.clone(), under.clone()));
        let delivered = Delivered { alert_to, ..delivered };
        if !group {
            recent.hints.note_private_chat(&message.chat_id);
            if let Some(parent) = &message.parent_id {
                recent.hints.note_named(&message.chat_id, parent);
            }
        }
        if let MessageContent::Unsupported { kind } = &message.content {
            let text = self.words().unsupported(kind);
            return self.decline(delivered, mail, under, text);
        }
        let mail = NewMail { text: message.text_for(&bot).unwrap_or_default(), ..mail };
        let accepted = self.store.accept(mail.clone());
        Box::pin(async move {
            let seq = accepted.await;
            crash::at(Point::InboxCommitted);
            (delivered, seq.map(|seq| event_outcome(seq.map(|seq| RouterEvent::Mail(Mail::new(seq, mail))))))
        })
    }

    /// Refuses the message of somebody who is not allowed; tells them so once an hour.
    fn refuse_stranger(
        &self,
        delivered: Delivered,
        mail: NewMail,
        under: Option<MessageId>,
        recent: &mut RecentDeliveries,
    ) -> Commit {
        if !recent.strangers.answer(&mail.user, Instant::now()) {
            recent.hints.note_left_out(&mail.message_id);
            return done(delivered, Ok(DeliveryOutcome::Nothing));
        }
        info!(
            name: events::MESSAGE_REFUSED,
            user = %mail.user,
            message_id = %mail.message_id,
            "message refused: its sender is not allowed"
        );
        let text = self.words().stranger(mail.user.as_str());
        self.decline(delivered, mail, under, text)
    }

    /// Takes a message over together with its answer: nothing more is done about it.
    fn decline(&self, delivered: Delivered, mail: NewMail, under: Option<MessageId>, text: String) -> Commit {
        let to = Recipient::Chat(mail.chat_id.clone());
        let declined = self.store.decline(mail, Post { to, reply_to: under, body: PostBody::Text(text) });
        Box::pin(async move {
            let declined = declined.await;
            crash::at(Point::InboxCommitted);
            (delivered, declined.map(|()| DeliveryOutcome::Nothing))
        })
    }
}

fn event_outcome(event: Option<RouterEvent>) -> DeliveryOutcome {
    event.map_or(DeliveryOutcome::Nothing, DeliveryOutcome::Event)
}

/// A commit that needs no disk.
fn done(delivered: Delivered, outcome: Result<DeliveryOutcome, StoreError>) -> Commit {
    Box::pin(std::future::ready((delivered, outcome)))
}

/// Answers a press with its toast. If that takes longer than [`PRESS_TIMEOUT`], says that the press was heard.
async fn answer_press(
    answer: oneshot::Sender<Answer>,
    toast: oneshot::Receiver<Toast>,
    received: Instant,
    words: Words,
) {
    let toast = match tokio::time::timeout_at((received + PRESS_TIMEOUT).into(), toast).await {
        Ok(Ok(toast)) => toast,
        // The daemon leaves.
        Ok(Err(_)) => Toast { kind: ToastKind::Warning, text: words.press_again() },
        Err(_) => Toast { kind: ToastKind::Info, text: words.takes_a_moment() },
    };
    // A connection that is gone cannot be answered.
    let _ = answer.send(Answer { code: 200, data: Some(content::toast(&toast)) });
}
