//! `agent man`: the manual pages, made from the same definitions as `--help`. For packagers, and not among the verbs that
//! `--help` shows.

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use clap::{Command, CommandFactory as _};
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};
use serde::Serialize;

use super::{Cli, context::Context, print};
use crate::config;

/// Write the manual pages: agent(1), one for each verb, agent.toml(5)
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  agent man --out ./man")]
pub(super) struct Args {
    /// Directory for the pages; made when it is not there
    #[arg(long, value_name = "DIRECTORY")]
    out: PathBuf,
}

/// The answer in JSON.
#[derive(Serialize)]
struct Written {
    files: Vec<PathBuf>,
}

/// What stands at the foot of each page.
const MANUAL: &str = "Levee";
/// How the paragraph on exit codes begins, in the help of every verb that has one.
const EXIT_CODES: &str = "Exit codes:";
/// The page of the configuration file.
const CONFIG_PAGE: &str = "agent.toml";

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    fs::create_dir_all(&args.out).with_context(|| format!("--out: cannot make {}", args.out.display()))?;
    let mut files = Vec::new();
    for (name, text) in pages()? {
        let file = args.out.join(name);
        fs::write(&file, text).with_context(|| format!("--out: cannot write {}", file.display()))?;
        files.push(file);
    }
    if context.json {
        return print::json(&Written { files });
    }
    println!("{} pages in {}", files.len(), args.out.display());
    Ok(())
}

/// Every page by the name of its file.
fn pages() -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let mut pages = vec![(format!("{CONFIG_PAGE}.5"), config_page())];
    write_pages(&root, &mut pages)?;
    Ok(pages)
}

fn write_pages(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) -> anyhow::Result<()> {
    let shown = |command: &&Command| !command.is_hide_set();
    pages.push((format!("{}.1", page_name(command)), page(command)?));
    for verb in command.get_subcommands().filter(shown) {
        write_pages(verb, pages)?;
    }
    Ok(())
}

/// `agent-block-ip` for `agent block-ip`.
fn page_name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn page(command: &Command) -> anyhow::Result<Vec<u8>> {
    let man = Man::new(command.clone()).source(source()).manual(MANUAL);
    let mut out = Vec::new();
    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;
    man.render_synopsis_section(&mut out)?;
    man.render_description_section(&mut out)?;
    man.render_options_section(&mut out)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut out)?;
    }
    let mut roff = Roff::new();
    if let Some(help) = command.get_after_help() {
        after_help(&help.to_string(), &mut roff);
    }
    see_also(command, &mut roff);
    roff.to_writer(&mut out)?;
    Ok(out)
}

/// Indented lines are examples and stay as they are; the rest are notes; exit codes have a section of their own.
fn after_help(text: &str, roff: &mut Roff) {
    let paragraphs = || text.split("\n\n").map(str::trim_end).filter(|text| !text.is_empty());
    let is_example = |paragraph: &&str| paragraph.lines().any(|line| line.starts_with("  "));
    for (number, example) in paragraphs().filter(is_example).enumerate() {
        if number == 0 {
            roff.control("SH", ["EXAMPLES"]);
        }
        let heading = example.lines().next().filter(|line| !line.starts_with(' '));
        let heading = heading.filter(|line| !matches!(*line, "Example:" | "Examples:"));
        if let Some(heading) = heading {
            roff.control("PP", []).text([roman(heading)]);
        }
        roff.control("PP", []).control("nf", []);
        for line in example.lines().filter(|line| line.starts_with(' ')) {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
    }
    let notes = paragraphs().filter(|text| !is_example(text) && !text.starts_with(EXIT_CODES));
    for (number, note) in notes.enumerate() {
        roff.control(if number == 0 { "SH" } else { "PP" }, (number == 0).then_some("NOTES"));
        roff.text([roman(note)]);
    }
    if let Some(codes) = paragraphs().find_map(|text| text.strip_prefix(EXIT_CODES)) {
        roff.control("SH", ["EXIT STATUS"]).text([roman(codes.trim())]);
    }
}

fn see_also(command: &Command, roff: &mut Roff) {
    let own = page_name(command);
    let mut pages: Vec<String> = command
        .get_subcommands()
        .filter(|verb| !verb.is_hide_set())
        .map(|verb| format!("{}(1)", page_name(verb)))
        .collect();
    if let Some((parent, _)) = own.rsplit_once(&format!("-{}", command.get_name())) {
        pages.insert(0, format!("{parent}(1)"));
    }
    pages.push(format!("{CONFIG_PAGE}(5)"));
    roff.control("SH", ["SEE ALSO"]).text([roman(pages.join(", "))]);
}

/// The example configuration is the reference: it has every setting with its documentation.
fn config_page() -> Vec<u8> {
    let mut roff = Roff::new();
    roff.control("TH", [CONFIG_PAGE, "5", "", &source(), MANUAL])
        .control("SH", ["NAME"])
        .text([roman(format!("{CONFIG_PAGE} - configuration of Levee's agent"))])
        .control("SH", ["SYNOPSIS"])
        .text([bold(config::DEFAULT_PATH)])
        .control("SH", ["DESCRIPTION"])
        .text([roman(
            "A TOML file. What follows is what `agent config example` prints: every setting with its documentation and its \
             default. Only interfaces must be set.",
        )])
        .control("SH", ["SETTINGS"])
        .control("nf", []);
    for line in config::example::example().lines() {
        if line.is_empty() || line.starts_with("# ") {
            roff.text([roman(line)]);
        } else {
            roff.text([bold(line)]);
        }
    }
    roff.control("fi", [])
        .control("SH", ["SEE ALSO"])
        .text([roman("agent(1), agent-check-config(1), agent-reload(1)")]);
    roff.to_roff().into_bytes()
}

fn source() -> String {
    format!("Levee {}", env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(name: &str) -> String {
        let pages = pages().expect("pages");
        let (_, text) = pages.into_iter().find(|(file, _)| file == name).expect(name);
        String::from_utf8(text).expect("text")
    }

    #[test]
    fn every_verb_that_is_shown_has_a_page_and_agent_1_names_it() {
        let names: Vec<String> = pages().expect("pages").into_iter().map(|(name, _)| name).collect();
        let overview = text_of("agent.1");
        for verb in Cli::command().get_subcommands() {
            let page = format!("agent-{}", verb.get_name());
            assert_eq!(names.contains(&format!("{page}.1")), !verb.is_hide_set(), "{page}");
            let named = overview.contains(&format!("{}(1)", page.replace('-', "\\-")));
            assert_eq!(named, !verb.is_hide_set(), "{page}");
        }
        assert!(
            names.contains(&"agent-config-example.1".to_owned()),
            "verbs of verbs: {names:?}"
        );
    }

    #[test]
    fn examples_keep_their_lines_and_exit_codes_have_their_section() {
        let page = text_of("agent-check-config.1");
        let examples = page.split(".SH EXAMPLES").nth(1).expect("examples");
        assert!(
            examples.trim_start().starts_with(".PP\n.nf\n  agent check\\-config "),
            "{examples}"
        );
        assert!(page.contains(".SH \"EXIT STATUS\"\n0 the file can be used"), "{page}");
    }

    #[test]
    fn the_configuration_has_every_section() {
        let page = text_of("agent.toml.5");
        for section in ["thresholds.address", "verify", "ladder", "log"] {
            assert!(page.contains(&format!("\\fB[{section}]\\fR")), "{section}");
        }
    }
}
