//! A bare client of the emulated Feishu, written against the protocol and not against phonework's own client, so that
//! neither can hide a mistake of the other.

use futures_util::{SinkExt, StreamExt};
use phonework::{
    emulator::Emulator,
    feishu::frame::{Frame, Header},
};
use prost::Message as _;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, tungstenite::Message};

/// The bot's HTTP client with its token.
pub(crate) struct Bot {
    http: reqwest::Client,
    base: String,
    token: String,
}

/// An answer of the API.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) http: u16,
    pub(crate) code: i64,
    pub(crate) body: Value,
    pub(crate) reset: Option<String>,
}

impl Bot {
    pub(crate) async fn new(emulator: &Emulator) -> Self {
        // Another test may have installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let mut bot = Self { http, base: emulator.base_url().to_owned(), token: String::new() };
        bot.renew_token(emulator).await;
        bot
    }

    pub(crate) async fn renew_token(&mut self, emulator: &Emulator) {
        let options = emulator.options();
        let sent = json!({"app_id": options.app_id, "app_secret": options.app_secret});
        let answer = self.call("POST", "/open-apis/auth/v3/tenant_access_token/internal", &sent).await;
        self.token = answer.body["tenant_access_token"].as_str().expect("a token").to_owned();
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.try_call(method, path, body).await.expect("an answer")
    }

    pub(crate) async fn try_call(
        &self,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Result<Answer, reqwest::Error> {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let request = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token);
        let request = if body.is_null() { request } else { request.json(body) };
        let response = request.send().await?;
        let http = response.status().as_u16();
        let reset = response.headers().get("x-ogw-ratelimit-reset");
        let reset = reset.map(|value| value.to_str().expect("ascii").to_owned());
        let body: Value = serde_json::from_slice(&response.bytes().await?).unwrap_or_default();
        Ok(Answer { http, code: body["code"].as_i64().unwrap_or(-1), body, reset })
    }

    /// Sends to a chat; `more` is put into the request.
    pub(crate) async fn send(&self, chat: &str, msg_type: &str, content: &Value, more: &Value) -> Answer {
        let mut sent = json!({"receive_id": chat, "msg_type": msg_type, "content": content.to_string()});
        sent.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        self.call("POST", "/open-apis/im/v1/messages?receive_id_type=chat_id", &sent).await
    }

    pub(crate) async fn upload(&self, path: &str, form: reqwest::multipart::Form) -> Answer {
        let request = self.http.post(format!("{}{path}", self.base)).bearer_auth(&self.token).multipart(form);
        let response = request.send().await.expect("an answer");
        let http = response.status().as_u16();
        let body: Value = response.json().await.expect("json");
        Answer { http, code: body["code"].as_i64().unwrap_or(-1), body, reset: None }
    }

    pub(crate) async fn download(&self, path: &str) -> (u16, Vec<u8>) {
        let response = self.http.get(format!("{}{path}", self.base)).bearer_auth(&self.token);
        let response = response.send().await.expect("an answer");
        (response.status().as_u16(), response.bytes().await.expect("bytes").to_vec())
    }

    /// Asks for the long connection's address.
    pub(crate) async fn endpoint(&self, emulator: &Emulator) -> Answer {
        let options = emulator.options();
        let sent = json!({"AppID": options.app_id, "AppSecret": options.app_secret});
        self.call("POST", "/callback/ws/endpoint", &sent).await
    }

    /// Opens the long connection; events go there from now on.
    pub(crate) async fn connect(&self, emulator: &Emulator) -> Socket {
        let made = emulator.connections_made();
        let answer = self.endpoint(emulator).await;
        let url = answer.body["data"]["URL"].as_str().expect("an address");
        let (socket, _) = tokio_tungstenite::connect_async(url).await.expect("a connection");
        // The client is through with the handshake a little before the emulator is.
        let more = |emulator: &Emulator| (emulator.connections_made() > made).then_some(());
        emulator.wait_for(more, std::time::Duration::from_secs(20)).await.expect("the connection is known");
        Socket { socket }
    }
}

/// The bot's long connection, frame by frame.
pub(crate) struct Socket {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Socket {
    /// The next WebSocket message; `None` when the connection is over.
    pub(crate) async fn message(&mut self) -> Option<Message> {
        self.socket.next().await?.ok()
    }

    /// Waits for the next frame.
    pub(crate) async fn frame(&mut self) -> Frame {
        let message = self.message().await.expect("the connection lives");
        let Message::Binary(bytes) = message else { panic!("{message:?} is no frame") };
        Frame::decode(bytes.as_ref()).expect("a frame")
    }

    /// The next event, whole in one frame, which is not acknowledged.
    pub(crate) async fn event(&mut self) -> (Frame, Value) {
        let frame = self.frame().await;
        let event = serde_json::from_slice(frame.payload.as_deref().expect("a payload")).expect("json");
        (frame, event)
    }

    pub(crate) async fn send(&mut self, frame: &Frame) {
        self.socket.send(Message::Binary(frame.encode_to_vec().into())).await.expect("sent");
    }

    pub(crate) async fn ping(&mut self, service: i32) {
        let ping = Frame { service, headers: vec![pair("type", "ping")], ..Frame::default() };
        self.send(&ping).await;
    }

    /// Acknowledges; `data` is the answer to a callback.
    pub(crate) async fn ack(&mut self, frame: &Frame, code: u16, data: Option<&Value>) {
        use base64::Engine as _;

        let data = data.map(|data| base64::engine::general_purpose::STANDARD.encode(data.to_string()));
        let mut answer = frame.clone();
        answer.headers.push(pair("biz_rt", "1"));
        answer.payload = Some(json!({"code": code, "data": data}).to_string().into_bytes());
        self.send(&answer).await;
    }
}

pub(crate) fn header<'a>(frame: &'a Frame, key: &str) -> &'a str {
    frame.headers.iter().find(|header| header.key == key).map_or("", |header| &header.value)
}

fn pair(key: &str, value: &str) -> Header {
    Header { key: key.to_owned(), value: value.to_owned() }
}
