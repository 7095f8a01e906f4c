//! The few calls of Feishu's HTTP API that phonework makes.
//!
//! Each HTTP exchange takes 10 s at most; a call makes up to four of them (token, call, new token, call again).
//! Nothing is retried in here but a call whose token was not accepted: when to try again is the caller's business,
//! and [`ApiError::advice`] says how.

mod cards;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use url::Url;

use super::calls::{ApiState, Calls};
use super::failure::{
    self, ApiError, FailedAnswer, RefusalReason, RetryAdvice, classify, is_token_error, reset_after,
};
use super::token::{AccessToken, TokenCache};
use super::{AppCredentials, HttpClient, body_up_to, excerpt, http_error_text};
use crate::ids::{ChatId, MessageId, OpenId};

pub use cards::CardOperation;

/// The longest time for one HTTP exchange.
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest time for uploading a file: 30 MB at most.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(60);
/// How long to wait when Feishu says that all is well and gives no token.
const NO_TOKEN: Duration = Duration::from_secs(30);
/// The longest answer that is read.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// Feishu's API as one app sees it. Cheap to clone; clones share the token.
#[derive(Clone)]
pub struct Api {
    shared: Arc<ApiShared>,
}

struct ApiShared {
    base_url: String,
    credentials: AppCredentials,
    client: HttpClient,
    tokens: TokenCache,
    calls: Calls,
}

/// Whom a message goes to. A person's own chat is another recipient than the person: what is to keep its order goes to
/// one of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Recipient {
    /// A chat, of two or of a group.
    Chat(ChatId),
    /// A person, in his chat with the bot.
    User(OpenId),
}

/// A message to send. Its content does not show in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Whom it goes to; not used by Feishu for a reply.
    pub to: Recipient,
    /// The message that it replies to.
    pub reply_to: Option<MessageId>,
    /// `text`, `post`, `interactive`, …
    pub msg_type: String,
    /// JSON of the kind that the type asks for.
    pub content: String,
    /// At most 50 characters. Feishu takes one message for one uuid within an hour: the same one on every try.
    pub uuid: String,
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("to", &self.to)
            .field("reply_to", &self.reply_to)
            .field("msg_type", &self.msg_type)
            .field("uuid", &self.uuid)
            .finish_non_exhaustive()
    }
}

/// What a request carries.
#[derive(Clone, Copy)]
enum RequestBody<'a> {
    Json(&'a Value),
    File(&'a cards::Upload),
}

impl Api {
    /// The API below a base URL such as `https://open.feishu.cn`.
    #[must_use]
    pub fn new(base_url: String, credentials: AppCredentials, client: HttpClient) -> Self {
        let (tokens, calls) = (TokenCache::default(), Calls::default());
        Self { shared: Arc::new(ApiShared { base_url, credentials, client, tokens, calls }) }
    }

    /// How the calls have gone so far.
    #[must_use]
    pub fn state(&self) -> ApiState {
        let left =
            |until: Instant| SignedDuration::try_from(until.checked_duration_since(Instant::now())?).ok();
        let until = self.shared.tokens.until().and_then(left);
        let token_until = until.and_then(|left| Timestamp::now().checked_add(left).ok());
        ApiState { token_until, ..self.shared.calls.state() }
    }

    /// Who the bot is: what a message's mentions are compared with.
    ///
    /// # Errors
    /// See [`ApiError::advice`].
    pub async fn bot_open_id(&self) -> Result<OpenId, ApiError> {
        let api = failure::BOT_INFO;
        let answer = self.call(api, Method::GET, &["bot", "v3", "info"], None, None).await?;
        let open_id = answer.pointer("/bot/open_id").and_then(Value::as_str).filter(|id| !id.is_empty());
        open_id.map(OpenId::from).ok_or_else(|| unexpected(api, "the answer has no bot.open_id"))
    }

    /// Sends a message, or replies with it, and says which message it became.
    ///
    /// # Errors
    /// See [`ApiError::advice`].
    pub async fn send(&self, message: &Outgoing) -> Result<MessageId, ApiError> {
        let mut body =
            json!({ "msg_type": message.msg_type, "content": message.content, "uuid": message.uuid });
        let (api, answer) = if let Some(target) = &message.reply_to {
            let path = ["im", "v1", "messages", target.as_str(), "reply"];
            (
                failure::REPLY,
                self.call(failure::REPLY, Method::POST, &path, None, Some(RequestBody::Json(&body))).await?,
            )
        } else {
            let (kind, id) = match &message.to {
                Recipient::Chat(chat) => ("chat_id", chat.as_str()),
                Recipient::User(user) => ("open_id", user.as_str()),
            };
            body["receive_id"] = Value::from(id);
            let (path, query) = (["im", "v1", "messages"], Some(("receive_id_type", kind)));
            (
                failure::CREATE,
                self.call(failure::CREATE, Method::POST, &path, query, Some(RequestBody::Json(&body)))
                    .await?,
            )
        };
        let id = answer.pointer("/data/message_id").and_then(Value::as_str).filter(|id| !id.is_empty());
        id.map(MessageId::from).ok_or_else(|| unexpected(api, "the answer has no message_id"))
    }

    /// When a person wrote this message; `None` when a bot did, or Feishu does not know it.
    ///
    /// # Errors
    /// See [`ApiError::advice`].
    pub async fn written_by_a_person(&self, message_id: &MessageId) -> Result<Option<Timestamp>, ApiError> {
        let path = ["im", "v1", "messages", message_id.as_str()];
        let answer = self.call(failure::READ, Method::GET, &path, None, None).await?;
        let item = answer.pointer("/data/items/0").unwrap_or(&Value::Null);
        if item.pointer("/sender/sender_type").and_then(Value::as_str) != Some("user") {
            return Ok(None);
        }
        let written = item.get("create_time").and_then(Value::as_str).and_then(|time| time.parse().ok());
        Ok(written.and_then(|time| Timestamp::from_millisecond(time).ok()))
    }

    /// Puts a reaction on a message. `emoji` is Feishu's name of it, case-sensitive: `THUMBSUP`, `OnIt`, `DONE`.
    ///
    /// # Errors
    /// See [`ApiError::advice`].
    pub async fn react(&self, message_id: &MessageId, emoji: &str) -> Result<(), ApiError> {
        let body = json!({ "reaction_type": { "emoji_type": emoji } });
        let path = ["im", "v1", "messages", message_id.as_str(), "reactions"];
        self.call(failure::REACT, Method::POST, &path, None, Some(RequestBody::Json(&body))).await?;
        Ok(())
    }

    /// A call with the token; once more with a new one when the first was not accepted.
    async fn call(
        &self,
        api: &'static str,
        method: Method,
        path: &[&str],
        query: Option<(&str, &str)>,
        body: Option<RequestBody<'_>>,
    ) -> Result<Value, ApiError> {
        let mut url = self.shared.url(api, path)?;
        if let Some((name, value)) = query {
            url.query_pairs_mut().append_pair(name, value);
        }
        let token = self.token().await?;
        let first = self.shared.exchange(api, &method, &url, Some(&token), body).await;
        match first {
            Err(error) if error.code.is_some_and(is_token_error) => {
                if self.shared.tokens.reject(&token) {
                    tracing::info!(%error, "Feishu did not accept the token: fetching another");
                }
                let token = self.token().await?;
                self.shared.exchange(api, &method, &url, Some(&token), body).await
            }
            other => other,
        }
    }

    async fn token(&self) -> Result<AccessToken, ApiError> {
        let shared = Arc::clone(&self.shared);
        self.shared.tokens.get(Instant::now(), move || async move { shared.fetch_token().await }).await
    }
}

impl ApiShared {
    fn url(&self, api: &'static str, path: &[&str]) -> Result<Url, ApiError> {
        let mut url = Url::parse(&self.base_url)
            .map_err(|_| unexpected(api, "the base URL of Feishu makes no sense"))?;
        url.path_segments_mut()
            .map_err(|()| unexpected(api, "the base URL of Feishu makes no sense"))?
            .pop_if_empty()
            .push("open-apis")
            .extend(path);
        Ok(url)
    }

    async fn fetch_token(&self) -> Result<AccessToken, ApiError> {
        let api = failure::TOKEN;
        let url = self.url(api, &["auth", "v3", "tenant_access_token", "internal"])?;
        let secret = self.credentials.app_secret.expose_secret();
        let body = json!({ "app_id": self.credentials.app_id, "app_secret": secret });
        let answer = self.exchange(api, &Method::POST, &url, None, Some(RequestBody::Json(&body))).await?;
        let token =
            answer.get("tenant_access_token").and_then(Value::as_str).filter(|token| !token.is_empty());
        // Nothing was asked of Feishu but this, so that nothing is refused for it.
        let advice = RetryAdvice::Retry { after: Some(NO_TOKEN), outcome_known: true };
        let token = token
            .ok_or_else(|| ApiError { advice, ..unexpected(api, "the answer has no tenant_access_token") })?;
        let expire = answer.get("expire").and_then(Value::as_i64);
        tracing::debug!(expire, "got a tenant access token");
        Ok(AccessToken::new(token.into(), expire, Instant::now()))
    }

    /// One request and its answer: the whole JSON, when its code is 0.
    async fn exchange(
        &self,
        api: &'static str,
        method: &Method,
        url: &Url,
        token: Option<&AccessToken>,
        body: Option<RequestBody<'_>>,
    ) -> Result<Value, ApiError> {
        let answer = self.request(api, method, url, token, body).await;
        self.calls.note(&answer, Timestamp::now());
        answer
    }

    async fn request(
        &self,
        api: &'static str,
        method: &Method,
        url: &Url,
        token: Option<&AccessToken>,
        body: Option<RequestBody<'_>>,
    ) -> Result<Value, ApiError> {
        let mut request = self.client.http().request(method.clone(), url.clone()).timeout(TIMEOUT);
        if let Some(token) = token {
            request = request.bearer_auth(token.secret.expose_secret());
        }
        request = match body {
            None => request,
            Some(RequestBody::Json(body)) => request
                .header(reqwest::header::CONTENT_TYPE, "application/json; charset=utf-8")
                .body(body.to_string()),
            Some(RequestBody::File(file)) => request.timeout(UPLOAD_TIMEOUT).multipart(file.form()),
        };
        let answer = request.send().await.map_err(|error| no_answer(api, error))?;
        let http = answer.status().as_u16();
        let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let reset = header("x-ogw-ratelimit-reset").and_then(reset_after);
        let log_id = header("x-tt-logid").map(|id| excerpt(id, 100));
        let body = body_up_to(answer, BODY_LIMIT).await.map_err(|error| no_answer(api, error))?;
        let answer = serde_json::from_slice::<Value>(&body.unwrap_or_default()).unwrap_or_default();
        let code = answer.get("code").and_then(Value::as_i64);
        if code == Some(0) && (200..300).contains(&http) {
            return Ok(answer);
        }
        let said = answer.get("msg").and_then(Value::as_str).unwrap_or("the answer is not Feishu's JSON");
        let in_body = || answer.pointer("/error/log_id").and_then(Value::as_str).map(|id| excerpt(id, 100));
        Err(ApiError {
            api,
            code,
            http: Some(http),
            message: excerpt(said, 300),
            log_id: log_id.or_else(in_body),
            advice: classify(
                api,
                FailedAnswer { http, code: code.filter(|code| *code != 0), message: said, reset },
            ),
        })
    }
}

fn no_answer(api: &'static str, error: reqwest::Error) -> ApiError {
    // Before there is a connection, nothing can have been done.
    let advice = RetryAdvice::Retry { after: None, outcome_known: error.is_connect() };
    let message = excerpt(&http_error_text(error), 300);
    ApiError { api, code: None, http: None, message, log_id: None, advice }
}

fn unexpected(api: &'static str, message: &str) -> ApiError {
    let advice = RetryAdvice::Refused(RefusalReason::Bug);
    ApiError { api, code: None, http: None, message: message.to_owned(), log_id: None, advice }
}
