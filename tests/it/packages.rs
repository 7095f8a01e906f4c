//! The packages: what is in them, and an operator's whole story with the Debian package in real systems.

mod contents;
mod installed;
mod story;
mod varlinkctl;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// The version of the package that an upgrade is from, and of the one that it is to.
const OLD: &str = "0.1.0-1";
const NEW: &str = "0.1.0-2";

/// This test's phonework as a package of this version, by `packaging/build`. It is built once for all tests.
fn package(kind: &str, version: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("target/packaging/tests").join(format!("{kind}-{version}"));
    std::fs::create_dir_all(&folder).unwrap();
    let lock = File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    // Written last: it says of what the package was made.
    let stamp = folder.join("stamp");
    let made_of = ["packaging", "systemd", "man", "completions", "Cargo.toml", "README.md", "CHANGELOG.md"];
    let made_of =
        made_of.map(|name| root.join(name)).into_iter().chain([env!("CARGO_BIN_EXE_phonework").into()]);
    let state = made_of.map(|path| format!("{:?}\n", youngest(&path))).collect::<String>();
    if std::fs::read_to_string(&stamp).ok().as_deref() != Some(&state) {
        let built = Command::new(root.join("packaging/build"))
            .args(["--fast", "--binary", env!("CARGO_BIN_EXE_phonework"), "--only", kind])
            .args(["--deb-version", version, "--output"])
            .arg(&folder)
            .output()
            .unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        std::fs::write(&stamp, state).unwrap();
    }
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.into_iter().find(|path| path.extension().is_some_and(|extension| extension == kind)).unwrap()
}

/// When the youngest of the files in a folder was written, or the one file.
fn youngest(path: &Path) -> SystemTime {
    let modified = path.metadata().unwrap().modified().unwrap();
    let below = path.is_dir().then(|| std::fs::read_dir(path).unwrap());
    below.into_iter().flatten().map(|entry| youngest(&entry.unwrap().path())).fold(modified, SystemTime::max)
}

/// What a program writes, which must succeed.
fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {said}\n{complained}");
    said.into_owned()
}
