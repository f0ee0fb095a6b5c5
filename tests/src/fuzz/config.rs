//! The configuration's text: what is accepted is written and read back to the same, and what is not is named.

use std::path::Path;

use agent::{
    config::{self, ConfigFile},
    host::HostFacts,
};

use super::support::host;

/// Where it pretends to be.
const PATH: &str = "/etc/levee/agent.toml";

/// Stands for a secret that the configuration has itself.
const HIDDEN: &str = "[secret]";

pub(super) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let host = host();
    match config::load_text(text, Path::new(PATH), &host) {
        Ok(_) => accepted(text, &host),
        Err(error) => {
            assert!(!error.problems.is_empty(), "a refusal without a problem");
            for problem in &error.problems {
                assert!(!problem.message.is_empty(), "{problem:?}");
            }
            assert!(error.to_string().contains(PATH), "it names the file: {error}");
        }
    }
}

fn accepted(text: &str, host: &HostFacts) {
    let file: ConfigFile = toml::from_str(text).expect("what is accepted is read");
    let written = toml::to_string(&file).expect("what is read is written");
    let again: ConfigFile = toml::from_str(&written).unwrap_or_else(|error| panic!("{error}:\n{written}"));
    if written.contains(HIDDEN) {
        // What is written of a secret is not the secret, so only what is written can be the same.
        assert_eq!(
            toml::to_string(&again).as_ref(),
            Ok(&written),
            "written, read and written"
        );
        return;
    }
    assert_eq!(again, file, "written and read:\n{written}");
    config::load_text(&written, Path::new(PATH), host)
        .unwrap_or_else(|error| panic!("accepted, written, and refused: {error}\n{written}"));
}
