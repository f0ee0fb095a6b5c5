//! Going over to a new configuration: as a whole, or not at all.

use std::{collections::BTreeSet, sync::Arc};

use super::Engine;
use crate::{
    clock::Now,
    config::Config,
    control::api::Done,
    decide::{Refusal, changes::Outcome, reload::difference},
    failpoint::{Point, reach},
    tables::XdpMode,
};

impl Engine {
    /// Notes how a reload went.
    pub(super) fn reloaded(&mut self, succeeded: bool, now: Now) {
        self.reload.refused = !succeeded;
        if succeeded {
            self.reload.loaded = now.wall;
        }
    }

    /// The file could not be used, so that it never became a command.
    pub fn not_reloaded(&mut self, now: Now) {
        self.reloaded(false, now);
        self.publish(now);
    }

    /// A file that is not what holds is found out at the next start, when nobody remembers it.
    pub(super) fn reload_warning(&self) -> Option<String> {
        self.reload.refused.then(|| {
            format!(
                "the last reload was refused, and the configuration of {:.0} still holds: `agent check-config` tells why",
                self.reload.loaded
            )
        })
    }

    /// Attaches what is new, moves the tables, lets go of what is gone; on a failure, back the same way.
    pub(super) fn reload(&mut self, config: Config) -> Outcome {
        let difference = difference(&self.config, &config);
        if !difference.needs_restart.is_empty() {
            return Err(Refusal::conflict(
                format!(
                    "nothing was changed: {} cannot change while the agent runs",
                    difference.needs_restart.join(", ")
                ),
                "restart the agent to apply the whole file; protection stays on meanwhile",
            ));
        }
        let warnings: Vec<String> = config
            .warnings
            .iter()
            .map(ToString::to_string)
            .chain(self.held_back(&config))
            .collect();
        if difference.changes.is_empty() {
            self.config = Arc::new(config);
            let message = "Reloaded: nothing in the configuration has changed.".to_owned();
            return Ok((
                Vec::new(),
                Done {
                    message,
                    warnings,
                    ..Done::default()
                },
            ));
        }
        self.move_to_config(&config)?;
        (self.set_log_level)(config.log.level);
        self.config = Arc::new(config);
        self.tell_listeners();
        self.remember_installed();
        reach(Point::InstalledNoted);
        let count = difference.changes.len();
        let message = format!("Reloaded: {count} {}.", if count == 1 { "change" } else { "changes" });
        Ok((
            Vec::new(),
            Done {
                message,
                changes: difference.changes,
                warnings,
                ..Done::default()
            },
        ))
    }

    fn move_to_config(&mut self, config: &Config) -> Result<(), Refusal> {
        let names = |config: &Config| config.interfaces.iter().cloned().collect::<BTreeSet<String>>();
        let (old, new) = (names(&self.config), names(config));
        let added: Vec<String> = new.difference(&old).cloned().collect();
        let removed: Vec<String> = old.difference(&new).cloned().collect();
        // A renamed interface is new by its name only: what was on it before must be on it again if this comes to nothing.
        let fresh: Vec<String> = added.iter().filter(|name| !self.is_linked(name)).cloned().collect();
        self.attach_each(&added, config.xdp_mode)?;
        if let Err(error) = self.move_to(config, (*self.overrides).clone()) {
            self.detach_quietly(&fresh);
            return Err(error);
        }
        reach(Point::ReloadMoved);
        for (done, interface) in removed.iter().enumerate() {
            if let Err(error) = self.tables.detach(interface) {
                let way_back = self.attach_each(&removed[..done], config.xdp_mode);
                let former = Arc::clone(&self.config);
                let way_back = way_back.and_then(|()| self.move_to(&former, (*self.overrides).clone()));
                self.detach_quietly(&fresh);
                return Err(way_back.err().unwrap_or_else(|| error.into()));
            }
        }
        if let Ok(links) = self.tables.links() {
            self.links = Arc::new(links);
        }
        Ok(())
    }

    /// Attaches to all of them or to none.
    fn attach_each(&mut self, interfaces: &[String], mode: XdpMode) -> Result<(), Refusal> {
        let mut fresh = Vec::new();
        for interface in interfaces {
            let was_linked = self.is_linked(interface);
            if let Err(error) = self.tables.attach(interface, mode) {
                self.detach_quietly(&fresh);
                return Err(error.into());
            }
            if !was_linked {
                fresh.push(interface.clone());
            }
        }
        Ok(())
    }

    /// Whether the program is on an interface already, whatever it was called when it came there.
    fn is_linked(&self, interface: &str) -> bool {
        self.tables
            .links()
            .is_ok_and(|links| links.iter().any(|link| link.interface == interface))
    }

    fn detach_quietly(&mut self, interfaces: &[String]) {
        for interface in interfaces {
            if let Err(error) = self.tables.detach(interface) {
                tracing::error!(interface, "cannot detach on the way back: {error}");
            }
        }
    }

    /// What the file says and does not take effect, because somebody set it otherwise at run time.
    fn held_back(&self, config: &Config) -> Vec<String> {
        let mut held_back = Vec::new();
        if let Some(set) = self.overrides.mode.as_ref().filter(|set| set.mode != config.mode) {
            held_back.push(format!(
                "the mode stays {}, set by {}; `agent mode set configured` goes back to the file's {}",
                set.mode, set.origin.actor, config.mode
            ));
        }
        for (target, set) in &self.overrides.thresholds {
            held_back.push(format!(
                "the threshold of {target} stays as set by {}; `agent threshold unset {target}` goes back to the file's",
                set.origin.actor
            ));
        }
        for (address, forced) in &self.overrides.rungs {
            held_back.push(format!(
                "{address} stays on the rung {}, forced by {}; `agent rung {address} auto` takes that back",
                forced.rung, forced.origin.actor
            ));
        }
        held_back
    }
}
