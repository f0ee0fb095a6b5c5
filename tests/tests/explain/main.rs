//! `agent explain`: what is explained is what a real packet of the same kind meets, by the counters; and asking leaves no
//! trace. (Random packets: see differential.rs.)

mod live;
mod states;
