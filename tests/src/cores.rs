//! Which core does what: the load balancer has one core to itself, everybody else shares another.
//!
//! The receive thread of the load balancer's interface and its HTTP server share the first core, generator and customers
//! the second, before everything else that runs there and evenly among themselves: a flood that makes room for customers is
//! none, a customer who waits for the flood's turn is slow by the lab's fault, and a wire that waits loses answers where no
//! network loses them.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

use crate::{
    command::output,
    netns::Netns,
    topology::{BALANCER_INTERFACE, WIRE_INTERFACE},
};

/// Nice value of the load balancer's receive thread.
const RECEIVE_NICE: i32 = -20;

/// Nice value of its HTTP server: ten below the receive thread, a ninth of its weight, as with −10 and 0, but before whatever
/// else the machine does.
pub const SERVER_NICE: i32 = -10;

/// Nice value of all that is outside the load balancer: generator, customers, the wire's receive thread.
pub const OUTSIDE_NICE: i32 = -15;

/// The cores of a lab, by purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cores {
    /// Receive thread of the load balancer, and its HTTP server.
    pub balancer: usize,
    /// Generator, customers, and the wire's receive thread.
    pub others: usize,
}

impl Cores {
    /// The first two cores that this process may use.
    pub fn detect() -> Result<Self> {
        let allowed = sched_getaffinity(Pid::from_raw(0)).context("cannot read which cores this process may use")?;
        let mut usable = (0..CpuSet::count()).filter(|core| allowed.is_set(*core).unwrap_or(false));
        let balancer = usable.next().context("this process may use no core at all")?;
        Ok(Self {
            balancer,
            others: usable.next().unwrap_or(balancer),
        })
    }

    /// Whether the load balancer has its core to itself.
    #[must_use]
    pub const fn are_separate(self) -> bool {
        self.balancer != self.others
    }
}

/// Makes both ends of the load balancer's veth receive on threads, each on its core.
pub(crate) fn settle(balancer: &Netns, wire: &Netns) -> Result<Cores> {
    let cores = Cores::detect()?;
    if !cores.are_separate() {
        eprintln!(
            "lab: only one core: flood, customers and load balancer share it, so every figure is worse than it should be"
        );
    }
    // A veth takes redirected frames only while it receives by NAPI: by an XDP program, or by GRO.
    output(
        balancer
            .command("ethtool")
            .args(["-K", BALANCER_INTERFACE, "gro", "on"]),
    )?;
    for (namespace, interface, core, nice) in [
        (balancer, BALANCER_INTERFACE, cores.balancer, RECEIVE_NICE),
        (wire, WIRE_INTERFACE, cores.others, OUTSIDE_NICE),
    ] {
        let receiver = thread_napi(namespace, interface)?;
        pin(receiver, core)?;
        output(Command::new("renice").args(["-n", &nice.to_string(), "-p", &receiver.to_string()]))?;
    }
    Ok(cores)
}

/// Switches an interface to threaded NAPI and returns the id of its receive thread.
fn thread_napi(namespace: &Netns, interface: &str) -> Result<i32> {
    let before = napi_threads(interface)?;
    let switch = format!("echo 1 > /sys/class/net/{interface}/threaded");
    output(namespace.command("sh").args(["-c", &switch]))?;
    let mut new = napi_threads(interface)?.into_iter().filter(|pid| !before.contains(pid));
    match (new.next(), new.next()) {
        (Some(pid), None) => Ok(pid),
        (None, _) => bail!("{interface} has no receive thread after {switch:?}"),
        (Some(_), Some(_)) => bail!("another lab was switching {interface} to threads at the same time: run it again"),
    }
}

/// Kernel threads that receive for interfaces of this name, in whatever namespace.
fn napi_threads(interface: &str) -> Result<BTreeSet<i32>> {
    let prefix = format!("napi/{interface}-");
    let listing = fs::read_dir("/proc").context("cannot list /proc")?;
    let threads = listing.flatten().filter_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let name = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("comm")).ok()?;
        name.starts_with(&prefix).then_some(pid)
    });
    Ok(threads.collect())
}

/// Keeps the calling thread on a core.
pub fn stay_on(core: usize) -> Result<()> {
    pin(0, core)
}

fn pin(pid: i32, core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core)?;
    sched_setaffinity(Pid::from_raw(pid), &set).with_context(|| format!("cannot pin thread {pid} to core {core}"))
}
