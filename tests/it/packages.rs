//! The packages: what is in them, and an operator's whole story with the Debian package in real systems.

mod contents;
mod installed;
mod rpm;
mod story;
mod varlinkctl;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// The revision of the package that an upgrade is from, and of the one that it is to.
const OLD: u32 = 1;
const NEW: u32 = 2;

/// This test's phonework as a package of this revision, by `packaging/build`. It is built once for all tests.
fn package(kind: &str, revision: u32) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("target/packaging/tests").join(format!("{kind}-{revision}"));
    std::fs::create_dir_all(&folder).unwrap();
    let lock = File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    // Written last: it says of what the package was made.
    let stamp = folder.join("stamp");
    let documents = ["README.md", "SECURITY.md", "CHANGELOG.md", "docs", "man"];
    let made_of = ["packaging", "systemd", "completions", "Cargo.toml"].into_iter().chain(documents);
    let made_of = made_of.map(|name| root.join(name)).chain([env!("CARGO_BIN_EXE_phonework").into()]);
    let state = made_of.map(|path| format!("{:?}\n", youngest(&path))).collect::<String>();
    let built = || {
        let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == kind))
    };
    if std::fs::read_to_string(&stamp).ok().as_deref() != Some(&state) {
        // Of another version.
        built().for_each(|path| std::fs::remove_file(path).unwrap());
        let building = Command::new(root.join("packaging/build"))
            .args(["--fast", "--binary", env!("CARGO_BIN_EXE_phonework"), "--only", kind])
            .args(["--revision", &revision.to_string(), "--output"])
            .arg(&folder)
            .output()
            .unwrap();
        assert!(building.status.success(), "{}", String::from_utf8_lossy(&building.stderr));
        std::fs::write(&stamp, state).unwrap();
    }
    built().next().unwrap()
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
