//! Short commands of the system: run to the end, with their own words in the error.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

/// Runs a command and returns its standard output.
///
/// Errors carry the whole command line and what the command wrote to standard error.
pub fn output(command: &mut Command) -> Result<String> {
    finish(command, None)
}

/// The same, with `input` on the command's standard input.
pub fn output_with_input(command: &mut Command, input: &str) -> Result<String> {
    finish(command, Some(input))
}

fn finish(command: &mut Command, input: Option<&str>) -> Result<String> {
    let line = describe(command);
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    let mut child = command
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| {
            format!("cannot start `{line}`: is its Debian package installed? (`cargo xtask setup` does it)")
        })?;
    if let (Some(text), Some(mut pipe)) = (input, child.stdin.take()) {
        // A command that ends early says why on standard error, which is the better message.
        let _closed_early = pipe.write_all(text.as_bytes());
    }
    let done = child
        .wait_with_output()
        .with_context(|| format!("cannot wait for `{line}`"))?;
    if !done.status.success() {
        bail!(
            "`{line}` failed ({}): {}",
            done.status,
            String::from_utf8_lossy(&done.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// The command line as a person would type it.
#[must_use]
pub fn describe(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(
        command
            .get_args()
            .map(|argument| argument.to_string_lossy().into_owned()),
    );
    words.join(" ")
}
