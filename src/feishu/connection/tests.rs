use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;
use tokio::io::DuplexStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::protocol::Role;
use url::Url;

use super::*;
use crate::feishu::frame::Header;
use crate::feishu::suspend::SuspendClock;

const S: Duration = Duration::from_secs(1);

/// A connection in memory; the test holds Feishu's end of it.
struct Line {
    feishu: WebSocketStream<DuplexStream>,
    deliveries: mpsc::Receiver<Delivery>,
    stop: CancellationToken,
    ended: JoinHandle<ConnectionEnd>,
    started: tokio::time::Instant,
}

async fn line(ping_interval: i64, room: usize, buffer: usize) -> Line {
    line_of(ping_interval, room, buffer, || Duration::ZERO).await
}

/// Like [`line`], on a host whose suspended time is given by `suspended`.
async fn line_of(ping_interval: i64, room: usize, buffer: usize, suspended: SuspendClock) -> Line {
    let (ours, theirs) = tokio::io::duplex(buffer);
    let socket = WebSocketStream::from_raw_socket(ours, Role::Client, None).await;
    let feishu = WebSocketStream::from_raw_socket(theirs, Role::Server, None).await;
    let (sender, deliveries) = mpsc::channel(room);
    let stop = CancellationToken::new();
    let endpoint = Endpoint {
        url: Url::parse("ws://127.0.0.1/").unwrap(),
        service_id: 33,
        connection: String::new(),
        config: ClientConfig { ping_interval: Some(ping_interval) },
    };
    let (state, _) = watch::channel(ConnectionState::new(Timestamp::UNIX_EPOCH));
    let stopped = stop.clone();
    let (first_message, _) = oneshot::channel();
    let suspends = SuspendDetector::new(suspended);
    let ended = tokio::spawn(async move {
        serve(socket, &endpoint, &sender, &state, first_message, suspends, &stopped).await
    });
    Line { feishu, deliveries, stop, ended, started: tokio::time::Instant::now() }
}

impl Line {
    async fn frame(&mut self) -> Frame {
        let arrived = self.feishu.next().await.unwrap().unwrap();
        let Message::Binary(bytes) = arrived else { panic!("{arrived:?}") };
        Frame::from_bytes(&bytes).unwrap()
    }

    async fn push(&mut self, frame: &Frame) {
        self.feishu.send(message(frame)).await.unwrap();
    }
}

fn event(seq_id: u64, payload: &str) -> Frame {
    Frame {
        seq_id,
        method: METHOD_DATA,
        headers: vec![Header::new("type", "event"), Header::new("message_id", seq_id.to_string())],
        payload: Some(payload.as_bytes().to_vec()),
        ..Frame::default()
    }
}

fn pong(config: &str) -> Frame {
    Frame {
        headers: vec![Header::new("type", "pong")],
        payload: Some(config.as_bytes().to_vec()),
        ..Frame::default()
    }
}

fn lost(reason: &str, worked: bool) -> ConnectionEnd {
    ConnectionEnd::Lost { reason: reason.to_owned(), worked }
}

fn code(ack: &Frame) -> (u64, serde_json::Value) {
    (ack.seq_id, serde_json::from_slice::<serde_json::Value>(ack.body()).unwrap()["code"].clone())
}

#[tokio::test(start_paused = true)]
async fn a_half_open_connection_is_noticed_after_two_ping_periods() {
    let mut line = line(120, 1, 4096).await;
    assert_eq!(line.frame().await, Frame::ping(33));
    line.push(&pong("")).await;
    assert_eq!(line.frame().await, Frame::ping(33));
    assert_eq!(line.started.elapsed().as_secs(), 15);
    assert_eq!(line.ended.await.unwrap(), lost("nothing was heard for 30 s", true));
    assert_eq!(line.started.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_died_while_the_host_was_suspended_is_dropped_within_seconds_of_its_waking() {
    static ASLEEP: AtomicU64 = AtomicU64::new(0);
    let suspended = || Duration::from_secs(ASLEEP.load(Ordering::Relaxed));
    let mut line = line_of(120, 1, 4096, suspended).await;
    assert_eq!(line.frame().await, Frame::ping(33));
    line.push(&pong("")).await;
    tokio::time::sleep(S).await;
    ASLEEP.store(3600, Ordering::Relaxed);
    assert_eq!(line.frame().await, Frame::ping(33));
    assert_eq!(line.started.elapsed().as_secs(), 5, "a look at the clocks every 5 s");
    assert_eq!(line.ended.await.unwrap(), lost("nothing was heard for 10 s", true));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_still_works_after_the_host_was_suspended_is_kept() {
    static ASLEEP: AtomicU64 = AtomicU64::new(0);
    let suspended = || Duration::from_secs(ASLEEP.load(Ordering::Relaxed));
    let mut line = line_of(120, 1, 4096, suspended).await;
    assert_eq!(line.frame().await, Frame::ping(33));
    ASLEEP.store(3600, Ordering::Relaxed);
    assert_eq!(line.frame().await, Frame::ping(33));
    line.push(&pong("")).await;
    assert_eq!(line.frame().await, Frame::ping(33));
    assert_eq!(line.started.elapsed().as_secs(), 20, "the next ping is due a period later");
}

#[tokio::test(start_paused = true)]
async fn any_message_is_a_sign_of_life_and_garbage_changes_nothing() {
    let mut line = line(10, 1, 4096).await;
    let half = Frame { headers: vec![Header::new("type", "event"), Header::new("sum", "9")], ..event(1, "") };
    let odd = Frame { method: 7, ..event(1, "{}") };
    let card = Frame { headers: vec![Header::new("type", "card")], ..event(1, "{}") };
    let signs = [
        Message::text("hello"),
        Message::binary(b"no frame".to_vec()),
        Message::Ping(vec![1].into()),
        message(&pong("{")),
        message(&Frame::ping(33)),
        message(&half),
        message(&odd),
        message(&card),
        message(&Frame::default()),
    ];
    for sign in signs {
        line.feishu.send(sign).await.unwrap();
        tokio::time::sleep(19 * S).await;
    }
    line.push(&event(5, "{}")).await;
    let delivery = line.deliveries.recv().await.unwrap();
    assert_eq!(delivery.payload, b"{}");
    assert!(!line.ended.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_pong_changes_the_interval() {
    let mut line = line(120, 1, 4096).await;
    assert_eq!(line.frame().await, Frame::ping(33));
    line.push(&pong(r#"{"PingInterval":3}"#)).await;
    assert_eq!(line.frame().await, Frame::ping(33));
    assert_eq!(line.started.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn answers_are_written_as_they_come_in_any_order() {
    let mut line = line(120, 4, 4096).await;
    line.frame().await;
    for seq in 1..=4 {
        line.push(&event(seq, "{}")).await;
    }
    let mut waiting = Vec::new();
    for _ in 1..=4 {
        waiting.push(line.deliveries.recv().await.unwrap().answer);
    }
    let [first, second, third, _kept] = <[_; 4]>::try_from(waiting).unwrap();
    third.send(Answer { code: 200, data: Some(json!({})) }).unwrap();
    let ack = line.frame().await;
    assert_eq!(ack.body(), br#"{"code":200,"data":"e30="}"#);
    assert_eq!(code(&ack), (3, json!(200)));
    assert_eq!(ack.header("biz_rt"), Some("0"));
    drop(first);
    assert_eq!(code(&line.frame().await), (1, json!(500)));
    second.send(Answer { code: 200, data: None }).unwrap();
    assert_eq!(code(&line.frame().await), (2, json!(200)));
    assert_eq!(code(&line.frame().await), (4, json!(500)), "an answer that does not come is 500");
    assert_eq!(line.started.elapsed().as_secs(), ANSWER_TIMEOUT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_slow_consumer_never_stops_the_reading() {
    let mut line = line(120, 1, 4096).await;
    line.frame().await;
    for seq in 1..=3 {
        line.push(&event(seq, "{}")).await;
    }
    assert_eq!(code(&line.frame().await), (2, json!(500)));
    assert_eq!(code(&line.frame().await), (3, json!(500)));
    let taken = line.deliveries.recv().await.unwrap();
    taken.answer.send(Answer { code: 200, data: None }).unwrap();
    assert_eq!(code(&line.frame().await), (1, json!(200)));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_stuck_ends_the_connection() {
    // The far end never reads: the second ping does not fit any more.
    let line = line(5, 1, 30).await;
    let mut feishu = line.feishu;
    let alive = tokio::spawn(async move {
        loop {
            tokio::time::sleep(S).await;
            if feishu.feed(Message::Ping(Vec::new().into())).await.is_err() || feishu.flush().await.is_err() {
                break;
            }
        }
    });
    let ended = line.ended.await.unwrap();
    assert_eq!(ended, lost("a frame could not be written within 10 s", true));
    alive.abort();
}

#[tokio::test(start_paused = true)]
async fn a_stop_writes_the_last_answers_and_a_close_frame() {
    let mut line = line(120, 1, 4096).await;
    line.frame().await;
    line.push(&event(1, "{}")).await;
    let taken = line.deliveries.recv().await.unwrap();
    line.stop.cancel();
    taken.answer.send(Answer { code: 200, data: None }).unwrap();
    assert_eq!(code(&line.frame().await), (1, json!(200)));
    assert!(matches!(line.feishu.next().await, Some(Ok(Message::Close(Some(_))))));
    assert_eq!(line.ended.await.unwrap(), ConnectionEnd::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_at_most_a_second_for_an_answer() {
    let mut line = line(120, 1, 4096).await;
    line.frame().await;
    line.push(&event(1, "{}")).await;
    let _kept = line.deliveries.recv().await.unwrap();
    line.stop.cancel();
    assert!(matches!(line.feishu.next().await, Some(Ok(Message::Close(_)))));
    assert_eq!(line.started.elapsed(), CLOSE_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn a_close_frame_and_an_end_lose_the_connection_and_only_a_message_shows_that_it_worked() {
    let mut closing = line(120, 1, 4096).await;
    let close = CloseFrame { code: CloseCode::Away, reason: "bye".into() };
    closing.feishu.close(Some(close)).await.unwrap();
    assert_eq!(closing.ended.await.unwrap(), lost("Feishu closed the connection: 1001 bye", false));

    let ending = line(120, 1, 4096).await;
    drop(ending.feishu);
    assert!(matches!(ending.ended.await.unwrap(), ConnectionEnd::Lost { worked: false, .. }));
}
