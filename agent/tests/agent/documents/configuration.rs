//! `docs/configuration.md`: made from the settings, and right about their bounds and about what needs a restart.

use std::{collections::BTreeSet, path::Path};

use agent::config::{self, reference};
use serde_json::Value;

use super::assert_current;
use crate::support::host;

#[test]
fn the_document_is_made_from_the_settings() {
    assert_current("docs/configuration.md", &reference::reference());
}

/// Each number with bounds: its path and both of them.
fn bounded(schema: &Value, path: &str, found: &mut Vec<(String, u64, u64)>) {
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        let full = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        if let (Some(least), Some(most)) = (property["minimum"].as_u64(), property["maximum"].as_u64()) {
            found.push((full.clone(), least, most));
        }
        bounded(property, &full, found);
    }
}

#[test]
fn bounds_in_the_schema_are_those_that_are_checked() {
    let mut all = Vec::new();
    bounded(&config::schema(), "", &mut all);
    assert!(all.len() >= 15, "{all:?}");
    for (path, least, most) in all {
        let (section, key) = path.split_once('.').expect("a section");
        let complaint = |value: u64| {
            let text = format!("interfaces = ['eth0']\nprotect = ['203.0.113.7']\n[{section}]\n{key} = {value}\n");
            let loaded = config::load_text(&text, Path::new("/etc/levee/agent.toml"), &host());
            loaded.err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert!(
            !complaint(least).contains(&path) && !complaint(most).contains(&path),
            "{path}: {}",
            complaint(most)
        );
        let told = format!("from {least} to {most}");
        assert!(complaint(most + 1).contains(&told), "{path}: {}", complaint(most + 1));
        if least > 0 {
            assert!(complaint(least - 1).contains(&told), "{path}: {}", complaint(least - 1));
        }
    }
}

#[test]
fn what_it_says_needs_a_restart_is_what_a_reload_refuses() {
    let document = reference::reference();
    let said: BTreeSet<&str> = document
        .split("\n### `")
        .skip(1)
        .filter(|setting| setting.contains("changes with: a restart"))
        .filter_map(|setting| setting.split('`').next())
        .collect();
    let text = "interfaces = ['eth0']\nprotect = ['203.0.113.7']\n";
    let load = |text: &str| {
        config::load_text(text, Path::new("/etc/levee/agent.toml"), &host()).unwrap_or_else(|error| panic!("{error}"))
    };
    let changed = "[control]\nsocket = '/run/other.sock'\ngroup = 'root'\nview_group = 'root'\n[privileges]\ndrop = false\nwritable = ['/tmp']\n[metrics]\nlisten = 'off'\n[page]\nlisten = 'off'\n[state]\ndirectory = '/var/lib/other'\n\
         [kernel]\nbpffs = '/sys/fs/other'\nxdp_mode = 'generic'\n[limits]\naddresses = 5\ngroups = 5\nlist_entries = 50\n\
         list_prefixes = 5000\nsources = 5000\nknown_sources = 2048\nretry_memory = 2\nlisteners = 50\n[log]\nformat = 'json'\n";
    let difference = agent::decide::reload::difference(&load(text), &load(&format!("{text}{changed}")));
    assert_eq!(said, difference.needs_restart.into_iter().collect());
}
