//! The packages: what is in them, and an operator's whole story with the Debian package in real systems.

mod contents;
mod installed;
mod story;
mod varlinkctl;

use std::path::{Path, PathBuf};
use std::process::Command;

/// The version of the package that an upgrade is from, and of the one that it is to.
const OLD: &str = "0.1.0-1";
const NEW: &str = "0.1.0-2";

/// Builds a package of this test's phonework with `packaging/build`, into a folder.
fn build(kind: &str, version: &str, folder: &Path) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = folder.join(version);
    let built = Command::new(root.join("packaging/build"))
        .args(["--fast", "--binary", env!("CARGO_BIN_EXE_phonework"), "--only", kind])
        .args(["--deb-version", version, "--output"])
        .arg(&output)
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let packages = std::fs::read_dir(output).unwrap().map(|entry| entry.unwrap().path());
    packages.into_iter().find(|path| path.extension().is_some_and(|extension| extension == kind)).unwrap()
}

/// What a program writes, which must succeed.
fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {said}\n{complained}");
    said.into_owned()
}
