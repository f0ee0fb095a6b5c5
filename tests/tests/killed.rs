//! The agent killed at every step of what it does (`agent::failpoint`), under a flood, with customers: protection does not lapse,
//! nothing is lost, the next start succeeds and tidies up.

use std::{
    collections::BTreeMap,
    env, fs,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use agent::failpoint::{Occasion, Point};
use anyhow::{Context as _, Result, bail, ensure};
use lab::{
    addresses::vips,
    alone,
    child::{Manner, Running},
    command,
    guarded::until_within,
    levee::Settings,
    siege::{Held, LISTED, Section, Siege},
    topology::BALANCER_INTERFACE,
};
use nix::sys::signal::Signal;
use xdp_common::map_name::PIN_VERSION;

/// For an agent that starts on a busy machine, and for a list that is read once a second.
const PATIENCE: Duration = Duration::from_secs(40);

/// A flood that has less left than this is followed by another one before an agent is started.
const ONE_START: Duration = Duration::from_secs(8);

/// How long the flood goes on once all is as it was.
const MEANWHILE: Duration = Duration::from_millis(200);

/// What is blocked while the agent is killed.
const BLOCKED_MEANWHILE: &str = "192.0.2.200";

/// Names of points, to try these alone: `KILLED_AT=link-pinned,pins-made cargo xtask test --test killed`.
const ONLY: &str = "KILLED_AT";

/// What a version before this one would have been called.
const OTHER_VERSION: u32 = PIN_VERSION - 1;

/// The siege, and what must be there after each kill.
struct Kills {
    siege: Siege,
    leftovers: BTreeMap<String, usize>,
    /// Which of two configurations, and which of two versions of the list.
    turn: bool,
}

impl Kills {
    fn lay() -> Result<Self> {
        let mut kills = Self {
            siege: Siege::lay(Section::Killed)?,
            leftovers: BTreeMap::new(),
            turn: false,
        };
        kills.ask_for_more()?;
        let kept = kills.siege.home().directory().join("state/lists/flood.list");
        until_within(PATIENCE, "the list is kept", || Ok(kept.exists()))?;
        // Twice: the first start makes what the second finds.
        kills.siege.kill_agent()?;
        kills.siege.start_agent()?;
        kills.leftovers = kills.left()?;
        Ok(kills)
    }

    /// A forced rung and a threshold, beside what the siege holds.
    fn ask_for_more(&self) -> Result<()> {
        let home = self.siege.home();
        home.ask(&["rung", &vips()[4].to_string(), "known", "--ttl", "2h"])?;
        home.ask(&[
            "threshold",
            "set",
            &vips()[5].to_string(),
            "--syn-rate",
            "7k/s",
            "--ttl",
            "2h",
        ])?;
        Ok(())
    }

    /// Every file and pin that there is, with numbers that differ from start to start left out.
    fn left(&self) -> Result<BTreeMap<String, usize>> {
        let mut left = BTreeMap::new();
        for root in [self.siege.home().directory().to_owned(), self.pins("")] {
            walk(&root, &root, &mut left)?;
        }
        Ok(left)
    }

    fn pins(&self, version: &str) -> PathBuf {
        self.siege.topology().lab().bpf_directory().join("levee").join(version)
    }

    /// Kills the agent at the point, starts another, and says what came of it.
    fn kill(&mut self, point: Point, occasion: Occasion, held: Held) -> Result<()> {
        if self.siege.time_left() < ONE_START {
            self.siege.begin(held)?;
        }
        self.prepare(occasion)?;
        self.come_to(point, occasion)?;
        if occasion.is_unprotected() {
            self.interface_is_free()?;
        }
        self.siege.keep_on(ONE_START)?;
        self.siege.start_agent()?;
        if occasion == Occasion::Install {
            self.siege.hold()?;
            self.ask_for_more()?;
        }
        self.nothing_is_lost(point, occasion)?;
        if occasion.is_unprotected() {
            self.siege.from_here()?;
        }
        self.siege.keep_on(Duration::from_secs(2))?;
        thread::sleep(MEANWHILE);
        let fault = format!("`{}` in {}", point.name(), occasion.words());
        let kept = match occasion {
            Occasion::Install => "nothing was there before; clean start",
            _ => "list, blocks, blackholes, rung, threshold, configuration; clean start",
        };
        self.siege.outcome(&fault, kept)?.held()
    }

    /// Brings the lab to where the agent's next step is the one in question.
    fn prepare(&mut self, occasion: Occasion) -> Result<()> {
        match occasion {
            Occasion::Install | Occasion::Boot => {
                self.siege.kill_agent()?;
                self.siege.home().ask(&["detach"])?;
                self.interface_is_free()?;
                if occasion == Occasion::Install {
                    let state = self.siege.home().directory().join("state");
                    fs::remove_dir_all(&state).with_context(|| format!("cannot remove {}", state.display()))?;
                }
            }
            Occasion::Upgrade => {
                self.siege.kill_agent()?;
                let (ours, other) = (format!("v{PIN_VERSION}"), format!("v{OTHER_VERSION}"));
                fs::rename(self.pins(&ours), self.pins(&other)).context("cannot rename the pins")?;
            }
            Occasion::Adoption
            | Occasion::Command
            | Occasion::Reload
            | Occasion::Refresh
            | Occasion::Stop
            | Occasion::Detach
            | Occasion::DetachAlone => self.siege.kill_agent()?,
        }
        Ok(())
    }

    /// Waits until the kernel has let go of the interface, unless its link is still pinned: it does so in a work queue, which the flood
    /// and other labs can hold up for longer than the next agent waits.
    fn interface_is_free(&self) -> Result<()> {
        let pin = self.pins(&format!("v{PIN_VERSION}/links/native/{BALANCER_INTERFACE}"));
        until_within(PATIENCE, "the kernel lets go of the interface", || {
            let mut ip = self.siege.topology().balancer().command("ip");
            let text = command::output(ip.args(["-details", "link", "show", "dev", BALANCER_INTERFACE]))?;
            Ok(pin.exists() || !text.contains("prog/xdp"))
        })
    }

    /// Has an agent come to the point, and waits until it has died there.
    fn come_to(&mut self, point: Point, occasion: Occasion) -> Result<()> {
        let home = self.siege.home();
        if occasion == Occasion::DetachAlone {
            let output = armed(home.command(&["detach"])?, point).output()?;
            return died(output.status, point, &String::from_utf8_lossy(&output.stderr));
        }
        let log = fs::OpenOptions::new().append(true).open(home.log())?;
        let mut command = armed(home.command(&["run"])?, point);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let mut running = Running::start(self.siege.topology().lab(), command, Manner::default())?;
        match occasion {
            Occasion::Install | Occasion::Boot | Occasion::Adoption | Occasion::Upgrade => {}
            Occasion::Refresh => {
                // Read as soon as it runs, and each second from then on: it may be dead before it answers.
                self.turn = !self.turn;
                self.write_list()?;
            }
            Occasion::Command => {
                self.answers(&mut running)?;
                // The answer never comes, or comes just before the end.
                let _cut_off = home
                    .command(&["block-ip", BLOCKED_MEANWHILE, "--ttl", "1h"])?
                    .output()?;
            }
            Occasion::Reload => {
                self.answers(&mut running)?;
                self.turn = !self.turn;
                home.configure(self.siege.topology().lab(), &self.siege.with_list(&self.settings()))?;
                let _cut_off = home.command(&["reload"])?.output()?;
            }
            Occasion::Stop => {
                self.answers(&mut running)?;
                running.signal(Signal::SIGTERM)?;
            }
            Occasion::Detach => {
                self.answers(&mut running)?;
                let _cut_off = home.command(&["detach"])?.output()?;
            }
            Occasion::DetachAlone => bail!("handled above"),
        }
        let status = running.wait(PATIENCE)?;
        died(status, point, &log_end(&home.log()))
    }

    fn answers(&self, running: &mut Running) -> Result<()> {
        until_within(PATIENCE, "the agent answers", || {
            if let Some(status) = running.ended()? {
                bail!("it ended before ({status}): {}", log_end(&self.siege.home().log()));
            }
            let output = self.siege.home().command(&["status"])?.output()?;
            Ok(output.status.success() && !String::from_utf8_lossy(&output.stdout).contains("not running"))
        })
    }

    /// Of the list there are two versions, which hold the same of the flood.
    fn write_list(&self) -> Result<()> {
        let [v4, v6] = LISTED;
        let more = if self.turn {
            v6.replace("/59", "/60") + "\n" + &v6.replace("::/59", ":10::/60")
        } else {
            v6.to_owned()
        };
        fs::write(self.siege.list(), format!("{v4}\n{more}\n")).context("cannot write the list")
    }

    fn settings(&self) -> Settings {
        Settings {
            address_syn_rate: if self.turn { 21_000 } else { 20_000 },
            source_syn_rate: if self.turn { 26 } else { 25 },
            ..Settings::default()
        }
    }

    /// Fails unless all is as it was asked for, as a whole, and nothing half done is left.
    fn nothing_is_lost(&self, point: Point, occasion: Occasion) -> Result<()> {
        let home = self.siege.home();
        self.siege.nothing_is_lost()?;
        let thresholds = home.ask(&["threshold", "get"])?;
        let configured = if occasion == Occasion::Reload && self.turn {
            "26"
        } else {
            "7k/s"
        };
        ensure!(
            thresholds.contains("7k/s") && thresholds.contains(configured),
            "thresholds: {thresholds}"
        );
        let rung = home.ask_json(&["rung", &vips()[4].to_string()])?;
        ensure!(rung[0]["rung"] == "known", "the forced rung: {rung}");
        if occasion == Occasion::Command {
            let list = home.ask(&["list"])?;
            ensure!(
                list.contains(BLOCKED_MEANWHILE),
                "{}: it was in force: {list}",
                point.name()
            );
            home.ask(&["unblock-ip", BLOCKED_MEANWHILE])?;
        }
        let mut left = self.left()?;
        let tidy = until_within(Duration::from_secs(5), "it is tidy", || {
            left = self.left()?;
            Ok(left == self.leftovers)
        });
        tidy.with_context(|| format!("there is {left:#?}, and should be {:#?}", self.leftovers))
    }
}

fn armed(mut command: Command, point: Point) -> Command {
    command.env("FAILPOINTS", format!("{}=return", point.name()));
    command
}

fn died(status: ExitStatus, point: Point, said: &str) -> Result<()> {
    ensure!(
        status.signal() == Some(Signal::SIGKILL as i32),
        "it did not come by `{}` ({status}); was it built by `cargo xtask test` or with `cargo build --package agent --features \
         fail-points`? It said: {said}",
        point.name()
    );
    Ok(())
}

fn log_end(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}

/// Adds everything below a directory. What comes and goes while an agent runs well is left out.
fn walk(root: &Path, directory: &Path, left: &mut BTreeMap<String, usize>) -> Result<()> {
    let listing = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    for entry in listing {
        let path = entry?.path();
        let name = path.strip_prefix(root)?.display().to_string();
        let passing = ["-wal", "-shm"].iter().any(|end| name.ends_with(end)) || name.starts_with("state/captures");
        if passing {
            continue;
        }
        let number = |character: char| character.is_ascii_digit();
        let is_answer = name.contains("/answers/");
        *left
            .entry(if is_answer {
                name.trim_end_matches(number).to_owned()
            } else {
                name
            })
            .or_default() += 1;
        if path.is_dir() {
            walk(root, &path, left)?;
        }
    }
    Ok(())
}

/// Kills at each point, on some of its occasions, and tells all that went wrong.
fn kill_at_each(occasions: impl Fn(Point) -> Vec<Occasion>, helds: &[Held]) -> Result<()> {
    let mut wrong = Vec::new();
    let mut kills = None;
    let mut turns = helds.iter().cycle();
    let only = env::var(ONLY).ok();
    let wanted = |point: &&Point| {
        only.as_ref()
            .is_none_or(|names| names.split(',').any(|name| name == point.name()))
    };
    for &point in Point::ALL.iter().filter(wanted) {
        for occasion in occasions(point) {
            let held = turns.next().copied().unwrap_or(Held::Blocked);
            let siege = match &mut kills {
                Some(siege) => siege,
                none => none.insert(Kills::lay()?),
            };
            if let Err(error) = siege.kill(point, occasion, held) {
                let what = format!("killed at `{}` in {}: {error:#}", point.name(), occasion.words());
                eprintln!("siege: {what}");
                wrong.push(what);
                // Who knows what it is like now.
                kills = None;
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn killed_at_every_point_protection_holds() -> Result<()> {
    let _turn = alone::wait()?;
    let first = |point: Point| point.occasions()[..1].to_vec();
    kill_at_each(first, &[Held::Blocked, Held::Blackholed])
}

/// The long form: `cargo xtask test --test killed -- --ignored`.
#[test]
#[ignore = "takes several minutes; every point on its first occasion is tried always"]
fn killed_at_every_point_on_every_occasion_protection_holds() -> Result<()> {
    let _turn = alone::wait()?;
    let all = |point: Point| point.occasions().to_vec();
    kill_at_each(all, &[Held::Blocked, Held::Blackholed])
}
