//! A command: leave for it is asked, then it runs.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;

use super::agent::{Agent, Ending, Input, Woken};
use super::deed::LABEL;
use super::lines::Result;
use super::tool::Leave;

/// Of a command's output this much is told, as in Claude Code.
const OUTPUT_SHOWN: usize = 30_000;

/// How a command ended.
enum Ran {
    Said(String),
    Failed(String),
    Refused(String),
    Interrupted,
}

impl<W: Write> Agent<W> {
    pub(super) fn ask_and_run(&mut self, command: &str) -> std::io::Result<Ending> {
        Ok(match self.command(command)? {
            Ran::Said(text) => Ending::Said(format!("{LABEL} The command said:\n{text}")),
            Ran::Failed(text) => Ending::Said(format!("{LABEL} The command failed:\n{text}")),
            Ran::Refused(message) => Ending::Said(format!("{LABEL} I did not run it: {message}")),
            Ran::Interrupted => Ending::Interrupted { reason: "aborted_tools" },
        })
    }

    /// One command after the other, each with its own question.
    pub(super) fn ask_often(&mut self, times: usize) -> std::io::Result<Ending> {
        let (mut allowed, mut denied) = (0, 0);
        for number in 1..=times {
            match self.command(&format!("echo {number}"))? {
                Ran::Said(_) | Ran::Failed(_) => allowed += 1,
                Ran::Refused(_) => denied += 1,
                Ran::Interrupted => return Ok(Ending::Interrupted { reason: "aborted_tools" }),
            }
        }
        Ok(Ending::Said(format!("{LABEL} Of {times} commands {allowed} ran and {denied} did not.")))
    }

    fn command(&mut self, command: &str) -> std::io::Result<Ran> {
        let input = json!({"command": command, "description": "a command to practise with"});
        let tool_use = match self.leave_for("Bash", input)? {
            Leave::Given(tool_use) => tool_use,
            Leave::Refused(message) => return Ok(Ran::Refused(message)),
            Leave::Interrupted => return Ok(Ran::Interrupted),
        };
        let Some(output) = self.execute(tool_use.input["command"].as_str().unwrap_or_default())? else {
            return Ok(Ran::Interrupted);
        };
        let (result, ran) = match output {
            Ok(output) if output.status.success() => {
                let (stdout, stderr) = (shown(&output.stdout), shown(&output.stderr));
                let details =
                    json!({"stdout": stdout, "stderr": stderr, "interrupted": false, "isImage": false});
                let text = format!("{stdout}{stderr}");
                let told = if text.is_empty() { "(Bash completed with no output)" } else { &text };
                (Result::of(told, details), Ran::Said(text))
            }
            Ok(output) => {
                let text = shown(&[&output.stdout[..], &output.stderr].concat());
                let status = output.status.code().unwrap_or(1);
                (Result::error(&format!("Exit code {status}\n{text}")), Ran::Failed(text))
            }
            Err(error) => (Result::error(&error.to_string()), Ran::Failed(error.to_string())),
        };
        self.tell(&tool_use.id, &result)?;
        Ok(ran)
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

fn shown(output: &[u8]) -> String {
    String::from_utf8_lossy(output).chars().take(OUTPUT_SHOWN).collect()
}
