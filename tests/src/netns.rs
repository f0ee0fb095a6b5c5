//! Network namespaces by the name that `ip netns` knows, and ways to do something inside one.

use std::{
    fs::{self, File},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use anyhow::{Context as _, Result, anyhow};
use nix::sched::{CloneFlags, setns};

use crate::{
    command::{output, output_with_input},
    lab::Lab,
    signal,
};

/// Where `ip netns` keeps the namespaces it knows.
pub const DIRECTORY: &str = "/run/netns";

/// What a namespace stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Real customers.
    Client,
    /// The flood's origin.
    Attacker,
    /// The Internet between them and us.
    Wire,
    /// The load balancer: agent and HTTP server.
    Balancer,
    /// The HTTP server, where the load balancer forwards.
    Backend,
    /// A router that hides a home behind its own address.
    Nat,
    /// Customers behind that router.
    Home,
    /// A router that lets in what belongs to a connection from inside, and nothing else.
    Firewall,
    /// Customers behind that router.
    Office,
}

impl Role {
    /// All of them, in the order in which they are taken down.
    pub const ALL: [Self; 9] = [
        Self::Client,
        Self::Attacker,
        Self::Home,
        Self::Nat,
        Self::Office,
        Self::Firewall,
        Self::Wire,
        Self::Balancer,
        Self::Backend,
    ];

    /// The last part of the namespace's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Attacker => "attacker",
            Self::Wire => "wire",
            Self::Balancer => "lb",
            Self::Backend => "backend",
            Self::Nat => "nat",
            Self::Home => "home",
            Self::Firewall => "firewall",
            Self::Office => "office",
        }
    }
}

/// A namespace of a lab. It goes when it is dropped; the lab's take-down removes it too if that never happens.
#[derive(Debug)]
pub struct Netns {
    name: String,
    kept: bool,
}

impl Netns {
    /// Makes the namespace, with its loopback interface up.
    pub fn create(lab: &Lab, role: Role) -> Result<Self> {
        let name = lab.namespace(role);
        {
            let _gate = signal::gate();
            output(Command::new("ip").args(["netns", "add", &name]))?;
        }
        let namespace = Self { name, kept: false };
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// The name, as `ip netns exec` takes it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Leaves the namespace behind when this value is dropped.
    pub fn keep(&mut self) {
        self.kept = true;
    }

    /// A command that will run inside the namespace. It replaces `ip` by `exec`, so the child's id is the command's own.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// Runs lines of `ip` commands inside the namespace, all of them or an error that names the first that failed.
    pub fn ip(&self, lines: &str) -> Result<()> {
        let _gate = signal::gate();
        output_with_input(Command::new("ip").args(["-n", &self.name, "-batch", "-"]), lines)
            .with_context(|| format!("in namespace {}, commands:\n{}", self.name, shorten(lines)))?;
        Ok(())
    }

    /// Sets sysctls (`net/ipv4/ip_forward`, `1`) of the namespace.
    pub fn set_sysctls(&self, settings: &[(&str, &str)]) -> Result<()> {
        self.enter(|| {
            for (key, value) in settings {
                let file = Path::new("/proc/sys").join(key);
                fs::write(&file, value).with_context(|| format!("cannot write {value} to {}", file.display()))?;
            }
            Ok(())
        })
    }

    /// Runs `task` on a thread of its own inside the namespace. Files, sockets, attachments it makes there keep working
    /// outside.
    pub fn enter<T: Send>(&self, task: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let file = path(&self.name);
        let namespace = File::open(&file).with_context(|| format!("cannot open the namespace {}", file.display()))?;
        thread::scope(|scope| {
            scope
                .spawn(|| {
                    setns(&namespace, CloneFlags::CLONE_NEWNET)
                        .with_context(|| format!("cannot enter the namespace {}", self.name))?;
                    task()
                })
                .join()
                .unwrap_or_else(|_panic| Err(anyhow!("a thread inside the namespace {} panicked", self.name)))
        })
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        let _gate = signal::gate();
        if self.kept || !path(&self.name).exists() {
            return;
        }
        if let Err(error) = output(Command::new("ip").args(["netns", "delete", &self.name])) {
            eprintln!("lab: {error:#}");
        }
    }
}

/// The file that stands for a namespace.
#[must_use]
pub fn path(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name)
}

/// Whether the calling thread is in the namespace that the machine booted with.
///
/// Asked by a sysctl that the kernel shows in that namespace alone: looking at `/proc/1/ns/net` instead needs all the
/// capabilities that process 1 has, and in a container process 1 is not the machine's.
#[must_use]
pub fn is_initial() -> bool {
    Path::new("/proc/sys/net/core/netdev_max_backlog").exists()
}

/// The name under which `ip netns` knows the calling thread's namespace, if it does.
pub fn current_name() -> Result<Option<String>> {
    let current = identity(Path::new("/proc/thread-self/ns/net"))?;
    let Ok(listing) = fs::read_dir(DIRECTORY) else {
        return Ok(None);
    };
    let named = listing
        .flatten()
        .find(|entry| identity(&entry.path()).is_ok_and(|other| other == current));
    Ok(named.and_then(|entry| entry.file_name().into_string().ok()))
}

fn identity(file: &Path) -> Result<(u64, u64)> {
    let metadata = fs::metadata(file).with_context(|| format!("cannot look at {}", file.display()))?;
    Ok((metadata.dev(), metadata.ino()))
}

/// A batch can have hundreds of lines; an error shows enough of them.
fn shorten(lines: &str) -> String {
    const SHOWN: usize = 12;
    let mut shown: Vec<&str> = lines.lines().take(SHOWN).collect();
    if lines.lines().nth(SHOWN).is_some() {
        shown.push("…");
    }
    shown.join("\n")
}
