//! How an interface spreads packets over CPUs, and how many it holds for them.

use std::collections::BTreeSet;

use crate::doctor::{
    facts::{Facts, Nic},
    finding::{
        Check, Finding,
        Severity::{Note, Warning},
    },
};

pub(super) const ALL: &[&Check] = &[&QUEUES, &QUEUES_MAX, &RSS, &IRQ, &RPS, &TX_QUEUES, &RING];

static QUEUES: Check = Check {
    id: "nic.queues",
    severity: Warning,
    about: "Fewer receive queues are in use than there are CPUs, and the interface has more.",
    why: "Each queue is one CPU's work: the others cannot help against a flood.",
    fix: "ethtool -L IF combined N (or rx N)",
};
static QUEUES_MAX: Check = Check {
    id: "nic.queues_max",
    severity: Note,
    about: "The interface has fewer receive queues than there are CPUs.",
    why: "A flood is as much as so many CPUs can take, whatever the others do. RPS comes after XDP and does not help there.",
    fix: "in a virtual machine, ask for as many queues as CPUs (QEMU: queues=N with vhost)",
};
static RSS: Check = Check {
    id: "nic.rss",
    severity: Warning,
    about: "The indirection table (RSS) leaves receive queues without packets.",
    why: "Their CPUs cannot help against a flood.",
    fix: "ethtool -X IF default",
};
static IRQ: Check = Check {
    id: "nic.irq",
    severity: Warning,
    about: "The interrupts of all receive queues go to one CPU.",
    why: "That CPU does the work of all queues, and is full while the others idle.",
    fix: "echo CPU > /proc/irq/N/smp_affinity_list for each, or systemctl start irqbalance",
};
static RPS: Check = Check {
    id: "nic.rps",
    severity: Note,
    about: "There is one receive queue for several CPUs, and what passes XDP is not shared among them (RPS).",
    why: "The CPU that drops the flood also does all of TCP for customers.",
    fix: "echo MASK > /sys/class/net/IF/queues/rx-0/rps_cpus",
};
static TX_QUEUES: Check = Check {
    id: "nic.tx_queues",
    severity: Note,
    about: "virtio_net has too few queues to give each CPU one to answer by.",
    why: "CPUs then wait for each other where they answer SYNs, which costs answers per second under attack.",
    fix: "ask for twice as many queues as CPUs (QEMU: queues=N with vhost)",
};
static RING: Check = Check {
    id: "nic.ring",
    severity: Warning,
    about: "The receive ring is small, and may be larger.",
    why: "A full ring drops blindly, customers with the flood, in each pause of the CPU that empties it. Changing it resets the \
          link of many interfaces: do it in calm.",
    fix: "ethtool -G IF rx N",
};

/// A ring of so many descriptors rides out a millisecond of a million packets per second.
const RING_ENOUGH: u32 = 1_024;
/// More descriptors leave the CPU's cache.
const RING_MOST: u32 = 4_096;

pub(super) fn one(facts: &Facts, nic: &Nic) -> Vec<Finding> {
    let cpus = u32::try_from(facts.cpus.online).unwrap_or(u32::MAX);
    let mut findings = queues(nic, cpus);
    findings.push(rss(nic));
    findings.push(interrupts(nic, facts.cpus.online));
    findings.push(rps(nic, cpus));
    findings.push(ring(nic));
    findings
}

/// Whether it is about how many queues are in use.
pub(super) fn is_about_number(finding: &Finding) -> bool {
    finding.check.id == QUEUES.id
}

fn queues(nic: &Nic, cpus: u32) -> Vec<Finding> {
    let (now, most) = match &nic.queues {
        Ok(queues) => *queues,
        Err(why) => return vec![QUEUES.unseen(why)],
    };
    let wanted = cpus.min(most);
    let mut findings = vec![if now < wanted {
        let word = if nic.combined { "combined" } else { "rx" };
        QUEUES
            .found(format!("{now} of {most} receive queues are in use, for {cpus} CPUs"))
            .run(format!("ethtool -L {} {word} {wanted}", nic.name))
    } else {
        QUEUES.ok(format!("{now} of {most} receive queues are in use, for {cpus} CPUs"))
    }];
    findings.push(if most < cpus {
        QUEUES_MAX
            .found(format!("it has {} at most, for {cpus} CPUs", count(most)))
            .advise(QUEUES_MAX.fix)
    } else {
        QUEUES_MAX.ok(format!("it can have {}, for {cpus} CPUs", count(most)))
    });
    if nic.driver.as_deref() == Some("virtio_net") {
        findings.push(if most < now.saturating_add(cpus) {
            TX_QUEUES
                .found(format!(
                    "{} at most; a queue to answer by for each CPU takes {}",
                    count(most),
                    now + cpus
                ))
                .advise(TX_QUEUES.fix)
        } else {
            TX_QUEUES.ok(format!("{most} queues at most leave one to answer by for each CPU"))
        });
    }
    findings
}

fn count(queues: u32) -> String {
    match queues {
        1 => "1 receive queue".to_owned(),
        several => format!("{several} receive queues"),
    }
}

fn rss(nic: &Nic) -> Finding {
    match (&nic.indirection, &nic.queues) {
        (Ok(used), Ok((now, _))) if !used.is_empty() && used.len() < *now as usize => RSS
            .found(format!(
                "the indirection table sends to {} of {now} receive queues",
                used.len()
            ))
            .run(format!("ethtool -X {} default", nic.name)),
        (Ok(used), Ok((now, _))) if !used.is_empty() => {
            RSS.ok(format!("the indirection table sends to all {now} queues"))
        }
        (_, Ok((1, _))) | (Ok(_), _) => RSS.ok("nothing to spread: no indirection table"),
        (Err(why), _) => RSS.unseen(why),
    }
}

fn interrupts(nic: &Nic, cpus: usize) -> Finding {
    let places: BTreeSet<&str> = nic.interrupts.iter().map(|(_, cpus)| &**cpus).collect();
    let one_cpu = places.first().is_some_and(|place| place.parse::<u32>().is_ok());
    if nic.interrupts.len() < 2 || cpus < 2 || places.len() > 1 || !one_cpu {
        return IRQ.ok(match nic.interrupts.len() {
            0 => "it has no interrupts of its own here".to_owned(),
            1 => "one interrupt".to_owned(),
            several => format!("{several} interrupts, not all for one CPU"),
        });
    }
    let seen = format!(
        "{} interrupts, all for CPU {}",
        nic.interrupts.len(),
        nic.interrupts[0].1
    );
    let spread = nic.interrupts.iter().enumerate();
    spread.fold(IRQ.found(seen), |finding, (index, (number, _))| {
        finding.run(format!("echo {} > /proc/irq/{number}/smp_affinity_list", index % cpus))
    })
}

fn rps(nic: &Nic, cpus: u32) -> Finding {
    let one_queue = matches!(nic.queues, Ok((1, 1)));
    match nic.rps {
        (0, all) if all > 0 && one_queue && cpus > 1 => RPS
            .found(format!("one receive queue for {cpus} CPUs, and no RPS"))
            .run(format!(
                "echo {} > /sys/class/net/{}/queues/rx-0/rps_cpus",
                mask(cpus),
                nic.name
            )),
        (sharing, all) => RPS.ok(format!("{sharing} of {all} receive queues share what passes XDP")),
    }
}

/// The mask of so many CPUs, as sysfs takes it: words of 32 bits, the highest first.
fn mask(cpus: u32) -> String {
    let word = |bits: u32| if bits >= 32 { u32::MAX } else { (1 << bits) - 1 };
    let words = (0..cpus.div_ceil(32)).rev().map(|at| word(cpus - 32 * at));
    let text: Vec<String> = words.map(|word| format!("{word:x}")).collect();
    text.join(",")
}

fn ring(nic: &Nic) -> Finding {
    match nic.ring {
        Ok((now, most)) if now < most && now < RING_ENOUGH => RING
            .found(format!("the receive ring holds {now} packets, and may hold {most}"))
            .run(format!("ethtool -G {} rx {}", nic.name, most.min(RING_MOST))),
        Ok((now, most)) => RING.ok(format!("the receive ring holds {now} packets of {most} that it may")),
        Err(ref why) => RING.ok(format!("it has no ring to set ({why})")),
    }
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn masks_are_written_as_sysfs_takes_them() {
        for (cpus, text) in [
            (1, "1"),
            (2, "3"),
            (8, "ff"),
            (32, "ffffffff"),
            (33, "1,ffffffff"),
            (72, "ff,ffffffff,ffffffff"),
        ] {
            assert_eq!(mask(cpus), text);
        }
    }
}
