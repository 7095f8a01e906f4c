//! What is said to a command that cannot be followed as it stands.

use super::command::Fault;
use crate::language::Language;
use crate::words::{Words, say};

impl Words {
    /// To a command that cannot be followed as it stands.
    pub(super) fn fault(self, fault: &Fault) -> String {
        match fault {
            Fault::NoDirectory => say!(
                self,
                "Which directory? /new <dir> [--create] [--timeout 600] [--idle 2h] [--mode M] [--model M]",
                "哪个目录？/new <目录> [--create] [--timeout 600] [--idle 2h] [--mode M] [--model M]"
            ),
            Fault::NoNumber => {
                say!(self, "Which session? /switch <n>, see /list.", "哪个会话？/switch <编号>，见 /list。")
            }
            Fault::NotANumber(text) => {
                say!(self, "“{text}” is not a number of /list.", "“{text}” 不是 /list 中的编号。")
            }
            Fault::UnknownOption(option) => say!(
                self,
                "I do not know {option}; there are --create, --timeout, --idle, --mode and --model.",
                "没有 {option} 这个选项；可用 --create、--timeout、--idle、--mode、--model。"
            ),
            Fault::NoValue(option) => say!(self, "{option} needs a value.", "{option} 需要一个值。"),
            Fault::BadValue { option, value } => {
                let expected = self.expected(option);
                say!(
                    self,
                    "{option} takes {expected}, not “{value}”.",
                    "{option} 应为{expected}，而不是“{value}”。"
                )
            }
            Fault::OpenQuote => say!(self, "A quote is not closed.", "引号没有闭合。"),
            Fault::TooMuch(rest) => {
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
