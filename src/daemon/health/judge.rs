//! Judges a health report: what is wrong, and what else an operator should know. Pure.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::control::wire::{HealthReport, LinkState, TroubleInfo};
use crate::sandbox::verdict::SandboxVerdict;

/// A message that Feishu has not accepted for longer than this is a problem.
const MAX_OUTBOX_AGE: Duration = Duration::from_secs(5 * 60);

/// Facts for the judgement that are not in the report.
#[derive(Clone, Debug)]
pub(super) struct JudgeInputs {
    /// Since when all calls of Feishu's API fail, and why.
    pub(super) failing: Option<TroubleInfo>,
    /// Whether nobody may talk to the bot.
    pub(super) nobody_allowed: bool,
    /// Whether Claude Code was looked for yet.
    pub(super) claude_looked_up: bool,
    /// Whether the app may not create card entities, so that cards are redrawn instead.
    pub(super) cards_redrawn: bool,
    /// What sessions run in.
    pub(super) verdict: Arc<SandboxVerdict>,
}

/// The problems and the notes, each a sentence.
pub(super) fn judge(
    health: &HealthReport,
    inputs: &JudgeInputs,
    now: Timestamp,
) -> (Vec<String>, Vec<String>) {
    let (mut problems, mut notes) = (Vec::new(), Vec::new());
    let connection = &health.connection;
    let why = || connection.last_error.as_ref().map(|error| format!(" ({error})")).unwrap_or_default();
    match connection.state {
        LinkState::Connected => {}
        LinkState::Connecting if connection.last_error.is_none() => {
            problems.push("phonework is connecting to Feishu for the first time".to_owned());
        }
        LinkState::Connecting | LinkState::Waiting => {
            problems.push(format!("there is no connection to Feishu{}; it is tried again by itself", why()));
        }
        LinkState::Stopped => problems.push("phonework is shutting down".to_owned()),
    }
    if let Some(TroubleInfo { at, what }) = &inputs.failing {
        problems.push(format!("calls of Feishu's API fail since {}: {what}", clock(*at)));
    }
    let mail = &health.mail;
    if !mail.answers {
        problems.push("mail.db does not answer: check the disk of the state directory".to_owned());
    }
    if let Some(oldest) = mail.oldest_outbox_at
        && now.duration_since(oldest).unsigned_abs() > MAX_OUTBOX_AGE
    {
        let many = mail.outbox;
        problems.push(format!("{many} messages to Feishu wait, the oldest since {}", clock(oldest)));
    }
    match (&health.claude.path, &health.claude.proof) {
        (None, None) if !inputs.claude_looked_up => {
            notes.push("whether Claude Code is there is not known yet; ask again".to_owned());
        }
        (None, _) => problems.push(format!(
            "Claude Code is not there: {:?} (CLAUDE_COMMAND) cannot be found; install it for the daemon's user",
            health.claude.command
        )),
        (Some(_), Some(proof)) if !proof.passed => {
            problems.push(proof.why.clone().unwrap_or_else(|| "Claude Code does not answer".to_owned()));
        }
        (Some(_), Some(_)) => {}
        (Some(_), None) => notes.push(
            "whether Claude Code answers is not known yet: nobody was answered since the start; `phonework health \
             --probe` tries it"
                .to_owned(),
        ),
    }
    for stuck in &health.stuck {
        let seconds = stuck.for_ms / 1000;
        problems.push(format!("the task {} has not moved for {seconds} s", stuck.task));
    }
    if mail.wedged > 0 {
        let last = mail
            .last_wedged
            .first()
            .map(|last| format!("; the last one at {}: {}", clock(last.at), last.why));
        let last = last.unwrap_or_default();
        notes.push(format!("Feishu refused {} messages for good in the last 30 days{last}", mail.wedged));
    }
    if inputs.cards_redrawn {
        notes.push(
            "the app has no permission cardkit:card:write: what Claude writes is shown every one and a half seconds \
             instead of being typed out; give it in Feishu's developer console and publish a version"
                .to_owned(),
        );
    }
    if inputs.nobody_allowed {
        notes.push("nobody may talk to the bot: let somebody in with `phonework allow OPEN_ID`".to_owned());
    }
    sandbox(&inputs.verdict, &mut problems, &mut notes);
    (problems, notes)
}

fn sandbox(verdict: &SandboxVerdict, problems: &mut Vec<String>, notes: &mut Vec<String>) {
    match verdict {
        SandboxVerdict::In { mode, why_not_better, open } => {
            if let Some(why) = why_not_better {
                notes.push(format!("the sandbox is {mode}, as bwrap does not work here: {why}"));
            }
            let always = "use the network as this machine does, its own services on 127.0.0.1 included";
            let open: Vec<_> = open.iter().map(|reach| reach.as_str()).chain([always]).collect();
            notes.push(format!("the sandbox does not stop everything: Claude can {}", open.join("; ")));
        }
        SandboxVerdict::Off => {
            notes.push("there is no sandbox: Claude runs with the rights of the daemon's user".to_owned());
        }
        SandboxVerdict::Refused(why) => problems.push(format!("sessions are refused: {why}")),
    }
}

/// A time as sentences show it.
fn clock(at: Timestamp) -> String {
    at.strftime("%F %T UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::wire::{
        ApiHealth, ClaudeHealth, ClaudeProof, ConnectionHealth, HealthCounts, MailHealth, ProofSource,
        StuckTaskInfo, WedgedInfo,
    };
    use crate::sandbox::Mode;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn well() -> HealthReport {
        HealthReport {
            healthy: false,
            problems: Vec::new(),
            notes: Vec::new(),
            version: "1".into(),
            pid: 1,
            started_at: NOW,
            memory: 0,
            connection: ConnectionHealth {
                state: LinkState::Connected,
                since: NOW,
                next_try_at: None,
                last_frame_at: None,
                reconnects: 1,
                last_error: Some("the connection ended".into()),
                turned_away_at: None,
            },
            api: ApiHealth::default(),
            mail: MailHealth { answers: true, ..MailHealth::default() },
            sessions: HealthCounts::default(),
            claude: ClaudeHealth {
                command: "claude".into(),
                path: Some("/usr/bin/claude".into()),
                version: None,
                proof: Some(ClaudeProof {
                    at: NOW,
                    by: ProofSource::Turn,
                    passed: true,
                    took_ms: 1,
                    why: None,
                }),
            },
            sandbox: "landlock".into(),
            stuck: Vec::new(),
        }
    }

    fn nothing() -> JudgeInputs {
        let verdict = SandboxVerdict::In { mode: Mode::Bwrap, why_not_better: None, open: Vec::new() };
        JudgeInputs {
            failing: None,
            nobody_allowed: false,
            claude_looked_up: true,
            cards_redrawn: false,
            verdict: Arc::new(verdict),
        }
    }

    const NETWORK: &str = "the sandbox does not stop everything: Claude can use the network as this machine does, its \
        own services on 127.0.0.1 included";

    #[test]
    fn a_report_without_trouble_only_says_what_the_sandbox_leaves_open() {
        assert_eq!(judge(&well(), &nothing(), NOW), (Vec::new(), vec![NETWORK.to_owned()]));
    }

    #[test]
    fn every_part_that_does_not_work_is_a_problem_with_its_reason() {
        let mut health = well();
        health.connection.state = LinkState::Waiting;
        health.mail = MailHealth {
            answers: false,
            outbox: 3,
            oldest_outbox_at: NOW.checked_sub(MAX_OUTBOX_AGE * 2).ok(),
            ..MailHealth::default()
        };
        let why = Some("`claude -p ping` ended without an answer".to_owned());
        health.claude.proof =
            Some(ClaudeProof { at: NOW, by: ProofSource::Probe, passed: false, took_ms: 1, why });
        health.stuck = vec![StuckTaskInfo { task: "router".into(), for_ms: 21_000 }];
        let failing = TroubleInfo { at: NOW, what: "HTTP 503".into() };
        let (mut problems, notes) = judge(&health, &JudgeInputs { failing: Some(failing), ..nothing() }, NOW);
        assert_eq!(notes, [NETWORK]);
        for (link, error) in [(LinkState::Connecting, None), (LinkState::Stopped, None)] {
            let mut health = well();
            (health.connection.state, health.connection.last_error) = (link, error);
            health.claude.path = None;
            problems.extend(judge(&health, &nothing(), NOW).0);
        }
        insta::assert_snapshot!(problems.join("\n"), @r#"
        there is no connection to Feishu (the connection ended); it is tried again by itself
        calls of Feishu's API fail since 1970-01-01 00:00:00 UTC: HTTP 503
        mail.db does not answer: check the disk of the state directory
        3 messages to Feishu wait, the oldest since 1969-12-31 23:50:00 UTC
        `claude -p ping` ended without an answer
        the task router has not moved for 21 s
        phonework is connecting to Feishu for the first time
        Claude Code is not there: "claude" (CLAUDE_COMMAND) cannot be found; install it for the daemon's user
        phonework is shutting down
        Claude Code is not there: "claude" (CLAUDE_COMMAND) cannot be found; install it for the daemon's user
        "#);
    }

    #[test]
    fn what_needs_no_repair_is_a_note() {
        let mut health = well();
        health.claude.proof = None;
        health.mail.wedged = 2;
        health.mail.last_wedged = vec![WedgedInfo { at: NOW, to: "oc_1".into(), why: "code 230028".into() }];
        let (problems, mut notes) = judge(
            &health,
            &JudgeInputs {
                nobody_allowed: true,
                cards_redrawn: true,
                verdict: Arc::new(SandboxVerdict::Off),
                ..nothing()
            },
            NOW,
        );
        health.claude.path = None;
        notes.extend(
            judge(&health, &JudgeInputs { claude_looked_up: false, ..nothing() }, NOW).1.into_iter().take(1),
        );
        assert_eq!(problems, Vec::<String>::new());
        insta::assert_snapshot!(notes.join("\n"), @r"
        whether Claude Code answers is not known yet: nobody was answered since the start; `phonework health --probe` tries it
        Feishu refused 2 messages for good in the last 30 days; the last one at 1970-01-01 00:00:00 UTC: code 230028
        the app has no permission cardkit:card:write: what Claude writes is shown every one and a half seconds instead of being typed out; give it in Feishu's developer console and publish a version
        nobody may talk to the bot: let somebody in with `phonework allow OPEN_ID`
        there is no sandbox: Claude runs with the rights of the daemon's user
        whether Claude Code is there is not known yet; ask again
        ");
    }
}
