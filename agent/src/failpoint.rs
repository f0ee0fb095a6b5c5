//! Points at which a test ends the agent as `kill -9` would: every step after which something is half done.
//!
//! They are there only with the feature `fail-points`, which no release has and nothing enables but `cargo xtask test`: what
//! decides, and the word by which `cargo xtask dist` finds it in a binary, are compiled out otherwise. With it, the environment
//! variable `FAILPOINTS` says where, in the words of the crate `fail`: `FAILPOINTS=link-pinned=return`.
//!
//! `tests/tests/killed.rs` goes through [`Point::ALL`], so a new point is tried as soon as it is in the table below.

/// What an agent does when it comes to a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// It starts where there never was one: no pins, no state.
    Install,
    /// It starts where the kernel is empty and the state directory is not, as after a reboot.
    Boot,
    /// It starts over what an agent of the same version left in force.
    Adoption,
    /// It starts over what an agent of another version left in force.
    Upgrade,
    /// It blocks an address.
    Command,
    /// It reloads a configuration with other thresholds, another list by hand, and other addresses.
    Reload,
    /// It reads a list that has changed.
    Refresh,
    /// It is told to stop.
    Stop,
    /// It is told to detach.
    Detach,
    /// `agent detach` while none runs.
    DetachAlone,
}

impl Occasion {
    /// In words, behind "killed at … while".
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Install => "the first start",
            Self::Boot => "the start after a reboot",
            Self::Adoption => "a restart",
            Self::Upgrade => "an upgrade",
            Self::Command => "a block by hand",
            Self::Reload => "a reload",
            Self::Refresh => "a new version of a list",
            Self::Stop => "a stop",
            Self::Detach => "a detach",
            Self::DetachAlone => "a detach without an agent",
        }
    }

    /// True where protection is taken off on purpose, or was never there: only from the next start on nothing may pass.
    #[must_use]
    pub const fn is_unprotected(self) -> bool {
        match self {
            Self::Install | Self::Boot | Self::Detach | Self::DetachAlone => true,
            Self::Adoption | Self::Upgrade | Self::Command | Self::Reload | Self::Refresh | Self::Stop => false,
        }
    }
}

macro_rules! points {
    ($($(#[$doc:meta])+ $name:ident = $text:literal at [$($occasion:ident),+];)+) => {
        /// A point.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Point {
            $($(#[$doc])+ $name,)+
        }

        impl Point {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The name, as `FAILPOINTS` takes it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }

            /// When the agent comes by.
            #[must_use]
            pub const fn occasions(self) -> &'static [Occasion] {
                match self {
                    $(Self::$name => &[$(Occasion::$occasion,)+],)+
                }
            }
        }
    };
}

points! {
    /// The configuration was read and nothing was touched.
    ConfigRead = "config-read" at [Adoption, Boot, Upgrade];
    /// A table of the ledger was made, and not all of them.
    LedgerMigrating = "ledger-migrating" at [Install];
    /// The ledger is open.
    LedgerOpened = "ledger-opened" at [Adoption, Install, Boot, Upgrade];
    /// The control socket is bound under the name that nobody knows.
    SocketBound = "socket-bound" at [Adoption, Install, Boot, Upgrade];
    /// The control socket has its name, and nobody answers there.
    SocketNamed = "socket-named" at [Adoption, Install, Boot, Upgrade];
    /// The directories of the pins are made.
    PinsMade = "pins-made" at [Boot, Install, Adoption, Upgrade];
    /// The map of the lists is pinned, and its size is not noted.
    ListsMade = "lists-made" at [Upgrade, Boot, Install];
    /// All maps are pinned.
    MapsMade = "maps-made" at [Upgrade, Boot, Install, Adoption];
    /// The verifier took the program.
    ProgramLoaded = "program-loaded" at [Adoption, Boot, Upgrade];
    /// What the program goes on to is pinned.
    AnswersPinned = "answers-pinned" at [Adoption, Boot, Upgrade];
    /// Everything is loaded.
    KernelLoaded = "kernel-loaded" at [Adoption, Boot, Upgrade];
    /// The counters of another version are taken over.
    CountersCarried = "counters-carried" at [Upgrade];
    /// The first of several writes is done.
    TablesHalfFilled = "tables-half-filled" at [Upgrade, Boot, Install, Reload];
    /// All tables are filled.
    TablesFilled = "tables-filled" at [Adoption, Boot, Upgrade];
    /// What was found in the kernel is in the ledger.
    Adopted = "adopted" at [Adoption, Boot, Upgrade];
    /// The tracepoint is attached, and its link is not pinned.
    HandshakesAttached = "handshakes-attached" at [Upgrade, Boot];
    /// Its link is pinned.
    HandshakesPinned = "handshakes-pinned" at [Upgrade, Boot];
    /// The records of the lists are written, and their table is not.
    ListHeadsWritten = "list-heads-written" at [Refresh, Boot, Upgrade];
    /// The new table of the lists is in place, and what is too much of the former is still there.
    ListsSwapped = "lists-swapped" at [Refresh, Boot, Upgrade];
    /// The program is attached, and its link is not pinned.
    LinkAttached = "link-attached" at [Boot, Install];
    /// The link is pinned.
    LinkPinned = "link-pinned" at [Boot, Install];
    /// The program behind the pinned link is the new one.
    LinkReplaced = "link-replaced" at [Adoption];
    /// The program behind the other version's link is ours.
    OtherReplaced = "other-replaced" at [Upgrade];
    /// That link is pinned here and there.
    OtherPinnedTwice = "other-pinned-twice" at [Upgrade];
    /// That link is pinned here alone.
    OtherTaken = "other-taken" at [Upgrade];
    /// What no program goes on to any more is gone.
    AnswersTidied = "answers-tidied" at [Adoption, Boot, Upgrade];
    /// A pinned link is removed, others and the maps are not.
    LinkRemoved = "link-removed" at [Detach, DetachAlone];
    /// All links are removed, the maps are not.
    LinksRemoved = "links-removed" at [Upgrade, Detach, DetachAlone];
    /// All pins are removed.
    PinsRemoved = "pins-removed" at [Upgrade, Detach, DetachAlone];
    /// Every interface has the program.
    AllAttached = "all-attached" at [Adoption, Boot, Upgrade];
    /// The ledger knows what the tables hold.
    InstalledNoted = "installed-noted" at [Adoption, Boot, Upgrade, Reload];
    /// It said that it protects.
    Protecting = "protecting" at [Adoption, Boot, Upgrade];
    /// The new version of a list is written beside the kept one.
    ListFileWritten = "list-file-written" at [Refresh];
    /// It has taken its place.
    ListFileKept = "list-file-kept" at [Refresh];
    /// A command is in force, and not in the ledger.
    CommandInForce = "command-in-force" at [Command, Reload];
    /// The ledger wrote a command and did not commit it.
    CommandUncommitted = "command-uncommitted" at [Command];
    /// A command is in the ledger, and who asked has no answer.
    CommandRecorded = "command-recorded" at [Command, Reload];
    /// A reload moved the tables, and let go of no interface.
    ReloadMoved = "reload-moved" at [Reload];
    /// It was told to stop.
    StopAsked = "stop-asked" at [Stop, Detach];
    /// Its last words are said, its socket is still there.
    LastWordsSaid = "last-words-said" at [Stop, Detach];
    /// Its socket is gone.
    SocketGone = "socket-gone" at [Stop, Detach];
}

/// Comes by a point.
#[inline]
pub fn reach(point: Point) {
    #[cfg(feature = "fail-points")]
    armed::reach(point);
    #[cfg(not(feature = "fail-points"))]
    let _ = point;
}

/// Reads `FAILPOINTS`; to be called once, before any thread is started.
#[inline]
pub fn arm() {
    #[cfg(feature = "fail-points")]
    armed::arm();
}

#[cfg(feature = "fail-points")]
mod armed {
    use std::mem::ManuallyDrop;

    use nix::{
        sys::signal::{Signal, kill},
        unistd::Pid,
    };

    use super::Point;

    /// `cargo xtask dist` packs no binary with this in it.
    const MARK: &str = "levee: fail-points are compiled in";

    pub(super) fn arm() {
        if std::env::var_os("FAILPOINTS").is_some() {
            eprintln!("{MARK}");
        }
        // It lives as long as the process: dropping it would take the points away.
        let _armed = ManuallyDrop::new(fail::FailScenario::setup());
    }

    pub(super) fn reach(point: Point) {
        fail::fail_point!(point.name(), |_| die());
    }

    /// As `kill -9` from outside: nothing is cleaned up, nothing is flushed.
    fn die() {
        let _ = kill(Pid::this(), Signal::SIGKILL);
        loop {
            std::thread::park();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_point_has_a_name_of_its_own_and_an_occasion() {
        let names: BTreeSet<&str> = Point::ALL.iter().map(|point| point.name()).collect();
        assert_eq!(names.len(), Point::ALL.len());
        assert!(Point::ALL.iter().all(|point| !point.occasions().is_empty()));
    }
}
