//! What `PHONEWORK_CRASH` asks for.

use std::io;
use std::ops::RangeInclusive;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};

use super::Point;

const VARIABLE: &str = "PHONEWORK_CRASH";

static PASSES: [AtomicU32; Point::ALL.len()] = [const { AtomicU32::new(0) }; Point::ALL.len()];

static ORDERS: LazyLock<Option<Vec<CrashOrder>>> = LazyLock::new(|| {
    let text = std::env::var(VARIABLE).ok()?;
    let orders: Option<Vec<CrashOrder>> = text.split(',').filter(|one| *one != "count").map(order).collect();
    if orders.is_none() {
        tracing::error!("{VARIABLE} cannot be understood: {text}");
    }
    orders
});

#[derive(Clone, Debug, PartialEq, Eq)]
struct CrashOrder {
    point: Point,
    action: CrashAction,
    passes: RangeInclusive<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CrashAction {
    Die,
    Fail,
    Wait(Duration),
}

/// Something passes a point.
pub fn at(point: Point) {
    match pass(point) {
        None | Some(CrashAction::Fail) => {}
        Some(CrashAction::Die) => die(),
        Some(CrashAction::Wait(time)) => std::thread::sleep(time),
    }
}

/// Something is about to be written.
///
/// # Errors
/// When the write shall fail.
pub fn write(point: Point) -> io::Result<()> {
    match pass(point) {
        None => Ok(()),
        Some(CrashAction::Die) => die(),
        Some(CrashAction::Fail) => Err(io::Error::other("a test has this write fail")),
        Some(CrashAction::Wait(time)) => {
            std::thread::sleep(time);
            Ok(())
        }
    }
}

fn pass(point: Point) -> Option<CrashAction> {
    let orders = ORDERS.as_ref()?;
    let place = Point::ALL.iter().position(|other| *other == point)?;
    let number = PASSES.get(place)?.fetch_add(1, Ordering::Relaxed) + 1;
    tracing::debug!("crash point {} passed: {number}", point.name());
    let order = orders.iter().find(|order| order.point == point && order.passes.contains(&number))?;
    Some(order.action)
}

fn die() -> ! {
    // Nothing stops this signal.
    let _ = kill_process(getpid(), Signal::KILL);
    std::process::abort()
}

fn order(text: &str) -> Option<CrashOrder> {
    let (name, rest) = text.split_once(':')?;
    let (action, passes) = rest.split_once('@')?;
    let point = *Point::ALL.iter().find(|point| point.name() == name)?;
    let (first, last) = passes.split_once('-').unwrap_or((passes, passes));
    let passes = first.parse().ok()?..=last.parse().ok()?;
    let action = match action.split_once('=').unwrap_or((action, "")) {
        ("die", "") => CrashAction::Die,
        ("fail", "") if name.ends_with("-write") => CrashAction::Fail,
        ("wait", time) => CrashAction::Wait(Duration::from_millis(time.parse().ok()?)),
        _ => return None,
    };
    Some(CrashOrder { point, action, passes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_names_a_point_what_happens_and_when() {
        let at = |action, passes| Some(CrashOrder { point: Point::TurnWrite, action, passes });
        assert_eq!(order("turn-write:die@2"), at(CrashAction::Die, 2..=2));
        assert_eq!(order("turn-write:fail@2-9"), at(CrashAction::Fail, 2..=9));
        assert_eq!(order("turn-write:wait=500@1"), at(CrashAction::Wait(Duration::from_millis(500)), 1..=1));
        for bad in ["turn-write", "turn-write:die", "turn-wrote:die@1", "turn-committed:fail@1", "x"] {
            assert_eq!(order(bad), None, "{bad}");
        }
    }
}
