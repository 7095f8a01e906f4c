//! What went wrong, in sentences that a person can act on.
//!
//! Failures are told apart by the API's status, Claude Code's own kind and the reason why the turn ended, never by
//! its words; the words are passed on where they hold what a person needs (when a limit ends), and where the failure
//! is not known. The one exception is a refused start, for which there is nothing but words.

mod sentences;

use super::launch::LaunchError;
use super::process::ProcessExit;
use super::wire::TurnResult;
use crate::language::Language;
use crate::sandbox::limits::OVER_LIMIT;

/// A failure of a turn, as far as it asks a different thing of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Somebody stopped the turn.
    Interrupted,
    /// Claude Code has no credentials, or those of a subscription ended.
    NotLoggedIn,
    /// The API refused the key.
    KeyRefused,
    /// The key may not do this.
    Forbidden,
    /// The model does not exist, or not for this account.
    ModelUnknown,
    /// The account has no credit.
    NoCredit,
    /// A limit of requests or of the subscription is used up.
    RateLimited,
    /// Anthropic has too much to do.
    Overloaded,
    /// The API failed, with its HTTP status.
    ServerError(u16),
    /// No answer from the API at all.
    Unreachable,
    /// The conversation does not fit the model any more.
    ContextFull,
    /// The request is too large, because of images for the most part.
    TooLarge,
    /// The API calls the request wrong.
    BadRequest,
    /// The model declined to answer.
    Refused,
    /// The most model calls that one turn may have.
    TooManyCalls,
    /// The money that a session may cost is spent.
    BudgetSpent,
    /// The conversation to resume is not on Claude Code's disk: a new one is needed.
    ConversationMissing,
    /// A conversation with this id exists already, and was to be a new one.
    ConversationExists,
    /// The program that runs as Claude Code writes what is none of its lines.
    NotClaude,
    /// The process does not read its input.
    Deaf,
    /// A process that was killed does not go.
    Stuck,
    /// The session's processes used more than they may, and were ended.
    OverLimit,
    /// None of these.
    Unknown,
}

/// What failed in a turn; none when it went well. `error` is the newest [`super::wire::Assistant::error`] of the
/// turn.
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

/// What made a process end before its first turn, by its stderr.
#[must_use]
pub fn exit_cause(exit: &ProcessExit) -> Cause {
    start_cause(&exit.stderr)
}

/// The failure of a turn for the person whose turn it was; none when it went well.
#[must_use]
pub fn explain(result: &TurnResult, error: Option<&str>, language: Language) -> Option<String> {
    let cause = cause(result, error)?;
    let words = result.text.clone().filter(|text| !text.trim().is_empty()).or_else(|| {
        // Lines for Claude Code's programmers help nobody.
        let readable = result.errors.iter().filter(|error| !error.starts_with("[ede_diagnostic]"));
        Some(readable.cloned().collect::<Vec<_>>().join("\n")).filter(|words| !words.is_empty())
    });
    Some(sentences::turn(cause, words.as_deref(), language))
}

/// A failure that no line and no exit tells.
#[must_use]
pub fn sentence(cause: Cause, language: Language) -> String {
    sentences::turn(cause, None, language)
}

/// An end of the process that nobody asked for, in a turn or before it.
#[must_use]
pub fn explain_exit(exit: &ProcessExit, language: Language) -> String {
    let last_line = exit.stderr.lines().map(str::trim).rfind(|line| !line.is_empty());
    let cause = exit_cause(exit);
    if cause == Cause::Unknown {
        sentences::exit(exit.code, exit.signal, last_line, language)
    } else {
        sentences::turn(cause, None, language)
    }
}

/// A process that could not be started. The words name paths, which the owner of the session knows anyway.
#[must_use]
pub fn explain_launch(error: &LaunchError, language: Language) -> String {
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
    fn failures_are_told_apart_by_status_kind_and_reason() {
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
    fn a_refusal_of_the_model_is_none_of_the_api() {
        let refused = TurnResult { refused: true, ..failed("api_error", None, "words") };
        assert_eq!(cause(&refused, Some("invalid_request")), Some(Cause::Refused));
        let in_the_end = TurnResult { refused: true, ..TurnResult::default() };
        assert_eq!(cause(&in_the_end, None), None);
    }

    #[test]
    fn a_turn_that_went_well_needs_no_explanation() {
        assert_eq!(explain(&TurnResult::default(), None, Language::En), None);
    }

    #[test]
    fn an_interrupt_is_one_whether_it_counts_as_an_error_or_not() {
        let by_priority = TurnResult { is_error: false, ..failed("aborted_streaming", None, "") };
        assert_eq!(cause(&by_priority, None), Some(Cause::Interrupted));
    }

    #[test]
    fn a_refused_resume_is_known_from_its_result_and_from_its_exit() {
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
    fn when_a_limit_ends_is_passed_on() {
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
    fn an_unknown_failure_shows_claude_code_s_own_words_and_no_diagnostics() {
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
