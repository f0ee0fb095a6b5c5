//! Two CPUs flooded at once against one, by test runs on random sources: the program alone, without a generator that would
//! take the second CPU for itself.

use std::{
    sync::{
        Barrier,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

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
const RUN: u32 = 20_000;

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

/// Packets per second that all these cores together put through a program.
fn packets_per_s(program: u32, cores: &[usize]) -> Result<f64> {
    let frame = Packet::syn("203.0.113.7", &vips()[0].to_string()).bytes();
    let (packets, stop, together) = (AtomicU64::new(0), AtomicBool::new(false), Barrier::new(cores.len() + 1));
    let flood = |core: usize| -> Result<()> {
        let ready = cores::stay_on(core).and_then(|()| Comparator::load("random_source", Some(program)));
        together.wait();
        let mut source = ready?;
        while !stop.load(Ordering::Relaxed) {
            source.test_run_ns(&frame, RUN)?;
            packets.fetch_add(u64::from(RUN), Ordering::Relaxed);
        }
        Ok(())
    };
    thread::scope(|scope| {
        let flood = &flood;
        let threads: Vec<_> = cores.iter().map(|&core| scope.spawn(move || flood(core))).collect();
        together.wait();
        let (start, before) = (Instant::now(), packets.load(Ordering::Relaxed));
        thread::sleep(ROUND);
        let rate = (packets.load(Ordering::Relaxed) - before) as f64 / start.elapsed().as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().map_err(|_| anyhow!("a flooding thread panicked"))??;
        }
        Ok(rate)
    })
}
