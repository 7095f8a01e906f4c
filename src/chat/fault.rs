//! Answers to commands that cannot be carried out as they were written.

use super::command::CommandFault;
use crate::language::Language;
use crate::words::{Words, say};

impl Words {
    /// Says what is wrong with a command, and what it takes.
    pub(super) fn fault(self, fault: &CommandFault) -> String {
        match fault {
            CommandFault::NoDirectory => no_directory(self),
            CommandFault::NoNumber => {
                say!(
                    self,
                    "Which session? Type /switch <n>; /list shows the numbers.",
                    "哪个会话？请输入 /switch <编号>；/list 显示编号。"
                )
            }
            CommandFault::NotANumber(text) => {
                say!(self, "“{text}” is not a number.", "“{text}” 不是编号。")
            }
            CommandFault::NotAMode(text) => {
                let expected = self.expected("--mode");
                say!(
                    self,
                    "“{text}” is not a permission mode. The modes are {expected}.",
                    "没有“{text}”这种权限模式。可用的有{expected}。"
                )
            }
            CommandFault::Bypass => say!(
                self,
                "bypassPermissions is not available here: everything would run without asking. acceptEdits asks least.",
                "这里不能用 bypassPermissions：一切都会不经询问就执行。询问最少的是 acceptEdits。"
            ),
            CommandFault::NotALength(text) => say!(
                self,
                "/long takes parts or file, not “{text}”: /long parts sends long answers as several messages, /long file as a file.",
                "/long 后面应为 parts 或 file，而不是“{text}”：/long parts 把长回答分成几条消息，/long file 发成文件。"
            ),
            CommandFault::UnknownOption(option) => say!(
                self,
                "There is no option {option}. The options are --create, --timeout, --idle, --mode and --model.",
                "没有 {option} 这个选项。可用的有 --create、--timeout、--idle、--mode、--model。"
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
                "/approve takes nothing, always or edits, not “{text}”: /approve allows once, /approve always the same rule in this session, /approve edits all edits in this session.",
                "/approve 后面可写 always 或 edits，而不是“{text}”：/approve 仅此一次，/approve always 本会话内同一规则，/approve edits 本会话内的所有修改。"
            ),
            CommandFault::OpenQuote => say!(self, "A quotation mark is not closed.", "引号没有闭合。"),
            CommandFault::SecondDirectory(second) => say!(
                self,
                "/new takes one directory; “{second}” is too much.",
                "/new 只能带一个目录，“{second}”是多余的。"
            ),
            CommandFault::TooMuch(rest) => {
                say!(
                    self,
                    "This command takes nothing more; “{rest}” is too much. See /help.",
                    "这个命令后面没有更多内容，“{rest}”是多余的。见 /help。"
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

/// The answer to `/new` without a directory.
pub(super) fn no_directory(words: Words) -> String {
    say!(
        words,
        "Which directory? /new <dir> [--create] [--timeout 600] [--idle 2h] [--mode M] [--model M]",
        "哪个目录？/new <目录> [--create] [--timeout 600] [--idle 2h] [--mode M] [--model M]"
    )
}
