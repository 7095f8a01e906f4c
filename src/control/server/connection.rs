//! One caller's connection, from its first byte to its last.

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

use super::callers::{CallerActivity, CallerSlot};
use super::operator_change::{self, OperatorChange};
use super::warnings::Warnings;
use crate::control::codec::{Framing, TooLong};
use crate::control::peer::Rights;
use crate::control::request::{self, Request, RequestFault, RequestedCall, SERVICE};
use crate::control::wire::{ControlCall, ControlError, INTERFACE};
use crate::control::{CallerGone, Handler, NoReply, Peer, Replies};

/// A caller that sends no request for this long is disconnected.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Maximum time from the first byte of a request to its last.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// A caller that reads nothing of a reply for this long is disconnected.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often to check whether a caller that has closed its sending side still reads.
const HANGUP_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// One connection, with what the server knows about the caller.
pub(super) struct CallerConnection<H> {
    input: CallerInput,
    output: Arc<Stream>,
    peer: Peer,
    rights: Rights,
    slot: CallerSlot,
    handler: H,
    refusals: Arc<Warnings>,
}

impl<H: Handler> CallerConnection<H> {
    pub(super) fn new(
        stream: Stream,
        peer: Peer,
        rights: Rights,
        slot: CallerSlot,
        handler: H,
        refusals: Arc<Warnings>,
    ) -> Self {
        let output = Arc::new(stream);
        let input = CallerInput { stream: Arc::clone(&output), framing: Framing::default(), ended: false };
        Self { input, output, peer, rights, slot, handler, refusals }
    }

    /// Answers calls until the caller disconnects, sends something that is not a request, or is evicted, or the daemon
    /// stops.
    pub(super) async fn serve(mut self, stop: CancellationToken) {
        let disconnect = Disconnect { evicted: self.slot.evicted(), stop };
        loop {
            let message = tokio::select! {
                () = disconnect.comes() => return,
                message = self.input.message() => message,
            };
            let request = match message {
                Ok(Some(message)) => request::read(&message),
                Ok(None) => return,
                Err(TooLong) => None,
            };
            let Some(request) = request else {
                // What follows cannot be parsed either, so this is the last reply.
                let not_a_request = RequestFault::InvalidParameter("message".to_owned()).reply();
                let mut answers = ReplyChannel { output: &self.output, more: false, oneway: false };
                let _ = disconnect.or(answers.write(&not_a_request)).await;
                return;
            };
            if self.answer(request, &disconnect).await.is_err() {
                return;
            }
            self.slot.set_activity(CallerActivity::Idle(Instant::now()));
        }
    }

    async fn answer(&mut self, request: Request, disconnect: &Disconnect) -> Result<(), CallerGone> {
        let Request { call, more, oneway } = request;
        let mut answers = ReplyChannel { output: &self.output, more, oneway };
        let call = match call {
            Ok(RequestedCall::Call(call)) => call,
            Ok(RequestedCall::Info) => {
                return disconnect.or(answers.write(&json!({ "parameters": info() }))).await;
            }
            Ok(RequestedCall::Description(text)) => {
                return disconnect.or(answers.write(&json!({ "parameters": { "description": text } }))).await;
            }
            Err(fault) => return disconnect.or(answers.write(&fault.reply())).await,
        };
        if let Err(reason) = permitted(&self.rights, &call) {
            self.warn_of(operator_change::name(&call), reason);
            return disconnect
                .or(answers.write(&error(&ControlError::Forbidden { reason: reason.to_owned() })))
                .await;
        }
        let change = OperatorChange::of(&call, self.peer);
        self.slot.set_activity(if change.is_some() {
            CallerActivity::Changing
        } else {
            CallerActivity::Reading(Instant::now())
        });
        let handled = {
            let mut handling = pin!(self.handler.handle(self.peer, call, &mut answers));
            if change.is_some() {
                // A change that has begun is finished and logged, whether or not the caller still waits.
                handling.await
            } else {
                tokio::select! {
                    handled = &mut handling => handled,
                    // So that a hang-up is noticed even while there is nothing to send.
                    () = self.input.hung_up() => Err(NoReply::Gone),
                    () = disconnect.comes() => Err(NoReply::Gone),
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
        disconnect.or(answers.write(&error)).await
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

/// Ends a connection from the server's side.
struct Disconnect {
    /// Cancelled when another caller takes the slot.
    evicted: CancellationToken,
    stop: CancellationToken,
}

impl Disconnect {
    async fn comes(&self) {
        tokio::select! {
            () = self.evicted.cancelled() => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// Writes until the connection is to end.
    async fn or(&self, writing: impl Future<Output = Result<(), CallerGone>>) -> Result<(), CallerGone> {
        tokio::select! {
            () = self.comes() => Err(CallerGone),
            written = writing => written,
        }
    }
}

/// Whether the caller may make this call. Every call is checked here.
fn permitted(rights: &Rights, call: &ControlCall) -> Result<(), &'static str> {
    match rights {
        Rights::None(reason) => Err(reason),
        Rights::Read if call.changes() => {
            Err("this is for root, for the daemon's own user, and for members of the socket's group")
        }
        Rights::Read | Rights::Change => Ok(()),
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
    // Serializing cannot fail: all fields are text.
    serde_json::to_value(refusal).unwrap_or_default()
}

/// The requests of a caller.
struct CallerInput {
    stream: Arc<Stream>,
    framing: Framing,
    /// Whether the caller has closed its sending side.
    ended: bool,
}

impl CallerInput {
    /// The next message; `None` when no more will come.
    ///
    /// # Errors
    /// When the message is too long.
    async fn message(&mut self) -> Result<Option<Vec<u8>>, TooLong> {
        let call_of = tokio::time::Instant::now() + IDLE_TIMEOUT;
        let mut request_deadline = None;
        loop {
            if let Some(message) = self.framing.take()? {
                return Ok(Some(message.to_vec()));
            }
            if self.ended {
                return Ok(None);
            }
            let deadline = if self.framing.has_partial() {
                *request_deadline.get_or_insert_with(|| tokio::time::Instant::now() + REQUEST_TIMEOUT)
            } else {
                call_of
            };
            match timeout_at(deadline, (&*self.stream).read_buf(self.framing.buffer())).await {
                Ok(Ok(1..)) => {}
                Ok(Ok(0) | Err(_)) => self.ended = true,
                Err(_) => return Ok(None),
            }
        }
    }

    /// Resolves when the caller has hung up. Requests that arrive in the meantime are buffered, up to a limit.
    async fn hung_up(&mut self) {
        while !self.ended && !self.framing.is_full() {
            self.ended = !matches!((&*self.stream).read_buf(self.framing.buffer()).await, Ok(1..));
        }
        // A caller that has closed its sending side may still read.
        let Stream::UdSocket(stream) = &*self.stream;
        while stream.inner().ready(Interest::WRITABLE).await.is_ok_and(|ready| !ready.is_write_closed()) {
            sleep(HANGUP_POLL_INTERVAL).await;
        }
    }
}

/// Writes the replies to one call.
struct ReplyChannel<'a> {
    output: &'a Stream,
    more: bool,
    oneway: bool,
}

impl ReplyChannel<'_> {
    async fn write(&mut self, message: &impl Serialize) -> Result<(), CallerGone> {
        if self.oneway {
            return Ok(());
        }
        let mut bytes = serde_json::to_vec(message).map_err(|_| CallerGone)?;
        bytes.push(0);
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let written = timeout(WRITE_TIMEOUT, self.output.write(rest)).await;
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
        self.write(&OutgoingReply { parameters: reply, continues: !last }).await
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
    use crate::control::server::callers::Callers;
    use crate::control::wire::Sessions;

    /// Lists no sessions, and never replies to `Tail`.
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

    /// A caller and the task that serves it.
    fn connected() -> (UnixStream, JoinHandle<()>) {
        let (caller, ours) = UnixStream::pair().unwrap();
        let stream = Stream::UdSocket(OfUnix::from(ours));
        let (peer, slot) = (Peer { uid: 7, pid: 7 }, Callers::new(1).admit(7, true).unwrap());
        let connection = CallerConnection::new(stream, peer, Rights::Read, slot, Empty, Arc::default());
        (caller, tokio::spawn(connection.serve(CancellationToken::new())))
    }

    const SESSIONS: &[u8] = b"{\"method\":\"io.phonework.Sessions\"}\0";
    const ANSWER: &[u8] = b"{\"parameters\":{\"sessions\":[]}}\0";

    async fn answered(caller: &mut UnixStream) {
        let mut answer = vec![0; ANSWER.len()];
        caller.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, ANSWER);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_arrives_byte_by_byte_gets_no_extra_time() {
        let (mut caller, served) = connected();
        let start = tokio::time::Instant::now();
        for byte in SESSIONS.chunks(1) {
            if caller.write_all(byte).await.is_err() {
                break;
            }
            sleep(Duration::from_secs(3)).await;
        }
        served.await.unwrap();
        let mut replies = Vec::new();
        let _ = caller.read_to_end(&mut replies).await;
        assert_eq!(replies, b"");
        assert!(start.elapsed() < REQUEST_TIMEOUT + Duration::from_secs(4), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_is_idle_for_a_minute_is_disconnected() {
        let (mut caller, served) = connected();
        for _ in 0..3 {
            sleep(IDLE_TIMEOUT - Duration::from_secs(1)).await;
            caller.write_all(SESSIONS).await.unwrap();
            answered(&mut caller).await;
        }
        let start = tokio::time::Instant::now();
        served.await.unwrap();
        assert_eq!(start.elapsed().as_secs(), IDLE_TIMEOUT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_reads_no_replies_is_disconnected() {
        let (mut caller, served) = connected();
        let start = tokio::time::Instant::now();
        // The system buffers a limited number of bytes.
        while timeout(REQUEST_TIMEOUT, caller.write_all(SESSIONS)).await.is_ok_and(|sent| sent.is_ok()) {}
        served.await.unwrap();
        assert_eq!(start.elapsed().as_secs(), WRITE_TIMEOUT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_only_reads_is_still_answered_and_one_that_has_gone_is_disconnected() {
        let follow = b"{\"method\":\"io.phonework.Tail\",\"more\":true}\0";
        let (mut caller, served) = connected();
        caller.write_all(&[SESSIONS, follow].concat()).await.unwrap();
        caller.shutdown().await.unwrap();
        answered(&mut caller).await;
        sleep(Duration::from_secs(3600)).await;
        assert!(!served.is_finished(), "it still follows");
        drop(caller);
        served.await.unwrap();

        // More requests than are buffered.
        let (mut caller, served) = connected();
        caller.write_all(&follow.repeat(3000)).await.unwrap();
        sleep(Duration::from_secs(3600)).await;
        assert!(!served.is_finished(), "it still follows");
        drop(caller);
        served.await.unwrap();
    }
}
