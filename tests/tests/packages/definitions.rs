//! Man pages, completions and the configuration of a fresh installation.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use anyhow::{Context as _, Result};
use lab::{binary, command::output};

use crate::unit::packaging;

fn agent(arguments: &[&str]) -> Result<Output> {
    Command::new(binary::agent()?)
        .args(arguments)
        .output()
        .context("cannot start the agent")
}

#[test]
fn man_pages_are_sound_and_have_what_one_looks_for() -> Result<()> {
    let directory = tempfile::tempdir()?;
    output(
        Command::new(binary::agent()?)
            .args(["man", "--out"])
            .arg(directory.path()),
    )?;
    let mut pages = 0;
    for entry in fs::read_dir(directory.path())? {
        let page = entry?.path();
        let shown = Command::new("man")
            .args(["--warnings", "--local-file"])
            .arg(&page)
            .env("MANWIDTH", "100")
            .env("LC_ALL", "C.UTF-8")
            .output()
            .context("cannot start man")?;
        let complaints = String::from_utf8_lossy(&shown.stderr);
        assert!(
            shown.status.success() && complaints.is_empty(),
            "{}: {complaints}",
            page.display()
        );
        let text = String::from_utf8_lossy(&shown.stdout);
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "SEE ALSO"] {
            assert!(
                text.lines().any(|line| line == section),
                "{}: no {section}",
                page.display()
            );
        }
        // The index of man pages (`apropos`) lives by this line.
        let summary = text
            .lines()
            .skip_while(|line| *line != "NAME")
            .nth(1)
            .unwrap_or_default();
        assert!(summary.contains(" - "), "{}: {summary:?}", page.display());
        pages += 1;
    }
    assert!(pages > 30, "one for each verb: {pages}");
    Ok(())
}

/// What a shell says to a script of completions that is in a file.
fn accepts(shell: &[&str], script: &Path) -> Result<()> {
    let [program, arguments @ ..] = shell else {
        unreachable!("a shell has a name")
    };
    output(Command::new(program).args(arguments).arg(script))?;
    Ok(())
}

#[test]
fn every_shell_understands_its_completions() -> Result<()> {
    let directory = tempfile::tempdir()?;
    for (name, check) in [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")] {
        let done = agent(&["completions", name])?;
        let script = directory.path().join(name);
        fs::write(&script, &done.stdout)?;
        assert!(done.status.success() && done.stdout.len() > 1_000, "{name}");
        accepts(&[name, check], &script)?;
    }
    let wrong = agent(&["completions", "tcsh"])?;
    assert_eq!(wrong.status.code(), Some(2));
    Ok(())
}

#[test]
fn bash_completes_verbs_and_their_flags() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let script = directory.path().join("agent");
    fs::write(&script, agent(&["completions", "bash"])?.stdout)?;
    let complete = |words: &str, cursor: usize| {
        let lines = format!(
            "source {}; COMP_WORDS=({words}); COMP_CWORD={cursor}; \
             _agent agent \"${{COMP_WORDS[{cursor}]}}\" x; echo \"${{COMPREPLY[@]}}\"",
            script.display()
        );
        output(Command::new("bash").args(["--norc", "-c", &lines]))
    };
    assert_eq!(complete("agent bloc", 1)?.trim(), "block-ip");
    let flags = complete("agent block-ip --", 2)?;
    assert!(flags.split_whitespace().any(|flag| flag == "--ttl"), "{flags}");
    Ok(())
}

#[test]
fn a_fresh_installation_protects_nothing_until_somebody_says_what() -> Result<()> {
    let shipped = packaging("agent.toml");
    let path = shipped.to_str().context("path")?;
    let refused = agent(&["check-config", path])?;
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("interfaces: is missing"), "{said}");

    let text = fs::read_to_string(&shipped)?;
    assert!(text.contains("\ninterfaces = []\n"), "the line that people change");
    let directory = tempfile::tempdir()?;
    let changed = directory.path().join("agent.toml");
    let text = text
        .replace("interfaces = []", "interfaces = [\"lo\"]")
        .replace("[\"auto\"]", "[\"203.0.113.7\"]");
    fs::write(&changed, text)?;
    let sound = agent(&["--json", "check-config", changed.to_str().context("path")?])?;
    let answer: serde_json::Value =
        serde_json::from_slice(&sound.stdout).with_context(|| String::from_utf8_lossy(&sound.stderr).into_owned())?;
    assert_eq!(
        answer["mode"], "monitor",
        "nothing is dropped by a fresh installation: {answer}"
    );
    Ok(())
}
