//! docs/kernels.md, of what is kept in docs/kernels.json.

use std::{collections::BTreeSet, fmt::Write as _, fs};

use anyhow::{Context, Result};
use serde_json::Value;
use xtask::bpf;

const FILE: &str = "docs/kernels.md";

const HEAD: &str = "\
# Kernels

On which kernels Levee was tried, what their verifiers make of its programs, and what works there. Made by `cargo xtask test
--kernels` of [kernels.json](kernels.json): do not edit. Debian's kernels run in QEMU with two emulated processors, so times
there say nothing; what was counted and what was seen holds for any machine.

";

const LIMIT: &str = "\
## Instructions that the verifier looks at

Of 1,000,000 that it allows for one program; of all ways of loading (tables of every size, as root, with the capabilities of the
packaged unit, in guests with constants blinded) that the recorded run tried, the most. Programs have no switches of their own: modes,
rungs and limits are in maps. Of `levee` and `levee_steps` a kernel need take one only. `cargo xtask test` fails when anything else is
recorded, or seen on 6.1, as refused or above 900,000.

";

const CASES: &str = "\
## Interfaces, and what a kernel may lack

The agent on virtio-net of a guest. Where it attached, eight customers who were new proved themselves by cookie, and eight by challenge,
each by a whole connection: the kernel's TCP at both ends, over a bridge. `attached` names the mode of XDP. Where it
refused, or `agent doctor` found something, that is what they said. Interfaces of the machine that ran this are left alone.

";

/// Writes it.
///
/// # Errors
///
/// When it cannot be written.
pub(super) fn write(kernels: &[Value]) -> Result<()> {
    fs::write(bpf::workspace_root().join(FILE), document(kernels)?).with_context(|| format!("writing {FILE}"))
}

/// Fails unless it is what the results say.
///
/// # Errors
///
/// When it is not.
#[cfg(test)]
pub(super) fn check(kernels: &[Value]) -> Result<()> {
    let there = fs::read_to_string(bpf::workspace_root().join(FILE)).with_context(|| format!("reading {FILE}"))?;
    if there != document(kernels)? {
        anyhow::bail!("{FILE} is not what docs/kernels.json says: `cargo xtask test --kernels` writes both");
    }
    Ok(())
}

fn document(kernels: &[Value]) -> Result<String> {
    let mut text = HEAD.to_owned();
    writeln!(
        text,
        "| kernel | release | where | steps and tests that passed |\n| --- | --- | --- | --- |"
    )?;
    for kernel in kernels {
        let tests = list(&kernel["tests"]);
        let passed = tests.iter().filter(|test| test["ok"] == true).count();
        let about = &kernel["about"];
        writeln!(
            text,
            "| {} | {} | {} | {passed} of {} |",
            word(&kernel["name"]),
            word(&about["release"]),
            word(&about["where"]),
            tests.len()
        )?;
    }
    write!(text, "\n{LIMIT}")?;
    instructions(&mut text, kernels)?;
    write!(text, "\n{CASES}")?;
    cases(&mut text, kernels)?;
    text.push_str("\n## What did not work\n\n");
    let mut all_well = true;
    for kernel in kernels {
        for test in list(&kernel["tests"]).iter().filter(|test| test["ok"] != true) {
            writeln!(text, "- {}: {}", word(&kernel["name"]), word(&test["test"]))?;
            all_well = false;
        }
    }
    if all_well {
        text.push_str("Nothing of what was tried.\n");
    }
    Ok(text)
}

fn instructions(text: &mut String, kernels: &[Value]) -> Result<()> {
    let names: Vec<&str> = kernels.iter().map(|kernel| word(&kernel["name"])).collect();
    writeln!(
        text,
        "| program | {} |\n| --- |{}",
        names.join(" | "),
        " --- |".repeat(names.len())
    )?;
    let programs: BTreeSet<&str> = kernels
        .iter()
        .flat_map(|kernel| list(&kernel["programs"]))
        .map(|row| word(&row["program"]))
        .collect();
    for program in programs {
        let most = |kernel: &Value| {
            let rows = list(&kernel["programs"])
                .iter()
                .filter(|row| word(&row["program"]) == program);
            if rows.clone().any(|row| row["refused"].is_string()) {
                return "refused".to_owned();
            }
            rows.filter_map(|row| row["verified"].as_u64())
                .max()
                .map_or_else(String::new, thousands)
        };
        let cells: Vec<String> = kernels.iter().map(most).collect();
        writeln!(text, "| `{program}` | {} |", cells.join(" | "))?;
    }
    Ok(())
}

/// What was seen in each case, as rows `CASE: WHAT`; cases in the order in which they were tried.
fn cases(text: &mut String, kernels: &[Value]) -> Result<()> {
    let tried: Vec<&Value> = kernels
        .iter()
        .filter(|kernel| !list(&kernel["interfaces"]).is_empty())
        .collect();
    if tried.is_empty() {
        text.push_str("Not tried in the recorded run.\n");
        return Ok(());
    }
    let names: Vec<&str> = tried.iter().map(|kernel| word(&kernel["name"])).collect();
    writeln!(
        text,
        "| case | {} |\n| --- |{}",
        names.join(" | "),
        " --- |".repeat(names.len())
    )?;
    let seen = |kernel: &Value| -> Vec<(String, String)> {
        list(&kernel["interfaces"])
            .iter()
            .filter_map(|row| word(row).split_once(": "))
            .map(|(case, what)| (case.to_owned(), what.replace('|', "\\|").trim().to_owned()))
            .collect()
    };
    let mut cases: Vec<String> = Vec::new();
    for (case, _) in tried.iter().flat_map(|kernel| seen(kernel)) {
        if !cases.contains(&case) {
            cases.push(case);
        }
    }
    for case in cases {
        let cell = |kernel: &&Value| {
            let of_case = seen(kernel).into_iter().filter(|(name, _)| *name == case);
            of_case.map(|(_, what)| what).collect::<Vec<_>>().join("<br>")
        };
        let cells: Vec<String> = tried.iter().map(cell).collect();
        writeln!(text, "| {case} | {} |", cells.join(" | "))?;
    }
    Ok(())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A number as people read it: 1,234,567.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && at % 3 == first % 3 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(
            [7, 123, 1_234, 1_234_567].map(thousands),
            ["7", "123", "1,234", "1,234,567"]
        );
    }

    #[test]
    fn failures_and_refusals_are_told() {
        let kernel = json!({
            "name": "6.1", "about": { "release": "6.1.0", "where": "here" },
            "programs": [{ "program": "levee", "verified": 5 }, { "program": "look", "verified": 0, "refused": "why" }],
            "tests": [{ "test": "one", "ok": true }, { "test": "two", "ok": false }],
            "interfaces": ["four queues: attached: native", "four queues: by cookie: a|b"],
        });
        let text = document(&[kernel]).expect("text");
        for part in [
            "1 of 2",
            "| `levee` | 5 |",
            "| `look` | refused |",
            "- 6.1: two",
            "| four queues | attached: native<br>by cookie: a\\|b |",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
