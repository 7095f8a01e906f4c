//! A command: leave for it is asked, then it runs.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use uuid::Uuid;

use super::agent::{Agent, Ending, Input, Woken};
use super::deed::LABEL;
use super::lines;

/// Of a command's output this much is told, as in Claude Code.
const OUTPUT_SHOWN: usize = 30_000;

impl<W: Write> Agent<W> {
    pub(super) fn ask_and_run(&mut self, command: &str) -> std::io::Result<Ending> {
        let tool_use_id = format!("toolu_{}", Uuid::new_v4().simple());
        let mut input = json!({"command": command, "description": "a command to practise with"});
        let tool_use = lines::tool_use(self.memory.session(), &tool_use_id, &input);
        self.write(&tool_use)?;
        let answer = if self.mode == "bypassPermissions" {
            json!({"behavior": "allow"})
        } else {
            match self.ask(&tool_use_id, &input)? {
                Some(answer) => answer,
                None => return Ok(Ending::Interrupted { reason: "aborted_tools" }),
            }
        };
        if answer["behavior"] != "allow" {
            let message = answer["message"].as_str().unwrap_or("The answer was invalid.");
            let refused = lines::tool_result(self.memory.session(), &tool_use_id, message, true);
            self.write(&refused)?;
            return Ok(Ending::Said(format!("{LABEL} I did not run it: {message}")));
        }
        if let Some(updated) = answer.get("updatedInput").filter(|updated| updated["command"].is_string()) {
            input = updated.clone();
        }
        let Some(output) = self.execute(input["command"].as_str().unwrap_or_default())? else {
            return Ok(Ending::Interrupted { reason: "aborted_tools" });
        };
        let (text, failed) = match output {
            Ok(output) => (shown(&output), !output.status.success()),
            Err(error) => (error.to_string(), true),
        };
        let result = lines::tool_result(self.memory.session(), &tool_use_id, &text, failed);
        self.write(&result)?;
        Ok(Ending::Said(format!("{LABEL} The command {}:\n{text}", if failed { "failed" } else { "said" })))
    }

    /// The answer to a permission request; none when it was interrupted.
    fn ask(&mut self, tool_use_id: &str, input: &Value) -> std::io::Result<Option<Value>> {
        let asked = Uuid::new_v4().to_string();
        self.write(&lines::permission_request(&asked, tool_use_id, input))?;
        loop {
            match self.wait(None)? {
                Woken::Answered { request_id, response } if request_id == asked => return Ok(Some(response)),
                Woken::Interrupted => {
                    self.write(&lines::withdrawal(&asked))?;
                    return Ok(None);
                }
                Woken::InputEnded => {
                    return Ok(Some(json!({"behavior": "deny", "message": "stream closed"})));
                }
                Woken::Answered { .. } | Woken::Deadline | Woken::Ran(_) => {}
            }
        }
    }

    /// The command's output, or why it did not run; none when it was interrupted.
    fn execute(&mut self, command: &str) -> std::io::Result<Option<std::io::Result<Output>>> {
        let shell = Command::new("sh")
            .args(["-c", command])
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let child = match shell {
            Ok(child) => child,
            Err(error) => return Ok(Some(Err(error))),
        };
        let group = Pid::from_child(&child);
        let ran = self.ran.clone();
        std::thread::spawn(move || ran.send(Input::Ran(child.wait_with_output())));
        let mut interrupted = false;
        loop {
            match self.wait(None)? {
                Woken::Ran(output) => return Ok(Some(output).filter(|_| !interrupted)),
                Woken::Interrupted => {
                    interrupted = true;
                    // It may have ended just now.
                    let _ = kill_process_group(group, Signal::KILL);
                }
                Woken::Deadline | Woken::InputEnded | Woken::Answered { .. } => {}
            }
        }
    }
}

fn shown(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8_lossy(&text).chars().take(OUTPUT_SHOWN).collect()
}
