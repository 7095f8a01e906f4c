//! Replaces a file atomically.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use serde::Serialize;

/// Replaces the file by a value as indented JSON (mode 0600). The file is on disk when this returns. `last` is called
/// just before the old file is replaced.
///
/// # Errors
/// Those of the file system and of `last`. The old file is then unchanged.
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
