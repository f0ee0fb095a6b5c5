//! Who has logged in with the token: in memory, bounded in number and in time. A session ends with the token that opened it.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use ring::digest::{SHA256, digest};
use subtle::ConstantTimeEq as _;

use crate::control::api::{Done, PreviewRequest};

/// A session ends when it was not used for so long.
const IDLE: Duration = Duration::from_secs(30 * 60);
/// A session ends after so long, used or not.
pub(super) const LIFE: Duration = Duration::from_secs(8 * 3600);
/// Sessions at once; one more ends the oldest.
const MOST: usize = 64;
/// Commands of a session that wait for a confirmation; one more forgets the oldest.
const MOST_PENDING: usize = 8;

/// Random bytes as text: nobody guesses 256 bits.
fn random() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    let mut text = String::with_capacity(64);
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

/// Whether two secrets are the same, in a time that tells nothing about where they differ or how long they are.
pub(super) fn same(one: &str, other: &str) -> bool {
    let hash = |text: &str| digest(&SHA256, text.as_bytes());
    hash(one).as_ref().ct_eq(hash(other).as_ref()).into()
}

/// A command that waits for its confirmation.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    /// What is to be done.
    pub(super) request: PreviewRequest,
    /// The page to go back to.
    pub(super) back: String,
}

/// What became of a command, shown once.
#[derive(Debug, Clone)]
pub(super) enum Said {
    /// It was done.
    Done(Done),
    /// It was refused, in a sentence.
    Refused(String),
}

struct Session {
    cookie: String,
    form: String,
    token: String,
    since: Instant,
    used: Instant,
    pending: VecDeque<(String, Pending)>,
    said: Option<Said>,
}

/// A session as pages need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    /// What every form of it says, so that no other page can send one.
    pub(super) form: String,
    /// By which the journal knows it: it opens nothing.
    pub(super) mark: String,
}

/// All sessions.
#[derive(Default)]
pub(super) struct Sessions(Mutex<Vec<Session>>);

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sessions({})", self.lock().len())
    }
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, Vec<Session>> {
        // What is behind the lock is whole after every statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a session for who knows this token; the result is its cookie.
    ///
    /// # Errors
    /// If the kernel gives no random bytes.
    pub(super) fn open(&self, token: &str, now: Instant) -> Result<String, getrandom::Error> {
        let (cookie, form) = (random()?, random()?);
        let mut sessions = self.lock();
        if sessions.len() == MOST {
            sessions.remove(0);
        }
        sessions.push(Session {
            cookie: cookie.clone(),
            form,
            token: token.to_owned(),
            since: now,
            used: now,
            pending: VecDeque::new(),
            said: None,
        });
        Ok(cookie)
    }

    /// The session of a cookie, if it has not ended and the token is still this. What a person does keeps it open, what a page fetches
    /// by itself does not.
    pub(super) fn find(&self, cookie: &str, token: &str, now: Instant, by_person: bool) -> Option<Known> {
        let mut sessions = self.lock();
        sessions
            .retain(|session| now < session.used + IDLE && now < session.since + LIFE && same(&session.token, token));
        let session = sessions.iter_mut().find(|session| same(&session.cookie, cookie))?;
        if by_person {
            session.used = now;
        }
        Some(Known {
            form: session.form.clone(),
            mark: session.form.chars().take(6).collect(),
        })
    }

    /// Ends a session.
    pub(super) fn close(&self, cookie: &str) {
        self.lock().retain(|session| !same(&session.cookie, cookie));
    }

    fn with<T>(&self, cookie: &str, task: impl FnOnce(&mut Session) -> T) -> Option<T> {
        let mut sessions = self.lock();
        sessions
            .iter_mut()
            .find(|session| same(&session.cookie, cookie))
            .map(task)
    }

    /// Keeps a command until it is confirmed; the result is what the confirmation says.
    pub(super) fn keep(&self, cookie: &str, pending: Pending) -> Option<String> {
        let number = random().ok()?;
        self.with(cookie, |session| {
            if session.pending.len() == MOST_PENDING {
                session.pending.pop_front();
            }
            session.pending.push_back((number.clone(), pending));
            number
        })
    }

    /// The command that a confirmation is about, once: a form that is sent twice does nothing twice.
    pub(super) fn take(&self, cookie: &str, number: &str) -> Option<Pending> {
        self.with(cookie, |session| {
            let at = session.pending.iter().position(|(known, _)| same(known, number))?;
            session.pending.remove(at).map(|(_, pending)| pending)
        })?
    }

    /// Remembers what is to be said on the next page.
    pub(super) fn say(&self, cookie: &str, said: Said) {
        self.with(cookie, |session| session.said = Some(said));
    }

    /// What is to be said on this page.
    pub(super) fn said(&self, cookie: &str) -> Option<Said> {
        self.with(cookie, |session| session.said.take())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    #[test]
    fn a_session_ends_by_idleness_by_age_and_with_its_token() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let cookie = sessions.open(TOKEN, start).expect("random bytes");
        assert!(
            sessions
                .find(&cookie, TOKEN, start + IDLE - Duration::from_secs(1), false)
                .is_some()
        );
        assert_eq!(
            sessions.find(&cookie, TOKEN, start + IDLE, false),
            None,
            "nobody did anything"
        );

        let cookie = sessions.open(TOKEN, start).expect("random bytes");
        let mut now = start;
        while now + IDLE / 2 < start + LIFE {
            now += IDLE / 2;
            assert!(sessions.find(&cookie, TOKEN, now, true).is_some());
        }
        assert_eq!(sessions.find(&cookie, TOKEN, start + LIFE, true), None, "it is too old");

        let cookie = sessions.open(TOKEN, start).expect("random bytes");
        assert_eq!(sessions.find(&cookie, "another token here", start, true), None);
    }

    #[test]
    fn sessions_are_bounded_and_end_when_somebody_logs_out() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let cookies: Vec<String> = (0..=MOST)
            .map(|_| sessions.open(TOKEN, now).expect("random bytes"))
            .collect();
        assert_eq!(
            sessions.find(&cookies[0], TOKEN, now, true),
            None,
            "the oldest made room"
        );
        assert!(sessions.find(&cookies[1], TOKEN, now, true).is_some());
        sessions.close(&cookies[1]);
        assert_eq!(sessions.find(&cookies[1], TOKEN, now, true), None);
        assert_eq!(sessions.lock().len(), MOST - 1);
    }

    #[test]
    fn a_confirmation_holds_once() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let cookie = sessions.open(TOKEN, now).expect("random bytes");
        let other = sessions.open(TOKEN, now).expect("random bytes");
        let pending = || Pending {
            request: PreviewRequest::Mode(crate::control::api::ModeRequest::default()),
            back: "/".to_owned(),
        };
        let number = sessions.keep(&cookie, pending()).expect("kept");
        assert!(sessions.take(&other, &number).is_none(), "it is another session's");
        assert!(sessions.take(&cookie, &number).is_some());
        assert!(sessions.take(&cookie, &number).is_none(), "it was sent twice");
        for _ in 0..100 {
            sessions.keep(&cookie, pending());
        }
        assert_eq!(sessions.lock()[0].pending.len(), MOST_PENDING);
    }

    #[test]
    fn secrets_are_compared_whole() {
        assert!(same("a", "a") && !same("a", "ab") && !same("", "a") && same("", ""));
    }
}
