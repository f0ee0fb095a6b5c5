//! The ledger's files while no agent answers: read, never written.

use super::context::Context;
use crate::{
    control::{api::AttackView, view},
    ledger::{HistoryFile, JournalEntry},
    report::{self, Report},
};

/// Opens the history.
pub(super) fn open(context: &Context) -> anyhow::Result<HistoryFile> {
    let directory = context.file_or_defaults().state.directory;
    HistoryFile::open(&directory).map_err(|error| {
        let doubt = context.doubt().map(|doubt| format!("{doubt}: ")).unwrap_or_default();
        anyhow::anyhow!(
            "{doubt}no agent answers at {} (`agent run` starts one), and {error}",
            context.socket().display()
        )
    })
}

/// All that is known of an attack.
pub(super) fn attack(context: &Context, number: u64) -> anyhow::Result<AttackView> {
    let file = open(context)?;
    let reader = file.reader();
    let attack = reader.attack(number)?.ok_or_else(|| view::no_such_attack(number))?;
    let commands = commands(&file, report::commands_of(&attack));
    Ok(view::attack(&reader, attack, commands)?)
}

/// Its post-mortem.
pub(super) fn report(context: &Context, number: u64) -> anyhow::Result<Report> {
    let file = open(context)?;
    let reader = file.reader();
    let attack = reader.attack(number)?.ok_or_else(|| view::no_such_attack(number))?;
    let commands = commands(&file, report::commands_of(&attack));
    let captures = report::captures(&context.file_or_defaults().state.directory, &attack);
    Ok(report::gather(&reader, attack, commands, captures)?)
}

/// A journal that cannot be read must not keep the rest from who asks.
fn commands(file: &HistoryFile, span: (jiff::Timestamp, jiff::Timestamp)) -> Vec<JournalEntry> {
    file.journal_between(span, report::MOST_COMMANDS)
        .unwrap_or_else(|error| {
            eprintln!("warning: what was done is not shown: {error}");
            Vec::new()
        })
}
