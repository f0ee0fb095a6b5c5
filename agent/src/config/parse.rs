//! From text to [`ConfigFile`], with every problem of syntax, of key and of type found in one go.

use std::sync::LazyLock;

use serde_path_to_error::Segment;

use super::{ConfigFile, Problem, unknown};

/// A file has fewer settings than this: a bound for the loop below.
const MAX_PROBLEMS: usize = 100;
/// The section whose values may be secrets: what is wrong there is told without them.
const SECRETS: &str = "notify";

/// It is the same for every file, and takes longer to make than a file to read.
static SCHEMA: LazyLock<serde_json::Value> = LazyLock::new(super::schema);

/// The file as far as it can be read, and what is wrong with it. Keys with a wrong value are left out of the result, so
/// that the rest can be checked too; a syntax error leaves nothing.
pub(super) fn parse(text: &str) -> (Option<ConfigFile>, Vec<Problem>) {
    let table = match text.parse::<toml::Table>() {
        Ok(table) => table,
        Err(error) => {
            return (
                None,
                vec![Problem::without_value(
                    "",
                    format!("is not valid TOML: {}", shown(text, &error)),
                )],
            );
        }
    };
    let mut problems = unknown::find(&table, &SCHEMA);
    let mut value = toml::Value::Table(table);
    while problems.len() < MAX_PROBLEMS {
        match serde_path_to_error::deserialize::<_, ConfigFile>(value.clone()) {
            Ok(file) => return (Some(file), problems),
            Err(error) => {
                let segments: Vec<Segment> = error.path().iter().cloned().collect();
                problems.push(wrong_type(&value, &segments, error.path().to_string(), error.inner()));
                if !remove(&mut value, &segments) {
                    break;
                }
            }
        }
    }
    (None, problems)
}

/// The error with its line; in a section that holds secrets, with the line's number only.
fn shown(text: &str, error: &toml::de::Error) -> String {
    let at = error.span().map_or(0, |span| span.start);
    let before = text.get(..at).unwrap_or(text);
    let is_heading = |line: &&str| line.trim_start().starts_with('[') && !line.contains('=');
    let within = before.lines().rfind(is_heading);
    if within.is_some_and(|heading| {
        heading
            .trim_start()
            .trim_start_matches('[')
            .trim_start()
            .starts_with(SECRETS)
    }) {
        return format!("line {}: {}", before.lines().count().max(1), error.message());
    }
    error.to_string()
}

fn may_be_secret(path: &str) -> bool {
    let key = path.strip_prefix(SECRETS).and_then(|rest| rest.split('.').nth(1));
    key.is_some_and(|key| ["url", "bearer", "headers", "environment"].contains(&key))
}

fn wrong_type(value: &toml::Value, segments: &[Segment], path: String, error: &toml::de::Error) -> Problem {
    let message = error.message().to_owned();
    if may_be_secret(&path) {
        // The library repeats the value before it says what it expected.
        let expected = message
            .rsplit_once(", expected ")
            .map_or("another value", |(_, expected)| expected);
        return Problem::without_value(path, format!("is not understood: expected {expected}"));
    }
    match lookup(value, segments) {
        Some(found) if !found.is_table() => Problem::new(path, found, message),
        _ => Problem::without_value(path, message),
    }
}

fn lookup<'a>(value: &'a toml::Value, segments: &[Segment]) -> Option<&'a toml::Value> {
    segments.iter().try_fold(value, |value, segment| match segment {
        Segment::Map { key } => value.get(key),
        Segment::Seq { index } => value.get(*index),
        Segment::Enum { .. } | Segment::Unknown => None,
    })
}

/// Takes the value that could not be read out of the file; of a list, all of it, so that later indexes stay true.
fn remove(value: &mut toml::Value, segments: &[Segment]) -> bool {
    let Some(last_key) = segments
        .iter()
        .rposition(|segment| matches!(segment, Segment::Map { .. }))
    else {
        return false;
    };
    let mut parent = value;
    for segment in &segments[..last_key] {
        let next = match segment {
            Segment::Map { key } => parent.get_mut(key),
            Segment::Seq { index } => parent.get_mut(*index),
            Segment::Enum { .. } | Segment::Unknown => None,
        };
        let Some(next) = next else { return false };
        parent = next;
    }
    let Segment::Map { key } = &segments[last_key] else {
        return false;
    };
    parent.as_table_mut().is_some_and(|table| table.remove(key).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        parse(text).1.iter().map(Problem::to_string).collect()
    }

    #[test]
    fn wrong_values_are_all_reported_with_key_and_way_out() {
        let found = problems(
            "mode = 'on'\nblock_ttl = '1 fortnight'\n[thresholds.source]\nsyn_rate = '20kb/s'\nsyn_burst = 0\n[limits]\naddresses = -1\n",
        );
        assert_eq!(found.len(), 5, "{found:#?}");
        let has = |start: &str, part: &str| found.iter().any(|text| text.starts_with(start) && text.contains(part));
        assert!(has("mode = \"on\": ", "`monitor` or `enforce`"), "{found:#?}");
        assert!(has("block_ttl = \"1 fortnight\": ", "30s, 15m"), "{found:#?}");
        assert!(
            has("thresholds.source.syn_rate = \"20kb/s\": ", "\"1.5M/s\""),
            "{found:#?}"
        );
        assert!(
            has("thresholds.source.syn_burst = 0: ", "between 1 and 100M"),
            "{found:#?}"
        );
        assert!(has("limits.addresses = -1: ", "expected u32"), "{found:#?}");
    }

    #[test]
    fn a_wrong_value_in_a_list_names_its_place() {
        assert_eq!(
            problems("protect = ['auto', 5]"),
            ["protect[1] = 5: invalid type: integer `5`, expected a string"]
        );
        let found = problems("[[address]]\naddress = '192.0.2.1'\nsyn_rate = 'x'\n");
        assert!(found[0].starts_with("address[0].syn_rate = \"x\": "), "{found:?}");
    }

    #[test]
    fn a_section_written_as_a_value_is_reported() {
        let found = problems("control = 5\nmode = 'monitor'");
        assert!(found[0].starts_with("control = 5: "), "{found:?}");
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn what_may_be_a_secret_is_not_shown() {
        for text in [
            "[[notify]]\nname = 'a'\nkind = 'slack'\nurl = ['https://hooks.example/T0/hunter2']\n",
            "[[notify]]\nname = 'a'\nurl = 'https://hooks.example/T0/hunter2\nkind = 'slack'\n",
            "[[notify]]\nname = 'a'\nkind = 'json'\nheaders = 'hunter2'\n",
        ] {
            let found = problems(text);
            assert!(
                !found.is_empty() && !format!("{found:?}").contains("hunter2"),
                "{found:?}"
            );
        }
        assert!(problems("[[notify]]\nname = 'a'\nurl = 'x\n")[0].contains("line 3"));
    }

    #[test]
    fn a_syntax_error_shows_its_line() {
        let found = problems("mode = 'monitor'\nprotect = [\n");
        assert!(
            found[0].starts_with("is not valid TOML: ") && found[0].contains("line "),
            "{found:?}"
        );
    }
}
