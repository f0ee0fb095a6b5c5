//! What is known of each list: its last good version, what became of the latest reading, when to read again. Readings and
//! instants come in, tables for the kernel go out; nothing here waits or reads.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    flatten::{Flat, Part, flatten},
    guard::Told,
    parse::{InvalidLine, Parsed},
    prefixes::Prefixes,
    state::ListState,
    store::Kept,
    wide,
};
use crate::{
    clock::Now,
    config::lists::List,
    tables::{ListHead, ListImage, MonotonicNs},
};

/// A list that could not be read is tried again after so long, or at its own interval if that is shorter.
const TRY_AGAIN: Duration = Duration::from_secs(60);

/// A version of a list.
#[derive(Debug, Clone)]
struct Version {
    prefixes: Arc<Prefixes>,
    digest: String,
    invalid: usize,
    told: Vec<InvalidLine>,
    read: Timestamp,
}

/// One list.
#[derive(Debug)]
struct Held {
    list: List,
    number: u8,
    /// The last good one.
    good: Option<Version>,
    /// One that was read, and is not in the kernel yet.
    new: Option<Version>,
    conflicts: usize,
    guard: Vec<String>,
    problem: Option<String>,
    next: Timestamp,
    being_read: bool,
}

/// All lists.
#[derive(Debug)]
pub struct Keeper {
    lists: Vec<Held>,
    /// Prefixes of all together at most.
    most: usize,
    /// What the kernel holds.
    installed: Vec<ListHead>,
    /// Something has changed that the kernel does not know yet.
    pending: bool,
}

/// A table on its way: made where it disturbs nobody, from what does not change meanwhile.
#[derive(Debug)]
pub struct Draft {
    parts: Vec<(ListHead, Arc<Prefixes>)>,
}

impl Draft {
    /// Makes the table: some tenths of a second for a million prefixes.
    #[must_use]
    pub fn flatten(&self) -> Flat {
        let part = |(head, prefixes)| Part {
            head,
            prefixes: Arc::as_ref(prefixes),
        };
        let parts: Vec<Part<'_>> = self
            .parts
            .iter()
            .map(|(head, prefixes)| part((head, prefixes)))
            .collect();
        flatten(&parts)
    }
}

impl Keeper {
    /// Without lists yet, over a kernel that holds these.
    #[must_use]
    pub const fn new(installed: Vec<ListHead>, most: usize) -> Self {
        Self {
            lists: Vec::new(),
            most,
            installed,
            pending: true,
        }
    }

    /// Goes over to these lists. What is known of those that stay, stays; `last_good` tells what was kept of the others.
    pub fn configure(&mut self, lists: &[List], last_good: impl Fn(&List) -> Option<Kept>, now: Timestamp) {
        let mut former = std::mem::take(&mut self.lists);
        for list in lists {
            let position = former
                .iter()
                .position(|held| held.list.name == list.name && held.list.from == list.from);
            let held = match position {
                Some(at) => {
                    let held = former.swap_remove(at);
                    Held {
                        next: held.next.min(after(now, list.refresh.duration())),
                        list: list.clone(),
                        ..held
                    }
                }
                None => Held {
                    list: list.clone(),
                    number: self.number_for(&list.name, &former),
                    good: last_good(list).map(Version::from),
                    new: None,
                    conflicts: 0,
                    guard: Vec::new(),
                    problem: None,
                    next: now,
                    being_read: false,
                },
            };
            self.lists.push(held);
        }
        self.pending = true;
    }

    /// The number that the kernel has for a name, or one that nobody has.
    fn number_for(&self, name: &str, former: &[Held]) -> u8 {
        if let Some(head) = self.installed.iter().find(|head| head.name == name) {
            return head.number;
        }
        let held = || self.lists.iter().chain(former);
        if let Some(same) = former.iter().find(|held| held.list.name == name) {
            return same.number;
        }
        let taken = |number: u8| {
            held().any(|held| held.number == number) || self.installed.iter().any(|head| head.number == number)
        };
        (1..=u8::MAX).find(|number| !taken(*number)).unwrap_or(u8::MAX)
    }

    /// Lists to be read now; each is told once, until its reading comes back.
    pub fn due(&mut self, now: Timestamp) -> Vec<List> {
        let due = self
            .lists
            .iter_mut()
            .filter(|held| !held.being_read && held.next <= now);
        due.map(|held| {
            held.being_read = true;
            held.list.clone()
        })
        .collect()
    }

    /// Makes a list due, or all; their names.
    pub fn make_due(&mut self, name: Option<&str>, now: Timestamp) -> Vec<String> {
        let wanted = |held: &&mut Held| name.is_none_or(|name| held.list.name == name);
        let make = |held: &mut Held| {
            held.next = now;
            held.list.name.clone()
        };
        self.lists.iter_mut().filter(wanted).map(make).collect()
    }

    /// When something is to be done next.
    #[must_use]
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let readings = self.lists.iter().filter(|held| !held.being_read).map(|held| held.next);
        let ends = self.lists.iter().filter_map(Held::end).filter(|end| *end > now);
        readings.chain(ends).min()
    }

    /// Takes a reading.
    pub fn take(&mut self, list: &List, reading: Result<Parsed, String>, now: Timestamp) {
        let most = self.most;
        let others: usize = self
            .lists
            .iter()
            .filter(|held| held.list.name != list.name)
            .filter_map(|held| Some(held.version()?.prefixes.len()))
            .sum();
        let Some(held) = self.lists.iter_mut().find(|held| held.list.name == list.name) else {
            return;
        };
        held.being_read = false;
        if held.list.from != list.from {
            // The configuration has changed meanwhile: that was another source.
            held.next = now;
            return;
        }
        match reading.and_then(|parsed| sound(&held.list, parsed, others, most)) {
            Ok(parsed) => {
                held.new = Some(Version {
                    digest: parsed.prefixes.digest(),
                    prefixes: Arc::new(parsed.prefixes),
                    invalid: parsed.invalid,
                    told: parsed.told,
                    read: now,
                });
                held.next = after(now, held.list.refresh.duration());
                self.pending = true;
            }
            Err(problem) => held.fail(problem, now),
        }
    }

    /// A table of what is to hold, if that differs from what the kernel has.
    pub fn draft(&mut self, now: Now) -> Option<Draft> {
        let must_end = self.installed.iter().any(|head| {
            let held = self.lists.iter().find(|held| held.number == head.number);
            held.and_then(Held::end).is_some_and(|end| end <= now.wall)
        });
        if !(self.pending || must_end) || self.waits(now.wall) {
            return None;
        }
        self.pending = false;
        let parts: Vec<_> = self.lists.iter().filter_map(|held| held.part(now)).collect();
        (!parts.is_empty() || !self.installed.is_empty()).then_some(Draft { parts })
    }

    /// Whether the kernel holds a list whose version is not known here (the state directory was lost): a table without it
    /// would take it out. It is made once the list was read.
    fn waits(&self, now: Timestamp) -> bool {
        self.lists.iter().any(|held| {
            let installed = self.installed.iter().any(|head| head.name == held.list.name);
            installed && held.version().is_none() && held.end().is_none_or(|end| end > now)
        })
    }

    /// The kernel has it: what was new is good now. Tells which lists to keep for a restart.
    pub fn installed(
        &mut self,
        image: &ListImage,
        conflicts: &[usize],
        guard: &[Told],
    ) -> Vec<(List, Parsed, Timestamp)> {
        self.installed.clone_from(&image.heads);
        let mut fresh = Vec::new();
        for held in &mut self.lists {
            let at = image.heads.iter().position(|head| head.number == held.number);
            held.conflicts = at.and_then(|at| conflicts.get(at).copied()).unwrap_or(0);
            let of = |told: &&Told| at.is_some() && told.0 == held.number;
            held.guard = guard.iter().filter(of).map(|told| told.1.clone()).collect();
            if at.is_some()
                && let Some(new) = held.new.take()
            {
                let parsed = Parsed {
                    prefixes: (*new.prefixes).clone(),
                    invalid: new.invalid,
                    told: new.told.clone(),
                };
                fresh.push((held.list.clone(), parsed, new.read));
                held.good = Some(new);
                held.problem = None;
            }
        }
        fresh
    }

    /// The kernel refused it: the versions before stay, and are tried again with the next reading.
    pub fn refused(&mut self, problem: &str, now: Timestamp) {
        for held in self.lists.iter_mut().filter(|held| held.new.is_some()) {
            held.new = None;
            held.fail(problem.to_owned(), now);
        }
    }

    /// How all lists stand.
    #[must_use]
    pub fn states(&self) -> Vec<ListState> {
        let installed = |held: &Held| self.installed.iter().find(|head| head.name == held.list.name);
        self.lists.iter().map(|held| held.state(installed(held))).collect()
    }
}

/// A version that may take the place of the one before.
fn sound(list: &List, parsed: Parsed, others: usize, most: usize) -> Result<Parsed, String> {
    if parsed.invalid > list.max_invalid as usize {
        let told: Vec<String> = parsed.told.iter().map(ToString::to_string).collect();
        return Err(format!(
            "has {} invalid lines, and max_invalid is {}: {}",
            parsed.invalid,
            list.max_invalid,
            told.join("; ")
        ));
    }
    let count = parsed.prefixes.len();
    if count == 0 {
        return Err("has no prefix: to end a list, remove its section from the configuration".to_owned());
    }
    if !list.wide
        && let Some(what) = wide::too_much(&parsed.prefixes)
    {
        return Err(format!(
            "{what}: no list of attackers does; set `wide = true` in its section if this one may"
        ));
    }
    if count + others > most {
        return Err(format!(
            "has {count} prefixes, with the {others} of all other lists more than limits.list_prefixes ({most}): raise that and \
             restart the agent"
        ));
    }
    Ok(parsed)
}

fn after(now: Timestamp, duration: Duration) -> Timestamp {
    now.checked_add(duration).unwrap_or(Timestamp::MAX)
}

impl Held {
    /// The version that is to hold.
    const fn version(&self) -> Option<&Version> {
        match &self.new {
            Some(new) => Some(new),
            None => self.good.as_ref(),
        }
    }

    /// When the list ends unless it is read before.
    fn end(&self) -> Option<Timestamp> {
        let read = self.version().map(|version| version.read);
        let by_ttl = read.and_then(|read| Some(after(read, self.list.ttl.duration()?)));
        self.list.until.into_iter().chain(by_ttl).min()
    }

    fn part(&self, now: Now) -> Option<(ListHead, Arc<Prefixes>)> {
        let version = self.version()?;
        let until: Option<MonotonicNs> = match self.end() {
            Some(end) => Some(now.until_wall(end)?.mono),
            None => None,
        };
        let prefixes = &version.prefixes;
        let head = ListHead {
            number: self.number,
            name: self.list.name.clone(),
            action: self.list.action,
            until,
            read_at: u64::try_from(version.read.as_second()).unwrap_or(0),
            v4: prefixes.v4.len() as u32,
            v6: (prefixes.v6.len() + prefixes.long.len()) as u32,
        };
        Some((head, Arc::clone(prefixes)))
    }

    fn fail(&mut self, problem: String, now: Timestamp) {
        tracing::warn!(list = self.list.name, from = %self.list.from, "{problem}");
        self.problem = Some(problem);
        self.next = after(now, self.list.refresh.duration().min(TRY_AGAIN));
    }

    /// How it stands; where its version is not known here, by what the kernel holds.
    fn state(&self, installed: Option<&ListHead>) -> ListState {
        if let (None, Some(head)) = (&self.good, installed) {
            let read = i64::try_from(head.read_at).ok();
            return ListState {
                v4: head.v4 as usize,
                v6: head.v6 as usize,
                read: read.and_then(|read| Timestamp::from_second(read).ok()),
                ..self.state(None)
            };
        }
        let good = self.good.as_ref();
        let v6 = |version: &Version| version.prefixes.v6.len() + version.prefixes.long.len();
        ListState {
            name: self.list.name.clone(),
            action: self.list.action,
            from: self.list.from.to_string(),
            v4: good.map_or(0, |version| version.prefixes.v4.len()),
            v6: good.map_or(0, v6),
            digest: good.map(|version| version.digest.clone()).unwrap_or_default(),
            invalid: good.map_or(0, |version| version.invalid),
            told: good.map(|version| version.told.clone()).unwrap_or_default(),
            conflicts: self.conflicts,
            read: good.map(|version| version.read),
            problem: self.problem.clone(),
            guard: self.guard.clone(),
            next: self.next,
            until: self.end(),
        }
    }
}

impl From<Kept> for Version {
    fn from(kept: Kept) -> Self {
        Self {
            digest: kept.parsed.prefixes.digest(),
            prefixes: Arc::new(kept.parsed.prefixes),
            invalid: kept.parsed.invalid,
            told: kept.parsed.told,
            read: kept.read,
        }
    }
}
