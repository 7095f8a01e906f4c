//! A view as bubblewrap's arguments. Pure.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::view::{View, ViewPart};

/// Where phonework itself lies inside.
pub(crate) const CONFINE: &str = "/run/confine";

/// Descriptors that bubblewrap finds open: of held paths, and of the copy of Claude Code's state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Descriptors {
    /// The held paths, each with its descriptor.
    pub(crate) held: BTreeMap<PathBuf, i32>,
    /// The copy, if there is one.
    pub(crate) state: Option<i32>,
}

/// Every namespace but the network's, no capabilities, no further user namespaces. No host name: the units' system
/// call filter refuses to set one.
const NAMESPACES: &[&str] = &[
    "--unshare-user",
    "--cap-drop",
    "ALL",
    "--disable-userns",
    "--unshare-pid",
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-cgroup-try",
    "--die-with-parent",
    "--new-session",
];

/// The arguments that stand before the program to be run. A held path without a descriptor is left out. `phonework` is
/// this program's path on the host.
#[must_use]
pub(crate) fn arguments(
    view: &View,
    descriptors: &Descriptors,
    phonework: &Path,
    project: &Path,
) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = NAMESPACES.iter().map(OsString::from).collect();
    let mut add = |words: &[&dyn AsRef<std::ffi::OsStr>]| {
        arguments.extend(words.iter().map(|word| word.as_ref().to_owned()));
    };
    for part in &view.parts {
        match part {
            ViewPart::Read { from, to } => add(&[&"--ro-bind-try", from, to]),
            ViewPart::Write { from, to } => add(&[&"--bind-try", from, to]),
            ViewPart::Held { path, writable } => {
                if let Some(descriptor) = descriptors.held.get(path) {
                    let bind = if *writable { "--bind-fd" } else { "--ro-bind-fd" };
                    add(&[&bind, &descriptor.to_string(), path]);
                }
            }
            ViewPart::Link { text, at } => add(&[&"--symlink", text, at]),
            ViewPart::Memory { at, size } => add(&[&"--size", &size.to_string(), &"--tmpfs", at]),
            // A device that is bound without leave to be one cannot be opened.
            ViewPart::Hide(at) => add(&[&"--ro-bind", &"/dev/null", at]),
            ViewPart::Mask(at) => add(&[&"--tmpfs", at, &"--remount-ro", at]),
            ViewPart::Folder(at) => add(&[&"--dir", at]),
            ViewPart::State(at) => {
                if let Some(descriptor) = descriptors.state {
                    add(&[&"--file", &descriptor.to_string(), at]);
                }
            }
            ViewPart::Devices => add(&[&"--dev", &"/dev"]),
            ViewPart::Processes => add(&[&"--proc", &"/proc"]),
        }
    }
    add(&[&"--ro-bind", &phonework, &CONFINE, &"--remount-ro", &"/", &"--chdir", &project]);
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_becomes_arguments_in_its_order() {
        let path = PathBuf::from;
        let view = View {
            parts: vec![
                ViewPart::Read { from: path("/usr"), to: path("/usr") },
                ViewPart::Link { text: path("usr/bin"), at: path("/bin") },
                ViewPart::Devices,
                ViewPart::Processes,
                ViewPart::Memory { at: path("/home/ada"), size: 4096 },
                ViewPart::Folder(path("/run")),
                ViewPart::State(path("/home/ada/.claude.json")),
                ViewPart::Write { from: path("/c"), to: path("/home/ada/.cache") },
                ViewPart::Held { path: path("/p"), writable: true },
                ViewPart::Held { path: path("/p/.git/hooks"), writable: false },
                ViewPart::Held { path: path("/p/.mcp.json"), writable: false },
                ViewPart::Mask(path("/p/.phonework")),
            ],
            environment: Vec::new(),
        };
        let held = [(path("/p"), 7), (path("/p/.git/hooks"), 8)].into();
        let descriptors = Descriptors { held, state: Some(9) };
        let arguments = arguments(&view, &descriptors, Path::new("/usr/bin/phonework"), Path::new("/p"));
        let rest: Vec<_> =
            arguments[NAMESPACES.len()..].iter().map(|argument| argument.to_str().unwrap()).collect();
        insta::assert_snapshot!(rest.join(" ").replace(" --", "\n--"), @r"
        --ro-bind-try /usr /usr
        --symlink usr/bin /bin
        --dev /dev
        --proc /proc
        --size 4096
        --tmpfs /home/ada
        --dir /run
        --file 9 /home/ada/.claude.json
        --bind-try /c /home/ada/.cache
        --bind-fd 7 /p
        --ro-bind-fd 8 /p/.git/hooks
        --tmpfs /p/.phonework
        --remount-ro /p/.phonework
        --ro-bind /usr/bin/phonework /run/confine
        --remount-ro /
        --chdir /p
        ");
    }
}
