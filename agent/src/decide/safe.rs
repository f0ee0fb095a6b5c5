//! `safe ADDR`: whether an address can be taken out of a blackhole, or down from another high rung, without being flooded at
//! once. The last one who did that too early had to do it twice.

use std::{net::IpAddr, time::Duration};

use super::ladder::Watched;
use crate::{clock::Now, fleet::Elsewhere, ladder::Rung};

/// What arrives at all nodes must be less than this share of the rate, as it must be at one.
const FLEET_SHARE: f64 = 0.5;

/// What is known of one address.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The instant.
    pub now: Now,
    /// Which.
    pub address: IpAddr,
    /// The rung where it stands.
    pub rung: Rung,
    /// What was seen of it; `None` where nothing was going on lately.
    pub watched: Option<&'a Watched>,
    /// It must have been calm for so long.
    pub cooldown: Duration,
    /// What the other nodes say of it.
    pub others: Others,
}

/// What the other nodes say of an address.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Others {
    /// What arrives there.
    pub elsewhere: Elsewhere,
    /// Its threshold at this node, SYNs per second, where there is a fleet.
    pub threshold: Option<f64>,
    /// There is a fleet, and no way to it.
    pub is_cut_off: bool,
}

/// The answer for one address.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Which.
    pub address: IpAddr,
    /// Yes or no.
    pub safe: bool,
    /// Why, in a sentence.
    pub why: String,
    /// The rung where it stands.
    pub rung: Rung,
    /// What arrives that may be an attack, in packets per second.
    pub residual_pps: f64,
    /// Time since half its SYN rate or more arrived; `None` if that was not seen.
    pub since_excess: Option<Duration>,
    /// The calm that is still missing.
    pub cooldown_left: Duration,
    /// The attack that goes on.
    pub attack: Option<u64>,
    /// What the other nodes say.
    pub others: Others,
}

/// Decides, by what arrives here and at the other nodes.
#[must_use]
pub fn judge(case: &Case<'_>) -> Answer {
    let answer = judge_here(case);
    let others = &case.others;
    match others.danger(answer.residual_pps) {
        Some(danger) => Answer {
            why: if answer.safe {
                danger
            } else {
                format!("{}; {danger}", answer.why)
            },
            safe: false,
            ..answer
        },
        None if others.is_cut_off => Answer {
            why: format!("{} (cut off from the fleet: answered for this node alone)", answer.why),
            ..answer
        },
        None => answer,
    }
}

impl Others {
    /// Why it is not safe, whatever arrives here.
    fn danger(&self, residual_pps: f64) -> Option<String> {
        let Elsewhere {
            unproven,
            nodes,
            attacked,
        } = self.elsewhere;
        if attacked > 0 {
            let who = if attacked == 1 {
                "another node reports".to_owned()
            } else {
                format!("{attacked} other nodes report")
            };
            return Some(format!(
                "{who} it attacked, and {unproven:.0} SYNs/s that nobody completes arrive there"
            ));
        }
        let sum = residual_pps + unproven;
        let threshold = self
            .threshold
            .filter(|rate| unproven > 0.0 && sum >= rate * FLEET_SHARE)?;
        Some(format!(
            "{sum:.0} SYNs/s arrive in the fleet, at this node and {nodes} other{}, and its rate is {threshold:.0}/s",
            if nodes == 1 { "" } else { "s" }
        ))
    }
}

fn judge_here(case: &Case<'_>) -> Answer {
    let answer = Answer {
        address: case.address,
        safe: false,
        why: String::new(),
        rung: case.rung,
        residual_pps: 0.0,
        since_excess: None,
        cooldown_left: Duration::ZERO,
        attack: None,
        others: case.others,
    };
    let Some(watched) = case.watched else {
        return not_watched(case, answer);
    };
    if case.rung == Rung::Upstream {
        return Answer {
            why:
                "what the network above drops is not seen here: bring it down to blackhole, and see what still arrives"
                    .to_owned(),
            attack: watched.attack,
            residual_pps: watched.residual_pps,
            ..answer
        };
    }
    let ago = |then: crate::tables::MonotonicNs| Duration::from_nanos(case.now.mono.0.saturating_sub(then.0));
    let since_excess = watched.last_excess.map(ago);
    let calm = since_excess.unwrap_or_else(|| ago(watched.since));
    let cooldown_left = case.cooldown.saturating_sub(calm);
    let arriving = format!("{:.0} packets/s arrive", watched.residual_pps);
    let last = since_excess.map_or_else(
        || format!("no excess since it is watched ({})", seconds(calm)),
        |ago| format!("the last excess was {} ago", seconds(ago)),
    );
    let (safe, why) = match watched.attack {
        Some(attack) => (false, format!("attack {attack} goes on: {arriving}, and {last}")),
        None if !cooldown_left.is_zero() => (
            false,
            format!("{arriving}, and {last}: wait {} more", seconds(cooldown_left)),
        ),
        None => (true, format!("{arriving}, and {last}")),
    };
    Answer {
        safe,
        why,
        residual_pps: watched.residual_pps,
        since_excess,
        cooldown_left,
        attack: watched.attack,
        ..answer
    }
}

/// Nothing was going on lately; an address that stands high is watched from the next reading on.
fn not_watched(case: &Case<'_>, answer: Answer) -> Answer {
    if case.rung > Rung::Limit {
        return Answer {
            why: format!("it is on {} since a moment ago, and nothing is known yet", case.rung),
            cooldown_left: case.cooldown,
            ..answer
        };
    }
    Answer {
        safe: true,
        why: format!("it is on {}, and nothing unusual arrives", case.rung),
        ..answer
    }
}

/// Whole seconds for people, rounded up: nobody is told to wait for 0 s.
fn seconds(duration: Duration) -> String {
    let whole = Duration::from_secs(duration.as_secs() + u64::from(duration.subsec_nanos() > 0));
    humantime::format_duration(whole).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::MonotonicNs;

    const SECOND: u64 = 1_000_000_000;

    fn judged(rung: Rung, watched: Option<Watched>) -> Answer {
        let now = Now {
            wall: jiff::Timestamp::UNIX_EPOCH,
            mono: MonotonicNs(1_000 * SECOND),
        };
        judge(&Case {
            now,
            address: "203.0.113.7".parse().expect("address"),
            rung,
            watched: watched.as_ref(),
            cooldown: Duration::from_secs(30),
            others: Others::default(),
        })
    }

    fn judged_with(others: Others) -> Answer {
        judge(&Case {
            now: Now {
                wall: jiff::Timestamp::UNIX_EPOCH,
                mono: MonotonicNs(1_000 * SECOND),
            },
            address: "203.0.113.7".parse().expect("address"),
            rung: Rung::Verify,
            watched: Some(&watched(Some(900), None)),
            cooldown: Duration::from_secs(30),
            others,
        })
    }

    #[test]
    fn what_arrives_at_the_other_nodes_counts() {
        let others = |unproven: f64, attacked: u32| Others {
            elsewhere: Elsewhere {
                unproven,
                nodes: 2,
                attacked,
            },
            threshold: Some(20_000.0),
            is_cut_off: false,
        };
        let calm = judged_with(others(9_800.0, 0));
        assert!(
            calm.safe && calm.why == "120 packets/s arrive, and the last excess was 1m 40s ago",
            "{calm:?}"
        );
        let spread = judged_with(others(9_900.0, 0));
        let why = "10020 SYNs/s arrive in the fleet, at this node and 2 others, and its rate is 20000/s";
        assert!(!spread.safe && spread.why == why, "{spread:?}");
        let attacked = judged_with(others(600.0, 1));
        let why = "another node reports it attacked, and 600 SYNs/s that nobody completes arrive there";
        assert!(!attacked.safe && attacked.why == why, "{attacked:?}");
    }

    #[test]
    fn a_node_that_is_cut_off_answers_for_itself_and_says_so() {
        let alone = judged_with(Others {
            is_cut_off: true,
            ..Others::default()
        });
        let why = "120 packets/s arrive, and the last excess was 1m 40s ago (cut off from the fleet: answered for this node alone)";
        assert!(alone.safe && alone.why == why, "{alone:?}");
    }

    fn watched(last_excess_secs: Option<u64>, attack: Option<u64>) -> Watched {
        Watched {
            automatic: None,
            residual_pps: 120.4,
            last_excess: last_excess_secs.map(|secs| MonotonicNs(secs * SECOND)),
            since: MonotonicNs(900 * SECOND),
            attack,
        }
    }

    #[test]
    fn still_flooded_is_not_safe() {
        let answer = judged(Rung::Blackhole, Some(watched(Some(1_000), None)));
        assert!(!answer.safe, "{answer:?}");
        assert_eq!(answer.cooldown_left, Duration::from_secs(30));
        assert_eq!(
            answer.why,
            "120 packets/s arrive, and the last excess was 0s ago: wait 30s more"
        );
    }

    #[test]
    fn calm_is_safe_only_after_the_cooldown() {
        let before = judged(Rung::Blackhole, Some(watched(Some(971), None)));
        assert!(
            !before.safe && before.cooldown_left == Duration::from_secs(1),
            "{before:?}"
        );
        let after = judged(Rung::Blackhole, Some(watched(Some(970), None)));
        assert!(after.safe, "{after:?}");
        assert_eq!(after.since_excess, Some(Duration::from_secs(30)));
        assert_eq!(after.why, "120 packets/s arrive, and the last excess was 30s ago");
    }

    #[test]
    fn an_attack_that_goes_on_is_not_safe_however_calm_it_is() {
        let answer = judged(Rung::Known, Some(watched(Some(900), Some(7))));
        assert!(!answer.safe && answer.why.starts_with("attack 7 goes on"), "{answer:?}");
    }

    #[test]
    fn what_was_never_flooded_while_it_was_watched_needs_the_cooldown_too() {
        assert!(judged(Rung::Blackhole, Some(watched(None, None))).safe);
        let young = Watched {
            since: MonotonicNs(990 * SECOND),
            ..watched(None, None)
        };
        assert!(!judged(Rung::Blackhole, Some(young)).safe);
    }

    #[test]
    fn without_anything_going_on_there_is_nothing_to_fear() {
        let answer = judged(Rung::Limit, None);
        assert!(
            answer.safe && answer.why == "it is on limit, and nothing unusual arrives",
            "{answer:?}"
        );
        assert!(!judged(Rung::Blackhole, None).safe, "nothing is known yet");
    }
}
