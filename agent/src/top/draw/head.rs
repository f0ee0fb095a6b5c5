//! The head, the same in every view: whose screen this is, what is attacked, what is wrong, and the sums.

use ratatui::layout::Rect;

use super::{
    cells::{Pen, Piece, piece},
    chart,
    plan::Plan,
};
use crate::{
    control::api::{HostView, LinkView, OverviewView},
    detect::Attack,
    plain,
    tables::{MapFill, Mode},
    top::{
        app::{Agent, App, View},
        look::Ink,
        time,
    },
};

/// A map from this share on is told.
const NEARLY_FULL: f64 = 0.8;

pub(super) fn draw(app: &App, plan: &Plan, pen: &mut Pen<'_>) {
    let area = plan.head;
    title(app, area, pen);
    let mut line = 1;
    if let Some(pieces) = away(app) {
        pen.row(area, line, &pieces);
        line += 1;
    }
    if let Some(since) = app.paused {
        let text = format!(" since {}: this does not change until p is pressed", app.clock(since));
        pen.row(
            area,
            line,
            &[piece(" HELD STILL ", Ink::CautionSign), piece(text, Ink::Caution)],
        );
        line += 1;
    }
    let Some(overview) = &app.overview else {
        pen.row(area, line, &[piece(" The agent is asked ..", Ink::Faint)]);
        return;
    };
    attacks(
        app,
        overview,
        Rect {
            y: area.y + line,
            height: plan.attacks,
            ..area
        },
        pen,
    );
    line += plan.attacks;
    warnings(
        overview,
        Rect {
            y: area.y + line,
            height: plan.warnings,
            ..area
        },
        pen,
    );
    line += plan.warnings;
    sums(overview, area, line, pen);
    host(overview, area, line + 1, pen);
}

fn title(app: &App, area: Rect, pen: &mut Pen<'_>) {
    let mut pieces = vec![piece(format!(" levee  {}", app.setting.host), Ink::Strong)];
    let mut end = Vec::new();
    if let Some(overview) = &app.overview {
        let mode = match overview.mode.mode {
            Mode::Enforce => piece("ENFORCE", Ink::Strong),
            Mode::Monitor => piece(" MONITOR: nothing is dropped ", Ink::CautionSign),
        };
        pieces.extend([piece("  ", Ink::Plain), mode]);
        end.push(piece(
            format!("agent up {}  ", time::ago(overview.since, app.now.wall)),
            Ink::Plain,
        ));
    }
    if app.view != View::Addresses {
        pieces.push(piece(format!("  {}", app.view.name()), Ink::Plain));
    }
    end.push(piece(format!("{} ", app.clock(app.now.wall)), Ink::Strong));
    pen.row_with_end(area, 0, &pieces, &end);
    pen.tint(area, 0, Ink::Bar);
}

fn away(app: &App) -> Option<Vec<Piece>> {
    let Agent::Away { since, why } = &app.agent else {
        return None;
    };
    let since_when = format!(" since {} ({}): ", app.clock(*since), time::ago(*since, app.now.wall));
    Some(vec![
        piece(" NOT ANSWERING ", Ink::AlarmSign),
        piece(since_when, Ink::Alarm),
        piece(
            "protection stays in the kernel; below is the last that was known. ",
            Ink::Strong,
        ),
        piece(why, Ink::Faint),
    ])
}

fn attacks(app: &App, overview: &OverviewView, area: Rect, pen: &mut Pen<'_>) {
    if overview.attacks.is_empty() {
        let what = format!("No attack on any of {} addresses.", overview.protected);
        return pen.row(area, 0, &[piece(" ", Ink::Plain), piece(what, Ink::Good)]);
    }
    let room = usize::from(area.height);
    let hidden = overview.attacks.len().saturating_sub(room);
    // The latest are those that nobody has seen yet.
    for (line, attack) in (0..).zip(overview.attacks.iter().skip(hidden)) {
        let mut pieces = attack_pieces(app, attack);
        if hidden > 0 && line == 0 {
            pieces.insert(1, piece(format!(" and {hidden} earlier "), Ink::Alarm));
        }
        pen.row(area, line, &pieces);
    }
}

/// Which address, since when, by what, how high.
fn attack_pieces(app: &App, attack: &Attack) -> Vec<Piece> {
    let vectors: Vec<&str> = attack.vectors.iter().map(|vector| vector.name()).collect();
    let since = format!(
        " since {} ({})",
        app.clock(attack.started),
        time::ago(attack.started, app.now.wall)
    );
    let peak = if attack.peaks.syn * 2.0 >= attack.peaks.packets {
        format!("  up to {} SYN/s", plain::rate(attack.peaks.syn))
    } else {
        format!("  up to {} packets/s", plain::rate(attack.peaks.packets))
    };
    let mut pieces = vec![
        piece(format!(" ATTACK {} ", attack.id), Ink::AlarmSign),
        piece(format!(" {}", attack.subject), Ink::Alarm),
        piece(since, Ink::Plain),
        piece(format!("  by {}", vectors.join(", ")), Ink::Strong),
        piece(peak, Ink::Plain),
    ];
    if attack.impact_seconds >= 1.0 {
        pieces.push(piece(
            format!("  customers hurt {:.0} s", attack.impact_seconds),
            Ink::Alarm,
        ));
    }
    pieces
}

fn warnings(overview: &OverviewView, area: Rect, pen: &mut Pen<'_>) {
    let hidden = overview.warnings.len().saturating_sub(usize::from(area.height));
    for (line, warning) in (0..area.height).zip(&overview.warnings) {
        let mut pieces = vec![piece(" WARNING ", Ink::CautionSign)];
        if hidden > 0 && line == 0 {
            pieces.push(piece(format!(" and {hidden} more (4)"), Ink::Caution));
        }
        pieces.push(piece(format!(" {warning}"), Ink::Caution));
        pen.row(area, line, &pieces);
    }
}

fn sums(overview: &OverviewView, area: Rect, line: u16, pen: &mut Pen<'_>) {
    let rates = &overview.rates;
    let mut pieces = vec![piece(" ", Ink::Plain)];
    let dropped = match overview.mode.mode {
        Mode::Enforce => "drop",
        Mode::Monitor => "would drop",
    };
    for (rate, what) in [
        (rates.syn_pps, "SYN"),
        (rates.handshakes_pps, "handshakes"),
        (rates.pass_pps, "pass"),
        (rates.drop_pps, dropped),
        (rates.reply_pps, "answer"),
    ] {
        pieces.extend([
            piece(format!("{what} "), Ink::Faint),
            piece(format!("{}/s  ", plain::rate(rate)), Ink::Strong),
        ]);
    }
    let used: usize = 82;
    let room = usize::from(area.width).saturating_sub(used);
    if room >= 10 {
        pieces.push(piece(
            chart::alone(&overview.syn_series, room.min(60), pen.look),
            Ink::Plain,
        ));
    }
    pen.row(area, line, &pieces);
}

fn host(overview: &OverviewView, area: Rect, line: u16, pen: &mut Pen<'_>) {
    let host = &overview.host;
    let mut pieces = vec![piece(" NIC ", Ink::Faint)];
    pieces.extend(interfaces(host));
    let lost = if host.receive_drops_pps > 0.0 {
        Ink::Alarm
    } else {
        Ink::Plain
    };
    pieces.push(piece(format!(" loses {}/s", plain::rate(host.receive_drops_pps)), lost));
    pieces.push(piece("  CPU ", Ink::Faint));
    pieces.push(piece(format!("{:.0} % in softirqs", host.softirq * 100.0), Ink::Plain));
    if host.saturated {
        pieces.push(piece("  ", Ink::Plain));
        pieces.push(piece(" SATURATED: ask upstream ", Ink::AlarmSign));
    }
    match overview.fleet {
        Some(LinkView::Down) => {
            pieces.push(piece("  ", Ink::Plain));
            pieces.push(piece(" CUT OFF FROM THE FLEET ", Ink::AlarmSign));
        }
        Some(LinkView::Connecting) => pieces.push(piece("  fleet connecting", Ink::Caution)),
        Some(LinkView::Up) => pieces.push(piece("  fleet ok", Ink::Faint)),
        Some(LinkView::Off) | None => {}
    }
    let full: Vec<&MapFill> = host.maps.iter().filter(|map| fill(map) >= NEARLY_FULL).collect();
    pieces.push(piece("  tables ", Ink::Faint));
    match full.first() {
        None => pieces.push(piece("ok", Ink::Plain)),
        Some(map) => pieces.push(piece(
            format!("{} {:.0} % full", map.name, fill(map) * 100.0),
            Ink::Caution,
        )),
    }
    pieces.push(piece("  ledger ", Ink::Faint));
    pieces.push(match overview.ledger.healthy {
        true => piece("ok", Ink::Plain),
        false => piece("BROKEN", Ink::Alarm),
    });
    pen.row(area, line, &pieces);
}

fn interfaces(host: &HostView) -> Vec<Piece> {
    if host.interfaces.is_empty() {
        return vec![piece("none: nothing is protected", Ink::Alarm)];
    }
    let named: Vec<String> = host
        .interfaces
        .iter()
        .map(|link| format!("{} {}", link.interface, link.mode))
        .collect();
    let ink = match host.interfaces.iter().any(|link| link.warning.is_some()) {
        true => Ink::Caution,
        false => Ink::Plain,
    };
    vec![piece(named.join(", "), ink)]
}

/// How full a table is, 0 to 1; 0 where every slot always exists.
#[expect(clippy::cast_precision_loss, reason = "a share for people")]
pub(super) fn fill(map: &MapFill) -> f64 {
    map.used.unwrap_or(0) as f64 / map.capacity.max(1) as f64
}

impl App {
    /// An instant as it stands on this screen.
    pub(super) fn clock(&self, at: jiff::Timestamp) -> String {
        time::clock(at, self.now.wall, &self.setting.zone)
    }
}
