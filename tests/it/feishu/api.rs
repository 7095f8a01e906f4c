//! The calls to Feishu's HTTP API.

use std::time::Duration;

use phonework::feishu::HttpClient;
use phonework::feishu::api::{Api, Outgoing, Recipient};
use phonework::feishu::failure::{RefusalReason, RetryAdvice};
use phonework::ids::{MessageId, OpenId};
use serde_json::json;
use tokio::net::TcpListener;

use super::credentials;
use super::server::{Server, Told};

const TOKEN: &str = "POST /open-apis/auth/v3/tenant_access_token/internal";

fn api(server: &Server) -> Api {
    Api::new(server.base_url.clone(), credentials(), HttpClient::new().unwrap())
}

fn message(to: Recipient, reply_to: Option<&str>) -> Outgoing {
    Outgoing {
        to,
        reply_to: reply_to.map(MessageId::from),
        msg_type: "text".to_owned(),
        content: phonework::feishu::content::text("hi"),
        uuid: "u-1".to_owned(),
    }
}

fn sent(id: &str) -> serde_json::Value {
    json!({"code": 0, "msg": "success", "data": {"message_id": id}})
}

#[tokio::test]
async fn messages_replies_reactions_and_the_bot_are_asked_for_as_feishu_wants_it() {
    let mut server = Server::start(120).await;
    let api = api(&server);
    server.tell(200, &sent("om_1"));
    server.tell(200, &sent("om_2"));
    server.tell(200, &sent("om_3"));
    server.tell(200, &json!({"code": 0, "data": {"reaction_id": "r"}}));
    server.tell(200, &json!({"code": 0, "msg": "ok", "bot": {"open_id": "ou_bot"}}));

    let chat = Recipient::Chat("oc_1".into());
    assert_eq!(api.send(&message(chat.clone(), None)).await, Ok("om_1".into()));
    let token = server.request().await;
    assert_eq!(token.call, TOKEN);
    assert_eq!(token.body, json!({"app_id": "cli_1", "app_secret": "hush"}));
    let create = server.request().await;
    assert_eq!(create.call, "POST /open-apis/im/v1/messages?receive_id_type=chat_id");
    assert_eq!(create.headers["authorization"], "Bearer t-1");
    assert_eq!(create.headers["content-type"], "application/json; charset=utf-8");
    let expected =
        json!({"receive_id": "oc_1", "msg_type": "text", "content": r#"{"text":"hi"}"#, "uuid": "u-1"});
    assert_eq!(create.body, expected);

    assert_eq!(api.send(&message(Recipient::User("ou_1".into()), None)).await, Ok("om_2".into()));
    assert_eq!(server.request().await.call, "POST /open-apis/im/v1/messages?receive_id_type=open_id");

    assert_eq!(api.send(&message(chat, Some("om_0/../x?"))).await, Ok("om_3".into()));
    let reply = server.request().await;
    assert_eq!(reply.call, "POST /open-apis/im/v1/messages/om_0%2F..%2Fx%3F/reply");
    assert_eq!(reply.body, json!({"msg_type": "text", "content": r#"{"text":"hi"}"#, "uuid": "u-1"}));

    assert_eq!(api.react(&"om_0".into(), "OnIt").await, Ok(()));
    let reaction = server.request().await;
    assert_eq!(reaction.call, "POST /open-apis/im/v1/messages/om_0/reactions");
    assert_eq!(reaction.body, json!({"reaction_type": {"emoji_type": "OnIt"}}));

    assert_eq!(api.bot_open_id().await, Ok(OpenId::from("ou_bot")));
    assert_eq!(server.calls(), ["GET /open-apis/bot/v3/info"], "one token does for all");
}

#[tokio::test]
async fn a_token_that_is_not_accepted_is_replaced_once() {
    let mut server = Server::start(120).await;
    let api = api(&server);
    let expired = json!({"code": 99_991_663, "msg": "token invalid"});
    server.tell(400, &expired);
    server.tell(200, &json!({"code": 0}));
    assert_eq!(api.react(&"om_0".into(), "OK").await, Ok(()));
    let call = "POST /open-apis/im/v1/messages/om_0/reactions";
    assert_eq!(server.calls(), [TOKEN, call, TOKEN, call]);

    server.tell(400, &expired);
    server.tell(400, &expired);
    let error = api.react(&"om_0".into(), "OK").await.unwrap_err();
    assert_eq!(server.calls(), [call, TOKEN, call]);
    let advice = RetryAdvice::Retry { after: Some(Duration::from_secs(5)), outcome_known: true };
    assert_eq!((error.code, error.http, error.advice), (Some(99_991_663), Some(400), advice));
}

#[tokio::test]
async fn failures_say_what_to_do() {
    let server = Server::start(120).await;
    let api = api(&server);
    let outgoing = message(Recipient::Chat("oc_1".into()), None);

    let limited = json!({"code": 99_991_400, "msg": "request trigger frequency limit"}).to_string();
    server.tell_page(Told(429, &[("x-ogw-ratelimit-reset", "7"), ("X-Tt-Logid", "log-1")], limited));
    let error = api.send(&outgoing).await.unwrap_err();
    assert_eq!(error.advice, RetryAdvice::Retry { after: Some(Duration::from_secs(7)), outcome_known: true });
    assert_eq!(
        error.to_string(),
        "im.message.create: code 99991400 (HTTP 429) request trigger frequency limit [log id log-1]"
    );

    server.tell_page(Told(200, &[], "<html>hello</html>".to_owned()));
    let error = api.send(&outgoing).await.unwrap_err();
    assert_eq!((error.code, error.http), (None, Some(200)));
    assert_eq!(error.advice, RetryAdvice::Retry { after: None, outcome_known: false });

    server.tell(400, &json!({"code": 230_002, "msg": "no", "error": {"log_id": "log-2"}}));
    let error = api.send(&outgoing).await.unwrap_err();
    assert_eq!(error.advice, RetryAdvice::Refused(RefusalReason::Undeliverable));
    assert_eq!(error.log_id.as_deref(), Some("log-2"));

    server.tell(200, &json!({"code": 0, "data": {}}));
    assert_eq!(api.send(&outgoing).await.unwrap_err().advice, RetryAdvice::Refused(RefusalReason::Bug));
}

#[tokio::test]
async fn a_server_that_is_not_there_has_done_nothing() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let api = Api::new(format!("http://{free}"), credentials(), HttpClient::new().unwrap());
    let error = api.bot_open_id().await.unwrap_err();
    assert_eq!(error.advice, RetryAdvice::Retry { after: None, outcome_known: true });
    assert!(!error.message.contains(&free.port().to_string()), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_ends() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", silent.local_addr().unwrap());
    let api = Api::new(base_url, credentials(), HttpClient::new().unwrap());
    let error = api.bot_open_id().await.unwrap_err();
    assert!(matches!(error.advice, RetryAdvice::Retry { .. }), "{error}");
}
