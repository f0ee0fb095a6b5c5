//! The short form, at the end of `cargo xtask test`: Debian's oldest kernel that is supported boots once, and loads every program.

use std::{path::PathBuf, time::Duration};

use anyhow::{Result, bail};
use serde_json::Value;

use super::{
    ATTACH, TOOLS, directory, fetch,
    guest::{self, Shape},
    pack, qemu,
    results::{self, Kernel},
};
use crate::{run, setup};

/// Instructions that a verifier may look at for one program: nine tenths of what it allows, so that a change of compiler or kernel
/// does not turn what loads today into what does not.
pub(super) const CEILING: u64 = 900_000;

/// How long the guest may take. It takes a minute.
const PATIENCE: Duration = Duration::from_secs(900);

const STEPS: &str = "step programs 600 /levee/lab programs --usual --json\n";

/// The forms of one program, of which a kernel need take one (`Form` of the agent).
const FORMS: [&str; 2] = ["levee", "levee_steps"];

/// Boots it, with the programs that the tests just built.
///
/// # Errors
///
/// As for [`boot`].
pub(crate) fn short() -> Result<()> {
    setup::ensure_tools(TOOLS)?;
    let built = run::binaries("debug")?;
    boot(&["agent", "lab"].map(|name| (name.to_owned(), built.join(name))))
}

/// Boots it, with these programs in it, by their names there.
///
/// # Errors
///
/// When a program is refused or near the limit.
pub(super) fn boot(binaries: &[(String, PathBuf)]) -> Result<()> {
    let directory = directory()?;
    qemu::ensure(&directory)?;
    let kernel = fetch::fetch(&fetch::WANTED[0], &directory)?;
    run::announce(&format!(
        "Linux {} (Debian {}), emulated",
        kernel.release, kernel.version
    ));
    let programs = pack::programs(binaries, &directory)?;
    let modules = pack::modules(&kernel, &directory)?;
    let disk = pack::disk(&[&programs, &modules], STEPS, ATTACH, &directory)?;
    let boot = guest::boot(
        &kernel.image,
        &disk,
        Shape { words: "", nics: false },
        PATIENCE,
        &directory,
    )?;
    let kernel = Kernel::of_guest(&kernel, &[boot])?;
    let mut failed = kernel.failures();
    let seen = kernel.to_json();
    failed.extend(too_large(&seen));
    for line in changed(&results::read()?, &seen) {
        eprintln!("    note: {line}; `cargo xtask test --kernels` records it anew");
    }
    if !failed.is_empty() {
        bail!("failed in a guest:\n  {}", failed.join("\n  "));
    }
    Ok(())
}

/// The programs that take more or less of the verifier than what is recorded of the same kernel, a line each.
fn changed(recorded: &[Value], seen: &Value) -> Vec<String> {
    let rows = |kernel: &Value| kernel["programs"].as_array().cloned().unwrap_or_default();
    let same_kernel = |kernel: &&Value| kernel["about"]["release"] == seen["about"]["release"];
    let Some(recorded) = recorded.iter().find(same_kernel) else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    for row in rows(seen) {
        let same_row = |then: &&Value| then["program"] == row["program"] && then["way"] == row["way"];
        if let Some(then) = rows(recorded).iter().find(same_row)
            && then["verified"] != row["verified"]
        {
            lines.push(format!(
                "{}: {} instructions verified, {} in docs/kernels.json",
                row["program"], row["verified"], then["verified"]
            ));
        }
    }
    lines
}

/// The programs that a kernel refused, or that are above the ceiling there, a line each.
pub(super) fn too_large(kernel: &Value) -> Vec<String> {
    let rows = kernel["programs"].as_array().map_or(&[][..], Vec::as_slice);
    let mut failed = Vec::new();
    if rows.is_empty() {
        failed.push(format!("{}: nothing is known of the programs", kernel["name"]));
    }
    let is_well = |row: &Value| {
        let verified = row["verified"].as_u64().unwrap_or(0);
        !row["refused"].is_string() && (1..=CEILING).contains(&verified)
    };
    let is_form = |row: &Value| row["program"].as_str().is_some_and(|name| FORMS.contains(&name));
    for row in rows.iter().filter(|row| !is_well(row)) {
        let other_form = |other: &Value| is_form(other) && other["way"] == row["way"] && is_well(other);
        if !(is_form(row) && rows.iter().any(other_form)) {
            failed.push(format!(
                "{}: {} ({}): {} instructions verified, of {CEILING} that there may be",
                kernel["name"], row["program"], row["way"], row["verified"]
            ));
        }
    }
    failed
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn programs_near_the_limit_are_told() {
        let kernel = |row: Value| json!({ "name": "6.1", "programs": [row] });
        let row = |verified| json!({ "way": "usual", "program": "levee", "verified": verified });
        assert!(too_large(&kernel(row(CEILING))).is_empty());
        assert_eq!(too_large(&kernel(row(CEILING + 1))).len(), 1);
        assert_eq!(too_large(&kernel(json!({ "verified": 5, "refused": "why" }))).len(), 1);
        assert_eq!(too_large(&json!({ "name": "6.1", "programs": [] })).len(), 1);
        let refused = json!({ "way": "usual", "program": "levee", "verified": 0, "refused": "why" });
        let in_steps = |verified| json!({ "way": "usual", "program": "levee_steps", "verified": verified });
        let forms = |verified| json!({ "name": "6.1", "programs": [refused, in_steps(verified)] });
        assert!(too_large(&forms(5)).is_empty(), "one form is enough");
        assert_eq!(too_large(&forms(CEILING + 1)).len(), 2);
    }

    #[test]
    fn what_changed_since_it_was_recorded_is_told() {
        let kernel = |release: &str, verified| {
            json!({
                "about": { "release": release },
                "programs": [{ "way": "usual", "program": "levee", "verified": verified }],
            })
        };
        let recorded = [kernel("6.1", 5)];
        assert!(changed(&recorded, &kernel("6.1", 5)).is_empty());
        assert_eq!(changed(&recorded, &kernel("6.1", 6)).len(), 1);
        assert!(
            changed(&recorded, &kernel("6.2", 6)).is_empty(),
            "another kernel counts otherwise"
        );
    }

    #[test]
    fn no_recorded_program_is_near_the_limit() {
        let kernels = results::read().expect("docs/kernels.json");
        let failed: Vec<String> = kernels.iter().flat_map(too_large).collect();
        assert!(failed.is_empty(), "{failed:#?}");
        for wanted in &fetch::WANTED {
            assert!(
                kernels.iter().any(|kernel| kernel["name"] == wanted.name),
                "{} is not among them",
                wanted.name
            );
        }
    }
}
