//! The view in a terminal: inputs go to the state, its effects are carried out, and what came of them is drawn.

use std::{panic, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinSet,
    time::sleep,
};

use super::{
    app::{App, Setting},
    ask::{self, Asker},
    follow, keyboard,
    message::{Effect, Input, Watch},
    screen::{self, Screen},
    signals,
};
use crate::{clock::Now, control::api::OverviewSort, decide::Refusal};

/// Inputs that wait at most; who sends more waits.
const WAITING: usize = 256;
/// Without inputs it is drawn anew so often: the clock goes on.
const IDLE: Duration = Duration::from_secs(1);
/// The same while something waits for time to pass.
const IMPATIENT: Duration = Duration::from_millis(150);

/// What the command line says.
#[derive(Debug)]
pub struct Options {
    /// The control socket.
    pub socket: PathBuf,
    /// Between two looks.
    pub interval: Duration,
    /// The first order.
    pub sort: OverviewSort,
    /// The first filter; empty for none.
    pub filter: String,
    /// What does not change.
    pub setting: Setting,
}

/// Refuses where there is no terminal to draw on.
///
/// # Errors
/// Standard output is no terminal, or one that cannot move its cursor.
pub fn needs_terminal() -> Result<(), Refusal> {
    let way_out = "`agent status` prints everything once, `agent top --json` a line each second";
    if !screen::is_terminal() {
        return Err(Refusal::invalid("standard output is not a terminal", way_out));
    }
    match std::env::var("TERM") {
        Ok(name) if !name.is_empty() && name != "dumb" => Ok(()),
        _ => Err(Refusal::invalid(
            "TERM names no terminal that can move its cursor",
            way_out,
        )),
    }
}

/// What the loop works with.
struct Shell {
    app: App,
    screen: Screen,
    options: Options,
    sender: mpsc::Sender<Input>,
    wanted: watch::Sender<Watch>,
    hurry: Arc<Notify>,
    tasks: JoinSet<()>,
}

/// Shows the view until it is left.
///
/// # Errors
/// The terminal fails.
pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let mut signals = signals::listen().context("cannot wait for signals")?;
    let screen = Screen::open().context("cannot use this terminal")?;
    let size = screen.size().context("cannot tell how large this terminal is")?;
    let app = App::new(
        options.setting.clone(),
        size,
        options.sort,
        &options.filter,
        Now::read(),
    );
    let (sender, mut inputs) = mpsc::channel(WAITING);
    let wanted = watch::Sender::new(app.watch());
    let mut shell = Shell {
        app,
        screen,
        options,
        sender,
        wanted,
        hurry: Arc::new(Notify::new()),
        tasks: JoinSet::new(),
    };
    shell.start()?;
    loop {
        shell.screen.draw(&shell.app).context("cannot draw on this terminal")?;
        let patience = if shell.app.is_impatient() { IMPATIENT } else { IDLE };
        let first = tokio::select! {
            biased;
            signal = signals.recv() => return Ok(signal.map_or(ExitCode::FAILURE, |signal| ExitCode::from(signals::exit_code(signal)))),
            input = inputs.recv() => match input {
                Some(Input::Deaf) | None => bail!("the terminal cannot be read any more"),
                Some(input) => input,
            },
            Some(ended) = shell.tasks.join_next() => {
                if let Err(error) = ended && error.is_panic() {
                    panic::resume_unwind(error.into_panic());
                }
                continue;
            }
            () = sleep(patience) => Input::Tick,
        };
        let mut effects = shell.app.update(first, Now::read());
        // All that waits is taken in before it is drawn once.
        while let Ok(input) = inputs.try_recv() {
            effects.extend(shell.app.update(input, Now::read()));
        }
        for effect in effects {
            if effect == Effect::Quit {
                return Ok(ExitCode::SUCCESS);
            }
            shell.carry_out(effect)?;
        }
    }
}

impl Shell {
    fn start(&mut self) -> anyhow::Result<()> {
        keyboard::listen(self.sender.clone()).context("cannot read this terminal")?;
        let asker = Asker {
            socket: self.options.socket.clone(),
            interval: self.options.interval,
            wanted: self.wanted.subscribe(),
            hurry: Arc::clone(&self.hurry),
            inputs: self.sender.clone(),
        };
        self.tasks.spawn(asker.run());
        let (socket, sender) = (self.options.socket.clone(), self.sender.clone());
        self.tasks
            .spawn(follow::follow(socket, sender, Arc::clone(&self.hurry)));
        Ok(())
    }

    fn carry_out(&mut self, effect: Effect) -> anyhow::Result<()> {
        let (socket, sender) = (self.options.socket.clone(), self.sender.clone());
        match effect {
            Effect::Watch(watch) => drop(self.wanted.send_replace(watch)),
            Effect::Preview(order) => drop(self.tasks.spawn(ask::preview(socket, order, sender))),
            Effect::Act(order) => drop(
                self.tasks
                    .spawn(ask::act(socket, order, sender, Arc::clone(&self.hurry))),
            ),
            Effect::Suspend => self.screen.suspend().context("cannot take the terminal again")?,
            Effect::Redraw => self.screen.forget().context("cannot draw on this terminal")?,
            Effect::Quit => {}
        }
        Ok(())
    }
}
