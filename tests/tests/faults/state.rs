//! The state directory is full, read-only, gone, or holds garbage.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use lab::{
    alone,
    faults::name,
    guarded::until_within,
    siege::{Held, Section, Siege},
};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::{PATIENCE, outcome, restart, status_says, try_ask, with_all_rights};

/// A threshold that only the ledger knows.
const THRESHOLD: &str = "23456";

/// A small file system at a directory, which goes with this.
struct Small(PathBuf);

impl Small {
    fn at(directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory)?;
        let small = Self(directory.to_owned());
        small.mount(MsFlags::empty(), "size=16m")?;
        Ok(small)
    }

    fn mount(&self, flags: MsFlags, options: &str) -> Result<()> {
        mount(Some("tmpfs"), &self.0, Some("tmpfs"), flags, Some(options))
            .with_context(|| format!("cannot mount {} with {options}", self.0.display()))
    }

    fn fill(&self) -> Result<()> {
        let filler = format!("of={}", self.0.join("filler").display());
        let filled = Command::new("dd")
            .args(["if=/dev/zero", "bs=4k", "status=none", &filler])
            .output()?;
        ensure!(!filled.status.success(), "it is not full");
        Ok(())
    }

    fn empty(&self) -> Result<()> {
        Ok(fs::remove_file(self.0.join("filler"))?)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // A test that failed early has said so.
        let _gone = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

fn state(siege: &Siege) -> PathBuf {
    siege.home().directory().join("state")
}

fn keeps_threshold(siege: &Siege) -> Result<()> {
    let told = siege.home().ask(&["threshold", "get"])?;
    ensure!(
        told.contains("23456/s") || told.contains("23.456k/s") || told.contains("23456"),
        "{told}"
    );
    Ok(())
}

#[test]
fn full_and_read_only() -> Result<()> {
    let _turn = alone::wait()?;
    let mut siege = Siege::lay(Section::Faults)?;
    let home = siege.home();
    siege.kill_agent()?;
    let small = Small::at(&state(&siege))?;
    siege.start_agent()?;

    siege.begin(Held::Blocked)?;
    small.fill()?;
    let (code, said) = try_ask(
        &home,
        &[
            "block-ip",
            "198.18.77.7",
            "--ttl",
            "1h",
            "--reason",
            "x".repeat(200).as_str(),
        ],
    )?;
    ensure!(code == Some(0) && said.contains("not recorded yet"), "{code:?}: {said}");
    home.ask(&["threshold", "set", "198.51.100.10", "--syn-rate", THRESHOLD])?;
    ensure!(status_says(&home, "cannot record")?, "{}", home.ask(&["status"])?);
    small.empty()?;
    until_within(PATIENCE, "the ledger is healthy again", || {
        Ok(!status_says(&home, "cannot record")?)
    })?;
    restart(&mut siege)?;
    keeps_threshold(&siege)?;
    ensure!(home.ask(&["list"])?.contains("198.18.77.7"));
    siege.nothing_is_lost()?;
    outcome(
        &mut siege,
        name::DISK_FULL,
        "all blocks, thresholds and the journal, once there was room",
    )?
    .held()?;

    siege.kill_agent()?;
    small.fill()?;
    siege.start_agent()?;
    siege.nothing_is_lost()?;
    outcome(&mut siege, name::DISK_FULL_AT_START, "all blocks")?.held()?;

    siege.begin(Held::Blocked)?;
    siege.kill_agent()?;
    small.empty()?;
    small.mount(MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY, "size=16m")?;
    siege.start_agent()?;
    ensure!(status_says(&home, "memory only")?, "{}", home.ask(&["status"])?);
    home.ask(&["block-ip", "198.18.77.8", "--ttl", "1h"])?;
    siege.kill_agent()?;
    small.mount(MsFlags::MS_REMOUNT, "size=16m")?;
    siege.start_agent()?;
    siege.nothing_is_lost()?;
    keeps_threshold(&siege)?;
    ensure!(home.ask(&["list"])?.contains("198.18.77.8"), "adopted from the kernel");
    outcome(&mut siege, name::READ_ONLY, "all blocks and thresholds")?.held()
}

#[test]
fn deleted_and_corrupt() -> Result<()> {
    let _turn = alone::wait()?;
    let mut siege = Siege::lay_with(Section::Faults, &with_all_rights())?;
    let home = siege.home();
    home.ask(&["threshold", "set", "198.51.100.10", "--syn-rate", THRESHOLD])?;
    siege.begin(Held::Blocked)?;

    fs::remove_dir_all(state(&siege))?;
    until_within(PATIENCE, "the ledger is there again", || {
        Ok(state(&siege).join("ledger.db").exists())
    })?;
    home.ask(&["block-ip", "198.18.77.9", "--ttl", "1h"])?;
    restart(&mut siege)?;
    siege.nothing_is_lost()?;
    keeps_threshold(&siege)?;
    ensure!(home.ask(&["list"])?.contains("198.18.77.9"));
    outcome(&mut siege, name::STATE_DELETED, "all blocks and thresholds")?.held()?;

    let mut spoiled = 0;
    for spoil in [cut, garbage, newer, of_somebody_else] {
        siege.begin(Held::Blocked)?;
        siege.kill_agent()?;
        for file in files(&state(&siege))? {
            spoil(&file)?;
            spoiled += 1;
        }
        siege.start_agent()?;
        siege.nothing_is_lost()?;
    }
    outcome(
        &mut siege,
        name::STATE_CORRUPT,
        "all blocks (from the kernel); the files kept aside",
    )?
    .held()?;
    ensure!(spoiled >= 8, "{spoiled} files");
    let kept = files(&state(&siege))?;
    ensure!(
        kept.iter().any(|file| file.to_string_lossy().contains("unreadable")),
        "{kept:?}"
    );
    Ok(())
}

/// Every file of the state directory that is no remain of an earlier fault.
fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(self::files(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

fn cut(file: &Path) -> Result<()> {
    let length = fs::metadata(file)?.len();
    Ok(fs::OpenOptions::new().write(true).open(file)?.set_len(length / 2)?)
}

fn garbage(file: &Path) -> Result<()> {
    Ok(fs::write(file, b"\0\xff{]this was a file once\n".repeat(400))?)
}

/// A database says so in its header (`user_version`); the others are read as they are.
fn newer(file: &Path) -> Result<()> {
    let mut bytes = fs::read(file)?;
    if bytes.starts_with(b"SQLite format 3") {
        bytes[60..64].copy_from_slice(&9_999_u32.to_be_bytes());
        fs::write(file, bytes)?;
    }
    Ok(())
}

fn of_somebody_else(file: &Path) -> Result<()> {
    chown(file, Some(65_534), Some(65_534))?;
    Ok(fs::set_permissions(file, fs::Permissions::from_mode(0o000))?)
}
