//! What the agent does wrong when it is told to, and what it does unasked.

use std::io::Write;
use std::time::Duration;

use serde_json::json;

use super::agent::{Agent, AgentInput, TurnEnding};
use super::deed::LABEL;
use super::lines;

impl<W: Write> Agent<W> {
    /// A turn that nobody asked for, as the end of a background command makes Claude Code begin one.
    pub(super) fn unasked_turn(&mut self, text: &str) -> std::io::Result<()> {
        self.write(&lines::init(self.memory.session(), &self.model, self.permissions.mode()))?;
        self.say(text)?;
        let ending = json!({"result": text, "origin": {"kind": "task-notification"}});
        self.write(&lines::result(self.memory.session(), &self.model, &[], &ending))
    }

    /// Says no more, though it does not end.
    pub(super) fn mute(&mut self) -> std::io::Result<TurnEnding> {
        // The process's own, which is what `output` writes to.
        let nowhere = std::fs::OpenOptions::new().write(true).open("/dev/null")?;
        rustix::stdio::dup2_stdout(nowhere)?;
        loop {
            std::thread::park();
        }
    }

    pub(super) fn garbage(&mut self) -> std::io::Result<TurnEnding> {
        self.output.write_all(b"no JSON\n{\"type\":\n\xff\xfe\n")?;
        Ok(TurnEnding::Said(format!("{LABEL} That was garbage.")))
    }

    pub(super) fn babble(&mut self) -> std::io::Result<TurnEnding> {
        loop {
            self.output.write_all(b"y\n")?;
        }
    }

    pub(super) fn flood(&mut self, megabytes: usize) -> std::io::Result<TurnEnding> {
        self.write(&lines::flood(self.memory.session(), megabytes))?;
        Ok(TurnEnding::Said(format!("{LABEL} That was a flood.")))
    }

    pub(super) fn later(&mut self, time: Duration, text: String) -> TurnEnding {
        let later = self.ran.clone();
        std::thread::spawn(move || {
            std::thread::sleep(time);
            // Nobody listens to an agent that has ended.
            let _ = later.send(AgentInput::Later(text));
        });
        TurnEnding::Said(format!("{LABEL} I will say that."))
    }
}
