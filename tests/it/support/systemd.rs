//! A real systemd in a container of its own: the machine's root with a layer on top that is forgotten, no units but
//! the essential ones, the network and the files of the machine.

use std::path::PathBuf;
use std::process::{Output, Stdio};

use phonework::claude::tree;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::phonework::{PATIENCE, until};

/// Lays the layer over the root, in a mount namespace of its own, and becomes the container, in a control group of its
/// own. What runs in it may use Landlock, as on a machine; systemd-nspawn before 255 forbids that by itself. `$1`: an empty folder, `$2`: the container's name, the rest: more arguments.
const BOOT: &str = r#"
    set -e
    folder=$1 name=$2
    shift 2
    for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
        if [ -e "$hierarchy/cgroup.procs" ]; then
            mkdir "$hierarchy/$name"
            echo $$ >"$hierarchy/$name/cgroup.procs"
        fi
    done
    mount -t tmpfs -o mode=755 tmpfs "$folder"
    mkdir "$folder/upper" "$folder/work" "$folder/tree"
    mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" "$folder/tree"
    rm -rf "$folder"/tree/etc/systemd/system/*.wants
    tr -d - </proc/sys/kernel/random/uuid >"$folder/tree/etc/machine-id"
    exec systemd-nspawn --quiet --directory="$folder/tree" --machine="$name" --register=no --keep-unit \
        --system-call-filter='landlock_create_ruleset landlock_add_rule landlock_restrict_self' \
        --console=pipe "$@" --boot systemd.unit=multi-user.target
"#;

/// A booted container. It ends with this handle.
pub(crate) struct SystemdBox {
    container: Child,
    leader: Pid,
    name: String,
    /// Where the layer lies; another namespace has it mounted, here it is empty.
    _folder: TempDir,
}

impl SystemdBox {
    /// Boots; these folders are the machine's own in it.
    pub(crate) async fn boot(shared: &[PathBuf]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().file_name().unwrap().to_string_lossy().replace('.', "box-");
        let shared = shared.iter().map(|folder| format!("--bind={}", folder.display()));
        let mut container = Command::new("unshare")
            .args(["--mount", "--propagation=private", "sh", "-c", BOOT, "sh"])
            .arg(folder.path())
            .arg(&name)
            .args(shared)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let outer = Pid::from_raw(i32::try_from(container.id().unwrap()).unwrap()).unwrap();
        let leader = until(|| {
            assert!(container.try_wait().unwrap().is_none(), "the container ended before it was booted");
            let is_init = |pid: &Pid| {
                let name = std::fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_pid()));
                name.is_ok_and(|name| name.trim() == "systemd")
            };
            tree::descendants(outer).into_iter().find(is_init)
        })
        .await;
        let this = Self { container, leader, name, _folder: folder };
        let booted = async {
            // The bus is not there from the first moment on.
            loop {
                let state = this.run(&["systemctl", "is-system-running", "--wait"]).await.stdout;
                if matches!(state.trim_ascii(), b"running" | b"degraded") {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, booted).await.expect("it boots");
        this
    }

    /// Its name, which also its control groups have, and those that are to go with it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Runs a command in it.
    pub(crate) async fn run(&self, command: &[&str]) -> Output {
        let leader = self.leader.as_raw_pid().to_string();
        let entered =
            Command::new("nsenter").args(["--target", &leader, "--all", "--"]).args(command).output();
        entered.await.unwrap()
    }

    /// Runs a command that must succeed; what it wrote.
    pub(crate) async fn succeed(&self, command: &[&str]) -> String {
        let output = self.run(command).await;
        let (said, complained) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{command:?}: {}\n{said}\n{complained}", output.status);
        said.trim().to_owned()
    }

    /// Writes a unit file and has systemd read it.
    pub(crate) async fn install_unit(&self, name: &str, text: &str) {
        let path = format!("/etc/systemd/system/{name}");
        let script = "printf %s \"$1\" >\"$0\"";
        self.succeed(&["sh", "-c", script, &path, text]).await;
        self.succeed(&["systemctl", "daemon-reload"]).await;
    }
}

impl Drop for SystemdBox {
    /// The end of its first process is the end of all of them, and of the mounts.
    fn drop(&mut self) {
        let _ = kill_process(self.leader, Signal::KILL);
        let _ = self.container.start_kill();
        // Empty control groups do no harm, should they stay; they can go when all processes have.
        let script = "for try in 1 2 3 4 5 6 7 8 9; do \
                      find /sys/fs/cgroup -depth -type d -path \"*/$0*\" -exec rmdir {} + 2>/dev/null && break; \
                      sleep 0.1; done";
        let _ = std::process::Command::new("sh")
            .args(["-c", script, &self.name])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
    }
}
