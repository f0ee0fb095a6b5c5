//! Prometheus's own tool, over metrics, rules and expressions.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use super::root;

/// Runs it; panics with what it said when it is not content.
pub(super) fn run(directory: &Path, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new("promtool")
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("promtool (Debian package prometheus, `cargo xtask setup` installs it): {error}")
        });
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input.as_bytes()).expect("promtool reads");
    drop(stdin);
    let output = child.wait_with_output().expect("promtool ends");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "promtool {}: {said}", arguments.join(" "));
    said
}

/// Metrics in the text format: well-formed, and nothing that its linter would have otherwise.
pub(super) fn check_metrics(text: &str) {
    run(&root(), &["check", "metrics"], text);
}

/// Expressions, each with the place where it stands.
pub(super) fn check_expressions(expressions: &[(String, String)]) {
    let mut rules = "groups:\n- name: documents\n  rules:\n".to_owned();
    for (at, (_, expression)) in expressions.iter().enumerate() {
        let expression = serde_json::to_string(expression).expect("text");
        rules.push_str(&format!("  - record: document:{at}\n    expr: {expression}\n"));
    }
    let directory = tempfile::tempdir().expect("directory");
    std::fs::write(directory.path().join("expressions.yaml"), rules).expect("file");
    let places: Vec<&str> = expressions.iter().map(|(place, _)| place.as_str()).collect();
    let said = std::panic::catch_unwind(|| {
        run(
            directory.path(),
            &["check", "rules", "--lint=none", "expressions.yaml"],
            "",
        )
    });
    assert!(said.is_ok(), "see above; document:N are {places:?}");
}

const RULES: [&str; 2] = ["recording.yaml", "alerts.yaml"];

#[test]
fn rules_are_sound() {
    let said = run(
        &root().join("observability/rules"),
        &[["check", "rules", "--lint-fatal"].as_slice(), &RULES].concat(),
        "",
    );
    assert_eq!(said.matches("SUCCESS").count(), RULES.len(), "{said}");
}

#[test]
fn each_alert_fires_when_it_should_and_at_no_other_time() {
    let said = run(
        &root().join("observability/rules/tests"),
        &["test", "rules", "alerts.yaml", "recording.yaml"],
        "",
    );
    assert_eq!(said.matches("SUCCESS").count(), 2, "{said}");
}

#[test]
fn the_example_of_prometheus_is_sound() {
    run(
        &root().join("observability"),
        &["check", "config", "prometheus.yaml"],
        "",
    );
}
