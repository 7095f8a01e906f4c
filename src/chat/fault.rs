//! What is said to a command that cannot be followed as it stands.

use super::command::CommandFault;
use crate::language::Language;
use crate::words::{Words, say};

impl Words {
    /// To a command that cannot be followed as it stands.
    pub(super) fn fault(self, fault: &CommandFault) -> String {
        match fault {
            CommandFault::NoDirectory => no_directory(self),
            CommandFault::NoNumber => {
                say!(self, "Which session? /switch <n>, see /list.", "哪个会话？/switch <编号>，见 /list。")
            }
            CommandFault::NotANumber(text) => {
                say!(self, "“{text}” is no number.", "“{text}” 不是编号。")
            }
            CommandFault::NotAMode(text) => {
                let expected = self.expected("--mode");
                say!(
                    self,
                    "“{text}” is no permission mode; there are {expected}.",
                    "没有“{text}”这种权限模式；可用{expected}。"
                )
            }
            CommandFault::Bypass => say!(
                self,
                "bypassPermissions would run everything unasked. That needs a sandbox, which this version does not have.",
                "bypassPermissions 会不经询问执行一切，需要沙箱，而此版本没有沙箱。"
            ),
            CommandFault::NotALength(text) => say!(
                self,
                "“{text}” is not possible: /long parts sends long answers as several messages, /long file as a file.",
                "不能为“{text}”：/long parts 把长回答分成几条消息，/long file 发成文件。"
            ),
            CommandFault::UnknownOption(option) => say!(
                self,
                "I do not know {option}; there are --create, --timeout, --idle, --mode and --model.",
                "没有 {option} 这个选项；可用 --create、--timeout、--idle、--mode、--model。"
            ),
            CommandFault::NoValue(option) => say!(self, "{option} needs a value.", "{option} 需要一个值。"),
            CommandFault::BadValue { option, value } => {
                let expected = self.expected(option);
                say!(
                    self,
                    "{option} takes {expected}, not “{value}”.",
                    "{option} 应为{expected}，而不是“{value}”。"
                )
            }
            CommandFault::NotAnAllowScope(text) => say!(
                self,
                "{text} is not how far a leave can go: /approve is for once, /approve always for this rule in this session, /approve edits for edits in this session.",
                "{text} 不是可用的范围：/approve 仅此一次，/approve always 本会话内同一规则，/approve edits 本会话内的修改。"
            ),
            CommandFault::OpenQuote => say!(self, "A quote is not closed.", "引号没有闭合。"),
            CommandFault::TooMuch(rest) => {
                say!(
                    self,
                    "“{rest}” is more than this command takes; see /help.",
                    "多余的内容：“{rest}”，见 /help。"
                )
            }
        }
    }

    fn expected(self, option: &str) -> String {
        match option {
            "--mode" => say!(
                self,
                "default, acceptEdits, plan, dontAsk or auto",
                " default、acceptEdits、plan、dontAsk 或 auto"
            ),
            "--model" => say!(self, "a model's name", "模型名"),
            _ => say!(self, "seconds or a time like 10m or 2h", "秒数或 10m、2h 这样的时间"),
        }
    }
}

/// To `/new` without a directory.
pub(super) fn no_directory(words: Words) -> String {
    say!(
        words,
        "Which directory? /new <dir> [--create] [--timeout 600] [--idle 2h] [--mode M] [--model M]",
        "哪个目录？/new <目录> [--create] [--timeout 600] [--idle 2h] [--mode M] [--model M]"
    )
}
