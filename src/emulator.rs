//! An emulated Feishu on loopback: for `phonework demo`, with a phone in the browser, and as the test double of every
//! test that needs a Feishu.
//!
//! It speaks the parts of the open API and of the long connection that a bot uses, and it refuses what Feishu refuses:
//! tokens, sizes, rates, cards. Where Feishu's documentation leaves a question open, the stricter reading is taken.
//! Everything that can go wrong at Feishu can be made to go wrong here ([`InjectedFault`], [`ConnectionEnding`], [`DeliveryFaults`],
//! [`MalformedInput`]), the app can be set up badly, and time can pass ([`Emulator::withhold_scope`], [`Emulator::age`]). What is
//! not here: users' own tokens, encryption, webhooks.
//!
//! One lock owns the state and is never held across an await; every change rings a bell, so that nothing polls.

mod answer;
pub(crate) mod cards;
mod content;
mod handle;
mod http;
mod injected_faults;
mod options;
mod page;
pub mod practice;
mod socket;
mod wire;
mod world;

use std::{io, net::Ipv4Addr, sync::Arc, time::Duration};

use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::DropGuard;

use self::world::SharedWorld;
pub use self::{
    handle::NotShown,
    http::ApiCall,
    injected_faults::{
        ConnectionEnding, DeliveryFaults, Duplicate, FaultDuration, FaultEffect, FaultId, InjectedFault,
        MalformedInput, Outage, ReleaseOrder,
    },
    options::{Chat, EmulatedChatKind, EmulatorOptions, ServedClientConfig, User},
    socket::ConnectionInfo,
    world::delivery::Ack,
    world::people::{PeopleError, PhoneUtterance},
    world::presses::{Click, Clicked, PressTarget, ShownToast},
    world::shown::{Reaction, ShownMessage},
};

/// A running emulated Feishu; it ends when this is dropped.
pub struct Emulator {
    shared: Arc<SharedWorld>,
    /// Ends the tasks when the emulator is dropped without a shutdown.
    _end: DropGuard,
}

impl Emulator {
    /// Starts on 127.0.0.1. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn start(options: EmulatorOptions) -> io::Result<Self> {
        // Bound and never listening: it keeps the port while nobody may connect to it.
        let port = TcpSocket::new_v4()?;
        port.set_reuseaddr(true)?;
        port.bind((Ipv4Addr::LOCALHOST, options.port).into())?;
        let address = port.local_addr()?;
        let listener = TcpListener::bind(address).await?;
        let shared = SharedWorld::new(options, format!("http://{address}"));
        let serving = http::serve(Arc::clone(&shared), listener);
        shared.spawn(async move {
            serving.await;
            drop(port);
        });
        let end = shared.stop.clone().drop_guard();
        Ok(Self { shared, _end: end })
    }

    /// `http://127.0.0.1:PORT`: where the open API is, and the phone page.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.shared.base_url
    }

    /// Ends every connection and waits until all tasks are gone.
    pub async fn shutdown(self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        // Every task ends at its next await; the limit is for one that cannot.
        let _ = tokio::time::timeout(Duration::from_secs(5), self.shared.tasks.wait()).await;
    }
}

/// Runs an emulated Feishu alone until the process is interrupted, and writes its URL, app id and secret to stdout:
/// for clients that are not phonework.
///
/// # Errors
/// When the port is taken or the signal handler cannot be set.
pub async fn serve_alone(port: u16) -> io::Result<()> {
    use io::Write as _;

    let client_config = ServedClientConfig {
        reconnect_count: -1,
        reconnect_interval: 1,
        reconnect_nonce: 0,
        ping_interval: 2,
    };
    let emulator =
        Emulator::start(EmulatorOptions { port, client_config, ..EmulatorOptions::default() }).await?;
    let options = &emulator.shared.options;
    let line = serde_json::json!({
        "url": emulator.base_url(), "app_id": options.app_id, "app_secret": options.app_secret,
    });
    writeln!(io::stdout(), "{line}")?;
    tokio::signal::ctrl_c().await?;
    emulator.shutdown().await;
    Ok(())
}
