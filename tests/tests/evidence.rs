//! What people get of an attack, in the lab: a hook is told within a second, `agent capture` shows what is dropped and what passes, and
//! the first dropped headers are kept. Wireshark's own tools read the files.

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use lab::{
    alone,
    command::output,
    guarded::{self, Guarded, allow_cookies, until},
    levee::Settings,
    server,
    topology::Topology,
};

/// UDP packets per second that an address takes; the rest is dropped.
const UDP_PPS: u32 = 2_000;
/// A message is handed over within this.
const AT_ONCE: Duration = Duration::from_secs(1);

/// One packet, as tshark reads it.
#[derive(Debug)]
struct Frame {
    comment: String,
    interface: String,
    destination: String,
    length: u32,
    captured: u32,
}

fn frames(file: &Path) -> Result<Vec<Frame>> {
    let mut tshark = Command::new("tshark");
    tshark
        .arg("-r")
        .arg(file)
        .args(["-n", "-T", "fields", "-E", "separator=\t", "-E", "occurrence=f"]);
    for field in [
        "frame.comment",
        "frame.interface_name",
        "ip.dst",
        "ipv6.dst",
        "frame.len",
        "frame.cap_len",
    ] {
        tshark.args(["-e", field]);
    }
    let text = output(&mut tshark)?;
    let parse = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [comment, interface, v4, v6, length, captured] = *fields.as_slice() else {
            return None;
        };
        Some(Frame {
            comment: comment.to_owned(),
            interface: interface.to_owned(),
            destination: if v4.is_empty() { v6 } else { v4 }.to_owned(),
            length: length.parse().ok()?,
            captured: captured.parse().ok()?,
        })
    };
    text.lines()
        .map(|line| parse(line).with_context(|| format!("tshark printed {line:?}")))
        .collect()
}

/// A capture of an address, in a file that is read when the flood is over.
fn capture(lab: &Guarded, address: IpAddr, name: &str, arguments: &[&str]) -> Result<PathBuf> {
    let file = lab.topology().lab().path(&format!("{name}-{address}.pcapng"));
    let (target, out) = (address.to_string(), file.display().to_string());
    let printed = lab
        .home()
        .ask(&[&["capture", &target, "--out", &out], arguments].concat())?;
    assert_eq!(printed, "", "packets go to the file, sentences to standard error");
    Ok(file)
}

/// What is in such a file, with what holds of every packet.
fn captured(file: &Path, address: IpAddr) -> Result<Vec<Frame>> {
    output(Command::new("capinfos").arg(file))?;
    let frames = frames(file)?;
    for frame in &frames {
        ensure!(
            frame.destination == address.to_string(),
            "{frame:?} does not go to {address}"
        );
        ensure!(
            frame.captured <= frame.length && frame.captured <= 14 + 40 + 60,
            "{frame:?} is more than headers"
        );
        ensure!(!frame.interface.is_empty(), "{frame:?}");
    }
    Ok(frames)
}

fn start(told: &Path) -> Result<Guarded> {
    let topology = Topology::routed()?;
    allow_cookies(topology.server())?;
    let usual = guarded::settings();
    let hook = format!("printf '%s %s\\\\n' $(date +%s%N) \\\"$(cat)\\\" >> {}", told.display());
    let writable = told.parent().context("a directory")?;
    let more = format!(
        "{}\n[privileges]\nwritable = [{writable:?}]\n\n[thresholds.udp]\npackets = \"{UDP_PPS}/s\"\n\n[captures]\nheaders = 30\n\n[[notify]]\nname = \"hook\"\nkind = \"exec\"\n\
         command = [\"/bin/sh\", \"-c\", \"{hook}\"]\nevents = [\"attack_started\"]\n",
        usual.more
    );
    Guarded::start(topology, &Settings { more, ..usual })
}

/// When each attack was told, after its event.
fn delays(told: &Path) -> Result<Vec<Duration>> {
    let text = fs::read_to_string(told).unwrap_or_default();
    let delay = |line: &str| {
        let (at, message) = line.split_once(' ').context("a time and a message")?;
        let message: serde_json::Value = serde_json::from_str(message)?;
        ensure!(message["event"] == "attack_started", "{message}");
        let happened: jiff::Timestamp = message["at"].as_str().context("a time")?.parse()?;
        let late = at.parse::<i128>()? - happened.as_nanosecond();
        Ok(Duration::from_nanos(u64::try_from(late)?))
    };
    text.lines().map(delay).collect()
}

#[test]
fn an_attack_is_told_and_captured() -> Result<()> {
    let _turn = alone::wait()?;
    let directory = tempfile::tempdir()?;
    let told = directory.path().join("told");
    let lab = start(&told)?;
    let addresses = guarded::targets(server::PORT).map(|target| target.ip());
    let flood = lab.flood(
        &addresses,
        &["--sources", "spoofed", "--udp", "--port", "0"],
        40_000,
        20,
    )?;
    until("both attacks are told", || Ok(delays(&told)?.len() == 2))?;
    // From here on it must go on: how long it takes to begin is not the matter.
    let delays = delays(&told)?;
    eprintln!("told {delays:?} after the event");
    assert!(delays.iter().all(|delay| *delay < AT_ONCE), "{delays:?}");
    let mut files = Vec::new();
    for address in addresses {
        let dropped = capture(&lab, address, "dropped", &["--dropped", "--count", "20"])?;
        let passed = capture(&lab, address, "passed", &["--passed", "--count", "50"])?;
        files.push((address, dropped, passed));
    }
    let both = capture(&lab, addresses[0], "both", &["--count", "100000", "--time", "2s"])?;
    guarded::end(flood)?;
    for (address, dropped, passed) in files {
        let dropped = captured(&dropped, address)?;
        let passed = captured(&passed, address)?;
        assert!(
            dropped.len() == 20 && dropped.iter().all(|frame| frame.comment == "dropped: udp_rate"),
            "{dropped:?}"
        );
        assert!(
            passed.len() == 50 && passed.iter().all(|frame| frame.comment == "passed"),
            "{passed:?}"
        );
    }
    let both = captured(&both, addresses[0])?;
    let passed = both.iter().filter(|frame| frame.comment == "passed").count();
    eprintln!(
        "{passed} of {} passed, of a thousand a second that are looked at",
        both.len()
    );
    assert!(
        (100..=2_300).contains(&passed) && both.len() > passed,
        "{passed} of {}",
        both.len()
    );
    let refused = lab.home().command(&["capture", "192.0.2.77"])?.output()?;
    let message = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && message.contains("is not protected"),
        "{message}"
    );
    let kept = lab.home().config().with_file_name("state").join("captures");
    for (number, _) in addresses.iter().enumerate() {
        let file = kept.join(format!("attack-{}.pcapng", number + 1));
        let found = frames(&file)?;
        assert_eq!(found.len(), 30, "captures.headers");
        let of = &found[0].destination;
        assert!(
            found
                .iter()
                .all(|frame| frame.destination == *of && frame.comment == "dropped: udp_rate"),
            "{found:?}"
        );
    }
    Ok(())
}
