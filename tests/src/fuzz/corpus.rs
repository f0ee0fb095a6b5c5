//! Inputs that are kept: text files with one input a line, its bytes escaped as in a Rust byte string. Lines that begin with `#`
//! say what they are.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail};

/// Reads the inputs of a file; the description is what its `#` lines say.
///
/// # Errors
/// The file cannot be read, or a line is no escaped text.
pub fn read(path: &Path) -> Result<(String, Vec<Vec<u8>>)> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let (mut about, mut inputs) = (String::new(), Vec::new());
    for (at, line) in text.lines().enumerate() {
        if let Some(words) = line.strip_prefix('#') {
            about += words.trim();
            about.push('\n');
        } else {
            inputs.push(unescaped(line).with_context(|| format!("{} line {}", path.display(), at + 1))?);
        }
    }
    Ok((about, inputs))
}

/// Writes inputs in order, each once, behind a description.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, about: &str, inputs: &[Vec<u8>]) -> Result<()> {
    let mut lines: Vec<String> = inputs.iter().map(|input| escaped(input)).collect();
    lines.sort();
    lines.dedup();
    let about = about.lines().map(|line| format!("# {line}\n"));
    let text: String = about.chain(lines.into_iter().map(|line| line + "\n")).collect();
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

/// The shortest inputs that fit into so many bytes of such a file.
#[must_use]
pub fn shortest(mut inputs: Vec<Vec<u8>>, most_bytes: usize) -> Vec<Vec<u8>> {
    inputs.sort_by_cached_key(|input| (input.len(), escaped(input)));
    let mut left = most_bytes;
    let fits = move |input: &Vec<u8>| {
        let line = escaped(input).len() + 1;
        left.checked_sub(line).map(|rest| left = rest).is_some()
    };
    inputs.into_iter().take_while(fits).collect()
}

/// A `#` at the beginning would be a description.
fn escaped(input: &[u8]) -> String {
    let text = input.escape_ascii().to_string();
    match text.strip_prefix('#') {
        Some(rest) => format!("\\x23{rest}"),
        None => text,
    }
}

fn unescaped(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let (byte, after) = match rest {
            [b'n', after @ ..] => (b'\n', after),
            [b'r', after @ ..] => (b'\r', after),
            [b't', after @ ..] => (b'\t', after),
            [b'x', high, low, after @ ..] => {
                let digits = str::from_utf8(&[*high, *low])?.to_owned();
                (
                    u8::from_str_radix(&digits, 16).with_context(|| format!("\\x{digits} is no byte"))?,
                    after,
                )
            }
            [quoted @ (b'\\' | b'\'' | b'"'), after @ ..] => (*quoted, after),
            _ => bail!("a backslash that escapes nothing"),
        };
        bytes.push(byte);
        rest = after;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_read_back() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("inputs.txt");
        let inputs: Vec<Vec<u8>> = (0..=255u8)
            .map(|byte| vec![byte, b'a', byte])
            .chain([Vec::new(), b"# no description".to_vec()])
            .collect();
        write(&path, "what they are\nin words", &inputs).expect("written");
        let (about, mut again) = read(&path).expect("read");
        assert_eq!(about, "what they are\nin words\n");
        let mut inputs = inputs;
        again.sort();
        inputs.sort();
        assert_eq!(again, inputs);
    }

    #[test]
    fn the_shortest_are_kept_and_no_more_than_fit() {
        let inputs = vec![b"cccc".to_vec(), b"a".to_vec(), b"\0".to_vec(), b"bb".to_vec()];
        let kept = shortest(inputs.clone(), 10);
        assert_eq!(
            kept,
            [b"\0".to_vec(), b"a".to_vec(), b"bb".to_vec()],
            "5, 2 and 3 bytes of text"
        );
        assert_eq!(shortest(inputs.clone(), 9).len(), 2);
        assert_eq!(shortest(inputs, 1_000).len(), 4);
    }

    #[test]
    fn what_escapes_nothing_is_told() {
        for text in ["\\", "\\q", "\\x1", "\\xzz"] {
            unescaped(text).expect_err(text);
        }
    }
}
