//! Real customers: a new TCP connection per HTTP request, each from one of the customers' addresses.
//!
//! The clock of a request starts before `connect` and ends with the last byte of the answer. A request that fails counts
//! in the latencies as if it had taken the whole deadline: leaving it out would make an overloaded server look quick.

mod visit;

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use hdrhistogram::Histogram;
use ipnet::Ipv4Net;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use tokio::{
    runtime,
    task::JoinSet,
    time::{self, Instant, MissedTickBehavior},
};
use visit::Visit;

/// How customers come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Model {
    /// At a fixed rate, whether or not they are served: connections per second.
    Open(u32),
    /// So many at a time; each is followed by the next.
    Closed(u32),
}

/// A load, completely described.
#[derive(Clone, Debug)]
pub struct Load {
    /// How customers come.
    pub model: Model,
    /// Their addresses. Each request uses a target of its family.
    pub sources: Sources,
    /// Where they go, in turns.
    pub targets: Vec<SocketAddr>,
    /// How long they come.
    pub duration: Duration,
    /// How long each of them waits.
    pub deadline: Duration,
}

/// Whose addresses customers come from.
#[derive(Clone, Debug)]
pub enum Sources {
    /// These, in turns.
    Listed(Vec<IpAddr>),
    /// Everybody comes once: each request has the next address of this prefix, and none comes a second time. The namespace
    /// must take the whole prefix for its own (`ip route add local PREFIX dev lo`).
    Fresh(Ipv4Net),
}

/// How they fared.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// How they came.
    pub model: Model,
    /// Requests begun.
    pub requests: u64,
    /// Requests answered in time.
    pub succeeded: u64,
    /// Requests that met their deadline.
    pub timed_out: u64,
    /// Requests that ended with an error: refused, reset, a wrong answer.
    pub failed: u64,
    /// `succeeded` of `requests`.
    pub success_ratio: f64,
    /// Answered requests per second of `seconds`.
    pub connections_per_s: f64,
    /// Duration of `connect`, median, ms.
    pub connect_p50_ms: f64,
    /// Duration of `connect`, 99th percentile, ms.
    pub connect_p99_ms: f64,
    /// From `connect` to the end of the answer, median, ms.
    pub total_p50_ms: f64,
    /// From `connect` to the end of the answer, 99th percentile, ms.
    pub total_p99_ms: f64,
    /// How long requests were begun.
    pub seconds: f64,
}

/// Runs a load from the calling thread's namespace.
pub fn run(load: &Load) -> Result<Report> {
    let mut visitors = Visitors::new(load)?;
    allow_many_sockets()?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the customers' runtime")?;
    runtime.block_on(async {
        match load.model {
            Model::Open(per_s) => open(load, &mut visitors, per_s).await,
            Model::Closed(in_flight) => closed(load, &mut visitors, in_flight).await,
        }
    })
}

/// Who comes next, and where to.
enum Visitors {
    InTurns {
        pairs: Vec<(IpAddr, SocketAddr)>,
        turn: usize,
    },
    Fresh {
        hosts: ipnet::Ipv4AddrRange,
        targets: Vec<SocketAddr>,
        turn: usize,
    },
}

impl Visitors {
    fn new(load: &Load) -> Result<Self> {
        match &load.sources {
            Sources::Listed(sources) => Ok(Self::InTurns {
                pairs: pairs(sources, &load.targets)?,
                turn: 0,
            }),
            Sources::Fresh(prefix) => {
                let targets: Vec<_> = load.targets.iter().copied().filter(SocketAddr::is_ipv4).collect();
                ensure!(!targets.is_empty(), "no target for customers of {prefix}");
                let hosts = prefix.hosts();
                Ok(Self::Fresh {
                    hosts,
                    targets,
                    turn: 0,
                })
            }
        }
    }

    fn next(&mut self) -> Result<(IpAddr, SocketAddr)> {
        match self {
            Self::InTurns { pairs, turn } => {
                *turn += 1;
                Ok(pairs[(*turn - 1) % pairs.len()])
            }
            Self::Fresh { hosts, targets, turn } => {
                let Some(host) = hosts.next() else {
                    bail!("every address of the customers' prefix has been used: take a larger one")
                };
                *turn += 1;
                Ok((host.into(), targets[*turn % targets.len()]))
            }
        }
    }
}

/// Every source with a target of its family, both in turns.
fn pairs(sources: &[IpAddr], targets: &[SocketAddr]) -> Result<Vec<(IpAddr, SocketAddr)>> {
    let mut pairs = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        let targets: Vec<_> = targets
            .iter()
            .filter(|target| target.is_ipv6() == source.is_ipv6())
            .collect();
        if !targets.is_empty() {
            pairs.push((*source, *targets[index % targets.len()]));
        }
    }
    ensure!(!pairs.is_empty(), "no customer has a target of its address family");
    Ok(pairs)
}

async fn open(load: &Load, visitors: &mut Visitors, per_s: u32) -> Result<Report> {
    ensure!(per_s > 0, "a load of 0 connections per second is none");
    let mut tally = Tally::new(load.deadline)?;
    let mut visits = JoinSet::new();
    let mut tick = time::interval(Duration::from_millis(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let start = Instant::now();
    let mut begun: u64 = 0;
    while start.elapsed() < load.duration {
        tick.tick().await;
        let due = (start.elapsed().as_secs_f64() * f64::from(per_s)) as u64;
        while begun < due {
            let (source, target) = visitors.next()?;
            visits.spawn(visit::visit(source, target, load.deadline));
            begun += 1;
        }
        while let Some(visit) = visits.try_join_next() {
            tally.add(visit.context("a customer panicked")?);
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    while let Some(visit) = visits.join_next().await {
        tally.add(visit.context("a customer panicked")?);
    }
    Ok(tally.report(load.model, seconds))
}

async fn closed(load: &Load, visitors: &mut Visitors, in_flight: u32) -> Result<Report> {
    ensure!(in_flight > 0, "a load of 0 connections at a time is none");
    let mut tally = Tally::new(load.deadline)?;
    let mut visits = JoinSet::new();
    let start = Instant::now();
    for _ in 0..in_flight {
        let (source, target) = visitors.next()?;
        visits.spawn(visit::visit(source, target, load.deadline));
    }
    while let Some(visit) = visits.join_next().await {
        let visit = visit.context("a customer panicked")?;
        // What ends after the time is up would count against a time in which it was not begun.
        if start.elapsed() < load.duration {
            tally.add(visit);
            let (source, target) = visitors.next()?;
            visits.spawn(visit::visit(source, target, load.deadline));
        }
    }
    Ok(tally.report(load.model, load.duration.as_secs_f64()))
}

/// Thousands of customers wait at a time when the server does not answer.
fn allow_many_sockets() -> Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).context("cannot read the limit of open files")?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).context("cannot raise the limit of open files")
}

/// What customers have met so far.
struct Tally {
    deadline: Duration,
    connect: Histogram<u64>,
    total: Histogram<u64>,
    succeeded: u64,
    timed_out: u64,
    failed: u64,
}

impl Tally {
    fn new(deadline: Duration) -> Result<Self> {
        // Microseconds up to a minute, three digits.
        let histogram = Histogram::new_with_bounds(1, 60_000_000, 3).context("impossible histogram bounds")?;
        Ok(Self {
            deadline,
            connect: histogram.clone(),
            total: histogram,
            succeeded: 0,
            timed_out: 0,
            failed: 0,
        })
    }

    fn add(&mut self, visit: Visit) {
        let (connect, total) = match visit {
            Visit::Served { connect, total } => {
                self.succeeded += 1;
                (connect, total)
            }
            Visit::TimedOut { connect } => {
                self.timed_out += 1;
                (connect.unwrap_or(self.deadline), self.deadline)
            }
            Visit::Failed { connect } => {
                self.failed += 1;
                (connect.unwrap_or(self.deadline), self.deadline)
            }
        };
        self.connect.saturating_record(connect.as_micros() as u64);
        self.total.saturating_record(total.as_micros() as u64);
    }

    fn report(&self, model: Model, seconds: f64) -> Report {
        let requests = self.succeeded + self.timed_out + self.failed;
        let ms = |histogram: &Histogram<u64>, quantile| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
        Report {
            model,
            requests,
            succeeded: self.succeeded,
            timed_out: self.timed_out,
            failed: self.failed,
            success_ratio: if requests > 0 {
                self.succeeded as f64 / requests as f64
            } else {
                0.0
            },
            connections_per_s: self.succeeded as f64 / seconds,
            connect_p50_ms: ms(&self.connect, 0.50),
            connect_p99_ms: ms(&self.connect, 0.99),
            total_p50_ms: ms(&self.total, 0.50),
            total_p99_ms: ms(&self.total, 0.99),
            seconds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(sources: Sources) -> Load {
        Load {
            model: Model::Closed(1),
            sources,
            targets: vec!["[2001:db8:1::10]:80", "198.51.100.10:80", "198.51.100.11:80"]
                .into_iter()
                .filter_map(|target| target.parse().ok())
                .collect(),
            duration: Duration::ZERO,
            deadline: Duration::ZERO,
        }
    }

    #[test]
    fn listed_customers_come_in_turns() {
        let sources = ["203.0.113.1", "2001:db8:c:1::1"].map(|source| source.parse().expect("an address"));
        let mut visitors = Visitors::new(&load(Sources::Listed(sources.to_vec()))).expect("a target for each");
        let mut next = || visitors.next().expect("there is always a next");
        let first = next();
        assert_eq!(first, (sources[0], "198.51.100.10:80".parse().expect("an address")));
        assert_eq!(next(), (sources[1], "[2001:db8:1::10]:80".parse().expect("an address")));
        assert_eq!(next(), first);
    }

    #[test]
    fn fresh_customers_come_once() {
        let prefix = "10.64.0.0/30".parse().expect("a prefix");
        let mut visitors = Visitors::new(&load(Sources::Fresh(prefix))).expect("a target");
        let came: Vec<_> = std::iter::from_fn(|| visitors.next().ok())
            .map(|(source, _)| source.to_string())
            .collect();
        assert_eq!(came, ["10.64.0.1", "10.64.0.2"]);
    }

    #[test]
    fn a_request_that_fails_took_the_whole_deadline() {
        let mut tally = Tally::new(Duration::from_secs(3)).expect("sound bounds");
        let quick = Duration::from_millis(1);
        tally.add(Visit::Served {
            connect: quick,
            total: quick,
        });
        tally.add(Visit::Served {
            connect: quick,
            total: quick,
        });
        tally.add(Visit::TimedOut { connect: None });
        tally.add(Visit::Failed { connect: Some(quick) });
        let report = tally.report(Model::Open(4), 2.0);
        assert_eq!(
            (report.requests, report.succeeded, report.timed_out, report.failed),
            (4, 2, 1, 1)
        );
        assert!((report.success_ratio - 0.5).abs() < f64::EPSILON);
        assert!((report.connections_per_s - 1.0).abs() < f64::EPSILON);
        assert!(report.connect_p50_ms < 2.0 && report.connect_p99_ms > 2_990.0 && report.total_p99_ms > 2_990.0);
    }
}
