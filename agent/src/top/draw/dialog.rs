//! The dialogue before something is done.

use ratatui::layout::Rect;
use tui_input::Input as Text;

use super::cells::{Pen, Piece, piece, wrap};
use crate::{
    control::api::{Done, PreviewView, ReachView},
    plain,
    top::{
        app::{Agent, App},
        dialog::{Dialog, Focus, Stage},
        look::Ink,
        message::Trouble,
        order::{Deed, Target},
    },
};

/// Columns of the frame at most.
const WIDEST: u16 = 92;

pub(super) fn draw(app: &App, dialog: &Dialog, whole: Rect, pen: &mut Pen<'_>) {
    let width = WIDEST.min(whole.width.saturating_sub(4));
    let room = usize::from(width).saturating_sub(4);
    let mut lines = match &dialog.stage {
        Stage::Over(outcome) => over(outcome, room),
        Stage::Filling | Stage::Doing => filling(app, dialog, room),
    };
    let height = (lines.len() as u16 + 2).min(whole.height);
    let most = usize::from(height).saturating_sub(2);
    if lines.len() > most {
        // What is typed stands at the end, and must be seen.
        let last = lines.split_off(lines.len().saturating_sub(3));
        lines.truncate(most.saturating_sub(last.len()));
        lines.extend(last);
    }
    let area = Rect::new((whole.width - width) / 2, (whole.height - height) / 2, width, height);
    let inner = pen.frame(area, &title(dialog), Ink::Caution);
    for (y, line) in (0..).zip(&lines) {
        pen.row(inner, y, line);
    }
}

fn title(dialog: &Dialog) -> String {
    let target = dialog.target().text();
    match (dialog.deed(), dialog.target()) {
        (Deed::Rung(_), _) => format!("Put {target} on a rung"),
        (Deed::Block, Target::Address(_)) => format!("Blackhole our address {target}"),
        (Deed::Block, Target::Source(_)) => format!("Block the source {target}"),
        (Deed::Unblock, _) => format!("Unblock {target}"),
    }
}

fn filling(app: &App, dialog: &Dialog, room: usize) -> Vec<Vec<Piece>> {
    let mut lines = Vec::new();
    if let Some(now_on) = &dialog.now_on {
        lines.push(vec![label("Now"), piece(now_on, Ink::Plain)]);
    }
    for field in dialog.fields() {
        let focused = dialog.focus == *field;
        match field {
            Focus::Choice => lines.push(choice(dialog, focused)),
            Focus::Ttl => lines.push(text(
                focused,
                "For",
                &dialog.ttl,
                "such as 30m, 2h or never; empty: block_ttl",
            )),
            Focus::Reason => lines.push(text(
                focused,
                "Reason",
                &dialog.reason,
                "for colleagues and for the ledger",
            )),
            Focus::Word => {}
        }
    }
    lines.push(Vec::new());
    lines.extend(reach(app, dialog, room));
    lines.push(Vec::new());
    lines.extend(word(dialog));
    lines
}

fn label(text: &str) -> Piece {
    piece(format!("{text:<9}"), Ink::Faint)
}

fn choice(dialog: &Dialog, focused: bool) -> Vec<Piece> {
    let mut pieces = vec![label("To")];
    for &(_, rung) in dialog.rungs() {
        let name = rung.map_or("auto", crate::tables::Rung::name);
        let chosen = dialog.deed() == Deed::Rung(rung);
        pieces.push(match chosen {
            true => piece(format!("[{name}]"), if focused { Ink::Bar } else { Ink::Strong }),
            false => piece(format!(" {name} "), Ink::Plain),
        });
        pieces.push(piece(" ", Ink::Plain));
    }
    if focused {
        pieces.push(piece(" arrows, Enter", Ink::Faint));
    }
    pieces
}

fn text(focused: bool, name: &str, text: &Text, hint: &str) -> Vec<Piece> {
    let mut pieces = vec![label(name)];
    pieces.extend(typed(focused, text));
    if text.value().is_empty() {
        pieces.push(piece(format!(" {hint}"), Ink::Faint));
    }
    pieces
}

/// What was typed, with the place where the next letter goes.
fn typed(focused: bool, text: &Text) -> Vec<Piece> {
    let letters: Vec<char> = text.value().chars().collect();
    if !focused {
        return vec![piece(text.value(), Ink::Plain)];
    }
    let at = text.cursor().min(letters.len());
    // The end of a long text is where one types.
    let start = at.saturating_sub(40);
    let before: String = letters[start..at].iter().collect();
    let here = letters.get(at).copied().unwrap_or(' ');
    let after: String = letters.get(at + 1..).unwrap_or_default().iter().collect();
    vec![
        piece(before, Ink::Strong),
        piece(here, Ink::Bar),
        piece(after, Ink::Strong),
    ]
}

/// Whom it reaches, as the agent says it.
fn reach(app: &App, dialog: &Dialog, room: usize) -> Vec<Vec<Piece>> {
    if let Err(error) = dialog.order() {
        return sentences("Not so", &error, Ink::Alarm, room);
    }
    match dialog.answer() {
        None if matches!(app.agent, Agent::Away { .. }) => away("it does not answer", room),
        None => vec![vec![label("Reaches"), piece("the agent is asked ..", Ink::Faint)]],
        Some(Err(Trouble::Away(why))) => away(why, room),
        Some(Err(Trouble::Refused(error, hint))) => refused(error, hint.as_deref(), room),
        Some(Ok(view)) => preview(view, room),
    }
}

fn away(why: &str, room: usize) -> Vec<Vec<Piece>> {
    let mut lines = sentences("No agent", why, Ink::Alarm, room);
    let way_out = "`agent rung`, `block-ip` and `unblock-ip` work without it, straight on the kernel's maps";
    lines.extend(sentences("", way_out, Ink::Plain, room));
    lines
}

fn refused(error: &str, hint: Option<&str>, room: usize) -> Vec<Vec<Piece>> {
    let mut lines = sentences("REFUSED", error, Ink::Alarm, room);
    if let Some(hint) = hint {
        lines.extend(sentences("Way out", hint, Ink::Plain, room));
    }
    lines
}

fn preview(view: &PreviewView, room: usize) -> Vec<Vec<Piece>> {
    let mut lines = sentences("Reaches", &whom(&view.reach), Ink::Strong, room);
    if let Some(traffic) = traffic(&view.reach) {
        lines.extend(sentences("Traffic", &traffic, Ink::Strong, room));
    }
    lines.extend(sentences("Then", &view.reach.consequence, Ink::Plain, room));
    for warning in &view.done.warnings {
        lines.extend(sentences("Warning", warning, Ink::Caution, room));
    }
    lines.extend(sentences("As", &view.command, Ink::Faint, room));
    lines
}

fn whom(reach: &ReachView) -> String {
    let count = |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let addresses = count(reach.addresses as u64, "address").replace("addresss", "addresses");
    format!("{addresses}, {}", count(reach.connections, "open connection"))
}

/// What arrives there, or comes from there.
fn traffic(reach: &ReachView) -> Option<String> {
    if let Some(pps) = reach.source_pps {
        return Some(format!("{} packets/s from there", plain::rate(pps)));
    }
    let rates = reach.rates.as_ref()?;
    Some(format!(
        "{} SYN/s, {} handshakes/s, {} packets/s",
        plain::rate(rates.syn_pps),
        plain::rate(rates.handshakes_pps),
        plain::rate(rates.pass_pps + rates.drop_pps + rates.reply_pps)
    ))
}

fn word(dialog: &Dialog) -> Vec<Vec<Piece>> {
    if dialog.stage == Stage::Doing {
        return vec![vec![piece("It is being done ..", Ink::Strong)]];
    }
    let complaint = dialog
        .complaint
        .as_ref()
        .map(|text| vec![piece(format!("! {text}"), Ink::Alarm)]);
    let wanted = dialog.order().map_or("", |order| order.word());
    let focused = dialog.focus == Focus::Word;
    let mut pieces = vec![
        piece("Type ", Ink::Plain),
        piece(wanted, Ink::Key),
        piece(" and Enter to do it: ", Ink::Plain),
    ];
    pieces.extend(typed(focused, &dialog.word));
    let keys = piece("Tab: next field   Esc: close, nothing is done", Ink::Faint);
    vec![complaint.unwrap_or_default(), pieces, vec![keys]]
}

fn over(outcome: &Result<Done, Trouble>, room: usize) -> Vec<Vec<Piece>> {
    let mut lines = match outcome {
        Ok(done) => {
            let mut lines = sentences("DONE", &done.message, Ink::Good, room);
            for warning in &done.warnings {
                lines.extend(sentences("Warning", warning, Ink::Caution, room));
            }
            lines
        }
        Err(Trouble::Refused(error, hint)) => refused(error, hint.as_deref(), room),
        Err(Trouble::Away(why)) => {
            let mut lines = sentences("No answer", why, Ink::Alarm, room);
            let way_out = "it is not known whether this was done: the list, or `agent rung`, shows it";
            lines.extend(sentences("", way_out, Ink::Plain, room));
            lines
        }
    };
    lines.extend([Vec::new(), vec![piece("Enter or Esc closes", Ink::Faint)]]);
    lines
}

/// A label and a text in as many lines as it needs.
fn sentences(name: &str, text: &str, ink: Ink, room: usize) -> Vec<Vec<Piece>> {
    let texts = wrap(text, room.saturating_sub(9));
    let lines = texts.into_iter().enumerate();
    lines
        .map(|(index, text)| vec![label(if index == 0 { name } else { "" }), piece(text, ink)])
        .collect()
}
