//! SYN rates in the loaded program: bursts, refill, sources and addresses, and the sum over CPUs.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops there, and says where")]

use std::{
    net::IpAddr,
    thread,
    time::{Duration, Instant},
};

use agent::{
    config::units::{Burst, Rate},
    tables::{AddressState, KernelSettings, KernelTables as _, Limit, Mode},
};
use lab::{comparison::Comparator, packet::Packet, prog_run::ProgRun};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};
use xdp_common::Reason;

const V4: &str = "198.51.100.10";
const V6: &str = "2001:db8:1::10";

fn limit(rate: u32, burst: u32) -> Limit {
    Limit {
        syn_rate: Rate::new(rate).unwrap(),
        syn_burst: Burst::new(burst).unwrap(),
    }
}

/// A program that enforces these limits for one address of each family.
fn program(source: Limit, address: Limit) -> ProgRun {
    let mut run = ProgRun::load().unwrap();
    run.kernel
        .put_settings(&KernelSettings::new(Mode::Enforce, source))
        .unwrap();
    for ours in [V4, V6] {
        let state = AddressState {
            local: true,
            ..AddressState::new(ours.parse().unwrap(), address)
        };
        run.kernel.put_address(&state).unwrap();
    }
    run
}

/// Packets of one address that met this reason.
fn count(run: &ProgRun, address: &str, reason: Reason) -> u64 {
    let address: IpAddr = address.parse().unwrap();
    let reading = run.kernel.counters().unwrap();
    let found = reading.addresses.iter().find(|counts| counts.address == Some(address));
    found.expect("the address is protected").counts.get(reason)
}

fn syns(run: &mut ProgRun, from: &str, to: &str, packets: u32) {
    run.kernel.run(&Packet::syn(from, to).bytes(), packets).unwrap();
}

/// How many SYNs a limit admits in the time since `start`: no fewer than its burst, no more than this.
fn at_most(burst: u32, rate: u32, start: Instant) -> u64 {
    // The program's clock goes by jiffies, 10 ms at most.
    let seconds = start.elapsed().as_secs_f64() + 0.01;
    u64::from(burst) + (f64::from(rate) * seconds) as u64 + 1
}

#[test]
fn an_address_admits_its_burst_and_then_its_rate() {
    let run = program(limit(1_000_000, 1_000_000), limit(20, 100));
    let frame = Packet::syn("203.0.113.1", V4).bytes();
    let mut flood = Comparator::load("random_source", Some(run.kernel.program_id().unwrap())).unwrap();
    let start = Instant::now();
    flood.test_run_ns(&frame, 1_000).unwrap();
    let admitted = count(&run, V4, Reason::Syn);
    let most = at_most(100, 20, start);
    assert!(
        (100..=most).contains(&admitted),
        "a burst of 100 admitted {admitted} of 1,000, at most {most} expected"
    );
    assert_eq!(
        admitted + count(&run, V4, Reason::AddressRate),
        1_000,
        "every other SYN is over the address's rate"
    );
    thread::sleep(Duration::from_millis(500));
    flood.test_run_ns(&frame, 1_000).unwrap();
    let refilled = count(&run, V4, Reason::Syn) - admitted;
    let most = at_most(0, 20, start);
    assert!(
        (9..=most).contains(&refilled),
        "half a second at 20/s admitted {refilled}, at most {most} expected"
    );
    assert_eq!(
        count(&run, V6, Reason::Syn),
        0,
        "the other address has a bucket of its own"
    );
}

#[test]
fn a_source_over_its_rate_loses_the_excess_and_nobody_else_does() {
    for (bot, customer, to) in [
        ("203.0.113.66", "203.0.113.7", V4),
        ("2001:db8:bad::66", "2001:db8:2::7", V6),
    ] {
        let mut run = program(limit(20, 40), limit(1_000_000, 1_000_000));
        let start = Instant::now();
        syns(&mut run, bot, to, 5_000);
        let admitted = count(&run, to, Reason::Syn);
        let most = at_most(40, 20, start);
        assert!(
            (40..=most).contains(&admitted),
            "{to}: a burst of 40 admitted {admitted}, at most {most} expected"
        );
        assert_eq!(admitted + count(&run, to, Reason::SourceRate), 5_000, "{to}");
        syns(&mut run, customer, to, 30);
        assert_eq!(
            count(&run, to, Reason::Syn) - admitted,
            30,
            "{to}: a customer within the rate lost SYNs"
        );
        let sources = run.kernel.sources().unwrap();
        let heaviest = sources
            .iter()
            .max_by_key(|source| source.syns_over)
            .expect("the bot has a record");
        assert!(
            heaviest.source.contains(&bot.parse::<IpAddr>().unwrap()),
            "{heaviest:?}"
        );
        assert_eq!(
            heaviest.syns_within + heaviest.syns_over,
            5_000,
            "{to}: the record counts every SYN"
        );
    }
}

/// IPv6 addresses cost nothing: the /64 is the source.
#[test]
fn addresses_of_one_64_share_one_rate() {
    let mut run = program(limit(20, 40), limit(1_000_000, 1_000_000));
    let start = Instant::now();
    for host in 0..10 {
        syns(&mut run, &format!("2001:db8:bad:1::{host:x}"), V6, 100);
    }
    let (admitted, most) = (count(&run, V6, Reason::Syn), at_most(40, 20, start));
    assert!(
        (40..=most).contains(&admitted),
        "ten addresses of one /64 got {admitted} SYNs, at most {most} expected"
    );
}

#[test]
fn an_excess_is_dated() {
    let mut run = program(limit(1_000_000, 1_000_000), limit(20, 10));
    let before = agent::clock::Now::read().mono.0;
    syns(&mut run, "203.0.113.1", V4, 100);
    let after = agent::clock::Now::read().mono.0;
    let reading = run.kernel.counters().unwrap();
    let address: IpAddr = V4.parse().unwrap();
    let counts = reading
        .addresses
        .iter()
        .find(|counts| counts.address == Some(address))
        .unwrap();
    let excess = counts.excess.expect("the address was over its rate");
    // The program's clock may be a jiffy (10 ms at most) behind.
    assert!(
        excess.since.0 + 10_000_000 >= before && excess.last.0 <= after,
        "{excess:?} not in {before}..{after}"
    );
}

/// Floods from random sources on every CPU at once, the first one with ten times the load of the others.
#[test]
fn the_admitted_rate_is_the_threshold_whatever_the_cpus() {
    const RATE: u32 = 20_000;
    const BURST: u32 = 5_000;
    let run = program(limit(1_000_000, 1_000_000), limit(RATE, BURST));
    let levee = run.kernel.program_id().unwrap();
    let frame = Packet::syn("203.0.113.1", V4).bytes();
    let start = Instant::now();
    let cpus = thread::available_parallelism().unwrap().get();
    thread::scope(|scope| {
        for cpu in 0..cpus {
            let frame = &frame;
            scope.spawn(move || {
                let mut only = CpuSet::new();
                only.set(cpu).unwrap();
                sched_setaffinity(Pid::from_raw(0), &only).unwrap();
                let mut flood = Comparator::load("random_source", Some(levee)).unwrap();
                while start.elapsed() < Duration::from_secs(3) {
                    flood.test_run_ns(frame, if cpu == 0 { 50_000 } else { 5_000 }).unwrap();
                }
            });
        }
    });
    let allowed = f64::from(RATE) * start.elapsed().as_secs_f64() + f64::from(BURST);
    let admitted = count(&run, V4, Reason::Syn) as f64;
    let offered = admitted as u64 + count(&run, V4, Reason::AddressRate) + count(&run, V4, Reason::SourceRate);
    assert!(
        offered as f64 > 5.0 * allowed,
        "the load of {offered} SYNs does not try the threshold"
    );
    assert!(
        (admitted / allowed - 1.0).abs() < 0.1,
        "{cpus} CPUs admitted {admitted}, the threshold allows {allowed}"
    );
}
