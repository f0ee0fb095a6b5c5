//! Where a fuzzer begins: what is known to be sound, made anew each time, so that none of it has to be kept.

use std::fs;

use agent::{config::example, ledger::Ledger};

use super::support::noon;
use crate::{differential::protected::world, random_packet::Random};

/// Frames, or streams of choices, to begin with.
const DRAWN: u64 = 24;

/// Inputs of a target to begin with.
#[must_use]
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "parse" | "headers" => frames(),
        "options" => vec![
            vec![2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7],
            vec![2, 4, 5, 0xb4, 1, 3, 3, 8, 1, 1, 4, 2],
            vec![
                2, 4, 5, 0xb4, 19, 18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1,
            ],
            vec![2, 4, 5, 0xb4, 34, 2, 1, 1],
            vec![2, 4, 5, 0xb4, 8, 99, 1, 1],
        ],
        "replies" | "judge" | "kernel" => (0..DRAWN).map(choices).collect(),
        "config" => configurations(),
        "units" => texts(&[
            "20k/s",
            "1.5M/s",
            "1h30m",
            "never",
            "5Gbit/s",
            "unlimited",
            "192.0.2.0/24",
            "2001:db8::/32",
            "::ffff:192.0.2.1",
            "group 192.0.2.0/24",
            "entry/192.0.2.0/24",
            "threshold/source",
            "rung/2001:db8::1",
            "[\"dns\",\"ntp\"]",
            "\"all\"",
        ]),
        "lists" => texts(&[
            "# a list\n10.0.0.0/8\n192.0.2.1 ; SBL1\n2001:db8::/32 # doc\r\n",
            "{\"cidr\":\"1.10.16.0/20\",\"sblid\":\"SBL256894\"}\n{\"type\":\"metadata\",\"records\":4}\n",
            "<!doctype html>\n",
        ]),
        "fleet" => fleet(),
        "api" => requests(),
        "state" => files(),
        _ => Vec::new(),
    }
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn frames() -> Vec<Vec<u8>> {
    let (world, mut random) = (world(), Random::new(1));
    let mut frames: Vec<Vec<u8>> = (0..DRAWN * 8).map(|_| world.frame(&mut random)).collect();
    frames.iter_mut().for_each(|frame| frame.truncate(200));
    frames
}

/// Bytes that choose frames.
fn choices(seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    (0..2 + seed % 20).flat_map(|_| random.bits().to_le_bytes()).collect()
}

fn configurations() -> Vec<Vec<u8>> {
    let example = example::example();
    // Every key that stands there as a comment, too.
    let all: String = example
        .lines()
        .map(|line| {
            line.strip_prefix("# ")
                .or_else(|| line.strip_prefix('#'))
                .unwrap_or(line)
        })
        .filter(|line| line.starts_with('[') || line.contains(" = "))
        .map(|line| format!("{line}\n"))
        .collect();
    let short = "interfaces = [\"eth0\"]\nprotect = [\"203.0.113.7\", \"198.51.100.0/28\"]\nmode = \"enforce\"\n";
    let long = format!(
        "{short}[thresholds.address]\nsyn_rate = \"20k/s\"\n[[list]]\nname = \"a\"\nfile = \"/etc/a\"\naction = \"block\"\n"
    );
    // One section at a time, behind what every file needs: short enough to be changed everywhere.
    let mut sections: Vec<String> = Vec::new();
    for line in all.lines() {
        if line.starts_with('[') || sections.is_empty() {
            sections.push(short.to_owned());
        }
        if let Some(section) = sections.last_mut() {
            *section += line;
            section.push('\n');
        }
    }
    let sections = sections.into_iter().map(String::into_bytes);
    [example.into_bytes(), short.into(), long.into_bytes()]
        .into_iter()
        .chain(sections)
        .collect()
}

fn fleet() -> Vec<Vec<u8>> {
    texts(&[
        "decisions/human/entry/192.0.2.0/24\n{\"content\":{\"entry\":\"block\"},\"actor\":\"uid=0\",\"node\":\"lb1\",\"at\":\"2025-06-01T11:00:00Z\"}",
        "decisions/machine/blackhole/203.0.113.7\n{\"content\":{\"blackhole\":{\"all\":true}},\"actor\":\"a\",\"node\":\"b\",\"at\":\"2025-06-01T11:00:00Z\",\"until\":\"2025-06-01T13:00:00Z\"}",
        "decisions/human/threshold/source\n{\"content\":{\"threshold\":{\"syn_rate\":\"5k/s\",\"syn_burst\":null,\"vectors\":{}}},\"actor\":\"a\",\"node\":\"b\",\"at\":\"2025-06-01T11:00:00Z\"}",
        "decisions/human/mode\n{\"content\":{\"mode\":\"monitor\"},\"actor\":\"a\",\"node\":\"b\",\"at\":\"2025-06-01T11:00:00Z\",\"force\":true}",
        "decisions/human/rung/203.0.113.7\n{\"content\":{\"rung\":\"verify\"},\"actor\":\"a\",\"node\":\"b\",\"at\":\"2025-06-01T11:00:00Z\"}",
        "decisions/machine/entry/0.0.0.0/0\n{\"content\":{\"entry\":\"block\"},\"actor\":\"a\",\"node\":\"b\",\"at\":\"2025-06-01T11:00:00Z\"}",
        "reports/lb1\n{\"pressures\":[{\"address\":\"203.0.113.7\",\"unproven\":1.5,\"syn\":2.0,\"threshold\":3.0,\"rung\":\"verify\"}]}",
        "sums\n{\"sums\":[],\"nodes\":3,\"revision\":7}",
        "nodes/lb1\n{\"version\":\"0.1.0\"}",
        "format\n1",
    ])
}

fn requests() -> Vec<Vec<u8>> {
    let paths = [
        "status",
        "overview",
        "addresses/203.0.113.7",
        "stats",
        "stats?address=203.0.113.7",
        "prefixes?limit=3",
        "samples",
        "list",
        "lists",
        "thresholds",
        "thresholds/203.0.113.7",
        "rungs",
        "upstream",
        "fleet",
        "fleet/nodes",
        "fleet/top",
        "groups",
        "safe?target=203.0.113.7",
        "listeners",
        "notify",
        "attacks",
        "attacks/1",
        "attacks/1/report",
        "events?limit=3",
        "mode",
    ];
    let mut requests: Vec<Vec<u8>> = paths
        .iter()
        .map(|path| format!("GET /v1/{path}\n").into_bytes())
        .collect();
    requests.extend(texts(&[
        "POST /v1/blocks\n{\"target\":\"192.0.2.9\",\"ttl\":\"5m\",\"reason\":\"T1\",\"as\":\"source\",\"force\":true}",
        "DELETE /v1/blocks?target=192.0.2.9\n",
        "POST /v1/allows\n{\"target\":\"192.0.2.0/24\",\"ttl\":\"never\"}",
        "DELETE /v1/allows?target=192.0.2.0/24\n",
        "PUT /v1/thresholds\n{\"target\":\"203.0.113.7\",\"syn_rate\":\"5k/s\",\"syn_burst\":100}",
        "DELETE /v1/thresholds?target=203.0.113.7\n",
        "PUT /v1/rungs\n{\"target\":\"203.0.113.7\",\"rung\":\"verify\",\"ttl\":\"5m\",\"force\":false}",
        "PUT /v1/mode\n{\"mode\":\"monitor\",\"ttl\":\"1h\"}",
        "POST /v1/preview\n{}",
        "POST /v1/explain\n{}",
        "POST /v1/lists/refresh\n{}",
        "POST /v1/notify/test\n{\"name\":\"a\"}",
        "POST /v1/reload\n",
        "POST /v1/detach\n",
    ]));
    requests
}

/// A list that was kept, and both databases as an agent leaves them.
fn files() -> Vec<Vec<u8>> {
    let mut files = vec![
        b"\0#{\"read\":\"2025-06-01T11:00:00Z\",\"from\":\"https://lists.example/bad\",\"invalid\":1,\"prefixes\":2}\n10.0.0.0/8\n2001:db8::/32\n"
            .to_vec(),
    ];
    let Ok(directory) = tempfile::tempdir() else {
        return files;
    };
    drop(Ledger::open(directory.path(), noon().wall));
    for (which, name) in [(1, "ledger.db"), (2, "history.db")] {
        if let Ok(bytes) = fs::read(directory.path().join(name)) {
            files.push([&[which], bytes.as_slice()].concat());
        }
    }
    files
}
