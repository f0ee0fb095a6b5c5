//! The directory of captures that are made by themselves: a file for each attack, bounded in number and bytes, the oldest go
//! first.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{packet::Captured, pcapng::Pcapng};
use crate::config::captures::Captures;

/// Below the state directory.
const DIRECTORY: &str = "captures";
/// What a file's name begins with.
const PREFIX: &str = "attack-";
/// What it ends with.
const SUFFIX: &str = ".pcapng";

/// The directory.
#[derive(Debug, Clone)]
pub struct Store {
    directory: PathBuf,
}

/// The capture of an attack, if there is one.
#[must_use]
pub fn of_attack(state_directory: &Path, attack: u64) -> Option<PathBuf> {
    let path = Store::new(state_directory).path(attack);
    path.is_file().then_some(path)
}

impl Store {
    /// Below a state directory; it is made with the first file.
    #[must_use]
    pub fn new(state_directory: &Path) -> Self {
        Self {
            directory: state_directory.join(DIRECTORY),
        }
    }

    fn path(&self, attack: u64) -> PathBuf {
        self.directory.join(format!("{PREFIX}{attack}{SUFFIX}"))
    }

    /// Writes the capture of an attack, whole or not at all, and makes room for it.
    ///
    /// # Errors
    /// If it cannot be written; then the one before it stays.
    pub fn write(&self, attack: u64, packets: &[Captured], bounds: &Captures) -> io::Result<()> {
        let comment = format!("First sampled headers of attack {attack}");
        let mut file = Pcapng::begin(Vec::new(), &comment).map_err(io::Error::other)?;
        for packet in packets {
            file.write(packet).map_err(io::Error::other)?;
        }
        let bytes = file.into_inner();
        fs::create_dir_all(&self.directory)?;
        let path = self.path(attack);
        self.make_room(&path, bytes.len() as u64, bounds)?;
        let draft = self.directory.join(format!(".{PREFIX}{attack}"));
        let written = fs::write(&draft, bytes).and_then(|()| fs::rename(&draft, &path));
        if written.is_err() {
            // Half of it on a full disk is worse than nothing.
            let _ = fs::remove_file(&draft);
        }
        written
    }

    /// Removes the oldest until one more of so many bytes fits.
    fn make_room(&self, new: &Path, bytes: u64, bounds: &Captures) -> io::Result<()> {
        let mut files = self.files()?;
        files.retain(|file| file.path != new);
        files.sort_by_key(|file| file.written);
        let mut all: u64 = files.iter().map(|file| file.bytes).sum();
        let mut count = files.len();
        for file in &files {
            if count < bounds.files as usize && all + bytes <= bounds.bytes() {
                break;
            }
            fs::remove_file(&file.path)?;
            all -= file.bytes;
            count -= 1;
        }
        Ok(())
    }

    fn files(&self) -> io::Result<Vec<Found>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let ours = name
                .to_str()
                .is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX));
            if ours {
                let metadata = entry.metadata()?;
                files.push(Found {
                    path: entry.path(),
                    bytes: metadata.len(),
                    written: metadata.modified()?,
                });
            }
        }
        Ok(files)
    }
}

struct Found {
    path: PathBuf,
    bytes: u64,
    written: SystemTime,
}

#[cfg(test)]
mod tests {
    use super::{super::packet::Fate, *};

    fn packet(bytes: usize) -> Captured {
        Captured {
            at: jiff::Timestamp::UNIX_EPOCH,
            interface: "eth0".to_owned(),
            fate: Fate::Passed,
            frame_bytes: 1_000,
            bytes: vec![0; bytes],
        }
    }

    fn kept(store: &Store) -> Vec<String> {
        let files = store.files().expect("reads");
        let mut names: Vec<String> = files
            .iter()
            .map(|file| file.path.file_name().expect("name").to_string_lossy().into_owned())
            .collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_or_they_are_too_large() {
        let state = tempfile::tempdir().expect("directory");
        let store = Store::new(state.path());
        let bounds = Captures {
            files: 3,
            mebibytes: 1,
            ..Captures::default()
        };
        let stranger = state.path().join("captures/notes.txt");
        for attack in 1..=5 {
            store.write(attack, &[packet(100)], &bounds).expect("writes");
            fs::write(&stranger, "mine").expect("writes");
            // File systems tell times in jiffies.
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert_eq!(kept(&store), ["attack-3.pcapng", "attack-4.pcapng", "attack-5.pcapng"]);
        store.write(4, &[packet(100), packet(100)], &bounds).expect("writes");
        assert_eq!(kept(&store).len(), 3, "the same attack takes its own place");
        let large = vec![packet(128); 6_000];
        store.write(6, &large, &bounds).expect("writes");
        assert_eq!(
            kept(&store),
            ["attack-6.pcapng"],
            "a mebibyte has no room for the others"
        );
        assert!(stranger.exists(), "what is not ours stays");
        assert!(of_attack(state.path(), 6).is_some() && of_attack(state.path(), 5).is_none());
    }

    #[test]
    fn a_full_disk_leaves_what_was_there() {
        let state = tempfile::tempdir().expect("directory");
        let store = Store::new(state.path());
        let bounds = Captures::default();
        store.write(1, &[packet(100)], &bounds).expect("writes");
        let before = fs::read(of_attack(state.path(), 1).expect("there")).expect("reads");
        // What cannot be written: a directory stands where the draft would be.
        fs::create_dir(state.path().join("captures/.attack-1")).expect("directory");
        store
            .write(1, &[packet(100), packet(100)], &bounds)
            .expect_err("no room");
        assert_eq!(
            fs::read(of_attack(state.path(), 1).expect("there")).expect("reads"),
            before
        );
    }
}
