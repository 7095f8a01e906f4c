//! What happens in a round, drawn from its seed: who says what, and what goes wrong in between.

use fastrand::Rng;
use phonework::emulator::{
    ConnectionEnding, DeliveryFaults, Duplicate, FaultDuration, FaultEffect, InjectedFault, MalformedInput,
    ReleaseOrder,
};
use phonework::render::split::DEFAULT_LIMIT;

use super::pressed::{Button, in_between, pressing};
use super::side::Side;

/// The people; a token begins with its writer's name, so that it shows whose it is.
pub(super) const NAMES: [&str; 3] = ["anna", "ming", "cara"];

/// What a person writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Echo,
    /// An answer in several parts.
    Long,
    Slow,
    /// What Claude needs a permission for.
    Permit,
    Crash,
    List,
    Stop,
    Retry,
    Approve,
    Deny,
    New,
    Switch,
    Close,
    Run,
    Discard,
}

impl What {
    /// Whether it is for phonework itself; a retry asks for a turn.
    pub(super) fn is_command(self) -> bool {
        match self {
            Self::Echo | Self::Long | Self::Slow | Self::Permit | Self::Crash | Self::Retry => false,
            Self::List | Self::Stop | Self::Approve | Self::Deny | Self::New => true,
            Self::Switch | Self::Close | Self::Run | Self::Discard => true,
        }
    }
}

/// A fault that the harness brings about.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    Drop(ConnectionEnding),
    Stall(bool),
    Deliver(DeliveryFaults),
    Hold,
    Release(ReleaseOrder),
    Api(InjectedFault),
    ExpireTokens,
    Rubbish(MalformedInput),
    /// At this moment; the one that is started then may be told to die at a crash point (`PHONEWORK_CRASH`).
    KillDaemon(Option<String>),
    RestartDaemon,
    FreezeDaemon,
    ThawDaemon,
    /// The nth of the processes on Claude's side, wardens and agents.
    KillAgent(usize),
    /// Stops an agent with SIGSTOP.
    FreezeAgent(usize),
    /// Continues all agents that were stopped.
    ThawAgents,
    /// The disk with the daemon's state has no room any more.
    FillDisk,
    /// The disk has room again.
    FreeDisk,
    Reload,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Say {
        user: usize,
        group: bool,
        what: What,
        text: String,
        /// Whether it was sent long ago.
        late: bool,
    },
    /// The last prompt of a person is taken back.
    Recall(usize),
    Trouble(Trouble),
    /// Until a person is asked for leave, but not longer: it may never be.
    Asked {
        user: usize,
        group: bool,
        within_ms: u64,
    },
    /// A button on the newest card of its owner's that has it.
    Press {
        owner: usize,
        group: bool,
        by: usize,
        button: Button,
    },
    /// Waits, in milliseconds.
    Pause(u64),
}

/// A round: what people do and what goes wrong, in order.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) side: Side,
    /// Maximum number of live sessions; there are six and more.
    pub(super) seats: usize,
    /// Whether the daemon's state lies on a small disk of its own.
    pub(super) small_disk: bool,
    pub(super) steps: Vec<Step>,
}

impl Plan {
    pub(super) fn of(seed: u64, side: Side) -> Self {
        // Who presses what is drawn by itself: the rest of a seed's round stays what it was.
        let (mut rng, mut finger) = (Rng::with_seed(seed), Rng::with_seed(!seed));
        let seats = rng.usize(1..=side.most_seats());
        let small_disk = rng.u8(..100) < 30;
        let mut budget = Budget { restarts: 2, api: 3, drops: 3, fills: usize::from(small_disk), freezes: 2 };
        let mut steps = Vec::new();
        for number in 0..rng.usize(side.messages()) {
            if rng.u8(..100) < 55 {
                steps.extend(trouble(&mut rng, &mut budget).map(Step::Trouble));
            }
            let said = saying(&mut rng, number, side);
            // In a group nobody could tell whose the answer to a message is that is gone.
            if let Step::Say { user, what: What::Echo, group: false, .. } = said
                && rng.u8(..100) < 20
            {
                steps.extend([said, Step::Recall(user)]);
            } else if let Step::Say { user, what: What::Permit, group, .. } = said
                && rng.bool()
            {
                let (what, text, button) = match rng.u8(..100) {
                    0..70 => (What::Approve, "/approve".to_owned(), Button::Allow),
                    _ => (What::Deny, format!("/deny {}-{number:03}", NAMES[user]), Button::Deny),
                };
                let typed = Step::Say { user, group, what, text, late: false };
                let decided = if finger.bool() { pressing(&mut finger, user, group, button) } else { typed };
                let asked = Step::Asked { user, group, within_ms: side.asks_within() };
                steps.extend([said, asked, decided]);
            } else {
                steps.push(said);
            }
            steps.extend(in_between(&mut finger));
            if rng.bool() {
                steps.push(Step::Pause(rng.u64(0..side.longest_pause())));
            }
        }
        Self { side, seats, small_disk, steps }
    }
}

/// Maximum number of faults in one round that take phonework seconds to recover from, so that rounds stay short.
struct Budget {
    restarts: usize,
    api: usize,
    drops: usize,
    fills: usize,
    freezes: usize,
}

fn spend(budget: &mut usize) -> Option<()> {
    *budget = budget.checked_sub(1)?;
    Some(())
}

fn saying(rng: &mut Rng, number: usize, side: Side) -> Step {
    let user = rng.usize(..NAMES.len());
    let what = match rng.u8(..100) {
        0..36 => What::Echo,
        36..42 => What::Long,
        42..52 => What::Slow,
        52..60 => What::Permit,
        60..64 if side == Side::Practice => What::Crash,
        // The real Claude Code does not do that for a word.
        60..64 => What::Slow,
        64..68 => What::List,
        68..75 => What::Stop,
        75..81 => What::Retry,
        81..86 => What::Approve,
        86..88 => What::Deny,
        88..90 => What::New,
        90..94 => What::Switch,
        94..96 => What::Close,
        96..98 => What::Run,
        _ => What::Discard,
    };
    let token = format!("{}-{number:03}", NAMES[user]);
    let text = match what {
        What::Echo => format!("echo {token}"),
        What::Long => {
            let lines = rng.usize(2..=5) * DEFAULT_LIMIT / 2 / 40;
            let lines: Vec<_> =
                (0..lines).map(|line| format!("{token} line {line:04} lorem ipsum dolor")).collect();
            format!("echo {}", lines.join("\n"))
        }
        // A number of seconds that no other message has.
        What::Slow => format!("slow 0.{}{user}{number:03}", rng.u8(1..4)),
        What::Permit => format!("run echo {token}"),
        What::Crash => "crash".to_owned(),
        What::Approve => "/approve".to_owned(),
        What::Deny => format!("/deny {token}"),
        What::New => format!("/new --create {token}"),
        What::Switch => format!("/switch {}", rng.usize(1..4)),
        What::Close => format!("/close {}", rng.usize(1..4)),
        What::Run => "/run".to_owned(),
        What::Discard => "/discard".to_owned(),
        What::List => "/list".to_owned(),
        What::Stop => "/stop".to_owned(),
        What::Retry => "/retry".to_owned(),
    };
    let late = what == What::Echo && rng.u8(..100) < 15;
    Step::Say { user, group: rng.u8(..100) < 35, what, text, late }
}

fn trouble(rng: &mut Rng, budget: &mut Budget) -> Option<Trouble> {
    Some(match rng.u8(..106) {
        0..12 => {
            spend(&mut budget.drops)?;
            Trouble::Drop(
                [ConnectionEnding::Close, ConnectionEnding::Reset, ConnectionEnding::End][rng.usize(..3)],
            )
        }
        12..18 => Trouble::Stall(true),
        18..24 => Trouble::Stall(false),
        24..38 => Trouble::Deliver(DeliveryFaults {
            slices: rng.usize(1..=3),
            reversed: rng.bool(),
            duplicate: [Duplicate::No, Duplicate::Same, Duplicate::NewEventId][rng.usize(..3)],
            delay_ms: [0, 0, rng.u64(0..60)][rng.usize(..3)],
        }),
        38..45 => Trouble::Hold,
        45..52 => Trouble::Release([ReleaseOrder::AsTheyCame, ReleaseOrder::Reversed][rng.usize(..2)]),
        52..67 => {
            spend(&mut budget.api)?;
            Trouble::Api(api_fault(rng))
        }
        67..71 => Trouble::ExpireTokens,
        71..74 => Trouble::Rubbish(
            [
                MalformedInput::Bytes,
                MalformedInput::Text,
                MalformedInput::Json,
                MalformedInput::Pong,
                MalformedInput::UnknownEvent,
            ][rng.usize(..5)],
        ),
        74..82 => {
            spend(&mut budget.restarts)?;
            Trouble::KillDaemon(death(rng))
        }
        82..87 => {
            spend(&mut budget.restarts)?;
            Trouble::RestartDaemon
        }
        87..90 => Trouble::FreezeDaemon,
        90..92 => Trouble::ThawDaemon,
        92..93 => Trouble::Reload,
        93..95 => {
            spend(&mut budget.fills)?;
            Trouble::FillDisk
        }
        95..97 => Trouble::FreeDisk,
        97..101 => Trouble::KillAgent(rng.usize(..8)),
        101..104 => {
            spend(&mut budget.freezes)?;
            Trouble::FreezeAgent(rng.usize(..8))
        }
        _ => Trouble::ThawAgents,
    })
}

/// Half of the daemons that follow a killed one die at a crash point, where the build has such points.
fn death(rng: &mut Rng) -> Option<String> {
    let (dies, nth, pass) = (rng.bool(), rng.usize(..), rng.u32(1..=3));
    #[cfg(feature = "crash-points")]
    let points: Vec<&str> = phonework::crash::Point::ALL.iter().map(|point| point.name()).collect();
    #[cfg(not(feature = "crash-points"))]
    let points: Vec<&str> = Vec::new();
    let point = points.get(nth.checked_rem(points.len())?)?;
    dies.then(|| format!("{point}:die@{pass}"))
}

fn api_fault(rng: &mut Rng) -> InjectedFault {
    let effect = match rng.u8(..8) {
        0 => FaultEffect::Refuse { http: 500, code: 2200, reset: None },
        1 => FaultEffect::Refuse { http: 429, code: 99_991_400, reset: Some(1) },
        2 => FaultEffect::Page { http: 502 },
        3 => FaultEffect::Garbage,
        4 | 5 => FaultEffect::Lose,
        6 => FaultEffect::Cut,
        _ => FaultEffect::Delay { ms: rng.u64(50..400) },
    };
    match rng.u8(..10) {
        0 => InjectedFault::endpoint(
            [FaultEffect::Page { http: 502 }, FaultEffect::Cut][rng.usize(..2)].clone(),
            FaultDuration::Times(1),
        ),
        1 => InjectedFault::handshake(
            [FaultEffect::Page { http: 502 }, FaultEffect::Cut][rng.usize(..2)].clone(),
            FaultDuration::Times(1),
        ),
        _ => InjectedFault::sending(effect, FaultDuration::Times(rng.u32(1..=2))),
    }
}
