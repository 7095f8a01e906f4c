//! How much there is to do, in numbers that cost nothing to know.

use super::router::Router;

/// How much there is to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouterLoad {
    /// Sessions that are not closed.
    pub open: usize,
    /// Sessions at work on a message.
    pub running: usize,
    /// Messages that wait for their turn.
    pub waiting: usize,
}

impl Router {
    /// Tells who follows it, when it is not as it was.
    pub(super) fn publish_load(&self) {
        let load = RouterLoad {
            open: self.registry.open_sessions(),
            running: self.desk.all_running(),
            waiting: self.desk.all_waiting(),
        };
        self.load.send_if_modified(|told| {
            let changed = *told != load;
            *told = load;
            changed
        });
    }
}
