//! Audit lines on their way to their files: put on record by the store, written here, and then taken off its list.

use tracing::{error, warn};

use crate::audit::{self, Appended, AuditEntry};
use crate::mail::Store;

/// Appends a line to its session's file. What cannot be written now stays on record and is tried again at the next
/// start.
pub async fn write(store: &Store, entry: AuditEntry) {
    let (id, conv_id) = (entry.id, entry.conv_id.clone());
    let appended = tokio::task::spawn_blocking(move || audit::append(&entry)).await;
    match appended.map_err(std::io::Error::other).flatten() {
        Ok(Appended::AfterChange) => {
            warn!(PHONEWORK_CONV_ID = %conv_id, "somebody changed the audit log; its next line stands after the change");
        }
        Ok(Appended::Chained | Appended::Already) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            warn!(PHONEWORK_CONV_ID = %conv_id, %error, "a line of the audit log is lost with its project");
        }
        Err(error) => {
            error!(PHONEWORK_CONV_ID = %conv_id, %error, "a line of the audit log could not be written; it is kept");
            return;
        }
    }
    if let Err(error) = store.audit_written(id).await {
        warn!(PHONEWORK_CONV_ID = %conv_id, %error, "a line of the audit log is written but still on the list");
    }
}
