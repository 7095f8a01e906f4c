//! What a message costs on its way through the real daemon, built as it is packaged, with the emulated Feishu, and the
//! practice agent in place of Claude.
//!
//! `cargo bench --bench message` prints a table and asserts nothing, because the times depend on the machine. The
//! emulated Feishu runs in this process, so the figures include its work.
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
        turns::directions(&mut table).await;
        turns::many_suspended(&mut table).await;
        footprint::starts(&mut table).await;
        clients::ready(&mut table).await;
        clients::commands(&mut table).await;
        footprint::binary(&mut table);
    });
    println!("{table}");
}
