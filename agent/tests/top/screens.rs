//! What stands on the screen, at each size and in each look.

use agent::{
    control::api::LinkView,
    detect::{NumberedEvent, What},
    tables::Mode,
    top::{
        look::{Look, Palette},
        message::{Extra, Input},
    },
};
use ratatui::{crossterm::event::KeyCode, style::Color};

use super::{
    said::{address, calm, closely, flooded, night, overview, sources},
    world::{World, start},
};

fn at_night(columns: u16, rows: u16) -> World {
    let mut world = World::new(columns, rows);
    world.answer(night());
    world
}

#[test]
fn a_glance_at_80x24_tells_which_address_since_when_by_what_and_how_it_does() {
    let world = at_night(80, 24);
    let attack = world.line("ATTACK 12");
    let wanted = "  ATTACK 12  203.0.113.7 since 02:11:35 (2m 32s)  by syn  up to 450.0k SYN/s";
    assert!(attack.contains(wanted.trim_start()), "{}", world.text());
    let row = world.line("203.0.113.7  ");
    for part in ["ATTACK", "verify", "21x", "412.3k", "20.0k", "1.9k", "210.0k"] {
        assert!(row.contains(part), "{part}: {row}");
    }
    assert!(world.line("203.0.113.8").contains(" ok "), "{}", world.text());
    for text in [
        "ENFORCE",
        "lb-1",
        "NIC eth0 native",
        "43 % in softirqs",
        "address_rate",
        "198.51.100.0/24",
        "1-3 of 3, by pressure",
    ] {
        world.shows(text);
    }
    assert!(world.lines().iter().all(|line| line.chars().count() <= 80));
}

#[test]
fn columns_stand_below_their_headings() {
    for (columns, rows) in [(72, 16), (80, 24), (120, 40), (200, 60)] {
        let world = at_night(columns, rows);
        let (heading, row) = (world.line("ADDRESS "), world.line("203.0.113.7  "));
        let end = |line: &str, of: &str| line.find(of).map(|start| line[..start + of.len()].chars().count());
        assert_eq!(
            end(&heading, "SYN/s"),
            end(&row, "412.3k"),
            "{columns}x{rows}:\n{}",
            world.text()
        );
        assert_eq!(
            end(&heading, "DROP/s"),
            end(&row, "210.0k"),
            "{columns}x{rows}:\n{}",
            world.text()
        );
    }
}

#[test]
fn more_room_shows_more() {
    let wide = at_night(120, 40);
    for text in ["OVER SINCE", "ANSWER/s", "What happened"] {
        wide.shows(text);
        at_night(80, 24).hides(text);
    }
    let widest = at_night(200, 60);
    let row = widest.line("203.0.113.7  ");
    assert!(
        row.matches('█').count() >= 7,
        "half of the sparkline is the flood: {row}"
    );
    assert!(
        widest.line("ADDRESS ").contains("Verdicts by reason"),
        "panels stand beside the list:\n{}",
        widest.text()
    );
}

#[test]
fn the_flood_rises_over_half_of_the_sparkline_and_calm_stays_below() {
    let world = at_night(120, 40);
    let high = |line: &str| line.chars().filter(|c| ('▅'..='█').contains(c)).count();
    assert!(high(&world.line("203.0.113.7  ")) > 3);
    assert_eq!(high(&world.line("203.0.113.8")), 0);
    assert!(
        high(&at_night(72, 16).line("203.0.113.7  ")) > 3,
        "at the smallest size, too"
    );
}

#[test]
fn colors_are_only_where_they_are_wanted_and_no_word_needs_them() {
    let colored = |palette| {
        let mut world = World::with_look(80, 24, Look { palette, ascii: false });
        world.answer(night());
        let buffer = world.buffer();
        let colors: Vec<Color> = buffer
            .content
            .iter()
            .flat_map(|cell| [cell.fg, cell.bg])
            .filter(|color| *color != Color::Reset)
            .collect();
        (colors, world.text())
    };
    let (none, plain_text) = colored(Palette::None);
    assert_eq!(none, []);
    let (usual, text) = colored(Palette::Usual);
    assert!(usual.contains(&Color::LightRed));
    assert_eq!(text, plain_text, "the words are the same");
    let (blind, text) = colored(Palette::ColorBlind);
    let red_or_green = [Color::Red, Color::LightRed, Color::Green, Color::LightGreen];
    assert!(!blind.is_empty() && !blind.iter().any(|color| red_or_green.contains(color)));
    assert_eq!(text, plain_text);
}

#[test]
fn an_ascii_terminal_gets_ascii() {
    let look = Look {
        palette: Palette::Usual,
        ascii: true,
    };
    let mut world = World::with_look(80, 24, look);
    let mut night = night();
    night.warnings.push("Überlauf → 世界".to_owned());
    world.answer(night);
    world.press(KeyCode::Down);
    world.press(KeyCode::Char('r'));
    assert!(world.text().is_ascii(), "{}", world.text());
    world.press(KeyCode::Esc);
    world.press(KeyCode::Enter);
    world.answer_also(Extra::Address(Box::new(closely(flooded(address(7))))));
    assert!(world.text().is_ascii(), "{}", world.text());
}

#[test]
fn a_small_terminal_says_so_acts_on_nothing_and_draws_again_when_it_is_large_enough() {
    let mut world = at_night(80, 24);
    world.press(KeyCode::Down);
    world.put(Input::Resize(60, 10));
    world.shows("60 columns and 10 rows");
    world.shows("needs 72 and 16");
    world.shows("ATTACKS: 1");
    world.press(KeyCode::Char('b'));
    assert!(world.app.dialog.is_none(), "nobody acts on what cannot be seen");
    world.put(Input::Resize(80, 24));
    world.shows("203.0.113.7");
    for (columns, rows) in [(1, 1), (0, 0), (72, 1), (10, 40)] {
        world.put(Input::Resize(columns, rows));
        let _ = world.text();
    }
}

#[test]
fn one_address_closely_answers_the_questions_of_the_night() {
    for (columns, rows) in [(72, 16), (80, 24), (120, 40), (200, 60)] {
        let mut world = at_night(columns, rows);
        world.press(KeyCode::Enter);
        world.shows("the agent is asked");
        world.answer_also(Extra::Address(Box::new(closely(flooded(address(7))))));
        world.shows("Put back?  NO   attack 12 goes on");
        world.shows("verify since 02:11:35 (2m 32s), by itself, proof by cookie");
        world.shows("number 12 since 02:11:35 (2m 32s) by syn");
        if rows >= 24 {
            for text in [
                "412.3k SYN/s of 20k/s",
                "   20.0k ",
                "address_rate",
                "198.51.100.23",
                "1.9k/s complete their handshake",
            ] {
                world.shows(text);
            }
        }
        world.press(KeyCode::Esc);
        world.shows("ADDRESS ");
    }
}

#[test]
fn sources_prefixes_host_and_help_fit_any_size() {
    for (columns, rows) in [(72, 16), (80, 24), (200, 60)] {
        let mut world = at_night(columns, rows);
        world.press(KeyCode::Tab);
        world.answer_also(sources());
        world.shows("198.51.100.23");
        world.press(KeyCode::Char('4'));
        world.shows("Interfaces");
        world.shows("SOURCES");
        world.press(KeyCode::Char('?'));
        world.shows("put the address on a rung");
        world.press(KeyCode::Esc);
        world.hides("put the address on a rung");
    }
}

#[test]
fn an_agent_that_went_away_is_told_and_one_that_is_back_too() {
    let mut world = at_night(80, 24);
    world.pass(5_000);
    world.fall_silent();
    world.shows("NOT ANSWERING  since 02:14:07 (5s)");
    world.shows("protection stays in the kernel");
    world.shows("203.0.113.7");
    world.pass(60_000);
    world.fall_silent();
    world.shows("since 02:14:07 (1m 5s)");
    world.answer(night());
    world.hides("NOT ANSWERING");
    world.shows("the agent answers again");
}

#[test]
fn a_node_that_is_cut_off_from_its_fleet_says_so_at_the_head() {
    let with = |fleet| {
        let mut night = night();
        night.fleet = fleet;
        let mut world = World::new(120, 40);
        world.answer(night);
        world
    };
    with(Some(LinkView::Down)).shows("CUT OFF FROM THE FLEET");
    with(Some(LinkView::Up)).shows("fleet ok");
    let alone = with(None);
    alone.hides("fleet");
    alone.hides("FLEET");
}

#[test]
fn what_arrives_at_the_other_nodes_of_a_fleet_has_its_column() {
    let mut night = night();
    night.fleet = Some(LinkView::Up);
    for line in &mut night.addresses {
        line.elsewhere_pps = (line.address == address(7)).then_some(87_654.0);
    }
    for (columns, rows) in [(118, 40), (120, 40), (200, 60)] {
        let mut world = World::new(columns, rows);
        world.answer(night.clone());
        let (heading, row) = (world.line("ADDRESS "), world.line("203.0.113.7  "));
        let end = |line: &str, of: &str| line.find(of).map(|start| line[..start + of.len()].chars().count());
        assert!(end(&heading, "ELSEWH/s").is_some(), "{columns}: {}", world.text());
        for (name, value) in [("ELSEWH/s", "87.7k"), ("DROP/s", "210.0k")] {
            assert_eq!(end(&heading, name), end(&row, value), "{columns}: {}", world.text());
        }
        world.press(KeyCode::Enter);
        let mut line = flooded(address(7));
        line.elsewhere_pps = Some(87_654.0);
        world.answer_also(Extra::Address(Box::new(closely(line))));
        world.shows("87.7k SYN/s at other nodes of the fleet");
    }
    let alone = at_night(120, 40);
    alone.hides("ELSEWH/s");
}

#[test]
fn warnings_monitor_mode_and_saturation_are_seen() {
    let mut night = night();
    night.warnings = vec!["eth0 is attached in generic mode".to_owned(), "another".to_owned()];
    night.mode.mode = Mode::Monitor;
    night.host.saturated = true;
    night.host.receive_drops_pps = 5_000.0;
    night.ledger.healthy = false;
    night.host.maps[0].used = Some(65_000);
    let mut world = World::new(120, 40);
    world.answer(night);
    for text in [
        "WARNING  eth0 is attached in generic mode",
        "MONITOR: nothing is dropped",
        "SATURATED",
        "loses 5.0k/s",
        "ledger BROKEN",
        "SOURCES 99 % full",
        "would drop",
    ] {
        world.shows(text);
    }
}

#[test]
fn without_an_attack_it_says_so() {
    let mut world = World::new(80, 24);
    world.shows("The agent is asked");
    world.answer(overview(vec![calm(address(8))]));
    world.shows("No attack on any of 1 addresses");
    world.hides("ATTACK");
}

#[test]
fn what_happened_is_told_latest_first() {
    let mut world = at_night(120, 40);
    for (id, text) in [(1, "first things"), (2, "then others")] {
        let event = agent::detect::Event {
            at: start(),
            subject: None,
            attack: None,
            what: What::Notice { text: text.to_owned() },
        };
        world.put(Input::Happened(Box::new(NumberedEvent { id, event }.into())));
    }
    let text = world.text();
    assert!(text.find("then others") < text.find("first things"), "{text}");
}
