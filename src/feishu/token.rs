//! The tenant access token: all calls share one, and it is fetched once however many callers wait for it.

use std::fmt;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use secrecy::SecretString;

use super::failure::ApiError;

/// How long before the end of its lifetime a token is renewed.
const RENEW_BEFORE_END: Duration = Duration::from_secs(600);
/// Minimum lifetime that is assumed, so that a token is not fetched again and again.
const MIN_LIFETIME: Duration = Duration::from_secs(30);
/// Maximum lifetime that is assumed. Feishu: 2 hours.
const MAX_LIFETIME: Duration = Duration::from_secs(7200);

/// A token and its lifetime.
#[derive(Clone)]
pub(super) struct AccessToken {
    /// The value for the `Authorization` header.
    pub(super) secret: SecretString,
    lease: TokenLease,
}

/// The lifetime of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TokenLease {
    /// From then on the token is renewed.
    fresh_until: Instant,
    /// Until then it is used if it cannot be renewed.
    ends: Instant,
    /// When it was fetched; identifies the token.
    fetched: Instant,
}

type TokenFetch = Shared<BoxFuture<'static, Result<AccessToken, ApiError>>>;

/// Holds the token. The lock is never held across an await.
#[derive(Default)]
pub(super) struct TokenCache {
    held: Mutex<HeldToken>,
}

#[derive(Default)]
struct HeldToken {
    token: Option<AccessToken>,
    fetch: Option<TokenFetch>,
}

impl AccessToken {
    /// A token that Feishu has just issued; `expire` is its lifetime in seconds.
    pub(super) fn new(secret: SecretString, expire: Option<i64>, now: Instant) -> Self {
        Self { secret, lease: TokenLease::new(expire, now) }
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken").field("lease", &self.lease).finish_non_exhaustive()
    }
}

impl TokenLease {
    fn new(expire: Option<i64>, now: Instant) -> Self {
        let life =
            expire.map_or(MIN_LIFETIME, |seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
        let life = life.clamp(MIN_LIFETIME, MAX_LIFETIME);
        let fresh = life.saturating_sub(RENEW_BEFORE_END).max(life / 2);
        Self { fresh_until: now + fresh, ends: now + life, fetched: now }
    }
}

impl TokenCache {
    /// The token. If there is no fresh one and no fetch is running, `fetch` is called. A failed fetch does not matter
    /// while the old token can still be used.
    pub(super) async fn get<F>(
        &self,
        now: Instant,
        fetch: impl FnOnce() -> F,
    ) -> Result<AccessToken, ApiError>
    where
        F: Future<Output = Result<AccessToken, ApiError>> + Send + 'static,
    {
        let running = {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            match &held.token {
                Some(token) if now < token.lease.fresh_until => return Ok(token.clone()),
                Some(_) | None => {}
            }
            held.fetch.get_or_insert_with(|| fetch().boxed().shared()).clone()
        };
        let fetched = running.clone().await;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.fetch.as_ref().is_some_and(|fetch| fetch.ptr_eq(&running)) {
            held.fetch = None;
            if let Ok(token) = &fetched {
                held.token = Some(token.clone());
            }
        }
        match (fetched, &held.token) {
            (Err(_), Some(old)) if now < old.lease.ends => Ok(old.clone()),
            (fetched, _) => fetched,
        }
    }

    /// The end of the token's lifetime, if there is a token.
    pub(super) fn until(&self) -> Option<Instant> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.token.as_ref().map(|token| token.lease.ends)
    }

    /// Drops a token that Feishu did not accept. Returns whether it was still the current one.
    pub(super) fn reject(&self, rejected: &AccessToken) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let current = held.token.as_ref().is_some_and(|token| token.lease.fetched == rejected.lease.fetched);
        if current {
            held.token = None;
        }
        current
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::feishu::failure::{RefusalReason, RetryAdvice, TOKEN};

    const S: Duration = Duration::from_secs(1);

    fn token(name: &str, expire: i64, now: Instant) -> AccessToken {
        AccessToken::new(name.into(), Some(expire), now)
    }

    fn failure() -> ApiError {
        ApiError {
            api: TOKEN,
            code: None,
            http: None,
            message: String::new(),
            log_id: None,
            advice: RetryAdvice::Refused(RefusalReason::Operator),
        }
    }

    async fn name(cache: &TokenCache, now: Instant, fetched: Result<AccessToken, ApiError>) -> String {
        cache.get(now, || async { fetched }).await.unwrap().secret.expose_secret().to_owned()
    }

    #[test]
    fn a_token_is_renewed_ten_minutes_early_and_absurd_lifetimes_are_bounded() {
        let now = Instant::now();
        for (expire, fresh, ends) in [
            (Some(7200), 6600, 7200),
            (Some(1800), 1200, 1800),
            (Some(900), 450, 900),
            (Some(0), 15, 30),
            (Some(-1), 15, 30),
            (None, 15, 30),
            (Some(i64::MAX), 6600, 7200),
        ] {
            let expected = TokenLease { fresh_until: now + fresh * S, ends: now + ends * S, fetched: now };
            assert_eq!(TokenLease::new(expire, now), expected, "{expire:?}");
        }
    }

    #[tokio::test]
    async fn many_waiting_callers_cause_one_fetch() {
        let (cache, calls, now) = (TokenCache::default(), Arc::new(AtomicUsize::new(0)), Instant::now());
        let (open, gate) = tokio::sync::oneshot::channel::<()>();
        let gate = gate.shared();
        let call = || {
            let (calls, gate) = (Arc::clone(&calls), gate.clone());
            cache.get(now, move || async move {
                calls.fetch_add(1, Ordering::Relaxed);
                gate.await.unwrap();
                Ok(token("t-1", 7200, now))
            })
        };
        let many = futures_util::future::join_all((0..20).map(|_| call()));
        let (tokens, ()) = tokio::join!(many, async { open.send(()).unwrap() });
        assert!(tokens.into_iter().all(|token| token.is_ok()));
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_token_is_kept_while_fresh_and_used_until_its_end_if_it_cannot_be_renewed() {
        let (cache, now) = (TokenCache::default(), Instant::now());
        assert_eq!(name(&cache, now, Ok(token("t-1", 7200, now))).await, "t-1");
        assert_eq!(name(&cache, now + 6599 * S, Err(failure())).await, "t-1");
        assert_eq!(name(&cache, now + 6600 * S, Err(failure())).await, "t-1");
        assert_eq!(cache.get(now + 7200 * S, || async { Err(failure()) }).await.unwrap_err(), failure());
        let later = now + 7200 * S;
        assert_eq!(name(&cache, later, Ok(token("t-2", 7200, later))).await, "t-2");
    }

    #[tokio::test]
    async fn a_rejected_token_is_replaced_but_a_newer_one_stays() {
        let (cache, now) = (TokenCache::default(), Instant::now());
        let first = token("t-1", 7200, now);
        let second = token("t-2", 7200, now + S);
        assert_eq!(name(&cache, now, Ok(first.clone())).await, "t-1");
        assert!(cache.reject(&first));
        assert_eq!(name(&cache, now, Ok(second)).await, "t-2");
        assert!(!cache.reject(&first));
        assert_eq!(name(&cache, now, Err(failure())).await, "t-2");
    }
}
