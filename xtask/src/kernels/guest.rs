//! One boot of a guest: QEMU without hardware's help, in a network namespace of its own, and what the guest says.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::qemu::Qemu;

/// How a guest is set up beside its kernel and disk.
#[derive(Clone, Copy)]
pub(super) struct Shape<'a> {
    /// More words for the kernel.
    pub(super) words: &'a str,
    /// Whether it has network interfaces (see [`NICS`]), for which this machine needs /dev/net/tun.
    pub(super) nics: bool,
}

/// A virtio-net interface of the guest: its MAC address' last byte, pairs of queues, and what QEMU is told of it.
struct Nic(u8, u32, &'static str);

/// The interfaces that attach.sh tries, by their MAC addresses 52:54:00:00:00:XX; all are on one bridge.
const NICS: [Nic; 4] = [
    // The customers' end.
    Nic(1, 1, ""),
    // A queue for each of two processors, and one more for each to answer by.
    Nic(2, 4, ",mq=on,vectors=10"),
    // A queue for each, and none to answer by.
    Nic(3, 2, ",mq=on,vectors=6"),
    // The driver cannot switch receive offloads off, which native XDP wants.
    Nic(4, 1, ",ctrl_guest_offloads=off"),
];

/// Memory of a guest; its disk is in it, too.
const MEMORY: &str = "3072";

/// Processors of a guest.
const CPUS: &str = "2";

/// What a guest said of one step.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    /// Its name.
    pub(super) name: String,
    /// Exit code; 137 when it took too long, `None` when the guest ended before it did.
    pub(super) code: Option<i32>,
    /// The guest's seconds.
    pub(super) seconds: f64,
    /// What it wrote to standard output.
    pub(super) output: Vec<String>,
    /// What it wrote to standard error, if it failed.
    pub(super) errors: Vec<String>,
}

/// What a boot came to.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Boot {
    /// `uname -r`.
    pub(super) release: String,
    /// The guest's seconds until it took the first step.
    pub(super) seconds: f64,
    /// The steps it took.
    pub(super) steps: Vec<Step>,
    /// It came to its end by itself.
    pub(super) done: bool,
}

/// Boots and listens until the guest powers off.
///
/// # Errors
///
/// When QEMU does not start, the guest does not boot, or is not done within `patience`.
pub(super) fn boot(image: &Path, disk: &Path, shape: Shape<'_>, patience: Duration, directory: &Path) -> Result<Boot> {
    let console = directory.join("console.log");
    let mut qemu = start(&Qemu::find(directory), image, disk, shape, &console)?;
    let (tell, told) = mpsc::channel();
    let output = qemu.stdout.take().context("QEMU has no output")?;
    let reader = thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            if tell.send(String::from_utf8_lossy(&line).trim_end().to_owned()).is_err() {
                break;
            }
        }
    });
    let heard = listen(&told, patience);
    // It has powered off, or it has to.
    let _gone = qemu.kill();
    qemu.wait().context("waiting for QEMU")?;
    drop(told);
    let _ended = reader.join();
    let boot = heard?;
    if boot.release.is_empty() {
        bail!(
            "the guest did not come up; the end of its console:\n{}",
            end_of(&console)
        );
    }
    if !boot.done {
        eprintln!(
            "the guest ended before its steps did; the end of its console:\n{}",
            end_of(&console)
        );
    }
    Ok(boot)
}

fn listen(told: &mpsc::Receiver<String>, patience: Duration) -> Result<Boot> {
    let end = Instant::now() + patience;
    let mut heard = Heard::default();
    loop {
        match told.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => heard.take(&line),
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(heard.boot),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                bail!(
                    "the guest is not done after {} s; last: {:?}",
                    patience.as_secs(),
                    heard.boot.steps.last()
                )
            }
        }
    }
}

/// The guest's words so far, see init.sh.
#[derive(Default)]
struct Heard {
    boot: Boot,
    began: f64,
    within: bool,
}

impl Heard {
    fn take(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let seconds = |text: &str| text.parse().unwrap_or(0.0);
        match words[..] {
            ["@@", "booted", release, at] => {
                release.clone_into(&mut self.boot.release);
                self.boot.seconds = seconds(at);
            }
            ["@@", "begin", name, at] => {
                eprint!("    {name} ..");
                self.began = seconds(at);
                self.within = true;
                self.boot.steps.push(Step {
                    name: name.to_owned(),
                    code: None,
                    seconds: 0.0,
                    output: Vec::new(),
                    errors: Vec::new(),
                });
            }
            ["@@", "end", _, code, at] => {
                let took = seconds(at) - self.began;
                eprintln!(" {}, {took:.1} s", if code == "0" { "ok" } else { "FAILED" });
                self.within = false;
                if let Some(step) = self.boot.steps.last_mut() {
                    step.code = code.parse().ok();
                    step.seconds = took;
                    step.errors.iter().for_each(|line| eprintln!("      {line}"));
                }
            }
            ["@@", "done"] => self.boot.done = true,
            _ => self.keep(line),
        }
    }

    fn keep(&mut self, line: &str) {
        let Some(step) = self.boot.steps.last_mut().filter(|_| self.within) else {
            return;
        };
        match line.strip_prefix("@! ") {
            Some(error) => step.errors.push(error.to_owned()),
            None => step.output.push(line.to_owned()),
        }
    }
}

/// The namespace goes with QEMU, and the bridge in it.
fn start(qemu: &Qemu, image: &Path, disk: &Path, shape: Shape<'_>, console: &Path) -> Result<Child> {
    let mut set_up = String::from("set -eu\nip link add bridge type bridge\nip link set bridge up\n");
    let mut devices = Vec::new();
    for Nic(number, pairs, options) in NICS.into_iter().filter(|_| shape.nics) {
        let several = if pairs > 1 { " multi_queue" } else { "" };
        set_up.push_str(&format!(
            "ip tuntap add dev tap{number} mode tap vnet_hdr{several}\nip link set tap{number} master bridge up\n"
        ));
        let queues = if pairs > 1 {
            format!(",queues={pairs}")
        } else {
            String::new()
        };
        devices.push(format!(
            "-netdev tap,id=n{number},ifname=tap{number},script=no,downscript=no{queues}"
        ));
        devices.push(format!(
            "-device virtio-net-pci,netdev=n{number},mac=52:54:00:00:00:{number:02x},romfile={options}"
        ));
    }
    set_up.push_str("exec \"$@\"\n");
    let mut command = Command::new("setpriv");
    command
        // However this process ends, the guest ends with it.
        .args([
            "--pdeathsig",
            "KILL",
            "unshare",
            "--net",
            "sh",
            "-c",
            &set_up,
            "guest",
            // For QEMU alone, not for what sets its network up.
            "env",
        ])
        .args(qemu.environment.iter().map(|(name, value)| format!("{name}={value}")))
        .arg(&qemu.program)
        .args(
            qemu.firmware
                .iter()
                .flat_map(|directory| [OsStr::new("-L"), directory.as_os_str()]),
        )
        // `max` is all that the emulation knows; without it the kernel has fewer instructions than any machine of these years.
        .args(["-accel", "tcg,thread=multi", "-cpu", "max", "-m", MEMORY])
        .args(["-smp", CPUS])
        .args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"])
        .args(["-serial", &format!("file:{}", console.display()), "-serial", "stdio"])
        .arg("-kernel")
        .arg(image)
        .arg("-initrd")
        .arg(disk)
        .args([
            "-append",
            &format!("console=ttyS0 panic=-1 quiet levee.guest {}", shape.words),
        ]);
    for device in &devices {
        command.args(device.split(' '));
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start QEMU")
}

fn end_of(console: &Path) -> String {
    let text = fs::read(console).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_guest_says_becomes_steps() {
        let mut heard = Heard::default();
        for line in [
            "noise before",
            "@@ booted 6.1.0 3.50",
            "@@ begin packets 4.00",
            "test one ... ok",
            "@! it broke",
            "@@ end packets 101 6.50",
            "noise between",
            "@@ begin last 7.00",
            "cut off",
        ] {
            heard.take(line);
        }
        let boot = heard.boot;
        assert_eq!((boot.release.as_str(), boot.seconds, boot.done), ("6.1.0", 3.5, false));
        assert_eq!(boot.steps.len(), 2);
        assert_eq!((boot.steps[0].code, boot.steps[0].seconds), (Some(101), 2.5));
        assert_eq!(boot.steps[0].output, ["test one ... ok"]);
        assert_eq!(boot.steps[0].errors, ["it broke"]);
        assert_eq!(
            (boot.steps[1].code, &boot.steps[1].output[..]),
            (None, &["cut off".to_owned()][..])
        );
    }
}
