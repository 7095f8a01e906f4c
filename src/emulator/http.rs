//! The HTTP side: accepting connections, and which path is answered by what.

mod auth;
mod cardkit;
mod gate;
mod im;
mod media;

use std::{io, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    response::Response,
    routing::{get, post, put},
};
use hyper::{body::Incoming, service::Service as _};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::net::{TcpListener, TcpStream};

use crate::emulator::{
    injected_faults::Outage,
    page, socket,
    world::{SharedWorld, World},
};
pub use gate::ApiCall;
pub(crate) use gate::refuse_handshake;
pub(crate) use media::image_type;

/// More than any request that Feishu takes (files: 30 MB).
const MAX_REQUEST_BYTES: usize = 40 * 1024 * 1024;

/// Before what the system refused is tried again.
const BREATH: Duration = Duration::from_millis(20);

/// Stands on a response that must not be sent: the connection is closed instead.
#[derive(Clone, Copy)]
struct DropConnection;

/// Accepts until the emulator ends, except while connections are to be refused.
pub(crate) async fn serve(shared: Arc<SharedWorld>, mut listener: TcpListener) {
    let router = router(&shared);
    let Ok(address) = listener.local_addr() else { return };
    let refuses = |world: &World| world.faults.outage == Some(Outage::Refusing);
    loop {
        tokio::select! {
            () = accept(&shared, &router, &listener) => {}
            () = shared.until(refuses) => {}
        }
        drop(listener);
        shared.until(|world| !refuses(world)).await;
        listener = loop {
            match TcpListener::bind(address).await {
                Ok(listener) => break listener,
                Err(_) => tokio::time::sleep(BREATH).await,
            }
        };
    }
}

async fn accept(shared: &Arc<SharedWorld>, router: &Router, listener: &TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => shared.spawn(converse(Arc::clone(shared), router.clone(), stream)),
            // Out of file descriptors, or the peer was gone before it was taken: the next may do.
            Err(_) => tokio::time::sleep(BREATH).await,
        }
    }
}

async fn converse(shared: Arc<SharedWorld>, router: Router, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let router = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let answer = router.call(request);
        async move {
            let Ok(response) = answer.await;
            match response.extensions().get::<DropConnection>() {
                None => Ok::<Response, io::Error>(response),
                Some(DropConnection) => Err(io::Error::other("the answer is lost on purpose")),
            }
        }
    });
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // A client that breaks off is the client's affair.
        _ = connection.with_upgrades() => {}
        () = shared.until(|world| world.faults.outage == Some(Outage::Refusing)) => {}
    }
}

fn router(shared: &Arc<SharedWorld>) -> Router {
    let feishu = Router::new()
        .route("/callback/ws/endpoint", post(socket::endpoint))
        .route("/ws/v2", get(socket::upgrade))
        .route("/open-apis/auth/v3/tenant_access_token/internal", post(auth::tenant_access_token))
        .route("/open-apis/bot/v3/info", get(auth::bot_info))
        .route("/open-apis/im/v1/messages", post(im::create))
        .route(
            "/open-apis/im/v1/messages/{id}",
            get(im::read).put(im::edit).patch(im::patch).delete(im::take_back),
        )
        .route("/open-apis/im/v1/messages/{id}/reply", post(im::reply))
        .route("/open-apis/im/v1/messages/{id}/reactions", get(im::reactions).post(im::react))
        .route("/open-apis/im/v1/messages/{id}/reactions/{reaction}", axum::routing::delete(im::unreact))
        .route("/open-apis/im/v1/messages/{id}/resources/{key}", get(media::resource))
        .route("/open-apis/im/v1/images", post(media::upload_image))
        .route("/open-apis/im/v1/images/{key}", get(media::own))
        .route("/open-apis/im/v1/files", post(media::upload_file))
        .route("/open-apis/im/v1/files/{key}", get(media::own))
        .route("/open-apis/interactive/v1/card/update", post(im::update_after_click))
        .route("/open-apis/cardkit/v1/cards", post(cardkit::create))
        .route("/open-apis/cardkit/v1/cards/{id}", put(cardkit::replace))
        .route("/open-apis/cardkit/v1/cards/{id}/settings", axum::routing::patch(cardkit::settings))
        .route("/open-apis/cardkit/v1/cards/{id}/batch_update", post(cardkit::batch))
        .route("/open-apis/cardkit/v1/cards/{id}/elements", post(cardkit::add))
        .route(
            "/open-apis/cardkit/v1/cards/{id}/elements/{element}",
            put(cardkit::replace_element).patch(cardkit::patch_element).delete(cardkit::delete_element),
        )
        .route("/open-apis/cardkit/v1/cards/{id}/elements/{element}/content", put(cardkit::content))
        .layer(middleware::from_fn_with_state(Arc::clone(shared), gate::gate));
    feishu
        .merge(page::routes())
        .layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
        .with_state(Arc::clone(shared))
}
