//! Replacing a file: whole or not at all.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use serde::Serialize;

/// Writes a value as JSON that people can read in place of the file (mode 0600); it is on disk when this returns.
/// `last` is asked before the old file goes.
///
/// # Errors
/// Those of the file system, and that of `last`; the file is then as it was.
pub fn replace(path: &Path, value: &impl Serialize, last: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut file = tempfile::Builder::new().prefix(&format!(".{name}")).tempfile_in(folder)?;
    let mut writer = BufWriter::new(file.as_file_mut());
    serde_json::to_writer_pretty(&mut writer, value)?;
    writer.write_all(b"\n")?;
    writer.flush()?;
    drop(writer);
    file.as_file().sync_all()?;
    last()?;
    file.persist(path)?;
    File::open(folder)?.sync_all()
}
