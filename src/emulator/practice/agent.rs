//! The practice agent at work: turns, permission, interrupts.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Output;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::deed::{self, LABEL, PracticeDeed};
use super::journal::PromptJournal;
use super::lines;
use super::memory::AgentMemory;
use super::permission::Permissions;
use super::texts;

/// The status of an agent that was told to crash.
const CRASHED: u8 = 70;

pub(super) struct Agent<W> {
    pub(super) output: W,
    pub(super) memory: AgentMemory,
    journal: PromptJournal,
    pub(super) model: String,
    pub(super) permissions: Permissions,
    /// Whether it tells the raw events of the model's API.
    pub(super) tells_events: bool,
    inputs: Receiver<AgentInput>,
    /// For the thread that waits for a command.
    pub(super) ran: SyncSender<AgentInput>,
    waiting: VecDeque<AgentMessage>,
    /// What it is to say by itself.
    unasked: VecDeque<String>,
    input_ended: bool,
    last_failed: bool,
}

pub(super) enum AgentInput {
    /// With the moment at which it was read.
    Line(Vec<u8>, Timestamp),
    End,
    Ran(std::io::Result<Output>),
    /// It is time to say this.
    Later(String),
}

struct AgentMessage {
    text: String,
    uuid: Option<Uuid>,
    read: Timestamp,
}

/// What ends a wait within a turn.
pub(super) enum WakeCause {
    Deadline,
    Interrupted,
    InputEnded,
    Answered { request_id: String, response: Value },
    Ran(std::io::Result<Output>),
}

/// How a turn ends.
pub(super) enum TurnEnding {
    Said(String),
    /// With a text that was written already.
    Streamed(String),
    Failed(deed::SimulatedFailure),
    Interrupted {
        reason: &'static str,
    },
    Crashed,
    /// The process ends, with this status.
    Ended(u8),
}

impl<W: Write> Agent<W> {
    pub(super) fn new(
        output: W,
        memory: AgentMemory,
        journal: PromptJournal,
        model: String,
        permissions: Permissions,
        tells_events: bool,
        input: impl Read + Send + 'static,
    ) -> Self {
        let (lines, inputs) = sync_channel(64);
        let ran = lines.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(input).split(b'\n').map_while(Result::ok) {
                if lines.send(AgentInput::Line(line, Timestamp::now())).is_err() {
                    return;
                }
            }
            // Nobody listens to an agent that has ended.
            let _ = lines.send(AgentInput::End);
        });
        let waiting = VecDeque::new();
        Self {
            output,
            memory,
            journal,
            model,
            permissions,
            tells_events,
            inputs,
            ran,
            waiting,
            unasked: VecDeque::new(),
            input_ended: false,
            last_failed: false,
        }
    }

    pub(super) fn run(mut self) -> std::io::Result<u8> {
        loop {
            if let Some(text) = self.unasked.pop_front() {
                self.unasked_turn(&text)?;
            } else if self.waiting.is_empty() {
                if self.input_ended {
                    return Ok(u8::from(self.last_failed));
                }
                // Between turns there is nothing to interrupt and nothing to answer.
                let Ok(input) = self.inputs.recv() else { return Ok(u8::from(self.last_failed)) };
                self.take(input)?;
            } else {
                // Messages that waited are one turn, as in Claude Code.
                let messages: Vec<AgentMessage> = self.waiting.drain(..).collect();
                if let Some(status) = self.turn(&messages)? {
                    return Ok(status);
                }
            }
        }
    }

    /// A status when the agent ends in the turn.
    fn turn(&mut self, messages: &[AgentMessage]) -> std::io::Result<Option<u8>> {
        let texts: Vec<&str> = messages.iter().map(|message| message.text.as_str()).collect();
        let uuids: Vec<Uuid> = messages.iter().filter_map(|message| message.uuid).collect();
        self.memory.begin()?;
        let init = lines::init(self.memory.session(), &self.model, self.permissions.mode());
        self.write(&init)?;
        let read = messages.iter().map(|message| message.read).max().unwrap_or_default();
        let ending = match self.act(PracticeDeed::of(&texts.join("\n")), read)? {
            TurnEnding::Crashed => {
                writeln!(std::io::stderr(), "the practice agent was told to crash")?;
                return Ok(Some(CRASHED));
            }
            TurnEnding::Ended(status) => return Ok(Some(status)),
            TurnEnding::Said(text) => {
                self.say(&text)?;
                json!({"result": text})
            }
            // All of it is there already.
            TurnEnding::Streamed(text) => json!({"result": text}),
            TurnEnding::Failed(failure) => {
                self.write(&lines::failure(self.memory.session(), failure))?;
                json!({"result": failure.words, "is_error": true, "terminal_reason": "api_error",
                       "api_error_status": failure.status})
            }
            TurnEnding::Interrupted { reason } => {
                json!({"subtype": "error_during_execution", "is_error": true,
                "terminal_reason": reason, "errors": ["[ede_diagnostic] practice agent interrupted"]})
            }
        };
        self.last_failed = ending["is_error"] == true;
        let result = lines::result(self.memory.session(), &self.model, &uuids, &ending);
        self.write(&result)?;
        Ok(None)
    }

    fn act(&mut self, deed: PracticeDeed, read: Timestamp) -> std::io::Result<TurnEnding> {
        Ok(match deed {
            PracticeDeed::Echo(text) => TurnEnding::Said(text),
            PracticeDeed::Say { length, texts } => {
                let text = texts::say(length / texts);
                for _ in 1..texts {
                    self.say(&text)?;
                }
                TurnEnding::Said(text)
            }
            PracticeDeed::Slow(time) => return self.slow(time),
            PracticeDeed::Stamp => TurnEnding::Said(texts::stamp(read, Timestamp::now())),
            PracticeDeed::Hang => loop {
                if matches!(self.wait(None)?, WakeCause::InputEnded) {
                    std::thread::park();
                }
            },
            PracticeDeed::Run(command) => return self.ask_and_run(&command),
            PracticeDeed::AskOften(times) => return self.ask_often(times),
            PracticeDeed::Stream { words, time } => return self.stream(words, time),
            PracticeDeed::Work { times, bytes, time } => return self.work(times, bytes, time),
            PracticeDeed::WriteFile { file, text } => return self.write_file(&file, &text),
            PracticeDeed::Edit(change) => {
                let change = change.as_ref().map(|[file, old, new]| (&**file, &**old, &**new));
                return self.edit_file(change);
            }
            PracticeDeed::Fetch(url) => return self.fetch(&url),
            PracticeDeed::Ask { many } => return self.question(many),
            PracticeDeed::Plan => return self.plan(),
            PracticeDeed::Remember(text) => {
                self.memory.remember(&text)?;
                TurnEnding::Said(format!("{LABEL} I will remember: {text}"))
            }
            PracticeDeed::Recall => TurnEnding::Said(match self.memory.recall() {
                nothing if nothing.is_empty() => format!("{LABEL} There is nothing that I remember."),
                text => format!("{LABEL} I remember: {text}"),
            }),
            PracticeDeed::Crash => TurnEnding::Crashed,
            PracticeDeed::Quit => TurnEnding::Ended(0),
            PracticeDeed::Mute => return self.mute(),
            PracticeDeed::Garbage => return self.garbage(),
            PracticeDeed::Babble => return self.babble(),
            PracticeDeed::Flood(megabytes) => return self.flood(megabytes),
            PracticeDeed::Compact => {
                self.write(&lines::compacted(self.memory.session()))?;
                TurnEnding::Said(format!("{LABEL} I have made room."))
            }
            PracticeDeed::Later(time, text) => self.later(time, text),
            PracticeDeed::Fail(failure) => TurnEnding::Failed(failure),
            PracticeDeed::Chat(prompt) => TurnEnding::Said(texts::chat(&prompt)),
        })
    }

    fn slow(&mut self, time: Duration) -> std::io::Result<TurnEnding> {
        let deadline = Instant::now().checked_add(time);
        loop {
            match self.wait(deadline)? {
                WakeCause::Deadline => {
                    let text = format!("{LABEL} That took {} seconds.", time.as_secs_f64());
                    return Ok(TurnEnding::Said(text));
                }
                WakeCause::Interrupted => {
                    self.say_cut(&format!("{LABEL} That to"))?;
                    return Ok(TurnEnding::Interrupted { reason: "aborted_streaming" });
                }
                WakeCause::InputEnded | WakeCause::Answered { .. } | WakeCause::Ran(_) => {}
            }
        }
    }

    /// Waits for what a turn waits for, and does meanwhile what can be done at any time.
    pub(super) fn wait(&mut self, deadline: Option<Instant>) -> std::io::Result<WakeCause> {
        loop {
            let left = deadline.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
            match self.inputs.recv_timeout(left) {
                Ok(input) => {
                    if let Some(woken) = self.take(input)? {
                        return Ok(woken);
                    }
                }
                Err(RecvTimeoutError::Timeout) => return Ok(WakeCause::Deadline),
                // Not while `ran` is kept here.
                Err(RecvTimeoutError::Disconnected) => return Ok(WakeCause::InputEnded),
            }
        }
    }

    fn take(&mut self, input: AgentInput) -> std::io::Result<Option<WakeCause>> {
        let (line, read) = match input {
            AgentInput::Line(line, _) if line.trim_ascii().is_empty() => return Ok(None),
            AgentInput::Line(line, read) => (line, read),
            AgentInput::End => {
                self.input_ended = true;
                return Ok(Some(WakeCause::InputEnded));
            }
            AgentInput::Ran(output) => return Ok(Some(WakeCause::Ran(output))),
            AgentInput::Later(text) => {
                self.unasked.push_back(text);
                return Ok(None);
            }
        };
        let line: Value = serde_json::from_slice(&line)
            .map_err(|error| std::io::Error::other(format!("Error parsing streaming input line: {error}")))?;
        match line["type"].as_str() {
            Some("user") => {
                let message = message(&line, read)?;
                self.journal.note(&message.text)?;
                self.waiting.push_back(message);
            }
            Some("control_request") => return self.control(&line),
            Some("control_response") => {
                let response = &line["response"];
                return Ok(response["request_id"].as_str().map(|request_id| WakeCause::Answered {
                    request_id: request_id.to_owned(),
                    response: response["response"].clone(),
                }));
            }
            Some(_) | None => {}
        }
        Ok(None)
    }

    fn control(&mut self, line: &Value) -> std::io::Result<Option<WakeCause>> {
        let request_id = line["request_id"].as_str().unwrap_or_default();
        match line["request"]["subtype"].as_str() {
            Some("initialize") => {
                let response = json!({"commands": [{"name": "cost"}], "models": [], "claude_code_version": super::VERSION,
                    "current_permission_mode": self.permissions.mode(), "pid": std::process::id()});
                self.write(&lines::reply(request_id, &response))?;
                Ok(None)
            }
            Some("interrupt") => {
                let queued: Vec<Uuid> = self.waiting.iter().filter_map(|message| message.uuid).collect();
                self.write(&lines::reply(request_id, &json!({"still_queued": queued})))?;
                Ok(Some(WakeCause::Interrupted))
            }
            Some("set_permission_mode") => {
                let mode = line["request"]["mode"].as_str().unwrap_or_default();
                let set = self.permissions.set_mode(mode).map(str::to_owned);
                match set {
                    Ok(mode) => {
                        self.write(&lines::reply(request_id, &json!({ "mode": mode })))?;
                        self.write(&lines::mode(self.memory.session(), &mode))?;
                    }
                    Err(code) => self.write(&lines::refusal(request_id, code))?,
                }
                Ok(None)
            }
            Some("apply_flag_settings") => {
                self.permissions.apply(&line["request"]["settings"]);
                self.write(&lines::done(request_id))?;
                Ok(None)
            }
            Some("set_model") => {
                let model = line["request"]["model"].as_str().filter(|model| *model != "default");
                model.unwrap_or("practice").clone_into(&mut self.model);
                self.write(&lines::reply(request_id, &json!({ "model": self.model })))?;
                Ok(None)
            }
            Some(_) | None => {
                self.write(&lines::refusal(request_id, "unsupported_request"))?;
                Ok(None)
            }
        }
    }

    pub(super) fn write(&mut self, message: &Value) -> std::io::Result<()> {
        lines::write(&mut self.output, message)
    }
}

fn message(line: &Value, read: Timestamp) -> std::io::Result<AgentMessage> {
    if line["message"]["role"] != "user" {
        return Err(std::io::Error::other("Expected message role 'user'"));
    }
    let content = &line["message"]["content"];
    let text = match content.as_array() {
        Some(blocks) => {
            blocks.iter().filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
        }
        None => content.as_str().unwrap_or_default().to_owned(),
    };
    let uuid = line["uuid"].as_str().and_then(|uuid| uuid.parse().ok());
    Ok(AgentMessage { text, uuid, read })
}
