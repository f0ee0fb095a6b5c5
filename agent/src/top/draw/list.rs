//! The list of addresses.

use ratatui::layout::Rect;

use super::{
    cells::{Pen, Piece, left, middle, piece, right},
    chart,
};
use crate::{
    control::api::{AddressLine, OverviewSort},
    plain,
    top::{app::App, look::Ink},
};

/// A column: its heading, its width, and the order that it shows.
struct Column {
    heading: &'static str,
    width: usize,
    sort: Option<OverviewSort>,
    cell: fn(&App, &AddressLine) -> (String, Ink),
}

const SYN: Column = Column {
    heading: "SYN/s",
    width: 7,
    sort: Some(OverviewSort::Syn),
    cell: |_, line| {
        (
            plain::rate(line.rates.syn_pps),
            if is_over(line) { Ink::Alarm } else { Ink::Plain },
        )
    },
};
const LIMIT: Column = Column {
    heading: "of",
    width: 7,
    sort: None,
    cell: |_, line| (plain::rate(f64::from(line.limit.syn_rate.per_second())), Ink::Faint),
};
const LOAD: Column = Column {
    heading: "LOAD",
    width: 6,
    sort: Some(OverviewSort::Pressure),
    cell: |_, line| {
        (
            load(line.pressure),
            if line.pressure > 1.0 { Ink::Alarm } else { Ink::Plain },
        )
    },
};
const HANDSHAKES: Column = Column {
    heading: "HANDSH/s",
    width: 9,
    sort: Some(OverviewSort::Handshakes),
    cell: |_, line| match line.local {
        true => (plain::rate(line.rates.handshakes_pps), Ink::Plain),
        false => ("-".to_owned(), Ink::Faint),
    },
};
const DROPS: Column = Column {
    heading: "DROP/s",
    width: 7,
    sort: Some(OverviewSort::Drop),
    cell: |_, line| (plain::rate(line.rates.drop_pps), Ink::Plain),
};
const REPLIES: Column = Column {
    heading: "ANSWER/s",
    width: 9,
    sort: None,
    cell: |_, line| (plain::rate(line.rates.reply_pps), Ink::Plain),
};
const PASSES: Column = Column {
    heading: "PASS/s",
    width: 7,
    sort: None,
    cell: |_, line| (plain::rate(line.rates.pass_pps), Ink::Plain),
};
const ELSEWHERE: Column = Column {
    heading: "ELSEWH/s",
    width: 9,
    sort: None,
    cell: |_, line| {
        line.elsewhere_pps
            .map_or_else(|| ("-".to_owned(), Ink::Faint), |pps| (plain::rate(pps), Ink::Plain))
    },
};
const SINCE: Column = Column {
    heading: "OVER SINCE",
    width: 11,
    sort: None,
    cell: |app, line| {
        line.over_since
            .map_or_else(|| ("-".to_owned(), Ink::Faint), |at| (app.clock(at), Ink::Plain))
    },
};

const NARROW: &[Column] = &[LOAD, SYN, LIMIT, HANDSHAKES, DROPS];
const NARROWEST: &[Column] = &[LOAD, SYN, DROPS];
const WIDE: &[Column] = &[LOAD, SYN, LIMIT, HANDSHAKES, PASSES, DROPS, REPLIES, SINCE];

/// In a fleet also what nobody completes at its other nodes; a narrow screen has it in the view of one address.
const WIDE_FLEET: &[Column] = &[LOAD, SYN, LIMIT, ELSEWHERE, HANDSHAKES, PASSES, DROPS, REPLIES, SINCE];

/// The longest IPv4 address.
const NARROW_ADDRESS: usize = 15;
/// What an address stands on: the longest word is `blackhole`, with a star if somebody put it there.
const RUNG: usize = 10;
/// `ATTACK`, `over`.
const STATE: usize = 6;
/// The shortest sparkline that says something.
const SPARK: usize = 8;

pub(super) fn draw(app: &App, area: Rect, pen: &mut Pen<'_>) {
    let Some(overview) = &app.overview else { return };
    let layout = Layout::of(app, area);
    heading(app, &layout, area, pen);
    let rows = usize::from(area.height).saturating_sub(2);
    let (start, lines) = app.lines();
    let top = app.cursor.top();
    for row in 0..rows.min(overview.matched.saturating_sub(top)) {
        let line = (top + row).checked_sub(start).and_then(|index| lines.get(index));
        let y = row as u16 + 1;
        match line {
            Some(line) => one(app, line, &layout, area, y, pen),
            None => pen.row(area, y, &[piece("   ..", Ink::Faint)]),
        }
    }
    if overview.matched == 0 {
        let why = match overview.protected {
            0 => "No address is protected: see `protect` in the configuration.",
            _ => "No address matches the filter: Esc takes it away.",
        };
        pen.row(area, 1, &[piece(format!("   {why}"), Ink::Strong)]);
    }
    last_line(app, &layout, area, pen);
}

/// Which columns fit, and how wide those are that give way.
struct Layout {
    address: usize,
    columns: &'static [Column],
    spark: usize,
}

impl Layout {
    fn of(app: &App, area: Rect) -> Self {
        let room = usize::from(area.width);
        let longest = app
            .lines()
            .1
            .iter()
            .map(|line| line.address.to_string().len())
            .max()
            .unwrap_or(0);
        let is_in_fleet = app.overview.as_ref().is_some_and(|overview| overview.fleet.is_some());
        let (columns, address) = match (room >= 118, longest > NARROW_ADDRESS) {
            (true, _) if is_in_fleet => (WIDE_FLEET, longest.max(NARROW_ADDRESS)),
            (true, _) => (WIDE, longest.max(NARROW_ADDRESS)),
            (false, false) if room >= 80 => (NARROW, NARROW_ADDRESS),
            (false, _) => (NARROWEST, longest.clamp(NARROW_ADDRESS, 26)),
        };
        let fixed = |address: usize| {
            3 + address + 1 + STATE + 1 + RUNG + columns.iter().map(|column| column.width).sum::<usize>() + 2
        };
        let address = address.min(room.saturating_sub(fixed(0) + SPARK)).max(NARROW_ADDRESS);
        Self {
            address,
            columns,
            spark: room.saturating_sub(fixed(address)).min(crate::recent::SECONDS),
        }
    }
}

fn heading(app: &App, layout: &Layout, area: Rect, pen: &mut Pen<'_>) {
    let look = pen.look;
    let ink = |sort: Option<OverviewSort>| {
        if sort == Some(app.sort) {
            Ink::Strong
        } else {
            Ink::Faint
        }
    };
    // The column that decides the order is in capitals and bold; the last line says it in words.
    let mut pieces = vec![
        piece(
            left("   ADDRESS", 3 + layout.address + 1, look),
            ink(Some(OverviewSort::Address)),
        ),
        piece(left("STATE", STATE + 1, look), Ink::Faint),
        piece(left("RUNG", RUNG, look), ink(Some(OverviewSort::Rung))),
    ];
    for column in layout.columns {
        pieces.push(piece(right(column.heading, column.width, look), ink(column.sort)));
    }
    let last = if layout.spark < 10 { "  2 MIN" } else { "  LAST 2 MIN" };
    pieces.push(piece(last, Ink::Faint));
    pen.row(area, 0, &pieces);
}

fn one(app: &App, line: &AddressLine, layout: &Layout, area: Rect, y: u16, pen: &mut Pen<'_>) {
    let picked = app.cursor.picked() == Some(line.address);
    pen.row(area, y, &cells(app, line, layout, pen));
    if picked {
        let bar = Rect {
            width: (3 + layout.address).min(usize::from(area.width)) as u16,
            ..area
        };
        pen.tint(bar, y, Ink::Bar);
    }
}

fn cells(app: &App, line: &AddressLine, layout: &Layout, pen: &Pen<'_>) -> Vec<Piece> {
    let look = pen.look;
    let picked = app.cursor.picked() == Some(line.address);
    let pointer = if picked { look.pointer() } else { " " };
    let (state, ink) = state(line);
    let rung = format!("{}{}", line.rung, if line.forced { "*" } else { "" });
    let rung_ink = if matches!(line.rung.as_str(), "limit" | "observe") {
        Ink::Plain
    } else {
        Ink::Strong
    };
    let mut pieces = vec![
        piece(format!(" {pointer} "), Ink::Strong),
        piece(
            middle(&line.address.to_string(), layout.address, look),
            if line.attack.is_some() { Ink::Alarm } else { Ink::Plain },
        ),
        piece(" ", Ink::Plain),
        piece(left(state, STATE, look), ink),
        piece(" ", Ink::Plain),
        piece(left(&rung, RUNG, look), rung_ink),
    ];
    for column in layout.columns {
        let (text, ink) = (column.cell)(app, line);
        pieces.push(piece(right(&text, column.width, look), ink));
    }
    pieces.push(piece("  ", Ink::Plain));
    pieces.extend(chart::against(
        &line.syn_series,
        line.limit.syn_rate.per_second(),
        layout.spark,
        look,
    ));
    pieces
}

/// The picked address where it is out of sight; else how much of the list this is.
fn last_line(app: &App, layout: &Layout, area: Rect, pen: &mut Pen<'_>) {
    let Some(overview) = &app.overview else { return };
    let y = area.height.saturating_sub(1);
    let rows = usize::from(area.height).saturating_sub(2);
    let top = app.cursor.top();
    let (start, lines) = app.lines();
    let in_sight = |line: usize| (top..top + rows).contains(&line);
    let picked = app.cursor.picked();
    let seen = picked.and_then(|picked| lines.iter().position(|line| line.address == picked));
    if let Some(picked) = picked
        && !seen.is_some_and(|index| in_sight(start + index))
    {
        match app.picked_line.as_ref().filter(|line| line.address == picked) {
            Some(line) if seen.is_some() => return one(app, line, layout, area, y, pen),
            _ => {}
        }
        let text = format!(" {picked} is picked and out of sight; Esc lets go of it ");
        return pen.row(area, y, &[piece(text, Ink::Strong)]);
    }
    let last = (top + rows).min(overview.matched);
    let mut text = format!(
        "   {}-{last} of {}, by {}",
        (top + 1).min(last),
        overview.matched,
        app.sort.name()
    );
    if overview.matched != overview.protected {
        text.push_str(&format!(" ({} are protected)", overview.protected));
    }
    let mut pieces = vec![piece(text, Ink::Faint)];
    let filter = app.filter.value().trim();
    if !filter.is_empty() {
        pieces.push(piece(format!("  filter: {filter} "), Ink::Caution));
    }
    if overview.addresses.iter().any(|line| line.forced) {
        pieces.push(piece("  * forced by somebody", Ink::Faint));
    }
    pen.row(area, y, &pieces);
}

/// How an address does, in a word.
pub(super) fn state(line: &AddressLine) -> (&'static str, Ink) {
    match line {
        line if line.attack.is_some() => ("ATTACK", Ink::AlarmSign),
        line if is_over(line) => ("over", Ink::Alarm),
        _ => ("ok", Ink::Faint),
    }
}

fn is_over(line: &AddressLine) -> bool {
    line.over_since.is_some() || line.rates.syn_pps > f64::from(line.limit.syn_rate.per_second())
}

/// Its part of what it may have.
pub(super) fn load(pressure: f64) -> String {
    match pressure {
        pressure if pressure >= 9.995 => format!("{pressure:.0}x"),
        pressure => format!("{:.0}%", pressure * 100.0),
    }
}
