//! Anthropic's Messages API on loopback, with a script instead of a model; enough of it for Claude Code 2.1.330.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::watch;

/// The scripted API; it ends with the test's runtime.
pub(crate) struct MessagesApi {
    url: String,
    shared: Arc<Shared>,
}

/// The input of `AskUserQuestion`: questions, whether several options may be chosen, and the options.
pub(crate) fn questions(questions: &[(&str, bool, [&str; 3])]) -> Value {
    let option = |label: &str| json!({"label": label, "description": format!("as {label}")});
    let question = |(text, many, options): &(&str, bool, [&str; 3])| json!({"question": text, "header": "H", "multiSelect": many, "options": options.map(option)});
    json!({ "questions": questions.iter().map(question).collect::<Vec<_>>() })
}

/// What one call asks, as the script sees it.
pub(crate) struct Asked {
    /// The person's last text in the last message; Claude Code's own reminders do not count.
    pub(crate) text: String,
    /// The results of tools after that text.
    pub(crate) tool_results: Vec<String>,
}

/// What the script answers.
#[derive(Clone)]
pub(crate) enum Reply {
    /// A text, streamed in pieces.
    Text(String),
    /// The use of a tool; its result comes with the next call.
    Tool {
        /// The name of the tool that the model uses.
        name: &'static str,
        /// The input of the tool.
        input: Value,
    },
    /// A text, and then the use of a tool.
    TextAndTool(String, &'static str, Value),
    /// An HTTP error with its body.
    Status(u16, Value),
    /// The HTTP error 429 with these headers.
    Limited(Vec<(&'static str, String)>),
    /// A text that breaks off at the most tokens that a message may have.
    Broken(String),
    /// The model declines to answer.
    Refusal,
    /// A part of a text, and then the end of the connection.
    Cut(String),
    /// The first text at once, the second when the gate opens.
    Hold(String, Gate, String),
}

impl Reply {
    /// An answer that is only text.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// The use of Bash.
    pub(crate) fn bash(command: &str) -> Self {
        Self::Tool {
            name: "Bash",
            input: json!({"command": command, "description": "a command of the test"}),
        }
    }

    /// An error as Anthropic words it.
    pub(crate) fn error(status: u16, kind: &str, message: &str) -> Self {
        Self::Status(status, json!({"type": "error", "error": {"type": kind, "message": message}}))
    }
}

/// Holds an answer back until the test opens it.
#[derive(Clone)]
pub(crate) struct Gate(Arc<watch::Sender<GateState>>);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd)]
enum GateState {
    Untouched,
    Reached,
    Open,
}

impl Gate {
    /// A gate that is closed until it is opened.
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(GateState::Untouched)))
    }

    /// Lets the answer go on.
    pub(crate) fn open(&self) {
        self.0.send_replace(GateState::Open);
    }

    /// Waits until an answer stands at the gate.
    pub(crate) async fn reached(&self) {
        let _ = self.0.subscribe().wait_for(|&state| state >= GateState::Reached).await;
    }

    async fn pass(&self) {
        self.0.send_if_modified(|state| {
            let untouched = *state == GateState::Untouched;
            if untouched {
                *state = GateState::Reached;
            }
            untouched
        });
        let _ = self.0.subscribe().wait_for(|&state| state == GateState::Open).await;
    }
}

type Script = dyn Fn(&Asked) -> Reply + Send + Sync;

struct Shared {
    script: Box<Script>,
    requests: Mutex<Vec<Value>>,
}

impl MessagesApi {
    /// Serves on a free port of loopback.
    pub(crate) async fn start(script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared { script: Box::new(script), requests: Mutex::default() });
        let router = axum::Router::new().fallback(serve).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, shared }
    }

    /// The value of `ANTHROPIC_BASE_URL`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The bodies of the calls for a message so far.
    pub(crate) fn requests(&self) -> Vec<Value> {
        self.shared.requests.lock().unwrap().clone()
    }
}

async fn serve(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    if head.method != Method::POST || !path.starts_with("/v1/messages") {
        return axum::Json(json!({})).into_response();
    }
    let body = axum::body::to_bytes(body, 64 << 20).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    if path.ends_with("/count_tokens") {
        return axum::Json(json!({"input_tokens": body.to_string().len() / 4})).into_response();
    }
    let streamed = body["stream"] == true;
    let model = body["model"].as_str().unwrap_or("scripted").to_owned();
    let reply = (shared.script)(&Asked::from(&body));
    let call = {
        let mut requests = shared.requests.lock().unwrap();
        requests.push(body);
        requests.len()
    };
    let (blocks, stop, gate) = match reply {
        Reply::Status(status, body) => {
            return (StatusCode::from_u16(status).unwrap(), axum::Json(body)).into_response();
        }
        Reply::Limited(headers) => return limited(headers),
        Reply::Cut(text) => return cut(&model, &text),
        Reply::Text(text) => (vec![text_block(&text)], "end_turn", None),
        Reply::Broken(text) => (vec![text_block(&text)], "max_tokens", None),
        Reply::Refusal => (vec![text_block("")], "refusal", None),
        Reply::Tool { name, input } => (vec![tool_block(call, name, &input)], "tool_use", None),
        Reply::TextAndTool(text, name, input) => {
            (vec![text_block(&text), tool_block(call, name, &input)], "tool_use", None)
        }
        Reply::Hold(first, gate, second) => {
            (vec![text_block(&first), text_block(&second)], "end_turn", Some(gate))
        }
    };
    let message = json!({"id": format!("msg_{call:024}"), "type": "message", "role": "assistant", "model": model,
        "content": blocks, "stop_reason": stop, "stop_sequence": null,
        "usage": {"input_tokens": 100, "output_tokens": 10}});
    if streamed { events(message, gate) } else { axum::Json(message).into_response() }
}

fn limited(headers: Vec<(&'static str, String)>) -> Response {
    let error = json!({"type": "rate_limit_error", "message": "too much"});
    let body = axum::Json(json!({"type": "error", "error": error}));
    let mut response = (StatusCode::TOO_MANY_REQUESTS, body).into_response();
    for (name, value) in headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

/// The events of a message up to a text, and an error of the connection.
fn cut(model: &str, text: &str) -> Response {
    let message = json!({"id": "msg_cut", "type": "message", "role": "assistant", "model": model, "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 1}});
    let mut events = vec![start(&message)];
    events.extend(block_events(0, &text_block(text)).into_iter().take(2));
    let chunks = events.into_iter().map(|event| {
        Ok(Bytes::from(format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap())))
    });
    let broken = std::iter::once(Err(std::io::Error::other("cut")));
    let body = Body::from_stream(stream::iter(chunks.chain(broken)));
    ([("content-type", "text/event-stream")], body).into_response()
}

fn tool_block(call: usize, name: &str, input: &Value) -> Value {
    json!({"type": "tool_use", "id": format!("toolu_{call:024}"), "name": name, "input": input})
}

fn text_block(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

/// The message as server-sent events, a chunk for each; the gate stands before the second block.
fn events(message: Value, gate: Option<Gate>) -> Response {
    let mut before = vec![start(&message)];
    let mut after = Vec::new();
    for (index, block) in message["content"].as_array().unwrap().iter().enumerate() {
        let part = if gate.is_some() && index > 0 { &mut after } else { &mut before };
        part.extend(block_events(index, block));
    }
    after.push(json!({"type": "message_delta", "delta": {"stop_reason": message["stop_reason"], "stop_sequence": null},
        "usage": {"output_tokens": 10}}));
    after.push(json!({"type": "message_stop"}));
    let queue = std::collections::VecDeque::from(before);
    let events = stream::unfold((queue, Some((gate, after))), |(mut queue, mut rest)| async move {
        if queue.is_empty() {
            let (gate, after) = rest.take()?;
            if let Some(gate) = gate {
                gate.pass().await;
            }
            queue = after.into();
        }
        let event = queue.pop_front()?;
        let chunk = format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap());
        Some((Ok::<_, Infallible>(Bytes::from(chunk)), (queue, rest)))
    });
    ([("content-type", "text/event-stream")], Body::from_stream(events)).into_response()
}

fn start(message: &Value) -> Value {
    let mut message = message.clone();
    message["content"] = json!([]);
    message["stop_reason"] = Value::Null;
    json!({"type": "message_start", "message": message})
}

fn block_events(index: usize, block: &Value) -> Vec<Value> {
    let (empty, deltas): (Value, Vec<Value>) = match block["text"].as_str() {
        Some(text) => {
            let letters: Vec<char> = text.chars().collect();
            let pieces = letters.chunks(200).map(|piece| piece.iter().collect::<String>());
            (text_block(""), pieces.map(|piece| json!({"type": "text_delta", "text": piece})).collect())
        }
        None => {
            let mut empty = block.clone();
            empty["input"] = json!({});
            let input = block["input"].to_string();
            (empty, vec![json!({"type": "input_json_delta", "partial_json": input})])
        }
    };
    let mut events = vec![json!({"type": "content_block_start", "index": index, "content_block": empty})];
    events.extend(
        deltas
            .into_iter()
            .map(|delta| json!({"type": "content_block_delta", "index": index, "delta": delta})),
    );
    events.push(json!({"type": "content_block_stop", "index": index}));
    events
}

impl From<&Value> for Asked {
    fn from(body: &Value) -> Self {
        let last = body["messages"]
            .as_array()
            .and_then(|messages| messages.iter().rev().find(|message| message["role"] == "user"));
        let content = last.map_or(&Value::Null, |message| &message["content"]);
        let single = content.as_str().map(|text| vec![text_block(text)]);
        let blocks = single.as_ref().or_else(|| content.as_array()).cloned().unwrap_or_default();
        let mut asked = Self { text: String::new(), tool_results: Vec::new() };
        for block in &blocks {
            let content = &block["content"];
            match block["text"].as_str() {
                Some(text) if text.trim_start().starts_with("<system-reminder>") => {}
                Some(text) => asked = Self { text: text.to_owned(), tool_results: Vec::new() },
                None if block["type"] == "tool_result" => asked
                    .tool_results
                    .push(content.as_str().map_or_else(|| content.to_string(), str::to_owned)),
                None => {}
            }
        }
        asked
    }
}
