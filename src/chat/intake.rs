//! From Feishu's events to the inbox: seen before? allowed? whose? Then the commit, then the ack, and only then the
//! work.
//!
//! Deliveries are committed in the order they came, many at a time; none waits for another's disk write to begin.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{debug, info, warn};

use super::alarm::{StorageAlarm, StorageAlert};
use super::asked::show;
use super::misdelivery::MisdeliveryHints;
use super::press::{ButtonPress, answer_in_time};
use super::router::RouterEvent;
use super::strangers::Strangers;
use crate::card_action::{Press, ToastKind};
use crate::crash::{self, Point};
use crate::feishu::event::{self, CardCallback, ChatKind, FeishuEvent, IncomingMessage, MessageContent};
use crate::feishu::socket::{Answer, Delivery};
use crate::ids::{ChatId, MessageId, OpenId};
use crate::keyring::ResolvedKeyring;
use crate::logs::events;
use crate::mail::{Mail, NewMail, Post, PostBody, Recipient, Store, StoreError};
use crate::pulse::Pulse;
use crate::words::Words;

/// So many deliveries may be on their way to the disk: half of what the store takes, so that answers find room.
const IN_FLIGHT: usize = 512;

/// All that the intake needs.
#[derive(Debug)]
pub struct Intake {
    /// The configuration in force.
    pub settings: watch::Receiver<Arc<ResolvedKeyring>>,
    /// The inbox.
    pub store: Store,
    /// The bot's own open_id, once Feishu has told it.
    pub bot: watch::Receiver<Option<OpenId>>,
    /// The router.
    pub news: mpsc::Sender<RouterEvent>,
    /// What people are told past the outbox.
    pub alerts: mpsc::Sender<StorageAlert>,
    /// Its sign of life.
    pub pulse: Pulse,
}

/// What it keeps in mind of the events that came.
struct RecentDeliveries {
    strangers: Strangers,
    hints: MisdeliveryHints,
}

type Commit = Pin<Box<dyn Future<Output = (Delivered, Result<DeliveryOutcome, StoreError>)> + Send>>;

/// What follows from a delivery that is on record.
enum DeliveryOutcome {
    /// It is acknowledged, and that is all.
    Nothing,
    /// It is acknowledged, and the router gets this.
    News(RouterEvent),
    /// The router sees to it, and acknowledges it when that is done.
    Recalled(MessageId),
    /// The router sees to it; who pressed is answered by then, or in time.
    Pressed(ButtonPress),
}

/// A delivery without its payload.
struct Delivered {
    answer: oneshot::Sender<Answer>,
    received: Instant,
    /// Where its sender is told if it cannot be put on record.
    told_in: Option<(ChatId, Option<MessageId>)>,
}

impl Intake {
    /// Serves until the connection's end of the channel closes.
    pub async fn run(self, mut deliveries: mpsc::Receiver<Delivery>, hints: MisdeliveryHints) {
        let mut memory = RecentDeliveries { strangers: Strangers::default(), hints };
        let mut alarm = StorageAlarm::new(self.alerts.clone());
        let mut commits: FuturesOrdered<Commit> = FuturesOrdered::new();
        loop {
            self.pulse.beat();
            tokio::select! {
                biased;
                Some((delivered, outcome)) = commits.next() => self.committed(delivered, outcome, &mut alarm).await,
                delivery = deliveries.recv(), if commits.len() < IN_FLIGHT => match delivery {
                    Some(delivery) => commits.push_back(self.take(delivery, &mut memory)),
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
        let (code, news) = match outcome {
            Ok(DeliveryOutcome::Nothing) => (200, None),
            Ok(DeliveryOutcome::News(news)) => (200, Some(news)),
            Ok(DeliveryOutcome::Recalled(message_id)) => {
                let _ = self.news.send(RouterEvent::Recalled(message_id, delivered.answer)).await;
                return;
            }
            Ok(DeliveryOutcome::Pressed(pressed)) => {
                let _ = self.news.send(RouterEvent::Press(pressed)).await;
                return;
            }
            Err(error) => {
                debug!(%error, "an event is not on record; Feishu will send it again");
                if let (StoreError::Failed(_), Some((chat, under))) = (error, delivered.told_in) {
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
        if let Some(news) = news {
            // The router outlives the intake.
            let _ = self.news.send(news).await;
        }
    }

    fn is_allowed(&self, user: &OpenId) -> bool {
        self.settings.borrow().allows(user)
    }

    fn words(&self) -> Words {
        Words(self.settings.borrow().keyring.language)
    }

    /// Decides what becomes of a delivery and starts its commit.
    fn take(&self, delivery: Delivery, memory: &mut RecentDeliveries) -> Commit {
        let Delivery { payload, received, answer } = delivery;
        let delivered = Delivered { answer, received, told_in: None };
        let event = event::parse(&payload);
        crash::at(Point::EventRead);
        match event {
            FeishuEvent::Message(message) => self.message(delivered, message, memory),
            FeishuEvent::ChatEntered { event_id, chat_id, user, last_message } if self.is_allowed(&user) => {
                memory.hints.of_two(&chat_id);
                if let Some(last) = last_message {
                    memory.hints.names(&chat_id, &last);
                }
                let first = self.store.first_time(&event_id, Timestamp::now());
                Box::pin(async move {
                    let first = first.await;
                    crash::at(Point::EventCommitted);
                    (delivered, first.map(|first| news(first.then_some(RouterEvent::Entered(chat_id, user)))))
                })
            }
            // Doing it again changes nothing, so that it need not be known whether it is the first time.
            FeishuEvent::Recalled { message_id, chat_id, .. } => {
                memory.hints.taken_back(&chat_id, &message_id, &self.store);
                let noted = self.store.taken_back(&message_id, Timestamp::now());
                Box::pin(async move {
                    let noted = noted.await;
                    crash::at(Point::EventCommitted);
                    (delivered, noted.map(|()| DeliveryOutcome::Recalled(message_id)))
                })
            }
            FeishuEvent::CardAction(action) => self.press(delivered, action),
            FeishuEvent::ChatEntered { .. } | FeishuEvent::Menu { .. } => {
                done(delivered, Ok(DeliveryOutcome::Nothing))
            }
            FeishuEvent::Other { event_type, .. } => {
                debug!(event_type, "event of no interest");
                done(delivered, Ok(DeliveryOutcome::Nothing))
            }
            FeishuEvent::Malformed { reason } => {
                warn!(reason, "event that cannot be understood");
                done(delivered, Ok(DeliveryOutcome::Nothing))
            }
        }
    }

    /// A press goes to the router behind what came before it; who pressed is answered in time, whatever holds that up.
    fn press(&self, delivered: Delivered, action: CardCallback) -> Commit {
        let (toast, shown) = oneshot::channel();
        let (waits, _) = oneshot::channel();
        let Delivered { answer, received, .. } = delivered;
        tokio::spawn(answer_in_time(answer, shown, received, self.words()));
        let delivered = Delivered { answer: waits, received, told_in: None };
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
                    "press refused: who pressed is not allowed"
                );
                self.words().not_let_in()
            }
        };
        show(toast, ToastKind::Error, refused);
        done(delivered, Ok(DeliveryOutcome::Nothing))
    }

    fn message(
        &self,
        delivered: Delivered,
        message: IncomingMessage,
        memory: &mut RecentDeliveries,
    ) -> Commit {
        if !message.sender_is_user {
            return done(delivered, Ok(DeliveryOutcome::Nothing));
        }
        let group = message.chat_kind == ChatKind::Group;
        let bot = self.bot.borrow().clone();
        let bot = match bot {
            Some(bot) => bot,
            // Whether it is mentioned cannot be told yet: Feishu sends the event again in 15 s.
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
            let text = self.words().stranger(message.sender.as_str());
            if !memory.strangers.answer(&message.sender, Instant::now()) {
                memory.hints.left_out(&message.message_id);
                return done(delivered, Ok(DeliveryOutcome::Nothing));
            }
            info!(
                name: events::MESSAGE_REFUSED,
                user = %message.sender,
                message_id = %message.message_id,
                "message refused: its sender is not allowed"
            );
            return self.decline(delivered, mail, under, text);
        }
        let told_in = Some((message.chat_id.clone(), under.clone()));
        let delivered = Delivered { told_in, ..delivered };
        if !group {
            memory.hints.of_two(&message.chat_id);
            if let Some(parent) = &message.parent_id {
                memory.hints.names(&message.chat_id, parent);
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
            (delivered, seq.map(|seq| news(seq.map(|seq| RouterEvent::Mail(Mail::new(seq, mail))))))
        })
    }
}

impl Intake {
    /// Takes a message over with its answer: nothing more is done for it.
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

fn news(news: Option<RouterEvent>) -> DeliveryOutcome {
    news.map_or(DeliveryOutcome::Nothing, DeliveryOutcome::News)
}

fn done(delivered: Delivered, outcome: Result<DeliveryOutcome, StoreError>) -> Commit {
    Box::pin(std::future::ready((delivered, outcome)))
}
