//! What the integration tests share.

pub(crate) mod audit;
pub(crate) mod bot;
pub(crate) mod disk;
pub(crate) mod journal;
pub(crate) mod messages_api;
pub(crate) mod phonework;
pub(crate) mod systemd;
pub(crate) mod tools;
pub(crate) mod varlink;
