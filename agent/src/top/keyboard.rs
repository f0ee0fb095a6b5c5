//! Keys, pasted text and sizes, as they come. A thread of its own reads them, so none is lost while something is drawn.

use std::thread;

use ratatui::crossterm::event::{self, Event};
use tokio::sync::mpsc::Sender;

use super::message::Input;

/// Starts reading. That the terminal cannot be read any more is the last that it says.
pub(super) fn listen(inputs: Sender<Input>) -> std::io::Result<()> {
    let reader = move || {
        while let Ok(event) = event::read() {
            let input = match event {
                Event::Key(key) => Input::Key(key),
                Event::Paste(text) => Input::Paste(text),
                Event::Resize(columns, rows) => Input::Resize(columns, rows),
                Event::FocusGained | Event::FocusLost | Event::Mouse(_) => continue,
            };
            if inputs.blocking_send(input).is_err() {
                return;
            }
        }
        let _ = inputs.blocking_send(Input::Deaf);
    };
    thread::Builder::new().name("keyboard".to_owned()).spawn(reader)?;
    Ok(())
}
