//! Going about: the cursor holds its address, the window moves, orders and filters are asked of the agent.

use agent::{
    control::api::OverviewSort,
    top::{
        app::View,
        message::{Also, Effect, Input},
    },
};
use ratatui::crossterm::event::KeyCode;

use super::{
    said::{address, calm, flooded, night, overview, sources},
    world::World,
};

/// The mark in front of the address that is picked.
fn picked_row(world: &World) -> String {
    world.line("▸")
}

#[test]
fn the_cursor_stays_with_its_address_when_the_list_is_sorted_anew() {
    let mut world = World::new(80, 24);
    world.answer(night());
    world.press(KeyCode::Down);
    world.press(KeyCode::Down);
    assert!(picked_row(&world).contains("203.0.113.8"));
    world.answer(overview(vec![calm(address(8)), flooded(address(7))]));
    assert!(picked_row(&world).contains("203.0.113.8"));
    world.press(KeyCode::Char('b'));
    world.shows("Blackhole our address 203.0.113.8");
    world.answer(overview(vec![flooded(address(7))]));
    world.shows("Blackhole our address 203.0.113.8");
}

#[test]
fn an_address_that_sank_out_of_sight_stays_picked_and_is_named() {
    let mut world = World::new(80, 24);
    let many: Vec<_> = (1..=60).map(|number| calm(address(number))).collect();
    world.answer(overview(many.clone()));
    world.press(KeyCode::Down);
    assert!(picked_row(&world).contains("203.0.113.1 "));
    let mut sunk = many[1..].to_vec();
    sunk.push(many[0].clone());
    world.answer(overview(sunk.clone()));
    let lines = world.lines();
    let row = lines
        .iter()
        .rposition(|line| line.contains("▸ 203.0.113.1 "))
        .expect("it is on the last line");
    assert!(lines[row + 1].contains("Verdicts"), "{}", world.text());
    sunk.pop();
    world.answer(overview(sunk));
    world.shows("203.0.113.1 is picked and out of sight");
    world.press(KeyCode::Esc);
    world.hides("▸");
}

#[test]
fn a_long_list_is_asked_for_by_windows() {
    let mut world = World::new(80, 24);
    let all: Vec<_> = (0..4_096u32)
        .map(|number| calm(std::net::Ipv4Addr::from_bits(0x0a00_0000 + number).into()))
        .collect();
    world.answer(overview(all.clone()));
    assert_eq!(
        (world.watched().overview.offset, world.watched().overview.limit),
        (Some(0), Some(72))
    );
    for _ in 0..20 {
        world.press(KeyCode::PageDown);
        world.answer(overview(all.clone()));
    }
    assert!(world.watched().overview.offset > Some(100));
    assert!(picked_row(&world).contains("10.0.0."), "{}", world.text());
    world.press(KeyCode::End);
    world.answer(overview(all.clone()));
    assert!(picked_row(&world).contains("10.0.15.255"), "{}", world.text());
    world.shows("of 4096");
    world.press(KeyCode::Char('g'));
    world.answer(overview(all));
    assert!(picked_row(&world).contains("10.0.0.0 "), "{}", world.text());
}

#[test]
fn sorting_and_filtering_are_asked_of_the_agent() {
    let mut world = World::new(80, 24);
    world.answer(night());
    world.press(KeyCode::Char('s'));
    assert_eq!(world.watched().overview.sort, Some(OverviewSort::Syn));
    world.press(KeyCode::Char('S'));
    world.press(KeyCode::Char('S'));
    assert_eq!(world.watched().overview.sort, Some(OverviewSort::Address));
    world.press(KeyCode::Char('/'));
    world.type_text("113.8q");
    world.press(KeyCode::Backspace);
    world.shows("Filter: 113.8");
    world.press(KeyCode::Enter);
    assert_eq!(world.watched().overview.filter.as_deref(), Some("113.8"));
    let mut only = overview(vec![calm(address(8))]);
    only.protected = 3;
    world.answer(only);
    world.shows("filter: 113.8");
    world.press(KeyCode::Esc);
    assert_eq!(world.watched().overview.filter, None);
    world.press(KeyCode::Char('a'));
    assert_eq!(world.watched().overview.filter.as_deref(), Some("attack"));
    world.press(KeyCode::Char('a'));
    assert_eq!(world.watched().overview.filter, None);
}

#[test]
fn an_answer_to_an_earlier_question_is_not_shown() {
    let mut world = World::new(80, 24);
    let earlier = world.app.watch().overview;
    world.press(KeyCode::Char('a'));
    world.put(Input::Overview(earlier, Ok(Box::new(night()))));
    world.hides("203.0.113.8");
    world.answer(overview(vec![flooded(address(7))]));
    world.shows("203.0.113.7");
}

#[test]
fn only_what_is_looked_at_is_asked() {
    let mut world = World::new(80, 24);
    world.answer(night());
    assert_eq!(world.watched().also, Also::Nothing);
    world.press(KeyCode::Char('2'));
    assert_eq!(world.watched().also, Also::Sources);
    world.answer_also(sources());
    world.press(KeyCode::Down);
    world.press(KeyCode::Down);
    assert!(picked_row(&world).contains("198.51.100.24"));
    world.press(KeyCode::Esc);
    world.press(KeyCode::Enter);
    assert_eq!(world.watched().also, Also::Address(address(7)));
    assert_eq!(world.app.view, View::Address(address(7)));
}

#[test]
fn a_held_picture_does_not_change() {
    let mut world = World::new(80, 24);
    world.answer(night());
    world.press(KeyCode::Char('p'));
    world.answer(overview(vec![calm(address(99))]));
    world.shows("HELD STILL");
    world.hides("203.0.113.99");
    world.press(KeyCode::Char('p'));
    world.answer(overview(vec![calm(address(99))]));
    world.shows("203.0.113.99");
}

#[test]
fn it_ends_by_q_and_by_control_c_from_anywhere() {
    let mut world = World::new(80, 24);
    world.answer(night());
    world.press(KeyCode::Char('?'));
    world.press(KeyCode::Char('q'));
    assert!(!world.effects.contains(&Effect::Quit), "it closes the help");
    world.press(KeyCode::Char('q'));
    assert!(world.effects.contains(&Effect::Quit));
    for keys in ["/", "rr", "?"] {
        let mut world = World::new(80, 24);
        world.answer(night());
        world.type_text(keys);
        world.control('c');
        assert!(world.effects.contains(&Effect::Quit), "{keys}");
    }
}

#[test]
fn control_letters_are_not_the_letters() {
    let mut world = World::new(80, 24);
    world.answer(night());
    world.press(KeyCode::Down);
    for letter in ['b', 'r', 'u', 'q'] {
        world.control(letter);
    }
    assert!(world.app.dialog.is_none() && !world.effects.contains(&Effect::Quit));
}
