//! A machine of namespaces: a Debian in which systemd runs as process 1, with one interface that leads to a neighbour. What
//! is installed there never touches the machine outside.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use lab::{
    child::{Manner, Running},
    command::output,
    lab::Lab,
    netns::{Netns, Role},
};
use serde_json::Value;

/// The machine's interface and address.
pub(crate) const INTERFACE: &str = "eth0";
pub(crate) const ADDRESS: &str = "10.99.0.1";
/// The neighbour's address, which plays the attacker.
pub(crate) const NEIGHBOUR: &str = "10.99.0.2";

const BOOT: &str = include_str!("boot.sh");
const PATIENCE: Duration = Duration::from_secs(60);

/// A path that `cargo xtask dist --check` gives to these tests.
pub(crate) fn given(variable: &str) -> Result<PathBuf> {
    let path = env::var_os(variable)
        .map(PathBuf::from)
        .with_context(|| format!("{variable} is not set: these tests are run by `cargo xtask dist --check`"))?;
    if !path.exists() {
        bail!("{variable}={} is not there", path.display());
    }
    Ok(path)
}

/// A machine that runs. Dropping it ends all its processes.
#[derive(Debug)]
pub(crate) struct Machine {
    // Dropped in this order: processes, namespaces, directory.
    _running: Running,
    neighbour: Netns,
    lab: Lab,
    init: u32,
}

impl Machine {
    /// Boots it, and waits until systemd says that it runs.
    pub(crate) fn boot() -> Result<Self> {
        let root = given("LEVEE_MACHINE")?;
        let lab = Lab::create()?;
        let neighbour = Netns::create(&lab, Role::Attacker)?;
        let mut command = Command::new("unshare");
        command
            .args([
                "--mount",
                "--pid",
                "--net",
                "--uts",
                "--ipc",
                "--cgroup",
                "--fork",
                "--kill-child",
            ])
            .args(["sh", "-c", BOOT, "boot"])
            .arg(root)
            .arg(lab.path("machine"))
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let running = Running::start(&lab, command, Manner::default())?;
        let init = until("systemd starts", || Ok(first_child(running.pid())))?;
        let machine = Self {
            _running: running,
            neighbour,
            lab,
            init,
        };
        until("the machine runs", || {
            let state = machine.command("systemctl").arg("is-system-running").output()?;
            Ok((state.stdout == b"running\n").then_some(()))
        })?;
        machine.connect()?;
        Ok(machine)
    }

    fn connect(&self) -> Result<()> {
        let peer = "outside0";
        output(
            Command::new("ip")
                .args(["link", "add", INTERFACE, "netns", &self.init.to_string()])
                .args(["type", "veth", "peer", "name", peer, "netns", self.neighbour.name()]),
        )?;
        self.neighbour
            .ip(&format!("addr add {NEIGHBOUR}/24 dev {peer}\nlink set {peer} up"))?;
        self.run(&format!(
            "ip link set lo up; ip addr add {ADDRESS}/24 dev {INTERFACE}; ip link set {INTERFACE} up"
        ))?;
        Ok(())
    }

    /// A command inside.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.init.to_string(), "--all", "--", "env", "-i"])
            .args([
                "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                "LC_ALL=C.UTF-8",
                "DEBIAN_FRONTEND=noninteractive",
            ])
            .arg(program);
        command
    }

    /// Runs lines of shell inside, as root would type them; gives what they print.
    pub(crate) fn run(&self, lines: &str) -> Result<String> {
        output(self.command("sh").args(["-e", "-c", lines]))
    }

    /// Whether these lines succeed.
    pub(crate) fn succeeds(&self, lines: &str) -> Result<bool> {
        Ok(self.command("sh").args(["-e", "-c", lines]).output()?.status.success())
    }

    /// A file inside, seen from outside.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        Path::new("/proc")
            .join(self.init.to_string())
            .join("root")
            .join(inside.trim_start_matches('/'))
    }

    /// Puts a file into the machine's /root.
    pub(crate) fn bring(&self, file: &Path) -> Result<String> {
        let name = file
            .file_name()
            .context("a file has a name")?
            .to_string_lossy()
            .into_owned();
        let inside = format!("/opt/{name}");
        fs::copy(file, self.path(&inside)).with_context(|| format!("bringing {} into the machine", file.display()))?;
        Ok(inside)
    }

    /// A property of levee.service.
    pub(crate) fn unit(&self, property: &str) -> Result<String> {
        let text = self.run(&format!("systemctl show levee --property {property} --value"))?;
        Ok(text.trim().to_owned())
    }

    /// The kernel's number of the program that is attached to the interface; none without one.
    pub(crate) fn attached(&self) -> Result<Option<u64>> {
        let links: Value = serde_json::from_str(&self.run(&format!("ip --json link show dev {INTERFACE}"))?)?;
        Ok(links[0]["xdp"]["prog"]["id"].as_u64())
    }

    /// TCP segments that reached the machine's own stack, which is behind the program: the kernel's `Tcp InSegs`.
    pub(crate) fn segments(&self) -> Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/net/snmp", self.init))?;
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
        let (names, values) = (lines.next().context("no names")?, lines.next().context("no values")?);
        let mut both = names.split_whitespace().zip(values.split_whitespace());
        let (_, value) = both.find(|(name, _)| *name == "InSegs").context("no InSegs")?;
        Ok(value.parse()?)
    }

    /// Has the neighbour send SYNs, two thousand a second, until what is returned is dropped.
    pub(crate) fn flood(&self) -> Result<Running> {
        let mut command = self.neighbour.command("hping3");
        command
            .args(["--quiet", "--syn", "--destport", "80", "--interval", "u500", ADDRESS])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Running::start(&self.lab, command, Manner::default())
    }
}

/// The only child of a process that forks once.
fn first_child(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

/// Waits for something, and says what did not come.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(found) = look()? {
            return Ok(found);
        }
        thread::sleep(Duration::from_millis(50));
    }
    bail!("not within {} s: {what}", PATIENCE.as_secs())
}
