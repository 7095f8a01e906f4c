//! Varlink's framing: every message ends with a NUL byte. Pure.

use bytes::{Buf as _, BytesMut};

/// Maximum length of a request, in bytes.
pub const MAX_REQUEST_BYTES: usize = 64 << 10;

/// Cuts the incoming bytes into messages.
#[derive(Debug, Default)]
pub struct Framing {
    buffer: BytesMut,
    /// Number of bytes at the beginning of the buffer that hold no NUL.
    searched: usize,
}

/// A message is longer than [`MAX_REQUEST_BYTES`]. What follows cannot be cut into messages any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl Framing {
    /// The buffer that incoming bytes are appended to.
    pub fn buffer(&mut self) -> &mut BytesMut {
        self.buffer.reserve(4096);
        &mut self.buffer
    }

    /// Whether the buffer holds so much that nothing more should be read for now.
    #[must_use]
    pub(crate) fn is_full(&self) -> bool {
        self.buffer.len() > MAX_REQUEST_BYTES
    }

    /// Whether the buffer holds the beginning of a message.
    #[must_use]
    pub(crate) fn has_partial(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// The next message, without its NUL; `None` if it is not complete yet.
    ///
    /// # Errors
    /// When the message is too long.
    pub fn take(&mut self) -> Result<Option<BytesMut>, TooLong> {
        let Some(end) = self.buffer[self.searched..].iter().position(|byte| *byte == 0) else {
            self.searched = self.buffer.len();
            return if self.searched > MAX_REQUEST_BYTES { Err(TooLong) } else { Ok(None) };
        };
        let message = self.buffer.split_to(self.searched + end);
        self.buffer.advance(1);
        self.searched = 0;
        if message.len() > MAX_REQUEST_BYTES { Err(TooLong) } else { Ok(Some(message)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(pieces: &[&[u8]]) -> Vec<Result<Vec<u8>, TooLong>> {
        let mut framing = Framing::default();
        let mut all = Vec::new();
        for piece in pieces {
            framing.buffer().extend_from_slice(piece);
            loop {
                match framing.take() {
                    Ok(None) => break,
                    Ok(Some(message)) => all.push(Ok(message.to_vec())),
                    Err(error) => {
                        all.push(Err(error));
                        return all;
                    }
                }
            }
        }
        all
    }

    #[test]
    fn messages_come_out_whole_however_their_bytes_arrive() {
        let text: &[u8] = b"one\0\0three\0fo";
        let expected = [b"one".to_vec(), Vec::new(), b"three".to_vec()].map(Ok);
        assert_eq!(messages(&[text]), expected);
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(messages(&bytes), expected);
    }

    #[test]
    fn a_message_that_is_too_long_is_refused() {
        let longest = vec![b'x'; MAX_REQUEST_BYTES];
        assert_eq!(messages(&[&longest]), []);
        assert_eq!(messages(&[&longest, b"\0"]), [Ok(longest.clone())]);
        assert_eq!(messages(&[&longest, b"x"]), [Err(TooLong)]);
        assert_eq!(messages(&[&longest, b"x\0"]), [Err(TooLong)]);
    }
}
