//! The calls of Feishu's HTTP API that phonework makes.
//!
//! An HTTP exchange takes at most 10 s, and a call makes up to four of them (token, call, new token, call again). The only
//! call that is repeated here is one whose token was not accepted. Any other retry is up to the caller, and
//! [`ApiError::advice`] says how to retry.

mod cards;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use url::Url;

use super::call_history::{ApiState, CallHistory};
use super::failure::{
    self, ApiError, FailedAnswer, RefusalReason, RetryAdvice, classify, is_token_error, reset_after,
};
use super::token::{AccessToken, TokenCache};
use super::{AppCredentials, HttpClient, body_up_to, excerpt, http_error_text};
use crate::ids::{ChatId, MessageId, OpenId};

pub(crate) use cards::CardOperation;

/// Maximum time for one HTTP exchange.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum time for uploading a file, which has at most 30 MB.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(60);
/// Wait after Feishu reported success but returned no token.
const NO_TOKEN_RETRY_DELAY: Duration = Duration::from_secs(30);
/// Maximum size of a response.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

/// Feishu's API for one app. Cheap to clone; clones share the token.
#[derive(Clone)]
pub struct Api {
    shared: Arc<ApiShared>,
}

struct ApiShared {
    base_url: String,
    credentials: AppCredentials,
    client: HttpClient,
    tokens: TokenCache,
    calls: CallHistory,
}

/// The recipient of a message. A person and their chat with the bot are two recipients: messages keep their order only
/// if all of them go to the same one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Recipient {
    /// A chat: of a person with the bot, or of a group.
    Chat(ChatId),
    /// A person, in their chat with the bot.
    User(OpenId),
}

/// A message to send. Its content does not show in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The recipient. Feishu ignores it for a reply.
    pub to: Recipient,
    /// The message that it replies to, if it is a reply.
    pub reply_to: Option<MessageId>,
    /// Feishu's message type: `text`, `post`, `interactive`, …
    pub msg_type: String,
    /// JSON of the form that the type requires.
    pub content: String,
    /// At most 50 characters, the same for every attempt: within an hour, Feishu accepts only one message with one uuid.
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

/// The body of a request.
#[derive(Clone, Copy)]
enum RequestBody<'a> {
    Json(&'a Value),
    File(&'a cards::Upload),
}

impl Api {
    /// The API below a base URL such as `https://open.feishu.cn`.
    #[must_use]
    pub fn new(base_url: String, credentials: AppCredentials, client: HttpClient) -> Self {
        let (tokens, calls) = (TokenCache::default(), CallHistory::default());
        Self { shared: Arc::new(ApiShared { base_url, credentials, client, tokens, calls }) }
    }

    /// The state of the API, judged by the calls so far.
    #[must_use]
    pub fn state(&self) -> ApiState {
        let left =
            |until: Instant| SignedDuration::try_from(until.checked_duration_since(Instant::now())?).ok();
        let until = self.shared.tokens.until().and_then(left);
        let token_until = until.and_then(|left| Timestamp::now().checked_add(left).ok());
        ApiState { token_until, ..self.shared.calls.state() }
    }

    /// The bot's own open_id, which mentions are compared with.
    ///
    /// # Errors
    /// See [`ApiError::advice`].
    pub async fn bot_open_id(&self) -> Result<OpenId, ApiError> {
        let api = failure::BOT_INFO;
        let answer = self.call(api, Method::GET, &["bot", "v3", "info"], None, None).await?;
        let open_id = answer.pointer("/bot/open_id").and_then(Value::as_str).filter(|id| !id.is_empty());
        open_id.map(OpenId::from).ok_or_else(|| unexpected(api, "the answer has no bot.open_id"))
    }

    /// Sends a message, or a reply, and returns its id.
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

    /// When a person wrote this message; `None` if a bot wrote it, or Feishu does not know it.
    ///
    /// # Errors
    /// See [`ApiError::advice`].
    pub(crate) async fn person_message_time(
        &self,
        message_id: &MessageId,
    ) -> Result<Option<Timestamp>, ApiError> {
        let path = ["im", "v1", "messages", message_id.as_str()];
        let answer = self.call(failure::READ, Method::GET, &path, None, None).await?;
        let item = answer.pointer("/data/items/0").unwrap_or(&Value::Null);
        if item.pointer("/sender/sender_type").and_then(Value::as_str) != Some("user") {
            return Ok(None);
        }
        let written = item.get("create_time").and_then(Value::as_str).and_then(|time| time.parse().ok());
        Ok(written.and_then(|time| Timestamp::from_millisecond(time).ok()))
    }

    /// Adds a reaction to a message. `emoji` is Feishu's name for it, case-sensitive: `THUMBSUP`, `OnIt`, `DONE`.
    ///
    /// # Errors
    /// See [`ApiError::advice`].
    pub async fn react(&self, message_id: &MessageId, emoji: &str) -> Result<(), ApiError> {
        let body = json!({ "reaction_type": { "emoji_type": emoji } });
        let path = ["im", "v1", "messages", message_id.as_str(), "reactions"];
        self.call(failure::REACT, Method::POST, &path, None, Some(RequestBody::Json(&body))).await?;
        Ok(())
    }

    /// Makes a call with the token. If the token was not accepted, repeats the call once with a new one.
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
        // The call that needs the token was not made yet, so it can be retried.
        let advice = RetryAdvice::Retry { after: Some(NO_TOKEN_RETRY_DELAY), outcome_known: true };
        let token = token
            .ok_or_else(|| ApiError { advice, ..unexpected(api, "the answer has no tenant_access_token") })?;
        let expire = answer.get("expire").and_then(Value::as_i64);
        tracing::debug!(expire, "got a tenant access token");
        Ok(AccessToken::new(token.into(), expire, Instant::now()))
    }

    /// Makes one request and records its outcome. Returns the whole JSON of the response if its code is 0.
    async fn exchange(
        &self,
        api: &'static str,
        method: &Method,
        url: &Url,
        token: Option<&AccessToken>,
        body: Option<RequestBody<'_>>,
    ) -> Result<Value, ApiError> {
        let answer = self.request(api, method, url, token, body).await;
        self.calls.record(&answer, Timestamp::now());
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
        let mut request = self.client.http().request(method.clone(), url.clone()).timeout(REQUEST_TIMEOUT);
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
        let body = body_up_to(answer, MAX_BODY_BYTES).await.map_err(|error| no_answer(api, error))?;
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
    // Without a connection, the call cannot have had an effect.
    let advice = RetryAdvice::Retry { after: None, outcome_known: error.is_connect() };
    let message = excerpt(&http_error_text(error), 300);
    ApiError { api, code: None, http: None, message, log_id: None, advice }
}

fn unexpected(api: &'static str, message: &str) -> ApiError {
    let advice = RetryAdvice::Refused(RefusalReason::Bug);
    ApiError { api, code: None, http: None, message: message.to_owned(), log_id: None, advice }
}
