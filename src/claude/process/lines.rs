//! Reads a pipe: whole lines up to a maximum length, or only its last bytes.

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::sync::CancellationToken;

use super::PIPE_DRAIN_TIMEOUT;

/// One line without its newline.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum OutputLine {
    Whole(BytesMut),
    /// The line was longer than allowed and was dropped.
    TooLong,
}

/// Splits what comes out of a pipe into lines.
pub(super) struct OutputLines<R> {
    pipe: R,
    max_len: usize,
    /// Bytes that were read and not yet returned; there is no newline before `searched`.
    buffer: BytesMut,
    searched: usize,
    /// The current line is too long, so its bytes are dropped.
    skipping: bool,
    ended: bool,
}

impl<R: AsyncRead + Unpin> OutputLines<R> {
    pub(super) fn new(pipe: R, max_len: usize) -> Self {
        Self { pipe, max_len, buffer: BytesMut::new(), searched: 0, skipping: false, ended: false }
    }

    /// The next line; `None` at the end of the pipe. The last line needs no newline.
    pub(super) async fn next(&mut self, exited: &CancellationToken) -> Option<OutputLine> {
        loop {
            if let Some(line) = self.take_line() {
                return Some(line);
            }
            if self.ended {
                return None;
            }
            self.ended = !read_some(&mut self.pipe, &mut self.buffer, exited).await;
        }
    }

    fn take_line(&mut self) -> Option<OutputLine> {
        let newline = self.buffer[self.searched..].iter().position(|&byte| byte == b'\n');
        let Some(end) = newline.map(|at| self.searched + at) else {
            self.searched = self.buffer.len();
            if self.buffer.len() > self.max_len {
                self.skipping = true;
            }
            if self.skipping {
                self.buffer = BytesMut::new();
                self.searched = 0;
            }
            let is_last = self.ended && (self.skipping || !self.buffer.is_empty());
            return is_last.then(|| self.split_line(self.buffer.len()));
        };
        let line = self.split_line(end);
        let _newline = self.buffer.split_to(1);
        Some(line)
    }

    fn split_line(&mut self, length: usize) -> OutputLine {
        self.searched = 0;
        let line = self.buffer.split_to(length);
        let too_long = std::mem::take(&mut self.skipping) || line.len() > self.max_len;
        if too_long { OutputLine::TooLong } else { OutputLine::Whole(line) }
    }
}

/// Reads a pipe to its end and returns its last `max_len` bytes as text.
pub(super) async fn tail(
    mut pipe: impl AsyncRead + Unpin,
    max_len: usize,
    exited: &CancellationToken,
) -> String {
    let mut end = BytesMut::new();
    while read_some(&mut pipe, &mut end, exited).await {
        end = end.split_off(end.len().saturating_sub(max_len));
    }
    String::from_utf8_lossy(&end).into_owned()
}

/// Appends what there is to the buffer; false at the end. An error of the pipe counts as its end, and so does silence
/// after `exited`: then a process that escaped holds the pipe open.
async fn read_some(
    pipe: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
    exited: &CancellationToken,
) -> bool {
    const CHUNK: usize = 64 * 1024;
    buffer.reserve(CHUNK);
    tokio::select! {
        biased;
        read = pipe.read_buf(buffer) => read.is_ok_and(|bytes| bytes > 0),
        () = async { exited.cancelled().await; tokio::time::sleep(PIPE_DRAIN_TIMEOUT).await } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(input: &[u8], max_len: usize) -> Vec<OutputLine> {
        let exited = CancellationToken::new();
        let mut lines = OutputLines::new(input, max_len);
        let mut all = Vec::new();
        while let Some(line) = lines.next(&exited).await {
            all.push(line);
        }
        all
    }

    fn whole(line: &str) -> OutputLine {
        OutputLine::Whole(line.as_bytes().into())
    }

    #[tokio::test]
    async fn lines_are_returned_whole_and_the_last_needs_no_newline() {
        assert_eq!(lines(b"a\n\nbc\nd", 10).await, [whole("a"), whole(""), whole("bc"), whole("d")]);
        assert_eq!(lines(b"", 10).await, []);
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_dropped_and_the_next_is_read() {
        let long = "x".repeat(300_000);
        let input = format!("a\n{long}\nb\n{long}");
        assert_eq!(
            lines(input.as_bytes(), 200_000).await,
            [whole("a"), OutputLine::TooLong, whole("b"), OutputLine::TooLong]
        );
        assert_eq!(lines(input.as_bytes(), 300_000).await[1], whole(&long));
        assert_eq!(lines(b"abcd\nabc\n", 3).await, [OutputLine::TooLong, whole("abc")]);
    }

    #[tokio::test]
    async fn only_the_end_of_stderr_is_kept() {
        let input = format!("{}the reason\n", "x".repeat(200_000));
        assert_eq!(tail(input.as_bytes(), 11, &CancellationToken::new()).await, "the reason\n");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pipe_that_an_escaped_process_holds_ends_after_the_exit() {
        let (_held, pipe) = tokio::io::duplex(8);
        let exited = CancellationToken::new();
        exited.cancel();
        assert_eq!(OutputLines::new(pipe, 10).next(&exited).await, None);
    }
}
