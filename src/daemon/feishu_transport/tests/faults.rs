//! Every answer of Feishu's tables to every call.

use futures_util::{StreamExt as _, stream};

use super::*;
use crate::emulator::{FaultDuration, FaultEffect, FaultId, InjectedFault};

/// A method and a path.
type Api = (&'static str, &'static str);

const CREATE: Api = ("POST", "/open-apis/im/v1/messages");
const REPLY: Api = ("POST", "/open-apis/im/v1/messages/*/reply");
const PATCH: Api = ("PATCH", "/open-apis/im/v1/messages/*");
const FILES: Api = ("POST", "/open-apis/im/v1/files");
const MAKE: Api = ("POST", "/open-apis/cardkit/v1/cards");
const STREAM: Api = ("PUT", "/open-apis/cardkit/v1/cards/*/content");
const SETTINGS: Api = ("PATCH", "/open-apis/cardkit/v1/cards/*/settings");
const REPLACE: Api = ("PUT", "/open-apis/cardkit/v1/cards/*");

/// Offices at work at once.
const AT_ONCE: usize = 16;

fn code(code: i64) -> FaultEffect {
    FaultEffect::Refuse { http: 400, code, reset: None }
}

/// What a call may meet.
fn troubles(api: Api) -> Vec<FaultEffect> {
    let refuse = |http, code, reset| FaultEffect::Refuse { http, code, reset };
    let mut troubles = vec![
        FaultEffect::Page { http: 502 },
        FaultEffect::Page { http: 413 },
        FaultEffect::Garbage,
        FaultEffect::Lose,
        FaultEffect::Cut,
        FaultEffect::Delay { ms: 300 },
        refuse(429, 99_991_400, Some(0)),
        refuse(500, 1, None),
        refuse(200, 2_200, None),
    ];
    let codes = [
        230_001, 230_011, 230_017, 230_020, 230_022, 230_025, 230_027, 230_028, 230_031, 230_049, 230_050,
        230_054, 230_055, 230_071, 230_072, 230_099, 230_110, 231_003, 234_001, 234_006, 10_002, 200_220,
        200_740, 200_750, 200_810, 200_850, 200_860, 300_000, 300_120, 300_121, 300_305, 300_309, 300_310,
        300_311, 300_313, 300_317, 99_991_663, 99_991_672, 11_232, 11_233, 11_247, 1_500, 1_501, 1_502,
        1_503,
    ];
    troubles.extend(codes.map(code));
    if [CREATE, REPLY, PATCH].contains(&api) {
        troubles.extend([230_019, 230_111].map(code));
        troubles.extend(cards_that_cannot_be_built());
    }
    if [MAKE, STREAM, SETTINGS, REPLACE].contains(&api) {
        let codes =
            [200_510, 200_770, 300_122, 300_301, 300_302, 300_303, 300_307, 300_312, 300_314, 300_315];
        troubles.extend(codes.map(code));
    }
    troubles
}

/// The reasons that Feishu names for not building a card.
fn cards_that_cannot_be_built() -> impl Iterator<Item = FaultEffect> {
    let words = [
        (11_310, "element exceeds the limit"),
        (11_310, "card table number over limit"),
        (11_310, "card action is lock"),
        (11_310, "template is not visible to the app"),
        (100_290, "at user is invalid"),
        (200_380, "template does not exist"),
        (200_381, "template is not published"),
        (200_550, "chart spec is invalid"),
        (200_570, "image key is invalid"),
        (200_621, "parse card json err"),
        (200_732, "template variable type mismatch"),
        (200_737, "template variable is missing"),
        (200_830, "card schema is older than the one before"),
        (200_860, "card size exceeds the limit"),
        (200_861, "unsupported tag"),
        (200_914, "table rows are invalid"),
        (200_915, "table rows do not match its columns"),
        (300_220, "audio key is invalid"),
        (300_230, "audio is not there"),
        (300_240, "audio is not the app's"),
    ];
    words.into_iter().map(|(sub_code, words)| FaultEffect::RefuseCard { sub_code, words: words.to_owned() })
}

/// Which of them leave a message unsent for good, as its chat does not take it whatever it is. A reply may be taken as a
/// plain message.
fn says_no_for_good(api: Api, effect: &FaultEffect) -> bool {
    match effect {
        FaultEffect::Refuse { code, .. } => {
            api == CREATE && [230_050, 230_054, 230_011, 230_110, 231_003].contains(code)
        }
        FaultEffect::RefuseCard { .. }
        | FaultEffect::Page { .. }
        | FaultEffect::Garbage
        | FaultEffect::RefuseHandshake { .. }
        | FaultEffect::Delay { .. }
        | FaultEffect::Hold
        | FaultEffect::Silence
        | FaultEffect::Lose
        | FaultEffect::Cut => false,
    }
}

/// Which of them say that a message cannot be replied to, so that what was to be a reply is sent without.
fn says_that_the_message_is_gone(effect: &FaultEffect) -> bool {
    let codes = [230_011, 230_019, 230_050, 230_054, 230_071, 230_072, 230_110, 230_111, 231_003];
    matches!(effect, FaultEffect::Refuse { code, .. } if codes.contains(code))
}

async fn each<F: Future<Output = Result<(), String>>>(api: Api, run: impl Fn(FaultEffect) -> F) {
    each_of([(api, ())], |(), effect| run(effect)).await;
}

/// Runs all that each of these calls may meet.
async fn each_of<C: Copy, F: Future<Output = Result<(), String>>>(
    calls: impl IntoIterator<Item = (Api, C)>,
    run: impl Fn(C, FaultEffect) -> F,
) {
    let met = |(api, case)| troubles(api).into_iter().map(move |effect| (case, effect));
    let runs = calls.into_iter().flat_map(met).map(|(case, effect)| run(case, effect));
    let failed: Vec<String> =
        stream::iter(runs).buffer_unordered(AT_ONCE).filter_map(async |result| result.err()).collect().await;
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Whether the answer is there once, and how it came to it if not.
fn once(office: &CourierFixture, depths: MailDepths, what: &str) -> Result<(), String> {
    if office.answers() == 1 && depths.wedged == 0 {
        return Ok(());
    }
    Err(told(office, depths, what))
}

/// The same, with everything said in reply to what was asked, or nothing.
fn once_in_reply(
    office: &CourierFixture,
    depths: MailDepths,
    in_reply: bool,
    what: &str,
) -> Result<(), String> {
    once(office, depths, what)?;
    let to = office.asked.as_ref().filter(|_| in_reply);
    if office.heard().iter().all(|shown| shown.reply_to.as_ref() == to) {
        return Ok(());
    }
    Err(told(office, depths, &format!("{what}, in reply: {in_reply}")))
}

fn told(office: &CourierFixture, depths: MailDepths, what: &str) -> String {
    let heard = office.heard().into_iter().map(|shown| (shown.msg_type, shown.reply_to, shown.text));
    let calls = office.sendings().into_iter().map(|call| (call.method, call.path, call.http, call.code));
    let (heard, calls): (Vec<_>, Vec<_>) = (heard.collect(), calls.collect());
    format!("{what}: {} times, {} wedged\n{heard:#?}\n{calls:#?}", office.answers(), depths.wedged)
}

/// Whether the chat holds exactly this number of messages, and the answer is put aside.
fn silent(office: &CourierFixture, depths: MailDepths, messages: usize, what: &str) -> Result<(), String> {
    let silent = office.heard().len() == messages && office.answers() == 0 && depths.wedged == 1;
    if silent { Ok(()) } else { Err(told(office, depths, what)) }
}

fn fault(api: Api, effect: &FaultEffect, times: u32) -> InjectedFault {
    InjectedFault::api(api.0, api.1, effect.clone(), FaultDuration::Times(times))
}

/// Waits until a fault has struck.
async fn struck(office: &CourierFixture, id: FaultId) -> Result<(), String> {
    let struck = |emulator: &Emulator| emulator.struck(id).filter(|times| *times > 0);
    office.emulator.wait_for(struck, PATIENCE).await.map(|_| ()).ok_or("it is not called".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_there_once_whatever_its_first_message_meets() {
    each(CREATE, |effect| async move {
        let office = CourierFixture::without_entities().await;
        office.emulator.fault(fault(CREATE, &effect, 1));
        office.open();
        office.answer(short()).await;
        let depths = office.done().await;
        if says_no_for_good(CREATE, &effect) {
            return silent(&office, depths, 0, &format!("{effect:?}"));
        }
        once(&office, depths, &format!("{effect:?}"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_in_a_group_is_there_once_whatever_its_reply_meets() {
    each(REPLY, |effect| async move {
        let office = CourierFixture::without_entities().await.in_group();
        office.emulator.fault(fault(REPLY, &effect, 1));
        office.open();
        office.answer(short()).await;
        let depths = office.done().await;
        let what = format!("{effect:?}");
        if says_no_for_good(REPLY, &effect) {
            return silent(&office, depths, 0, &what);
        }
        once_in_reply(&office, depths, !says_that_the_message_is_gone(&effect), &what)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_what_was_taken_back_is_there_once_whatever_its_message_meets() {
    each(CREATE, |effect| async move {
        let office = CourierFixture::without_entities().await.in_group();
        office.take_back();
        office.emulator.fault(fault(CREATE, &effect, 1));
        office.open();
        office.answer(short()).await;
        let depths = office.done().await;
        if says_no_for_good(CREATE, &effect) {
            return silent(&office, depths, 0, &format!("{effect:?}"));
        }
        once_in_reply(&office, depths, false, &format!("{effect:?}"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_there_once_whatever_the_change_of_its_card_meets() {
    each(PATCH, |effect| async move {
        let office = CourierFixture::without_entities().await;
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
async fn an_answer_is_there_once_whatever_a_reply_in_place_of_its_card_meets() {
    each(REPLY, |effect| async move {
        let office = CourierFixture::without_entities().await.in_group();
        office.open();
        office.shown("for").await;
        office.emulator.fault(fault(PATCH, &code(230_031), 1));
        let id = office.emulator.fault(fault(REPLY, &effect, 1));
        office.answer(short()).await;
        let depths = office.done().await;
        struck(&office, id).await?;
        let what = format!("{effect:?}");
        if says_no_for_good(REPLY, &effect) {
            return silent(&office, depths, 1, &what);
        }
        once(&office, depths, &what)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_there_once_whatever_the_operations_on_its_entity_meet() {
    each_of([SETTINGS, REPLACE].map(|api| (api, api)), |api, effect| async move {
        let office = CourierFixture::new().await;
        office.open();
        office.shown("for").await;
        office.emulator.fault(fault(api, &effect, 2));
        office.answer(short()).await;
        let depths = office.done().await;
        once(&office, depths, &format!("{api:?} {effect:?}"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_there_once_whatever_its_file_meets() {
    each(FILES, |effect| async move {
        let office = CourierFixture::without_entities().await;
        office.emulator.fault(fault(FILES, &effect, 2));
        office.open();
        office.answer(as_file()).await;
        let depths = office.done().await;
        once(&office, depths, &format!("{effect:?}"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_there_once_whatever_the_message_with_its_file_meets() {
    each_of([CREATE, REPLY].map(|api| (api, api)), |api, effect| async move {
        let office = CourierFixture::without_entities().await;
        let office = if api == REPLY { office.in_group() } else { office };
        let upload = office.emulator.fault(fault(FILES, &FaultEffect::Hold, 1));
        office.open();
        office.answer(as_file()).await;
        struck(&office, upload).await?;
        let id = office.emulator.fault(fault(api, &effect, 1));
        office.emulator.lift(upload);
        let depths = office.done().await;
        struck(&office, id).await?;
        let what = format!("{api:?} {effect:?}");
        if says_no_for_good(api, &effect) {
            return silent(&office, depths, 1, &what);
        }
        once(&office, depths, &what)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_there_once_whatever_its_first_picture_meets() {
    // Each with whether it is an entity, and whether it is in a group.
    let calls = [
        (CREATE, (CREATE, false, false)),
        (CREATE, (CREATE, true, false)),
        (REPLY, (REPLY, true, true)),
        (MAKE, (MAKE, true, false)),
    ];
    each_of(calls, |(api, entities, group), effect| async move {
        let office =
            if entities { CourierFixture::new().await } else { CourierFixture::without_entities().await };
        let office = if group { office.in_group() } else { office };
        office.open();
        let id = office.emulator.fault(fault(api, &effect, 1));
        office.show("for");
        answered_after(&office, id, &format!("{api:?} {entities} {effect:?}")).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_there_once_whatever_its_later_pictures_meet() {
    let calls = [(PATCH, (PATCH, false)), (STREAM, (STREAM, true)), (REPLACE, (REPLACE, true))];
    each_of(calls, |(api, entities), effect| async move {
        let office =
            if entities { CourierFixture::new().await } else { CourierFixture::without_entities().await };
        office.open();
        office.shown("for").await;
        let id = office.emulator.fault(fault(api, &effect, 1));
        office.show("forty");
        answered_after(&office, id, &format!("{api:?} {effect:?}")).await
    })
    .await;
}

/// Answers once a fault has struck.
async fn answered_after(office: &CourierFixture, id: FaultId, what: &str) -> Result<(), String> {
    struck(office, id).await.map_err(|error| format!("{what}: {error}"))?;
    office.answer(short()).await;
    let depths = office.done().await;
    once(office, depths, what)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_there_once_whatever_streaming_meets_when_it_is_switched_on_again() {
    each(SETTINGS, |effect| async move {
        let office = CourierFixture::new().await;
        office.open();
        office.shown("for").await;
        let ended = office.emulator.fault(fault(STREAM, &code(200_850), 1));
        let id = office.emulator.fault(fault(SETTINGS, &effect, 1));
        office.show("forty");
        struck(&office, ended).await?;
        struck(&office, id).await?;
        office.answer(short()).await;
        let depths = office.done().await;
        once(&office, depths, &format!("{effect:?}"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn however_often_a_turn_is_drawn_nothing_comes_too_often_for_feishu() {
    for entities in [true, false] {
        let office =
            if entities { CourierFixture::new().await } else { CourierFixture::without_entities().await };
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
