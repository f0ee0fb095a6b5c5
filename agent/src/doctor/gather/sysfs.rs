//! What sysfs and procfs tell of an interface: its interrupts and RPS.

use std::{fs, path::Path};

use super::places::{Places, text};

/// Interrupts of receive queues, each with the CPUs that take it.
pub(super) fn interrupts(places: &Places, interface: &str) -> Vec<(u32, String)> {
    let device = places.sys.join("class/net").join(interface).join("device");
    // A virtio device's interrupts are its PCI device's.
    let directories = [device.join("msi_irqs"), device.join("../msi_irqs")];
    let mut numbers: Vec<u32> = directories.iter().flat_map(|directory| numbers_in(directory)).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let receives = |number: &u32| {
        let actions = text(&places.sys.join("kernel/irq").join(number.to_string()).join("actions")).unwrap_or_default();
        let actions = actions.to_lowercase();
        ["rx", "input"].iter().any(|word| actions.contains(word)) || actions.contains(&format!("{interface}-"))
    };
    numbers.retain(receives);
    numbers
        .into_iter()
        .filter_map(|number| Some((number, cpus_of(places, number)?)))
        .collect()
}

fn numbers_in(directory: &Path) -> Vec<u32> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

fn cpus_of(places: &Places, number: u32) -> Option<String> {
    let directory = places.proc.join("irq").join(number.to_string());
    let files = ["effective_affinity_list", "smp_affinity_list"];
    files
        .iter()
        .find_map(|file| text(&directory.join(file)).ok().filter(|list| !list.is_empty()))
}

/// Receive queues that share what passes XDP among CPUs, and all.
pub(super) fn rps(places: &Places, interface: &str) -> (usize, usize) {
    let directory = places.sys.join("class/net").join(interface).join("queues");
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let queues = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("rx-"));
    let masks: Vec<String> = queues
        .filter_map(|queue| text(&queue.path().join("rps_cpus")).ok())
        .collect();
    let shares = |mask: &&String| mask.chars().any(|c| c != '0' && c != ',');
    (masks.iter().filter(shares).count(), masks.len())
}
