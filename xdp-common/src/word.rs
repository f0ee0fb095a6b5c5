//! A word that several CPUs change. Rust's atomics have no compare-and-swap for the BPF target, which has the instruction
//! (Linux 5.12), so the kernel side brings its own; everywhere else it is `AtomicU64`.

/// Shared memory of one word; every operation is atomic and relaxed.
pub trait SharedWord {
    /// The value now.
    fn load(&self) -> u64;
    /// Overwrites the value.
    fn store(&self, value: u64);
    /// Adds.
    fn add(&self, value: u64);
    /// Writes `next` if the value is `seen`; otherwise the value found.
    ///
    /// # Errors
    /// The value that was there instead of `seen`.
    fn replace(&self, seen: u64, next: u64) -> Result<(), u64>;
}

#[cfg(target_has_atomic = "64")]
impl SharedWord for core::sync::atomic::AtomicU64 {
    fn load(&self) -> u64 {
        Self::load(self, core::sync::atomic::Ordering::Relaxed)
    }

    fn store(&self, value: u64) {
        Self::store(self, value, core::sync::atomic::Ordering::Relaxed);
    }

    fn add(&self, value: u64) {
        self.fetch_add(value, core::sync::atomic::Ordering::Relaxed);
    }

    fn replace(&self, seen: u64, next: u64) -> Result<(), u64> {
        let order = core::sync::atomic::Ordering::Relaxed;
        self.compare_exchange(seen, next, order, order).map(|_| ())
    }
}
