//! The tenant access token: one for all, asked for once however many callers need it.

use std::fmt;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use secrecy::SecretString;

use super::failure::ApiError;

/// How long before its end a token is replaced.
const EARLY: Duration = Duration::from_secs(600);
/// A token is never asked for more often than this while it is accepted.
const SHORTEST: Duration = Duration::from_secs(30);
/// Feishu: a token lives 2 hours at most.
const LONGEST: Duration = Duration::from_secs(7200);

/// A token and its times.
#[derive(Clone)]
pub(super) struct AccessToken {
    /// The token itself.
    pub(super) secret: SecretString,
    lease: TokenLease,
}

/// How long a token is to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TokenLease {
    /// From here on a new one is asked for.
    fresh_until: Instant,
    /// Until here it does in need.
    ends: Instant,
    /// Tells this token from the ones before.
    fetched: Instant,
}

type TokenFetch = Shared<BoxFuture<'static, Result<AccessToken, ApiError>>>;

/// Holds the token. The lock is held for a moment only and never while waiting.
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
    /// A token that Feishu has just given out for so many seconds.
    pub(super) fn new(secret: SecretString, expire: Option<i64>, now: Instant) -> Self {
        Self { secret, lease: TokenLease::new(expire, now) }
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("lease", &self.lease).finish_non_exhaustive()
    }
}

impl TokenLease {
    fn new(expire: Option<i64>, now: Instant) -> Self {
        let life =
            expire.map_or(SHORTEST, |seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
        let life = life.clamp(SHORTEST, LONGEST);
        let fresh = life.saturating_sub(EARLY).max(life / 2);
        Self { fresh_until: now + fresh, ends: now + life, fetched: now }
    }
}

impl TokenCache {
    /// The token; `fetch` is called when there is no fresh one and nobody is fetching it already. While an old one
    /// still lives, a failure to replace it is no failure.
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

    /// Until when the token that is held is used, if one is.
    pub(super) fn until(&self) -> Option<Instant> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.token.as_ref().map(|token| token.lease.ends)
    }

    /// Feishu does not accept this token: it is not given out again. Says whether it would have been.
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
    fn a_lease_ends_ten_minutes_early_and_absurd_ones_are_bounded() {
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
    async fn many_callers_cause_one_fetch() {
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
    async fn a_token_is_kept_while_fresh_and_used_in_need_until_it_ends() {
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
