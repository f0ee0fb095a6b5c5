//! BIRD's control socket: a command a line, answers in lines with a code of four digits ("Remote control" in BIRD's user's guide;
//! doc/reply_codes in its sources). `birdc` speaks the same.

use std::{path::Path, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};

/// BIRD answers at once, or something is wrong with it.
const PATIENCE: Duration = Duration::from_secs(5);
/// The greeting.
const READY: u16 = 1;
/// Answers from here on are errors.
const FIRST_ERROR: u16 = 8_000;
/// "Network not found": an answer like another where routes are asked for.
const NOT_FOUND: u16 = 8_001;
/// Lines that are kept of one answer.
const MOST_LINES: usize = 20_000;

/// Why BIRD did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum BirdError {
    /// Nobody is there.
    #[error("BIRD does not answer at {path}: {error}")]
    Absent {
        /// The socket.
        path: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// It did not answer in time, or in no way that is known.
    #[error("BIRD did not answer \"{command}\": {what}")]
    Silent {
        /// What it was asked.
        command: String,
        /// What is wrong.
        what: String,
    },
    /// It said no.
    #[error("BIRD refused \"{command}\": {answer}")]
    Refused {
        /// What it was asked.
        command: String,
        /// What it said.
        answer: String,
    },
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The code of its last line.
    pub code: u16,
    /// Its lines, without codes.
    pub lines: Vec<String>,
}

/// A connection to BIRD.
#[derive(Debug)]
pub struct Bird {
    lines: Lines<BufReader<OwnedReadHalf>>,
    out: OwnedWriteHalf,
}

impl Bird {
    /// Connects, and waits for the greeting.
    ///
    /// # Errors
    /// If nobody is there.
    pub async fn connect(path: &Path) -> Result<Self, BirdError> {
        let absent = |error| BirdError::Absent {
            path: path.display().to_string(),
            error,
        };
        let stream = timeout(PATIENCE, UnixStream::connect(path)).await;
        let stream = stream.unwrap_or_else(|late| Err(late.into())).map_err(absent)?;
        let (read, out) = stream.into_split();
        let mut bird = Self {
            lines: BufReader::new(read).lines(),
            out,
        };
        let greeting = bird.answer("(greeting)").await?;
        if greeting.code != READY {
            return Err(BirdError::Silent {
                command: "(greeting)".to_owned(),
                what: greeting.lines.join(" "),
            });
        }
        Ok(bird)
    }

    /// Asks, and waits for the whole answer.
    ///
    /// # Errors
    /// If BIRD refuses, or does not answer.
    pub async fn ask(&mut self, command: &str) -> Result<Reply, BirdError> {
        let line = format!("{command}\n");
        self.out
            .write_all(line.as_bytes())
            .await
            .map_err(|error| silent(command, &error.to_string()))?;
        let reply = self.answer(command).await?;
        if reply.code >= FIRST_ERROR && reply.code != NOT_FOUND {
            return Err(BirdError::Refused {
                command: command.to_owned(),
                answer: reply.lines.last().cloned().unwrap_or_default(),
            });
        }
        Ok(reply)
    }

    async fn answer(&mut self, command: &str) -> Result<Reply, BirdError> {
        let mut reply = Reply {
            code: 0,
            lines: Vec::new(),
        };
        loop {
            let line = timeout(PATIENCE, self.lines.next_line()).await;
            let line = match line {
                Err(_) => return Err(silent(command, "no answer within 5 s")),
                Ok(Err(error)) => return Err(silent(command, &error.to_string())),
                Ok(Ok(None)) => return Err(silent(command, "it closed the connection")),
                Ok(Ok(Some(line))) => line,
            };
            let (code, is_last, text) = read(&line);
            reply.code = code.unwrap_or(reply.code);
            if reply.lines.len() < MOST_LINES {
                reply.lines.push(text.to_owned());
            }
            if is_last {
                return Ok(reply);
            }
        }
    }
}

fn silent(command: &str, what: &str) -> BirdError {
    BirdError::Silent {
        command: command.to_owned(),
        what: what.to_owned(),
    }
}

/// A line's code, whether it is the last one, and its text: `0003 text` is the last line of an answer, `1007-text` is not, and a line
/// that begins with a blank goes on with the code before.
fn read(line: &str) -> (Option<u16>, bool, &str) {
    if let Some(text) = line.strip_prefix(' ') {
        return (None, false, text);
    }
    let code = line.get(..4).and_then(|code| code.parse().ok());
    match (code, line.as_bytes().get(4)) {
        (Some(code), Some(b' ') | None) => (Some(code), true, line.get(5..).unwrap_or_default()),
        (Some(code), Some(b'-')) => (Some(code), false, line.get(5..).unwrap_or_default()),
        // BIRD's own log lines (`+`), or nothing that is known.
        _ => (None, false, line),
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn lines_are_read_as_bird_writes_them() {
        assert_eq!(read("0001 BIRD 2.0.12 ready."), (Some(1), true, "BIRD 2.0.12 ready."));
        assert_eq!(read("1007-Table master4:"), (Some(1_007), false, "Table master4:"));
        assert_eq!(
            read(" 203.0.113.7/32  blackhole"),
            (None, false, "203.0.113.7/32  blackhole")
        );
        assert_eq!(read("0000 "), (Some(0), true, ""));
        assert_eq!(read("0000"), (Some(0), true, ""));
        assert_eq!(read("é"), (None, false, "é"));
        assert_eq!(read(""), (None, false, ""));
    }
}
