//! Names, reasons and sentences that somebody else wrote: nothing of them reaches the terminal that it would obey.

use agent::{
    control::api::OriginView,
    detect::{NumberedEvent, What},
    top::message::{Extra, Input, Trouble},
};
use ratatui::{Terminal, backend::CrosstermBackend, crossterm::event::KeyCode};

use super::{
    said::{address, closely, flooded, night, preview},
    world::{World, start},
};

/// Sets the title, clears the screen, colours, goes backwards, in the sequences of seven and of eight bits.
const EVIL: &str = "\u{1b}]0;pwned\u{7}\u{1b}[2J\u{1b}[31mEVIL\u{9b}31m\r\n\u{202e}\u{200b}\u{8}";

fn evil_world() -> World {
    let mut world = World::new(120, 40);
    let mut night = night();
    night.version = EVIL.to_owned();
    night.warnings = vec![EVIL.to_owned()];
    night.reasons[0].reason = EVIL.to_owned();
    night.reasons[0].action = EVIL.to_owned();
    night.addresses[0].rung = EVIL.to_owned();
    night.host.interfaces[0].interface = EVIL.to_owned();
    night.host.interfaces[0].warning = Some(EVIL.to_owned());
    night.host.maps[0].name = EVIL.to_owned();
    night.ledger.problem = Some(EVIL.to_owned());
    world.answer(night);
    let event = agent::detect::Event {
        at: start(),
        subject: None,
        attack: None,
        what: What::Notice { text: EVIL.to_owned() },
    };
    world.put(Input::Happened(Box::new(NumberedEvent { id: 1, event }.into())));
    world
}

/// What a terminal would get: only sequences of our own, none of the hostile text's.
fn is_harmless(world: &World, what: &str) {
    let (columns, rows) = world.app.size;
    let mut bytes = Vec::new();
    {
        let viewport = ratatui::Viewport::Fixed(ratatui::layout::Rect::new(0, 0, columns, rows));
        let options = ratatui::TerminalOptions { viewport };
        let mut terminal =
            Terminal::with_options(CrosstermBackend::new(&mut bytes), options).expect("a terminal in memory");
        terminal
            .draw(|frame| agent::top::draw::draw(&world.app, frame.buffer_mut()))
            .expect("drawing");
    }
    let text = String::from_utf8(bytes).expect("UTF-8");
    assert!(
        text.contains("EVIL"),
        "{what}: the text itself is shown:\n{}",
        world.text()
    );
    for sequence in [
        "\u{1b}]",
        "\u{7}",
        "\u{1b}[2J",
        "\u{1b}[31m",
        "\u{9b}",
        "\r",
        "\n",
        "\u{202e}",
        "\u{200b}",
        "\u{8}",
    ] {
        assert!(!text.contains(sequence), "{what}: {sequence:?} reached the terminal");
    }
}

#[test]
fn no_view_lets_an_escape_sequence_through() {
    let mut world = evil_world();
    is_harmless(&world, "addresses");
    world.press(KeyCode::Char('4'));
    is_harmless(&world, "host");
    world.press(KeyCode::Esc);
    world.press(KeyCode::Enter);
    let mut view = closely(flooded(address(7)));
    view.safe.why = EVIL.to_owned();
    view.rung.forced = Some(OriginView {
        actor: EVIL.to_owned(),
        reason: Some(EVIL.to_owned()),
        since: None,
        until: None,
    });
    world.answer_also(Extra::Address(Box::new(view)));
    is_harmless(&world, "address");
}

#[test]
fn no_dialogue_and_no_note_does() {
    let mut world = evil_world();
    world.press(KeyCode::Down);
    world.press(KeyCode::Char('b'));
    world.pass(400);
    let order = world.asked().expect("asked");
    let mut evil = preview(EVIL);
    evil.reach.consequence = EVIL.to_owned();
    evil.done.warnings = vec![EVIL.to_owned()];
    world.put(Input::Preview(Box::new(order.clone()), Ok(Box::new(evil))));
    is_harmless(&world, "preview");
    let refused = Trouble::Refused(EVIL.to_owned(), Some(EVIL.to_owned()));
    world.put(Input::Preview(Box::new(order.clone()), Err(refused.clone())));
    is_harmless(&world, "refusal");
    world.press(KeyCode::Esc);
    world.put(Input::Done(Box::new(order), Err(refused)));
    is_harmless(&world, "note");
    let query = world.app.watch().overview;
    world.put(Input::Overview(query, Err(Trouble::Away(EVIL.to_owned()))));
    is_harmless(&world, "away");
}
