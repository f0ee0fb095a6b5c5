//! BPF programs of the lab: flood generator, wire, benchmark comparators.
