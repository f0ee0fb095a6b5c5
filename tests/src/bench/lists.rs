//! What large lists cost: a look-up per packet, a load, a swap, memory. A million IPv4 and 200,000 IPv6 prefixes against none, in
//! one run.

use std::{sync::atomic::AtomicBool, time::Instant};

use agent::{
    feeds::{
        flatten::{Part, flatten},
        parse::{Parsed, parse},
    },
    kernel::{Capacity, Kernel},
    tables::{KernelTables as _, ListAction, ListHead, ListImage, XdpMode},
};
use anyhow::{Context as _, Result, anyhow};
use aya::sys::{Stats, enable_stats};
use nix::mount::{MntFlags, umount2};
use xdp_ebpf::packet::tcp_flag;

use super::{
    ROUNDS,
    live::flood,
    median, prepared,
    row::{Row, Target},
};
use crate::{
    addresses::vips,
    comparison::{Accounting, Comparator},
    flood::{self, Flood, Payload, Sources},
    packet::{Packet, flag},
    topology::{BALANCER_INTERFACE, Topology},
};

const V4: u32 = 1_000_000;
const V6: u32 = 200_000;
const REPEAT: u32 = 1_000_000;
const MIB: f64 = 1_048_576.0;
/// Segments per second that pass, each asked for: what the stack behind the program can take.
const ASKED_PPS: u32 = 200_000;

pub(super) const TEST_RUN: &[&str] = &[
    "list_asked_test_run",
    "list_asked_dense_test_run",
    "list_flood_test_run",
];
pub(super) const LIVE: &[&str] = &["list_flood_live", "list_flood_live_ratio", "list_asked_live"];
pub(super) const LOAD: &[&str] = &["list_load", "list_swap", "list_memory"];

/// Where the prefixes are.
#[derive(Clone, Copy)]
enum Spread {
    /// All over the address space.
    Wide,
    /// All where the flood's sources are: 64.0.0.0/3.
    Dense,
}

/// A list as a publisher would write it: random prefixes of 24 to 32 bits, and of 32 to 64.
fn text(spread: Spread, v4: u32, v6: u32) -> String {
    let mut state = 0x1234_5678_9abc_def1u64;
    // Marsaglia's xorshift64.
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut text = String::new();
    for _ in 0..v4 {
        let (bits, len) = (random() as u32, 24 + (random() >> 32) as u32 % 9);
        let bits = match spread {
            Spread::Wide => 0x0100_0000 + bits % 0xde00_0000,
            Spread::Dense => 0x4000_0000 | bits >> 3,
        };
        let [a, b, c, d] = (bits & u32::MAX << (32 - len)).to_be_bytes();
        text.push_str(&format!("{a}.{b}.{c}.{d}/{len}\n"));
    }
    for _ in 0..v6 {
        let (bits, len) = (random(), 32 + (random() >> 32) as u32 % 33);
        let high = (0x2000_0000_0000_0000 | bits >> 3) & u64::MAX << (64 - len);
        let address = std::net::Ipv6Addr::from(u128::from(high) << 64);
        text.push_str(&format!("{address}/{len}\n"));
    }
    text
}

fn parsed(text: &str) -> Result<Parsed> {
    parse(text).map_err(|problem| anyhow!("the list {problem}"))
}

fn image(parsed: &Parsed) -> ListImage {
    let prefixes = &parsed.prefixes;
    let head = ListHead {
        number: 1,
        name: "bench".to_owned(),
        action: ListAction::Block,
        until: None,
        read_at: 0,
        v4: prefixes.v4.len() as u32,
        v6: (prefixes.v6.len() + prefixes.long.len()) as u32,
    };
    flatten(&[Part { head: &head, prefixes }]).image
}

/// A list with so many IPv4 prefixes, all where the flood's sources are.
pub(super) fn dense(v4: u32) -> Result<ListImage> {
    Ok(image(&parsed(&text(Spread::Dense, v4, 0))?))
}

/// By test runs with random sources: what a packet costs more than with no list, asked for (a segment that passes) or dropped
/// anyhow (a SYN to an address over its rate).
pub(super) fn test_run() -> Result<Vec<Row>> {
    let bpffs = tempfile::tempdir()?;
    let mut kernel = prepared::load(bpffs.path(), prepared::Size::USUAL)?;
    let vip = vips()[0].to_string();
    let client = "203.0.113.7";
    let ack = Packet::tcp(client, &vip, flag::ACK).bytes();
    let syn = Packet::syn(client, &vip).bytes();
    let mut random = Comparator::load("random_source", Some(kernel.program_id()?))?;
    let images = [
        image(&parsed(&text(Spread::Wide, V4, V6))?),
        image(&parsed(&text(Spread::Dense, V4, V6))?),
    ];
    let mut more = [vec![], vec![], vec![]];
    for _ in 0..ROUNDS {
        kernel.put_lists(&ListImage::default())?;
        let (empty_ack, empty_syn) = (random.test_run_ns(&ack, REPEAT)?, random.test_run_ns(&syn, REPEAT)?);
        kernel.put_lists(&images[0])?;
        more[0].push(random.test_run_ns(&ack, REPEAT)? - empty_ack);
        kernel.put_lists(&images[1])?;
        more[1].push(random.test_run_ns(&ack, REPEAT)? - empty_ack);
        more[2].push(random.test_run_ns(&syn, REPEAT)? - empty_syn);
    }
    kernel.detach_all()?;
    umount2(bpffs.path(), MntFlags::MNT_DETACH)?;
    let row = |at: usize, values: &mut Vec<f64>, target| Row::absolute(TEST_RUN[at], median(values), "ns more", target);
    let [asked, dense, flood] = &mut more;
    Ok(vec![
        row(0, asked, Target::Orientation),
        row(1, dense, Target::Orientation),
        row(2, flood, Target::AtMost(40.0)),
    ])
}

/// By the kernel's accounting under live packets from random sources, all of which come from where the list is dense.
pub(super) fn live() -> Result<Vec<Row>> {
    let topology = Topology::direct()?;
    let image = image(&parsed(&text(Spread::Dense, V4, V6))?);
    let spoofed = Sources::Spoofed { v6_percent: 0 };
    let syns = flood(&topology, spoofed, Payload::SYN, None);
    let segments = flood(&topology, spoofed, Payload::tcp(tcp_flag::ACK), Some(ASKED_PPS));
    let empty = ListImage::default();
    let mut values = [vec![], vec![], vec![], vec![]];
    let _accounting = enable_stats(Stats::RunTime)?;
    for _ in 0..ROUNDS {
        values[0].push(cost(&topology, &syns, &empty)?);
        values[1].push(cost(&topology, &syns, &image)?);
        values[2].push(cost(&topology, &segments, &empty)?);
        values[3].push(cost(&topology, &segments, &image)?);
    }
    let [none, flood, none_asked, asked] = values.each_mut().map(|values| median(values));
    Ok(vec![
        Row::absolute(LIVE[0], flood - none, "ns more", Target::AtMost(40.0)),
        Row::compared(LIVE[1], flood, "ns", none, Target::RatioAtMost(1.1)),
        Row::compared(LIVE[2], asked, "ns", none_asked, Target::Orientation),
    ])
}

fn cost(topology: &Topology, flood: &Flood, image: &ListImage) -> Result<f64> {
    topology.balancer().enter(|| {
        let mut kernel = prepared::load(&topology.lab().bpf_directory(), prepared::Size::USUAL)?;
        kernel.put_lists(image)?;
        kernel.attach(BALANCER_INTERFACE, XdpMode::Native)?;
        let before = Accounting::of(kernel.program_id()?)?;
        topology
            .attacker()
            .enter(|| flood::run(flood, &AtomicBool::new(false)))?;
        let cost = Accounting::of(kernel.program_id()?)?.per_run_since(before);
        kernel.detach_all()?;
        Ok(cost)
    })
}

/// From a text in memory to a list in force in place of another; the swap alone; what both take meanwhile.
pub(super) fn load() -> Result<Vec<Row>> {
    let bpffs = tempfile::tempdir()?;
    let mut kernel = prepared::load(bpffs.path(), prepared::Size::USUAL)?;
    let text = text(Spread::Wide, V4, V6);
    let (mut load, mut swap) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let image = image(&parsed(&text)?);
        let made = Instant::now();
        kernel.put_lists(&image)?;
        load.push(begun.elapsed().as_secs_f64() * 1e3);
        swap.push(made.elapsed().as_secs_f64() * 1e3);
    }
    let memory = table_mib(&kernel)? * 2.0;
    kernel.detach_all()?;
    umount2(bpffs.path(), MntFlags::MNT_DETACH)?;
    Ok(vec![
        Row::absolute(LOAD[0], median(&mut load), "ms", Target::AtMost(1_000.0)),
        Row::absolute(LOAD[1], median(&mut swap), "ms", Target::AtMost(1_000.0)),
        Row::absolute(LOAD[2], memory, "MiB", Target::AtMost(64.0)),
    ])
}

/// What one table takes, as the kernel accounts it.
fn table_mib(kernel: &Kernel) -> Result<f64> {
    let fills = kernel.fills()?;
    let fill = fills.iter().find(|fill| fill.name == "LISTS").context("no map LISTS")?;
    let least = Capacity::default().list_table_bytes();
    anyhow::ensure!(
        fill.memory_bytes >= least,
        "{} bytes of at least {least}",
        fill.memory_bytes
    );
    Ok(fill.memory_bytes as f64 / MIB)
}
