//! `cargo xtask test --kernels`: Levee on the kernels that people run. Debian's boot in QEMU, which emulates the processor, so
//! any machine will do; this machine's own is tried where it is.

mod binaries;
mod document;
mod fetch;
mod guest;
mod pack;
mod qemu;
mod results;
mod short;

pub(crate) use short::short;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use xtask::bpf::{self, Task};

use self::{guest::Shape, results::Kernel};
use crate::{
    build,
    run::{announce, is_root},
    setup::{self, Tool, tool},
};

/// Programs that only this task needs, beside QEMU.
const TOOLS: &[Tool] = &[tool("busybox", "busybox-static", "process 1 of a guest")];

/// How long a guest may take, all steps together: emulated, it is twenty to fifty times as slow as the machine.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// A step: its name, the program in the guest, its arguments, seconds that it may take. What a test program says of its tests is
/// part of the results.
struct Step(&'static str, &'static str, &'static [&'static str], u32);

/// What is tried everywhere.
const STEPS: &[Step] = &[
    Step("programs", "lab", &["programs", "--json"], 1_800),
    Step("packets", "verdicts", &["--test-threads=1"], 900),
    Step("proofs", "proofs", &["--test-threads=1"], 1_200),
    // A real connection by cookie, by challenge, and by clients of every kind, with the kernel's own stacks at both ends.
    Step(
        "connect-cookie",
        "verify",
        &["--exact", "forgery::a_cookie_is_good_for_one_connection_only"],
        600,
    ),
    Step(
        "connect-challenge",
        "verify",
        &["--exact", "forgery::a_challenge_is_answered_by_whom_it_was_sent_to"],
        600,
    ),
    Step(
        "connect-kinds",
        "verify",
        &["--exact", "settings::clients_of_every_kind_connect"],
        900,
    ),
];

/// One boot of a guest: words for the kernel, whether [`STEPS`] are taken, and more steps, as init.sh takes them. These are tried in
/// guests alone: settings of the whole machine are changed, or its own interfaces used.
struct Boot(&'static str, bool, &'static str);

/// The boots of each kernel. What lockdown is can be told only at boot.
const BOOTS: &[Boot] = &[
    Boot("", true, include_str!("kernels/steps.sh")),
    Boot(
        "lockdown=integrity",
        false,
        "step lockdown-integrity 600 /usr/bin/sh /attach.sh 'lockdown=integrity' 52:54:00:00:00:02 lockdown=integrity\n",
    ),
    Boot(
        "lockdown=confidentiality",
        false,
        "step lockdown-confidentiality 600 /usr/bin/sh /attach.sh 'lockdown=confidentiality' 52:54:00:00:00:02 \
         lockdown=confidentiality doctor=permissions.lockdown\n",
    ),
];

/// The script that tries an interface, in the guest.
const ATTACH: &str = include_str!("kernels/attach.sh");

/// What is to be tried.
pub(crate) struct Wish<'a> {
    /// Of which kernels, by name; of all if empty.
    pub(crate) only: &'a [String],
    /// Steps whose names begin with one of these; all if empty.
    pub(crate) steps: &'a [String],
    /// Instead of all that, the one boot that ends `cargo xtask test`.
    pub(crate) short: bool,
}

impl Wish<'_> {
    fn wants_kernel(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }

    fn wants_step(&self, name: &str) -> bool {
        self.steps.is_empty() || self.steps.iter().any(|step| name.starts_with(step.as_str()))
    }

    /// Whether every step is taken: a part of what is known of a kernel is not worth keeping.
    fn is_worth_keeping(&self) -> bool {
        self.steps.is_empty()
    }
}

/// Name of the kernel that this machine runs, for [`Wish::only`].
const HOST: &str = "host";

/// Tries every kernel that is wished for, and writes what came of each as soon as it is known, if every step was taken.
///
/// # Errors
///
/// When something could not be tried, or failed on any kernel.
pub(crate) fn main(wish: &Wish<'_>) -> Result<()> {
    if !is_root() {
        bail!("other kernels boot in network namespaces, and programs are loaded into this one: run this as root");
    }
    let names: Vec<&str> = fetch::WANTED.iter().map(|wanted| wanted.name).chain([HOST]).collect();
    if let Some(unknown) = wish.only.iter().find(|only| !names.contains(&only.as_str())) {
        bail!("--only {unknown}: there are {}", names.join(", "));
    }
    let toolchain = setup::ensure()?;
    setup::ensure_tools(TOOLS)?;
    build::programs(&toolchain, Task::Build)?;
    let binaries = binaries::build()?;
    if wish.short {
        return short::boot(&binaries);
    }
    let directory = directory()?;
    qemu::ensure(&directory)?;
    let programs = pack::programs(&binaries, &directory)?;
    let mut failed = Vec::new();
    let mut done = |kernel: &Kernel| -> Result<()> {
        failed.extend(kernel.failures());
        if wish.is_worth_keeping() {
            results::keep(kernel)?;
            document::write(&results::read()?)?;
        } else {
            kernel.seen().iter().for_each(|line| println!("{line}"));
        }
        Ok(())
    };
    for wanted in fetch::WANTED.iter().filter(|wanted| wish.wants_kernel(wanted.name)) {
        let kernel = fetch::fetch(wanted, &directory)?;
        done(&Kernel::of_guest(
            &kernel,
            &boots(&kernel, &programs, wish, &directory)?,
        )?)?;
    }
    if wish.wants_kernel(HOST) {
        announce("this machine's own kernel");
        done(&Kernel::of_host(&own_steps(&binaries, wish)?)?)?;
    }
    if !failed.is_empty() {
        bail!("failed:\n  {}", failed.join("\n  "));
    }
    announce("all that was tried works");
    Ok(())
}

/// Boots a kernel as often as it takes.
fn boots(kernel: &fetch::Kernel, programs: &Path, wish: &Wish<'_>, directory: &Path) -> Result<Vec<guest::Boot>> {
    let modules = pack::modules(kernel, directory)?;
    let mut done = Vec::new();
    for Boot(words, usual, more) in BOOTS {
        let script = script(*usual, more, wish);
        if !script.contains("step ") {
            continue;
        }
        announce(&format!(
            "Linux {} (Debian {}), emulated {words}",
            kernel.release, kernel.version
        ));
        let disk = pack::disk(&[programs, &modules], &script, ATTACH, directory)?;
        let boot = guest::boot(&kernel.image, &disk, Shape { words, nics: true }, PATIENCE, directory)?;
        fs::remove_file(&disk).context("removing the guest's disk")?;
        done.push(boot);
    }
    Ok(done)
}

fn directory() -> Result<PathBuf> {
    let own = crate::run::binaries("kernels")?;
    fs::create_dir_all(&own).with_context(|| format!("making {}", own.display()))?;
    Ok(own)
}

/// The steps of a boot as init.sh takes them: those that are wished for, and what is between steps.
fn script(usual: bool, more: &str, wish: &Wish<'_>) -> String {
    let mut script = String::new();
    for Step(name, program, arguments, seconds) in STEPS.iter().filter(|_| usual) {
        let arguments = arguments.join(" ");
        script.push_str(&format!("step {name} {seconds} {}/{program} {arguments}\n", pack::HOME));
    }
    script.push_str(more);
    let is_wanted = |line: &&str| {
        let mut words = line.split_whitespace();
        words.next() != Some("step") || words.next().is_none_or(|name| wish.wants_step(name))
    };
    script
        .lines()
        .filter(is_wanted)
        .map(|line| format!("{line}\n"))
        .collect()
}

/// Takes the steps that every machine can, here.
fn own_steps(binaries: &[(String, PathBuf)], wish: &Wish<'_>) -> Result<Vec<guest::Step>> {
    let mut taken = Vec::new();
    for Step(name, program, arguments, _) in STEPS.iter().filter(|step| wish.wants_step(step.0)) {
        eprint!("    {name} ..");
        let path = binaries
            .iter()
            .find(|(found, _)| found == program)
            .map_or(Path::new(program), |(_, path)| path);
        let start = Instant::now();
        let output = Command::new(path)
            .args(*arguments)
            .current_dir(bpf::workspace_root())
            .output()
            .with_context(|| format!("cannot start {}", path.display()))?;
        let lines = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().map(ToOwned::to_owned).collect();
        let step = guest::Step {
            name: (*name).to_owned(),
            code: output.status.code(),
            seconds: start.elapsed().as_secs_f64(),
            output: lines(&output.stdout),
            errors: lines(&output.stderr),
        };
        eprintln!(
            " {}, {:.1} s",
            if step.code == Some(0) { "ok" } else { "FAILED" },
            step.seconds
        );
        taken.push(step);
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_chosen_by_how_their_names_begin() {
        let steps = ["attach".to_owned()];
        let wish = Wish {
            only: &[],
            steps: &steps,
            short: false,
        };
        let more = "step attach-a 5 a\nsysctl -w x=1\nstep other 5 b\n";
        assert_eq!(script(true, more, &wish), "step attach-a 5 a\nsysctl -w x=1\n");
        assert!(!wish.is_worth_keeping());
        let all = Wish { steps: &[], ..wish };
        assert_eq!(script(true, more, &all).matches("step ").count(), STEPS.len() + 2);
    }

    #[test]
    fn docs_kernels_is_what_the_results_say() {
        document::check(&results::read().expect("docs/kernels.json"))
            .expect("`cargo xtask test --kernels` writes both");
    }

    #[test]
    #[ignore = "writes docs/kernels.md anew, after a change of its words"]
    fn write_docs_kernels() {
        document::write(&results::read().expect("docs/kernels.json")).expect("it can be written");
    }
}
