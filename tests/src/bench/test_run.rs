//! Cost per packet by BPF_PROG_TEST_RUN: warm caches, no wire, repeatable.

use anyhow::Result;
use nix::mount::{MntFlags, umount2};

use super::{
    ROUNDS, median,
    prepared::{self, Size},
    row::{Row, Target},
};
use crate::{
    comparison::Comparator,
    packet::{Packet, flag},
};
use agent::{kernel::Kernel, tables::KernelTables as _};

const REPEAT: u32 = 1_000_000;
const CLIENT: &str = "203.0.113.7";

pub(super) fn measure() -> Result<Vec<Row>> {
    let bpffs = tempfile::tempdir()?;
    let mut kernel = prepared::load(bpffs.path(), Size::USUAL)?;
    let rows = rows(&mut kernel);
    kernel.detach_all()?;
    umount2(bpffs.path(), MntFlags::MNT_DETACH)?;
    rows
}

fn rows(kernel: &mut Kernel) -> Result<Vec<Row>> {
    let vip = crate::addresses::vips()[0].to_string();
    let syn = Packet::syn(CLIENT, &vip).bytes();
    let ack = Packet::tcp(CLIENT, &vip, flag::ACK).bytes();
    let mut bare = Comparator::load("bare", None)?;
    let mut random_bare = Comparator::load("random_source", Some(bare.id()?))?;
    let mut random_levee = Comparator::load("random_source", Some(kernel.program_id()?))?;
    let (mut bare_drop, mut levee_drop, mut bare_pass, mut levee_pass) = (vec![], vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let drop_ns = bare.test_run_ns(&syn, REPEAT)?;
        // What writing a random source costs is the same in front of both programs, and no part of either.
        let writing_ns = random_bare.test_run_ns(&syn, REPEAT)? - drop_ns;
        bare_drop.push(drop_ns);
        levee_drop.push(random_levee.test_run_ns(&syn, REPEAT)? - writing_ns);
        bare_pass.push(bare.test_run_ns(&ack, REPEAT)?);
        levee_pass.push(kernel.run(&ack, REPEAT)?.duration.as_nanos() as f64);
    }
    Ok(vec![
        Row::compared(
            "drop_test_run",
            median(&mut levee_drop),
            "ns",
            median(&mut bare_drop),
            Target::RatioAtMost(3.0),
        ),
        Row::compared(
            "established_test_run",
            median(&mut levee_pass),
            "ns",
            median(&mut bare_pass),
            Target::RatioAtMost(2.0),
        ),
    ])
}
