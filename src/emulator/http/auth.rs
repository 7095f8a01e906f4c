//! Tokens, and who the bot is.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{body::Bytes, extract::State, response::Response};
use serde::Deserialize;
use serde_json::json;

use crate::emulator::{
    answer::{FeishuRefusal, refuse, whole},
    world::{SharedWorld, new_id},
};

/// Feishu: while 30 minutes or more remain, the same token is given again.
const RENEWED_BEFORE: Duration = Duration::from_secs(30 * 60);

#[derive(Deserialize)]
struct TokenRequest {
    app_id: String,
    app_secret: String,
}

/// `POST /open-apis/auth/v3/tenant_access_token/internal`
pub(super) async fn tenant_access_token(State(shared): State<Arc<SharedWorld>>, body: Bytes) -> Response {
    let Ok(sent) = serde_json::from_slice::<TokenRequest>(&body) else {
        return refuse(&FeishuRefusal::new(10_003, "invalid param"));
    };
    if sent.app_id != shared.options.app_id || sent.app_secret != shared.options.app_secret {
        // Feishu answers this one with HTTP 200.
        return refuse(&FeishuRefusal { http: 200, ..FeishuRefusal::new(10_014, "app secret invalid") });
    }
    let life = shared.options.token_life;
    let now = Instant::now();
    let (token, left) = shared.change(|world| {
        world.tokens.retain(|(_, issued)| now.duration_since(*issued) < life);
        let newest = world.tokens.last().cloned();
        let left = |issued: Instant| life.saturating_sub(now.duration_since(issued));
        if let Some((token, issued)) =
            newest.filter(|(_, issued)| left(*issued) >= RENEWED_BEFORE.min(life / 2))
        {
            return (token, left(issued));
        }
        let token = new_id("t-");
        world.tokens.push((token.clone(), now));
        world.confide(&token);
        world.tokens_issued += 1;
        (token, life)
    });
    whole(json!({"code": 0, "msg": "ok", "tenant_access_token": token, "expire": left.as_secs()}))
}

/// `GET /open-apis/bot/v3/info`
pub(super) async fn bot_info(State(shared): State<Arc<SharedWorld>>) -> Response {
    let (open_id, name) = shared.look(|world| (world.bot.clone(), world.bot_name.clone()));
    whole(json!({
        "code": 0,
        "msg": "ok",
        "bot": {"activate_status": 2, "app_name": name, "avatar_url": "", "ip_white_list": [], "open_id": open_id},
    }))
}
