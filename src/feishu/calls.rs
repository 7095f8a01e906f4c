//! How the calls of the API have gone, for `health`.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use super::failure::{ApiError, RefusalReason, RetryAdvice};

/// How the API is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiState {
    /// When a call last succeeded.
    pub last_success: Option<Timestamp>,
    /// When a call last failed, and why.
    pub last_error: Option<(Timestamp, String)>,
    /// Since when, and why at first, calls fail for a reason that is not one message's own. None again after a success.
    pub failing: Option<(Timestamp, String)>,
    /// Until when the access token is used; none when there is none.
    pub token_until: Option<Timestamp>,
}

/// Takes note of each call. The lock is held for a moment only.
#[derive(Default)]
pub(super) struct Calls(Mutex<ApiState>);

impl Calls {
    pub(super) fn note<T>(&self, outcome: &Result<T, ApiError>, now: Timestamp) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(_) => {
                state.last_success = Some(now);
                state.failing = None;
            }
            Err(error) => {
                state.last_error = Some((now, error.to_string()));
                if concerns_all(error.advice) {
                    state.failing.get_or_insert_with(|| (now, error.to_string()));
                }
            }
        }
    }

    pub(super) fn state(&self) -> ApiState {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Whether the next call, whatever it is, has to expect the same.
fn concerns_all(advice: RetryAdvice) -> bool {
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
    fn the_api_fails_until_a_call_succeeds_but_not_for_what_one_message_says() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let failure = |advice| {
            let (code, message) = (Some(1), "no".to_owned());
            Err::<(), _>(ApiError { api: CREATE, code, http: None, message, log_id: None, advice })
        };
        let operator = || failure(RetryAdvice::Refused(RefusalReason::Operator));
        let said = operator().unwrap_err().to_string();
        let calls = Calls::default();
        calls.note(&failure(RetryAdvice::Refused(RefusalReason::Content)), at(1));
        assert_eq!(calls.state().failing, None);
        calls.note(&operator(), at(2));
        calls.note(&operator(), at(3));
        assert_eq!(calls.state().failing, Some((at(2), said.clone())));
        calls.note(&Ok::<_, ApiError>(()), at(4));
        let expected = ApiState {
            last_success: Some(at(4)),
            last_error: Some((at(3), said)),
            failing: None,
            token_until: None,
        };
        assert_eq!(calls.state(), expected);
    }
}
