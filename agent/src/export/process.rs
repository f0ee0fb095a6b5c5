//! What the agent itself uses, by the names that every dashboard for processes knows.

use std::fmt;

use procfs::{CurrentSI as _, ProcResult, WithCurrentSystemInfo as _, process::Process};
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};

use super::{
    families::process::{CPU, HEAP, MAX_FDS, OPEN_FDS, RESIDENT, STARTED, THREADS, VIRTUAL},
    writer::Writer,
};
use crate::allocator;

/// Reads /proc/self at each scrape.
#[derive(Debug)]
pub(super) struct Usage;

struct Read {
    cpu_seconds: f64,
    resident_bytes: u64,
    virtual_bytes: u64,
    open_descriptors: usize,
    most_descriptors: Option<u64>,
    threads: u64,
    started_seconds: f64,
}

impl Read {
    #[expect(clippy::cast_precision_loss, reason = "clock ticks are far below 2^53")]
    fn now() -> ProcResult<Self> {
        let process = Process::myself()?;
        let stat = process.stat()?;
        let ticks_per_second = procfs::ticks_per_second() as f64;
        let booted = procfs::KernelStats::current()?.btime as f64;
        let most = process.limits()?.max_open_files.soft_limit;
        Ok(Self {
            cpu_seconds: (stat.utime + stat.stime) as f64 / ticks_per_second,
            resident_bytes: stat.rss_bytes().get(),
            virtual_bytes: stat.vsize,
            open_descriptors: process.fd_count()?,
            most_descriptors: match most {
                procfs::process::LimitValue::Value(most) => Some(most),
                procfs::process::LimitValue::Unlimited => None,
            },
            threads: u64::try_from(stat.num_threads).unwrap_or(0),
            started_seconds: booted + stat.starttime as f64 / ticks_per_second,
        })
    }
}

impl Collector for Usage {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        // Without /proc there is nothing to tell, and the other metrics are still worth having.
        let Ok(read) = Read::now() else {
            return Ok(());
        };
        let mut out = Writer::new(encoder);
        out.one(&CPU, read.cpu_seconds)?;
        out.one(&RESIDENT, read.resident_bytes)?;
        out.each(&HEAP, allocator::allocated_bytes().map(|bytes| ([], bytes)))?;
        out.one(&VIRTUAL, read.virtual_bytes)?;
        out.one(&OPEN_FDS, read.open_descriptors)?;
        out.each(&MAX_FDS, read.most_descriptors.map(|most| ([], most)))?;
        out.one(&THREADS, read.threads)?;
        out.one(&STARTED, read.started_seconds)
    }
}
