//! The daemon dies at each crash point, and each write fails: the same day of two people is lived through every time,
//! and at its end all must be as it should. `phonework::crash` lists the points; a new one is tried without being named
//! here.

mod day;
mod verdict;

use futures_util::StreamExt as _;
use phonework::crash::Point;
use serde_json::json;

use self::day::{Day, Plan};
use crate::support::phonework::Phonework;

/// A day mostly waits.
const AT_ONCE: usize = 16;

#[tokio::test(flavor = "multi_thread")]
async fn wherever_the_daemon_dies_nothing_is_lost_or_done_twice_and_what_was_cut_is_told() {
    let mut plans = Vec::new();
    for (point, passes) in passes().await {
        let die = |pass| format!("{}:die@{pass}", point.name());
        plans.push(Plan { deaths: 1..=1, ..Plan::of(die(1)) });
        // Dead again while it picks up the pieces, if that way leads by this point.
        plans.push(Plan { starts: 2, deaths: 1..=2, ..Plan::of(die(1)) });
        // How often a point is passed differs a little from day to day.
        plans.push(Plan { deaths: 0..=1, ..Plan::of(die(passes / 2 + 1)) });
    }
    all_well(plans).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_dies_while_a_write_fails_again_and_again_has_not_gone_ahead_of_it() {
    let mut plans = Vec::new();
    for (point, passes) in passes().await.into_iter().filter(|(point, _)| point.name().ends_with("-write")) {
        // What is said to people comes by there, and each of them is another story.
        let step = if point == Point::SettlementWrite { 1 } else { passes.div_ceil(3) };
        for first in (1..=passes).step_by(step) {
            let (name, last) = (point.name(), first + 2);
            let order = format!("{name}:fail@{first}-{last},{name}:die@{}", last + 1);
            plans.push(Plan { deaths: 0..=1, ..Plan::of(order) });
        }
    }
    all_well(plans).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_a_write_fails_it_is_done_later_and_all_are_answered() {
    let mut plans = Vec::new();
    for (point, passes) in passes().await.into_iter().filter(|(point, _)| point.name().ends_with("-write")) {
        for first in [1, passes / 2 + 1] {
            let order = format!("{}:fail@{first}-{}", point.name(), first + 1);
            plans.push(Plan { deaths: 0..=0, ..Plan::of(order) });
        }
    }
    all_well(plans).await;
}

#[tokio::test]
async fn a_message_goes_to_the_session_it_was_written_to_though_another_became_active_before_a_crash() {
    let mut phonework = Phonework::installed(&Phonework::practice_agent(), json!({})).await;
    let order = "turn-write:fail@1-2,turn-write:die@3".to_owned();
    phonework.set_env("PHONEWORK_CRASH", Some(order));
    phonework.start().await;
    phonework.ask("/new --create one", 1).await;
    phonework.ask("/new --create two", 1).await;
    phonework.say("echo to two");
    phonework.logged("failed to record a turn", 1).await;
    assert_eq!(phonework.ask("/switch 1", 1).await, ["Session 1 (one) is now active here."]);
    assert!(phonework.until("the end", |_| false).await.is_err());
    phonework.set_env("PHONEWORK_CRASH", None);
    phonework.start().await;
    assert_eq!(phonework.hear(&phonework.chat, 4).await[3], "to two");
    assert!(phonework.stop().await.success());
    let written =
        ["one", "two"].map(|project| phonework.projects().join(project).join(".phonework").exists());
    assert_eq!(written, [false, true]);
}

/// How often each point is passed on a day without trouble.
async fn passes() -> Vec<(Point, usize)> {
    let evidence = Day::live(Plan { deaths: 0..=0, ..Plan::of("count".to_owned()) }).await;
    assert_eq!(verdict::broken(&evidence), Vec::<String>::new());
    let log = evidence.log.as_str();
    let passes = |point: Point| log.matches(&format!("crash point {} passed", point.name())).count();
    let passes: Vec<_> = Point::ALL.iter().map(|point| (*point, passes(*point))).collect();
    let never: Vec<_> = passes.iter().filter(|(_, passes)| *passes == 0).collect();
    assert!(never.is_empty(), "nothing comes by here: {never:?}");
    passes
}

async fn all_well(plans: Vec<Plan>) {
    let days = plans.into_iter().map(|plan| async {
        let name = format!("{plan:?}");
        match tokio::spawn(Day::live(plan)).await {
            Ok(evidence) => match verdict::broken(&evidence) {
                broken if broken.is_empty() => None,
                broken => Some(format!("==== {name}\n{broken:#?}\n{evidence}")),
            },
            Err(panic) => Some(format!("==== {name}\n{panic}")),
        }
    });
    let ended: Vec<_> = futures_util::stream::iter(days).buffer_unordered(AT_ONCE).collect().await;
    let many = ended.len();
    let failed: Vec<String> = ended.into_iter().flatten().collect();
    for report in &failed {
        eprintln!("{report}");
    }
    let names: Vec<_> = failed.iter().filter_map(|report| report.lines().next()).collect();
    assert!(failed.is_empty(), "{} of {many} days went wrong: {names:#?}", failed.len());
}
