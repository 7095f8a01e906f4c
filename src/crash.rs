//! Crash points: the places on a message's way at which a test has the daemon die, a write fail, or the disk take its
//! time.
//!
//! They are there only with the feature `crash-points`, which is for tests: without it these functions are empty and
//! leave nothing in the program. With it, the variable `PHONEWORK_CRASH` says what happens and where, as
//! `inbox-write:die@2`: the second time that something passes there. In place of `die` (SIGKILL) stands, at what ends
//! in `-write`, `fail` (the write does not happen), anywhere `wait=500` (it takes that many milliseconds longer), and in
//! place of `2` a span such as `2-9`. Several are separated by commas; `count` alone only has each pass logged.

#[cfg(feature = "crash-points")]
mod armed;

#[cfg(feature = "crash-points")]
pub use armed::{at, write};

macro_rules! points {
    ($($(#[$doc:meta])* $point:ident = $name:literal,)*) => {
        /// A place on a message's way.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Point {
            $($(#[$doc])* $point,)*
        }

        #[cfg(feature = "crash-points")]
        impl Point {
            /// Every crash point, in the order of a message's way through the daemon.
            pub const ALL: &[Self] = &[$(Self::$point,)*];

            /// Its name in `PHONEWORK_CRASH`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$point => $name,)*
                }
            }
        }
    };
}

points! {
    /// An event's frame is read from the socket.
    FrameReceived = "frame-received",
    /// The event is understood.
    EventRead = "event-read",
    /// A message is about to be committed to the inbox.
    InboxWrite = "inbox-write",
    /// The message is in the inbox, committed.
    InboxCommitted = "inbox-committed",
    /// An event that is no message is about to be committed.
    EventWrite = "event-write",
    /// The event is on record, committed.
    EventCommitted = "event-committed",
    /// The answer to an event is handed to the connection.
    AckHanded = "ack-handed",
    /// The answer is about to be written to the socket.
    AckSending = "ack-sending",
    /// The answer is written to the socket.
    AckSent = "ack-sent",
    /// The router has the message.
    MessageRouted = "message-routed",
    /// The router has learnt that a message was taken back.
    RecallRouted = "recall-routed",
    /// A person is asked about messages that came too late.
    StaleAsked = "stale-asked",
    /// A message's session is about to be committed.
    AssignmentWrite = "assignment-write",
    /// A turn is about to be committed.
    TurnWrite = "turn-write",
    /// The turn is on record, committed.
    TurnCommitted = "turn-committed",
    /// A line is about to be written to Claude.
    LineSending = "line-sending",
    /// The line is written to Claude.
    LineSent = "line-sent",
    /// Claude has begun a turn.
    InitHeard = "init-heard",
    /// Claude's result is there.
    ResultHeard = "result-heard",
    /// A settlement of messages or a turn is about to be committed.
    SettlementWrite = "settlement-write",
    /// The settlement is committed.
    SettlementCommitted = "settlement-committed",
    /// A line of the audit log is about to be appended to its file.
    AuditLineWrite = "audit-line-write",
    /// The line is in the audit file.
    AuditLineWritten = "audit-line-written",
    /// It is about to be committed that the line is written.
    AuditMarkWrite = "audit-mark-write",
    /// It is on record, committed, that the line is written.
    AuditMarked = "audit-marked",
    /// A post is taken from the outbox.
    PostTaken = "post-taken",
    /// A request of the post is about to be sent to Feishu.
    RequestSending = "request-sending",
    /// Feishu has answered the request.
    RequestAnswered = "request-answered",
    /// How far a document has been sent is about to be committed.
    PlacementWrite = "placement-write",
    /// Feishu's confirmation is about to be committed.
    ConfirmationWrite = "confirmation-write",
    /// Feishu's confirmation is on record, committed.
    ConfirmationCommitted = "confirmation-committed",
    /// `sessions.json` is to be replaced.
    SessionsWrite = "sessions-write",
    /// Its next contents are on disk in a file beside it.
    SessionsReplaceWrite = "sessions-replace-write",
    /// They stand in its place.
    SessionsReplaced = "sessions-replaced",
}

/// Called where a message's way passes a point.
#[cfg(not(feature = "crash-points"))]
#[inline]
pub fn at(_: Point) {}

/// Called where something is about to be written.
///
/// # Errors
/// When a test has the write fail.
#[cfg(not(feature = "crash-points"))]
#[inline]
pub fn write(_: Point) -> std::io::Result<()> {
    Ok(())
}
