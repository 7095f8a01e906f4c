//! A health report as a page of text.

use jiff::Timestamp;

use super::{Colour, Style, between, plain, size, took, width};
use crate::control::wire::{
    ApiHealth, ClaudeHealth, ClaudeProof, ConnectionHealth, HealthCounts, HealthReport, LinkState,
    MailHealth, ProofSource,
};

/// The page: a headline, the problems, the notes, and then some lines for each part.
#[must_use]
pub(crate) fn health(health: &HealthReport, now: Timestamp, colour: Colour) -> Vec<String> {
    let mut page = HealthPage { lines: Vec::new(), colour };
    page.headline(health);
    // A single problem is in the headline already.
    for problem in health.problems.iter().filter(|_| health.problems.len() > 1) {
        page.add("problem", Style::Bad, Style::Plain, &plain(problem));
    }
    for note in &health.notes {
        page.add("note", Style::Notable, Style::Plain, &plain(note));
    }
    page.lines.push(String::new());
    page.part(
        "daemon",
        &format!(
            "phonework {}, process {}, up for {}, {} resident",
            plain(&health.version),
            health.pid,
            between(health.started_at, now),
            size(health.memory)
        ),
    );
    page.parts("connection", connection(&health.connection, now));
    page.parts("api", api(&health.api, now));
    page.parts("mail", mail(&health.mail, now));
    page.parts("sessions", sessions(&health.sessions));
    page.parts("claude", claude(&health.claude, now));
    page.part("sandbox", &plain(&health.sandbox));
    let stuck = health.stuck.iter();
    page.parts(
        "stuck",
        stuck.map(|stuck| format!("{} has not moved for {}", plain(&stuck.task), took(stuck.for_ms))),
    );
    page.lines
}

struct HealthPage {
    lines: Vec<String>,
    colour: Colour,
}

impl HealthPage {
    fn headline(&mut self, health: &HealthReport) {
        let headline = if health.healthy {
            self.colour.paint(Style::Good, "healthy")
        } else {
            let first = health.problems.first().map(|problem| format!(": {}", plain(problem)));
            let more = match health.problems.len() {
                0 | 1 => String::new(),
                problems => format!(" (and {} more)", problems - 1),
            };
            self.colour.paint(Style::Bad, &format!("NOT healthy{}{more}", first.unwrap_or_default()))
        };
        self.lines.push(headline);
    }

    /// Adds a line that begins with a name.
    fn add(&mut self, name: &str, style: Style, of_the_text: Style, text: &str) {
        const WIDTH: usize = 12;
        let gap = " ".repeat(WIDTH.saturating_sub(width(name)));
        let line = format!("{}{gap}{}", self.colour.paint(style, name), self.colour.paint(of_the_text, text));
        self.lines.push(line);
    }

    fn part(&mut self, name: &str, text: &str) {
        self.add(name, Style::Strong, Style::Plain, text);
    }

    fn parts(&mut self, name: &str, lines: impl IntoIterator<Item = String>) {
        for (n, line) in lines.into_iter().enumerate() {
            self.part(if n == 0 { name } else { "" }, &line);
        }
    }
}

/// How long ago something was, or that it never was.
fn ago(at: Option<Timestamp>, now: Timestamp) -> String {
    at.map_or_else(|| "never".to_owned(), |at| format!("{} ago", between(at, now)))
}

fn connection(connection: &ConnectionHealth, now: Timestamp) -> Vec<String> {
    let since = between(connection.since, now);
    let state = match connection.state {
        LinkState::Connecting => format!("connecting for {since}"),
        LinkState::Connected => format!("connected for {since}"),
        LinkState::Waiting => format!("not connected for {since}"),
        LinkState::Stopped => format!("ended {since} ago, as the daemon leaves"),
    };
    let next = connection.next_try_at.map(|at| format!(", next try in {}", between(now, at)));
    let mut lines = vec![format!(
        "{state}{}, last frame {}, reconnects {}",
        next.unwrap_or_default(),
        ago(connection.last_frame_at, now),
        connection.reconnects
    )];
    lines.extend(connection.last_error.as_deref().map(|error| format!("last error: {}", plain(error))));
    lines.extend(
        connection.turned_away_at.map(|at| {
            format!("messages turned away for Feishu to deliver again, last {}", ago(Some(at), now))
        }),
    );
    lines
}

fn api(api: &ApiHealth, now: Timestamp) -> Vec<String> {
    let token = match api.token_until {
        Some(until) if until > now => format!("token for {} more", between(now, until)),
        Some(_) | None => "no token".to_owned(),
    };
    let mut lines = vec![format!("last success {}, {token}", ago(api.last_success_at, now))];
    lines.extend(
        api.last_error
            .as_ref()
            .map(|error| format!("last error {}: {}", ago(Some(error.at), now), plain(&error.what))),
    );
    lines
}

fn mail(mail: &MailHealth, now: Timestamp) -> Vec<String> {
    let oldest = |at: Option<Timestamp>| {
        at.map(|at| format!(" (the oldest for {})", between(at, now))).unwrap_or_default()
    };
    let mut lines = vec![format!(
        "inbox {}{}, running {}, outbox {}{}, refused by Feishu {}, last message {}",
        mail.inbox,
        oldest(mail.oldest_inbox_at),
        mail.running,
        mail.outbox,
        oldest(mail.oldest_outbox_at),
        mail.wedged,
        ago(mail.last_received_at, now)
    )];
    if !mail.answers {
        lines.push("mail.db does not answer; these are the numbers of its last answer".to_owned());
    }
    lines.extend(mail.last_wedged.iter().map(|wedged| {
        format!("refused {}, to {}: {}", ago(Some(wedged.at), now), plain(&wedged.to), plain(&wedged.why))
    }));
    lines
}

fn sessions(sessions: &HealthCounts) -> Vec<String> {
    let mut lines =
        vec![format!("open {}, live {}, running {}", sessions.open, sessions.live, sessions.running)];
    lines.extend(sessions.processes.iter().map(|process| {
        let others = match process.processes {
            0 | 1 => String::new(),
            all => format!(" with {} below it", all - 1),
        };
        format!(
            "{}: process {}{others}, {}",
            plain(process.conv_id.as_str()),
            process.pid,
            size(process.memory)
        )
    }));
    lines
}

fn claude(claude: &ClaudeHealth, now: Timestamp) -> Vec<String> {
    let what = match (&claude.version, &claude.path) {
        (Some(version), Some(path)) => format!("{} at {}", plain(version), plain(path)),
        (None, Some(path)) => format!("{}, whose version is not known", plain(path)),
        (Some(_) | None, None) => format!("{} was not found", plain(&claude.command)),
    };
    let proof = claude.proof.as_ref().map_or_else(
        || "not tried yet; `phonework health --probe` tries".to_owned(),
        |proof| proven(proof, now),
    );
    vec![what, proof]
}

fn proven(proof: &ClaudeProof, now: Timestamp) -> String {
    let what = match proof.by {
        ProofSource::Probe => "`claude -p ping`",
        ProofSource::Turn => "a message",
    };
    let (at, took) = (ago(Some(proof.at), now), took(proof.took_ms));
    if proof.passed {
        format!("answered {what} {at}, in {took}")
    } else {
        let why = proof.why.as_deref().map(|why| format!(": {}", plain(why))).unwrap_or_default();
        format!("did not answer {what} {at}, after {took}{why}")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::control::wire::{ProcessUsage, StuckTaskInfo, TroubleInfo, WedgedInfo};

    /// The time `before` seconds before 2026-09-21 14:13:20 UTC.
    pub(crate) fn at(before: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 - before).unwrap()
    }

    /// A report without problems.
    pub(crate) fn well() -> HealthReport {
        HealthReport {
            healthy: true,
            problems: Vec::new(),
            notes: Vec::new(),
            version: "0.1.0".to_owned(),
            pid: 812,
            started_at: at(266_000),
            memory: 9_310_000,
            connection: ConnectionHealth {
                state: LinkState::Connected,
                since: at(265_990),
                next_try_at: None,
                last_frame_at: Some(at(42)),
                reconnects: 0,
                last_error: None,
                turned_away_at: None,
            },
            api: ApiHealth {
                last_success_at: Some(at(185)),
                last_error: None,
                token_until: Some(at(-5_400)),
            },
            mail: MailHealth { answers: true, last_received_at: Some(at(200)), ..MailHealth::default() },
            sessions: HealthCounts {
                open: 12,
                live: 1,
                running: 0,
                processes: vec![ProcessUsage {
                    conv_id: "c-k3v9x2mq".into(),
                    pid: 901,
                    processes: 4,
                    memory: 412_000_000,
                }],
            },
            claude: ClaudeHealth {
                command: "claude".to_owned(),
                path: Some("/usr/bin/claude".to_owned()),
                version: Some("2.1.330 (Claude Code)".to_owned()),
                proof: Some(ClaudeProof {
                    at: at(185),
                    by: ProofSource::Turn,
                    passed: true,
                    took_ms: 15_200,
                    why: None,
                }),
            },
            sandbox: "off".to_owned(),
            stuck: Vec::new(),
        }
    }

    /// A report in which everything is wrong that can be.
    pub(crate) fn ill() -> HealthReport {
        HealthReport {
            healthy: false,
            problems: vec![
                "there is no connection to Feishu since 3m: connection refused\x1b[2J".to_owned(),
                "Claude Code does not answer: sign in by running `claude` as this user".to_owned(),
            ],
            notes: vec!["ALLOWED_OPEN_IDS is empty".to_owned()],
            connection: ConnectionHealth {
                state: LinkState::Waiting,
                since: at(190),
                next_try_at: Some(at(-12)),
                last_frame_at: Some(at(200)),
                reconnects: 7,
                last_error: Some("connection refused".to_owned()),
                turned_away_at: Some(at(30)),
            },
            api: ApiHealth {
                last_success_at: None,
                last_error: Some(TroubleInfo { at: at(5), what: "99991663: token\nexpired".to_owned() }),
                token_until: Some(at(3)),
            },
            mail: MailHealth {
                answers: false,
                inbox: 3,
                running: 1,
                oldest_inbox_at: Some(at(400)),
                outbox: 2,
                oldest_outbox_at: Some(at(195)),
                wedged: 1,
                last_wedged: vec![WedgedInfo {
                    at: at(90_000),
                    to: "oc_7d8a".to_owned(),
                    why: "230028: the content is refused".to_owned(),
                }],
                last_received_at: None,
            },
            claude: ClaudeHealth {
                command: "clod".to_owned(),
                path: None,
                version: None,
                proof: Some(ClaudeProof {
                    at: at(100),
                    by: ProofSource::Probe,
                    passed: false,
                    took_ms: 310,
                    why: Some("it printed nothing".to_owned()),
                }),
            },
            stuck: vec![StuckTaskInfo { task: "courier".to_owned(), for_ms: 42_000 }],
            ..well()
        }
    }

    #[test]
    fn a_healthy_daemon_is_described_in_a_few_lines() {
        insta::assert_snapshot!(health(&well(), at(0), Colour::Off).join("\n"), @r"
        healthy

        daemon      phonework 0.1.0, process 812, up for 3d, 9.3 MB resident
        connection  connected for 3d, last frame 42s ago, reconnects 0
        api         last success 3m ago, token for 1h more
        mail        inbox 0, running 0, outbox 0, refused by Feishu 0, last message 3m ago
        sessions    open 12, live 1, running 0
                    c-k3v9x2mq: process 901 with 3 below it, 412.0 MB
        claude      2.1.330 (Claude Code) at /usr/bin/claude
                    answered a message 3m ago, in 15.2s
        sandbox     off
        ");
    }

    #[test]
    fn problems_come_first() {
        insta::assert_snapshot!(health(&ill(), at(0), Colour::Off).join("\n"), @r"
        NOT healthy: there is no connection to Feishu since 3m: connection refused\u{1b}[2J (and 1 more)
        problem     there is no connection to Feishu since 3m: connection refused\u{1b}[2J
        problem     Claude Code does not answer: sign in by running `claude` as this user
        note        ALLOWED_OPEN_IDS is empty

        daemon      phonework 0.1.0, process 812, up for 3d, 9.3 MB resident
        connection  not connected for 3m, next try in 12s, last frame 3m ago, reconnects 7
                    last error: connection refused
                    messages turned away for Feishu to deliver again, last 30s ago
        api         last success never, no token
                    last error 5s ago: 99991663: token\nexpired
        mail        inbox 3 (the oldest for 6m), running 1, outbox 2 (the oldest for 3m), refused by Feishu 1, last message never
                    mail.db does not answer; these are the numbers of its last answer
                    refused 1d ago, to oc_7d8a: 230028: the content is refused
        sessions    open 12, live 1, running 0
                    c-k3v9x2mq: process 901 with 3 below it, 412.0 MB
        claude      clod was not found
                    did not answer `claude -p ping` 1m ago, after 310ms: it printed nothing
        sandbox     off
        stuck       courier has not moved for 42.0s
        ");
    }

    #[test]
    fn a_report_says_what_was_not_tried() {
        let health_now = HealthReport {
            claude: ClaudeHealth { command: "claude".to_owned(), ..ClaudeHealth::default() },
            api: ApiHealth::default(),
            ..well()
        };
        let page = health(&health_now, at(0), Colour::Off);
        let lines: Vec<_> =
            page.into_iter().filter(|line| line.contains("not") || line.contains("api")).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        api         last success never, no token
        claude      claude was not found
                    not tried yet; `phonework health --probe` tries
        ");
    }
}
