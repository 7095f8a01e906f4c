//! A real systemd in a container of its own: the machine's root, or the tree of another Debian, with a layer on top that
//! is forgotten; no units but the essential ones; the network of the machine.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use phonework::process_tree;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::phonework::{PATIENCE, until};

/// Lays the layer over the files, in a mount namespace of its own, and becomes the container, in a control group of its
/// own. What runs in it may use Landlock, as on a machine; systemd-nspawn before 255 forbids that by itself. `$1`: an
/// empty folder, `$2`: the container's name, `$3`: the files, the rest: more arguments.
const BOOT: &str = r#"
    set -e
    folder=$1 name=$2 lower=$3
    shift 3
    for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
        if [ -e "$hierarchy/cgroup.procs" ]; then
            mkdir "$hierarchy/$name"
            echo $$ >"$hierarchy/$name/cgroup.procs"
        fi
    done
    mount -t tmpfs -o mode=755 tmpfs "$folder"
    mkdir "$folder/upper" "$folder/work" "$folder/tree"
    mount -t overlay overlay -o "lowerdir=$lower,upperdir=$folder/upper,workdir=$folder/work" "$folder/tree"
    rm -rf "$folder"/tree/etc/systemd/system/*.wants
    tr -d - </proc/sys/kernel/random/uuid >"$folder/tree/etc/machine-id"
    # The machine's mounts go on below the container's, out of sight. A /proc that is whole there would have the kernel
    # allow in the container what it does not allow on a machine.
    mount --bind /proc/bus /proc/bus
    # The status of one that is to be started anew.
    status=133
    while [ "$status" = 133 ]; do
        status=0
        systemd-nspawn --quiet --directory="$folder/tree" --machine="$name" --register=no --keep-unit \
            --system-call-filter='landlock_create_ruleset landlock_add_rule landlock_restrict_self' \
            --console=pipe "$@" --boot systemd.unit=multi-user.target || status=$?
    done
    exit "$status"
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
    /// Boots the machine's root; these folders are the machine's own in it.
    pub(crate) async fn boot(shared: &[PathBuf]) -> Self {
        Self::boot_tree(Path::new("/"), shared).await
    }

    /// Boots the tree of Debian 13, with systemd 257; these folders are the machine's own in it.
    pub(crate) async fn boot_debian_13(shared: &[PathBuf]) -> Self {
        let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/debian-13/tree");
        assert!(tree.exists(), "there is no {}; tests/run makes it", tree.display());
        Self::boot_tree(&tree, shared).await
    }

    async fn boot_tree(tree: &Path, shared: &[PathBuf]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().file_name().unwrap().to_string_lossy().replace('.', "box-");
        let shared = shared.iter().map(|folder| format!("--bind={}", folder.display()));
        let mut container = Command::new("unshare")
            .args(["--mount", "--propagation=private", "sh", "-c", BOOT, "sh"])
            .arg(folder.path())
            .arg(&name)
            .arg(tree)
            .args(shared)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let leader = leader(&mut container, None).await;
        let this = Self { container, leader, name, _folder: folder };
        this.booted().await;
        this
    }

    /// Boots anew; what is on its disk stays.
    pub(crate) async fn reboot(&mut self) {
        self.succeed(&["systemctl", "reboot"]).await;
        self.leader = leader(&mut self.container, Some(self.leader)).await;
        self.booted().await;
    }

    async fn booted(&self) {
        let booted = async {
            // The bus is not there from the first moment on.
            loop {
                let state = self.run(&["systemctl", "is-system-running", "--wait"]).await.stdout;
                if matches!(state.trim_ascii(), b"running" | b"degraded") {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, booted).await.expect("it boots");
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

/// The container's first process, another one than that before the boot.
async fn leader(container: &mut Child, before: Option<Pid>) -> Pid {
    let outer = Pid::from_raw(i32::try_from(container.id().unwrap()).unwrap()).unwrap();
    until(|| {
        assert!(container.try_wait().unwrap().is_none(), "the container ended before it was booted");
        // What systemd starts has its name as well, for a moment.
        let is_init = |pid: &Pid| {
            let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_pid()));
            let status = status.unwrap_or_default();
            let has = |line: &dyn Fn(&str) -> bool| status.lines().any(line);
            Some(*pid) != before
                && has(&|line| line == "Name:\tsystemd")
                && has(&|line| line.starts_with("NSpid:") && line.ends_with("\t1"))
        };
        process_tree::descendants(outer).into_iter().find(is_init)
    })
    .await
}

impl Drop for SystemdBox {
    /// The end of its first process is the end of all of them, and of the mounts.
    fn drop(&mut self) {
        let outer = self.container.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let below = outer.map(process_tree::descendants).unwrap_or_default();
        let _ = self.container.start_kill();
        for pid in below.into_iter().chain([self.leader]) {
            let _ = kill_process(pid, Signal::KILL);
        }
        // Empty control groups do no harm, should they stay; they can go when all processes have. So can a folder that
        // systemd-nspawn makes, and removes only where /run is in memory.
        let script = "rmdir /run/systemd/nspawn/propagate/$0; for try in 1 2 3 4 5 6 7 8 9; do \
                      find /sys/fs/cgroup -depth -type d -path \"*/$0*\" -exec rmdir {} + 2>/dev/null && break; \
                      sleep 0.1; done";
        let _ = std::process::Command::new("sh")
            .args(["-c", script, &self.name])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
    }
}
