//! Whether the host keeps up: packets that its interfaces lost before the program saw them, and how busy its CPUs are with
//! packets. Counters in, rates between two looks out.

use std::{fs, io};

use rtnetlink::packet_route::link::Stats64;

use super::TcpFacts;

/// What a CPU's time went into so far, in ticks of the kernel's accounting (`USER_HZ`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// Which: the N of `cpuN`.
    pub number: u32,
    /// Softirqs, where packets are received.
    pub softirq: u64,
    /// All of it.
    pub all: u64,
}

/// How well the host kept up between two looks.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Load {
    /// Packets per second that the interfaces lost.
    pub receive_drops: f64,
    /// Share of its time that the busiest CPU spent in softirqs, 0 to 1.
    pub softirq: f64,
}

/// Packets that an interface lost because nobody took them in time.
///
/// Which counter it is differs from driver to driver, and some count the same packet in two of them, so the largest holds
/// (include/uapi/linux/if_link.h, `rtnl_link_stats64`). `rx_dropped` is none of them: drivers count there what XDP dropped,
/// and what nobody wanted.
pub(super) fn receive_drops(statistics: &Stats64) -> u64 {
    let lost = [
        statistics.rx_missed_errors,
        statistics.rx_fifo_errors,
        statistics.rx_over_errors,
    ];
    lost.into_iter().max().unwrap_or(0)
}

/// Reads the time of each CPU.
///
/// # Errors
/// If there is no procfs.
pub(super) fn cpu_times() -> io::Result<Vec<CpuTime>> {
    Ok(parse(&fs::read_to_string("/proc/stat")?))
}

/// The lines `cpuN` of proc_stat(5): user, nice, system, idle, iowait, irq, softirq, steal. What guests got is part of user and
/// nice already.
fn parse(text: &str) -> Vec<CpuTime> {
    const FIELDS: usize = 8;
    const SOFTIRQ: usize = 6;
    let cpu = |line: &str| {
        let mut words = line.strip_prefix("cpu")?.split_whitespace();
        // The line of all CPUs together has no number.
        let number = line.strip_prefix("cpu")?.split(' ').next()?.parse().ok()?;
        words.next()?;
        let fields: Vec<u64> = words.take(FIELDS).map_while(|field| field.parse().ok()).collect();
        Some(CpuTime {
            number,
            softirq: *fields.get(SOFTIRQ)?,
            all: fields.iter().sum(),
        })
    };
    text.lines().filter_map(cpu).collect()
}

impl Load {
    /// What lies between two looks that are so many seconds apart, at these interfaces.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "rates and shares: 53 bits are plenty")]
    pub fn between(earlier: &TcpFacts, now: &TcpFacts, seconds: f64, interfaces: &[String]) -> Self {
        if seconds <= 0.0 {
            return Self::default();
        }
        let lost = |name: &String| {
            let of = |facts: &TcpFacts| Some(facts.interfaces.iter().find(|found| found.name == *name)?.receive_drops);
            // An interface that was not there, or whose counters began anew, has lost nothing that we know of.
            of(now)?.checked_sub(of(earlier)?)
        };
        let receive_drops: u64 = interfaces.iter().filter_map(lost).sum();
        let softirq = now.cpus.iter().filter_map(|cpu| {
            let then = earlier.cpus.iter().find(|then| then.number == cpu.number)?;
            let all = cpu.all.checked_sub(then.all).filter(|all| *all > 0)?;
            Some(cpu.softirq.checked_sub(then.softirq)? as f64 / all as f64)
        });
        Self {
            receive_drops: receive_drops as f64 / seconds,
            softirq: softirq.fold(0.0, f64::max).min(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Interface;

    const STAT: &str = "cpu  300 0 300 3000 0 0 60 0 20 0\ncpu0 100 0 100 1000 0 0 50 0 10 0\ncpu1 200 0 200 2000 0 0 10 5 10 0\n\
                        intr 1 2 3\nctxt 5\nbtime 1\nsoftirq 9 9\n";

    fn facts(stat: &str, lost: &[(&str, u64)]) -> TcpFacts {
        let interface = |(name, receive_drops): &(&str, u64)| Interface {
            name: (*name).to_owned(),
            addresses: Vec::new(),
            mtu: 1_500,
            receive_drops: *receive_drops,
        };
        TcpFacts {
            interfaces: lost.iter().map(interface).collect(),
            cpus: parse(stat),
            ..TcpFacts::default()
        }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn each_cpu_has_its_line() {
        let times: Vec<_> = parse(STAT)
            .iter()
            .map(|cpu| (cpu.number, cpu.softirq, cpu.all))
            .collect();
        assert_eq!(times, [(0, 50, 1_250), (1, 10, 2_415)]);
        assert_eq!(
            parse("cpu0 1 2 3\nnonsense\ncpux 1 2 3 4 5 6 7 8\n"),
            [],
            "lines that are cut off"
        );
    }

    #[test]
    fn the_busiest_cpu_counts_and_only_the_interfaces_that_are_named() {
        let earlier = facts(STAT, &[("eth0", 100), ("eth1", 7), ("lo", 0)]);
        let later = STAT
            .replace("cpu0 100 0 100 1000 0 0 50", "cpu0 100 0 110 1020 0 0 120")
            .replace("cpu1 200", "cpu1 300");
        let now = facts(&later, &[("eth0", 1_100), ("eth1", 9), ("lo", 5_000)]);
        let load = Load::between(&earlier, &now, 2.0, &names(&["eth0", "eth1", "eth9"]));
        assert!((load.receive_drops - 501.0).abs() < 1e-9, "{load:?}");
        assert!((load.softirq - 0.7).abs() < 1e-9, "{load:?}");
    }

    #[test]
    fn counters_that_began_anew_and_looks_at_once_tell_nothing() {
        let earlier = facts(STAT, &[("eth0", 100)]);
        let now = facts("cpu0 1 0 0 1 0 0 1 0 0 0\n", &[("eth0", 3)]);
        assert_eq!(Load::between(&earlier, &now, 1.0, &names(&["eth0"])), Load::default());
        assert_eq!(
            Load::between(&earlier, &earlier, 0.0, &names(&["eth0"])),
            Load::default()
        );
    }

    #[test]
    fn this_host_has_cpus() {
        let times = cpu_times().expect("procfs");
        assert!(
            !times.is_empty() && times.iter().all(|cpu| cpu.all >= cpu.softirq),
            "{times:?}"
        );
    }

    #[test]
    fn the_same_packet_in_two_counters_is_lost_once() {
        let mut statistics = Stats64::default();
        statistics.rx_missed_errors = 12;
        statistics.rx_fifo_errors = 12;
        statistics.rx_dropped = 1_000;
        assert_eq!(receive_drops(&statistics), 12);
    }
}
