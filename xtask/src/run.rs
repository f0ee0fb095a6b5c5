//! Runs programs: announced, in the workspace's directory, with everything they say on standard error.

use std::{
    env,
    ffi::OsStr,
    fs, io,
    os::{fd::AsFd, unix::fs::MetadataExt},
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use xtask::bpf;

/// Tells the reader what happens next.
pub(crate) fn announce(what: &str) {
    eprintln!("==> {what}");
}

/// The cargo that started us, else the one on PATH, working in the workspace.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(bpf::workspace_root());
    // `cargo run` describes xtask's own package in variables that change what cargo and build scripts do.
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name.as_ref());
        }
    }
    command
}

/// Runs a command to its end. Its standard output joins our standard error: what a task has to say on standard output is
/// its result.
///
/// # Errors
///
/// When it cannot be started or fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let errors = io::stderr()
        .as_fd()
        .try_clone_to_owned()
        .context("duplicating standard error")?;
    let shown = shown(command);
    let status = command
        .stdout(Stdio::from(errors))
        .status()
        .with_context(|| format!("cannot start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` failed ({status})");
    }
    Ok(())
}

/// Whether we may configure the network and load programs: effective user 0.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// The directory where cargo leaves the binaries of `profile` (`debug` or `release`).
///
/// # Errors
///
/// When we do not run from cargo's target directory.
pub(crate) fn binaries(profile: &str) -> Result<PathBuf> {
    let own = env::current_exe().context("finding out where xtask is")?;
    let target = own
        .ancestors()
        .find(|directory| directory.join("CACHEDIR.TAG").is_file())
        .with_context(|| {
            format!(
                "{} is not in cargo's target directory: run `cargo xtask`",
                own.display()
            )
        })?;
    Ok(target.join(profile))
}

/// A command as one would type it.
fn shown(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program());
    std::iter::once(name)
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_a_command_as_typed() {
        let mut command = Command::new("/usr/bin/cargo");
        command.args(["test", "--workspace"]);
        assert_eq!(shown(&command), "cargo test --workspace");
    }

    #[test]
    fn a_failing_command_is_an_error_that_names_it() {
        let error = run(Command::new("sh").args(["-c", "exit 3"])).expect_err("exit code 3");
        assert!(error.to_string().contains("sh -c exit 3"), "{error}");
    }

    #[test]
    fn a_missing_program_is_an_error_that_names_it() {
        let error = run(&mut Command::new("no-such-program-anywhere")).expect_err("not there");
        assert!(error.to_string().contains("no-such-program-anywhere"), "{error}");
    }
}
