//! List files and feeds: what is accepted is written and read back to the same; what is not is told by its line.

use std::collections::BTreeSet;

use agent::feeds::parse::parse;
use ipnet::IpNet;

pub(super) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(parsed) = parse(text) else { return };
    assert!(
        parsed.prefixes.len() + parsed.invalid <= text.lines().count(),
        "at most one of each line"
    );
    assert!(parsed.told.len() <= parsed.invalid && (parsed.invalid == 0) == parsed.told.is_empty());
    for told in &parsed.told {
        assert!(
            told.line >= 1 && told.line <= text.lines().count(),
            "a line that is there: {told}"
        );
        assert!(told.problem.len() < 1_000, "short enough to be told: {told}");
    }
    let nets: Vec<IpNet> = parsed.prefixes.iter().collect();
    assert_eq!(nets.iter().collect::<BTreeSet<_>>().len(), nets.len(), "each once");
    assert!(
        nets.iter().all(|net| net.trunc() == *net && net.prefix_len() > 0),
        "{nets:?}"
    );
    let written: String = nets.iter().map(|net| format!("{net}\n")).collect();
    let again = parse(&written).expect("what was written");
    assert_eq!((again.invalid, &again.prefixes), (0, &parsed.prefixes), "{written}");
    assert_eq!(again.prefixes.digest(), parsed.prefixes.digest());
    let as_json: String = nets.iter().map(|net| format!("{{\"prefix\":\"{net}\"}}\n")).collect();
    assert_eq!(parse(&as_json).expect("JSON").prefixes, parsed.prefixes, "{as_json}");
}
