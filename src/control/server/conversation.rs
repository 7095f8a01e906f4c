//! One caller, from his first byte to his last.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use interprocess::local_socket::tokio::Stream;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::time::{sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::change::{self, OperatorChange};
use super::room::{CallerActivity, CallerSlot};
use super::warnings::Warnings;
use crate::control::codec::{Framing, TooLong};
use crate::control::peer::Rights;
use crate::control::request::{self, Request, RequestFault, RequestedCall, SERVICE};
use crate::control::wire::{ControlCall, ControlError, INTERFACE};
use crate::control::{CallerGone, Handler, NoReply, Peer, Replies};

/// A caller who asks nothing is let go of after so long.
const IDLE: Duration = Duration::from_secs(60);
/// A request that has begun to arrive has to be there after so long.
const ARRIVING: Duration = Duration::from_secs(10);
/// A caller who takes nothing of his reply for so long is given up.
const TAKING: Duration = Duration::from_secs(10);
/// Between two looks whether a caller is there who has said all that he has to say.
const LOOK: Duration = Duration::from_secs(1);

/// One caller's connection.
pub(super) struct CallerConnection<H> {
    hearing: CallerInput,
    saying: Arc<Stream>,
    peer: Peer,
    rights: Rights,
    seat: CallerSlot,
    handler: H,
    refusals: Arc<Warnings>,
}

impl<H: Handler> CallerConnection<H> {
    pub(super) fn new(
        stream: Stream,
        peer: Peer,
        rights: Rights,
        seat: CallerSlot,
        handler: H,
        refusals: Arc<Warnings>,
    ) -> Self {
        let saying = Arc::new(stream);
        let hearing = CallerInput { stream: Arc::clone(&saying), framing: Framing::default(), over: false };
        Self { hearing, saying, peer, rights, seat, handler, refusals }
    }

    /// Answers until the caller leaves, makes no sense, or has to go, or the daemon stops.
    pub(super) async fn hold(mut self, stop: CancellationToken) {
        let cut = Disconnect { leave: self.seat.leave(), stop };
        loop {
            let message = tokio::select! {
                () = cut.comes() => return,
                message = self.hearing.message() => message,
            };
            let request = match message {
                Ok(Some(message)) => request::read(&message),
                Ok(None) => return,
                Err(TooLong) => None,
            };
            let Some(request) = request else {
                // What follows cannot be told apart, so nothing more is said to him.
                let nonsense = RequestFault::InvalidParameter("message".to_owned()).reply();
                let mut answers = ReplyChannel { saying: &self.saying, more: false, oneway: false };
                let _ = cut.or(answers.say(&nonsense)).await;
                return;
            };
            if self.answer(request, &cut).await.is_err() {
                return;
            }
            self.seat.does(CallerActivity::Silent(Instant::now()));
        }
    }

    async fn answer(&mut self, request: Request, cut: &Disconnect) -> Result<(), CallerGone> {
        let Request { asked, more, oneway } = request;
        let mut answers = ReplyChannel { saying: &self.saying, more, oneway };
        let call = match asked {
            Ok(RequestedCall::Call(call)) => call,
            Ok(RequestedCall::Info) => return cut.or(answers.say(&json!({ "parameters": info() }))).await,
            Ok(RequestedCall::Description(text)) => {
                return cut.or(answers.say(&json!({ "parameters": { "description": text } }))).await;
            }
            Err(fault) => return cut.or(answers.say(&fault.reply())).await,
        };
        if let Err(reason) = permitted(&self.rights, &call) {
            self.warn_of(change::name(&call), reason);
            return cut.or(answers.say(&error(&ControlError::Forbidden { reason: reason.to_owned() }))).await;
        }
        let change = OperatorChange::of(&call, self.peer);
        self.seat.does(if change.is_some() {
            CallerActivity::Changing
        } else {
            CallerActivity::Looking(Instant::now())
        });
        let handled = {
            let mut handling = pin!(self.handler.handle(self.peer, call, &mut answers));
            if change.is_some() {
                // What was begun is ended, and told, whether or not anybody waits for it.
                handling.await
            } else {
                tokio::select! {
                    handled = &mut handling => handled,
                    // Noticed while there is nothing to send, too.
                    () = self.hearing.hung_up() => Err(NoReply::Gone),
                    () = cut.comes() => Err(NoReply::Gone),
                }
            }
        };
        if let Some(change) = change {
            change.over(&handled);
        }
        let error = match handled {
            Ok(()) => return Ok(()),
            Err(NoReply::Gone) => return Err(CallerGone),
            Err(NoReply::Refused(refusal)) => error(&refusal),
            Err(NoReply::ExpectedMore) => RequestFault::ExpectedMore.reply(),
        };
        cut.or(answers.say(&error)).await
    }

    fn warn_of(&self, call: &str, reason: &str) {
        let Peer { uid, pid } = self.peer;
        if let Some(before) = self.refusals.due(uid, Instant::now()) {
            warn!(
                peer_uid = uid,
                peer_pid = pid,
                call,
                before,
                "a call of the control socket was refused: {reason}"
            );
        } else {
            debug!(peer_uid = uid, peer_pid = pid, call, "one more call was refused: {reason}");
        }
    }
}

/// What ends a conversation from our side.
struct Disconnect {
    /// The seat is another's.
    leave: CancellationToken,
    stop: CancellationToken,
}

impl Disconnect {
    async fn comes(&self) {
        tokio::select! {
            () = self.leave.cancelled() => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// Goes on with what is being said until then.
    async fn or(&self, saying: impl Future<Output = Result<(), CallerGone>>) -> Result<(), CallerGone> {
        tokio::select! {
            () = self.comes() => Err(CallerGone),
            said = saying => said,
        }
    }
}

/// Whether this may be called: the one question that every call is put to.
fn permitted(rights: &Rights, call: &ControlCall) -> Result<(), &'static str> {
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

fn error(refusal: &ControlError) -> Value {
    // It has text fields only.
    serde_json::to_value(refusal).unwrap_or_default()
}

/// What the caller says.
struct CallerInput {
    stream: Arc<Stream>,
    framing: Framing,
    over: bool,
}

impl CallerInput {
    /// The next message; none when there will be none.
    ///
    /// # Errors
    /// When it is too long.
    async fn message(&mut self) -> Result<Option<Vec<u8>>, TooLong> {
        let asked_by = tokio::time::Instant::now() + IDLE;
        let mut whole_by = None;
        loop {
            if let Some(message) = self.framing.take()? {
                return Ok(Some(message.to_vec()));
            }
            if self.over {
                return Ok(None);
            }
            let by = if self.framing.is_within() {
                *whole_by.get_or_insert_with(|| tokio::time::Instant::now() + ARRIVING)
            } else {
                asked_by
            };
            match timeout_at(by, (&*self.stream).read_buf(self.framing.room())).await {
                Ok(Ok(1..)) => {}
                Ok(Ok(0) | Err(_)) => self.over = true,
                Err(_) => return Ok(None),
            }
        }
    }

    /// Resolves when the caller has hung up. What he sends meanwhile is kept for later, as far as there is room.
    async fn hung_up(&mut self) {
        while !self.over && !self.framing.is_full() {
            self.over = !matches!((&*self.stream).read_buf(self.framing.room()).await, Ok(1..));
        }
        // Who has said all that he has to say may still listen.
        let Stream::UdSocket(stream) = &*self.stream;
        while stream.inner().ready(Interest::WRITABLE).await.is_ok_and(|ready| !ready.is_write_closed()) {
            sleep(LOOK).await;
        }
    }
}

/// The way of the replies to one call.
struct ReplyChannel<'a> {
    saying: &'a Stream,
    more: bool,
    oneway: bool,
}

impl ReplyChannel<'_> {
    async fn say(&mut self, message: &impl Serialize) -> Result<(), CallerGone> {
        if self.oneway {
            return Ok(());
        }
        let mut bytes = serde_json::to_vec(message).map_err(|_| CallerGone)?;
        bytes.push(0);
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let written = timeout(TAKING, self.saying.write(rest)).await;
            match written.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(written @ 1..) => rest = &rest[written..],
                Ok(0) | Err(_) => return Err(CallerGone),
            }
        }
        Ok(())
    }
}

impl Replies for ReplyChannel<'_> {
    async fn send<T: Serialize + Sync>(&mut self, reply: &T, last: bool) -> Result<(), CallerGone> {
        #[derive(Serialize)]
        struct OutgoingReply<'a, T> {
            parameters: &'a T,
            #[serde(skip_serializing_if = "std::ops::Not::not")]
            continues: bool,
        }
        if !last && !self.takes_more() {
            return Err(CallerGone);
        }
        self.say(&OutgoingReply { parameters: reply, continues: !last }).await
    }

    fn takes_more(&self) -> bool {
        self.more && !self.oneway
    }
}

#[cfg(test)]
mod tests {
    use interprocess::os::unix::uds_local_socket::tokio::Stream as OfUnix;
    use tokio::net::UnixStream;
    use tokio::task::JoinHandle;

    use super::*;
    use crate::control::server::room::Callers;
    use crate::control::wire::Sessions;

    /// Lists no sessions, and shows nothing to those who follow.
    #[derive(Clone)]
    struct Empty;

    impl Handler for Empty {
        async fn handle<R: Replies>(
            &self,
            _: Peer,
            call: ControlCall,
            replies: &mut R,
        ) -> Result<(), NoReply> {
            match call {
                ControlCall::Tail(_) => std::future::pending().await,
                ControlCall::Sessions(_)
                | ControlCall::Close(_)
                | ControlCall::Health(_)
                | ControlCall::Allowed
                | ControlCall::Allow(_)
                | ControlCall::Disallow(_) => Ok(replies.send(&Sessions::default(), true).await?),
            }
        }
    }

    /// A caller, and the conversation with him.
    fn begun() -> (UnixStream, JoinHandle<()>) {
        let (caller, ours) = UnixStream::pair().unwrap();
        let stream = Stream::UdSocket(OfUnix::from(ours));
        let (peer, seat) = (Peer { uid: 7, pid: 7 }, Callers::new(1).enter(7, true).unwrap());
        let conversation = CallerConnection::new(stream, peer, Rights::Look, seat, Empty, Arc::default());
        (caller, tokio::spawn(conversation.hold(CancellationToken::new())))
    }

    const SESSIONS: &[u8] = b"{\"method\":\"io.phonework.Sessions\"}\0";
    const ANSWER: &[u8] = b"{\"parameters\":{\"sessions\":[]}}\0";

    async fn answered(caller: &mut UnixStream) {
        let mut answer = vec![0; ANSWER.len()];
        caller.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, ANSWER);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_comes_in_drops_is_waited_for_as_long_as_any() {
        let (mut caller, held) = begun();
        let start = tokio::time::Instant::now();
        for byte in SESSIONS.chunks(1) {
            if caller.write_all(byte).await.is_err() {
                break;
            }
            sleep(Duration::from_secs(3)).await;
        }
        held.await.unwrap();
        let mut said = Vec::new();
        let _ = caller.read_to_end(&mut said).await;
        assert_eq!(said, b"");
        assert!(start.elapsed() < ARRIVING + Duration::from_secs(4), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_again_within_a_minute_stays_and_who_does_not_is_let_go_of() {
        let (mut caller, held) = begun();
        for _ in 0..3 {
            sleep(IDLE - Duration::from_secs(1)).await;
            caller.write_all(SESSIONS).await.unwrap();
            answered(&mut caller).await;
        }
        let start = tokio::time::Instant::now();
        held.await.unwrap();
        assert_eq!(start.elapsed().as_secs(), IDLE.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_of_his_answers_is_given_up() {
        let (mut caller, held) = begun();
        let start = tokio::time::Instant::now();
        // The system keeps so much for him, and no more.
        while timeout(ARRIVING, caller.write_all(SESSIONS)).await.is_ok_and(|sent| sent.is_ok()) {}
        held.await.unwrap();
        assert_eq!(start.elapsed().as_secs(), TAKING.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_said_all_and_still_listens_is_answered_and_who_is_gone_is_let_go_of() {
        let follow = b"{\"method\":\"io.phonework.Tail\",\"more\":true}\0";
        let (mut caller, held) = begun();
        caller.write_all(&[SESSIONS, follow].concat()).await.unwrap();
        caller.shutdown().await.unwrap();
        answered(&mut caller).await;
        sleep(Duration::from_secs(3600)).await;
        assert!(!held.is_finished(), "he follows on");
        drop(caller);
        held.await.unwrap();

        // More than is read ahead.
        let (mut caller, held) = begun();
        caller.write_all(&follow.repeat(3000)).await.unwrap();
        sleep(Duration::from_secs(3600)).await;
        assert!(!held.is_finished(), "he follows on");
        drop(caller);
        held.await.unwrap();
    }
}
