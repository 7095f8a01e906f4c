//! A session that eats all memory harms itself alone.

use serde_json::json;

use super::installed::Installed;

/// Gives the service's processes, the running and the coming ones, this much memory, as `MemoryMax=` would: a container
/// has no memory controller of its own. `$0` is the container's name, with which it goes.
const LIMIT: &str = r#"
    set -e
    mkdir /run/memory && mount -t cgroup -o memory cgroup /run/memory
    group=/run/memory/$0-service
    mkdir "$group"
    echo 300M >"$group/memory.limit_in_bytes"
    if [ -e "$group/memory.memsw.limit_in_bytes" ]; then echo 300M >"$group/memory.memsw.limit_in_bytes"; fi
    systemctl show --value --property=MainPID phonework >"$group/cgroup.procs"
"#;

#[tokio::test]
async fn a_session_that_eats_all_memory_dies_alone() {
    if !std::path::Path::new("/sys/fs/cgroup/memory").is_dir() {
        println!("not run: this machine has no memory controller that a container could be given a part of");
        return;
    }
    let machine = Installed::new(json!({})).await;
    machine.start().await;
    machine.systemd.succeed(&["sh", "-c", LIMIT, machine.systemd.name()]).await;
    machine.phonework.open_shop().await;
    machine.phonework.say("run python3 -c 'all = b\"x\" * (1 << 30)'; echo \"it ended with $?\"");
    machine.phonework.hear(&machine.phonework.chat, 2).await;
    machine.phonework.say("/approve");
    let heard = machine.phonework.hear(&machine.phonework.chat, 3).await;
    assert!(heard[2].contains("it ended with 137"), "{heard:?}");
    assert_eq!(machine.phonework.ask("echo on we go", 1).await, ["on we go"]);
    assert_eq!([machine.shows("ActiveState").await, machine.shows("NRestarts").await], ["active", "0"]);
    assert_eq!(machine.shows("OOMPolicy").await, "continue");
}
