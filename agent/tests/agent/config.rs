//! What is wrong with a configuration, as the operator reads it: file, key, value, way out, all of it at once.

use std::path::Path;

use agent::config::{self, Config, ConfigError};

use crate::support::{address, host, net};

fn load(text: &str) -> Result<Config, ConfigError> {
    config::load_text(text, Path::new("/etc/levee/agent.toml"), &host())
}

/// The whole message of a text that cannot be used.
fn message(text: &str) -> String {
    load(text).expect_err("cannot be used").to_string()
}

/// Prefixes a text with what every configuration needs.
fn with_interface(text: &str) -> String {
    format!("interfaces = ['eth0']\n{text}")
}

#[test]
fn the_least_configuration_protects_the_hosts_own_addresses() {
    let config = load("interfaces = ['eth0']").expect("sound");
    let protected: Vec<_> = config.protected.keys().copied().collect();
    assert_eq!(protected, [address("203.0.113.7"), address("2001:db8:f::7")]);
    assert!(config.protected.values().all(|protected| protected.local));
}

#[test]
fn prefixes_stand_for_every_address_in_them() {
    let text = with_interface(
        "protect = ['203.0.113.4/30', '2001:db8::/127', 'auto']\n[[address]]\naddress = '203.0.113.5'\nsyn_rate = '5k'",
    );
    let config = load(&text).expect("sound");
    assert_eq!(
        config.protected.len(),
        4 + 2 + 1,
        "the host's 203.0.113.7 is in the /30 already"
    );
    let of = |text: &str| config.protected[&address(text)];
    assert_eq!(of("203.0.113.5").limit.syn_rate.per_second(), 5_000);
    assert_eq!(of("203.0.113.5").limit.syn_burst.events(), 100_000);
    assert!(of("203.0.113.7").local && !of("203.0.113.4").local);
}

#[test]
fn lists_may_nest_when_the_inner_says_otherwise() {
    let config = load(&with_interface("allow = ['198.51.100.7']\nblock = ['198.51.100.0/24']")).expect("sound");
    assert_eq!(config.list.len(), 2);
    assert_eq!(config.list[&net("198.51.100.7")].to_string(), "allow");
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let text = "interfaces = ['eth0', 'eth9']\nmode = 'on'\nprotekt = []\nprotect = ['10.0.0.1/8', '0.0.0.0/0']\n\
                [thresholds.source]\nsyn_rate = '20kb/s'\nsyn_burst = 0\n[metrics]\nlisten = 'localhost'\n";
    assert_eq!(
        message(text),
        "/etc/levee/agent.toml: 8 problems\n  \
         protekt: there is no such key; did you mean `protect`?\n  \
         mode = \"on\": unknown variant `on`, expected `monitor` or `enforce`\n  \
         thresholds.source.syn_burst = 0: \"0\" is not a burst: write a number of SYNs between 1 and 100M, with an optional k or M, \
         such as 500, \"2k\" or \"1M\"\n  \
         thresholds.source.syn_rate = \"20kb/s\": \"20kb/s\" is not a rate: write SYNs per second between 1 and 10M, as a number with an \
         optional k or M and an optional /s, such as 20000, \"20k\" or \"1.5M/s\"\n  \
         protect[0] = \"10.0.0.1/8\": 10.0.0.1/8 has bits set beyond its /8: write 10.0.0.0/8 for the whole prefix, or 10.0.0.1 for the \
         one address\n  \
         protect[1] = \"0.0.0.0/0\": 0.0.0.0/0 covers every address: name the prefixes that you mean\n  \
         metrics.listen = \"localhost\": is neither an address with a port, such as \"127.0.0.1:9666\" or \"[::1]:9666\", nor \"off\"\n  \
         interfaces[1] = \"eth9\": there is no such interface here; there are lo, eth0, eth1"
    );
}

#[test]
fn each_mistake_names_its_way_out() {
    for (text, part) in [
        (
            "",
            "interfaces: is missing: name the interfaces where packets from outside arrive; here are lo, eth0, eth1",
        ),
        (
            "interfaces = ['eth0', 'eth0']",
            "interfaces[1] = \"eth0\": is there twice; remove one",
        ),
        ("interfaces = ['eth0']\nprotect = []", "protect: names no address"),
        (
            "interfaces = ['eth0']\nprotect = ['203.0.113.0/24', '203.0.113.9']",
            "protect[1] = \"203.0.113.9\": overlaps protect[0] (203.0.113.0/24): each address can be there once; remove one",
        ),
        (
            "interfaces = ['eth0']\nprotect = ['2001:db8::/64']",
            "holds more addresses than limits.addresses (4096)",
        ),
        (
            "interfaces = ['eth0']\nprotect = ['10.0.0.0/19']",
            "holds more addresses than limits.addresses (4096)",
        ),
        (
            "interfaces = ['eth0']\nprotect = ['10.0.0.0/20', '10.1.0.0/24']",
            "protect: stands for 4352 addresses, and limits.addresses is 4096",
        ),
        (
            "interfaces = ['eth0']\nprotect = ['127.0.0.1']",
            "cannot be the destination of packets from outside",
        ),
        (
            "interfaces = ['eth0']\nprotect = ['ff02::1']",
            "cannot be the destination of packets from outside",
        ),
        (
            "interfaces = ['eth0']\nallow = ['192.0.2.0/24']\nblock = ['192.0.2.0/24']",
            "block[0] = \"192.0.2.0/24\": is there already as allow[0]; remove one",
        ),
        (
            "interfaces = ['eth0']\nblock = ['198.51.0.0/16', '198.51.100.0/24']",
            "block[1] = \"198.51.100.0/24\": overlaps block[0] (198.51.0.0/16), which holds it already; remove one",
        ),
        (
            "interfaces = ['eth0']\nblock = ['203.0.113.0/24']",
            "block[0] = \"203.0.113.0/24\": holds 203.0.113.7, which is protected",
        ),
        (
            "interfaces = ['eth0']\n[[address]]\naddress = '192.0.2.9'\nsyn_rate = 5",
            "address[0].address = \"192.0.2.9\": is not protected: add it to `protect`, or remove this section",
        ),
        (
            "interfaces = ['eth0']\n[[address]]\naddress = '203.0.113.7'",
            "address[0]: sets nothing: give it a syn_rate, a syn_burst, a verify, a rung or a ladder",
        ),
        (
            "interfaces = ['eth0']\n[[address]]\naddress = '203.0.113.7'\nsyn_rate = 5\n[[address]]\naddress = '203.0.113.7'\nsyn_rate = 6",
            "address[1].address = \"203.0.113.7\": has its section already in address[0]; merge the two",
        ),
        (
            "interfaces = ['eth0']\n[limits]\naddresses = 0",
            "limits.addresses = 0: is out of range; write a number from 1 to",
        ),
        (
            "interfaces = ['eth0']\n[limits]\nknown_sources = 300000",
            "limits.known_sources = 300000: is not a power of two; write 262144 or 524288",
        ),
        (
            "interfaces = ['eth0']\n[limits]\nretry_memory = 3",
            "limits.retry_memory = 3: is not a power of two; write 2 or 4",
        ),
        (
            "interfaces = ['eth0']\n[limits]\nlisteners = 1",
            "limits.listeners = 1: is out of range; write a number from 16 to",
        ),
        (
            "interfaces = ['eth0']\n[verify]\nmethod = 'cookies'",
            "verify.method = \"cookies\": unknown variant `cookies`, expected one of `auto`, `cookie`, `challenge`, `drop`",
        ),
        (
            "interfaces = ['eth0']\n[verify]\nhold = '2h'",
            "verify.hold = \"2h\": is out of range; write a duration from 1s to 1h",
        ),
        (
            "interfaces = ['eth0']\n[verify]\nknown_for = '30s'",
            "verify.known_for = \"30s\": is out of range; write a duration from 1m to 20d",
        ),
        (
            "interfaces = ['eth0']\n[verify]\nknown_for = 'never'",
            "verify.known_for = \"never\": \"never\" is not a duration",
        ),
        (
            "interfaces = ['eth0']\n[verify]\nanswers_per_second = 0",
            "verify.answers_per_second = 0: ",
        ),
        (
            "interfaces = ['eth0']\n[[address]]\naddress = '203.0.113.7'\nrung = 'observe'",
            "address[0].rung = \"observe\": unknown variant `observe`, expected one of `limit`, `verify`",
        ),
        (
            "interfaces = ['eth0']\n[ladder]\nhighest = 'upstream'",
            "ladder.dry_run: lacks \"upstream\", the highest rung",
        ),
        (
            "interfaces = ['eth0']\n[ladder]\ndry_run = ['known']",
            "ladder.dry_run = \"known\": is above the highest rung (verify)",
        ),
        (
            "interfaces = ['eth0']\n[ladder]\ndry_run = ['limit']",
            "ladder.dry_run = \"limit\": is the rung where every address stands",
        ),
        (
            "interfaces = ['eth0']\n[ladder]\nttl = '20s'\n[poll]\ninterval = '10s'",
            "ladder.ttl = \"20s\": is shorter than four times poll.interval (10s)",
        ),
        (
            "interfaces = ['eth0']\n[[address]]\naddress = '203.0.113.7'\nladder = { known = { hold = '1h' } }",
            "address[0].ladder.known.hold = \"1h\": is longer than hold_max",
        ),
        (
            "interfaces = ['eth0']\n[state]\ndirectory = 'state'",
            "state.directory = \"state\": is not an absolute path; begin it with /",
        ),
        (
            "interfaces = ['eth0']\n[control]\ngroup = 'no-such-group-here'",
            "there is no such group here",
        ),
        (
            "interfaces = 'eth0'",
            "interfaces = \"eth0\": invalid type: string \"eth0\", expected a sequence",
        ),
        ("interfaces = ['eth0'\n", "is not valid TOML"),
    ] {
        let found = message(text);
        assert!(found.contains(part), "{text}\nwanted: {part}\nfound: {found}");
    }
}

#[test]
fn one_mistake_is_one_problem() {
    for text in [
        "interfaces = 5",
        "interfaces = ['eth0']\nprotect = [5]",
        "interfaces = ['eth0']\nprotect = ['x']",
        "",
    ] {
        assert!(
            message(text).starts_with("/etc/levee/agent.toml: 1 problem\n"),
            "{}",
            message(text)
        );
    }
}

#[test]
fn what_is_only_odd_is_a_warning() {
    let text = with_interface("block = ['64.0.0.0/7']\n[metrics]\nlisten = '0.0.0.0:9666'");
    let warnings: Vec<String> = load(&text)
        .expect("sound")
        .warnings
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
}

#[test]
fn a_missing_file_says_how_to_get_one() {
    let error = config::load(Path::new("/nonexistent/agent.toml"), &host())
        .expect_err("missing")
        .to_string();
    assert!(error.contains("agent config example"), "{error}");
}
