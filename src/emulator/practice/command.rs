//! A command: leave for it is asked, then it runs.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;

use super::agent::{Agent, AgentInput, TurnEnding, WakeCause};
use super::deed::LABEL;
use super::lines::ToolOutput;
use super::tool::ToolPermission;

/// Of a command's output this much is told, as in Claude Code.
const OUTPUT_SHOWN: usize = 30_000;

/// How a command ended.
enum CommandEnd {
    Said(String),
    Failed(String),
    Refused(String),
    Interrupted,
}

impl<W: Write> Agent<W> {
    pub(super) fn ask_and_run(&mut self, command: &str) -> std::io::Result<TurnEnding> {
        Ok(match self.command(command)? {
            CommandEnd::Said(text) => TurnEnding::Said(format!("{LABEL} The command said:\n{text}")),
            CommandEnd::Failed(text) => TurnEnding::Said(format!("{LABEL} The command failed:\n{text}")),
            CommandEnd::Refused(message) => TurnEnding::Said(format!("{LABEL} I did not run it: {message}")),
            CommandEnd::Interrupted => TurnEnding::Interrupted { reason: "aborted_tools" },
        })
    }

    /// One command after the other, each with its own question.
    pub(super) fn ask_often(&mut self, times: usize) -> std::io::Result<TurnEnding> {
        let (mut allowed, mut denied) = (0, 0);
        for number in 1..=times {
            match self.command(&format!("echo {number}"))? {
                CommandEnd::Said(_) | CommandEnd::Failed(_) => allowed += 1,
                CommandEnd::Refused(_) => denied += 1,
                CommandEnd::Interrupted => return Ok(TurnEnding::Interrupted { reason: "aborted_tools" }),
            }
        }
        Ok(TurnEnding::Said(format!("{LABEL} Of {times} commands {allowed} ran and {denied} did not.")))
    }

    fn command(&mut self, command: &str) -> std::io::Result<CommandEnd> {
        let input = json!({"command": command, "description": "a command to practise with"});
        let tool_use = match self.leave_for("Bash", input)? {
            ToolPermission::Given(tool_use) => tool_use,
            ToolPermission::Refused(message) => return Ok(CommandEnd::Refused(message)),
            ToolPermission::Interrupted => return Ok(CommandEnd::Interrupted),
        };
        let Some(output) = self.execute(tool_use.input["command"].as_str().unwrap_or_default())? else {
            return Ok(CommandEnd::Interrupted);
        };
        let (result, ran) = match output {
            Ok(output) if output.status.success() => {
                let (stdout, stderr) = (shown(&output.stdout), shown(&output.stderr));
                let details =
                    json!({"stdout": stdout, "stderr": stderr, "interrupted": false, "isImage": false});
                let text = format!("{stdout}{stderr}");
                let told = if text.is_empty() { "(Bash completed with no output)" } else { &text };
                (ToolOutput::of(told, details), CommandEnd::Said(text))
            }
            Ok(output) => {
                let text = shown(&[&output.stdout[..], &output.stderr].concat());
                let status = output.status.code().unwrap_or(1);
                (ToolOutput::error(&format!("Exit code {status}\n{text}")), CommandEnd::Failed(text))
            }
            Err(error) => (ToolOutput::error(&error.to_string()), CommandEnd::Failed(error.to_string())),
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
        std::thread::spawn(move || ran.send(AgentInput::Ran(child.wait_with_output())));
        let mut interrupted = false;
        loop {
            match self.wait(None)? {
                WakeCause::Ran(output) => return Ok(Some(output).filter(|_| !interrupted)),
                WakeCause::Interrupted => {
                    interrupted = true;
                    // It may have ended just now.
                    let _ = kill_process_group(group, Signal::KILL);
                }
                WakeCause::Deadline | WakeCause::InputEnded | WakeCause::Answered { .. } => {}
            }
        }
    }
}

fn shown(output: &[u8]) -> String {
    String::from_utf8_lossy(output).chars().take(OUTPUT_SHOWN).collect()
}
