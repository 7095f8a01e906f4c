//! Replays the fuzz corpora, so that what was once found stays found without a fuzzer.

use std::path::Path;

#[path = "../fuzz/properties.rs"]
mod properties;

/// What must hold for any bytes.
type Property = fn(&[u8]);

#[test]
fn the_corpora_of_all_parsers_hold() {
    let targets: [(&str, Property); 10] = [
        ("claude_line", properties::claude_line),
        ("claude_running", properties::claude_running),
        ("command", properties::command),
        ("control_request", properties::control_request),
        ("event", properties::event),
        ("frame", properties::frame),
        ("keyring", properties::keyring),
        ("markdown", properties::markdown),
        ("reassembly", properties::reassembly),
        ("split", properties::split),
    ];
    for (name, property) in targets {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(name);
        let inputs: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(!inputs.is_empty(), "{} is empty", folder.display());
        for input in inputs {
            property(&std::fs::read(input).unwrap());
        }
    }
}
