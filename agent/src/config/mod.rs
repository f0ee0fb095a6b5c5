//! The configuration: the file as written, its units, its resolution into options, and what is wrong with it.

pub mod captures;
pub mod detect;
pub mod example;
pub mod file;
pub mod fleet;
pub mod groups;
pub mod ladder;
pub mod lists;
pub mod notify;
pub mod operation;
pub mod page;
mod parse;
pub mod prefix;
pub mod privileges;
pub mod problem;
pub mod reference;
pub mod resolve;
pub mod secret;
mod source_list;
pub mod thresholds;
pub mod units;
mod unknown;
pub mod upstream;
mod validate;

use std::path::Path;

pub use file::ConfigFile;
pub use problem::{ConfigError, Problem};
pub use resolve::Config;

use crate::host::HostFacts;

/// Where the configuration is unless `--config` says otherwise.
pub const DEFAULT_PATH: &str = "/etc/levee/agent.toml";

/// The schema of the file, made from the documentation of its settings.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::generate::SchemaSettings::draft2020_12()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator()
        .into_root_schema_for::<ConfigFile>()
        .to_value()
}

/// Reads, resolves and checks a configuration file against this host.
///
/// # Errors
/// Everything that is wrong with the file, in one error.
pub fn load(path: &Path, host: &HostFacts) -> Result<Config, ConfigError> {
    let as_error = |problems| ConfigError {
        file: path.to_owned(),
        problems,
    };
    let text = std::fs::read_to_string(path).map_err(|error| as_error(vec![unreadable(&error)]))?;
    load_text(&text, path, host)
}

/// Like [`load`], for a text that is already read; `path` only names it.
///
/// # Errors
/// Everything that is wrong with the text, in one error.
pub fn load_text(text: &str, path: &Path, host: &HostFacts) -> Result<Config, ConfigError> {
    let (file, mut problems) = parse::parse(text);
    if let Some(file) = file {
        let (config, more) = resolve::resolve(&file, host, path);
        problems.extend(only_new(&problems, more));
        problems.extend(only_new(&problems, validate::against_host(&file, host)));
        if problems.is_empty() {
            return Ok(config);
        }
    }
    Err(ConfigError {
        file: path.to_owned(),
        problems,
    })
}

/// As much of a file as can be understood, without a look at the host: where a command only needs to know where things
/// are, a mistake elsewhere in the file must not keep it from a running agent.
///
/// # Errors
/// A file that cannot be read, or that is no TOML at all.
pub fn load_what_can_be(path: &Path) -> Result<ConfigFile, ConfigError> {
    let as_error = |problems| ConfigError {
        file: path.to_owned(),
        problems,
    };
    let text = std::fs::read_to_string(path).map_err(|error| as_error(vec![unreadable(&error)]))?;
    let (file, problems) = parse::parse(&text);
    file.ok_or_else(|| as_error(problems))
}

fn unreadable(error: &std::io::Error) -> Problem {
    let way_out = match error.kind() {
        std::io::ErrorKind::NotFound => "; write one with `agent config example`, or name another with --config",
        std::io::ErrorKind::PermissionDenied => "; run as root, or name another file with --config",
        _ => "",
    };
    Problem::without_value("", format!("cannot be read: {error}{way_out}"))
}

/// A key whose value could not be read is reported once: what follows from its absence is no news.
fn only_new(known: &[Problem], found: Vec<Problem>) -> Vec<Problem> {
    let covered = |problem: &Problem| {
        known
            .iter()
            .any(|known| !known.key.is_empty() && !problem.key.is_empty() && problem.key.starts_with(&known.key))
    };
    found.into_iter().filter(|problem| !covered(problem)).collect()
}
