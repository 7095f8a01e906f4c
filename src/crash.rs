//! Crash points: the places on a message's way at which a test has the daemon die, a write fail, or the disk take its
//! time.
//!
//! They are there only with the feature `crash-points`, which is for tests: without it these functions are empty and
//! leave nothing in the program. With it, the variable `PHONEWORK_CRASH` says what happens and where, as
//! `inbox-write:die@2`: the second time that something passes there. In place of `die` (SIGKILL) stands, at what ends
//! in `-write`, `fail` (the write does not happen), anywhere `wait=500` (it takes so many milliseconds longer), and in
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
            /// All of them.
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
    /// A message goes into the inbox; not committed.
    InboxWrite = "inbox-write",
    /// It is committed.
    InboxCommitted = "inbox-committed",
    /// Something that is no message is put on record; not committed.
    EventWrite = "event-write",
    /// It is committed.
    EventCommitted = "event-committed",
    /// The answer to an event is handed to the connection.
    AckHanded = "ack-handed",
    /// The answer is about to be written to the socket.
    AckSending = "ack-sending",
    /// It is written.
    AckSent = "ack-sent",
    /// The router has the message.
    MessageRouted = "message-routed",
    /// The router has learnt that a message was taken back.
    RecallRouted = "recall-routed",
    /// A person is asked about messages that came too late.
    StaleAsked = "stale-asked",
    /// A message is assigned to a session; not committed.
    AssignmentWrite = "assignment-write",
    /// A turn is put on record; not committed.
    TurnWrite = "turn-write",
    /// It is committed.
    TurnCommitted = "turn-committed",
    /// A line is about to be written to Claude.
    LineSending = "line-sending",
    /// It is written.
    LineSent = "line-sent",
    /// Claude has begun a turn.
    InitHeard = "init-heard",
    /// Claude's result is there.
    ResultHeard = "result-heard",
    /// Messages or a turn are settled; not committed.
    SettlementWrite = "settlement-write",
    /// They are committed.
    SettlementCommitted = "settlement-committed",
    /// A line of the audit log is appended to its file.
    AuditLineWrite = "audit-line-write",
    /// It is in the file.
    AuditLineWritten = "audit-line-written",
    /// The line is taken off the list; not committed.
    AuditMarkWrite = "audit-mark-write",
    /// That is committed.
    AuditMarked = "audit-marked",
    /// A post is taken from the outbox.
    PostTaken = "post-taken",
    /// It is about to be sent to Feishu.
    RequestSending = "request-sending",
    /// Feishu has answered.
    RequestAnswered = "request-answered",
    /// How far a document has come is noted; not committed.
    PlacementWrite = "placement-write",
    /// Feishu's confirmation is noted; not committed.
    ConfirmationWrite = "confirmation-write",
    /// It is committed.
    ConfirmationCommitted = "confirmation-committed",
    /// `sessions.json` is to be replaced.
    SessionsWrite = "sessions-write",
    /// Its next contents are on disk in a file beside it.
    SessionsReplaceWrite = "sessions-replace-write",
    /// They stand in its place.
    SessionsReplaced = "sessions-replaced",
}

/// Something passes a point.
#[cfg(not(feature = "crash-points"))]
#[inline]
pub fn at(_: Point) {}

/// Something is about to be written.
///
/// # Errors
/// When a test has the write fail.
#[cfg(not(feature = "crash-points"))]
#[inline]
pub fn write(_: Point) -> std::io::Result<()> {
    Ok(())
}
