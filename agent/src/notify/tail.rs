//! The end of a stream of bytes, in bounded memory: what a hook said last, what an endpoint answered first.

/// The last bytes of what came.
#[derive(Debug)]
pub(super) struct Tail {
    bytes: Vec<u8>,
    most: usize,
}

impl Tail {
    /// Keeps so many bytes.
    pub(super) const fn of(most: usize) -> Self {
        Self {
            bytes: Vec::new(),
            most,
        }
    }

    /// More has come.
    pub(super) fn push(&mut self, more: &[u8]) {
        let more = &more[more.len().saturating_sub(self.most)..];
        let too_many = (self.bytes.len() + more.len()).saturating_sub(self.most);
        self.bytes.drain(..too_many);
        self.bytes.extend_from_slice(more);
    }

    /// The last lines in one, without what a terminal would obey.
    pub(super) fn lines(&self, at_most: usize) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        one_line(&lines[lines.len().saturating_sub(at_most)..].join(" | "))
    }
}

/// Text from elsewhere in one line.
pub(super) fn one_line(text: &str) -> String {
    let clean = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.trim().chars().map(clean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_end() {
        let mut tail = Tail::of(8);
        for part in ["first\n", "second\n", "end\n"] {
            tail.push(part.as_bytes());
        }
        assert_eq!(tail.lines(5), "ond | end");
        assert_eq!(tail.lines(1), "end");
        tail.push(&[b'x'; 100]);
        assert_eq!(tail.lines(5), "xxxxxxxx");
        tail.push(b"\x1b[2J\nok");
        assert_eq!(tail.lines(5), "xx | ok".replace("xx", "x\u{fffd}[2J"));
    }
}
