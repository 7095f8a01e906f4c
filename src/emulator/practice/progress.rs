//! Turns that take their time: text that comes word by word, and tool after tool.

use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::json;

use super::agent::{Agent, TurnEnding, WakeCause};
use super::deed::LABEL;
use super::lines::ToolOutput;
use super::texts;

/// Milliseconds within which Claude Code joins deltas.
const HOLD: &str = "CLAUDE_CODE_STREAM_EVENT_HOLD_MS";

impl<W: Write> Agent<W> {
    /// Says a number of words over a length of time, a few at a time.
    pub(super) fn stream(&mut self, count: usize, time: Duration) -> std::io::Result<TurnEnding> {
        let words = texts::words(count);
        let hold = std::env::var(HOLD)
            .ok()
            .and_then(|hold| hold.parse().ok())
            .map_or(Duration::ZERO, Duration::from_millis);
        let pieces = texts::pieces(&words, time, hold);
        let call = self.speech_begins()?;
        let begun = Instant::now();
        let mut said = String::new();
        for (number, piece) in (0_u32..).zip(&pieces) {
            let due = begun + time * number / u32::try_from(pieces.len()).unwrap_or(u32::MAX);
            if self.interrupted_before(due)? {
                self.speech_is_cut(&call, &said)?;
                return Ok(TurnEnding::Interrupted { reason: "aborted_streaming" });
            }
            said.push_str(piece);
            self.piece(piece)?;
        }
        if self.interrupted_before(begun + time)? {
            self.speech_is_cut(&call, &said)?;
            return Ok(TurnEnding::Interrupted { reason: "aborted_streaming" });
        }
        self.speech_ends(&call, &said)?;
        Ok(TurnEnding::Streamed(said))
    }

    /// Uses a number of tools that need no permission, with results of a given size.
    pub(super) fn work(&mut self, times: usize, bytes: usize, time: Duration) -> std::io::Result<TurnEnding> {
        let begun = Instant::now();
        let share = u32::try_from(times).unwrap_or(u32::MAX);
        for number in 1..=times {
            let command = format!("cat step-{number}.txt");
            let input = json!({"command": command, "description": format!("step {number} of {times}")});
            let tool_use = self.announce("Bash", input)?;
            if self.interrupted_before(begun + time * u32::try_from(number).unwrap_or(u32::MAX) / share)? {
                return Ok(TurnEnding::Interrupted { reason: "aborted_tools" });
            }
            let output = texts::output(number, bytes);
            let details = json!({"stdout": output, "stderr": "", "interrupted": false, "isImage": false});
            self.tell(&tool_use.id, &ToolOutput::of(output, details))?;
        }
        Ok(TurnEnding::Said(format!("{LABEL} I have used {times} tools.")))
    }

    /// Whether the turn is interrupted before this moment, which it waits for.
    fn interrupted_before(&mut self, due: Instant) -> std::io::Result<bool> {
        loop {
            // What came meanwhile is heard even where nothing is waited for.
            match self.wait(Some(due))? {
                WakeCause::Deadline => return Ok(false),
                WakeCause::Interrupted => return Ok(true),
                WakeCause::InputEnded | WakeCause::Answered { .. } | WakeCause::Ran(_) => {}
            }
        }
    }
}
