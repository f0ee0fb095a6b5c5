//! Doing something: no single key does anything, the target cannot change, refusals are told with their way out.

use agent::{
    control::api::{BlockAs, Done, OverviewView, PreviewRequest},
    tables::Rung,
    top::{
        message::{Effect, Extra, Input, Trouble},
        order::{Deed, Target},
    },
};
use ratatui::crossterm::event::KeyCode;

use super::{
    said::{address, closely, flooded, night, preview, sources},
    world::World,
};

fn at_night() -> World {
    let mut world = World::new(80, 24);
    world.answer(night());
    world.press(KeyCode::Down);
    world
}

/// The agent says what the order would do that it was last asked for.
fn say(world: &mut World) {
    let order = world.asked().expect("the agent was asked");
    world.put(Input::Preview(
        Box::new(order),
        Ok(Box::new(preview("rung 203.0.113.7 known"))),
    ));
}

#[test]
fn a_rung_is_set_by_a_typed_word_after_its_blast_radius_was_seen() {
    let mut world = at_night();
    world.press(KeyCode::Char('r'));
    world.shows("Put 203.0.113.7 on a rung");
    world.shows("[known]");
    world.press(KeyCode::Tab);
    world.type_text("30m");
    world.press(KeyCode::Tab);
    world.type_text("ticket 4711");
    world.press(KeyCode::Enter);
    say(&mut world);
    for text in [
        "Reaches  1 address, 812 open connections",
        "Traffic  412.3k SYN/s",
        "New customers are shut out",
        "Type known and Enter",
    ] {
        world.shows(text);
    }
    world.type_text("known");
    assert_eq!(world.acts(), [], "the word alone does nothing");
    world.press(KeyCode::Enter);
    let acts = world.acts();
    assert_eq!(acts.len(), 1);
    assert_eq!(
        (acts[0].target, acts[0].deed),
        (Target::Address(address(7)), Deed::Rung(Some(Rung::Known)))
    );
    assert_eq!(acts[0].ttl.map(|ttl| ttl.to_string()).as_deref(), Some("30m"));
    assert_eq!(acts[0].reason.as_deref(), Some("ticket 4711"));
    world.shows("It is being done");
    world.press(KeyCode::Enter);
    assert_eq!(world.acts().len(), 1, "once");
    let done = Done {
        message: "Put 203.0.113.7 on the rung known.".to_owned(),
        warnings: vec!["customers are shut out".to_owned()],
        ..Done::default()
    };
    world.put(Input::Done(Box::new(acts[0].clone()), Ok(done)));
    world.shows("DONE     Put 203.0.113.7 on the rung known.");
    world.shows("customers are shut out");
    world.press(KeyCode::Enter);
    assert!(world.app.dialog.is_none());
}

#[test]
fn the_network_above_is_offered_where_it_can_be_asked() {
    let mut world = at_night();
    world.press(KeyCode::Char('r'));
    world.hides("upstream");
    world.press(KeyCode::Char('u'));
    world.shows("[known]");
    world.press(KeyCode::Esc);

    world.answer(OverviewView {
        upstream: Some("blackhole".to_owned()),
        ..night()
    });
    world.press(KeyCode::Char('r'));
    world.shows(" upstream ");
    world.press(KeyCode::Right);
    world.shows("[upstream]");
    world.press(KeyCode::Right);
    world.shows("[upstream]");
    world.press(KeyCode::Char('k'));
    world.press(KeyCode::Char('u'));
    world.press(KeyCode::Tab);
    world.press(KeyCode::Tab);
    world.press(KeyCode::Tab);
    say(&mut world);
    world.shows("Type upstream and Enter");
    world.type_text("upstream");
    assert_eq!(world.acts(), []);
    world.press(KeyCode::Enter);
    assert_eq!(
        world.acts().iter().map(|order| order.deed).collect::<Vec<_>>(),
        [Deed::Rung(Some(Rung::Upstream))]
    );
}

#[test]
fn no_key_does_anything_by_itself() {
    let keys = "abcdefghijklmnopqrstuvwxyz0123456789 /?".chars().map(KeyCode::Char);
    let others = [
        KeyCode::Enter,
        KeyCode::Tab,
        KeyCode::Esc,
        KeyCode::Down,
        KeyCode::Right,
        KeyCode::Delete,
    ];
    for first in ['r', 'b', 'u'] {
        for second in keys.clone().chain(others) {
            let mut world = at_night();
            world.press(KeyCode::Char(first));
            if world.asked().is_some() {
                say(&mut world);
            }
            for _ in 0..10 {
                world.press(second);
                world.pass(400);
            }
            assert_eq!(world.acts(), [], "{first} and ten times {second:?}");
        }
    }
}

#[test]
fn the_wrong_word_and_an_answer_that_is_not_there_yet_do_nothing() {
    let mut world = at_night();
    world.press(KeyCode::Char('b'));
    world.press(KeyCode::Enter);
    world.press(KeyCode::Enter);
    world.type_text("blackhole");
    world.press(KeyCode::Enter);
    world.shows("the agent has not said yet");
    say(&mut world);
    world.press(KeyCode::Backspace);
    world.press(KeyCode::Enter);
    world.shows("type the word blackhole");
    assert_eq!(world.acts(), []);
    world.type_text("e");
    world.press(KeyCode::Enter);
    assert_eq!(world.acts().len(), 1);
    assert!(
        matches!(world.acts()[0].preview(), PreviewRequest::Block(block) if block.block_as == Some(BlockAs::Destination))
    );
}

#[test]
fn what_is_changed_after_the_answer_is_asked_again() {
    let mut world = at_night();
    world.press(KeyCode::Char('b'));
    world.pass(400);
    say(&mut world);
    world.shows("812 open connections");
    world.type_text("2h");
    world.hides("812 open connections");
    world.shows("the agent is asked");
    world.pass(100);
    assert_eq!(world.asked().and_then(|order| order.ttl), None, "typing has not paused");
    world.pass(400);
    assert_eq!(
        world
            .asked()
            .and_then(|order| order.ttl)
            .map(|ttl| ttl.to_string())
            .as_deref(),
        Some("2h")
    );
    say(&mut world);
    world.shows("812 open connections");
    let before = world.effects.len();
    world.pass(3_500);
    assert!(
        world.effects.len() > before,
        "the blast radius is asked again as the traffic changes"
    );
}

#[test]
fn a_refusal_is_shown_with_its_way_out_and_nothing_is_done() {
    let mut world = at_night();
    world.press(KeyCode::Char('b'));
    world.pass(400);
    let order = world.asked().expect("asked");
    let refusal = Trouble::Refused(
        "203.0.113.7 is the last reachable address".to_owned(),
        Some("--force blocks it all the same".to_owned()),
    );
    world.put(Input::Preview(Box::new(order), Err(refusal)));
    world.shows("REFUSED  203.0.113.7 is the last reachable address");
    world.shows("Way out  --force blocks it all the same");
    world.press(KeyCode::Enter);
    world.press(KeyCode::Enter);
    world.type_text("blackhole");
    world.press(KeyCode::Enter);
    world.shows("the agent refuses this");
    assert_eq!(world.acts(), []);
}

#[test]
fn a_lifetime_that_is_none_is_told_at_once() {
    let mut world = at_night();
    world.press(KeyCode::Char('b'));
    world.type_text("soon");
    world.shows("\"soon\" is not a lifetime");
    world.pass(1_000);
    assert!(world.asked().is_none());
}

#[test]
fn an_order_that_ends_after_its_dialogue_was_closed_is_told_below() {
    let mut world = at_night();
    world.press(KeyCode::Char('u'));
    say(&mut world);
    world.type_text("unblock");
    world.press(KeyCode::Enter);
    let order = world.acts().remove(0);
    world.press(KeyCode::Esc);
    let trouble = Trouble::Refused(
        "203.0.113.7 is not blocked".to_owned(),
        Some("`agent list` shows what is".to_owned()),
    );
    world.put(Input::Done(Box::new(order), Err(trouble)));
    world.shows("203.0.113.7 is not blocked; `agent list` shows what is");
}

#[test]
fn the_first_key_on_an_unpicked_list_only_picks() {
    let mut world = World::new(80, 24);
    world.answer(night());
    world.press(KeyCode::Char('r'));
    assert!(world.app.dialog.is_none());
    world.shows("203.0.113.7 is picked now: press r again");
    world.press(KeyCode::Char('r'));
    world.shows("Put 203.0.113.7 on a rung");
}

#[test]
fn sources_are_blocked_and_have_no_rung() {
    let mut world = World::new(80, 24);
    world.answer(night());
    world.press(KeyCode::Char('2'));
    world.answer_also(sources());
    world.press(KeyCode::Down);
    world.press(KeyCode::Char('r'));
    world.shows("sources have no rung");
    world.press(KeyCode::Char('b'));
    world.shows("Block the source 198.51.100.23");
    world.pass(400);
    let order = world.asked().expect("asked");
    assert!(
        matches!(order.preview(), PreviewRequest::Block(block) if block.block_as == Some(BlockAs::Source) && block.target == "198.51.100.23")
    );
}

#[test]
fn the_address_that_is_looked_at_closely_is_the_target() {
    let mut world = at_night();
    world.press(KeyCode::Enter);
    world.answer_also(Extra::Address(Box::new(closely(flooded(address(7))))));
    world.press(KeyCode::Char('r'));
    world.shows("Now      verify");
    world.press(KeyCode::Char('a'));
    world.shows("[auto]");
    world.shows("Type auto and Enter");
    world.hides("For  ");
}

#[test]
fn pasted_text_goes_into_fields_and_never_counts_as_keys_or_as_the_word() {
    let mut world = at_night();
    world.put(Input::Paste("bblackhole\nq".to_owned()));
    assert!(world.app.dialog.is_none() && !world.effects.contains(&Effect::Quit));
    world.press(KeyCode::Char('b'));
    world.press(KeyCode::Tab);
    world.put(Input::Paste("ticket\u{1b}[31m 4711\nsecond line".to_owned()));
    world.shows("ticket[31m 4711");
    world.press(KeyCode::Tab);
    world.put(Input::Paste("blackhole".to_owned()));
    world.pass(400);
    say(&mut world);
    world.press(KeyCode::Enter);
    assert_eq!(world.acts(), []);
}
