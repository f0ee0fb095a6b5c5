//! `agent doctor` on deliberately wrong hosts: what is wrong is found as what it is, nothing else is, and the command that the
//! doctor gives puts it right. What a namespace cannot have wrong (LRO, a slow clock) is in agent/tests/agent/doctor.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use agent::lock::Lock;
use anyhow::{Context as _, Result, ensure};
use aya::{
    Ebpf,
    programs::{Xdp, xdp::XdpMode},
};
use lab::{
    alone, command,
    levee::{Agent, Settings},
    object,
    topology::Topology,
    wrong_host::{INTERFACE, OTHER_END, WrongHost, said},
};

/// Queues of a veth that leaves nothing to wish for on this machine.
fn enough_queues() -> u32 {
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(cpus).unwrap_or(u32::MAX)
}

fn host() -> Result<WrongHost> {
    WrongHost::create(enough_queues())
}

#[test]
fn interfaces_that_are_set_up_wrongly() -> Result<()> {
    let _turn = alone::wait()?;
    let host = host()?;
    let before = host.examine(&["--verbose"])?;
    for id in before.ids() {
        ensure!(
            !id.starts_with("nic."),
            "the lab's own interface is not healthy: {:#}",
            before.report
        );
    }
    ensure!(
        before
            .seen("nic.native")
            .is_some_and(|seen| seen.contains("veth has native XDP")),
        "{:#}",
        before.report
    );

    host.namespace().ip(&format!("link set {INTERFACE} mtu 1200"))?;
    host.heal(&before, &["nic.mtu_small"], false)?;

    host.namespace().ip(&format!("link set {INTERFACE} mtu 9000"))?;
    let jumbo = host.examine(&[])?;
    ensure!(
        jumbo.ids() == before.ids(),
        "Levee takes frames of several pages: {:#}",
        jumbo.report
    );
    ensure!(
        jumbo.seen("nic.mtu") == Some("the MTU is 9000, and XDP gets frames of several pages"),
        "{:#}",
        jumbo.report
    );

    // Each obeys, and the doctor sees it; without VLANs on it neither is wrong.
    for (state, seen) in [
        ("off", "VLAN tags stay in the frame"),
        ("on", "rxvlan is on, and there is no VLAN on it"),
    ] {
        host.obey(&format!("ethtool -K {INTERFACE} rxvlan {state}"), false)?;
        let examined = host.examine(&[])?;
        ensure!(
            examined.seen("nic.rxvlan").is_some_and(|text| text.starts_with(seen)),
            "{state}: {:#}",
            examined.report
        );
    }

    host.namespace().ip(&format!("link set {INTERFACE} down"))?;
    let down = host.examine(&[])?;
    ensure!(down.ids().contains("nic.down"), "{:#}", down.report);
    host.obey(&down.commands("nic.down").join("\n"), false)?;
    host.namespace()
        .ip(&format!("route add default via 198.51.100.1 dev {INTERFACE}"))?;
    ensure!(host.examine(&[])?.ids() == before.ids());
    Ok(())
}

#[test]
fn queues_that_are_fewer_than_cpus() -> Result<()> {
    let _turn = alone::wait()?;
    if enough_queues() < 2 {
        eprintln!("skipped: it takes two CPUs to have fewer queues than CPUs");
        return Ok(());
    }
    let host = host()?;
    let before = host.examine(&[])?;
    // The other end sends by as many queues as there are, and then by one.
    host.obey(&format!("ethtool -L {INTERFACE} rx 1"), false)?;
    host.heal(&before, &["nic.veth_queues"], false)?;
    command::output(host.wire().command("ethtool").args(["-L", OTHER_END, "tx", "1"]))?;
    host.obey(&format!("ethtool -L {INTERFACE} rx 1"), false)?;
    host.heal(&before, &["nic.queues"], false)?;
    drop(host);

    let narrow = WrongHost::create(1)?;
    let examined = narrow.examine(&[])?;
    let of_queues: Vec<String> = examined.ids().into_iter().filter(|id| id.starts_with("nic.")).collect();
    ensure!(of_queues == ["nic.queues_max", "nic.rps"], "{:#}", examined.report);
    Ok(())
}

#[test]
fn interfaces_that_are_the_wrong_ones() -> Result<()> {
    let _turn = alone::wait()?;
    let mut host = host()?;
    host.namespace().ip(&format!(
        "link add upper link {INTERFACE} type macvlan\nlink set upper up\nlink add slow type ifb\nlink set slow up"
    ))?;
    let before = host.examine(&[])?;
    host.config.interfaces = vec!["upper".to_owned()];
    let stacked = host.examine(&[])?;
    let advice = stacked
        .advice("nic.stacked")
        .context("a macvlan is on top of another")?;
    ensure!(
        advice.starts_with(&format!("interfaces = [\"{INTERFACE}\"]")),
        "{advice}"
    );
    ensure!(
        stacked.ids().contains("config.interfaces"),
        "the default route's is not named: {:#}",
        stacked.report
    );

    host.config.interfaces = vec!["slow".to_owned()];
    ensure!(host.examine(&[])?.ids().contains("nic.native"), "ifb has no native XDP");
    host.config.more = "xdp_mode = \"native\"".to_owned();
    ensure!(host.examine(&[])?.ids().contains("nic.native_required"));
    host.config.more.clear();

    // Who names an interface is not asked what the configuration says.
    let named = host.examine(&["--interface", INTERFACE])?;
    ensure!(named.report["interfaces"][0] == INTERFACE, "{:#}", named.report);
    host.config.interfaces = vec![INTERFACE.to_owned()];
    ensure!(host.examine(&[])?.ids() == before.ids());
    let nobody = host.agent(&["doctor", "--interface", "nobody"])?.output()?;
    ensure!(nobody.status.code() == Some(2), "{nobody:?}");
    Ok(())
}

#[test]
fn programs_of_others() -> Result<()> {
    let _turn = alone::wait()?;
    let host = host()?;
    let before = host.examine(&[])?;
    // Held by a link: as long as its process has it, nothing else takes it off.
    let held = host.namespace().enter(|| {
        let mut object = Ebpf::load(object::COMPARE).context("cannot load the lab's BPF object")?;
        let name = object.programs().next().context("it has programs")?.0.to_owned();
        let program: &mut Xdp = object.program_mut(&name).context("it is there")?.try_into()?;
        program.load()?;
        program.attach(INTERFACE, XdpMode::Driver)?;
        program.pin(host.path("bpf").join("foreign"))?;
        Ok(object)
    })?;
    host.heal(&before, &["xdp.foreign"], false)?;
    drop(held);
    // By netlink, as `ip link` and bpftool do.
    let pin = host.path("bpf").join("foreign");
    for mode in ["xdpdrv", "xdpgeneric"] {
        host.obey(
            &format!("bpftool net attach {mode} pinned {} dev {INTERFACE}", pin.display()),
            false,
        )?;
        host.heal(&before, &["xdp.foreign"], false)?;
    }
    Ok(())
}

#[test]
fn settings_that_are_wrong() -> Result<()> {
    let _turn = alone::wait()?;
    let host = host()?;
    let before = host.examine(&[])?;
    for (sysctl, value, id) in [
        ("net/ipv4/tcp_syncookies", "0", "sysctl.syncookies"),
        ("net/ipv4/tcp_timestamps", "1", "sysctl.timestamps"),
        ("net/ipv4/tcp_window_scaling", "0", "sysctl.window_scaling"),
        ("net/ipv4/tcp_sack", "0", "sysctl.sack"),
        ("net/ipv4/tcp_max_syn_backlog", "128", "sysctl.syn_backlog"),
        ("net/core/somaxconn", "128", "sysctl.somaxconn"),
        ("net/ipv4/tcp_abort_on_overflow", "1", "sysctl.abort_on_overflow"),
    ] {
        host.namespace().set_sysctls(&[(sysctl, value)])?;
        host.heal(&before, &[id], false).with_context(|| sysctl.to_owned())?;
    }
    Ok(())
}

#[test]
fn addresses_that_lead_nowhere() -> Result<()> {
    const STRANGE: &str = "192.0.2.77";
    let _turn = alone::wait()?;
    let mut host = host()?;
    let before = host.examine(&[])?;
    host.namespace().set_sysctls(&[("net/ipv4/ip_forward", "1")])?;
    host.config.protect.push(STRANGE.to_owned());
    host.heal(&before, &["config.default_route"], false)?;
    host.namespace().ip(&format!(
        "address del {STRANGE} dev lo\nroute add unreachable {STRANGE}"
    ))?;
    host.heal(&before, &["config.unreachable"], false)?;

    host.namespace().ip(&format!(
        "address del {STRANGE} dev lo\nroute del unreachable {STRANGE}\nroute add {STRANGE} via 198.51.100.9 dev {INTERFACE}"
    ))?;
    ensure!(host.examine(&[])?.ids() == before.ids(), "it has a way of its own");
    host.namespace().set_sysctls(&[("net/ipv4/ip_forward", "0")])?;
    host.heal(&before, &["sysctl.forwarding"], false)?;

    host.config.protect.pop();
    let mut from_elsewhere = host.agent(&["--json", "doctor"])?;
    from_elsewhere.env("SSH_CONNECTION", "203.0.113.99 50000 198.51.100.10 22");
    let locked_out = said(&mut from_elsewhere)?;
    ensure!(locked_out.ids().contains("config.ssh"), "{:#}", locked_out.report);
    ensure!(locked_out.commands("config.ssh") == ["agent allow-ip 203.0.113.99 --reason administration"]);
    Ok(())
}

#[test]
fn places_that_cannot_be_used() -> Result<()> {
    let _turn = alone::wait()?;
    let mut host = host()?;
    let before = host.examine(&[])?;
    let usual = host.config.clone();

    host.config.state = host.mount("tmpfs", "sealed", true)?;
    let sick = host.heal(&before, &["permissions.state"], true)?;
    ensure!(sick.code == Some(1), "{:?}", sick.code);
    fs::write(host.path("taken"), "a file")?;
    host.config.state = host.path("taken");
    ensure!(host.examine(&[])?.ids().contains("permissions.state"));
    fs::create_dir(host.path("open"))?;
    command::output(Command::new("chmod").arg("777").arg(host.path("open")))?;
    host.config.state = host.path("open");
    host.heal(&before, &["permissions.state_open"], true)?;
    host.config = usual.clone();

    host.config.bpffs = host.path("nothing");
    let sick = host.examine(&[])?;
    let [mount] = &sick.commands("permissions.bpffs")[..] else {
        anyhow::bail!("{:#}", sick.report);
    };
    host.obey(mount, true)?;
    host.adopt_mount(&host.path("nothing"));
    ensure!(host.examine(&[])?.ids() == before.ids());

    host.config.bpffs = host.mount("bpf", "sealed-bpf", true)?;
    host.heal(&before, &["permissions.bpffs_read_only"], true)?;
    Ok(())
}

/// Holding a lock that the doctor sees, without the doctor's own hands on it.
#[test]
fn an_agent_that_does_not_answer() -> Result<()> {
    let _turn = alone::wait()?;
    let host = host()?;
    fs::create_dir(&host.config.state)?;
    let before = host.examine(&[])?;
    let lock = Lock::on(&host.config.state)?;
    let held = host.examine(&[])?;
    ensure!(
        held.commands("xdp.lock") == [format!("kill {}", std::process::id())],
        "{:#}",
        held.report
    );
    drop(lock);
    ensure!(host.examine(&[])?.ids() == before.ids());
    Ok(())
}

#[test]
fn configurations_that_do_not_fit() -> Result<()> {
    let _turn = alone::wait()?;
    let mut host = host()?;
    let before = host.examine(&[])?;
    ensure!(before.code == Some(0), "{:?}: {:#}", before.code, before.report);
    host.config.protect.push("198.51.100.11".to_owned());
    host.namespace()
        .ip(&format!("address add 198.51.100.11/24 dev {INTERFACE}"))?;
    host.config.more = "[limits]\naddresses = 2".to_owned();
    let tight = host.examine(&[])?;
    ensure!(tight.ids().contains("limits.addresses"), "{:#}", tight.report);
    ensure!(
        tight.code == Some(0) && host.examine(&["--strict"])?.code == Some(1),
        "a warning, unless it is strict"
    );
    host.config.more = "[limits]\naddresses = 1".to_owned();
    let small = host.examine(&[])?;
    ensure!(
        small.code == Some(2) && small.ids().contains("config.invalid"),
        "{:#}",
        small.report
    );
    ensure!(small.seen("nic.native").is_some(), "the host is looked at all the same");
    host.config.more = "[limits]\naddresses = 3\n[nonsense]".to_owned();
    ensure!(host.examine(&[])?.code == Some(2));
    host.config.more = "[limits]\nsources = 1048576\nretry_memory = 1024\nlist_prefixes = 4000000".to_owned();
    let large = host.examine(&["--proc", &small_memory(&host)?])?;
    ensure!(large.ids().contains("memory.maps"), "{:#}", large.report);
    Ok(())
}

/// A /proc of a host with 64 MiB of memory.
fn small_memory(host: &WrongHost) -> Result<String> {
    let proc = tree(&host.path("poor"), Path::new("/proc"), &["meminfo"])?;
    fs::write(proc.join("meminfo"), "MemTotal: 131072 kB\nMemAvailable: 65536 kB\n")?;
    Ok(proc.display().to_string())
}

/// A tree of links to another one's entries, but for some of them.
fn tree(at: &Path, of: &Path, without: &[&str]) -> Result<std::path::PathBuf> {
    fs::create_dir_all(at).with_context(|| format!("cannot make {}", at.display()))?;
    for entry in [
        "sys",
        "meminfo",
        "filesystems",
        "locks",
        "self",
        "irq",
        "class",
        "kernel",
        "devices",
        "fs",
    ] {
        let original = of.join(entry);
        if original.exists() && !without.contains(&entry) {
            symlink(&original, at.join(entry)).with_context(|| format!("cannot link {entry}"))?;
        }
    }
    Ok(at.to_owned())
}

#[test]
fn a_machine_that_cannot_be_changed_for_a_test() -> Result<()> {
    let _turn = alone::wait()?;
    let host = host()?;
    let before = host.examine(&[])?;
    let proc = tree(&host.path("proc"), Path::new("/proc"), &["sys"])?;
    let core = tree_of_sysctls(&proc)?;
    let at = proc.display().to_string();
    for (file, value, id, command) in [
        (
            "bpf_jit_enable",
            "0",
            "kernel.jit",
            "sysctl -w net.core.bpf_jit_enable=1",
        ),
        (
            "bpf_jit_harden",
            "2",
            "kernel.jit_harden",
            "sysctl -w net.core.bpf_jit_harden=1",
        ),
    ] {
        fs::write(core.join(file), value)?;
        let slow = host.examine(&["--proc", &at])?;
        let found: Vec<String> = slow.ids().difference(&before.ids()).cloned().collect();
        ensure!(found == [id], "{found:?}: {:#}", slow.report);
        ensure!(slow.commands(id) == [command], "{:#}", slow.report);
        fs::write(core.join(file), "1")?;
        ensure!(host.examine(&["--proc", &at])?.ids() == before.ids());
    }

    let sys = tree(&host.path("sys"), Path::new("/sys"), &["devices"])?;
    let clocks = sys.join("devices/system/clocksource/clocksource0");
    fs::create_dir_all(&clocks)?;
    symlink("/sys/devices/system/cpu", sys.join("devices/system/cpu"))?;
    fs::write(clocks.join("current_clocksource"), "hpet\n")?;
    fs::write(clocks.join("available_clocksource"), "tsc hpet acpi_pm\n")?;
    let slow = host.examine(&["--sys", &sys.display().to_string()])?;
    let found: Vec<String> = slow.ids().difference(&before.ids()).cloned().collect();
    ensure!(found == ["clock.source"], "{found:?}: {:#}", slow.report);
    let [command] = &slow.commands("clock.source")[..] else {
        anyhow::bail!("{:#}", slow.report);
    };
    ensure!(command.starts_with("echo tsc > "), "{command}");
    Ok(())
}

/// sysctls of this namespace, with a directory of its own for net.core.
fn tree_of_sysctls(proc: &Path) -> Result<std::path::PathBuf> {
    let core = proc.join("sys/net/core");
    fs::create_dir_all(&core)?;
    for (link, original) in [
        ("sys/kernel", "/proc/sys/kernel"),
        ("sys/net/ipv4", "/proc/sys/net/ipv4"),
        ("sys/net/ipv6", "/proc/sys/net/ipv6"),
        ("sys/net/netfilter", "/proc/sys/net/netfilter"),
        ("sys/net/core/somaxconn", "/proc/sys/net/core/somaxconn"),
        ("sys/net/core/rmem_max", "/proc/sys/net/core/rmem_max"),
    ] {
        symlink(original, proc.join(link)).with_context(|| format!("cannot link {link}"))?;
    }
    Ok(core)
}

#[test]
fn without_root_it_says_what_it_did_not_see() -> Result<()> {
    let _turn = alone::wait()?;
    let host = host()?;
    // As nobody, who can neither enter namespaces nor find the build's directory: root enters and steps down.
    let agent = host.path("agent");
    fs::copy(lab::binary::agent()?, &agent)?;
    let mut command = host.namespace().command("setpriv");
    command
        .args([
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            "--no-new-privs",
        ])
        .arg(&agent)
        .args(["--json", "--config"])
        .arg(host.path("agent.toml"))
        .arg("doctor");
    host.agent(&["doctor"])?;
    let seen = said(&mut command)?;
    for id in ["kernel.helpers", "kernel.xdp_link", "permissions.capabilities"] {
        ensure!(seen.unseen().contains(id), "{id}: {:#}", seen.report);
    }
    ensure!(seen.ids().contains("permissions.user"), "{:#}", seen.report);
    ensure!(seen.code == Some(0), "{:?}: {:#}", seen.code, seen.report);
    Ok(())
}

#[test]
fn an_agent_that_runs_and_one_that_died() -> Result<()> {
    let _turn = alone::wait()?;
    let topology = Topology::routed()?;
    let mut agent = Agent::start(&topology, &Settings::default(), false)?;
    let home = agent.home().clone();
    let examine = || said(&mut home.command(&["--json", "doctor"])?);
    let alive = examine()?;
    ensure!(
        alive
            .seen("xdp.foreign")
            .is_some_and(|seen| seen.contains("Levee's own")),
        "{:#}",
        alive.report
    );
    for id in alive.ids() {
        ensure!(
            !["xdp.", "agent.dead", "agent.detached", "agent.running"]
                .iter()
                .any(|bad| id.starts_with(bad)),
            "{:#}",
            alive.report
        );
    }
    agent.process().kill()?;
    let dead = examine()?;
    ensure!(
        dead.code == Some(1) && dead.ids().contains("agent.dead"),
        "{:#}",
        dead.report
    );
    let text = home.command(&["doctor"])?.output()?;
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    ensure!(
        text.starts_with("The running agent\n  problem  nobody answers at "),
        "problems come first:\n{text}"
    );
    Ok(())
}
