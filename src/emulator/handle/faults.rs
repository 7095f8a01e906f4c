//! The orders by which a test injects faults, ends connections and delays events; the faults themselves are in
//! `injected_faults`.

use tokio_tungstenite::tungstenite::Message;

use crate::emulator::{
    Emulator,
    injected_faults::{
        ConnectionEnding, DeliveryFaults, FaultId, InjectedFault, MalformedInput, Outage, ReleaseOrder,
    },
    wire,
    world::people::envelope,
};

impl Emulator {
    /// Sets a fault of requests.
    pub fn fault(&self, fault: InjectedFault) -> FaultId {
        self.shared.change(|world| world.faults.set(fault))
    }

    /// Lifts a fault; what it held goes on.
    pub fn lift(&self, fault: FaultId) {
        self.shared.change(|world| world.faults.lift(fault));
    }

    /// Lifts every fault of requests and of delivering, and lets held events go.
    pub fn lift_all(&self) {
        self.shared.change(|world| world.faults.lift_all());
        self.shared.release(ReleaseOrder::AsTheyCame);
    }

    /// How many requests a fault has struck; `None` when it was lifted.
    #[must_use]
    pub fn struck(&self, fault: FaultId) -> Option<u32> {
        self.shared.look(|world| world.faults.hits(fault))
    }

    /// Ends every long connection in this way.
    pub fn drop_connections(&self, ending: ConnectionEnding) {
        self.shared.change(|world| world.control_all(|control| control.ending = Some(ending)));
    }

    /// Stops, or begins again, to read and write on the connections there are: half-open ones, as a phone network
    /// leaves them.
    pub fn stall(&self, stalled: bool) {
        self.shared.change(|world| world.stall(stalled));
    }

    /// All of Feishu is away, or (`None`) there again. What it was asked meanwhile is not done, and connections from
    /// before stay as a silent outage left them: half-open ones, which hear no more.
    pub fn outage(&self, outage: Option<Outage>) {
        self.shared.change(|world| {
            world.faults.outage = outage;
            match outage {
                Some(Outage::Refusing) => {
                    world.control_all(|control| control.ending = Some(ConnectionEnding::Reset))
                }
                Some(Outage::Silent) => world.stall(true),
                None => {}
            }
        });
    }

    /// What pongs carry from now on in place of the client's settings, until all faults are lifted.
    pub fn pongs_carry(&self, payload: &[u8]) {
        self.shared.change(|world| world.faults.pong = Some(payload.to_vec()));
    }

    /// How events are pushed from now on.
    pub fn delivering(&self, delivering: DeliveryFaults) {
        self.shared.change(|world| world.faults.delivering = delivering);
    }

    /// Holds events back until they are released.
    pub fn hold_events(&self) {
        self.shared.change(|world| world.faults.hold_deliveries = true);
    }

    /// Lets held events go.
    pub fn release_events(&self, order: ReleaseOrder) {
        self.shared.release(order);
    }

    /// Sends rubbish on every connection.
    pub fn send_rubbish(&self, rubbish: MalformedInput) {
        let message = |service| match rubbish {
            MalformedInput::Bytes => vec![Message::Binary(vec![0xff; 64].into())],
            MalformedInput::Text => vec![Message::Text("hello".into())],
            MalformedInput::Json => wire::event(service, "rubbish", b"{\"schema\":", 1, 0),
            MalformedInput::Pong => vec![wire::pong(service, b"{".to_vec())],
            MalformedInput::UnknownEvent => {
                let event = envelope("", "nobody.knows_v1", serde_json::json!({}));
                wire::event(service, "unknown", event.to_string().as_bytes(), 1, 0)
            }
        };
        self.shared.change(|world| {
            for message in message(world.service()) {
                world.send_to_all(&message);
            }
        });
    }

    /// Makes every token that was given out invalid.
    pub fn expire_tokens(&self) {
        self.shared.change(|world| world.tokens.clear());
    }

    /// Whether Feishu's rates are enforced from now on.
    pub fn enforce_rates(&self, enforced: bool) {
        self.shared.change(|world| world.enforce_rates = enforced);
    }
}
