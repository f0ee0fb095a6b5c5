//! The engine's own loop.

use tokio::sync::mpsc;

use crate::{clock::Now, command::Message, config, engine::Engine, service::Heart};

/// The engine's loop: polls by its interval, carries out what arrives.
pub(super) async fn drive(mut engine: Engine, mut messages: mpsc::Receiver<Message>) {
    let mut interval = engine.config().poll_interval;
    let mut ticker = ticker(interval);
    let mut heart = Heart::of_this_process();
    while !engine.is_detached() {
        tokio::select! {
            _ = ticker.tick() => {
                engine.tick(Now::read());
                heart.read();
            }
            message = messages.recv() => match message {
                Some(message) => engine.answer(message, Now::read()),
                None => return,
            },
            () = heart.due() => {}
        }
        heart.beat(interval.duration());
        if engine.config().poll_interval != interval {
            interval = engine.config().poll_interval;
            ticker = self::ticker(interval);
        }
    }
}

pub(super) fn ticker(interval: config::units::Interval) -> tokio::time::Interval {
    let period = interval.duration();
    let mut ticker = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
    // After a pause (a suspended machine) one reading is enough.
    ticker.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticker
}
