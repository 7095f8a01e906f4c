//! The control socket, over which operators' commands reach the daemon.
//!
//! It speaks Varlink (JSON messages, each ended by a NUL, over a Unix stream socket), so that any Varlink client can
//! use it. `io.phonework.varlink`, beside this file, defines and documents the interface.
//!
//! Who may connect is up to the mode of the socket and of its directory. What a caller may do is decided in one place,
//! [`peer`], by the credentials that the kernel gives. The server does not know what the calls do: it parses them, checks
//! who calls, and passes them to a [`Handler`].

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

/// The caller of a connection, as the kernel names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The caller's user id.
    pub uid: u32,
    /// The id of the process that connected.
    pub pid: i32,
}

/// Sends the replies to one call.
pub trait Replies: Send {
    /// Sends a reply; `last` ends the call. Waits until the client has read enough to make room for it.
    ///
    /// # Errors
    /// [`CallerGone`] when the client has disconnected, is too slow, or takes only one reply. Nothing more can be sent
    /// then.
    fn send<T: Serialize + Sync>(
        &mut self,
        reply: &T,
        last: bool,
    ) -> impl Future<Output = Result<(), CallerGone>> + Send;

    /// Whether the client accepts more than one reply.
    fn takes_more(&self) -> bool;
}

/// The caller no longer takes replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallerGone;

/// Why a call ends without its last reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoReply {
    /// The call is answered with this error.
    Refused(ControlError),
    /// The call has several replies, but the caller accepts only one.
    ExpectedMore,
    /// The caller no longer takes replies.
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

/// Answers the calls of `io.phonework`.
pub trait Handler: Clone + Send + Sync + 'static {
    /// Answers one call. The server has checked that the peer may make it.
    fn handle<R: Replies>(
        &self,
        peer: Peer,
        call: ControlCall,
        replies: &mut R,
    ) -> impl Future<Output = Result<(), NoReply>> + Send;
}
