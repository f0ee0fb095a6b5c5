//! What a fuzzer found, without a fuzzer: each target takes its seeds, its kept corpus, and every input that once failed.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use lab::fuzz::{TARGETS, Target, corpus, find, seeds};
use xdp_common::retry;

fn directory(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Gives a target an input; what it was is told when it fails.
fn give(target: &Target, input: &[u8], from: &str) {
    let held = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    assert!(held.is_ok(), "{}, {from}: \"{}\"", target.name, input.escape_ascii());
}

#[test]
fn seeds_and_kept_corpora_hold() {
    for target in TARGETS {
        let kept = directory("fuzz/corpus").join(format!("{}.txt", target.name));
        let (_, inputs) = corpus::read(&kept).unwrap();
        assert!(!inputs.is_empty(), "{} has no corpus", target.name);
        let seeds = seeds(target.name);
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        seeds.iter().for_each(|input| give(target, input, "a seed"));
        inputs.iter().for_each(|input| give(target, input, "of the corpus"));
        eprintln!("{}: {} seeds, {} of the corpus", target.name, seeds.len(), inputs.len());
    }
}

/// Each is in a directory of its target's name, and says in its first lines what it was.
#[test]
fn what_once_failed_holds() {
    let mut given = 0;
    for entry in fs::read_dir(directory("fixtures/fuzz")).unwrap() {
        let of = entry.unwrap().path();
        let name = of.file_name().unwrap().to_str().unwrap();
        let target = find(name).unwrap_or_else(|| panic!("{name} is no target"));
        for file in fs::read_dir(&of).unwrap() {
            let path = file.unwrap().path();
            let (about, inputs) = corpus::read(&path).unwrap();
            assert!(about.len() > 40, "{} says what it was", path.display());
            for input in inputs {
                give(target, &input, &path.display().to_string());
                given += 1;
            }
        }
    }
    assert!(given > 0, "none was kept");
}

/// To the program, the same SYN a while later is a retransmission, which it lets pass: not so a batch that comes twice.
#[test]
fn what_the_program_remembers_of_one_input_says_nothing_of_the_next() {
    let kernel = find("kernel").unwrap();
    let (_, inputs) = corpus::read(&directory("fixtures/fuzz/kernel/the-same-syns-again.txt")).unwrap();
    for _ in 0..3 {
        inputs.iter().for_each(|input| give(kernel, input, "again"));
        thread::sleep(5 * Duration::from_nanos(retry::WINDOW_NS) / 2);
    }
}

#[test]
fn names_are_those_of_files() {
    for target in TARGETS {
        assert!(
            target.name.bytes().all(|byte| byte.is_ascii_lowercase()),
            "{}",
            target.name
        );
        assert!(find(target.name).is_some_and(|found| found.about == target.about));
        assert!(target.most <= 1 << 16);
    }
}
