//! Feishu's long connection and API over real sockets.

use phonework::feishu::frame::{Frame, Header, METHOD_DATA};
use phonework::feishu::socket::{Answer, ConnectionState, Delivery, Phase, run};
use phonework::feishu::{AppCredentials, HttpClient};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use self::server::{PATIENCE, Server, Socket, Told};

mod api;
mod server;

struct Daemon {
    deliveries: mpsc::Receiver<Delivery>,
    state: watch::Receiver<ConnectionState>,
    hurry: watch::Sender<()>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Daemon {
    fn start(server: &Server) -> Self {
        let (sender, deliveries) = mpsc::channel(8);
        let (told, state) = watch::channel(ConnectionState::new(jiff::Timestamp::now()));
        let stop = CancellationToken::new();
        let client = HttpClient::new().unwrap();
        let (hurry, told_to_hurry) = watch::channel(());
        let base_url = server.base_url.clone();
        let running = run(base_url, credentials(), client, sender, told, told_to_hurry, stop.clone());
        Self { deliveries, state, hurry, stop, task: tokio::spawn(running) }
    }

    async fn delivery(&mut self) -> Delivery {
        timeout(PATIENCE, self.deliveries.recv()).await.unwrap().unwrap()
    }

    async fn state_where(&mut self, is: impl FnMut(&ConnectionState) -> bool) -> ConnectionState {
        timeout(PATIENCE, self.state.wait_for(is)).await.unwrap().unwrap().clone()
    }

    /// An event goes the whole way, there and back.
    async fn proves(&mut self, socket: &mut Socket, seq_id: u64) {
        let event = event(seq_id, &[], "{}");
        socket.push(&event).await;
        let delivery = self.delivery().await;
        assert_eq!(delivery.payload, b"{}");
        delivery.answer.send(Answer { code: 200, data: None }).unwrap();
        let ack = socket.frame().await;
        let mut expected = event.clone();
        expected.headers.push(Header::new("biz_rt", ack.header("biz_rt").unwrap()));
        expected.payload = Some(br#"{"code":200}"#.to_vec());
        assert_eq!(ack, expected);
    }
}

fn credentials() -> AppCredentials {
    AppCredentials { app_id: "cli_1".to_owned(), app_secret: "hush".into() }
}

fn event(seq_id: u64, more: &[(&str, &str)], payload: &str) -> Frame {
    let mut headers = vec![Header::new("type", "event"), Header::new("instance_id", "i")];
    headers.extend(more.iter().map(|(key, value)| Header::new(*key, *value)));
    Frame {
        seq_id,
        log_id: u64::MAX,
        service: 33,
        method: METHOD_DATA,
        headers,
        payload: Some(payload.as_bytes().to_vec()),
        log_id_new: Some("log".to_owned()),
        ..Frame::default()
    }
}

#[tokio::test]
async fn events_come_in_whole_and_in_parts_and_are_acknowledged_by_their_echo() {
    let mut server = Server::start(120).await;
    let mut daemon = Daemon::start(&server);
    let asked = server.request().await;
    assert_eq!(asked.call, "POST /callback/ws/endpoint");
    assert_eq!(asked.body, json!({"AppID": "cli_1", "AppSecret": "hush"}));
    assert_eq!(asked.headers["locale"], "zh");
    assert!(asked.headers["user-agent"].to_str().unwrap().starts_with("phonework/"));

    let mut socket = server.socket().await;
    let first = socket.message().await.unwrap();
    assert_eq!(Frame::from_bytes(&first.into_data()).unwrap(), Frame::ping(33));
    daemon.proves(&mut socket, 1).await;

    for garbage in [Message::text("hi"), Message::binary(b"\xff\xff".to_vec()), Message::binary(Vec::new())] {
        socket.push_message(garbage).await;
    }
    let part = |seq, payload| event(2, &[("message_id", "m"), ("sum", "2"), ("seq", seq)], payload);
    socket.push(&part("1", "ond")).await;
    socket.push(&part("0", "sec")).await;
    let delivery = daemon.delivery().await;
    assert_eq!(delivery.payload, b"second");
    delivery.answer.send(Answer { code: 200, data: Some(json!({"toast": {}})) }).unwrap();
    let ack = socket.frame().await;
    assert_eq!((ack.seq_id, ack.header("seq")), (2, Some("0")), "the part that completed it is echoed");
    assert_eq!(ack.body(), br#"{"code":200,"data":"eyJ0b2FzdCI6e319"}"#);

    let state = daemon.state_where(|state| state.phase == Phase::Connected).await;
    assert_eq!((state.reconnects, state.last_error), (0, None));
    assert!(state.last_frame.is_some());
}

#[tokio::test]
async fn a_lost_connection_is_made_again_with_a_fresh_endpoint() {
    let mut server = Server::start(120).await;
    let mut daemon = Daemon::start(&server);
    let mut first = server.socket().await;
    daemon.proves(&mut first, 1).await;
    drop(first);
    let mut second = server.socket().await;
    assert_eq!(second.query, "device_id=d&service_id=33&ticket=2");
    daemon.proves(&mut second, 2).await;
    let state = daemon.state_where(|state| state.phase == Phase::Connected).await;
    assert_eq!(state.reconnects, 1);
    assert!(state.last_error.is_some());
}

#[tokio::test]
async fn a_connection_that_falls_silent_is_replaced() {
    let mut server = Server::start(2).await;
    let mut daemon = Daemon::start(&server);
    let mut silent = server.socket().await;
    daemon.proves(&mut silent, 1).await;
    let mut second = server.socket().await;
    daemon.proves(&mut second, 2).await;
    let state = daemon.state_where(|state| state.phase == Phase::Connected).await;
    assert!(state.last_error.unwrap().starts_with("nothing was heard for"));
}

#[tokio::test]
async fn trouble_on_the_way_to_a_connection_is_tried_again() {
    let mut server = Server::start(120).await;
    server.tell(200, &json!({"code": 1_000_040_343, "msg": "internal error"}));
    server.tell_page(Told(302, &[("location", "/elsewhere")], "<html>".to_owned()));
    server.refuse_upgrade(&[]);
    let mut daemon = Daemon::start(&server);
    let mut socket = server.socket().await;
    daemon.proves(&mut socket, 1).await;
    let endpoint = "POST /callback/ws/endpoint";
    assert_eq!(server.calls(), [endpoint; 4], "redirects are not followed");
}

#[tokio::test]
async fn a_refusal_is_said_and_tried_again_slowly() {
    for upgrade in [false, true] {
        let server = Server::start(120).await;
        if upgrade {
            server.refuse_upgrade(&[("Handshake-Status", "514"), ("Handshake-Autherrcode", "1000040350")]);
        } else {
            server.tell(200, &json!({"code": 1_000_040_350, "msg": ""}));
        }
        let mut daemon = Daemon::start(&server);
        let state = daemon.state_where(|state| matches!(state.phase, Phase::Waiting { .. })).await;
        let Phase::Waiting { until } = state.phase else { unreachable!() };
        assert!(until.duration_since(state.since).as_secs() >= 149, "{state:?}");
        assert!(state.last_error.unwrap().contains("too many connections"));
        daemon.hurry.send_replace(());
        daemon.state_where(|state| state.phase == Phase::Connected).await;
        daemon.stop.cancel();
        timeout(PATIENCE, daemon.task).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_stop_closes_the_connection() {
    let mut server = Server::start(120).await;
    let mut daemon = Daemon::start(&server);
    let mut socket = server.socket().await;
    daemon.proves(&mut socket, 1).await;
    daemon.stop.cancel();
    assert!(matches!(socket.message().await, Some(Message::Close(Some(_)))));
    timeout(PATIENCE, daemon.task).await.unwrap().unwrap();
    assert_eq!(daemon.state.borrow().phase, Phase::Stopped);
}
