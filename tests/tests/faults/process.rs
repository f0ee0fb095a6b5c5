//! What befalls the agent's process: no memory, no descriptors, no CPU, no time; and surroundings that it may not write.

mod memory;

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use lab::{
    alone,
    faults::name,
    guarded::until_within,
    levee::Drops,
    siege::{Held, Section, Siege},
};
use nix::{libc, sys::signal::Signal};

use crate::{PATIENCE, events, metric, outcome, status_says, try_ask};

#[test]
fn out_of_memory() -> Result<()> {
    let _turn = alone::wait()?;
    let mut siege = Siege::lay(Section::Faults)?;
    let cgroup = memory::Cgroup::create()?;
    cgroup.take(siege.agent()?.process().pid())?;
    siege.begin(Held::Blocked)?;

    let list = siege.list();
    let good = fs::read_to_string(&list)?;
    cgroup.limit_to_what_is_used()?;
    // A list that needs more than there is.
    let many: String = (0..400_000_u32)
        .map(|number| format!("{}\n", std::net::Ipv4Addr::from(0x0a00_0000 + 7 * number)))
        .collect();
    fs::write(&list, good.clone() + &many)?;
    let ended = siege.agent()?.process().wait(Duration::from_secs(15))?;
    ensure!(format!("{ended}").contains("signal: 9"), "{ended}");
    ensure!(cgroup.kills()? > 0, "somebody else killed it");
    fs::write(&list, good)?;
    siege.start_agent()?;
    siege.nothing_is_lost()?;
    outcome(&mut siege, name::OUT_OF_MEMORY, "all blocks; the next agent took over")?.held()
}

/// Descriptors that a process has open.
fn descriptors(pid: u32) -> Result<u64> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count() as u64)
}

/// Lets a process open so many; tells how many it could before.
fn limit_descriptors(pid: u32, to: u64) -> Result<u64> {
    let pid = pid.cast_signed();
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: prlimit(2) writes one structure, which lives as long as the call, and reads none.
    let failed = unsafe { libc::prlimit(pid, libc::RLIMIT_NOFILE, std::ptr::null(), &raw mut limit) } != 0;
    ensure!(!failed, "prlimit: {}", std::io::Error::last_os_error());
    let before = std::mem::replace(&mut limit.rlim_cur, to);
    // SAFETY: the other way round.
    let failed = unsafe { libc::prlimit(pid, libc::RLIMIT_NOFILE, &raw const limit, std::ptr::null_mut()) } != 0;
    ensure!(!failed, "prlimit: {}", std::io::Error::last_os_error());
    Ok(before)
}

#[test]
fn descriptors_signals_and_surroundings() -> Result<()> {
    let _turn = alone::wait()?;
    let mut siege = Siege::lay(Section::Faults)?;
    let home = siege.home();
    siege.begin(Held::Blocked)?;

    let pid = siege.agent()?.process().pid();
    let before = limit_descriptors(pid, descriptors(pid)?.saturating_sub(2))?;
    thread::sleep(Duration::from_secs(3));
    limit_descriptors(pid, before)?;
    until_within(PATIENCE, "it answers again, and is well", || {
        Ok(try_ask(&home, &["status"])?.0 == Some(0) && !status_says(&home, "old")?)
    })?;
    ensure!(
        events(&home, "interface_lost")?.is_empty(),
        "it could not look, and said that nothing protects"
    );
    ensure!(metric(&siege, "levee_interface_unprotected{")? < 0.5);
    siege.nothing_is_lost()?;
    outcome(&mut siege, name::NO_DESCRIPTORS, "all blocks; well again by itself")?.held()?;

    siege.begin(Held::Blocked)?;
    siege.agent()?.process().signal(Signal::SIGSTOP)?;
    thread::sleep(Duration::from_secs(10));
    siege.agent()?.process().signal(Signal::SIGCONT)?;
    home.ask(&["block-ip", "198.18.77.7", "--ttl", "1h"])?;
    siege.nothing_is_lost()?;
    outcome(&mut siege, name::STOPPED, "all blocks")?.held()?;

    siege.begin(Held::Blocked)?;
    let mut agent = siege.take_agent().context("no agent runs")?;
    agent.process().signal(Signal::SIGTERM)?;
    // It may be gone by now, which is as well.
    let _gone = agent.process().signal(Signal::SIGTERM);
    let ended = agent.process().wait(PATIENCE)?;
    ensure!(ended.success(), "{ended}");
    drop(agent);
    siege.start_agent()?;
    siege.nothing_is_lost()?;
    outcome(&mut siege, name::TERMINATED_TWICE, "all blocks")?.held()?;

    siege.begin(Held::Blocked)?;
    siege.kill_agent()?;
    let freeze = "mount --bind /proc /proc && mount -o remount,ro,bind /proc && mount -o remount,ro,bind /sys && \
                  ! touch /proc/self/comm 2> /dev/null; ! echo 1 2> /dev/null > /proc/sys/net/ipv4/tcp_syncookies && exec \"$@\"";
    siege.start_agent_within(&["sh", "-c", freeze, "sh"])?;
    siege.nothing_is_lost()?;
    outcome(&mut siege, name::FROZEN_HOST, "all blocks")?.held()?;

    siege.begin(Held::Blocked)?;
    siege.kill_agent()?;
    siege.start_agent_within(&["taskset", "--cpu-list", "0"])?;
    counts_all_cpus(&siege)?;
    siege.nothing_is_lost()?;
    outcome(&mut siege, name::ONE_CPU, "all blocks; packets of every CPU counted")?.held()
}

/// What the agent says was dropped grows as the kernel's own count does, which is of all CPUs.
fn counts_all_cpus(siege: &Siege) -> Result<()> {
    let drops = Drops::open(siege.topology().lab())?;
    let told = || -> Result<u64> {
        let stats = siege.home().ask_json(&["stats"])?;
        let addresses = stats["addresses"].as_array().context("no addresses")?.clone();
        Ok(addresses
            .iter()
            .filter_map(|address| address["packets"]["blocked"].as_u64())
            .sum())
    };
    let (before, kernel, since) = (told()?, drops.total()?, Instant::now());
    thread::sleep(Duration::from_secs(3));
    let (told, kernel) = (told()? - before, drops.total()? - kernel);
    ensure!(
        told * 2 > kernel,
        "the agent counted {told} of {kernel} in {:?}",
        since.elapsed()
    );
    Ok(())
}
