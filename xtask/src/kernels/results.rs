//! What came of it, as it is kept in the tree: docs/kernels.json.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use xtask::bpf;

use super::{
    fetch,
    guest::{Boot, Step},
};

/// Where results are kept, from the root of the workspace.
const FILE: &str = "docs/kernels.json";

/// Where the kernel is that is no guest's.
const OWN: &str = "the machine that ran this";

/// One kernel, and what came of it there.
pub(super) struct Kernel {
    name: String,
    about: Value,
    /// Rows of `lab programs`, with the step's name.
    programs: Vec<Value>,
    /// What a step or a test of it came to.
    tests: Vec<(String, bool)>,
    /// What was seen of interfaces.
    seen: Vec<String>,
}

impl Kernel {
    /// Of all boots of a guest.
    pub(super) fn of_guest(kernel: &fetch::Kernel, boots: &[Boot]) -> Result<Self> {
        let about = json!({
            "release": kernel.release,
            "where": format!("Debian's {}, emulated", kernel.version),
        });
        let steps: Vec<Step> = boots.iter().flat_map(|boot| boot.steps.clone()).collect();
        let mut done = Self::new(kernel.name, about, &steps)?;
        let ended = !boots.is_empty() && boots.iter().all(|boot| boot.done && boot.release == kernel.release);
        done.tests
            .push(("the guest came to its end by itself".to_owned(), ended));
        Ok(done)
    }

    /// Of this machine.
    pub(super) fn of_host(steps: &[Step]) -> Result<Self> {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").context("asking for this kernel's release")?;
        let version = release.trim().split('-').next().unwrap_or_default().to_owned();
        let about = json!({ "release": version, "where": OWN });
        Self::new(&version, about, steps)
    }

    fn new(name: &str, about: Value, steps: &[Step]) -> Result<Self> {
        let mut kernel = Self {
            name: name.to_owned(),
            about,
            programs: Vec::new(),
            tests: Vec::new(),
            seen: Vec::new(),
        };
        for step in steps {
            kernel.take(step)?;
        }
        Ok(kernel)
    }

    fn take(&mut self, step: &Step) -> Result<()> {
        self.tests.push((step.name.clone(), step.code == Some(0)));
        for line in &step.output {
            if let Some((name, result)) = line.strip_prefix("test ").and_then(|line| line.split_once(" ... ")) {
                self.tests.push((format!("{}: {name}", step.name), result == "ok"));
            } else if let Some(seen) = line.strip_prefix("@row ") {
                self.seen.push(seen.to_owned());
            } else if line.starts_with("[{") && step.name.starts_with("programs") {
                let rows: Vec<Value> = serde_json::from_str(line).context("reading what `lab programs` said")?;
                self.programs.extend(rows.into_iter().map(|mut row| {
                    if step.name == "programs-hardened" {
                        row["way"] = json!(format!(
                            "{}, constants blinded",
                            row["way"].as_str().unwrap_or_default()
                        ));
                    }
                    row
                }));
            }
        }
        Ok(())
    }

    /// What was seen, a line each.
    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.iter().map(|seen| format!("{}: {seen}", self.name)).collect()
    }

    /// What did not work, a line each.
    pub(super) fn failures(&self) -> Vec<String> {
        let failed = self.tests.iter().filter(|(_, ok)| !ok);
        failed.map(|(test, _)| format!("{}: {test}", self.name)).collect()
    }

    /// As it is kept.
    pub(super) fn to_json(&self) -> Value {
        let tests: Vec<Value> = self
            .tests
            .iter()
            .map(|(test, ok)| json!({ "test": test, "ok": ok }))
            .collect();
        json!({ "name": self.name, "about": self.about, "programs": self.programs, "tests": tests, "interfaces": self.seen })
    }
}

fn path() -> PathBuf {
    bpf::workspace_root().join(FILE)
}

/// Keeps what is known of a kernel, in place of what was known of it before. The machine's own is the last one.
///
/// # Errors
///
/// When the file cannot be read or written, or the kernel said nothing of its programs.
pub(super) fn keep(kernel: &Kernel) -> Result<()> {
    let all = merged(read()?, kernel)?;
    let text = serde_json::to_string_pretty(&all).context("writing results as JSON")?;
    fs::write(path(), text + "\n").with_context(|| format!("writing {FILE}"))
}

fn merged(mut all: Vec<Value>, kernel: &Kernel) -> Result<Vec<Value>> {
    if kernel.programs.is_empty() {
        bail!("nothing is known of the programs on {}", kernel.name);
    }
    let new = kernel.to_json();
    let is_own = |one: &Value| one["about"]["where"] == OWN;
    let same = |one: &Value| one["name"] == new["name"] || (is_own(one) && is_own(&new));
    match all.iter_mut().find(|one| same(one)) {
        Some(old) => *old = new,
        None => all.push(new),
    }
    // The sort is stable.
    all.sort_by_key(is_own);
    Ok(all)
}

/// What is kept.
///
/// # Errors
///
/// When it cannot be read.
pub(super) fn read() -> Result<Vec<Value>> {
    let text = fs::read_to_string(path()).with_context(|| format!("reading {FILE}"))?;
    serde_json::from_str(&text).with_context(|| format!("{FILE} is no JSON of kernels"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steps_say_is_kept() {
        let step = |name: &str, code, output: &[&str]| Step {
            name: name.to_owned(),
            code,
            seconds: 1.0,
            output: output.iter().map(|line| (*line).to_owned()).collect(),
            errors: vec![],
        };
        let steps = [
            step(
                "programs",
                Some(0),
                &[r#"[{"way":"usual","program":"levee","verified":7}]"#],
            ),
            step("packets", Some(101), &["test one ... ok", "test two ... FAILED"]),
            step("virtio", Some(0), &["@row four queues, attached: native", "# noise"]),
        ];
        let kernel = Kernel::new("6.1", json!({}), &steps).expect("programs are there");
        assert_eq!(kernel.failures(), ["6.1: packets", "6.1: packets: two"]);
        assert_eq!(kernel.seen, ["four queues, attached: native"]);
        assert_eq!(kernel.programs[0]["verified"], 7);
        let none = Kernel::new("6.1", json!({}), &steps[1..]).expect("steps are read");
        assert!(merged(vec![], &none).is_err(), "without programs nothing was tried");
        let old = json!({ "name": "6.1", "programs": [] });
        let own = json!({ "name": "6.18", "about": { "where": OWN } });
        let all = merged(vec![own.clone(), old], &kernel).expect("programs are there");
        assert_eq!(all, [kernel.to_json(), own], "what was known of it before is gone");
    }
}
