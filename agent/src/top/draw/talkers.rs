//! Who sends most: sources or prefixes.

use ipnet::IpNet;
use ratatui::layout::Rect;

use super::{
    cells::{Pen, left, piece, right},
    panels,
};
use crate::{
    config::prefix,
    control::api::{AllSourcesView, TrafficView},
    plain,
    tables::ListAction,
    top::{
        app::{App, View},
        look::Ink,
    },
};

/// The longest: an IPv6 /64 in full.
const NAME: usize = 26;

struct Talker<'a> {
    net: IpNet,
    traffic: &'a TrafficView,
    /// SYNs per second over its threshold; a prefix has none.
    over: Option<f64>,
    listed: Option<ListAction>,
}

pub(super) fn draw(app: &App, area: Rect, pen: &mut Pen<'_>) {
    let heading = match app.view {
        View::Prefixes => "PREFIX",
        _ => "SOURCE",
    };
    let look = pen.look;
    let titles = [
        ("PACKETS/s", 10),
        ("BITS/s", 9),
        ("SYN/s", 9),
        ("DROP/s", 9),
        ("SHARE", 8),
    ];
    let mut pieces = vec![piece(left(&format!("   {heading}"), NAME + 3, look), Ink::Strong)];
    pieces.extend(titles.map(|(title, width)| piece(right(title, width, look), Ink::Faint)));
    pieces.push(piece("  LISTED", Ink::Faint));
    pen.row(area, 0, &pieces);
    let Some((talkers, all)) = talkers(app) else {
        let text = app.trouble.as_deref().unwrap_or("the agent is asked ..");
        return pen.row(area, 1, &[piece(format!("   {text}"), Ink::Faint)]);
    };
    if talkers.is_empty() {
        pen.row(area, 1, &[piece("   nobody sends enough to be recorded", Ink::Faint)]);
    }
    let rows = usize::from(area.height).saturating_sub(2);
    for (row, talker) in talkers.iter().skip(app.talker.top()).take(rows).enumerate() {
        one(app, talker, area, row as u16 + 1, pen);
    }
    let text = format!("   {} to all protected addresses, over ten seconds", panels::many(all));
    pen.row(area, area.height.saturating_sub(1), &[piece(text, Ink::Faint)]);
}

fn talkers(app: &App) -> Option<(Vec<Talker<'_>>, &AllSourcesView)> {
    if app.view == View::Prefixes {
        let view = app.prefixes.as_ref()?;
        let talkers = view.prefixes.iter().map(|one| Talker {
            net: one.prefix,
            traffic: &one.traffic,
            over: None,
            listed: one.listed,
        });
        return Some((talkers.collect(), &view.all));
    }
    let view = app.sources.as_ref()?;
    let talkers = view.sources.iter().map(|one| Talker {
        net: one.source,
        traffic: &one.traffic,
        over: Some(one.over_pps),
        listed: one.listed,
    });
    Some((talkers.collect(), &view.all))
}

fn one(app: &App, talker: &Talker<'_>, area: Rect, y: u16, pen: &mut Pen<'_>) {
    let look = pen.look;
    let picked = app.talker.picked() == Some(talker.net);
    let pointer = if picked { look.pointer() } else { " " };
    let traffic = talker.traffic;
    let listed = match (talker.listed, talker.over) {
        (Some(action), _) => (action.to_string(), Ink::Caution),
        (None, Some(over)) if over > 0.0 => (format!("over by {}/s", plain::rate(over)), Ink::Alarm),
        (None, _) => (String::new(), Ink::Plain),
    };
    let pieces = [
        piece(format!(" {pointer} "), Ink::Strong),
        piece(left(&prefix::display(talker.net), NAME, look), Ink::Plain),
        piece(right(&plain::rate(traffic.packets_pps), 10, look), Ink::Strong),
        piece(right(&plain::rate(traffic.bits_per_s), 9, look), Ink::Plain),
        piece(right(&plain::rate(traffic.syn_pps), 9, look), Ink::Plain),
        piece(right(&plain::rate(traffic.drop_pps), 9, look), Ink::Plain),
        piece(right(&plain::share(traffic.share), 8, look), Ink::Plain),
        piece(format!("  {}", listed.0), listed.1),
    ];
    pen.row(area, y, &pieces);
    if picked {
        pen.tint(
            Rect {
                width: (NAME as u16 + 3).min(area.width),
                ..area
            },
            y,
            Ink::Bar,
        );
    }
}
