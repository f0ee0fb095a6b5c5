//! Where everything is on the screen, for every size.

use ratatui::layout::Rect;

use crate::top::app::{Agent, App, View};

/// Columns and rows without which nothing is drawn but the request for more.
pub const SMALLEST: (u16, u16) = (72, 16);
/// From so many columns on the panels stand beside the list.
const WIDE: u16 = 160;
/// Columns of the panels then.
const BESIDE: u16 = 62;
/// From so many rows on there are panels below the list.
const ROOM_FOR_PANELS: u16 = 22;

/// The parts of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// All of it.
    pub whole: Rect,
    /// Title, attacks, warnings, sums.
    pub head: Rect,
    /// Lines of attacks in the head, one at least.
    pub attacks: u16,
    /// Lines of warnings in the head.
    pub warnings: u16,
    /// The list, or what else is looked at.
    pub body: Rect,
    /// Panels below the list or beside it.
    pub panels: Rect,
    /// Beside it.
    pub beside: bool,
    /// The last line.
    pub foot: Rect,
}

impl Plan {
    /// Nothing fits.
    #[must_use]
    pub const fn too_small(&self) -> bool {
        self.whole.width < SMALLEST.0 || self.whole.height < SMALLEST.1
    }

    /// Lines of a list: between its heading and its last line, which counts.
    #[must_use]
    pub fn rows(&self) -> usize {
        usize::from(self.body.height.saturating_sub(2)).max(1)
    }
}

/// Makes the plan.
#[must_use]
pub fn plan(app: &App) -> Plan {
    let (columns, rows) = app.size;
    let whole = Rect::new(0, 0, columns, rows);
    let overview = app.overview.as_ref();
    let at_most = |count: usize, share: u16| u16::try_from(count).unwrap_or(u16::MAX).min((rows / share).max(1));
    let attacks = overview.map_or(1, |overview| at_most(overview.attacks.len(), 8).max(1));
    let warnings = overview.map_or(0, |overview| at_most(overview.warnings.len(), 16).min(3));
    let signs = u16::from(matches!(app.agent, Agent::Away { .. })) + u16::from(app.paused.is_some());
    let gap = u16::from(rows >= 30);
    let head = (1 + signs + attacks + warnings + 2 + gap).min(rows);
    let rest = rows.saturating_sub(head + 1);
    let has_panels = app.view == View::Addresses;
    let beside = has_panels && columns >= WIDE;
    let below = match rows {
        _ if !has_panels || beside => 0,
        rows if rows < ROOM_FOR_PANELS => 0,
        rows if rows < 36 => 6,
        rows => (rows / 4).max(10),
    }
    .min(rest);
    let width = if beside { columns - BESIDE } else { columns };
    let gap = if beside { 2 } else { 0 };
    let body = Rect::new(0, head, width - gap, rest - below);
    let panels = if beside {
        Rect::new(width, head, BESIDE, rest)
    } else {
        Rect::new(0, head + rest - below, columns, below)
    };
    Plan {
        whole,
        head: Rect::new(0, 0, columns, head),
        attacks,
        warnings,
        body,
        panels,
        beside,
        foot: Rect::new(0, rows.saturating_sub(1), columns, 1),
    }
}
