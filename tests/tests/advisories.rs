//! What is known to be wrong with the packages of Cargo.lock, by the advisories that are kept in `tests/advisories`. It needs no network,
//! and reaches as far as they do: README.md there. `cargo xtask deny --advisories` asks RustSec itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use rustsec::{Collection, Database, Lockfile, Vulnerability, database::Query};
use serde::Deserialize;

/// The part of deny.toml that both cargo-deny and this test go by.
#[derive(Debug, Deserialize)]
struct Deny {
    advisories: Advisories,
}

#[derive(Debug, Deserialize)]
struct Advisories {
    ignore: Vec<Accepted>,
}

/// An advisory that hits a locked version, and why that is accepted.
#[derive(Debug, Deserialize)]
struct Accepted {
    id: String,
    reason: String,
}

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(project(path)).with_context(|| format!("reading {path}"))
}

fn database() -> Result<Database> {
    Database::open(&project("tests/advisories")).context("reading tests/advisories")
}

fn locked() -> Result<Lockfile> {
    read("Cargo.lock")?.parse().context("reading Cargo.lock")
}

/// Cargo.lock of somebody who depends on these versions from crates.io.
fn made_up(packages: &[(&str, &str)]) -> Result<Lockfile> {
    let mut text = String::from("version = 4\n");
    for (name, version) in packages {
        text += &format!(
            "\n[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n\
             source = \"registry+https://github.com/rust-lang/crates.io-index\"\n"
        );
    }
    text.parse().context("reading what was made up")
}

/// Whatever was said about these versions and not withdrawn: holes, what is unsound, and what nobody maintains. For every operating system,
/// since Cargo.lock is the same on all of them.
fn hits(database: &Database, lock: &Lockfile) -> Vec<Vulnerability> {
    let query = Query::new().collection(Collection::Crates).withdrawn(false);
    database.query_vulnerabilities(lock, &query)
}

fn ids(hits: &[Vulnerability]) -> BTreeSet<&str> {
    hits.iter().map(|hit| hit.advisory.id.as_str()).collect()
}

fn accepted() -> Result<BTreeMap<String, String>> {
    let deny: Deny = toml::from_str(&read("deny.toml")?).context("reading deny.toml")?;
    let ignored = deny.advisories.ignore.into_iter();
    Ok(ignored.map(|accepted| (accepted.id, accepted.reason)).collect())
}

/// Without this, a dependency that comes in later would pass for one without advisories.
#[test]
fn every_package_of_cargo_lock_was_looked_up() -> Result<()> {
    let text = read("tests/advisories/looked-up.txt")?;
    let names: Vec<&str> = text.lines().collect();
    ensure!(
        names.is_sorted_by(|one, next| one < next),
        "tests/advisories/looked-up.txt is not sorted, or has a name twice"
    );
    let lock = locked()?;
    let downloaded = lock.packages.iter().filter(|package| package.source.is_some());
    let unknown: BTreeSet<&str> = downloaded
        .map(|package| package.name.as_str())
        .filter(|name| names.binary_search(name).is_err())
        .collect();
    ensure!(
        unknown.is_empty(),
        "nobody has looked for advisories about {unknown:?}: see https://rustsec.org/packages/NAME.html for each, keep what is there as \
         tests/advisories/README.md says, and add the name to looked-up.txt"
    );
    Ok(())
}

#[test]
fn no_advisory_hits_a_locked_version_unless_deny_toml_says_why() -> Result<()> {
    let database = database()?;
    let lock = locked()?;
    let hits = hits(&database, &lock);
    let accepted = accepted()?;
    let unaccepted: Vec<String> = hits
        .iter()
        .filter(|hit| !accepted.contains_key(hit.advisory.id.as_str()))
        .map(|hit| {
            let (package, advisory) = (&hit.package, &hit.advisory);
            let (name, version, id) = (&package.name, &package.version, &advisory.id);
            format!(
                "{name} {version}: {}, https://rustsec.org/advisories/{id}.html",
                advisory.title
            )
        })
        .collect();
    ensure!(
        unaccepted.is_empty(),
        "take a patched version (`cargo update -p NAME`), or say in deny.toml under `ignore` what it means for Levee:\n{}",
        unaccepted.join("\n")
    );
    for (id, reason) in &accepted {
        ensure!(!reason.is_empty(), "deny.toml does not say why {id} is accepted");
        ensure!(
            ids(&hits).contains(id.as_str()),
            "{id} hits nothing any more: take it out of deny.toml"
        );
    }
    Ok(())
}

/// Tokio as of its first stable release, which has holes as well as what is only called unsound, and as of today; *ring* as of before 0.17,
/// which nobody maintains.
#[test]
fn old_versions_are_found() -> Result<()> {
    let database = database()?;
    let found = hits(&database, &made_up(&[("tokio", "1.0.0"), ("ring", "0.16.20")])?);
    let expected = [
        "RUSTSEC-2021-0072",
        "RUSTSEC-2021-0124",
        "RUSTSEC-2023-0005",
        "RUSTSEC-2025-0009",
        "RUSTSEC-2025-0010",
        "RUSTSEC-2025-0023",
    ];
    assert_eq!(ids(&found), BTreeSet::from(expected));
    let found = hits(&database, &made_up(&[("tokio", "1.54.1"), ("ring", "0.17.14")])?);
    assert_eq!(ids(&found), BTreeSet::new());
    Ok(())
}

#[test]
fn every_file_is_read_and_what_was_withdrawn_does_not_count() -> Result<()> {
    let database = database()?;
    let text = read("tests/advisories/looked-up.txt")?;
    let names: BTreeSet<&str> = text.lines().collect();
    for advisory in database.iter() {
        let (id, package) = (advisory.id(), advisory.metadata.package.as_str());
        ensure!(
            names.contains(package),
            "{id} is about {package}, which is not in looked-up.txt"
        );
        let page = format!("https://rustsec.org/advisories/{id}.html");
        let url = advisory.metadata.url.as_ref().map(ToString::to_string);
        ensure!(url == Some(page), "{id} does not lead to its page at RustSec");
    }
    let withdrawn: Vec<_> = database.iter().filter(|advisory| advisory.withdrawn()).collect();
    ensure!(!withdrawn.is_empty(), "nothing to try this with");
    for advisory in withdrawn {
        let lock = made_up(&[(advisory.metadata.package.as_str(), "0.0.1")])?;
        let all = database.query_vulnerabilities(&lock, &Query::new());
        let id = advisory.id().as_str();
        ensure!(ids(&all).contains(id), "{id} would not have been found either way");
        ensure!(
            !ids(&hits(&database, &lock)).contains(id),
            "{id} was withdrawn and counts"
        );
    }
    Ok(())
}
