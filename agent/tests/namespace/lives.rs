//! The agent's binary over its lives: what it takes over, leaves, and takes off, with a kernel and an interface.

use std::{
    fs,
    net::TcpStream,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use aya::programs::links::{FdLink, PinnedLink};
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
    sys::signal::Signal,
};
use serde_json::Value;

use crate::{PORT, V4, V6, in_namespace, ip, listen, plan};

/// Time for the verifier on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// A place for an agent: a BPF file system that goes with the namespace, an interface, a configuration.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        unshare(CloneFlags::CLONE_NEWNS).expect("mounts of its own: this test needs root");
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>).expect("private mounts");
        ip("link add outside type veth peer name inside");
        ip("link set inside up");
        ip("link set outside up");
        let place = Self {
            directory: tempfile::tempdir().expect("directory"),
        };
        let at = place.directory.path().display();
        let config = format!(
            "mode = \"enforce\"\ninterfaces = [\"inside\"]\nprotect = [\"{V4}\", \"{V6}\"]\n[control]\nsocket = \"{at}/socket\"\n\
             [metrics]\nlisten = \"off\"\n[state]\ndirectory = \"{at}/state\"\n[kernel]\nbpffs = \"{at}/bpf\"\n"
        );
        fs::write(place.config(), config).expect("writes");
        place
    }

    fn config(&self) -> PathBuf {
        self.directory.path().join("agent.toml")
    }

    fn pins(&self, version: &str) -> PathBuf {
        self.directory.path().join("bpf/levee").join(version)
    }

    fn own_pins(&self) -> PathBuf {
        self.pins(&format!("v{}", xdp_common::map_name::PIN_VERSION))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_agent"));
        command.arg("--config").arg(self.config()).args(arguments);
        command
    }

    /// What a command prints as JSON.
    fn ask(&self, arguments: &[&str]) -> Value {
        let output = self
            .command(&[&["--json"][..], arguments].concat())
            .output()
            .expect("runs");
        let (text, errors) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(output.status.success(), "{arguments:?}: {errors}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
    }

    /// Asks until the answer is as it is to be, or patience ends.
    fn wait_for(&self, arguments: &[&str], wanted: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let answer = self.ask(arguments);
            if wanted(&answer) || Instant::now() > end {
                return answer;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Starts the agent and waits until it answers.
    fn run(&self) -> Running {
        let mut command = self.command(&["run"]);
        let log = fs::File::create(self.directory.path().join("log")).expect("a log");
        command.stdout(Stdio::null()).stderr(log);
        // SAFETY: one system call between fork and exec, which needs no memory and takes no lock.
        unsafe {
            command.pre_exec(|| nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(Into::into));
        }
        let mut running = Running(command.spawn().expect("starts"));
        let end = Instant::now() + PATIENCE;
        while std::os::unix::net::UnixStream::connect(self.directory.path().join("socket")).is_err() || !self.answers()
        {
            assert!(Instant::now() < end, "it never answered: {}", self.log());
            assert!(
                running.0.try_wait().expect("waits").is_none(),
                "it ended: {}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        running
    }

    fn answers(&self) -> bool {
        self.command(&["status"])
            .output()
            .is_ok_and(|output| output.status.success())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

/// An agent, killed when this goes.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, which is as well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The kernel's id of a pinned link.
fn link_id(path: &Path) -> u32 {
    let link = PinnedLink::from_pin(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    FdLink::from(link).info().expect("a link").id()
}

fn rung_of(place: &Place, address: std::net::IpAddr) -> Value {
    let rungs = place.ask(&["rung", &address.to_string()]);
    rungs[0]["rung"].clone()
}

#[test]
fn handshakes_are_counted_and_a_restart_keeps_its_links() {
    in_namespace(|| {
        let place = Place::new();
        let _listener = listen(plan(V4));
        let running = place.run();
        TcpStream::connect((V4, PORT)).expect("connects");
        let interface = link_id(&place.own_pins().join("links/native/inside"));
        let handshake = link_id(&place.own_pins().join("links/handshake"));
        drop(running);
        TcpStream::connect((V4, PORT)).expect("connects without the agent");
        let _running = place.run();
        assert_eq!(link_id(&place.own_pins().join("links/native/inside")), interface);
        assert_eq!(
            link_id(&place.own_pins().join("links/handshake")),
            handshake,
            "not attached twice"
        );
        TcpStream::connect((V4, PORT)).expect("connects");
        let stats = place.wait_for(&["stats", &V4.to_string()], |stats| {
            stats["addresses"][0]["handshakes"] == 3
        });
        assert_eq!(stats["addresses"][0]["handshakes"], 3, "{stats}");
    });
}

#[test]
fn a_link_of_another_version_is_taken_over() {
    in_namespace(|| {
        let place = Place::new();
        let running = place.run();
        place.ask(&["rung", &V4.to_string(), "known"]);
        let interface = link_id(&place.own_pins().join("links/native/inside"));
        drop(running);
        fs::rename(place.own_pins(), place.pins("v1")).expect("as if another version had pinned it");
        let refused = place.command(&["rung"]).output().expect("runs");
        assert!(
            String::from_utf8_lossy(&refused.stderr).contains("another version"),
            "{refused:?}"
        );
        let _running = place.run();
        assert_eq!(
            link_id(&place.own_pins().join("links/native/inside")),
            interface,
            "{}",
            place.log()
        );
        assert!(!place.pins("v1").exists(), "{}", place.log());
        assert_eq!(rung_of(&place, V4), "known", "by the ledger");
    });
}

#[test]
fn rungs_are_forced_without_the_agent_and_adopted_by_it() {
    in_namespace(|| {
        let place = Place::new();
        drop(place.run());
        place.ask(&["rung", &V6.to_string(), "verify", "--ttl", "10m"]);
        assert_eq!(rung_of(&place, V6), "verify");
        assert_eq!(rung_of(&place, V4), "limit");
        let _running = place.run();
        let rungs = place.ask(&["rung"]);
        assert_eq!(rungs[1]["rung"], "verify", "{rungs}");
        assert_eq!(rungs[1]["forced"]["actor"], "adopted", "{rungs}");
    });
}

#[test]
fn detach_leaves_nothing_with_the_agent_or_without() {
    in_namespace(|| {
        let place = Place::new();
        let running = place.run();
        place.ask(&["detach"]);
        assert!(!place.own_pins().exists());
        drop(running);
        drop(place.run());
        assert!(place.own_pins().exists());
        fs::rename(place.own_pins(), place.pins("v1")).expect("as if another version had pinned it");
        place.ask(&["detach"]);
        assert!(!place.pins("v1").exists());
    });
}

#[test]
fn a_listener_that_comes_is_known_within_seconds() {
    in_namespace(|| {
        let place = Place::new();
        let _running = place.run();
        assert_eq!(place.ask(&["listeners"])["listeners"], Value::Array(Vec::new()));
        let _listener = listen(plan(V6));
        let told = place.wait_for(&["listeners"], |told| told["listeners"] != Value::Array(Vec::new()));
        let listeners = &told["listeners"];
        assert_eq!(listeners[0]["port"], PORT, "{listeners}");
        assert_eq!(listeners[0]["timestamps"], true, "{listeners}");
    });
}
