//! `cargo xtask fuzz`: a fuzzer against everything that reads what others wrote.
//!
//! libFuzzer through `libfuzzer-sys`, as cargo-fuzz has it, and without cargo-fuzz: that wants a nightly compiler and compiles
//! all dependencies anew, to be instrumented. Here only the project's own packages are (tests/fuzz/instrument), by stable flags;
//! everything else is the same as in the build of the tests, and is compiled once for both.

mod run;
mod targets;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Result, bail};
use xtask::bpf;

use crate::{
    run::{announce, cargo, is_root},
    setup,
};
use run::Fuzzer;

/// Time for each target when nothing else is said.
const EACH: &str = "60";
/// The same at the end of `cargo xtask test`.
const SHORT: Duration = Duration::from_secs(5);

/// Have a fuzzer choose inputs for everything that reads what others wrote: packets, options, configuration, requests, lists,
/// etcd's values, files of the state directory.
///
/// Inputs that reached something new are kept in target/fuzz/TARGET/corpus, and the next run begins with them. The target
/// `kernel` loads the XDP program, so it needs root; it attaches nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Which targets; without any, all that this user can run
    #[arg(value_name = "TARGET", value_parser = targets::named)]
    targets: Vec<String>,
    /// How long each of them: seconds, or with a unit of `s`, `m` or `h`
    #[arg(long = "for", value_name = "TIME", value_parser = time, default_value = EACH)]
    each: Duration,
    /// Say what targets there are, what holds for each, and how much of its corpus is kept
    #[arg(long)]
    list: bool,
    /// With a sanitizer of memory accesses: everything is compiled anew for it, which takes minutes
    #[arg(long)]
    asan: bool,
    /// Give the target this input once more, and say what fails
    #[arg(long, value_name = "FILE", value_parser = file, requires = "targets", conflicts_with_all = ["list", "keep", "each"])]
    again: Option<PathBuf>,
    /// Make the input of --again as short as it can be while it still fails, first
    #[arg(long, requires = "again")]
    shorten: bool,
    /// Write the input of --again into tests/fixtures/fuzz/TARGET/NAME.txt, for you to say in it what it was
    #[arg(long, value_name = "NAME", value_parser = name, requires = "again")]
    fixture: Option<String>,
    /// Afterwards put the smallest inputs that reach as much into tests/fuzz/corpus/TARGET.txt: 64 KiB of text for a target at most,
    /// the shortest first
    #[arg(long)]
    keep: bool,
}

const HELP: &str = "\
What to do with a finding (the run ends with exit code 1, and names its FILE):
  1. See it again:        cargo xtask fuzz TARGET --again FILE
  2. Make it short:       cargo xtask fuzz TARGET --again FILE --shorten
  3. Keep it:             cargo xtask fuzz TARGET --again FILE --fixture what-it-was
     and write into the `#` lines of the fixture what was wrong: every `cargo xtask test` gives it to the target from then on.
  4. Mend what it found. A property that was wrong is mended in tests/src/fuzz/TARGET.rs.

Examples:
  cargo xtask fuzz --list
  cargo xtask fuzz parse options --for 10m
  cargo xtask fuzz parse --asan --for 10m
  cargo xtask fuzz --for 2h --keep      # overnight, and what was learned into the repository

Exit codes: 0 nothing was found, 1 something was, 2 wrong usage.";

pub(crate) fn main(args: &Args) -> Result<()> {
    let known = targets::known()?;
    if args.list {
        targets::tell(&known);
        return Ok(());
    }
    let chosen = targets::chosen(&known, &args.targets, is_root())?;
    let finding = args.again.as_ref().map(|input| Finding::of(&chosen, input, args));
    setup::ensure()?;
    announce("the fuzzer");
    let fuzzer = Fuzzer::build(args.asan)?;
    match finding {
        Some(finding) => finding.again(&fuzzer),
        None => all(&fuzzer, &chosen, args.each, args.keep),
    }
}

/// All targets for a moment, as part of the tests.
pub(crate) fn short() -> Result<()> {
    let chosen = targets::chosen(&targets::known()?, &[], is_root())?;
    announce("the fuzzer");
    let fuzzer = Fuzzer::build(false)?;
    all(&fuzzer, &chosen, SHORT, false)
}

fn all(fuzzer: &Fuzzer, chosen: &[String], each: Duration, keep: bool) -> Result<()> {
    let mut found = Vec::new();
    for target in chosen {
        announce(&format!("fuzz {target} for {} s", each.as_secs()));
        if let Err(error) = fuzzer.fuzz(target, each) {
            eprintln!("error: {target}: {error:#}");
            found.push(target.as_str());
        } else if keep {
            fuzzer.keep(target)?;
        }
    }
    if !found.is_empty() {
        bail!(
            "found something in {}: `cargo xtask fuzz --help` says what to do with it",
            found.join(", ")
        );
    }
    announce("the fuzzer found nothing");
    Ok(())
}

/// An input that is given once more.
struct Finding<'a> {
    target: &'a str,
    input: &'a Path,
    shorten: bool,
    fixture: Option<PathBuf>,
}

impl<'a> Finding<'a> {
    /// Ends the program where it is used wrongly: before minutes of compiling.
    fn of(chosen: &'a [String], input: &'a Path, args: &Args) -> Self {
        let [target] = chosen else {
            wrong("--again takes one target: write its name before it");
        };
        let file = |name: &String| bpf::workspace_root().join(format!("tests/fixtures/fuzz/{target}/{name}.txt"));
        let fixture = args.fixture.as_ref().map(file);
        if let Some(file) = fixture.as_ref().filter(|file| file.exists()) {
            wrong(&format!(
                "{} is there already: --fixture takes a new name",
                file.display()
            ));
        }
        Self {
            target,
            input,
            shorten: args.shorten,
            fixture,
        }
    }

    fn again(&self, fuzzer: &Fuzzer) -> Result<()> {
        let input = match self.shorten {
            true => fuzzer.shorten(self.target, self.input)?,
            false => self.input.to_owned(),
        };
        if let Some(file) = &self.fixture {
            fuzzer.fixture(self.target, &input, file)?;
            announce(&format!(
                "{} is there: say in its `#` lines what it was",
                file.display()
            ));
        }
        announce(&format!("{} with {}", self.target, input.display()));
        fuzzer.give(self.target, &input)?;
        announce("nothing fails");
        Ok(())
    }
}

/// Ends as clap does: exit code 2.
fn wrong(usage: &str) -> ! {
    clap::Error::raw(clap::error::ErrorKind::ValueValidation, format!("{usage}\n")).exit()
}

/// An input: of a directory libFuzzer would make a corpus.
fn file(text: &str) -> Result<PathBuf, String> {
    let path = fs::canonicalize(text).map_err(|error| error.to_string())?;
    if !path.is_file() {
        return Err("it is no file: name one input, such as target/fuzz/TARGET/found-crash-*".to_owned());
    }
    Ok(path)
}

/// The name of a fixture becomes that of a file.
fn name(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if text.is_empty() || !text.bytes().all(is_plain) {
        return Err("write what it was, in a-z, 0-9 and -, such as ipv4-behind-esp".to_owned());
    }
    Ok(text.to_owned())
}

fn time(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.strip_suffix(['s', 'm', 'h']) {
        Some(number) => (number, &text[number.len()..]),
        None => (text, "s"),
    };
    let seconds = match unit {
        "h" => 3_600,
        "m" => 60,
        _ => 1,
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "write seconds, or 90s, 10m, 2h".to_owned())?;
    let whole = number
        .checked_mul(seconds)
        .filter(|whole| (1..=7 * 86_400).contains(whole));
    whole
        .map(Duration::from_secs)
        .ok_or_else(|| "write a time from 1s to a week".to_owned())
}

/// Cargo, for the fuzzer's own workspace.
fn cargo_there() -> std::process::Command {
    let mut command = cargo();
    command.current_dir(targets::directory());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        for (text, seconds) in [("5", 5), ("90s", 90), ("10m", 600), ("2h", 7_200)] {
            assert_eq!(time(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "0", "-1", "1d", "s", "9999999999h"] {
            time(text).expect_err(text);
        }
    }

    #[test]
    fn fixtures_have_plain_names() {
        name("ipv4-behind-esp").expect("plain");
        for text in ["", "..", "../x", "a/b", "a b", "A", "x.txt"] {
            name(text).expect_err(text);
        }
    }

    #[test]
    fn inputs_are_files() {
        file("Cargo.toml").expect("a file");
        for text in ["", "src", "no-such-file"] {
            file(text).expect_err(text);
        }
    }

    #[derive(Debug, clap::Parser)]
    struct Cli {
        #[command(flatten)]
        _args: Args,
    }

    #[test]
    fn wrong_usage_is_told_before_anything_is_built() {
        use clap::Parser as _;
        let tried = |line: &str| Cli::try_parse_from(std::iter::once("fuzz").chain(line.split(' ')));
        tried("parse --again Cargo.toml --shorten --fixture one").expect("well used");
        tried("parse options --for 10m --keep").expect("well used");
        for line in [
            "nothing",
            "parse --for 0",
            "parse --again no-such-file",
            "--again Cargo.toml",
            "parse --again Cargo.toml --keep",
            "parse --again Cargo.toml --for 1m",
            "parse --shorten",
            "parse --fixture one",
            "parse --again Cargo.toml --fixture ../one",
        ] {
            let error = tried(line).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}: {error}");
        }
    }
}
