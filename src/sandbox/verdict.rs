//! Which sandbox sessions run in, from what the checks found. Pure.

use super::Mode;
use super::check::{Findings, Reach};

/// What `SANDBOX` asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The strongest that works here.
    #[default]
    Auto,
    /// This one or none.
    Only(Mode),
    /// No sandbox; sessions run as the daemon's user.
    Off,
}

/// What the checks of one start found: a sentence says why a mode does not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SandboxChecks {
    /// What the check found under bubblewrap.
    pub(crate) bwrap: Result<Findings, String>,
    /// What the check found under Landlock.
    pub(crate) landlock: Result<Findings, String>,
}

/// What sessions run in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SandboxVerdict {
    /// Sessions run in a sandbox.
    In {
        /// The mechanism that holds sessions.
        mode: Mode,
        /// Why it is not a stronger one, if there is one.
        why_not_better: Option<String>,
        /// What it does not stop.
        open: Vec<Reach>,
    },
    /// In none, as the operator wants it.
    Off,
    /// In none, and so not at all: why.
    Refused(String),
}

impl SandboxVerdict {
    /// The mode as `health` names it.
    #[must_use]
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::In { mode, .. } => mode.as_str(),
            Self::Off => "off",
            Self::Refused(_) => "none",
        }
    }
}

/// Chooses. A sandbox that does not stop what its mode promises is none.
#[must_use]
pub(crate) fn choose(wanted: Wanted, checked: &SandboxChecks) -> SandboxVerdict {
    let bwrap = judge(Mode::Bwrap, &checked.bwrap);
    let landlock = judge(Mode::Landlock, &checked.landlock);
    let found = |mode, findings: &Findings, why_not_better| SandboxVerdict::In {
        mode,
        why_not_better,
        open: findings.reached.clone(),
    };
    match (wanted, bwrap, landlock) {
        (Wanted::Off, _, _) => SandboxVerdict::Off,
        (Wanted::Auto | Wanted::Only(Mode::Bwrap), Ok(findings), _) => found(Mode::Bwrap, findings, None),
        (Wanted::Only(Mode::Bwrap), Err(why), _) => {
            SandboxVerdict::Refused(format!("bwrap does not work here: {why}"))
        }
        (Wanted::Auto, Err(why), Ok(findings)) => found(Mode::Landlock, findings, Some(why)),
        (Wanted::Only(Mode::Landlock), _, Ok(findings)) => found(Mode::Landlock, findings, None),
        (Wanted::Only(Mode::Landlock), _, Err(why)) => {
            SandboxVerdict::Refused(format!("Landlock does not work here: {why}"))
        }
        (Wanted::Auto, Err(bwrap), Err(landlock)) => {
            SandboxVerdict::Refused(format!("no sandbox works here (bwrap: {bwrap}; Landlock: {landlock})"))
        }
    }
}

/// What a mode stops wherever it is used: where one of these is reached, it is not.
fn promised(mode: Mode) -> &'static [Reach] {
    match mode {
        Mode::Bwrap => &Reach::ALL,
        Mode::Landlock => &[
            Reach::Hidden,
            Reach::OtherProject,
            Reach::Temporary,
            Reach::Socket,
            Reach::AbstractSocket,
            Reach::Environment,
            Reach::Capabilities,
            Reach::UserNamespace,
            Reach::SystemCalls,
        ],
    }
}

fn judge(mode: Mode, checked: &Result<Findings, String>) -> Result<&Findings, String> {
    let findings = checked.as_ref().map_err(Clone::clone)?;
    if let Some(broken) = &findings.broken {
        return Err(broken.clone());
    }
    let reached: Vec<_> = promised(mode)
        .iter()
        .filter(|reach| findings.reached.contains(reach))
        .map(|reach| reach.as_str())
        .collect();
    if reached.is_empty() { Ok(findings) } else { Err(format!("inside it one can {}", reached.join(", "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tight() -> Result<Findings, String> {
        Ok(Findings::default())
    }

    fn leaky(reached: &[Reach]) -> Result<Findings, String> {
        Ok(Findings { broken: None, reached: reached.to_vec() })
    }

    fn chosen(wanted: Wanted, bwrap: Result<Findings, String>, landlock: Result<Findings, String>) -> String {
        match choose(wanted, &SandboxChecks { bwrap, landlock }) {
            SandboxVerdict::In { mode, why_not_better, open } => {
                format!("{mode} {why_not_better:?} {open:?}")
            }
            SandboxVerdict::Off => "off".to_owned(),
            SandboxVerdict::Refused(why) => format!("refused: {why}"),
        }
    }

    #[test]
    fn the_strongest_that_works_is_taken_and_a_named_one_that_fails_is_refused() {
        let no = |why: &str| Err(why.to_owned());
        let open = [Reach::AuditLog, Reach::Processes];
        let lines = [
            chosen(Wanted::Auto, tight(), leaky(&open)),
            chosen(Wanted::Auto, no("no user namespaces"), leaky(&open)),
            chosen(Wanted::Auto, no("no user namespaces"), no("no Landlock")),
            chosen(Wanted::Only(Mode::Bwrap), no("no user namespaces"), leaky(&open)),
            chosen(Wanted::Only(Mode::Landlock), tight(), leaky(&open)),
            chosen(Wanted::Only(Mode::Landlock), tight(), no("no Landlock")),
            chosen(Wanted::Off, no("no user namespaces"), no("no Landlock")),
        ];
        insta::assert_snapshot!(lines.join("\n"), @r#"
        bwrap None []
        landlock Some("no user namespaces") [AuditLog, Processes]
        refused: no sandbox works here (bwrap: no user namespaces; Landlock: no Landlock)
        refused: bwrap does not work here: no user namespaces
        landlock None [AuditLog, Processes]
        refused: Landlock does not work here: no Landlock
        off
        "#);
    }

    #[test]
    fn a_sandbox_that_leaks_what_it_promises_to_hold_is_none() {
        let hidden = [Reach::Hidden, Reach::Socket];
        let broken = Ok(Findings {
            broken: Some("the project cannot be written: no".to_owned()),
            reached: Vec::new(),
        });
        let lines = [
            chosen(Wanted::Auto, leaky(&hidden), leaky(&[Reach::Signal])),
            chosen(Wanted::Only(Mode::Landlock), tight(), leaky(&hidden)),
            chosen(Wanted::Only(Mode::Bwrap), broken, tight()),
        ];
        insta::assert_snapshot!(lines.join("\n"), @r#"
        landlock Some("inside it one can read phonework's own files, connect to the host's Unix sockets") [Signal]
        refused: Landlock does not work here: inside it one can read phonework's own files, connect to the host's Unix sockets
        refused: bwrap does not work here: the project cannot be written: no
        "#);
    }
}
