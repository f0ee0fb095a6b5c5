//! The fuzzer: how it is built, and what it is asked to do.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use xtask::bpf;

use super::{cargo_there, targets};
use crate::run::{binaries, run};

/// The triple that a sanitizer's build is for: naming one keeps its flags from build scripts.
const TRIPLE: &str = "x86_64-unknown-linux-gnu";
/// One input must not take longer, seconds; the first one of `kernel` loads the program, on a machine that may be busy.
const INPUT_AT_MOST: u32 = 120;
/// Memory of the fuzzer, MiB.
const MEMORY: u32 = 3_072;
/// A finding is made shorter until nothing shorter was found for so long, seconds.
const SHORTEN: u32 = 20;

/// The built fuzzer.
#[derive(Debug)]
pub(super) struct Fuzzer {
    program: PathBuf,
    /// Corpora and findings.
    directory: PathBuf,
}

impl Fuzzer {
    pub(super) fn build(asan: bool) -> Result<Self> {
        lock_file()?;
        let target = target_directory()?;
        let mut cargo = cargo_there();
        cargo.arg("build");
        let program = if asan {
            ensure!(cfg!(target_arch = "x86_64"), "--asan is for x86-64");
            cargo
                .args(["--target", TRIPLE])
                .env("CARGO_TARGET_DIR", target.join("fuzz/asan"))
                // Of this child alone: the stable compiler has the sanitizer, and no stable flag for it.
                .env("RUSTC_BOOTSTRAP", "1")
                .env("RUSTFLAGS", "-Zsanitizer=address -Cforce-frame-pointers");
            target.join("fuzz/asan").join(TRIPLE).join("debug/levee-fuzz")
        } else {
            cargo.env("CARGO_TARGET_DIR", &target);
            target.join("debug/levee-fuzz")
        };
        run(cargo.env("RUSTC_WRAPPER", targets::directory().join("instrument")))?;
        Ok(Self {
            program,
            directory: target.join("fuzz"),
        })
    }

    /// Chooses inputs for a while.
    pub(super) fn fuzz(&self, target: &str, time: Duration) -> Result<()> {
        let corpus = self.corpus(target)?;
        let most = format!("-max_total_time={}", time.as_secs());
        let longest = longest(target)?;
        run(self
            .command(target)?
            .args([&most, &longest, "-print_final_stats=1"])
            .arg(corpus))
    }

    /// Gives one input.
    pub(super) fn give(&self, target: &str, input: &Path) -> Result<()> {
        run(self.command(target)?.arg(input))
    }

    /// The same failure by a shorter input.
    pub(super) fn shorten(&self, target: &str, input: &Path) -> Result<PathBuf> {
        let short = input.with_extension("short");
        if short == input {
            bail!(
                "{} is a shortened one: name the file that it was made of",
                input.display()
            );
        }
        // Of an earlier finding, perhaps.
        if short.exists() {
            fs::remove_file(&short).with_context(|| format!("removing {}", short.display()))?;
        }
        let to = format!("-exact_artifact_path={}", short.display());
        let most = format!("-max_total_time={SHORTEN}");
        // It ends by the failure that it looks for.
        let _ = self
            .command(target)?
            .args(["-minimize_crash=1", &most, &to])
            .arg(input)
            .status();
        // Kept is what fails: a fuzzer that could not even begin leaves something behind as well.
        let still_fails = short.is_file() && !self.command(target)?.arg(&short).status()?.success();
        if still_fails {
            return Ok(short);
        }
        eprintln!("no shorter input fails");
        Ok(input.to_owned())
    }

    /// Keeps the smallest inputs that reach as much as all.
    pub(super) fn keep(&self, target: &str) -> Result<()> {
        let small = self.directory.join(target).join("small");
        if small.exists() {
            fs::remove_dir_all(&small)?;
        }
        fs::create_dir_all(&small)?;
        let all = self.corpus(target)?;
        let longest = longest(target)?;
        run(self.command(target)?.args(["-merge=1", &longest]).args([&small, &all]))?;
        let file = targets::directory().join(format!("corpus/{target}.txt"));
        self.write(target, &small, ("LEVEE_FUZZ_KEEP", &file))
    }

    /// One input as a fixture.
    pub(super) fn fixture(&self, target: &str, input: &Path, file: &Path) -> Result<()> {
        ensure!(!file.exists(), "{} is there already", file.display());
        let alone = self.directory.join(target).join("alone");
        fs::create_dir_all(&alone)?;
        fs::copy(input, alone.join("input")).with_context(|| format!("copying {}", input.display()))?;
        fs::create_dir_all(file.parent().context("a directory of the target")?)?;
        self.write(target, &alone, ("LEVEE_FUZZ_FIXTURE", file))?;
        Ok(fs::remove_dir_all(&alone)?)
    }

    /// What is in a directory, as text in a file: see tests/fuzz/src/main.rs for what each variable means.
    fn write(&self, target: &str, directory: &Path, (variable, file): (&str, &Path)) -> Result<()> {
        run(self
            .command(target)?
            .env("LEVEE_FUZZ_CORPUS", directory)
            .env(variable, file))
    }

    fn corpus(&self, target: &str) -> Result<PathBuf> {
        let corpus = self.directory.join(target).join("corpus");
        fs::create_dir_all(&corpus).with_context(|| format!("making {}", corpus.display()))?;
        Ok(corpus)
    }

    fn command(&self, target: &str) -> Result<Command> {
        let mut command = Command::new(&self.program);
        let findings = self.directory.join(target).join("found-");
        command
            .arg(format!("-artifact_prefix={}", findings.display()))
            .arg(format!("-timeout={INPUT_AT_MOST}"))
            .arg(format!("-rss_limit_mb={MEMORY}"))
            .env("LEVEE_FUZZ_TARGET", target)
            .env("LEVEE_FUZZ_CORPUS", self.corpus(target)?)
            // What is written by the thousand, and never lives long.
            .env("TMPDIR", self.temporary()?)
            .current_dir(bpf::workspace_root());
        Ok(command)
    }

    /// In memory, where there is such a place.
    fn temporary(&self) -> Result<PathBuf> {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() {
            return Ok(memory.to_owned());
        }
        let own = self.directory.join("tmp");
        fs::create_dir_all(&own)?;
        Ok(own)
    }
}

/// The longest input of a target, from its table. Not for an input that is made shorter: libFuzzer then takes its length, and
/// ends if it is told another one.
fn longest(name: &str) -> Result<String> {
    let known = targets::known()?;
    match known.into_iter().find(|target| target.name == name) {
        Some(target) => Ok(format!("-max_len={}", target.most)),
        None => bail!("there is no target {name}"),
    }
}

/// Where cargo builds: the directory that this task was started from.
fn target_directory() -> Result<PathBuf> {
    let debug = binaries("debug")?;
    Ok(debug.parent().context("cargo's target directory")?.to_owned())
}

/// The same versions as everywhere else: the lock file is the project's own, to which cargo adds what only the fuzzer has.
fn lock_file() -> Result<()> {
    let from = bpf::workspace_root().join("Cargo.lock");
    let to = targets::directory().join("Cargo.lock");
    let changed = |path: &Path| fs::metadata(path).and_then(|found| found.modified());
    if changed(&to).is_ok_and(|made| changed(&from).is_ok_and(|of| of <= made)) {
        return Ok(());
    }
    fs::copy(&from, &to).with_context(|| format!("copying {}", from.display()))?;
    Ok(())
}
