//! What it costs to make sources prove themselves: nanoseconds per packet by the kernel's accounting, answers per second on
//! one core, and what established connections notice. Real agents in labs of their own, under live spoofed floods.

use std::{thread, time::Duration};

use anyhow::{Context as _, Result, ensure};
use aya::sys::{Stats, enable_stats};
use xdp_common::Reason;

use super::{
    ROUND, median,
    row::{Row, Target},
};
use crate::{
    actor::Actor,
    addresses::{FRESH_PREFIX_V4, vips},
    child::{Manner, Running},
    comparison::{Accounting, Comparator, attached},
    cores::OUTSIDE_NICE,
    interface,
    levee::{Agent, Settings},
    server,
    topology::{BALANCER_INTERFACE, Topology, WIRE_INTERFACE},
    wire,
};

use super::customers::{synproxy, undefended};

/// Rounds of each comparison; the median counts.
const ROUNDS: usize = 3;
/// Connections that carry established traffic, and for how long they are looked at in each round.
const CONNECTIONS: &str = "500";
const LOOK: Duration = Duration::from_secs(1);
/// How long a change of rungs may take to hold everywhere: a CPU reads the clock once a jiffy, the agent once a second.
const SETTLE: Duration = Duration::from_millis(300);
/// Share of the packets that the program saw which must have met the reason that is being measured.
const PURITY: f64 = 0.95;

/// A load balancer whose agent answers every SYN: the first protected IPv4 address by cookie, the second by challenge.
struct Verifying {
    agent: Agent,
    _server: Running,
    topology: Topology,
}

/// What one flood met.
#[derive(Clone, Copy, Debug)]
struct Met {
    /// Nanoseconds of the program on the load balancer's interface per packet; 0 without one.
    ns: f64,
    /// SYN-ACKs that arrived in the wire, per second.
    answers_per_s: f64,
    /// Flood packets that the load balancer's ring had room for, and how many of them per second.
    received: u64,
    received_per_s: f64,
}

impl Verifying {
    fn start(answers_per_s: &str) -> Result<Self> {
        let (server, topology) = undefended()?;
        let [_, challenged] = targets();
        let settings = Settings {
            more: format!(
                "[verify]\nset_sysctls = true\nanswers_per_second = \"{answers_per_s}\"\n\n\
                 [[address]]\naddress = \"{challenged}\"\nverify = \"challenge\"\n"
            ),
            ..Settings::default()
        };
        let agent = Agent::start(&topology, &settings, false)?;
        agent.wait_for_sysctls(&topology)?;
        for target in targets() {
            agent.home().ask(&["rung", &target, "verify"])?;
        }
        thread::sleep(SETTLE);
        Ok(Self {
            agent,
            _server: server,
            topology,
        })
    }

    /// Floods an address, and makes sure that its packets met this reason.
    fn met(&self, target: &str, reason: Reason) -> Result<Met> {
        let before = self.agent.home().packets(reason)?;
        let program = attached(self.topology.balancer(), BALANCER_INTERFACE)?;
        let met = flooded(&self.topology, target, Some(program))?;
        // The agent reads the counters once a second.
        thread::sleep(Duration::from_millis(1_500));
        let counted = self.agent.home().packets(reason)? - before;
        ensure!(
            counted as f64 >= PURITY * met.received as f64,
            "only {counted} of {} packets to {target} met {}: {}",
            met.received,
            reason.name(),
            self.agent.home().ask(&["stats", target])?
        );
        Ok(met)
    }
}

/// Where the agent answers by cookie, and where by challenge.
fn targets() -> [String; 2] {
    let mut v4 = vips()
        .into_iter()
        .filter(std::net::IpAddr::is_ipv4)
        .map(|vip| vip.to_string());
    [v4.next().unwrap_or_default(), v4.next().unwrap_or_default()]
}

/// Floods an address as fast as the other core can, and counts.
fn flooded(topology: &Topology, target: &str, program: Option<u32>) -> Result<Met> {
    let seconds = ROUND.as_secs().to_string();
    let flood = [
        "--sources",
        "spoofed",
        "--v6-percent",
        "0",
        "--seconds",
        &seconds,
        "--target",
        target,
    ];
    let received = || interface::traffic(topology.wire(), WIRE_INTERFACE).map(|traffic| traffic.redirected);
    let runs = program.map(Accounting::of).transpose()?;
    let (seen, before) = (wire::seen(topology.lab())?, received()?);
    let report = Actor::flood(topology, &flood)?.flood_report()?;
    let received = received()? - before;
    let answers = wire::seen(topology.lab())?.syn_acks - seen.syn_acks;
    let ns = match (program, runs) {
        (Some(program), Some(runs)) => Accounting::of(program)?.per_run_since(runs),
        _ => 0.0,
    };
    Ok(Met {
        ns,
        received,
        received_per_s: received as f64 / report.seconds,
        answers_per_s: answers as f64 / report.seconds,
    })
}

/// Cookies, challenges and retries against a bare filter, and against the kernel and nftables.
pub(super) fn answers() -> Result<Vec<Row>> {
    let levee = Verifying::start("10M/s")?;
    let dry = Verifying::start("1/s")?;
    let (_kernel_server, kernel) = undefended()?;
    kernel.balancer().set_sysctls(&[("net/ipv4/tcp_syncookies", "2")])?;
    let (_proxy_server, proxy) = undefended()?;
    synproxy(&proxy)?;
    let [cookie, challenge] = targets();
    let mut costs = [const { Vec::new() }; 4];
    let mut rates = [const { Vec::new() }; 5];
    for _ in 0..ROUNDS {
        // Accounting takes time of its own, so rates are measured without it.
        let accounting = enable_stats(Stats::RunTime)?;
        costs[0].push(levee.met(&cookie, Reason::ReplyCookie)?.ns);
        costs[1].push(levee.met(&challenge, Reason::ReplyChallenge)?.ns);
        costs[2].push(dry.met(&cookie, Reason::Retry)?.ns);
        costs[3].push(bare()?.ns);
        drop(accounting);
        let by_cookie = levee.met(&cookie, Reason::ReplyCookie)?;
        rates[0].push(by_cookie.answers_per_s);
        rates[1].push(by_cookie.received_per_s);
        rates[2].push(levee.met(&challenge, Reason::ReplyChallenge)?.answers_per_s);
        rates[3].push(flooded(&kernel, &cookie, None)?.answers_per_s);
        rates[4].push(flooded(&proxy, &cookie, None)?.answers_per_s);
    }
    Ok(rows(
        costs.map(|mut values| median(&mut values)),
        rates.map(|mut values| median(&mut values)),
    ))
}

fn rows(
    [cookie, challenge, retry, bare]: [f64; 4],
    [by_cookie, received, by_challenge, kernel, proxy]: [f64; 5],
) -> Vec<Row> {
    use Target::{AtLeast, AtMost, Orientation, RatioAtLeast};
    let unit = "answers/s";
    vec![
        Row::compared("cookie_live", cookie, "ns", bare, AtMost(250.0)),
        Row::compared("challenge_live", challenge, "ns", bare, Orientation),
        Row::compared("retry_live", retry, "ns", bare, Orientation),
        Row::absolute("answers_per_second", by_cookie, unit, AtLeast(2_500_000.0)),
        Row::compared("answers_arrived", by_cookie, unit, received, Orientation),
        Row::compared("answers_against_kernel", by_cookie, unit, kernel, RatioAtLeast(7.0)),
        Row::compared("answers_against_synproxy", by_cookie, unit, proxy, Orientation),
        Row::compared("challenge_vs_cookie", by_challenge, unit, by_cookie, RatioAtLeast(0.85)),
    ]
}

/// The names of these rows.
pub(super) const ANSWERS: &[&str] = &[
    "cookie_live",
    "challenge_live",
    "retry_live",
    "answers_per_second",
    "answers_arrived",
    "answers_against_kernel",
    "answers_against_synproxy",
    "challenge_vs_cookie",
];

/// Parse and drop, under the same flood.
fn bare() -> Result<Met> {
    let topology = Topology::direct()?;
    let (program, _attached) = topology.balancer().enter(|| {
        let mut bare = Comparator::load("bare", None)?;
        bare.attach(BALANCER_INTERFACE)?;
        Ok((bare.id()?, bare))
    })?;
    let [target, _] = targets();
    flooded(&topology, &target, Some(program))
}

/// How long a Linux client takes to connect while it has to answer a challenge first.
pub(super) fn first_connection() -> Result<Vec<Row>> {
    let levee = Verifying::start("1M/s")?;
    let [_, challenged] = targets();
    let one_by_one = [
        "--closed",
        "1",
        "--seconds",
        "2",
        "--fresh",
        FRESH_PREFIX_V4,
        "--target",
        &challenged,
    ];
    let report = Actor::load(&levee.topology, &one_by_one)?.load_report()?;
    ensure!(report.succeeded == report.requests, "some did not connect: {report:?}");
    let p50 = Row::absolute(
        "challenge_first_connection",
        report.connect_p50_ms,
        "ms",
        Target::AtMost(50.0),
    );
    let p99 = Row::absolute(
        "challenge_first_connection_p99",
        report.connect_p99_ms,
        "ms",
        Target::Orientation,
    );
    Ok(vec![p50, p99])
}

/// What packets of established connections cost with the guard and without, in turns on the same connections.
pub(super) fn guard() -> Result<Vec<Row>> {
    let levee = Verifying::start("1M/s")?;
    let [guarded, _] = targets();
    let _accounting = enable_stats(Stats::RunTime)?;
    let program = attached(levee.topology.balancer(), BALANCER_INTERFACE)?;
    let rung = |rung: &str| levee.agent.home().ask(&["rung", &guarded, rung]);
    rung("limit")?;
    let mut wrk = start_wrk(&levee.topology, &guarded)?;
    thread::sleep(Duration::from_secs(1));
    let (mut off, mut on) = (vec![], vec![]);
    for _ in 0..super::ROUNDS {
        for (name, costs) in [("limit", &mut off), ("verify", &mut on)] {
            rung(name)?;
            thread::sleep(SETTLE);
            let before = Accounting::of(program)?;
            thread::sleep(LOOK);
            let after = Accounting::of(program)?;
            ensure!(
                after.runs_since(before) > 10_000,
                "hardly any traffic: wrk does not get through"
            );
            costs.push(after.per_run_since(before));
        }
    }
    ensure!(wrk.ended()?.is_none(), "wrk ended early");
    let (off, on) = (median(&mut off), median(&mut on));
    Ok(vec![
        Row::absolute("guard_established", on - off, "ns more", Target::AtMost(80.0)),
        Row::compared("guard_established_cost", on, "ns", off, Target::Orientation),
    ])
}

/// Keeps connections busy, one request after another on each.
fn start_wrk(topology: &Topology, target: &str) -> Result<Running> {
    let mut wrk = topology.client().command("wrk");
    wrk.args([
        "-t1",
        "-c",
        CONNECTIONS,
        "-d60s",
        &format!("http://{target}:{}/", server::PORT),
    ]);
    wrk.stdout(std::process::Stdio::null());
    let manner = Manner {
        core: Some(topology.cores().others),
        nice: OUTSIDE_NICE,
        outlives_parent: false,
    };
    Running::start(topology.lab(), wrk, manner).context("wrk makes the established traffic")
}
