//! Two CPUs flooded at once against one, by test runs on random sources: the program alone, without a generator that would
//! take the second CPU for itself.

use std::{sync::Barrier, thread, time::Instant};

use agent::tables::KernelTables as _;
use anyhow::{Result, anyhow, ensure};
use nix::mount::{MntFlags, umount2};

use super::{
    ROUND, ROUNDS, median,
    prepared::{self, Size},
    row::{Row, Target},
};
use crate::{addresses::vips, comparison::Comparator, cores, packet::Packet};

/// Packets in each test run.
const RUN: u32 = 1_000_000;

/// The names of these rows.
pub(super) const ROWS: &[&str] = &["two_cpus", "two_cpus_bare"];

/// Levee on two CPUs, and a bare filter, which shows what the machine's second CPU is worth.
pub(super) fn measure() -> Result<Vec<Row>> {
    let cores = cores::Cores::detect()?;
    ensure!(
        cores.are_separate(),
        "two CPUs cannot be compared with one on a machine with one"
    );
    let both = [cores.balancer, cores.others];
    let bpffs = tempfile::tempdir()?;
    let mut kernel = prepared::load(bpffs.path(), Size::USUAL)?;
    let levee = kernel.program_id()?;
    let mut bare = Comparator::load("bare", None)?;
    let bare = bare.id()?;
    let mut rates = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        rates[0].push(packets_per_s(levee, &both[..1])?);
        rates[1].push(packets_per_s(levee, &both)?);
        rates[2].push(packets_per_s(bare, &both[..1])?);
        rates[3].push(packets_per_s(bare, &both)?);
    }
    kernel.detach_all()?;
    umount2(bpffs.path(), MntFlags::MNT_DETACH)?;
    let [one, two, bare_one, bare_two] = rates.map(|mut values| median(&mut values));
    let unit = "packets/s";
    Ok(vec![
        Row::compared("two_cpus", two, unit, one, Target::RatioAtLeast(1.9)),
        Row::compared("two_cpus_bare", bare_two, unit, bare_one, Target::Orientation),
    ])
}

/// Packets per second that all these cores together put through a program, while all of them are at it. By the time that the
/// kernel measured for each run: between runs of a program that is attached nowhere it waits for grace periods of RCU.
fn packets_per_s(program: u32, cores: &[usize]) -> Result<f64> {
    let frame = Packet::syn("203.0.113.7", &vips()[0].to_string()).bytes();
    let together = Barrier::new(cores.len());
    let flood = |core: usize| -> Result<f64> {
        let ready = cores::stay_on(core).and_then(|()| Comparator::load("random_source", Some(program)));
        together.wait();
        let mut source = ready?;
        let start = Instant::now();
        let mut runs = Vec::new();
        while start.elapsed() < ROUND {
            runs.push(source.test_run_ns(&frame, RUN)?);
        }
        Ok(1e9 / median(&mut runs))
    };
    thread::scope(|scope| {
        let flood = &flood;
        let threads: Vec<_> = cores.iter().map(|&core| scope.spawn(move || flood(core))).collect();
        let rates = threads.into_iter().map(|thread| {
            let joined = thread.join();
            joined.map_err(|_| anyhow!("a flooding thread panicked"))?
        });
        rates.sum()
    })
}
