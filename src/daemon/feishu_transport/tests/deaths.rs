//! A daemon that dies at any call, before Feishu does what it is asked for or after it.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{StreamExt as _, stream};
use tokio::sync::Notify;

use super::*;
use crate::emulator::{FaultDuration, FaultEffect, InjectedFault};

/// The way to Feishu of a daemon that dies.
#[derive(Clone)]
struct Dying {
    post: FeishuTransport,
    /// Number of calls before that.
    calls: usize,
    made: Arc<AtomicUsize>,
    /// Whether Feishu still does what the last call asks for.
    after: bool,
    died: Arc<Notify>,
}

impl Transport for Dying {
    async fn run(&self, request: &ApiRequest) -> Result<Option<String>, RequestFailure> {
        let made = self.made.fetch_add(1, Ordering::SeqCst);
        if made < self.calls {
            return self.post.run(request).await;
        }
        if made == self.calls && self.after {
            let _ = self.post.run(request).await;
        }
        self.died.notify_one();
        std::future::pending().await
    }

    fn in_place_of(&self, objection: ContentObjection) -> String {
        self.post.in_place_of(objection)
    }

    fn words(&self) -> Words {
        self.post.words()
    }

    async fn recovered(&self) {
        self.post.recovered().await;
    }
}

/// What the answer is said in reply to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Nothing,
    /// A message in a group.
    Message,
    /// One that is taken back before the answer.
    TakenBack,
}

/// What a daemon dies over.
#[derive(Clone, Copy)]
struct Story {
    entities: bool,
    asked: Asked,
    document: fn() -> Document,
    /// With what every change of the card is refused once the answer is there.
    refused: Option<i64>,
}

/// Whether the answer is there once after a death at this call; `None` when there are not so many.
async fn death(story: Story, call: usize, after: bool) -> Option<Result<(), String>> {
    let Story { entities, asked, document, refused } = story;
    let document = document();
    let office =
        if entities { CourierFixture::new().await } else { CourierFixture::without_entities().await };
    let mut office = if asked == Asked::Nothing { office } else { office.in_group() };
    let refuse = |office: &CourierFixture| {
        if asked == Asked::TakenBack {
            office.take_back();
        }
        let Some(code) = refused else { return };
        let (effect, lasting) =
            (FaultEffect::Refuse { http: 400, code, reset: None }, FaultDuration::UntilLifted);
        office.emulator.fault(InjectedFault::api("PATCH", "/open-apis/im/v1/messages/*", effect, lasting));
    };
    let died = Arc::<Notify>::default();
    let (post, made) = (office.post.clone(), Arc::default());
    let courier = office.open_with(Dying { post, calls: call, made, after, died: died.clone() });
    office.show("for");
    let story = async {
        let seen = |_: &Emulator| office.heard().first().cloned();
        office.emulator.wait_for(seen, PATIENCE).await.expect("no picture");
        office.show("forty");
        let seen = |_: &Emulator| office.heard().into_iter().find(|shown| shown.text.contains("forty"));
        office.emulator.wait_for(seen, PATIENCE).await.expect("no second picture");
        refuse(&office);
        office.answer(document.clone()).await;
        office.done().await
    };
    tokio::select! {
        depths = story => return (depths.wedged > 0).then(|| Err("wedged".to_owned())),
        () = died.notified() => {}
    }
    courier.abort();
    let _ = courier.await;
    // What is owed is committed before or after the death; here it is there at the latest now.
    if office.store.depths().await.unwrap().pending == 0 {
        office.answer(document).await;
    }
    refuse(&office);
    let courier = office.reopen();
    let depths = office.done().await;
    courier.abort();
    let (times, heard) = (office.answers(), office.heard());
    let others = heard.iter().filter(|shown| shown.text.contains("Bash ls")).count();
    Some(if times == 1 && (others == 0 || refused.is_some()) && depths.wedged == 0 {
        Ok(())
    } else {
        let heard: Vec<_> = heard.into_iter().map(|shown| (shown.msg_type, shown.text)).collect();
        Err(format!("{entities} {call} {after}: {times} times\n{heard:#?}"))
    })
}

async fn wherever_it_dies(story: Story, at_least: usize) {
    let deaths = (0..20).flat_map(|call| [(call, false), (call, true)]);
    let runs = deaths.map(|(call, after)| death(story, call, after));
    let ended: Vec<_> = stream::iter(runs).buffer_unordered(8).filter_map(async |end| end).collect().await;
    let failed: Vec<_> = ended.iter().filter_map(|end| end.as_ref().err()).cloned().collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(ended.len() >= at_least * 2, "only {} deaths", ended.len());
}

const PATCHED: Story = Story { entities: false, asked: Asked::Nothing, document: short, refused: None };

#[tokio::test(flavor = "multi_thread")]
async fn wherever_the_daemon_dies_a_card_that_is_patched_shows_the_answer_once() {
    wherever_it_dies(PATCHED, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_the_daemon_dies_a_card_that_is_streamed_shows_the_answer_once() {
    wherever_it_dies(Story { entities: true, ..PATCHED }, 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_the_daemon_dies_an_answer_of_several_messages_is_there_once() {
    wherever_it_dies(Story { document: as_file, ..PATCHED }, 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_the_daemon_dies_an_answer_whose_card_is_too_old_is_there_once() {
    wherever_it_dies(Story { refused: Some(230_031), ..PATCHED }, 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_the_daemon_dies_an_answer_that_comes_down_the_ladder_is_there_once() {
    wherever_it_dies(Story { refused: Some(230_099), ..PATCHED }, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_the_daemon_dies_an_answer_that_replies_is_there_once() {
    let too_old = Story { refused: Some(230_031), ..PATCHED };
    wherever_it_dies(Story { asked: Asked::Message, ..too_old }, 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_the_daemon_dies_an_answer_to_what_was_taken_back_is_there_once() {
    let too_old = Story { refused: Some(230_031), ..PATCHED };
    wherever_it_dies(Story { asked: Asked::TakenBack, ..too_old }, 6).await;
}
