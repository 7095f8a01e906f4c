//! What goes wrong in a round, and how the daemon is there again.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use jiff::Timestamp;
use rustix::process::Signal;
use serde_json::json;

use super::{CALM, Duration, Instant, Round};
use crate::harness::plan::Trouble;

impl Round {
    pub(super) async fn trouble(&mut self, trouble: &Trouble) {
        let emulator = &self.phonework.emulator;
        match trouble {
            Trouble::Drop(ending) => emulator.drop_connections(*ending),
            Trouble::Stall(stalled) => emulator.stall(*stalled),
            Trouble::Deliver(delivering) => emulator.delivering(*delivering),
            Trouble::Hold => emulator.hold_events(),
            Trouble::Release(order) => emulator.release_events(*order),
            Trouble::Api(fault) => {
                emulator.fault(fault.clone());
            }
            Trouble::ExpireTokens => emulator.expire_tokens(),
            Trouble::Rubbish(rubbish) => emulator.send_rubbish(*rubbish),
            Trouble::FillDisk => {
                if let Some(disk) = &self.disk {
                    disk.fill();
                }
            }
            Trouble::FreeDisk => self.free_disk(),
            Trouble::Reload => self.phonework.reload("TURN_TIMEOUT", json!("4m")),
            Trouble::KillDaemon(order) => self.kill_daemon(order.clone()).await,
            Trouble::RestartDaemon => self.restart_daemon().await,
            Trouble::FreezeDaemon => {
                self.phonework.signal(Signal::STOP);
                self.frozen = true;
            }
            Trouble::ThawDaemon => self.thaw(),
            Trouble::KillAgent(nth) => self.signal_agent(*nth, Signal::KILL),
            Trouble::FreezeAgent(nth) => self.signal_agent(*nth, Signal::STOP),
            Trouble::ThawAgents => self.thaw_agents(),
        }
    }

    fn signal_agent(&mut self, nth: usize, signal: Signal) {
        let there = self.agents.processes();
        if !there.is_empty() {
            self.killed = true;
            there[nth % there.len()].signal(signal);
        }
    }

    pub(super) fn thaw_agents(&self) {
        for process in self.agents.processes() {
            process.signal(Signal::CONT);
        }
    }

    pub(super) fn free_disk(&self) {
        if let Some(disk) = &self.disk {
            disk.make_room();
        }
    }

    pub(super) fn thaw(&mut self) {
        if std::mem::take(&mut self.frozen) {
            self.phonework.signal(Signal::CONT);
        }
    }

    /// Kills the daemon and starts one that may be told to die at a crash point.
    pub(super) async fn kill_daemon(&mut self, order: Option<String>) {
        self.phonework.kill().await;
        self.daemon_killed = true;
        self.start(order).await;
    }

    /// The daemon has died, as it was told to; the next one is not.
    pub(super) async fn died(&mut self, status: ExitStatus) {
        self.was_told_to(status);
        self.start(None).await;
    }

    fn was_told_to(&mut self, status: ExitStatus) {
        let told = std::mem::take(&mut self.armed) && status.signal() == Some(Signal::KILL.as_raw());
        assert!(told, "the daemon ended by itself: {status}");
        self.daemon_killed = true;
        self.deaths += 1;
    }

    /// Starts a daemon where none is, and waits until it is connected.
    async fn start(&mut self, order: Option<String>) {
        // On a full disk it does not start.
        self.free_disk();
        // What stood still with its warden would come to its last prompt after the prompts that follow.
        self.thaw_agents();
        self.frozen = false;
        self.armed = order.is_some();
        let mut order = order;
        loop {
            self.phonework.set_env("PHONEWORK_CRASH", order.take());
            let made = self.phonework.emulator.connections_made();
            let launched = Timestamp::now();
            self.phonework.launch();
            let connected = self.phonework.until("a connection", |phonework| {
                let emulator = &phonework.emulator;
                emulator.connections_made() > made && !emulator.connections().is_empty()
            });
            let connected = connected.await;
            self.restarts.push(launched..=Timestamp::now());
            match connected {
                Ok(()) => return,
                Err(status) => self.was_told_to(status),
            }
        }
    }

    async fn restart_daemon(&mut self) {
        self.thaw();
        // What is stalled, or stands still, would only be waited for.
        self.phonework.emulator.stall(false);
        self.thaw_agents();
        self.free_disk();
        let status = self.phonework.stop().await;
        if status.success() {
            self.nobody_is_left().await;
        } else {
            self.was_told_to(status);
        }
        self.start(None).await;
    }

    /// After SIGTERM no process of Claude's side is left. An agent whose warden was killed with SIGKILL may end its
    /// turn first: nobody holds it any more, and its input is closed. A warden that stood still when its daemon was
    /// killed hears of it now.
    pub(super) async fn nobody_is_left(&mut self) {
        let mut left = self.agents.processes();
        if self.killed {
            let until = Instant::now() + CALM;
            while !left.is_empty() && Instant::now() < until {
                tokio::time::sleep(Duration::from_millis(5)).await;
                left = self.agents.processes();
            }
        }
        let left =
            left.iter().map(|process| format!("{:?} outlived the daemon: {}", process.pid, process.name));
        self.stuck.extend(left);
    }
}
