//! The control socket: how an operator's commands reach the daemon.
//!
//! It speaks Varlink (JSON messages, each ended by a NUL, over a Unix stream socket), so that any Varlink client can
//! use it. `io.phonework.varlink`, beside this file, defines and documents the interface.
//!
//! Who may connect is the business of the socket's mode and directory; who may change something is decided in one
//! place, by the credentials that the kernel gives. The server knows nothing of what the calls do: it reads them,
//! checks who calls, and hands them to a [`Handler`].

pub mod client;
pub mod codec;
pub mod listener;
pub mod peer;
pub mod request;
pub mod server;
pub mod wire;

use std::future::Future;

use serde::Serialize;
use wire::{ControlCall, ControlError};

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The user.
    pub uid: u32,
    /// The process that connected.
    pub pid: i32,
}

/// The way of replies to one call.
pub trait Replies: Send {
    /// Sends a reply; `last` ends the call. Waits until the client has room for it.
    ///
    /// # Errors
    /// [`CallerGone`] when the client is gone or too slow, or did not ask for more than one reply: nothing more is to be said.
    fn send<T: Serialize + Sync>(
        &mut self,
        reply: &T,
        last: bool,
    ) -> impl Future<Output = Result<(), CallerGone>> + Send;

    /// Whether the client takes more than one reply.
    fn takes_more(&self) -> bool;
}

/// Nobody waits for a reply any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallerGone;

/// Why a call has no further replies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoReply {
    /// It is answered with this error.
    Refused(ControlError),
    /// It has too many replies for a caller that takes one.
    ExpectedMore,
    /// Nobody waits.
    Gone,
}

impl From<CallerGone> for NoReply {
    fn from(CallerGone: CallerGone) -> Self {
        Self::Gone
    }
}

impl From<ControlError> for NoReply {
    fn from(refusal: ControlError) -> Self {
        Self::Refused(refusal)
    }
}

/// What answers calls.
pub trait Handler: Clone + Send + Sync + 'static {
    /// Answers one call, of a peer that may make it.
    fn handle<R: Replies>(
        &self,
        peer: Peer,
        call: ControlCall,
        replies: &mut R,
    ) -> impl Future<Output = Result<(), NoReply>> + Send;
}
