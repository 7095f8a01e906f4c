//! The sentences of [`super`], in a table for each language.

use super::Cause;
use crate::claude::launch::LaunchError;
use crate::language::Language;

/// A sentence about a failed turn; `words` are Claude Code's own words about it.
pub(super) fn turn(cause: Cause, words: Option<&str>, language: Language) -> String {
    let (sentence, shows_words) = match language {
        Language::En => english(cause),
        Language::Zh => chinese(cause),
    };
    if cause == Cause::Unknown && words.is_none() {
        return match language {
            Language::En => "The turn failed and Claude Code gave no reason.",
            Language::Zh => "这一轮失败了，Claude Code 没有说明原因。",
        }
        .to_owned();
    }
    let sentence = if let Cause::ServerError(status) = cause {
        sentence.replace("{status}", &status.to_string())
    } else {
        sentence.to_owned()
    };
    match (words.filter(|_| shows_words), language) {
        (None, _) => sentence,
        (Some(words), Language::En) => format!("{sentence} Claude Code says: {words}"),
        (Some(words), Language::Zh) => format!("{sentence}Claude Code 的提示：{words}"),
    }
}

/// The sentence, and whether Claude Code's words add something to it.
fn english(cause: Cause) -> (&'static str, bool) {
    match cause {
        Cause::Interrupted => ("The turn was stopped.", false),
        Cause::NotLoggedIn => (
            "Claude Code is not logged in on this machine. The operator can run `claude` there and log in, or put \
             ANTHROPIC_API_KEY into CLAUDE_ENV in the keyring.",
            false,
        ),
        Cause::KeyRefused => (
            "Anthropic refused the credentials of this machine. The operator should log in to Claude Code again, or \
             correct the key in CLAUDE_ENV in the keyring.",
            true,
        ),
        Cause::Forbidden => ("The account of this machine is not allowed to do this.", true),
        Cause::ModelUnknown => {
            ("The model does not exist, or not for this account: start a session with another.", true)
        }
        Cause::NoCredit => ("The account of this machine has no credit left.", true),
        Cause::RateLimited => ("Claude's usage limit is reached.", true),
        Cause::Overloaded => {
            ("Anthropic's servers are overloaded: try again in a few minutes with /retry.", false)
        }
        Cause::ServerError(_) => {
            ("Anthropic's servers failed (HTTP {status}): try again in a few minutes with /retry.", false)
        }
        Cause::Unreachable => {
            ("Claude Code could not reach the API: check the network of this machine, then /retry.", true)
        }
        Cause::ContextFull => (
            "The conversation has grown too long for the model: send /compact, or start a new one with /new.",
            false,
        ),
        Cause::TooLarge => (
            "The request has grown too large for the API, by its images for the most part: send /compact, or start \
             a new session with /new.",
            false,
        ),
        Cause::BadRequest => ("The API refused the request.", true),
        Cause::Refused => ("The model declined to answer.", true),
        Cause::TooManyCalls => {
            ("The turn reached the most steps that it may take: say \"go on\" to continue.", true)
        }
        Cause::BudgetSpent => ("The money that this session may cost is spent.", true),
        Cause::ConversationMissing => (
            "Claude Code does not have this conversation any more, so it cannot be continued: start a new one with \
             /new.",
            false,
        ),
        Cause::ConversationExists => {
            ("Claude Code already has a conversation of this id: start a new one with /new.", false)
        }
        Cause::NotClaude => (
            "What runs as Claude Code does not speak its language and was ended: the operator should check \
             CLAUDE_COMMAND in the keyring.",
            false,
        ),
        Cause::Stuck => (
            "A process of this turn was killed and does not end: the kernel holds it, as on a disk that does not \
             answer. The operator should look at this machine.",
            false,
        ),
        Cause::OverLimit => (
            "The session used more memory, or more processes, than it may, and was ended. /retry runs the prompt again; \
             the operator can raise LIMITS in the keyring.",
            false,
        ),
        Cause::InputBlocked => {
            ("Claude Code did not read what it was sent and was ended: /retry runs it again.", false)
        }
        Cause::Unknown => ("The turn failed.", true),
    }
}

fn chinese(cause: Cause) -> (&'static str, bool) {
    match cause {
        Cause::Interrupted => ("这一轮已停止。", false),
        Cause::NotLoggedIn => (
            "这台机器上的 Claude Code 尚未登录。请管理员在机器上运行 `claude` 登录，或在 keyring 的 CLAUDE_ENV 中设置 \
             ANTHROPIC_API_KEY。",
            false,
        ),
        Cause::KeyRefused => (
            "Anthropic 拒绝了这台机器的凭据。请管理员重新登录 Claude Code，或改正 keyring 的 CLAUDE_ENV 中的密钥。",
            true,
        ),
        Cause::Forbidden => ("这台机器的账号没有权限执行此操作。", true),
        Cause::ModelUnknown => ("该模型不存在，或此账号无权使用：请换一个模型新建会话。", true),
        Cause::NoCredit => ("这台机器的账号余额不足。", true),
        Cause::RateLimited => ("Claude 的用量已达上限。", true),
        Cause::Overloaded => ("Anthropic 服务器过载：请过几分钟用 /retry 重试。", false),
        Cause::ServerError(_) => ("Anthropic 服务器出错（HTTP {status}）：请过几分钟用 /retry 重试。", false),
        Cause::Unreachable => ("Claude Code 无法连接 API：请检查这台机器的网络，然后用 /retry 重试。", true),
        Cause::ContextFull => ("对话太长，模型已容纳不下：请发送 /compact，或用 /new 新建会话。", false),
        Cause::TooLarge => {
            ("请求太大（多半是图片所致），API 无法接受：请发送 /compact，或用 /new 新建会话。", false)
        }
        Cause::BadRequest => ("API 拒绝了这个请求。", true),
        Cause::Refused => ("模型拒绝回答。", true),
        Cause::TooManyCalls => ("这一轮已达到步数上限：发送“继续”即可接着做。", true),
        Cause::BudgetSpent => ("这个会话的费用额度已用完。", true),
        Cause::ConversationMissing => {
            ("Claude Code 已没有这段对话的记录，无法继续：请用 /new 新建会话。", false)
        }
        Cause::ConversationExists => ("Claude Code 中已有相同编号的对话：请用 /new 新建会话。", false),
        Cause::NotClaude => (
            "运行的程序不是 Claude Code（无法识别其输出），已终止：请管理员检查 keyring 中的 CLAUDE_COMMAND。",
            false,
        ),
        Cause::Stuck => (
            "这一轮的一个进程已被终止却没有退出：它被内核占住（例如磁盘没有响应）。请管理员检查这台机器。",
            false,
        ),
        Cause::OverLimit => (
            "会话占用的内存或进程数超过上限，已被结束。/retry 可重新运行；管理员可在 keyring 的 LIMITS 中调高上限。",
            false,
        ),
        Cause::InputBlocked => ("Claude Code 没有读取发给它的内容，已终止：/retry 重新执行。", false),
        Cause::Unknown => ("这一轮失败了。", true),
    }
}

pub(super) fn exit(
    code: Option<i32>,
    signal: Option<i32>,
    last_line: Option<&str>,
    language: Language,
) -> String {
    let sentence = match (language, code, signal) {
        (Language::En, Some(126 | 127), _) => {
            "Claude Code could not be run: the operator should check CLAUDE_COMMAND in the keyring."
                .to_owned()
        }
        (Language::Zh, Some(126 | 127), _) => {
            "Claude Code 无法运行：请管理员检查 keyring 中的 CLAUDE_COMMAND。".to_owned()
        }
        (Language::En, _, Some(9)) => {
            "Claude Code was killed (signal 9); the machine may be short of memory.".to_owned()
        }
        (Language::Zh, _, Some(9)) => "Claude Code 被终止（信号 9），机器内存可能不足。".to_owned(),
        (Language::En, _, Some(signal)) => format!("Claude Code was ended by signal {signal}."),
        (Language::Zh, _, Some(signal)) => format!("Claude Code 被信号 {signal} 终止。"),
        (Language::En, Some(code), None) => format!("Claude Code ended unexpectedly (exit status {code})."),
        (Language::Zh, Some(code), None) => format!("Claude Code 意外退出（退出码 {code}）。"),
        (Language::En, None, None) => "Claude Code ended unexpectedly.".to_owned(),
        (Language::Zh, None, None) => "Claude Code 意外退出。".to_owned(),
    };
    match (last_line, language) {
        (None, _) => sentence,
        (Some(line), Language::En) => format!("{sentence} Its last words: {line}"),
        (Some(line), Language::Zh) => format!("{sentence}最后的输出：{line}"),
    }
}

pub(super) fn launch(error: &LaunchError, language: Language) -> String {
    match (language, error) {
        (Language::En, error) => format!("Claude Code cannot be started: {error}."),
        (Language::Zh, LaunchError::ProgramMissing { command }) => format!(
            "无法启动 Claude Code：找不到 `{command}`。请安装 Claude Code，或在 keyring 中把 CLAUDE_COMMAND \
             设为该程序的完整路径。"
        ),
        (Language::Zh, LaunchError::ProgramNotExecutable { path }) => format!(
            "无法启动 Claude Code：{} 不是可执行文件。请在 keyring 中把 CLAUDE_COMMAND 设为可执行的程序。",
            path.display()
        ),
        (Language::Zh, LaunchError::ProjectMissing { path }) => {
            format!(
                "无法启动 Claude Code：目录 {} 不存在或无法进入。请重新创建它，或在别处新建会话。",
                path.display()
            )
        }
        (Language::Zh, LaunchError::NoSandbox { why }) => {
            format!("无法启动 Claude Code：沙箱不可用，而没有沙箱就不会运行：{why}。")
        }
        (Language::Zh, LaunchError::DiskSilent) => {
            "无法启动 Claude Code：项目或 CLAUDE_COMMAND 所在的磁盘没有响应。".to_owned()
        }
        (Language::Zh, LaunchError::Spawn(error)) => format!("无法启动 Claude Code：{error}。"),
    }
}
