//! What a node keeps of its fleet in its state directory: who it is, what was decided, and what the others do not know yet.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    Board, By, Decision, Target,
    queue::{Entry, Queue},
};
use crate::upstream::write_whole;

/// The file in the state directory.
const FILE: &str = "fleet.json";
/// There are names of people in it.
const OWNER_ONLY: u32 = 0o600;
/// It is smaller, bytes: 20,000 decisions of 1 KiB.
const MOST_BYTES: u64 = 32 * 1024 * 1024;

/// The file.
#[derive(Debug)]
pub(super) struct Store {
    path: PathBuf,
}

/// What is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    /// Tells this agent from another one of the same name.
    pub(super) instance: String,
    /// What was decided.
    pub(super) board: Board,
    /// What the others do not know yet.
    pub(super) queue: Queue,
}

#[derive(Serialize, Deserialize)]
struct File {
    instance: String,
    decisions: Vec<Line>,
    queue: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    target: String,
    by: By,
    decision: Decision,
}

impl Line {
    fn of((target, by): &(Target, By), decision: &Decision) -> Self {
        Self {
            target: target.to_string(),
            by: *by,
            decision: decision.clone(),
        }
    }

    fn read(self) -> io::Result<Entry> {
        let target: Target = self.target.parse().map_err(io::Error::other)?;
        let decision = Decision::read(&target, &self.decision.write()).map_err(io::Error::other)?;
        Ok(((target, self.by), decision))
    }
}

impl Store {
    pub(super) fn new(state_directory: &Path) -> Self {
        Self {
            path: state_directory.join(FILE),
        }
    }

    /// What was kept. A file that makes no sense is put aside and named: what it held is lost, but nothing else is.
    ///
    /// # Errors
    /// The kernel gives no random numbers, of which the instance's name is made.
    pub(super) fn open(&self) -> io::Result<(Kept, Option<String>)> {
        let problem = match read(&self.path) {
            Ok(kept) => return Ok((kept, None)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => Some(self.put_aside(&error)),
        };
        let kept = Kept {
            instance: random_name()?,
            board: Board::default(),
            queue: Queue::default(),
        };
        Ok((kept, problem))
    }

    fn put_aside(&self, why: &io::Error) -> String {
        let aside = self.path.with_extension("json.broken");
        let shown = self.path.display();
        match fs::rename(&self.path, &aside) {
            Ok(()) => format!(
                "{shown} makes no sense ({why}): it is {} now, and decisions that the other nodes were not told yet are only there",
                aside.display()
            ),
            Err(error) => format!("{shown} makes no sense ({why}), and cannot be put aside: {error}"),
        }
    }

    /// Keeps it, whole or not at all.
    ///
    /// # Errors
    /// Why it cannot be written.
    pub(super) fn keep(&self, instance: &str, board: &Board, queue: &Queue) -> Result<(), String> {
        let file = File {
            instance: instance.to_owned(),
            decisions: board.iter().map(|(key, decision)| Line::of(key, decision)).collect(),
            queue: queue
                .entries()
                .iter()
                .map(|(key, decision)| Line::of(key, decision))
                .collect(),
        };
        let bytes = serde_json::to_vec(&file).map_err(io::Error::from);
        let written = bytes.and_then(|bytes| write_whole(&self.path, &bytes, OWNER_ONLY));
        written.map_err(|error| {
            format!(
                "{} cannot be written, so what the other nodes do not know yet is lost with a restart: {error}",
                self.path.display()
            )
        })
    }
}

fn read(path: &Path) -> io::Result<Kept> {
    if fs::metadata(path)?.len() > MOST_BYTES {
        return Err(io::Error::other("it is larger than 32 MiB"));
    }
    let file: File = serde_json::from_slice(&fs::read(path)?)?;
    if !super::is_node(&file.instance) {
        return Err(io::Error::other("its instance is no name"));
    }
    let mut board = Board::default();
    for line in file.decisions {
        let (key, decision) = line.read()?;
        // Compared with its own instant: what is from the future of a clock that was put right since is kept all the same.
        let at = decision.at;
        board.put(key, decision, at).map_err(io::Error::other)?;
    }
    let queue = file.queue.into_iter().map(Line::read).collect::<io::Result<_>>()?;
    Ok(Kept {
        instance: file.instance,
        board,
        queue: Queue::of(queue),
    })
}

fn random_name() -> io::Result<String> {
    let number = getrandom::u64().map_err(io::Error::other)?;
    Ok(format!("{number:016x}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::{fleet::Content, tables::Mode};

    fn entry() -> Entry {
        let decision = Decision {
            content: Some(Content::Mode(Mode::Enforce)),
            actor: "root".to_owned(),
            node: "lb1".to_owned(),
            reason: Some("T1".to_owned()),
            at: "2026-01-01T00:00:00Z".parse().expect("instant"),
            until: None,
            force: true,
        };
        ((Target::Mode, By::Human), decision)
    }

    #[test]
    fn what_was_kept_is_there_after_a_restart_and_for_its_owner_alone() {
        let directory = tempfile::tempdir().expect("directory");
        let store = Store::new(directory.path());
        let (mut kept, problem) = store.open().expect("opens");
        assert_eq!(
            (problem, kept.queue.is_empty(), kept.board.is_empty()),
            (None, true, true)
        );
        let (key, decision) = entry();
        kept.board.put(key, decision.clone(), decision.at).expect("taken in");
        kept.queue.put(entry());
        store.keep(&kept.instance, &kept.board, &kept.queue).expect("kept");
        assert_eq!(Store::new(directory.path()).open().expect("opens"), (kept, None));
        let mode = fs::metadata(directory.path().join(FILE))
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_makes_no_sense_is_put_aside_and_named() {
        for content in [
            "",
            "{",
            r#"{"instance":"a b","decisions":[],"queue":[]}"#,
            r#"{"instance":"a","decisions":[],"queue":[1]}"#,
        ] {
            let directory = tempfile::tempdir().expect("directory");
            fs::write(directory.path().join(FILE), content).expect("written");
            let (kept, problem) = Store::new(directory.path()).open().expect("opens");
            assert!(kept.queue.is_empty() && !kept.instance.is_empty());
            assert!(problem.expect("named").contains("fleet.json.broken"));
            let aside = fs::read_to_string(directory.path().join("fleet.json.broken")).expect("put aside");
            assert_eq!(aside, content);
        }
    }

    #[test]
    fn what_cannot_be_written_is_told() {
        let store = Store::new(Path::new("/proc/nowhere"));
        let said = store
            .keep("a", &Board::default(), &Queue::default())
            .expect_err("no such directory");
        assert!(said.contains("/proc/nowhere/fleet.json cannot be written"), "{said}");
    }
}
