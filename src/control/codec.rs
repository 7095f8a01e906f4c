//! Varlink's framing: messages that each end with a NUL. Pure.

use bytes::{Buf as _, BytesMut};

/// A client's message is no longer, in bytes.
pub const LONGEST_REQUEST: usize = 64 << 10;

/// Takes bytes in and gives messages out.
#[derive(Debug, Default)]
pub struct Framing {
    buffer: BytesMut,
    /// So much of the buffer has no NUL in it.
    searched: usize,
}

/// A message is longer than it may be: what follows cannot be told apart any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl Framing {
    /// Where further bytes go.
    pub fn room(&mut self) -> &mut BytesMut {
        self.buffer.reserve(4096);
        &mut self.buffer
    }

    /// Whether so much waits that nothing more should be read for now.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.buffer.len() > LONGEST_REQUEST
    }

    /// Whether a message has begun and not ended.
    #[must_use]
    pub fn is_within(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// The next whole message, without its NUL; none while it has not ended.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn take(&mut self) -> Result<Option<BytesMut>, TooLong> {
        let Some(end) = self.buffer[self.searched..].iter().position(|byte| *byte == 0) else {
            self.searched = self.buffer.len();
            return if self.searched > LONGEST_REQUEST { Err(TooLong) } else { Ok(None) };
        };
        let message = self.buffer.split_to(self.searched + end);
        self.buffer.advance(1);
        self.searched = 0;
        if message.len() > LONGEST_REQUEST { Err(TooLong) } else { Ok(Some(message)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(pieces: &[&[u8]]) -> Vec<Result<Vec<u8>, TooLong>> {
        let mut framing = Framing::default();
        let mut all = Vec::new();
        for piece in pieces {
            framing.room().extend_from_slice(piece);
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
    fn messages_come_whole_however_their_bytes_arrive() {
        let text: &[u8] = b"one\0\0three\0fo";
        let expected = [b"one".to_vec(), Vec::new(), b"three".to_vec()].map(Ok);
        assert_eq!(messages(&[text]), expected);
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(messages(&bytes), expected);
    }

    #[test]
    fn a_message_that_does_not_end_is_not_kept() {
        let longest = vec![b'x'; LONGEST_REQUEST];
        assert_eq!(messages(&[&longest]), []);
        assert_eq!(messages(&[&longest, b"\0"]), [Ok(longest.clone())]);
        assert_eq!(messages(&[&longest, b"x"]), [Err(TooLong)]);
        assert_eq!(messages(&[&longest, b"x\0"]), [Err(TooLong)]);
    }
}
