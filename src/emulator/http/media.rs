//! Pictures and files: what the bot uploads, and what it reads of messages.

use std::{collections::HashMap, sync::Arc};

use axum::{
    body::Bytes,
    extract::{Multipart, Path, Query, State},
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{
    emulator::{
        answer::{FeishuRefusal, answer, refuse},
        world::{SharedWorld, StoredFile, new_id},
    },
    ids::MessageId,
};

/// Feishu: pictures up to 10 MB.
const MAX_IMAGE_BYTES: usize = 10 * 1024 * 1024;
/// Feishu: files up to 30 MB.
const MAX_FILE_BYTES: usize = 30 * 1024 * 1024;

/// `POST /open-apis/im/v1/images`
pub(super) async fn upload_image(State(shared): State<Arc<SharedWorld>>, form: Multipart) -> Response {
    answer(match read_form(form, "image").await {
        Ok(form) => keep_image(&shared, form),
        Err(refusal) => Err(refusal),
    })
}

/// `POST /open-apis/im/v1/files`
pub(super) async fn upload_file(State(shared): State<Arc<SharedWorld>>, form: Multipart) -> Response {
    answer(match read_form(form, "file").await {
        Ok(form) => keep_file(&shared, form),
        Err(refusal) => Err(refusal),
    })
}

/// `GET /open-apis/im/v1/images/:key` and `/files/:key`: only what the bot uploaded.
pub(super) async fn own(State(shared): State<Arc<SharedWorld>>, Path(key): Path<String>) -> Response {
    let stored = shared.look(|world| world.stored.get(&key).filter(|stored| stored.by_bot).cloned());
    match stored {
        Some(stored) => download(&stored),
        None => refuse(&FeishuRefusal::new(234_008, "The app is not the resource sender.")),
    }
}

/// `GET /open-apis/im/v1/messages/:message_id/resources/:file_key?type=image|file`
pub(super) async fn resource(
    State(shared): State<Arc<SharedWorld>>,
    Path((id, key)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let found = shared.look(|world| {
        let message = world.message(&MessageId::from(id)).filter(|message| !message.recalled);
        let message = message.ok_or_else(|| FeishuRefusal::new(234_003, "File not in msg."))?;
        let kind = query.get("type").map(String::as_str);
        if !matches!(kind, Some("image" | "file")) {
            return Err(FeishuRefusal::new(234_001, "Invalid request param."));
        }
        if matches!(message.msg_type.as_str(), "sticker" | "interactive" | "merge_forward") {
            return Err(FeishuRefusal::new(234_043, "Unsupported message type."));
        }
        let stored = world.stored.get(&key).filter(|stored| {
            message.content.to_string().contains(&key) && (stored.kind == "image") == (kind == Some("image"))
        });
        stored.cloned().ok_or_else(|| FeishuRefusal::new(234_003, "File not in msg."))
    });
    match found {
        Ok(stored) => download(&stored),
        Err(refusal) => refuse(&refusal),
    }
}

/// The type of a picture by its first bytes, if Feishu takes it.
pub(crate) fn image_type(bytes: &[u8]) -> Option<&'static str> {
    let types: [(&[u8], &str); 8] = [
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"GIF8", "image/gif"),
        (b"BM", "image/bmp"),
        (b"\0\0\x01\0", "image/x-icon"),
        (b"II*\0", "image/tiff"),
        (b"MM\0*", "image/tiff"),
        (b"RIFF", "image/webp"),
    ];
    let heic = bytes.get(4..8) == Some(b"ftyp");
    types
        .iter()
        .find(|(start, _)| bytes.starts_with(start))
        .map(|(_, name)| *name)
        .or_else(|| heic.then_some("image/heic"))
}

struct Form {
    fields: HashMap<String, String>,
    bytes: Bytes,
}

async fn read_form(mut form: Multipart, file_field: &str) -> Result<Form, FeishuRefusal> {
    let broken = || FeishuRefusal::new(234_001, "Invalid request param.");
    let mut fields = HashMap::new();
    let mut bytes = None;
    while let Some(field) = form.next_field().await.map_err(|_| broken())? {
        let name = field.name().unwrap_or_default().to_owned();
        if name == file_field {
            bytes = Some(field.bytes().await.map_err(|_| broken())?);
        } else {
            fields.insert(name, field.text().await.map_err(|_| broken())?);
        }
    }
    let bytes = bytes.ok_or_else(broken)?;
    if bytes.is_empty() {
        return Err(FeishuRefusal::new(234_010, "File's size can't be 0."));
    }
    Ok(Form { fields, bytes })
}

fn keep_image(shared: &SharedWorld, form: Form) -> Result<Value, FeishuRefusal> {
    if !matches!(form.fields.get("image_type").map(String::as_str), Some("message" | "avatar")) {
        return Err(FeishuRefusal::new(234_001, "Invalid request param."));
    }
    if form.bytes.len() > MAX_IMAGE_BYTES {
        return Err(FeishuRefusal::new(234_006, "The file size exceed the max value."));
    }
    let content_type = image_type(&form.bytes)
        .ok_or_else(|| FeishuRefusal::new(234_011, "Can't recognize the image format."))?;
    let key = new_id("img_v3_");
    let stored = StoredFile {
        name: "image".to_owned(),
        content_type: content_type.to_owned(),
        kind: "image".to_owned(),
        bytes: form.bytes,
        by_bot: true,
    };
    shared.change(|world| world.stored.insert(key.clone(), stored));
    Ok(json!({ "image_key": key }))
}

fn keep_file(shared: &SharedWorld, form: Form) -> Result<Value, FeishuRefusal> {
    let kind = form.fields.get("file_type").cloned().unwrap_or_default();
    let name = form.fields.get("file_name").cloned().unwrap_or_default();
    if !["opus", "mp4", "pdf", "doc", "xls", "ppt", "stream"].contains(&kind.as_str()) || name.is_empty() {
        return Err(FeishuRefusal::new(234_001, "Invalid request param."));
    }
    if form.bytes.len() > MAX_FILE_BYTES {
        return Err(FeishuRefusal::new(234_006, "The file size exceed the max value."));
    }
    let key = new_id("file_v3_");
    let content_type = "application/octet-stream".to_owned();
    let stored = StoredFile { name, content_type, kind, bytes: form.bytes, by_bot: true };
    shared.change(|world| world.stored.insert(key.clone(), stored));
    Ok(json!({ "file_key": key }))
}

fn download(stored: &StoredFile) -> Response {
    let name: String = stored.name.chars().filter(|each| each.is_ascii_graphic() && *each != '"').collect();
    let headers = [
        (header::CONTENT_TYPE, stored.content_type.clone()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    (headers, stored.bytes.clone()).into_response()
}
