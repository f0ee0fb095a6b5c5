//! What was on the wire: captured by tcpdump, taken apart by tshark with every checksum verified.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::signal::Signal;

use crate::{
    child::{Manner, Running},
    command::output,
    lab::Lab,
    netns::Netns,
};

/// A capture that runs.
#[derive(Debug)]
pub struct Capture {
    tcpdump: Running,
    file: PathBuf,
}

/// One captured frame with a TCP segment, as tshark understands it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dissected {
    /// Its number in the capture, from 1.
    pub number: u32,
    /// Source address.
    pub source: String,
    /// Flag byte of TCP; with the ECN flags.
    pub flags: u16,
    /// VLAN identifier, if it has a tag.
    pub vlan: Option<u16>,
    /// Whether every checksum in it is right.
    pub sound: bool,
    /// Whatever tshark found malformed.
    pub malformed: String,
    /// Info line, for messages.
    pub summary: String,
}

impl Capture {
    /// Starts to capture TCP that comes in by an interface and matches `filter` (in the language of pcap).
    ///
    /// # Errors
    /// tcpdump does not start.
    pub fn start(lab: &Lab, namespace: &Netns, interface: &str, filter: &str) -> Result<Self> {
        let file = lab.path(&format!("{interface}.pcap"));
        let mut command = namespace.command("tcpdump");
        command.args([
            "-i",
            interface,
            "--immediate-mode",
            "-Q",
            "in",
            "-p",
            "-s",
            "0",
            "-Z",
            "root",
            "-U",
            "-w",
        ]);
        command.arg(&file).arg(filter);
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        let mut tcpdump = Running::start(lab, command, Manner::default())?;
        let messages = tcpdump
            .child()
            .stderr
            .take()
            .context("tcpdump without standard error")?;
        let mut messages = BufReader::new(messages);
        let mut said = String::new();
        // It says so when it listens.
        while !said.contains("listening on") {
            ensure!(messages.read_line(&mut said)? > 0, "tcpdump: {said}");
        }
        // What it says later goes nowhere, but it must have somewhere to say it.
        thread::spawn(move || {
            for line in messages.lines() {
                if line.is_err() {
                    break;
                }
            }
        });
        Ok(Self { tcpdump, file })
    }

    /// Ends the capture and has tshark take it apart.
    ///
    /// # Errors
    /// tcpdump or tshark fails.
    pub fn finish(mut self) -> Result<Vec<Dissected>> {
        // tcpdump may not have been on a core since the last frame.
        thread::sleep(Duration::from_millis(200));
        self.tcpdump.signal(Signal::SIGINT)?;
        self.tcpdump.wait(Duration::from_secs(5))?;
        let mut tshark = Command::new("tshark");
        tshark.arg("-r").arg(&self.file);
        tshark.args(["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"]);
        // A handshake whose answers are cookies looks odd to its bookkeeping; the frames are what matters here.
        tshark.args(["-o", "tcp.analyze_sequence_numbers:FALSE", "-n"]);
        tshark.args(["-T", "fields", "-E", "separator=\t", "-E", "occurrence=f"]);
        for field in [
            "frame.number",
            "ip.src",
            "ipv6.src",
            "tcp.flags",
            "vlan.id",
            "ip.checksum.status",
            "tcp.checksum.status",
            "_ws.malformed",
            "_ws.expert.severity",
            "_ws.expert.message",
            "_ws.col.Info",
        ] {
            tshark.args(["-e", field]);
        }
        let text = output(&mut tshark)?;
        text.lines()
            .map(|line| parse(line).with_context(|| format!("tshark printed {line:?}")))
            .collect()
    }
}

/// Fails unless every frame is sound.
///
/// # Errors
/// A checksum is wrong, or a frame is malformed.
pub fn ensure_sound(frames: &[Dissected]) -> Result<()> {
    let bad: Vec<&Dissected> = frames
        .iter()
        .filter(|frame| !frame.sound || !frame.malformed.is_empty())
        .collect();
    if bad.is_empty() {
        return Ok(());
    }
    bail!(
        "{} of {} frames are not sound, the first: {:?}",
        bad.len(),
        frames.len(),
        bad[0]
    )
}

fn parse(line: &str) -> Option<Dissected> {
    /// `ip.checksum.status` and `tcp.checksum.status` of a checksum that is right.
    const GOOD: &str = "1";
    /// Severity of what breaks a protocol, in tshark's numbering.
    const ERROR: u32 = 8_388_608;
    let fields: Vec<&str> = line.split('\t').collect();
    let [
        number,
        v4,
        v6,
        flags,
        vlan,
        ip_sum,
        tcp_sum,
        malformed,
        severity,
        message,
        summary,
    ] = *fields.as_slice()
    else {
        return None;
    };
    let broken = severity.parse().unwrap_or(0) >= ERROR;
    Some(Dissected {
        number: number.parse().ok()?,
        source: if v4.is_empty() { v6 } else { v4 }.to_owned(),
        flags: u16::from_str_radix(flags.strip_prefix("0x")?, 16).ok()?,
        vlan: vlan.parse().ok(),
        // IPv6 has no checksum of its own.
        sound: (ip_sum == GOOD || v4.is_empty()) && tcp_sum == GOOD,
        malformed: if malformed.is_empty() && !broken {
            String::new()
        } else {
            format!("{malformed} {message}").trim().to_owned()
        },
        summary: summary.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_line_of_tshark_is_understood() {
        let line = "7\t198.51.100.10\t\t0x0012\t100\t1\t1\t\t2097152\tConnection establish\t80 > 4000 [SYN, ACK]";
        let frame = parse(line).expect("a sound line");
        assert!(frame.sound && frame.malformed.is_empty() && frame.vlan == Some(100) && frame.flags == 0x12);
        let wrong = line.replace("\t1\t1\t", "\t1\t0\t");
        assert!(!parse(&wrong).expect("a sound line").sound);
        let broken = line.replace("2097152", "8388608");
        assert!(!parse(&broken).expect("a sound line").malformed.is_empty());
    }
}
