//! Runs the generator's BPF program at a rate.

use std::{
    io::ErrorKind,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use aya::{
    Ebpf, Pod, TestRun as _, TestRunAttrs, TestRunOptions,
    maps::{Array, MapData, PerCpuArray},
    programs::{ProgramError, Xdp, xdp::XdpMode},
};
use lab_ebpf::plan::{PLAN_V4, PLAN_V6, Plan, Progress, SPARE_LEN};

use super::{Flood, LONGEST, Report, guard, template};
use crate::{flood::template::Family, interface, object, topology::ARMS};

/// Frames per bulk of the kernel's test run, as one NAPI poll. It is also the number of pages that the kernel keeps for reuse.
const BULK: u32 = 64;

/// The same at rates at which new pages cost more than the flood itself.
const FAST_BULK: u32 = 128;

/// The same without a rate limit: the most the kernel takes, and as much as the receive ring holds.
const UNLIMITED_BULK: u32 = 256;

/// Frames of a system call, unless there would be fewer or more calls per second than these. Each call takes one of 65,534 numbers
/// (`MEM_ID_MAX` of the kernel's net/core/xdp.c), and gives it back a second later, or much later when the machine is busy.
const CALL: u32 = 128;
const FEWEST_CALLS_PER_S: u32 = 500;
const CALLS_PER_S: u32 = 4_000;

/// System calls per second at rates at which each of them (its pages are made and given back) would cost as much as the frames
/// themselves.
const FAST_CALLS_PER_S: u32 = 1_000;

/// From this rate on the latter.
const FAST_PPS: u32 = 2_000_000;

/// Frames per system call without a rate limit.
const UNLIMITED_CALL: u32 = 65_536;

/// Entry points, by family.
const PROGRAMS: [&str; 2] = ["flood_v4", "flood_v6"];

/// How long to wait for numbers that are given back.
const OUT_OF_NUMBERS: Duration = Duration::from_millis(20);

/// A generator that falls behind by more than this forgets the rest: a flood that catches up is another flood.
const PATIENCE: Duration = Duration::from_millis(20);

#[repr(transparent)]
#[derive(Clone, Copy)]
struct PodPlan(Plan);
// SAFETY: words and bytes without padding, for which every bit pattern is valid (asserted where they are declared).
unsafe impl Pod for PodPlan {}

#[repr(transparent)]
#[derive(Clone, Copy)]
struct PodProgress(Progress);
// SAFETY: five words, no padding.
unsafe impl Pod for PodProgress {}

/// Floods from the calling thread's namespace until the flood's time is up or `stop` is set.
///
/// Errors if the interface is not a lab's, or if the kernel refuses the program.
pub fn run(flood: &Flood, stop: &AtomicBool) -> Result<Report> {
    guard::check(&flood.interface)?;
    let [v4, v6] = template::families(flood, interface::index(&flood.interface)?)?;
    ensure!(v4.is_some() || v6.is_some(), "the flood has no sources");
    let mut object = Ebpf::load(object::FLOOD).context("cannot load the generator's BPF object")?;
    set_plans(&mut object, [v4.as_ref(), v6.as_ref()])?;
    for (name, interface) in PROGRAMS.into_iter().zip(ARMS) {
        arm(&mut object, name, interface)?;
    }
    thread_timers_are_exact()?;
    let mut mix = Mix {
        families: [v4, v6],
        debt: 0.0,
    };
    let seconds = pace(flood, stop, |frames| mix.send(&mut object, frames))?;
    report(&object, seconds)
}

fn set_plans(object: &mut Ebpf, families: [Option<&Family>; 2]) -> Result<()> {
    let map = object
        .map_mut("PLANS")
        .context("the generator's object has no map PLANS")?;
    let mut plans: Array<&mut MapData, PodPlan> = Array::try_from(map)?;
    for (index, family) in [PLAN_V4, PLAN_V6].into_iter().zip(families) {
        if let Some(family) = family {
            plans
                .set(index, PodPlan(family.plan), 0)
                .context("cannot write the map PLANS")?;
        }
    }
    Ok(())
}

fn program<'a>(object: &'a mut Ebpf, name: &str) -> Result<&'a mut Xdp> {
    let program = object
        .program_mut(name)
        .with_context(|| format!("the generator's object has no program {name}"))?;
    Ok(program.try_into()?)
}

/// Loads a program and attaches it to an interface that is down and stays down.
///
/// A program that is attached somewhere is in the kernel's XDP dispatcher. For one that is not, every test run puts it there
/// and takes it out again, and waits for two RCU grace periods: 20 ms per call, which is no way to pace a flood.
fn arm(object: &mut Ebpf, name: &str, interface: &str) -> Result<()> {
    let program = program(object, name)?;
    program
        .load()
        .with_context(|| format!("cannot load the generator's program {name}"))?;
    program
        .attach(interface, XdpMode::Driver)
        .with_context(|| format!("cannot hold the generator's program {name} ready at {interface}"))?;
    Ok(())
}

/// Sleeps of this thread end when they should, not 50 µs later.
fn thread_timers_are_exact() -> Result<()> {
    nix::sys::prctl::set_timerslack(1).context("cannot ask for exact timers")
}

/// Calls `send` with a number of frames, again and again, so that the rate comes out. Returns the seconds it took.
fn pace(flood: &Flood, stop: &AtomicBool, mut send: impl FnMut(u32) -> Result<()>) -> Result<f64> {
    let duration = flood.duration.min(LONGEST);
    let start = Instant::now();
    let Some(rate) = flood.rate_pps else {
        while start.elapsed() < duration && !stop.load(Ordering::Relaxed) {
            send(UNLIMITED_CALL)?;
        }
        return Ok(start.elapsed().as_secs_f64());
    };
    ensure!(rate > 0, "a flood of 0 packets per second is none");
    let calls_per_s = if rate < FAST_PPS {
        (rate / CALL).clamp(FEWEST_CALLS_PER_S, CALLS_PER_S)
    } else {
        FAST_CALLS_PER_S
    };
    let call = (rate / calls_per_s).clamp(1, UNLIMITED_CALL);
    let frame_time = 1.0 / f64::from(rate);
    // When the next frame is due, and before when no call may be, in seconds after the start.
    let (mut due, mut not_before) = (0.0, 0.0);
    loop {
        let now = start.elapsed();
        if now >= duration || stop.load(Ordering::Relaxed) {
            return Ok(now.as_secs_f64());
        }
        due = f64::max(due, now.as_secs_f64() - PATIENCE.as_secs_f64());
        let ready = f64::max(not_before, due + frame_time * f64::from(call - 1));
        if ready > now.as_secs_f64() {
            thread::sleep(Duration::from_secs_f64(ready - now.as_secs_f64()).min(duration - now));
            continue;
        }
        send(call)?;
        due += frame_time * f64::from(call);
        // Behind, it sends at twice the rate until it has caught up: more would overflow a receive ring that the rate does not.
        not_before = now.as_secs_f64() + frame_time * f64::from(call) / 2.0;
    }
}

/// Shares the frames among the families, call by call.
struct Mix {
    families: [Option<Family>; 2],
    /// Frames that IPv6 should have sent and has not, or the other way round below zero.
    debt: f64,
}

impl Mix {
    fn send(&mut self, object: &mut Ebpf, frames: u32) -> Result<()> {
        let v6_share = self.families[1].as_ref().map_or(0.0, |family| family.share);
        self.debt += v6_share * f64::from(frames);
        let turn = usize::from(self.debt * 2.0 > f64::from(frames) || self.families[0].is_none());
        if turn == 1 {
            self.debt -= f64::from(frames);
        }
        let Some(family) = &self.families[turn] else {
            bail!("a flood without sources")
        };
        let bulk = match frames {
            UNLIMITED_CALL => UNLIMITED_BULK,
            257.. => FAST_BULK,
            few => few.min(BULK),
        };
        let options = TestRunOptions {
            data_in: Some(&family.plan.template[..family.frame_len + SPARE_LEN]),
            repeat: frames,
            attrs: TestRunAttrs::new().xdp_live_frames(bulk),
            ..TestRunOptions::default()
        };
        match program(object, PROGRAMS[turn])?.test_run(options) {
            // A signal cuts a run short. Whoever sent it to end the flood has set `stop`, which is looked at next.
            Err(ProgramError::SyscallError(error)) if error.io_error.kind() == ErrorKind::Interrupted => Ok(()),
            // No number is free: what is not sent now is missing in the report.
            Err(ProgramError::SyscallError(error)) if error.io_error.kind() == ErrorKind::StorageFull => {
                thread::sleep(OUT_OF_NUMBERS);
                Ok(())
            }
            outcome => outcome
                .map(|_run| ())
                .context("the kernel refused to run the generator"),
        }
    }
}

fn report(object: &Ebpf, seconds: f64) -> Result<Report> {
    let map = object
        .map("PROGRESS")
        .context("the generator's object has no map PROGRESS")?;
    let progress: PerCpuArray<&MapData, PodProgress> = PerCpuArray::try_from(map)?;
    let values = progress.get(&0, 0).context("cannot read the map PROGRESS")?;
    let mut report = Report {
        v4: 0,
        v6: 0,
        seconds,
        first_ns: u64::MAX,
    };
    for PodProgress(progress) in values.iter() {
        report.v4 += progress.frames[PLAN_V4 as usize];
        report.v6 += progress.frames[PLAN_V6 as usize];
        ensure!(
            progress.refused == 0,
            "the generator refused {} runs: its plan and its frame disagree",
            progress.refused
        );
        if progress.first_ns != 0 {
            report.first_ns = report.first_ns.min(progress.first_ns);
        }
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::flood::{Payload, Sources};

    fn flood(rate_pps: u32, duration: Duration) -> Flood {
        Flood {
            interface: "none".to_owned(),
            sources: Sources::One(Ipv4Addr::LOCALHOST.into()),
            targets: vec![],
            port: 80,
            payload: Payload::SYN,
            vlans: vec![],
            rate_pps: Some(rate_pps),
            duration,
        }
    }

    fn paced(rate_pps: u32, duration: Duration) -> (u32, f64) {
        let mut sent = 0;
        let send = |frames| {
            sent += frames;
            Ok(())
        };
        let seconds = pace(&flood(rate_pps, duration), &AtomicBool::new(false), send).expect("a sound rate");
        (sent, seconds)
    }

    #[test]
    fn the_pace_is_kept_and_never_exceeded() {
        for rate in [50, 2_000, 300_000] {
            let (sent, seconds) = paced(rate, Duration::from_millis(400));
            let right = f64::from(rate) * seconds;
            // Less if the machine was busy with something else.
            assert!(
                (right * 0.5..=right * 1.02 + 1.0).contains(&f64::from(sent)),
                "{sent} of {right} at {rate} per second"
            );
        }
    }

    #[test]
    fn a_generator_that_was_held_up_does_not_catch_up() {
        let mut sent = 0;
        let mut held_up = false;
        let send = |frames| {
            sent += frames;
            if !std::mem::replace(&mut held_up, true) {
                thread::sleep(Duration::from_millis(200));
            }
            Ok(())
        };
        let flood = flood(10_000, Duration::from_millis(300));
        pace(&flood, &AtomicBool::new(false), send).expect("a sound rate");
        assert!(
            sent <= 1_300,
            "{sent} packets: the 2,000 of the time it was held up must not follow"
        );
    }
}
