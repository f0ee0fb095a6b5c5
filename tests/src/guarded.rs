//! A lab whose load balancer has the agent, as the tests of `verify` use it: rungs by hand, counters straight from the
//! kernel, customers that were never there before.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    process,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use agent::{
    clock::Now,
    kernel::Kernel,
    tables::{Counts, KernelTables as _},
};
use anyhow::{Context as _, Result, bail, ensure};
use xdp_common::Reason;

use crate::{
    actor::Actor,
    addresses::vips,
    levee::{Agent, Home, Settings},
    netns::Netns,
    topology::Topology,
};

/// How long counters and rungs may lag behind what has happened.
pub const PATIENCE: Duration = Duration::from_secs(8);

/// SYNs per second of an address in these tests: every flood exceeds it, no customers do.
pub const ADDRESS_SYN_RATE: u32 = 5_000;

/// Load balancer and agent. Dropping it ends the agent and the lab.
#[derive(Debug)]
pub struct Guarded {
    agent: Agent,
    kernel: Kernel,
    topology: Topology,
}

/// What the tests of `verify` have in common: an address enters it soon and leaves it soon, a source is limited late.
#[must_use]
pub fn settings() -> Settings {
    Settings {
        source_syn_rate: 2_000,
        source_syn_burst: 2_000,
        address_syn_rate: ADDRESS_SYN_RATE,
        address_syn_burst: ADDRESS_SYN_RATE,
        more: "[verify]\nhold = \"3s\"\n".to_owned(),
        ..Settings::default()
    }
}

impl Guarded {
    /// Starts the agent on the load balancer.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(topology: Topology, settings: &Settings) -> Result<Self> {
        let agent = Agent::start(&topology, settings, false)?;
        let kernel = Kernel::open(&topology.lab().bpf_directory())?;
        Ok(Self {
            agent,
            kernel,
            topology,
        })
    }

    /// The lab.
    #[must_use]
    pub const fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The agent's commands.
    #[must_use]
    pub const fn home(&self) -> &Home {
        self.agent.home()
    }

    /// Takes the agent off and gives the lab back.
    ///
    /// # Errors
    /// The agent refuses.
    pub fn detach(self) -> Result<Topology> {
        self.home().ask(&["detach"])?;
        let Self {
            agent,
            kernel,
            topology,
        } = self;
        drop((agent, kernel));
        Ok(topology)
    }

    /// Ends the agent as `kill -9` does.
    ///
    /// # Errors
    /// It was gone before.
    pub fn kill_agent(&mut self) -> Result<()> {
        self.agent.process().kill()?;
        Ok(())
    }

    /// Starts the agent again, as it was configured.
    ///
    /// # Errors
    /// It does not start.
    pub fn restart_agent(&mut self) -> Result<()> {
        self.agent = Agent::start_as_configured(&self.topology, false)?;
        self.kernel = Kernel::open(&self.topology.lab().bpf_directory())?;
        Ok(())
    }

    /// Puts an address on a rung by hand, or takes that back with `auto`.
    ///
    /// # Errors
    /// The agent refuses.
    pub fn set_rung(&self, address: IpAddr, rung: &str) -> Result<()> {
        self.home().ask(&["rung", &address.to_string(), rung])?;
        Ok(())
    }

    /// Packets to an address by reason, as the kernel counts them at this moment.
    ///
    /// # Errors
    /// The maps cannot be read, or the address is none of the protected ones.
    pub fn counts(&self, address: IpAddr) -> Result<Counts> {
        let reading = self.kernel.counters()?;
        let found = reading
            .addresses
            .into_iter()
            .find(|counts| counts.address == Some(address));
        Ok(found.with_context(|| format!("{address} is not protected"))?.counts)
    }

    /// Packets to an address that met this reason since `earlier`.
    ///
    /// # Errors
    /// As for [`Self::counts`].
    pub fn since(&self, address: IpAddr, earlier: &Counts, reason: Reason) -> Result<u64> {
        Ok(self.counts(address)?.since(earlier).get(reason))
    }

    /// Floods servers with SYNs from random sources, and returns when the address of each is in verify.
    ///
    /// # Errors
    /// The flood does not start, or an address does not enter verify.
    pub fn flooded(&self, targets: &[SocketAddr], rate_pps: u32, seconds: u32) -> Result<Actor> {
        let addresses: Vec<IpAddr> = targets.iter().map(SocketAddr::ip).collect();
        let port = targets.first().map_or(0, SocketAddr::port).to_string();
        let before: Vec<Counts> = addresses
            .iter()
            .map(|address| self.counts(*address))
            .collect::<Result<_>>()?;
        let flood = self.flood(
            &addresses,
            &["--sources", "spoofed", "--port", &port],
            rate_pps,
            seconds,
        )?;
        for (address, before) in addresses.iter().zip(&before) {
            let entered = until(&format!("{address} is in verify"), || {
                Ok(proofs(&self.counts(*address)?.since(before)) > 500)
            });
            entered.with_context(|| match self.counts(*address) {
                Ok(counts) => format!("it met {}", named(&counts.since(before))),
                Err(error) => format!("{error:#}"),
            })?;
        }
        Ok(flood)
    }

    /// Starts a flood at addresses, each of which gets an equal share.
    ///
    /// # Errors
    /// It does not start.
    pub fn flood(&self, addresses: &[IpAddr], arguments: &[&str], rate_pps: u32, seconds: u32) -> Result<Actor> {
        let targets: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let (targets, rate, seconds) = (targets.join(","), rate_pps.to_string(), seconds.to_string());
        let v6 = addresses.iter().filter(|address| address.is_ipv6()).count();
        let share = (100 * v6 / addresses.len().max(1)).to_string();
        let common = [
            "--target",
            &targets,
            "--rate",
            &rate,
            "--seconds",
            &seconds,
            "--v6-percent",
            &share,
        ];
        Actor::flood(&self.topology, &[arguments, &common].concat())
    }
}

/// SYNs that were made to prove themselves.
#[must_use]
pub fn proofs(counts: &Counts) -> u64 {
    [
        Reason::ReplyCookie,
        Reason::ReplyCookiePlain,
        Reason::ReplyCookieData,
        Reason::ReplyCookieMalformed,
        Reason::ReplyChallenge,
        Reason::Retry,
    ]
    .into_iter()
    .map(|reason| counts.get(reason))
    .sum()
}

/// Packets by the names of their reasons, for messages.
#[must_use]
pub fn named(counts: &Counts) -> String {
    let named: Vec<String> = counts
        .nonzero()
        .map(|(reason, packets)| format!("{}: {packets}", reason.name()))
        .collect();
    if named.is_empty() {
        "nothing".to_owned()
    } else {
        named.join(", ")
    }
}

/// A protected address of each family, and its web server.
#[must_use]
pub fn targets(port: u16) -> [SocketAddr; 2] {
    let vips = vips();
    [SocketAddr::new(vips[0], port), SocketAddr::new(vips[1], port)]
}

/// Has a namespace's kernel make cookies with options in their timestamps.
///
/// # Errors
/// The settings cannot be written.
pub fn allow_cookies(namespace: &Netns) -> Result<()> {
    namespace.set_sysctls(&[("net/ipv4/tcp_syncookies", "2"), ("net/ipv4/tcp_timestamps", "2")])
}

/// An address of a customer who was never there before; nobody knows it.
#[must_use]
pub fn stranger(is_ipv6: bool) -> IpAddr {
    let number = next_number();
    if is_ipv6 {
        Ipv6Addr::new(0x2001, 0xdb8, 0xd, number, 0, 0, 0, 1).into()
    } else {
        Ipv4Addr::from_bits(0x0a40_0001 + (u32::from(number) << 6)).into()
    }
}

/// An address that nobody has or had, outside of every flood's ranges: answers to it die in the wire, and no stack answers
/// them.
#[must_use]
pub fn ghost(is_ipv6: bool) -> IpAddr {
    let number = next_number();
    if is_ipv6 {
        Ipv6Addr::new(0x2001, 0xdb8, 0xe, number, 0, 0, 0, 1).into()
    } else {
        Ipv4Addr::from_bits(0x0a80_0000 + u32::from(number)).into()
    }
}

/// Another one each time, and other ones in each process: the kernel tells the program of handshakes in all namespaces of
/// the machine, so who is known in one lab is known in all that run beside it.
fn next_number() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    /// So many processes, with so many numbers each, are told apart.
    const PROCESSES: u32 = 16;
    let count = NEXT.fetch_add(1, Ordering::Relaxed) % (65_536 / PROCESSES);
    ((process::id() % PROCESSES) * (65_536 / PROCESSES) + count) as u16
}

/// Waits until something is so.
///
/// # Errors
/// It is not within [`PATIENCE`], or cannot be found out.
pub fn until(what: &str, condition: impl FnMut() -> Result<bool>) -> Result<()> {
    until_within(PATIENCE, what, condition)
}

/// Waits until something is so, for at most `patience`.
///
/// # Errors
/// It is not within that time, or cannot be found out.
pub fn until_within(patience: Duration, what: &str, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !condition()? {
        if start.elapsed() > patience {
            bail!("not within {} s: {what}", patience.as_secs_f32());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Ends a flood, and fails unless it was there until now.
///
/// # Errors
/// It had ended before, or failed.
pub fn end(mut flood: Actor) -> Result<()> {
    let asked_ns = Now::read().mono.0;
    flood.stop()?;
    let report = flood.flood_report()?;
    let ended_ns = report.first_ns + (report.seconds * 1e9) as u64;
    // It is asked by a signal, and the machine may be busy.
    ensure!(
        ended_ns + 500_000_000 > asked_ns,
        "the flood ended after {:.1} s, {:.1} s before the test: the machine is too slow",
        report.seconds,
        asked_ns.saturating_sub(ended_ns) as f64 / 1e9
    );
    Ok(())
}
