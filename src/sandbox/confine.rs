//! The last part into the sandbox (`phonework confine -- PROGRAM ARGS…`): this process gives up what it must not have,
//! and becomes the program.
//!
//! It gives up every capability and the way to new ones, applies Landlock, refuses system calls, and sets limits; all of
//! it is inherited by whatever the program starts, and none of it can be undone. Under bwrap it runs inside and has
//! little left to do: Landlock's scopes close the host's abstract sockets.
//!
//! A part that fails ends the process before the program runs.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, Compatible as _, LandlockStatus, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetStatus, Scope, path_beneath_rules,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set, remove_capability_from_bounding_set,
    set_capabilities, set_no_new_privs,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use serde::{Deserialize, Serialize};

/// The variable that carries a [`Confinement`] as JSON; the program does not see it.
pub(crate) const CONFINEMENT_VARIABLE: &str = "PHONEWORK_CONFINEMENT";

/// The newest kernel interface that is used where it is there.
const NEWEST: ABI = ABI::V9;
/// The first that keeps signals and abstract sockets inside.
const SCOPES: ABI = ABI::V6;
/// Devices that every program may use.
const DEVICES: &[&str] = &[
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
    "/dev/ptmx",
    "/dev/pts",
];

/// What is applied to the process before it becomes Claude.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Confinement {
    /// The paths that Landlock allows; none where the file tree is a sandbox's own.
    pub(crate) rules: Option<Rules>,
    /// Maximum number of processes of this user in this user namespace.
    pub(crate) processes: Option<u64>,
}

/// Paths that Landlock allows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rules {
    /// To be read and run.
    pub(crate) read: Vec<PathBuf>,
    /// To be written too.
    pub(crate) write: Vec<PathBuf>,
}

impl Confinement {
    /// As the variable carries it.
    ///
    /// # Errors
    /// For a path that is not UTF-8.
    pub(crate) fn to_json(&self) -> io::Result<String> {
        serde_json::to_string(self).map_err(io::Error::from)
    }
}

/// Becomes the program. Returns only when that failed: 126, with a line on stderr; 127 when there is no such program.
#[must_use]
pub(crate) fn run(program: &OsStr, arguments: &[OsString]) -> ExitCode {
    let confinement = std::env::var(CONFINEMENT_VARIABLE)
        .map_err(io::Error::other)
        .and_then(|text| serde_json::from_str::<Confinement>(&text).map_err(io::Error::from));
    if let Err(error) = confinement.and_then(|confinement| apply(&confinement)) {
        let _ = writeln!(io::stderr(), "phonework: the sandbox cannot be made: {error}");
        return ExitCode::from(126);
    }
    let error = Command::new(program).args(arguments).env_remove(CONFINEMENT_VARIABLE).exec();
    let _ = writeln!(io::stderr(), "phonework: {} could not be started: {error}", program.display());
    ExitCode::from(if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 })
}

/// Applies everything to this process, which must have one thread.
fn apply(confinement: &Confinement) -> io::Result<()> {
    drop_capabilities()?;
    set_no_new_privs(true)?;
    let sockets_are_held = match &confinement.rules {
        Some(rules) => restrict(rules)?,
        None => keep_inside()?,
    };
    for filter in filters(!sockets_are_held, confinement.rules.is_some())? {
        seccompiler::apply_filter(&filter).map_err(io::Error::other)?;
    }
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    if let Some(processes) = confinement.processes {
        let hard = getrlimit(Resource::Nproc).maximum;
        let least = hard.map_or(processes, |hard| hard.min(processes));
        setrlimit(Resource::Nproc, Rlimit { current: Some(least), maximum: Some(least) })?;
    }
    Ok(())
}

/// Takes every capability from this process and from the programs that it will be: as root it would read other
/// processes past Landlock.
fn drop_capabilities() -> io::Result<()> {
    for capability in CapabilitySet::all().iter() {
        // Who may not do this has none to give up, and no_new_privs keeps it so; unknown ones do not exist here.
        let _ = remove_capability_from_bounding_set(capability);
    }
    let _ = clear_ambient_capability_set();
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    Ok(())
}

/// Under bwrap: signals and abstract sockets stay inside. Whether Landlock holds the sockets.
fn keep_inside() -> io::Result<bool> {
    let ruleset = Ruleset::default()
        .set_compatibility(landlock::CompatLevel::HardRequirement)
        .scope(Scope::AbstractUnixSocket | Scope::Signal)
        .and_then(Ruleset::create);
    let Ok(ruleset) = ruleset else { return Ok(false) };
    Ok(ruleset.restrict_self().map_err(io::Error::other)?.ruleset == RulesetStatus::FullyEnforced)
}

/// Allows the paths and nothing else. Whether Landlock holds Unix sockets by path and by name.
fn restrict(rules: &Rules) -> io::Result<bool> {
    let all = AccessFs::from_all(NEWEST);
    let read = AccessFs::from_read(NEWEST);
    // A device node of one's own making would be a way to any disk.
    let write = all & !(AccessFs::MakeChar | AccessFs::MakeBlock);
    let device: BitFlags<AccessFs> =
        AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::WriteFile | AccessFs::IoctlDev;
    let status = Ruleset::default()
        .handle_access(all)
        .and_then(|ruleset| ruleset.scope(Scope::AbstractUnixSocket | Scope::Signal))
        .and_then(Ruleset::create)
        .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(&rules.read, read)))
        .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(&rules.write, write)))
        .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(DEVICES, device)))
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(io::Error::other)?;
    match status.landlock {
        LandlockStatus::Available { effective_abi, .. } if status.ruleset != RulesetStatus::NotEnforced => {
            Ok(effective_abi >= ABI::V9 && effective_abi >= SCOPES)
        }
        LandlockStatus::Available { .. } | LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => {
            Err(io::Error::other("the kernel does not enforce Landlock"))
        }
    }
}

/// The system calls that are refused. A program for another processor architecture than this one's ends with SIGSYS.
fn filters(no_unix_sockets: bool, no_namespaces: bool) -> io::Result<Vec<BpfProgram>> {
    // It opens files and sockets past every other filter. Programs take ENOSYS for an older kernel.
    let mut missing = vec![
        (libc::SYS_io_uring_setup, Vec::new()),
        (libc::SYS_io_uring_enter, Vec::new()),
        (libc::SYS_io_uring_register, Vec::new()),
    ];
    let mut filters = Vec::new();
    if no_namespaces {
        // Its flags lie in memory, where no filter sees them; the C library then takes the older call.
        missing.push((libc::SYS_clone3, Vec::new()));
        let user = u64::from(libc::CLONE_NEWUSER.cast_unsigned());
        let flag = || has(0, SeccompCmpOp::MaskedEq(user), user);
        let refused = vec![(libc::SYS_unshare, vec![flag()?]), (libc::SYS_clone, vec![flag()?])];
        filters.push(filter(refused, libc::EPERM)?);
    }
    if no_unix_sockets {
        // A pair of connected sockets stays: it leads nowhere else.
        let family = u64::from(libc::AF_UNIX.cast_unsigned());
        let refused = vec![(libc::SYS_socket, vec![has(0, SeccompCmpOp::Eq, family)?])];
        filters.push(filter(refused, libc::EAFNOSUPPORT)?);
    }
    filters.push(filter(missing, libc::ENOSYS)?);
    Ok(filters)
}

fn has(argument: u8, operator: SeccompCmpOp, value: u64) -> io::Result<SeccompRule> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value);
    condition.and_then(|condition| SeccompRule::new(vec![condition])).map_err(io::Error::other)
}

fn filter(calls: Vec<(i64, Vec<SeccompRule>)>, error: i32) -> io::Result<BpfProgram> {
    let architecture = std::env::consts::ARCH.try_into().map_err(io::Error::other)?;
    let refuse = SeccompAction::Errno(error.cast_unsigned());
    SeccompFilter::new(calls.into_iter().collect(), SeccompAction::Allow, refuse, architecture)
        .and_then(BpfProgram::try_from)
        .map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confinement_travels_in_a_variable() {
        let rules = Rules { read: vec!["/usr".into()], write: vec!["/p".into()] };
        let confinement = Confinement { rules: Some(rules), processes: Some(7) };
        assert_eq!(
            serde_json::from_str::<Confinement>(&confinement.to_json().unwrap()).unwrap(),
            confinement
        );
    }

    #[test]
    fn every_filter_can_be_built() {
        for (no_unix_sockets, no_namespaces) in [(false, false), (true, false), (true, true)] {
            let filters = filters(no_unix_sockets, no_namespaces).unwrap();
            assert_eq!(filters.len(), 1 + usize::from(no_unix_sockets) + usize::from(no_namespaces));
        }
    }
}
