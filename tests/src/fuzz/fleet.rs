//! Keys and values of etcd, which anybody who reaches it may have written. The first line is a key behind the prefix, the
//! rest its value.

use agent::fleet::{Board, Decision, Garbage, Key, Keys, NodeInfo, Report, Sums, Target};
use jiff::Timestamp;

pub(super) fn run(data: &[u8]) {
    let at = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (name, value) = (&data[..at], data.get(at + 1..).unwrap_or_default());
    let keys = Keys::under("/levee/");
    let key = match keys.read(&[b"/levee/", name].concat()) {
        Ok(key) => key,
        Err(garbage) => return printable(&garbage),
    };
    assert_eq!(
        keys.name(&key).as_bytes(),
        [b"/levee/", name].concat(),
        "one name for one thing"
    );
    match key {
        Key::Decision(by, target) => match Decision::read(&target, value) {
            Ok(decision) => decided((target, by), &decision),
            Err(garbage) => printable(&garbage),
        },
        Key::Node(_) => same(value, NodeInfo::read, NodeInfo::write),
        Key::Report(_) => same(value, Report::read, Report::write),
        Key::Sums => same(value, Sums::read, Sums::write),
        Key::Format | Key::Leader => {}
    }
}

fn decided(key: (Target, agent::fleet::By), decision: &Decision) {
    let (target, _) = key;
    if let Target::Entry(prefix) = target {
        let as_asked = agent::config::prefix::parse(&prefix.to_string());
        assert_eq!(as_asked, Ok(prefix), "a prefix that could be asked for here");
    }
    let again = Decision::read(&target, &decision.write());
    assert_eq!(again.as_ref(), Ok(decision), "written and read");
    let now: Timestamp = "2025-06-01T12:00:00Z".parse().expect("an instant");
    let mut board = Board::default();
    match board.put(key, decision.clone(), now) {
        Ok(_) => {
            assert_eq!(
                board.put(key, decision.clone(), now),
                Ok(false),
                "the second time is no news"
            );
            assert!(board.stamp(target, now) > decision.at, "what is decided next is newer");
            if let Some((_, standing)) = board.standing(target, now) {
                assert!(standing.holds(now), "what stands holds");
            }
        }
        Err(garbage) => printable(&garbage),
    }
}

fn same<T: PartialEq + std::fmt::Debug>(value: &[u8], read: fn(&[u8]) -> Result<T, Garbage>, write: fn(&T) -> Vec<u8>) {
    match read(value) {
        Ok(found) => assert_eq!(read(&write(&found)).as_ref(), Ok(&found), "written and read"),
        Err(garbage) => printable(&garbage),
    }
}

fn printable(garbage: &Garbage) {
    let text = garbage.to_string();
    assert!(!text.chars().any(char::is_control), "{text:?}");
    assert!(text.chars().count() <= 200, "{text}");
}
