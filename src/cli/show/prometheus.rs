//! A health report as metrics for Prometheus, for node_exporter's textfile collector.
//!
//! Units are seconds and bytes; times are seconds since 1970. Unknown values are left out. People and sessions never
//! become labels, so there are few series.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::plain;
use crate::control::wire::{HealthReport, LinkState};

#[derive(Clone, Copy)]
enum MetricType {
    Gauge,
    Counter,
}

/// The metrics of a daemon that answers.
#[must_use]
pub(crate) fn prometheus(health: &HealthReport) -> String {
    let mut text = MetricsText(String::new());
    text.gauge("up", "Whether the daemon answers on its control socket.", 1_u8);
    text.gauge("healthy", "Whether all that is needed works.", u8::from(health.healthy));
    text.gauge("problems", "Things that do not work.", health.problems.len());
    text.head(
        "info",
        "The versions of phonework and of Claude Code, and the sandbox in use.",
        MetricType::Gauge,
    );
    text.line(
        "info",
        &[
            ("version", &health.version),
            ("claude_version", health.claude.version.as_deref().unwrap_or_default()),
            ("sandbox", &health.sandbox),
        ],
        1,
    );
    text.time("start_time_seconds", "When the daemon started.", Some(health.started_at));
    text.gauge("resident_memory_bytes", "Memory of the daemon itself.", health.memory);
    connection(&mut text, health);
    mail(&mut text, health);
    let sessions = &health.sessions;
    text.gauge("sessions_open", "Sessions that are not closed.", sessions.open);
    text.gauge("sessions_live", "Sessions with a process.", sessions.live);
    text.gauge("sessions_running", "Sessions at work on a message.", sessions.running);
    let (mut processes, mut memory) = (0_usize, 0_u64);
    for process in &sessions.processes {
        processes = processes.saturating_add(process.processes);
        memory = memory.saturating_add(process.memory);
    }
    text.gauge("session_processes", "Processes of all sessions.", processes);
    text.gauge("session_resident_memory_bytes", "Memory of the processes of all sessions.", memory);
    if let Some(proof) = &health.claude.proof {
        text.gauge("claude_answers", "Whether Claude Code answered when last tried.", u8::from(proof.passed));
        text.time("claude_tried_time_seconds", "When Claude Code was last tried.", Some(proof.at));
        let seconds = std::time::Duration::from_millis(proof.took_ms).as_secs_f64();
        text.gauge("claude_answer_duration_seconds", "How long the last try took.", seconds);
    }
    text.gauge("stuck_tasks", "Tasks of the daemon that have not moved for too long.", health.stuck.len());
    text.0
}

/// The metrics where no daemon answers.
#[must_use]
pub(crate) fn absent() -> String {
    let mut text = MetricsText(String::new());
    text.gauge("up", "Whether the daemon answers on its control socket.", 0_u8);
    text.gauge("healthy", "Whether all that is needed works.", 0_u8);
    text.0
}

fn connection(text: &mut MetricsText, health: &HealthReport) {
    let connection = &health.connection;
    text.head("connection_state", "How the long connection to Feishu is.", MetricType::Gauge);
    for (link, name) in [
        (LinkState::Connecting, "connecting"),
        (LinkState::Connected, "connected"),
        (LinkState::Waiting, "waiting"),
        (LinkState::Stopped, "stopped"),
    ] {
        text.line("connection_state", &[("state", name)], u8::from(link == connection.state));
    }
    text.time("connection_state_time_seconds", "Since when it is so.", Some(connection.since));
    text.time("connection_frame_time_seconds", "When anything last arrived.", connection.last_frame_at);
    text.head("connection_reconnects_total", "Connections made after the first one.", MetricType::Counter);
    text.line("connection_reconnects_total", &[], connection.reconnects);
    text.time(
        "connection_turned_away_time_seconds",
        "When Feishu was last asked to deliver something again.",
        connection.turned_away_at,
    );
    let api = &health.api;
    text.time("api_success_time_seconds", "When a call of Feishu's API last succeeded.", api.last_success_at);
    let failed = api.last_error.as_ref().map(|error| error.at);
    text.time("api_error_time_seconds", "When a call of Feishu's API last failed.", failed);
    text.time("api_token_until_time_seconds", "Until when the access token is used.", api.token_until);
}

fn mail(text: &mut MetricsText, health: &HealthReport) {
    let mail = &health.mail;
    text.gauge("mail_answers", "Whether mail.db answers.", u8::from(mail.answers));
    text.gauge("inbox_messages", "Messages that nobody has begun with.", mail.inbox);
    text.gauge("running_messages", "Messages whose turn runs.", mail.running);
    text.time("inbox_oldest_time_seconds", "When the oldest waiting message came.", mail.oldest_inbox_at);
    text.gauge("outbox_messages", "Messages to Feishu that it has not confirmed.", mail.outbox);
    text.time("outbox_oldest_time_seconds", "When the oldest of them was put there.", mail.oldest_outbox_at);
    text.gauge("wedged_messages", "Messages that Feishu refused for good in 30 days.", mail.wedged);
    text.time(
        "received_time_seconds",
        "When a message was last taken over since the start.",
        mail.last_received_at,
    );
}

struct MetricsText(String);

impl MetricsText {
    fn head(&mut self, name: &str, help: &str, kind: MetricType) {
        let kind = match kind {
            MetricType::Gauge => "gauge",
            MetricType::Counter => "counter",
        };
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(self.0, "# HELP phonework_{name} {help}\n# TYPE phonework_{name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let _ = write!(self.0, "phonework_{name}");
        for (n, (label, text)) in labels.iter().enumerate() {
            let text = plain(text).replace('\\', r"\\").replace('"', "\\\"");
            let _ = write!(self.0, "{}{label}=\"{text}\"", if n == 0 { '{' } else { ',' });
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl std::fmt::Display) {
        self.head(name, help, MetricType::Gauge);
        self.line(name, &[], value);
    }

    fn time(&mut self, name: &str, help: &str, at: Option<Timestamp>) {
        if let Some(at) = at {
            self.gauge(name, help, format_args!("{}.{:03}", at.as_second(), at.as_millisecond() % 1000));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::super::health::tests::{ill, well};
    use super::*;

    /// The series of a text, if it keeps the rules of Prometheus' text format and of its naming.
    fn series(text: &str) -> BTreeMap<String, f64> {
        let mut found = BTreeMap::new();
        let (mut helped, mut typed) = (BTreeSet::new(), BTreeMap::new());
        assert!(text.ends_with('\n'));
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').expect("a name and a text");
                assert!(helped.insert(name.to_owned()), "{name} is explained twice");
                assert!(!help.is_empty() && help.ends_with('.'), "{line}");
                continue;
            }
            if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect("a name and a type");
                assert!(helped.contains(name) && ["gauge", "counter"].contains(&kind), "{line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                assert!(typed.insert(name.to_owned(), kind.to_owned()).is_none(), "{line}");
                continue;
            }
            let (series, value) = line.rsplit_once(' ').expect("a series and a value");
            let name = series.split('{').next().unwrap();
            assert!(
                name.strip_prefix("phonework_")
                    .is_some_and(|rest| { rest.chars().all(|c| c.is_ascii_lowercase() || c == '_') })
            );
            assert!(typed.contains_key(name), "{name} has no type before it");
            if let Some(labels) = series.strip_prefix(&format!("{name}{{")) {
                let mut rest = labels.strip_suffix('}').expect("a closing brace");
                while !rest.is_empty() {
                    let (label, after) = rest.split_once("=\"").expect("a label");
                    assert!(
                        label.trim_start_matches(',').chars().all(|c| c.is_ascii_lowercase() || c == '_')
                    );
                    let mut end = 0;
                    while !after[end..].starts_with('"') {
                        let escaped = after[end..].starts_with('\\');
                        assert!(!escaped || after[end + 1..].starts_with(['\\', '"', 'n']), "{line}");
                        end += if escaped { 2 } else { after[end..].chars().next().unwrap().len_utf8() };
                    }
                    rest = &after[end + 1..];
                }
            }
            assert!(found.insert(series.to_owned(), value.parse().expect("a number")).is_none(), "{line}");
        }
        found
    }

    #[test]
    fn the_metrics_keep_the_rules_of_prometheus() {
        let ill = HealthReport { version: "0.1\"\\\n\u{9b}".to_owned(), ..ill() };
        let series = [prometheus(&well()), prometheus(&ill), absent()].map(|text| series(&text));
        let values = |name: &str| series.each_ref().map(|series| series.get(name).copied());
        assert_eq!(values("phonework_up"), [Some(1.0), Some(1.0), Some(0.0)]);
        assert_eq!(values("phonework_healthy"), [Some(1.0), Some(0.0), Some(0.0)]);
        assert_eq!(values("phonework_claude_answers"), [Some(1.0), Some(0.0), None]);
        assert_eq!(values("phonework_connection_state{state=\"connected\"}"), [Some(1.0), Some(0.0), None]);
        assert_eq!(values("phonework_outbox_messages"), [Some(0.0), Some(2.0), None]);
        assert_eq!(values("phonework_start_time_seconds")[0], Some(1_789_734_000.0));
    }

    #[test]
    fn the_metrics_read_well() {
        insta::assert_snapshot!(prometheus(&well()));
    }
}
