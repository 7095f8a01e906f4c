//! Tools that the tests run and cargo does not bring: `tests/run` installs them under `target/test-tools`.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::process::Command;

/// A file under `target/test-tools`.
///
/// # Panics
/// When it is not there.
pub(crate) fn tool(path: &str) -> PathBuf {
    let tool = manifest().join("target/test-tools").join(path);
    assert!(tool.exists(), "{} is missing: run tests/run once, which installs it", tool.display());
    tool
}

/// A file of the source.
pub(crate) fn source(path: &str) -> PathBuf {
    manifest().join(path)
}

/// Runs a script to its end; it must succeed within the time.
///
/// # Panics
/// With all that the script wrote when it fails or takes longer.
pub(crate) async fn run_script(command: &mut Command, within: Duration) {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let child = child.spawn().expect("the interpreter is installed");
    let output = tokio::time::timeout(within, child.wait_with_output()).await;
    let output = output.expect("the script ends in time").expect("its output can be read");
    assert!(
        output.status.success(),
        "{}\n--- stdout\n{}\n--- stderr\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}

fn manifest() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
