//! What a message costs on its way: the real daemon, built as it is packaged, against the emulated Feishu, with the practice agent as
//! Claude.
//!
//! `cargo bench --bench message` prints a table and asserts nothing: times are the machine's. The emulated Feishu runs in this
//! process, so its own work is in the figures.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod acks;
mod clients;
mod footprint;
mod rig;
mod table;
mod turns;

use table::Table;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut table = Table::default();
    runtime.block_on(async {
        footprint::disk(&mut table);
        acks::one_after_another(&mut table).await;
        acks::burst(&mut table).await;
        turns::ways(&mut table).await;
        turns::sleepers(&mut table).await;
        footprint::starts(&mut table).await;
        clients::ready(&mut table).await;
        clients::commands(&mut table).await;
        footprint::binary(&mut table);
    });
    println!("{table}");
}
