//! xdp-filter (of Debian's xdp-tools), which drops what goes to an address.

use std::{net::IpAddr, process::Stdio, thread, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use aya::sys::{Stats, enable_stats};

use super::{
    ROUNDS,
    live::{cost, flood, levee_ns},
    median,
    prepared::Size,
    row::{Row, Target},
};
use crate::{
    addresses::vips,
    child::{Manner, Running},
    comparison::attached,
    flood::{Payload, Sources},
    topology::{BALANCER_INTERFACE, Topology},
};

/// How long it may take to load.
const PATIENCE: Duration = Duration::from_secs(10);

/// xdp-filter on the load balancer's interface. Dropping this takes it off.
pub(super) struct XdpFilter<'a> {
    topology: &'a Topology,
    holder: Running,
}

impl<'a> XdpFilter<'a> {
    /// Loads it, and has it drop what goes to an address.
    ///
    /// # Errors
    /// xdp-filter is not installed (`cargo xtask setup` does that), or the kernel refuses it.
    pub(super) fn dropping(topology: &'a Topology, address: IpAddr) -> Result<Self> {
        // Its pins are in a BPF file system that lives as long as the shell that mounted it; without them, the dispatcher that
        // libxdp attaches would go on with nothing behind it.
        let script = format!(
            "set -e; mount -t bpf bpf /sys/fs/bpf; \
             xdp-filter load --mode native --features ipv4 --policy allow {BALANCER_INTERFACE}; \
             xdp-filter ip --mode dst {address}; exec sleep 600"
        );
        let mut shell = topology.balancer().command("sh");
        shell.args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::null());
        let mut holder = Running::start(topology.lab(), shell, Manner::default())?;
        for _ in 0..PATIENCE.as_millis() / 20 {
            if let Some(status) = holder.ended()? {
                bail!("xdp-filter did not load ({status}): is xdp-tools installed? `cargo xtask setup` installs it");
            }
            if sleeps(&holder) {
                return Ok(Self { topology, holder });
            }
            thread::sleep(Duration::from_millis(20));
        }
        bail!("xdp-filter has not loaded after {} s", PATIENCE.as_secs())
    }
}

/// Whether the shell came to the end of its script.
fn sleeps(shell: &Running) -> bool {
    std::fs::read_to_string(format!("/proc/{}/comm", shell.pid())).is_ok_and(|name| name.trim() == "sleep")
}

impl Drop for XdpFilter<'_> {
    fn drop(&mut self) {
        let off = self
            .topology
            .balancer()
            .command("ip")
            .args(["link", "set", BALANCER_INTERFACE, "xdp", "off"])
            .status();
        let ended = self.holder.kill();
        if !thread::panicking() && (off.is_err() || ended.is_err()) {
            eprintln!("xdp-filter may still be on {BALANCER_INTERFACE} of a lab");
        }
    }
}

/// Everything at its largest against xdp-filter, which knows one address and drops what goes there.
pub(super) fn measure() -> Result<Vec<Row>> {
    let topology = Topology::direct()?;
    let flood = flood(&topology, Sources::Spoofed { v6_percent: 0 }, Payload::SYN, None);
    let _accounting = enable_stats(Stats::RunTime)?;
    let (mut filter, mut levee) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        {
            let _loaded = XdpFilter::dropping(&topology, vips()[0])?;
            let program = attached(topology.balancer(), BALANCER_INTERFACE)?;
            let ns = cost(&topology, &flood, program).context("under xdp-filter")?;
            ensure!(ns.is_finite(), "xdp-filter met no packet");
            filter.push(ns);
        }
        levee.push(levee_ns(&topology, &flood, Size::MOST)?);
    }
    Ok(vec![Row::compared(
        "flood_against_xdp_filter",
        median(&mut levee),
        "ns",
        median(&mut filter),
        Target::RatioAtMost(1.0),
    )])
}
