//! One program for all targets: `LEVEE_FUZZ_TARGET` names the one that libFuzzer's inputs go to.
//!
//! Before it begins, it puts seeds and kept corpus where `LEVEE_FUZZ_CORPUS` says; with `LEVEE_FUZZ_KEEP` it writes what is
//! there into that file instead, and with `LEVEE_FUZZ_FIXTURE` the one input that is there; and ends.
#![no_main]

use std::{env, fs, path::Path, process::exit, sync::OnceLock};

use lab::fuzz::{Target, corpus, find, seeds};
use libfuzzer_sys::fuzz_target;

/// Of one target, bytes of text.
const KEPT_AT_MOST: usize = 64 << 10;

static TARGET: OnceLock<&'static Target> = OnceLock::new();

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask fuzz`"))
}

/// Where every target's own things are.
fn begin() -> &'static Target {
    let name = variable("LEVEE_FUZZ_TARGET");
    let target = find(&name).unwrap_or_else(|| panic!("{name} is no target: see `cargo xtask fuzz --list`"));
    let directory = variable("LEVEE_FUZZ_CORPUS");
    let directory = Path::new(&directory);
    if let Ok(file) = env::var("LEVEE_FUZZ_KEEP") {
        keep(target, directory, Path::new(&file));
        exit(0);
    }
    if let Ok(file) = env::var("LEVEE_FUZZ_FIXTURE") {
        corpus::write(Path::new(&file), target.about, &inputs_in(directory)).expect("the file");
        exit(0);
    }
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("corpus/{name}.txt"));
    let mut inputs = seeds(&name);
    if kept.exists() {
        inputs.extend(corpus::read(&kept).expect("the kept corpus").1);
    }
    if let Some(first) = inputs.first() {
        // Loads programs, or starts an engine, before anybody looks at the clock.
        (target.run)(first);
    }
    for (at, input) in inputs.iter().enumerate() {
        fs::write(directory.join(format!("given-{at}")), input).expect("the corpus's directory");
    }
    target
}

fn inputs_in(directory: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(directory).expect("the directory of inputs");
    entries
        .map(|entry| fs::read(entry.expect("an entry").path()).expect("an input"))
        .collect()
}

/// Seeds are given at each start anyway. The shortest are kept where there are too many: a clone is everybody's.
fn keep(target: &Target, directory: &Path, file: &Path) {
    let seeds = seeds(target.name);
    let mut inputs = inputs_in(directory);
    inputs.retain(|input| input.len() <= target.most && !seeds.contains(input));
    let (all, kept) = (inputs.len(), corpus::shortest(inputs, KEPT_AT_MOST));
    eprintln!("{}: {} of {all} inputs are kept", target.name, kept.len());
    corpus::write(file, target.about, &kept).expect("the file");
}

fuzz_target!(
    init: {
        let _ = TARGET.set(begin());
    },
    |data: &[u8]| {
        if let Some(target) = TARGET.get() {
            (target.run)(data);
        }
    }
);
