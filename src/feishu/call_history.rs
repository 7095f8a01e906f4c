//! How the calls of the HTTP API went, for `phonework health`.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use super::failure::{ApiError, RefusalReason, RetryAdvice};

/// The state of the API, judged by its last calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiState {
    /// When a call last succeeded.
    pub last_success: Option<Timestamp>,
    /// When a call last failed, and the error.
    pub last_error: Option<(Timestamp, String)>,
    /// Since when calls fail for a reason that concerns every call, and the first such error. `None` after a success.
    pub failing: Option<(Timestamp, String)>,
    /// The end of the access token's lifetime, if there is a token.
    pub token_until: Option<Timestamp>,
}

/// Records the outcome of each call. The lock is never held across an await.
#[derive(Default)]
pub(super) struct CallHistory(Mutex<ApiState>);

impl CallHistory {
    pub(super) fn record<T>(&self, outcome: &Result<T, ApiError>, now: Timestamp) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(_) => {
                state.last_success = Some(now);
                state.failing = None;
            }
            Err(error) => {
                state.last_error = Some((now, error.to_string()));
                if affects_every_call(error.advice) {
                    state.failing.get_or_insert_with(|| (now, error.to_string()));
                }
            }
        }
    }

    pub(super) fn state(&self) -> ApiState {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Whether the next call, whatever it is, will probably fail for the same reason.
fn affects_every_call(advice: RetryAdvice) -> bool {
    match advice {
        RetryAdvice::Retry { .. } | RetryAdvice::Refused(RefusalReason::Operator) => true,
        RetryAdvice::Refused(
            RefusalReason::TooLong
            | RefusalReason::Content
            | RefusalReason::Shape
            | RefusalReason::TargetGone
            | RefusalReason::CardGone
            | RefusalReason::StreamClosed
            | RefusalReason::Sequence
            | RefusalReason::Scope
            | RefusalReason::Undeliverable
            | RefusalReason::Bug,
        ) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feishu::failure::CREATE;

    #[test]
    fn the_api_counts_as_failing_until_a_call_succeeds_but_not_for_what_one_message_says() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let failure = |advice| {
            let (code, message) = (Some(1), "no".to_owned());
            Err::<(), _>(ApiError { api: CREATE, code, http: None, message, log_id: None, advice })
        };
        let operator = || failure(RetryAdvice::Refused(RefusalReason::Operator));
        let said = operator().unwrap_err().to_string();
        let calls = CallHistory::default();
        calls.record(&failure(RetryAdvice::Refused(RefusalReason::Content)), at(1));
        assert_eq!(calls.state().failing, None);
        calls.record(&operator(), at(2));
        calls.record(&operator(), at(3));
        assert_eq!(calls.state().failing, Some((at(2), said.clone())));
        calls.record(&Ok::<_, ApiError>(()), at(4));
        let expected = ApiState {
            last_success: Some(at(4)),
            last_error: Some((at(3), said)),
            failing: None,
            token_until: None,
        };
        assert_eq!(calls.state(), expected);
    }
}
