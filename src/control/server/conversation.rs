//! One caller, from his first byte to his last.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use interprocess::local_socket::tokio::Stream;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use tracing::{debug, info, warn};

use super::room::Seat;
use crate::control::codec::Framing;
use crate::control::peer::Rights;
use crate::control::request::{self, Asked, Fault, Request, SERVICE};
use crate::control::wire::{Call, INTERFACE, Refusal};
use crate::control::{Gone, Handler, Peer, Replies, Unanswered};

/// A caller who asks nothing is let go of after so long.
const IDLE: Duration = Duration::from_secs(60);
/// A request that has begun to arrive has to be there after so long.
const ARRIVING: Duration = Duration::from_secs(10);
/// A caller who takes nothing of his reply for so long is given up.
const TAKING: Duration = Duration::from_secs(10);

/// One caller's connection.
pub(super) struct Conversation<H> {
    hearing: Hearing,
    saying: Arc<Stream>,
    peer: Peer,
    rights: Rights,
    seat: Seat,
    handler: H,
}

impl<H: Handler> Conversation<H> {
    pub(super) fn new(stream: Stream, peer: Peer, rights: Rights, seat: Seat, handler: H) -> Self {
        let saying = Arc::new(stream);
        let hearing = Hearing { stream: Arc::clone(&saying), framing: Framing::default(), over: false };
        Self { hearing, saying, peer, rights, seat, handler }
    }

    /// Answers until the caller leaves, makes no sense, or has to go.
    pub(super) async fn hold(mut self) {
        loop {
            let message = tokio::select! {
                () = self.seat.given_up() => return,
                message = self.hearing.message() => message,
            };
            // Who sends what is no request is told nothing more, as he does not speak Varlink.
            let Some(request) = message.and_then(|message| request::read(&message)) else { return };
            self.seat.is_served();
            if self.answer(request).await.is_err() {
                return;
            }
            self.seat.is_silent();
        }
    }

    async fn answer(&mut self, request: Request) -> Result<(), Gone> {
        let Request { asked, more, oneway } = request;
        let mut answers = Answers { saying: &self.saying, more, oneway };
        let call = match asked {
            Ok(Asked::Call(call)) => call,
            Ok(Asked::Info) => return answers.say(&json!({ "parameters": info() })).await,
            Ok(Asked::Description(text)) => {
                return answers.say(&json!({ "parameters": { "description": text } })).await;
            }
            Err(fault) => return answers.say(&fault.reply()).await,
        };
        if let Err(reason) = permitted(&self.rights, &call) {
            warn!(
                peer_uid = self.peer.uid,
                peer_pid = self.peer.pid,
                call = name(&call),
                "a call of the control socket was refused: {reason}"
            );
            return answers.say(&error(&Refusal::Forbidden { reason: reason.to_owned() })).await;
        }
        let changed = call.changes().then(|| (name(&call), subject(&call)));
        let handling = self.handler.handle(self.peer, call, &mut answers);
        // A caller who hangs up is noticed while there is nothing to send to him, too.
        let unanswered = tokio::select! {
            handled = handling => handled.err(),
            () = self.hearing.hung_up() => Some(Unanswered::Gone),
        };
        if let (Some((call, subject)), None) = (changed, &unanswered) {
            info!(peer_uid = self.peer.uid, peer_pid = self.peer.pid, call, subject, "done for an operator");
        }
        match unanswered {
            None => Ok(()),
            Some(Unanswered::Refused(refusal)) => answers.say(&error(&refusal)).await,
            Some(Unanswered::ExpectedMore) => answers.say(&Fault::ExpectedMore.reply()).await,
            Some(Unanswered::Gone) => Err(Gone),
        }
    }
}

/// Whether this may be called: the one question that every call is put to.
fn permitted(rights: &Rights, call: &Call) -> Result<(), &'static str> {
    match rights {
        Rights::None(reason) => Err(reason),
        Rights::Look if call.changes() => {
            Err("this is for root, for the daemon's own user, and for members of the socket's group")
        }
        Rights::Look | Rights::Change => Ok(()),
    }
}

fn info() -> Value {
    json!({
        "vendor": "phonework",
        "product": "phonework",
        "version": env!("CARGO_PKG_VERSION"),
        "url": "",
        "interfaces": [SERVICE, INTERFACE],
    })
}

fn name(call: &Call) -> &'static str {
    match call {
        Call::Sessions(_) => "Sessions",
        Call::Close(_) => "Close",
        Call::Tail(_) => "Tail",
        Call::Health(_) => "Health",
        Call::Allowed => "Allowed",
        Call::Allow(_) => "Allow",
        Call::Disallow(_) => "Disallow",
    }
}

/// What a call is about.
fn subject(call: &Call) -> String {
    match call {
        Call::Close(call) => call.conv_id.to_string(),
        Call::Allow(call) | Call::Disallow(call) => call.open_id.to_string(),
        Call::Sessions(_) | Call::Tail(_) | Call::Health(_) | Call::Allowed => String::new(),
    }
}

fn error(refusal: &Refusal) -> Value {
    // It has text fields only.
    serde_json::to_value(refusal).unwrap_or_default()
}

/// What the caller says.
struct Hearing {
    stream: Arc<Stream>,
    framing: Framing,
    over: bool,
}

impl Hearing {
    /// The next message; none when there will be none.
    async fn message(&mut self) -> Option<Vec<u8>> {
        loop {
            match self.framing.take() {
                Ok(Some(message)) => return Some(message.to_vec()),
                Ok(None) if self.over => return None,
                Ok(None) => {}
                Err(_) => {
                    debug!("a request on the control socket was too long");
                    return None;
                }
            }
            let limit = if self.framing.is_within() { ARRIVING } else { IDLE };
            match timeout(limit, (&*self.stream).read_buf(self.framing.room())).await {
                Ok(Ok(1..)) => {}
                Ok(Ok(0) | Err(_)) => self.over = true,
                Err(_) => return None,
            }
        }
    }

    /// Resolves when the caller has hung up. What he sends meanwhile is kept for later, as far as there is room.
    async fn hung_up(&mut self) {
        while !self.over {
            if self.framing.is_full() {
                return std::future::pending().await;
            }
            self.over = !matches!((&*self.stream).read_buf(self.framing.room()).await, Ok(1..));
        }
    }
}

/// The way of the replies to one call.
struct Answers<'a> {
    saying: &'a Stream,
    more: bool,
    oneway: bool,
}

impl Answers<'_> {
    async fn say(&mut self, message: &impl Serialize) -> Result<(), Gone> {
        if self.oneway {
            return Ok(());
        }
        let mut bytes = serde_json::to_vec(message).map_err(|_| Gone)?;
        bytes.push(0);
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let written = timeout(TAKING, self.saying.write(rest)).await;
            match written.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(written @ 1..) => rest = &rest[written..],
                Ok(0) | Err(_) => return Err(Gone),
            }
        }
        Ok(())
    }
}

impl Replies for Answers<'_> {
    async fn send<T: Serialize + Sync>(&mut self, reply: &T, last: bool) -> Result<(), Gone> {
        #[derive(Serialize)]
        struct Reply<'a, T> {
            parameters: &'a T,
            #[serde(skip_serializing_if = "std::ops::Not::not")]
            continues: bool,
        }
        if !last && !self.more {
            return Err(Gone);
        }
        self.say(&Reply { parameters: reply, continues: !last }).await
    }

    fn takes_more(&self) -> bool {
        self.more
    }
}
