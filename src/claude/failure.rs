//! Turns failures of Claude Code into sentences that a person can act on.
//!
//! Failures are told apart by the API's status, Claude Code's own kind of error and the reason why the turn ended, not
//! by Claude Code's words. The words are passed on if they hold what a person needs (when a limit ends), or if the
//! failure is unknown. The only exception is a refused start: there Claude Code gives nothing but words.

mod sentences;

use super::launch::LaunchError;
use super::process::ProcessExit;
use super::wire::TurnResult;
use crate::language::Language;
use crate::sandbox::limits::OVER_LIMIT;
use crate::terminal_text;

/// Why a turn failed. Two causes are different if they ask somebody to do different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Somebody stopped the turn.
    Interrupted,
    /// Claude Code has no credentials, or its subscription login has expired.
    NotLoggedIn,
    /// The API refused the credentials.
    KeyRefused,
    /// The account is not allowed to do this.
    Forbidden,
    /// The model does not exist, or not for this account.
    ModelUnknown,
    /// The account has no credit.
    NoCredit,
    /// A limit on requests or of the subscription is used up.
    RateLimited,
    /// Anthropic's servers are overloaded.
    Overloaded,
    /// The API failed with this HTTP status.
    ServerError(u16),
    /// The API did not answer at all.
    Unreachable,
    /// The conversation no longer fits into the model's context.
    ContextFull,
    /// The request is too large, mostly because of images.
    TooLarge,
    /// The API rejected the request as invalid.
    BadRequest,
    /// The model declined to answer.
    Refused,
    /// The turn reached the maximum number of model calls.
    TooManyCalls,
    /// The session's budget is spent.
    BudgetSpent,
    /// The conversation to resume is not on Claude Code's disk: a new one is needed.
    ConversationMissing,
    /// A conversation was to be begun under an id that exists already.
    ConversationExists,
    /// The program does not write Claude Code's lines.
    NotClaude,
    /// The process does not read its input.
    InputBlocked,
    /// A killed process does not end.
    Stuck,
    /// The session's processes exceeded their resource limits and were ended.
    OverLimit,
    /// None of the above.
    Unknown,
}

/// Why a turn failed; `None` if it went well. `error` is the newest [`super::wire::Assistant::error`] of the turn.
#[must_use]
pub fn cause(result: &TurnResult, error: Option<&str>) -> Option<Cause> {
    if result.is_interrupted() {
        return Some(Cause::Interrupted);
    }
    if !result.is_error {
        return None;
    }
    let reason = result.terminal_reason.as_deref();
    if result.refused {
        return Some(Cause::Refused);
    }
    Some(match (reason, error, result.api_error_status) {
        (Some("prompt_too_long"), _, _) => Cause::ContextFull,
        (Some("image_error"), _, _) | (_, _, Some(413)) => Cause::TooLarge,
        (Some("max_turns"), _, _) => Cause::TooManyCalls,
        (Some("budget_exhausted"), _, _) => Cause::BudgetSpent,
        (_, _, Some(401)) => Cause::KeyRefused,
        (_, _, Some(403)) => Cause::Forbidden,
        (_, Some("authentication_failed"), _) => Cause::NotLoggedIn,
        (_, Some("billing_error"), _) | (_, _, Some(402)) => Cause::NoCredit,
        (_, Some("model_not_found"), _) | (_, _, Some(404)) => Cause::ModelUnknown,
        (_, Some("rate_limit"), _) | (_, _, Some(429)) => Cause::RateLimited,
        (_, Some("overloaded"), _) | (_, _, Some(529)) => Cause::Overloaded,
        (_, _, Some(status @ 500..)) => Cause::ServerError(status),
        (_, Some("server_error"), None) => Cause::Unreachable,
        (_, _, Some(400..500)) | (_, Some("invalid_request"), _) => Cause::BadRequest,
        (_, Some("refusal"), _) => Cause::Refused,
        (None, _, None) if result.num_turns == 0 => start_cause(&result.errors.join("\n")),
        (_, _, _) => Cause::Unknown,
    })
}

/// Why a process ended before its first turn, as its stderr tells.
#[must_use]
pub fn exit_cause(exit: &ProcessExit) -> Cause {
    start_cause(&exit.stderr)
}

/// A sentence about the failure of a turn, for the person whose turn it was; `None` if it went well.
#[must_use]
pub(crate) fn explain(result: &TurnResult, error: Option<&str>, language: Language) -> Option<String> {
    let cause = cause(result, error)?;
    let words = result.text.clone().filter(|text| !text.trim().is_empty()).or_else(|| {
        // Diagnostics for Claude Code's developers help nobody here.
        let readable = result.errors.iter().filter(|error| !error.starts_with("[ede_diagnostic]"));
        Some(readable.cloned().collect::<Vec<_>>().join("\n")).filter(|words| !words.is_empty())
    });
    let words = words.map(|words| terminal_text::readable(&words));
    Some(sentences::turn(cause, words.as_deref(), language))
}

/// A sentence about a failure that neither a line nor an exit reports.
pub(crate) fn sentence(cause: Cause, language: Language) -> String {
    sentences::turn(cause, None, language)
}

/// A sentence about a process that ended although nobody asked it to.
#[must_use]
pub(crate) fn explain_exit(exit: &ProcessExit, language: Language) -> String {
    let stderr = terminal_text::readable(&exit.stderr);
    let last_line = stderr.lines().map(str::trim).rfind(|line| !line.is_empty());
    let cause = exit_cause(exit);
    if cause == Cause::Unknown {
        sentences::exit(exit.code, exit.signal, last_line, language)
    } else {
        sentences::turn(cause, None, language)
    }
}

/// A sentence about a process that could not be started. It may name paths, which the owner of the session knows anyway.
#[must_use]
pub(crate) fn explain_launch(error: &LaunchError, language: Language) -> String {
    sentences::launch(error, language)
}

fn start_cause(words: &str) -> Cause {
    if words.contains("No conversation found with session ID") {
        Cause::ConversationMissing
    } else if words.contains("Session ID") && words.contains("already in use") {
        Cause::ConversationExists
    } else if words.lines().any(|line| line.starts_with(OVER_LIMIT)) {
        Cause::OverLimit
    } else {
        Cause::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(reason: &str, status: Option<u16>, text: &str) -> TurnResult {
        TurnResult {
            subtype: "success".to_owned(),
            is_error: true,
            terminal_reason: Some(reason.to_owned()),
            api_error_status: status,
            text: Some(text.to_owned()),
            num_turns: 1,
            ..TurnResult::default()
        }
    }

    #[test]
    fn failures_are_distinguished_by_status_kind_and_reason() {
        let table = [
            ("api_error", None, "authentication_failed", Cause::NotLoggedIn),
            ("api_error", Some(401), "authentication_failed", Cause::KeyRefused),
            ("api_error", Some(403), "authentication_failed", Cause::Forbidden),
            ("api_error", Some(404), "model_not_found", Cause::ModelUnknown),
            ("api_error", Some(400), "billing_error", Cause::NoCredit),
            ("api_error", Some(429), "rate_limit", Cause::RateLimited),
            ("api_error", Some(529), "server_error", Cause::Overloaded),
            ("api_error", Some(503), "server_error", Cause::ServerError(503)),
            ("api_error", None, "server_error", Cause::Unreachable),
            ("api_error", Some(400), "unknown", Cause::BadRequest),
            ("prompt_too_long", Some(400), "invalid_request", Cause::ContextFull),
            ("image_error", Some(413), "invalid_request", Cause::TooLarge),
            ("max_turns", None, "", Cause::TooManyCalls),
            ("budget_exhausted", None, "", Cause::BudgetSpent),
            ("aborted_streaming", None, "", Cause::Interrupted),
            ("something_new", None, "something_new", Cause::Unknown),
        ];
        for (reason, status, error, expected) in table {
            let error = Some(error).filter(|error| !error.is_empty());
            assert_eq!(cause(&failed(reason, status, "words"), error), Some(expected), "{reason} {status:?}");
        }
    }

    #[test]
    fn a_refusal_by_the_model_is_not_an_error_of_the_api() {
        let refused = TurnResult { refused: true, ..failed("api_error", None, "words") };
        assert_eq!(cause(&refused, Some("invalid_request")), Some(Cause::Refused));
        let without_error = TurnResult { refused: true, ..TurnResult::default() };
        assert_eq!(cause(&without_error, None), None);
    }

    #[test]
    fn a_turn_that_went_well_needs_no_explanation() {
        assert_eq!(explain(&TurnResult::default(), None, Language::En), None);
    }

    #[test]
    fn an_interrupt_is_recognised_whether_or_not_it_counts_as_an_error() {
        let by_priority = TurnResult { is_error: false, ..failed("aborted_streaming", None, "") };
        assert_eq!(cause(&by_priority, None), Some(Cause::Interrupted));
    }

    #[test]
    fn a_refused_resume_is_recognised_by_its_result_and_by_its_exit() {
        let result = TurnResult {
            subtype: "error_during_execution".to_owned(),
            is_error: true,
            errors: vec!["No conversation found with session ID: 5c3e".to_owned()],
            ..TurnResult::default()
        };
        assert_eq!(cause(&result, None), Some(Cause::ConversationMissing));
        let exit = |stderr: &str| ProcessExit { code: Some(1), signal: None, stderr: stderr.to_owned() };
        assert_eq!(
            exit_cause(&exit("No conversation found with session ID: 5c3e\n")),
            Cause::ConversationMissing
        );
        assert_eq!(
            exit_cause(&exit("Error: Session ID 5c3e is already in use.\n")),
            Cause::ConversationExists
        );
    }

    #[test]
    fn the_end_of_a_limit_is_passed_on() {
        let words = "You've hit your 5-hour limit · resets 5:10pm (UTC)";
        let sentence =
            |language| explain(&failed("api_error", Some(429), words), Some("rate_limit"), language);
        assert_eq!(
            sentence(Language::En).unwrap(),
            "Claude's usage limit is reached. Claude Code says: You've hit your 5-hour limit · resets 5:10pm (UTC)"
        );
        assert_eq!(
            sentence(Language::Zh).unwrap(),
            "Claude 的用量已达上限。Claude Code 的提示：You've hit your 5-hour limit · resets 5:10pm (UTC)"
        );
    }

    #[test]
    fn an_unknown_failure_shows_claude_codes_own_words_without_diagnostics() {
        let mut result = failed("something_new", None, "the words");
        assert_eq!(
            explain(&result, None, Language::En).unwrap(),
            "The turn failed. Claude Code says: the words"
        );
        result.text = None;
        result.errors = vec!["[ede_diagnostic] x".to_owned(), "readable".to_owned()];
        assert_eq!(
            explain(&result, None, Language::Zh).unwrap(),
            "这一轮失败了。Claude Code 的提示：readable"
        );
        result.errors.pop();
        assert_eq!(
            explain(&result, None, Language::En).unwrap(),
            "The turn failed and Claude Code gave no reason."
        );
    }

    #[test]
    fn an_exit_shows_the_last_line_of_stderr() {
        let exit = ProcessExit {
            code: Some(1),
            signal: None,
            stderr: "warning\nerror: unknown option '--x'\n\n".to_owned(),
        };
        assert_eq!(
            explain_exit(&exit, Language::En),
            "Claude Code ended unexpectedly (exit status 1). Its last words: error: unknown option '--x'"
        );
        let killed = ProcessExit { code: None, signal: Some(9), stderr: String::new() };
        assert_eq!(
            explain_exit(&killed, Language::En),
            "Claude Code was killed (signal 9); the machine may be short of memory."
        );
        let absent = ProcessExit { code: Some(127), ..ProcessExit::default() };
        assert!(explain_exit(&absent, Language::Zh).contains("CLAUDE_COMMAND"));
    }

    #[test]
    fn a_missing_program_is_explained_in_both_languages() {
        let error = LaunchError::ProgramMissing { command: "claude".to_owned() };
        assert_eq!(explain_launch(&error, Language::En), format!("Claude Code cannot be started: {error}."));
        assert_eq!(
            explain_launch(&error, Language::Zh),
            "无法启动 Claude Code：找不到 `claude`。请安装 Claude Code，或在 keyring 中把 CLAUDE_COMMAND 设为该程序的完整路径。"
        );
    }
}
