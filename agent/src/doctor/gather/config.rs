//! The configuration, as far as it can be understood, and the sizes of its lists.

use std::{collections::BTreeMap, fs, net::IpAddr, path::Path};

use crate::{
    config::{self, Config, lists::ReadFrom},
    doctor::facts::{ConfigFacts, InterfacesFrom},
    feeds::{parse::parse, store::Store},
    host::{HostFacts, sockets},
};

pub(super) fn gather(path: &Path, host: &HostFacts, ssh_peer: Option<IpAddr>) -> ConfigFacts {
    let resolved = config::load(path, host).map(Box::new).map_err(|error| error.problems);
    ConfigFacts {
        path: path.to_owned(),
        is_there: path.exists(),
        file: config::load_what_can_be(path).ok(),
        lists: resolved.as_ref().map(|config| sizes(config)).unwrap_or_default(),
        resolved,
        ways: BTreeMap::new(),
        default_interfaces: Vec::new(),
        gateways: host.gateways.clone(),
        ssh_peer,
        interfaces_from: InterfacesFrom::Config,
        listening: sockets::listening().map_or(0, |sockets| sockets.len()),
    }
}

/// Prefixes of each large list: of its file, or of the last good version of its URL.
fn sizes(config: &Config) -> Vec<(String, usize)> {
    let store = Store::new(&config.state_directory);
    let size = |list: &config::lists::List| {
        let prefixes = match &list.from {
            ReadFrom::File(path) => parse(&fs::read_to_string(path).ok()?).ok()?.prefixes,
            ReadFrom::Url(url) => store.last_good(&list.name, url.as_str()).ok()??.parsed.prefixes,
        };
        Some((list.name.clone(), prefixes.len()))
    };
    config.lists.iter().filter_map(size).collect()
}
