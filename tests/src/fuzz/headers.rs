//! What is told of sampled headers, which anybody on the network can choose: one printable line.

pub(super) fn run(data: &[u8]) {
    let line = agent::headers::describe(data);
    assert!(!line.is_empty() && line.chars().count() < 200, "one line: {line}");
    assert!(!line.chars().any(char::is_control), "printable: {line:?}");
}
