//! Lines of text out of a stream that is cut anywhere: the beginning of each is kept, the rest of a long one is counted.

/// The beginning of a line that is kept: every header this program reads fits, whatever a cookie brings.
const KEPT: usize = 512;

/// A line that is being read.
#[derive(Clone, Debug, Default)]
pub struct Line {
    kept: Vec<u8>,
    /// Bytes so far, without the line feed.
    len: usize,
}

impl Line {
    /// Reads from `bytes` up to and with the next line feed. True when the line is whole; [`Line::text`] then has it.
    pub fn read(&mut self, bytes: &mut &[u8]) -> bool {
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let (part, rest) = bytes.split_at_checked(end.unwrap_or(bytes.len())).unwrap_or((bytes, &[]));
        let room = KEPT.saturating_sub(self.kept.len());
        self.kept.extend_from_slice(part.get(..room).unwrap_or(part));
        self.len = self.len.saturating_add(part.len());
        *bytes = rest.get(1..).unwrap_or_default();
        end.is_some()
    }

    /// The line's text without its end, as much of it as is kept.
    pub fn text(&self) -> &[u8] {
        if self.is_whole() { self.kept.strip_suffix(b"\r").unwrap_or(&self.kept) } else { &self.kept }
    }

    /// All of the line is kept.
    pub fn is_whole(&self) -> bool {
        self.kept.len() == self.len
    }

    /// Begins the next line.
    pub fn clear(&mut self) {
        self.kept.clear();
        self.len = 0;
    }
}

/// `text` without spaces and tabs around it.
pub fn trim(text: &[u8]) -> &[u8] {
    text.trim_ascii()
}

/// Whether the parts of a comma-separated list have `word`, in any case.
pub fn lists(text: &[u8], word: &str) -> bool {
    text.split(|&byte| byte == b',').any(|part| trim(part).eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_same_wherever_they_are_cut() {
        let text = b"GET / HTTP/1.1\r\nHost: a\n\r\n";
        for cut in 0..=text.len() {
            let mut line = Line::default();
            let mut found = Vec::new();
            for mut part in [&text[..cut], &text[cut..]] {
                while line.read(&mut part) {
                    found.push(line.text().to_vec());
                    line.clear();
                }
            }
            assert_eq!(found, [&b"GET / HTTP/1.1"[..], b"Host: a", b""], "cut at {cut}");
            assert_eq!(line.len, 0);
        }
    }

    #[test]
    fn a_long_line_is_counted_and_not_kept() {
        let mut line = Line::default();
        assert!(!line.read(&mut &b"Cookie: "[..]));
        for _ in 0..100 {
            assert!(!line.read(&mut &[b'x'; 1_000][..]));
        }
        assert!(line.read(&mut &b"\r\nrest"[..]));
        assert!(!line.is_whole());
        assert_eq!((line.text().len(), line.len), (KEPT, 100_009));
        assert!(line.text().starts_with(b"Cookie: xx"));
    }

    #[test]
    fn lists_are_read_in_any_case() {
        assert!(lists(b"gzip , Chunked", "chunked"));
        assert!(!lists(b"chunkedx", "chunked"));
    }
}
