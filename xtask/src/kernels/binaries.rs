//! The test programs, and what they start.

use std::{path::PathBuf, process::Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::run::{announce, cargo};

/// Test programs and what they start, by the names that they have in a guest.
///
/// # Errors
///
/// When they cannot be built.
pub(super) fn build() -> Result<Vec<(String, PathBuf)>> {
    announce("the test programs");
    let output = cargo()
        .args(["test", "--no-run", "--package", "tests"])
        .args([
            "--test",
            "verdicts",
            "--test",
            "proofs",
            "--test",
            "verify",
            "--message-format=json",
        ])
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    let built = cargo()
        .args([
            "build",
            "--package",
            "tests",
            "--package",
            "agent",
            "--bins",
            "--message-format=json",
        ])
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    if !output.status.success() || !built.status.success() {
        bail!("the test programs cannot be built");
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&built.stdout);
    let wanted = ["verdicts", "proofs", "verify", "agent", "lab"];
    let found: Vec<(String, PathBuf)> = text
        .lines()
        .filter_map(executable)
        .filter(|(name, _)| wanted.contains(&name.as_str()))
        .collect();
    for name in wanted {
        if !found.iter().any(|(found, _)| found == name) {
            bail!("cargo built no `{name}`");
        }
    }
    Ok(found)
}

/// The name and path of an executable that a line of cargo's messages tells of; of programs that are not tests, the one that
/// is the program itself.
fn executable(line: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(line).ok()?;
    let path = message["executable"].as_str()?;
    let target = &message["target"];
    let is_test = message["profile"]["test"] == true;
    let of_tests = target["kind"].as_array()?.iter().any(|kind| kind == "test");
    (is_test == of_tests).then(|| Some((target["name"].as_str()?.to_owned(), PathBuf::from(path))))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executables_are_found_in_cargos_messages() {
        let line = |kind: &str, test: bool| {
            format!(r#"{{"executable":"/t/x","target":{{"name":"x","kind":["{kind}"]}},"profile":{{"test":{test}}}}}"#)
        };
        let x = Some(("x".to_owned(), PathBuf::from("/t/x")));
        assert_eq!(executable(&line("test", true)), x);
        assert_eq!(executable(&line("bin", false)), x);
        assert_eq!(
            executable(&line("bin", true)),
            None,
            "unit tests of a program are not the program"
        );
        assert_eq!(executable(r#"{"executable":null}"#), None);
    }
}
