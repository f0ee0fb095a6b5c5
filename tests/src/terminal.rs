//! A terminal that a test types into and reads: a tmux server of its own, which ends with it.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    child::{Manner, Running},
    command::output,
    guarded::{until, until_within},
    lab::Lab,
};

/// What the shell in it says when it is ready.
pub const PROMPT: &str = "ready>";

/// One terminal with a shell in it.
#[derive(Debug)]
pub struct Terminal {
    socket: PathBuf,
    _server: Running,
}

impl Terminal {
    /// Opens one with so many columns and rows.
    ///
    /// # Errors
    /// tmux is missing or does not start.
    pub fn open(lab: &Lab, columns: u16, rows: u16) -> Result<Self> {
        let socket = lab.path("tmux.sock");
        let mut server = Command::new("tmux");
        // In the foreground, so that it is a child that ends with the test.
        server.args(["-f", "/dev/null", "-D", "-S"]).arg(&socket);
        server
            .env("LANG", "C.UTF-8")
            .env_remove("LC_ALL")
            .env_remove("NO_COLOR")
            .env_remove("TMUX");
        server.stdin(Stdio::null()).stdout(Stdio::null());
        let server = Running::start(lab, server, Manner::default())
            .context("tmux is needed to test the terminal: `cargo xtask setup` installs it")?;
        let terminal = Self {
            socket,
            _server: server,
        };
        until("tmux listens", || Ok(terminal.socket.exists()))?;
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let shell = ["env", "LANG=C.UTF-8", "PS1=ready>", "sh"];
        let session = ["new-session", "-d", "-x", &columns, "-y", &rows];
        terminal.tmux(&[&session[..], &shell[..]].concat())?;
        terminal.wait_for(PROMPT)?;
        Ok(terminal)
    }

    fn tmux(&self, arguments: &[&str]) -> Result<String> {
        output(Command::new("tmux").arg("-S").arg(&self.socket).args(arguments))
    }

    /// Types letters.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn type_text(&self, text: &str) -> Result<()> {
        self.tmux(&["send-keys", "-l", text]).map(drop)
    }

    /// Presses keys by their names, such as `Enter` and `Down`.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn press(&self, keys: &[&str]) -> Result<()> {
        self.tmux(&[&["send-keys"], keys].concat()).map(drop)
    }

    /// Types a command line of the shell.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn run(&self, line: &str) -> Result<()> {
        self.type_text(line)?;
        self.press(&["Enter"])
    }

    /// What stands on it.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn screen(&self) -> Result<String> {
        self.tmux(&["capture-pane", "-p"])
    }

    /// What stands on it, with its colours.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn colored(&self) -> Result<String> {
        self.tmux(&["capture-pane", "-p", "-e"])
    }

    /// Waits until a text stands on it.
    ///
    /// # Errors
    /// It does not within a while; says what does.
    pub fn wait_for(&self, text: &str) -> Result<String> {
        self.wait_until(&format!("the terminal shows {text:?}"), |screen| screen.contains(text))
    }

    /// Waits until what stands on it is as wanted.
    ///
    /// # Errors
    /// It is not within a while; says what stands there.
    pub fn wait_until(&self, what: &str, wanted: impl Fn(&str) -> bool) -> Result<String> {
        let mut seen = String::new();
        let found = until_within(Duration::from_secs(20), what, || {
            seen = self.screen()?;
            Ok(wanted(&seen))
        });
        found.with_context(|| format!("it shows\n{seen}"))?;
        Ok(seen)
    }

    /// Gives it another size.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn resize(&self, columns: u16, rows: u16) -> Result<()> {
        self.tmux(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()])
            .map(drop)
    }

    /// The process that the shell runs now.
    ///
    /// # Errors
    /// There is none, or more than one.
    pub fn foreground(&self) -> Result<i32> {
        let shell = self.tmux(&["display-message", "-p", "#{pane_pid}"])?;
        let shell = shell.trim();
        let children = fs::read_to_string(format!("/proc/{shell}/task/{shell}/children"))?;
        let children: Vec<&str> = children.split_whitespace().collect();
        ensure!(children.len() == 1, "the shell has the children {children:?}");
        Ok(children[0].parse()?)
    }
}
