//! What the unit grants is needed, each of it, and what it does not grant is given back by the drop-ins that come along.

use anyhow::Result;

use crate::{
    life::install,
    machine::{Machine, until},
};

/// Capabilities of the unit, and what the agent says or does without each.
const CAPABILITIES: [(&str, &str); 4] = [
    ("CAP_BPF", "CAP_BPF"),
    ("CAP_PERFMON", "CAP_PERFMON"),
    ("CAP_NET_ADMIN", "CAP_NET_ADMIN"),
    ("CAP_DAC_READ_SEARCH", "Permission denied"),
];

/// Gives the unit a drop-in and restarts it; whether it runs then.
fn with_drop_in(machine: &Machine, lines: &str) -> Result<bool> {
    machine.run(&format!(
        "mkdir -p /etc/systemd/system/levee.service.d; printf '[Service]\\n{lines}\\n' >/etc/systemd/system/levee.service.d/test.conf; \
         systemctl daemon-reload; systemctl stop levee"
    ))?;
    let runs = machine.succeeds("systemctl start levee")?;
    // Not again and again, where it fails.
    machine
        .run("systemctl is-active levee || systemctl stop levee; rm /etc/systemd/system/levee.service.d/test.conf")?;
    Ok(runs)
}

#[test]
#[ignore = "needs the packages: `cargo xtask dist --check`"]
fn every_capability_is_needed() -> Result<()> {
    let machine = Machine::boot()?;
    install(&machine)?;
    machine.run("systemctl stop levee; agent detach")?;
    for (capability, said) in CAPABILITIES {
        machine.run("journalctl --rotate --vacuum-time=1s --quiet")?;
        let drop_in = format!("CapabilityBoundingSet=~{capability}\\nAmbientCapabilities=~{capability}");
        assert!(!with_drop_in(&machine, &drop_in)?, "it runs without {capability}");
        let log = machine.run("journalctl --unit levee --no-pager")?;
        assert!(log.contains(said), "without {capability}: {log}");
    }
    assert!(with_drop_in(&machine, "")?, "and with all of them it runs");
    Ok(())
}

#[test]
#[ignore = "needs the packages: `cargo xtask dist --check`"]
fn drop_ins_open_what_they_say() -> Result<()> {
    let machine = Machine::boot()?;
    install(&machine)?;
    let capture = "agent --json capture 10.99.0.1 --time 1s 2>&1";
    let said = machine.run(capture)?;
    assert!(
        said.contains("captures.conf"),
        "without the drop-in it says what is missing: {said}"
    );
    machine.run(
        "cd /etc/systemd/system; mkdir -p levee.service.d; cp /usr/share/doc/levee/examples/systemd/*.conf levee.service.d; \
         systemctl daemon-reload; systemctl restart levee",
    )?;
    let said = machine.run(capture)?;
    assert!(!said.contains("is missing"), "{said}");
    let status = machine.run("grep CapEff /proc/$(systemctl show levee -p MainPID --value)/status")?;
    // Bits 13 (NET_RAW) and 19 (SYS_PTRACE) beside 2, 12, 38 and 39.
    assert_eq!(status.split_whitespace().nth(1), Some("000000c000083004"), "{status}");
    Ok(())
}

#[test]
#[ignore = "needs the packages: `cargo xtask dist --check`"]
fn hooks_run_in_the_sandbox() -> Result<()> {
    let machine = Machine::boot()?;
    install(&machine)?;
    let hook = "id -un >/var/lib/levee/hook; touch /etc/hook 2>>/var/lib/levee/hook; exit 0";
    machine.run(&format!(
        "cat >>/etc/levee/agent.toml <<'END'\n[[notify]]\nname = \"test\"\nkind = \"exec\"\n\
         command = [\"/bin/sh\", \"-c\", \"{hook}\"]\nEND\n\
         systemctl reload levee"
    ))?;
    until("the hook is known and runs", || {
        Ok(machine.succeeds("agent notify test")?.then_some(()))
    })?;
    let said = machine.run("cat /var/lib/levee/hook")?;
    assert!(
        said.starts_with("levee\n") && said.contains("Read-only file system"),
        "{said}"
    );
    Ok(())
}
