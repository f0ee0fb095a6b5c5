//! One address: is it safe to put back, since when, by what, what it is sent, what becomes of it.

use std::net::IpAddr;

use ratatui::layout::{Constraint, Layout, Rect};

use super::{
    cells::{Pen, Piece, left, piece, right, wrap},
    chart,
    list::{load, state},
    panels,
};
use crate::{
    config::prefix,
    control::api::{AddressView, OriginView},
    detect::Attack,
    plain,
    tables::Mode,
    top::{app::App, look::Ink, time},
};

/// Lines of the part below the plot, at least.
const LOWER: u16 = 6;

pub(super) fn draw(app: &App, address: IpAddr, area: Rect, pen: &mut Pen<'_>) {
    let Some(view) = app.address.as_ref().filter(|view| view.line.address == address) else {
        let text = app.trouble.as_deref().unwrap_or("the agent is asked ..");
        let ink = if app.trouble.is_some() { Ink::Alarm } else { Ink::Faint };
        return pen.row(
            area,
            0,
            &[piece(format!(" {address}  "), Ink::Strong), piece(text, ink)],
        );
    };
    let top = facts(app, view, usize::from(area.width));
    for (y, line) in (0..area.height).zip(&top) {
        pen.row(area, y, line);
    }
    let used = top.len() as u16;
    let rest = area.height.saturating_sub(used);
    // The plot takes half of what is left, and no more than the eye needs.
    let plot = (rest.saturating_sub(LOWER)).min(12).max((rest / 2).min(5));
    let [plot, lower] = Layout::vertical([Constraint::Length(plot), Constraint::Fill(1)]).areas(Rect {
        y: area.y + used,
        height: rest,
        ..area
    });
    let limit = view.line.limit.syn_rate.per_second();
    pen.heading(plot, &format!("SYN/s, dotted the threshold of {}", view.line.limit));
    let room = Rect {
        y: plot.y + 1,
        height: plot.height.saturating_sub(1),
        ..plot
    };
    chart::plot(&view.line.syn_series, limit, room, pen);
    lower_part(app, view, lower, pen);
}

/// What matters first: labels in a column, sentences beside them.
fn facts(app: &App, view: &AddressView, width: usize) -> Vec<Vec<Piece>> {
    let line = &view.line;
    let (word, ink) = state(line);
    let rates = &line.rates;
    let mut lines = vec![
        vec![
            piece(format!(" {}  ", line.address), Ink::Strong),
            piece(format!(" {word} "), ink),
            piece(format!("  load {}: ", load(line.pressure)), Ink::Plain),
            piece(format!("{} SYN/s", plain::rate(rates.syn_pps)), Ink::Strong),
            piece(format!(" of {}", line.limit.syn_rate), Ink::Plain),
        ],
        vec![label("Packets"), piece(packets(view), Ink::Plain)],
    ];
    let room = width.saturating_sub(13);
    let (word, ink) = match view.safe.safe {
        true => ("YES", Ink::Good),
        false => ("NO", Ink::Alarm),
    };
    let why = wrap(&view.safe.why, room.saturating_sub(5));
    for (index, text) in why.into_iter().take(2).enumerate() {
        let mut pieces = match index {
            0 => vec![label("Put back?"), piece(format!("{word:<3}"), ink)],
            _ => vec![label(""), piece("   ", Ink::Plain)],
        };
        pieces.push(piece(format!("  {text}"), Ink::Plain));
        lines.push(pieces);
    }
    lines.push(vec![
        label("Rung"),
        piece(&view.line.rung, Ink::Strong),
        piece(rung(app, view), Ink::Plain),
    ]);
    if let Some(why) = rung_reason(view) {
        lines.push(vec![label(""), piece(why, Ink::Faint)]);
    }
    lines.push(vec![label("Customers"), piece(customers(view), Ink::Plain)]);
    let open = view.attacks.iter().find(|attack| attack.ended.is_none());
    match open {
        Some(open) => lines.push([vec![label("Attack")], attack(app, open)].concat()),
        None => lines.push(vec![label("Attack"), piece("none goes on", Ink::Good)]),
    }
    if let Some(pps) = line.elsewhere_pps {
        let text = format!(
            "{} SYN/s at other nodes of the fleet that nobody completes",
            plain::rate(pps)
        );
        lines.push(vec![label("Elsewhere"), piece(text, Ink::Plain)]);
    }
    if !view.groups.is_empty() {
        let groups: Vec<String> = view.groups.iter().map(ToString::to_string).collect();
        lines.push(vec![label("Group"), piece(groups.join(", "), Ink::Plain)]);
    }
    lines
}

fn packets(view: &AddressView) -> String {
    let rates = &view.line.rates;
    let (dropped, answered) = match view.mode.mode {
        Mode::Enforce => ("dropped", "answered"),
        Mode::Monitor => ("would be dropped", "would be answered"),
    };
    format!(
        "{}/s passed, {}/s {dropped}, {}/s {answered}",
        plain::rate(rates.pass_pps),
        plain::rate(rates.drop_pps),
        plain::rate(rates.reply_pps)
    )
}

fn label(text: &str) -> Piece {
    piece(format!(" {text:<10} "), Ink::Faint)
}

/// Since when it stands there, by whom, until when.
fn rung(app: &App, view: &AddressView) -> String {
    let rung = &view.rung;
    let since = rung.since.map_or_else(String::new, |since| {
        format!(" since {} ({})", app.clock(since), time::ago(since, app.now.wall))
    });
    let by = match (&rung.forced, &rung.automatic) {
        (Some(origin), _) => {
            let until = origin.until.map_or_else(
                || "until taken back".to_owned(),
                |at| format!("until {}", app.clock(at)),
            );
            format!(", forced by {}, {until}", origin.actor)
        }
        (None, Some(automatic)) if automatic.dry_run => format!(", would be {} (only said)", automatic.rung),
        (None, Some(automatic)) => format!(
            ", by the ladder, held for {} at least",
            time::span(std::time::Duration::from_secs(automatic.hold_left_seconds))
        ),
        (None, None) => ", by itself".to_owned(),
    };
    let proof = match view.line.rung.as_str() {
        "verify" => format!(", proof by {}", rung.method),
        _ => String::new(),
    };
    format!("{since}{by}{proof}")
}

fn rung_reason(view: &AddressView) -> Option<String> {
    let forced = view
        .rung
        .forced
        .as_ref()
        .map(|OriginView { reason, .. }| reason.clone());
    forced.unwrap_or_else(|| view.rung.automatic.as_ref().map(|automatic| automatic.reason.clone()))
}

fn customers(view: &AddressView) -> String {
    match view.line.local {
        true => format!(
            "{}/s complete their handshake here",
            plain::rate(view.line.rates.handshakes_pps)
        ),
        false => "this host forwards for it: handshakes complete elsewhere".to_owned(),
    }
}

/// An attack in a line: number, since when, by what, how high.
fn attack(app: &App, attack: &Attack) -> Vec<Piece> {
    let vectors: Vec<&str> = attack.vectors.iter().map(|vector| vector.name()).collect();
    let when = match attack.ended {
        None => format!(
            " since {} ({})",
            app.clock(attack.started),
            time::ago(attack.started, app.now.wall)
        ),
        Some(ended) => format!(" {} to {}", app.clock(attack.started), app.clock(ended)),
    };
    let mut pieces = vec![
        piece(
            format!("number {}", attack.id),
            if attack.ended.is_none() { Ink::Alarm } else { Ink::Plain },
        ),
        piece(when, Ink::Plain),
        piece(format!(" by {}", vectors.join(", ")), Ink::Strong),
        piece(
            format!(
                ", up to {} SYN/s, {} packets/s from {} sources",
                plain::rate(attack.peaks.syn),
                plain::rate(attack.peaks.packets),
                plain::rate(attack.peaks.distinct_sources)
            ),
            Ink::Plain,
        ),
    ];
    if attack.impact_seconds >= 1.0 {
        pieces.push(piece(
            format!(", customers hurt {:.0} s", attack.impact_seconds),
            Ink::Alarm,
        ));
    }
    pieces
}

fn lower_part(app: &App, view: &AddressView, area: Rect, pen: &mut Pen<'_>) {
    let ended: Vec<&Attack> = view.attacks.iter().filter(|attack| attack.ended.is_some()).collect();
    let history = match ended.len() {
        0 => 0,
        some => (some as u16 + 1).min(area.height / 3),
    };
    let [middle, bottom] = Layout::vertical([Constraint::Fill(1), Constraint::Length(history)]).areas(area);
    let [first, second] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).areas(middle);
    panels::verdicts(&view.reasons, first, pen);
    sources(view, second, pen);
    if history > 1 {
        pen.heading(bottom, "Attacks before");
        for (y, one) in (1..bottom.height).zip(ended) {
            let pieces = [vec![piece(" ", Ink::Plain)], attack(app, one)].concat();
            pen.row(bottom, y, &pieces);
        }
    }
}

fn sources(view: &AddressView, area: Rect, pen: &mut Pen<'_>) {
    pen.heading(area, "Who sends most, to all addresses");
    if view.sources.is_empty() {
        return pen.row(area, 1, &[piece(" nobody enough to be recorded", Ink::Faint)]);
    }
    let name = usize::from(area.width).saturating_sub(24).clamp(10, 30);
    for (y, source) in (1..area.height).zip(&view.sources) {
        let listed = source.listed.map(|action| action.to_string()).unwrap_or_default();
        let pieces = [
            piece(
                format!(" {}", left(&prefix::display(source.source), name, pen.look)),
                Ink::Plain,
            ),
            piece(
                right(&plain::rate(source.traffic.packets_pps), 9, pen.look),
                Ink::Strong,
            ),
            piece(
                right(&format!("{:.0}%", source.traffic.share * 100.0), 5, pen.look),
                Ink::Faint,
            ),
            piece(format!(" {listed}"), Ink::Caution),
        ];
        pen.row(area, y, &pieces);
    }
}
