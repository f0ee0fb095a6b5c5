//! Somebody else lays hands on what the agent has in the kernel: its program, its link, its pins.

use std::{fs, path::Path, process::Command, thread, time::Duration};

use anyhow::{Context as _, Result, ensure};
use aya::{
    Ebpf,
    programs::{
        Xdp,
        links::{FdLink, PinnedLink},
        xdp::XdpLink,
    },
};
use lab::{
    alone,
    command::output,
    faults::name,
    guarded::until_within,
    object,
    siege::{FLOOD_PPS, Held, Section, Siege},
    topology::BALANCER_INTERFACE,
};
use xdp_common::map_name;

use crate::{PATIENCE, events, outcome, restart, with_all_rights};

/// What may pass until the agent looks the next time, ten times a second, with room for a busy machine.
const UNTIL_NEXT_LOOK: u64 = FLOOD_PPS as u64;

fn pins(siege: &Siege) -> std::path::PathBuf {
    let version = format!("levee/v{}", map_name::PIN_VERSION);
    siege.topology().lab().bpf_directory().join(version)
}

/// Puts a program that passes everything behind the agent's link.
fn replace_program(siege: &Siege) -> Result<()> {
    let mut object = Ebpf::load(object::WIRE)?;
    let program: &mut Xdp = object
        .program_mut("from_balancer")
        .context("the lab's own")?
        .try_into()?;
    program.load()?;
    let link = PinnedLink::from_pin(pins(siege).join("links/native").join(BALANCER_INTERFACE))?;
    program.attach_to_link(XdpLink::try_from(FdLink::from(link))?)?;
    Ok(())
}

#[test]
fn program_link_and_pins() -> Result<()> {
    let _turn = alone::wait()?;
    let mut siege = Siege::lay_with(Section::Faults, &with_all_rights())?;
    let home = siege.home();
    siege.begin(Held::Blocked)?;

    replace_program(&siege)?;
    until_within(PATIENCE, "it is put back", || {
        Ok(events(&home, "interface_back")?.len() == 1)
    })?;
    let came = outcome(&mut siege, name::PROGRAM_REPLACED, "all blocks; put back by itself")?;
    ensure!(came.unprotected < UNTIL_NEXT_LOOK, "{came}");

    let link = pins(&siege).join("links/native").join(BALANCER_INTERFACE);
    output(Command::new("bpftool").args(["link", "detach", "pinned"]).arg(&link))?;
    until_within(PATIENCE, "it is attached again", || {
        Ok(events(&home, "interface_back")?.len() == 2)
    })?;
    let came = outcome(&mut siege, name::LINK_DETACHED, "all blocks; attached again by itself")?;
    ensure!(came.unprotected < UNTIL_NEXT_LOOK, "{came}");
    siege.nothing_is_lost()?;
    let lost = events(&home, "interface_lost")?.len();

    siege.begin(Held::Blocked)?;
    fs::remove_file(pins(&siege).join("links/native").join(BALANCER_INTERFACE))?;
    fs::remove_file(pins(&siege).join(map_name::SETTINGS))?;
    until_within(PATIENCE, "the pins are back", || {
        Ok(pins(&siege).join(map_name::SETTINGS).exists()
            && pins(&siege).join("links/native").join(BALANCER_INTERFACE).exists())
    })?;
    restart(&mut siege)?;
    siege.nothing_is_lost()?;
    outcome(
        &mut siege,
        name::PINS_REMOVED,
        "all blocks; pinned again, over a restart",
    )?
    .held()?;
    ensure!(events(&home, "interface_lost")?.len() == lost);

    // Where the agent is (`ip netns exec` gave it mounts of its own): the lab's own programs hang on the mount here.
    siege.begin(Held::Blocked)?;
    let mount = siege.topology().lab().bpf_directory();
    let pid = siege.agent()?.process().pid().to_string();
    output(
        Command::new("nsenter")
            .args(["--mount", "--target", &pid, "umount", "--lazy"])
            .arg(&mount),
    )?;
    until_within(PATIENCE, "it is mounted and pinned again where the agent is", || {
        let root = Path::new("/proc").join(&pid).join("root");
        let settings = pins(&siege).join(map_name::SETTINGS);
        Ok(root.join(settings.strip_prefix("/")?).exists())
    })?;
    siege.nothing_is_lost()?;
    home.ask(&["block-ip", "198.18.77.7", "--ttl", "1h"])?;
    thread::sleep(Duration::from_secs(1));
    ensure!(events(&home, "interface_lost")?.len() == lost);
    outcome(
        &mut siege,
        name::BPFFS_UNMOUNTED,
        "all blocks; mounted and pinned again",
    )?
    .held()
}
