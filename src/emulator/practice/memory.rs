//! What the practice agent keeps of a session: that it exists, and one text.

use std::path::{Path, PathBuf};

use uuid::Uuid;

/// The file of one practice session: what it was told to remember.
pub(super) struct AgentMemory {
    session: String,
    file: PathBuf,
}

impl AgentMemory {
    /// None when the id is no UUID, and thus no name of a file.
    pub(super) fn of(folder: impl AsRef<Path>, session: &str) -> Option<Self> {
        let session = Uuid::parse_str(session).ok()?.to_string();
        Some(Self { file: folder.as_ref().join(&session), session })
    }

    pub(super) fn session(&self) -> &str {
        &self.session
    }

    pub(super) fn exists(&self) -> bool {
        self.file.exists()
    }

    /// Claude Code's transcript exists from the first message on.
    pub(super) fn begin(&self) -> std::io::Result<()> {
        if self.exists() { Ok(()) } else { self.remember("") }
    }

    pub(super) fn remember(&self, text: &str) -> std::io::Result<()> {
        if let Some(folder) = self.file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&self.file, text)
    }

    /// Empty when nothing was to be remembered.
    pub(super) fn recall(&self) -> String {
        std::fs::read_to_string(&self.file).unwrap_or_default()
    }
}
