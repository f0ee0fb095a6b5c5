//! `docs/configuration.md`, made from the documentation of the settings like the example and the schema: every key, what it takes,
//! what it is when left out, and whether it takes a restart.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::Value as Schema;

const HEADING: &str = "\
# Configuration

Every key of `/etc/levee/agent.toml`. This page is made from the documentation of the settings in `agent/src/config/`, like
`agent config example` (the same as a file to start from) and `agent config example --json` (a JSON schema).

Only `interfaces` must be set. A key that does not exist, a wrong unit or a value out of range is refused with its place in the file, and
all mistakes are told at once:

```sh
agent check-config ./new.toml
agent reload
```

`agent reload` (or SIGHUP) goes over to the file as a whole, or refuses it and changes nothing. What needs a restart says so below; a restart
takes no protection away: the program stays attached. What people set at run time (`agent mode`, `agent threshold`, `agent rung`,
`agent block-ip`, `agent allow-ip`) stands above the file until it ends or is taken back.

A file that protects one address and reads one list:

```toml
interfaces = [\"eth0\"]
protect = [\"203.0.113.7\"]
allow = [\"198.51.100.0/28\"]

[[address]]
address = \"203.0.113.7\"
syn_rate = \"20k/s\"

[[list]]
name = \"drop\"
from = \"https://www.spamhaus.org/drop/drop_v4.json\"
action = \"block\"
```
";

/// What each key says in its documentation when a reload cannot change it.
const RESTART: &str = "need a restart";

/// The document.
#[must_use]
pub fn reference() -> String {
    let schema = super::schema();
    let mut body = "\n## Top of the file\n".to_owned();
    let mut forms = BTreeMap::new();
    let mut sections = String::new();
    walk(&schema, "", false, &mut body, &mut sections, &mut forms);
    let mut out = HEADING.to_owned();
    out.push_str("\n## How values are written\n\n");
    for (name, wanted) in forms {
        // A string takes everything.
        let _ = writeln!(out, "- **{name}**: {}.", wrapped(&wanted, 2));
    }
    out + &body + &sections
}

/// The settings of a table; its sections go behind those.
fn walk(
    schema: &Schema,
    path: &str,
    restart: bool,
    out: &mut String,
    sections: &mut String,
    forms: &mut BTreeMap<String, String>,
) {
    let Some(properties) = schema.get("properties").and_then(Schema::as_object) else {
        return;
    };
    for (key, property) in properties {
        let full = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        let items = property.get("items").filter(|items| items.get("properties").is_some());
        let description = text(property, "description");
        let restart = restart || description.contains(RESTART);
        if items.is_none() && property.get("properties").is_none() {
            setting(&full, property, restart, out, forms);
            continue;
        }
        let heading = if items.is_some() {
            format!("[[{full}]]")
        } else {
            format!("[{full}]")
        };
        let (mut own, mut inner) = (String::new(), String::new());
        walk(items.unwrap_or(property), &full, restart, &mut own, &mut inner, forms);
        let _ = write!(
            sections,
            "\n## `{heading}`\n\n{}\n{own}{inner}",
            wrapped(&joined(description), 0)
        );
    }
}

fn setting(path: &str, property: &Schema, restart: bool, out: &mut String, forms: &mut BTreeMap<String, String>) {
    let description = wrapped(&joined(text(property, "description")), 0);
    let _ = write!(
        out,
        "\n### `{path}`\n\n{description}\n\n- takes: {}\n",
        takes(property, forms)
    );
    if property.get("x-must-set").is_some() {
        out.push_str("- must be set\n");
    } else if let Some(default) = property.get("default").filter(|default| !default.is_null()) {
        let _ = writeln!(out, "- when left out: `{}`", toml_value(default));
    }
    if let Some(example) = property.get("examples").and_then(|examples| examples.get(0)) {
        let key = path.rsplit('.').next().unwrap_or(path);
        let _ = writeln!(out, "- example: `{key} = {}`", toml_value(example));
    }
    let change = if restart {
        "a restart of the agent"
    } else {
        "`agent reload`"
    };
    let _ = writeln!(out, "- changes with: {change}");
}

/// What a setting takes, with its bounds; units are noted for the head of the document.
fn takes(property: &Schema, forms: &mut BTreeMap<String, String>) -> String {
    if let Some((name, wanted)) = property
        .get("x-form")
        .and_then(Schema::as_str)
        .and_then(|form| form.split_once(": "))
    {
        forms.insert(name.to_owned(), wanted.to_owned());
        return name.to_owned();
    }
    let words = words(property);
    if !words.is_empty() {
        return words.join(", ");
    }
    let bound = |key| property.get(key).and_then(Schema::as_u64);
    if let (Some(least), Some(most)) = (bound("minimum"), bound("maximum")) {
        return format!("a number from {least} to {most}");
    }
    let types = property.get("type");
    let is = |name: &str| match types {
        Some(Schema::Array(types)) => types.iter().any(|found| found == name),
        Some(found) => found == name,
        None => false,
    };
    let of_words = property.get("items").map(self::words).unwrap_or_default();
    match () {
        () if is("array") && !of_words.is_empty() => format!("a list of {}", of_words.join(", ")),
        () if is("array") && is("string") => "a text, or a list of texts".to_owned(),
        () if is("array") => "a list of texts".to_owned(),
        () if is("boolean") => "true or false".to_owned(),
        () if is("integer") => "a number".to_owned(),
        () if is("object") => "a table of texts".to_owned(),
        () => "a text".to_owned(),
    }
}

/// The words that a setting takes, if it takes only those.
fn words(property: &Schema) -> Vec<String> {
    let alternatives = property.get("anyOf").or_else(|| property.get("oneOf"));
    let each = alternatives.and_then(Schema::as_array).into_iter().flatten();
    each.flat_map(|alternative| match alternative.get("const") {
        Some(word) => vec![format!("`{word}`")],
        None => words(alternative),
    })
    .collect()
}

fn text<'a>(property: &'a Schema, key: &str) -> &'a str {
    property.get(key).and_then(Schema::as_str).unwrap_or_default()
}

/// The lines of a documentation as one.
fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Lines of at most 140 characters, broken at spaces; all but the first indented.
fn wrapped(text: &str, indent: usize) -> String {
    let mut out = String::new();
    let mut width = 20;
    for word in text.split(' ') {
        if !out.is_empty() {
            if width + 1 + word.chars().count() > 140 {
                out.push('\n');
                out.push_str(&" ".repeat(indent));
                width = indent;
            } else {
                out.push(' ');
                width += 1;
            }
        }
        out.push_str(word);
        width += word.chars().count();
    }
    out
}

fn toml_value(value: &Schema) -> String {
    toml::Value::try_from(value)
        .map(|value| value.to_string())
        .unwrap_or_default()
}
