//! Clocks: the kernel's entries expire by CLOCK_MONOTONIC, people and the ledger use the wall clock.

use crate::doctor::{
    facts::Facts,
    finding::{
        Check, Finding,
        Severity::{Note, Warning},
    },
};

pub(super) const ALL: &[&Check] = &[&SYNCHRONISED, &SOURCE, &BACK, &SUSPENDED];

static SYNCHRONISED: Check = Check {
    id: "clock.synchronised",
    severity: Warning,
    about: "Nothing synchronises the wall clock (adjtimex(2) says so).",
    why: "Times in the ledger, in reports and in what is sent to providers do not fit those of others; blocks that outlive a \
          reboot end at the wrong time.",
    fix: "apt-get install --yes chrony, or timedatectl set-ntp true",
};
static SOURCE: Check = Check {
    id: "clock.source",
    severity: Warning,
    about: "The kernel reads the time from a slow clock (hpet, acpi_pm).",
    why: "One reading takes a microsecond or more, and the program reads it on each CPU in each jiffy, TCP and NAPI far more often.",
    fix: "echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource",
};
static BACK: Check = Check {
    id: "clock.back",
    severity: Warning,
    about: "The wall clock is behind what was last written to the state directory.",
    why: "It went back, or starts anew at each boot: blocks with an end hold longer than was said, and history gets a second \
          past.",
    fix: "apt-get install --yes chrony, or timedatectl set-ntp true",
};
static SUSPENDED: Check = Check {
    id: "clock.suspended",
    severity: Note,
    about: "The host was suspended in this boot.",
    why: "CLOCK_MONOTONIC stands still meanwhile, so blocks with an end hold that much longer in the kernel until the agent \
          looks.",
    fix: "nothing, unless a load balancer should not be suspended",
};

/// Each reading of them goes to a device outside of the CPU.
const SLOW: [&str; 5] = ["hpet", "acpi_pm", "jiffies", "refined-jiffies", "pit"];
/// In the order of preference.
const FAST: [&str; 5] = [
    "tsc",
    "kvm-clock",
    "arch_sys_counter",
    "hyperv_clocksource_tsc_page",
    "xen",
];

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let clock = &facts.clock;
    let mut findings = vec![match &clock.synchronised {
        Err(why) => SYNCHRONISED.unseen(why),
        Ok(true) => SYNCHRONISED.ok("the wall clock is synchronised"),
        Ok(false) => SYNCHRONISED
            .found("the wall clock is not synchronised")
            .run("timedatectl set-ntp true || apt-get install --yes chrony"),
    }];
    findings.push(match &clock.source {
        Err(why) => SOURCE.unseen(why),
        Ok((source, others)) if SLOW.contains(&&**source) => {
            let finding = SOURCE.found(format!("the clock source is {source}"));
            match FAST.iter().find(|fast| others.iter().any(|other| other == *fast)) {
                Some(fast) => finding.run(format!(
                    "echo {fast} > /sys/devices/system/clocksource/clocksource0/current_clocksource"
                )),
                None => {
                    finding.advise("the kernel found no faster one: its log says why (dmesg | grep -i clocksource)")
                }
            }
        }
        Ok((source, _)) => SOURCE.ok(format!("the clock source is {source}")),
    });
    findings.push(match clock.behind_ledger {
        Some(behind) => BACK
            .found(format!(
                "the state directory was last written to {} s from now",
                behind.as_secs()
            ))
            .run("timedatectl set-ntp true || apt-get install --yes chrony"),
        None => BACK.ok("the wall clock is not behind the state directory"),
    });
    findings.push(if clock.suspended.as_secs() > 0 {
        SUSPENDED
            .found(format!(
                "suspended for {} s since it was booted",
                clock.suspended.as_secs()
            ))
            .advise(SUSPENDED.fix)
    } else {
        SUSPENDED.ok("not suspended since it was booted")
    });
    findings
}
