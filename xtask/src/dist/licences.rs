//! The licences of what is linked into the agent, in full, as they ask for.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
    process::Stdio,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::place::Place;
use crate::run::cargo;

/// Our packages that end up in the agent; the second one as the program for the kernel.
const ROOTS: [&str; 2] = ["agent", "xdp-ebpf"];

/// How the names of files with licences begin, in capitals.
const NAMES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"];

const HEADING: &str = "\
What is linked into Levee's agent besides its own code.

The Rust standard library is under MIT or Apache-2.0. SQLite is in the public domain. The binary of the static archive
contains the GNU C library (LGPL-2.1-or-later) of Debian's package libc6-dev: its source is Debian's source package glibc,
and `cargo xtask dist` in Levee's source links the binary anew, also with a changed C library.
";

/// One text with the names of all packages, their licences, and every licence once.
///
/// # Errors
///
/// When cargo does not tell, or a package neither names nor brings a licence.
pub(super) fn collect(place: &Place) -> Result<String> {
    write(&metadata(place)?)
}

/// Name and version of everything from elsewhere that is linked.
///
/// # Errors
///
/// When cargo does not tell.
pub(super) fn linked_packages(place: &Place) -> Result<BTreeSet<(String, String)>> {
    let metadata = metadata(place)?;
    let linked = linked(&metadata);
    let packages = array(&metadata["packages"]).filter(|package| linked.contains(text(&package["id"])));
    let foreign = packages.filter(|package| !package["source"].is_null());
    Ok(foreign
        .map(|package| (text(&package["name"]).to_owned(), text(&package["version"]).to_owned()))
        .collect())
}

fn metadata(place: &Place) -> Result<Value> {
    let output = cargo()
        .args(["metadata", "--format-version=1", "--locked", "--all-features"])
        .arg("--filter-platform")
        .arg(format!("{}-unknown-linux-gnu", std::env::consts::ARCH))
        .current_dir(&place.root)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    if !output.status.success() {
        bail!("`cargo metadata` failed ({})", output.status);
    }
    serde_json::from_slice(&output.stdout).context("`cargo metadata` prints no JSON")
}

fn write(metadata: &Value) -> Result<String> {
    let linked = linked(metadata);
    let mut list = String::new();
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in array(&metadata["packages"]).filter(|package| linked.contains(text(&package["id"]))) {
        if package["source"].is_null() {
            continue;
        }
        let name = format!("{} {}", text(&package["name"]), text(&package["version"]));
        let directory = Path::new(text(&package["manifest_path"]))
            .parent()
            .context("no directory")?;
        let found = licences_in(directory)?;
        let licence = match (package["license"].as_str(), found.is_empty()) {
            (Some(licence), _) => licence,
            (None, false) => "see its text",
            (None, true) => bail!("{name} neither names a licence nor brings one: it cannot be passed on"),
        };
        writeln!(list, "{name}: {licence}")?;
        for text in found {
            texts.entry(text).or_default().insert(name.clone());
        }
    }
    let mut out = format!("{HEADING}\n{list}");
    for (text, names) in texts {
        let names: Vec<String> = names.into_iter().collect();
        write!(
            out,
            "\n{}\n{}\n\n{}\n",
            "=".repeat(100),
            names.join(", "),
            text.trim_end()
        )?;
    }
    Ok(out)
}

/// The ids of all packages that [`ROOTS`] are linked with; not what only build scripts and tests use.
fn linked(metadata: &Value) -> BTreeSet<&str> {
    let nodes: BTreeMap<&str, &Value> = array(&metadata["resolve"]["nodes"])
        .map(|node| (text(&node["id"]), node))
        .collect();
    let mut waiting: Vec<&str> = array(&metadata["packages"])
        .filter(|package| package["source"].is_null() && ROOTS.contains(&text(&package["name"])))
        .map(|package| text(&package["id"]))
        .collect();
    let mut found = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        let Some(node) = nodes.get(id).filter(|_| found.insert(id)) else {
            continue;
        };
        let normal = |dependency: &&Value| array(&dependency["dep_kinds"]).any(|kind| kind["kind"].is_null());
        waiting.extend(
            array(&node["deps"])
                .filter(normal)
                .map(|dependency| text(&dependency["pkg"])),
        );
    }
    found
}

fn licences_in(directory: &Path) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| format!("reading {}", directory.display()))? {
        let path = entry
            .with_context(|| format!("reading {}", directory.display()))?
            .path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        if path.is_file() && NAMES.iter().any(|beginning| name.starts_with(beginning)) {
            let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            // Some are written on systems with other line ends.
            texts.push(text.replace("\r\n", "\n"));
        }
    }
    Ok(texts)
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn package(name: &str, source: Option<&str>, licence: Option<&str>, directory: &Path) -> Value {
        json!({
            "id": name, "name": name, "version": "1.0.0", "source": source, "license": licence,
            "manifest_path": directory.join("Cargo.toml"),
        })
    }

    fn node(id: &str, deps: &[(&str, Option<&str>)]) -> Value {
        let deps: Vec<Value> = deps
            .iter()
            .map(|(name, kind)| json!({ "pkg": name, "dep_kinds": [{ "kind": kind }] }))
            .collect();
        json!({ "id": id, "deps": deps })
    }

    #[test]
    fn has_what_is_linked_and_each_text_once() {
        let directory = tempfile::tempdir().expect("directory");
        fs::write(directory.path().join("LICENSE-MIT"), "Copyright somebody\r\n").expect("file");
        fs::write(directory.path().join("lib.rs"), "code").expect("file");
        let at = directory.path();
        let metadata = json!({
            "packages": [
                package("agent", None, Some("MIT"), at),
                package("direct", Some("registry"), Some("MIT"), at),
                package("indirect", Some("registry"), None, at),
                package("only-for-tests", Some("registry"), Some("MIT"), at),
            ],
            "resolve": { "nodes": [
                node("agent", &[("direct", None), ("only-for-tests", Some("dev"))]),
                node("direct", &[("indirect", None)]),
                node("indirect", &[]),
                node("only-for-tests", &[]),
            ] },
        });
        let text = write(&metadata).expect("licences");
        assert!(
            text.contains("direct 1.0.0: MIT\nindirect 1.0.0: see its text\n"),
            "{text}"
        );
        assert!(!text.contains("only-for-tests"), "{text}");
        assert_eq!(text.matches("Copyright somebody\n").count(), 1, "{text}");
        assert!(text.contains("\ndirect 1.0.0, indirect 1.0.0\n"), "{text}");
    }

    #[test]
    fn what_has_no_licence_is_not_passed_on() {
        let directory = tempfile::tempdir().expect("directory");
        let metadata = json!({
            "packages": [
                package("agent", None, None, directory.path()),
                package("nameless", Some("registry"), None, directory.path()),
            ],
            "resolve": { "nodes": [node("agent", &[("nameless", None)]), node("nameless", &[])] },
        });
        let error = write(&metadata).expect_err("no licence").to_string();
        assert!(error.contains("nameless 1.0.0"), "{error}");
    }
}
