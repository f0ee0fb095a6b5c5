//! What the packages are built of, for programs that look for holes in it: CycloneDX, made by cargo-cyclonedx, which is CycloneDX's own
//! tool for Cargo. Then held against what Cargo.lock says: a list that lacks something is worse than none.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use xtask::bpf;

use super::{licences, place::Place};
use crate::{
    reproduce::copy_sources,
    run::{announce, cargo, run},
};

/// The name of the file in the packages; `.cdx.json` is what CycloneDX recommends.
pub(super) const FILE: &str = "sbom.cdx.json";
const TOOL: &str = "cargo-cyclonedx";
/// Of the specification.
const SPECIFICATION: &str = "1.5";
/// The agent, and the program for the kernel that is in it.
const ROOTS: [&str; 2] = ["agent", "xdp-ebpf"];

/// The text of the file.
///
/// # Errors
///
/// When the tool cannot be had or fails, or when its list lacks something that is linked.
pub(super) fn make(place: &Place) -> Result<String> {
    if bpf::find_program(TOOL).is_none() {
        announce("cargo-cyclonedx from crates.io (what the packages are built of; some minutes to build)");
        run(cargo().args(["install", TOOL, "--locked"]))?;
    }
    announce("what they are built of");
    // The tool writes beside each Cargo.toml.
    let copy = place.fresh("sbom")?.join("levee");
    copy_sources(&place.root, &copy)?;
    let mut parts = Vec::new();
    for name in ROOTS {
        run(cargo()
            .args([
                "cyclonedx",
                "--quiet",
                "--format",
                "json",
                "--all-features",
                "--no-build-deps",
            ])
            .args(["--spec-version", SPECIFICATION, "--manifest-path"])
            .arg(copy.join(name).join("Cargo.toml"))
            .env("SOURCE_DATE_EPOCH", place.epoch.to_string()))?;
        parts.push(read(&copy, name)?);
    }
    let joined = join(parts)?;
    let missing = missing(&joined, &licences::linked_packages(place)?);
    if !missing.is_empty() {
        bail!("{FILE} lacks what is linked: {}", missing.join(", "));
    }
    Ok(serde_json::to_string_pretty(&joined)? + "\n")
}

/// What the tool wrote of a package, without the place where it was written.
fn read(copy: &Path, name: &str) -> Result<Value> {
    let file = copy.join(name).join(format!("{name}.cdx.json"));
    let text = fs::read_to_string(&file).with_context(|| format!("{TOOL} wrote no {}", file.display()))?;
    let text = text.replace(&format!("file://{}", copy.display()), "file:///levee");
    serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))
}

/// One list of several: the first one's, with what the others have besides, each once and in an order of its own.
fn join(parts: Vec<Value>) -> Result<Value> {
    let mut parts = parts.into_iter();
    let mut whole = parts.next().context("nothing to join")?;
    let rest: Vec<Value> = parts.collect();
    for (list, key) in [("components", "bom-ref"), ("dependencies", "ref")] {
        let mut entries: BTreeMap<String, Value> = BTreeMap::new();
        for part in std::iter::once(&whole).chain(&rest) {
            for entry in part[list].as_array().into_iter().flatten() {
                let name = entry[key].as_str().unwrap_or_default().to_owned();
                entries.entry(name).or_insert_with(|| entry.clone());
            }
        }
        whole[list] = entries.into_values().collect();
    }
    // Drawn at random where the tool writes one.
    if let Some(object) = whole.as_object_mut() {
        object.remove("serialNumber");
    }
    Ok(whole)
}

/// Packages, by name and version, that a list does not have.
fn missing(list: &Value, linked: &BTreeSet<(String, String)>) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let components = list["components"].as_array().into_iter().flatten();
    let listed: BTreeSet<(String, String)> = components
        .map(|one| (text(&one["name"]), text(&one["version"])))
        .collect();
    let missing = linked.difference(&listed);
    missing.map(|(name, version)| format!("{name} {version}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn component(name: &str) -> Value {
        json!({ "bom-ref": format!("registry#{name}@1.0.0"), "name": name, "version": "1.0.0" })
    }

    #[test]
    fn lists_what_cargo_lock_lists() {
        let agent = json!({
            "serialNumber": "urn:uuid:1",
            "components": [component("b"), component("a")],
            "dependencies": [{ "ref": "agent", "dependsOn": ["a", "b"] }],
        });
        let program = json!({ "components": [component("a"), component("c")], "dependencies": [] });
        let whole = join(vec![agent, program]).expect("joined");
        let names: Vec<&str> = whole["components"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|one| one["name"].as_str())
            .collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!(whole["serialNumber"], Value::Null, "the same twice");
        let of = |names: &[&str]| {
            names
                .iter()
                .map(|name| ((*name).to_owned(), "1.0.0".to_owned()))
                .collect()
        };
        assert_eq!(missing(&whole, &of(&["a", "b", "c"])), [""; 0]);
        assert_eq!(missing(&whole, &of(&["a", "d"])), ["d 1.0.0"]);
    }
}
