//! Every answer of Feishu's tables to every call.

use futures_util::{StreamExt as _, stream};

use super::*;
use crate::emulator::{Effect, Fault, Lasting};

const CREATE: (&str, &str) = ("POST", "/open-apis/im/v1/messages");
const PATCH: (&str, &str) = ("PATCH", "/open-apis/im/v1/messages/*");
const FILES: (&str, &str) = ("POST", "/open-apis/im/v1/files");
const MAKE: (&str, &str) = ("POST", "/open-apis/cardkit/v1/cards");
const STREAM: (&str, &str) = ("PUT", "/open-apis/cardkit/v1/cards/*/content");
const SETTINGS: (&str, &str) = ("PATCH", "/open-apis/cardkit/v1/cards/*/settings");
const REPLACE: (&str, &str) = ("PUT", "/open-apis/cardkit/v1/cards/*");

/// Offices at work at once.
const AT_ONCE: usize = 16;

fn code(code: i64) -> Effect {
    Effect::Refuse { http: 400, code, reset: None }
}

/// What any call may meet.
fn troubles() -> Vec<Effect> {
    let refuse = |http, code, reset| Effect::Refuse { http, code, reset };
    let mut troubles = vec![
        Effect::Page { http: 502 },
        Effect::Page { http: 413 },
        Effect::Garbage,
        Effect::Lose,
        Effect::Cut,
        Effect::Delay { ms: 300 },
        refuse(429, 99_991_400, Some(0)),
        refuse(500, 1, None),
        refuse(200, 2_200, None),
    ];
    let codes = [
        230_001, 230_011, 230_017, 230_020, 230_022, 230_025, 230_027, 230_028, 230_031, 230_049, 230_050,
        230_054, 230_055, 230_071, 230_072, 230_099, 230_110, 231_003, 234_001, 234_006, 10_002, 200_220,
        200_740, 200_750, 200_810, 200_850, 200_860, 300_000, 300_120, 300_121, 300_305, 300_309, 300_310,
        300_311, 300_313, 300_317, 99_991_663, 99_991_672, 11_232,
    ];
    troubles.extend(codes.map(code));
    troubles
}

/// Which of them leave a message unsent for good, as its chat does not take it whatever it is.
fn says_no_for_good(effect: &Effect) -> bool {
    matches!(effect, Effect::Refuse { code: 230_050 | 230_054 | 230_011 | 230_110 | 231_003, .. })
}

async fn each<F: Future<Output = Result<(), String>>>(run: impl Fn(Effect) -> F) {
    let runs = troubles().into_iter().map(run);
    let failed: Vec<String> =
        stream::iter(runs).buffer_unordered(AT_ONCE).filter_map(async |result| result.err()).collect().await;
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Whether the answer is there once, and how it came to it if not.
fn once(office: &Office, depths: Depths, what: &str) -> Result<(), String> {
    let heard: Vec<_> = office.heard().into_iter().map(|shown| (shown.msg_type, shown.text)).collect();
    if office.answers() == 1 && depths.wedged == 0 {
        return Ok(());
    }
    let calls = office.sendings().into_iter();
    let calls: Vec<_> = calls.map(|call| (call.method, call.path, call.http, call.code)).collect();
    Err(format!("{what}: {} times, {} wedged\n{heard:#?}\n{calls:#?}", office.answers(), depths.wedged))
}

fn fault(api: (&str, &str), effect: &Effect, times: u32) -> Fault {
    Fault::api(api.0, api.1, effect.clone(), Lasting::Times(times))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_there_once_whatever_its_first_message_meets() {
    each(|effect| async move {
        let office = Office::without_entities().await;
        office.emulator.fault(fault(CREATE, &effect, 1));
        office.open();
        office.answer(short()).await;
        let depths = office.done().await;
        if says_no_for_good(&effect) {
            let silent = office.heard().is_empty() && depths.wedged == 1;
            return if silent { Ok(()) } else { Err(format!("{effect:?}: {:#?}", office.heard())) };
        }
        once(&office, depths, &format!("{effect:?}"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_there_once_whatever_the_change_of_its_card_meets() {
    each(|effect| async move {
        let office = Office::without_entities().await;
        office.open();
        office.shown("for").await;
        office.emulator.fault(fault(PATCH, &effect, 2));
        office.answer(short()).await;
        let depths = office.done().await;
        once(&office, depths, &format!("{effect:?}"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_there_once_whatever_the_operations_on_its_entity_meet() {
    for api in [SETTINGS, REPLACE] {
        each(|effect| async move {
            let office = Office::new().await;
            office.open();
            office.shown("for").await;
            office.emulator.fault(fault(api, &effect, 2));
            office.answer(short()).await;
            let depths = office.done().await;
            once(&office, depths, &format!("{api:?} {effect:?}"))
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_there_once_whatever_its_file_meets() {
    each(|effect| async move {
        let office = Office::without_entities().await;
        office.emulator.fault(fault(FILES, &effect, 2));
        office.open();
        office.answer(as_file()).await;
        let depths = office.done().await;
        once(&office, depths, &format!("{effect:?}"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_there_once_whatever_its_pictures_meet() {
    for (api, entities) in
        [(CREATE, true), (CREATE, false), (PATCH, false), (MAKE, true), (STREAM, true), (REPLACE, true)]
    {
        each(|effect| async move {
            let office = if entities { Office::new().await } else { Office::without_entities().await };
            let first = [CREATE, MAKE].contains(&api);
            office.open();
            let id = if first {
                let id = office.emulator.fault(fault(api, &effect, 1));
                office.show("for");
                id
            } else {
                office.shown("for").await;
                let id = office.emulator.fault(fault(api, &effect, 1));
                office.show("forty");
                id
            };
            let struck = |emulator: &Emulator| emulator.struck(id).filter(|times| *times > 0);
            office.emulator.wait_for(struck, PATIENCE).await.ok_or(format!("{api:?} is not called"))?;
            office.answer(short()).await;
            let depths = office.done().await;
            once(&office, depths, &format!("{api:?} {effect:?}"))
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn however_often_a_turn_is_drawn_nothing_comes_too_often_for_feishu() {
    for entities in [true, false] {
        let office = if entities { Office::new().await } else { Office::without_entities().await };
        office.emulator.enforce_rates(true);
        office.open();
        let mut text = String::new();
        // Every 10 ms something new, until some of it was brought.
        while office.sendings().len() < if entities { 12 } else { 5 } {
            text.push_str("for ");
            office.show(&text);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        office.answer(short()).await;
        let depths = office.done().await;
        once(&office, depths, "often").unwrap();
        let refused: Vec<_> = office.sendings().into_iter().filter(|call| call.code != Some(0)).collect();
        assert!(refused.iter().all(|call| call.path == MAKE.1 && !entities), "{refused:#?}");
    }
}
