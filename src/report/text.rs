//! Text for terminals: colour that never carries meaning alone, wrapping, cutting to width, counts in words.

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::base::printable;
use crate::diagnose::Fault;

/// Longest piece of network text shown in a table or a line of the story, in characters.
pub(crate) const LONGEST: usize = 300;

/// Colour, when there is any. What it marks is always said in words too.
#[derive(Clone, Copy, Debug, Default)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// Colour if `on`, plain text otherwise.
    pub fn new(on: bool) -> Paint {
        Paint { on }
    }

    fn with(self, style: Style, text: &str) -> String {
        if self.on { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// A heading or a number to notice.
    pub fn bold(self, text: &str) -> String {
        self.with(Style::new().bold(), text)
    }

    /// What can be skipped.
    pub fn dim(self, text: &str) -> String {
        self.with(Style::new().dimmed(), text)
    }

    /// Something to type.
    pub fn command(self, text: &str) -> String {
        self.with(AnsiColor::Cyan.on_default(), text)
    }

    /// A party at fault.
    pub fn fault(self, fault: Fault, text: &str) -> String {
        let colour = match fault {
            Fault::Server | Fault::Client => AnsiColor::Red,
            Fault::Proxy | Fault::Network => AnsiColor::Magenta,
            Fault::Undetermined => AnsiColor::Yellow,
            Fault::None => AnsiColor::Green,
        };
        self.with(colour.on_default().bold(), text)
    }
}

/// Columns `text` takes on a terminal.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// Network text on one line of a terminal.
pub(crate) fn shown(text: &str) -> String {
    printable(text, LONGEST)
}

/// `text` cut to `columns`, with a `…` where something is missing at the end.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > columns {
            break;
        }
        out.push(c);
    }
    if columns > 0 {
        out.push('…');
    }
    out
}

/// `text` broken into lines of at most `columns`, at spaces; a longer word is broken where it must be.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(8);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split_whitespace() {
        let wide = width(word);
        if used > 0 && used + 1 + wide <= columns {
            line.push(' ');
            line.push_str(word);
            used += 1 + wide;
            continue;
        }
        if used > 0 {
            lines.push(line);
        }
        let mut parts = broken(word, columns);
        line = parts.pop().unwrap_or_default();
        lines.append(&mut parts);
        used = width(&line);
    }
    if used > 0 {
        lines.push(line);
    }
    lines
}

/// `text` in lines of at most `columns`, broken wherever they are full.
pub(crate) fn broken(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide > columns {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        line.push(c);
        used += wide;
    }
    lines.push(line);
    lines
}

/// `text` wrapped to `columns`, its first line after `first` and the others after as many spaces; ends with a line break.
pub(crate) fn hang(out: &mut String, first: &str, text: &str, columns: usize) {
    let indent = width(first);
    let mut lead = first.to_owned();
    let lines = wrap(text, columns.saturating_sub(indent));
    for line in if lines.is_empty() { vec![String::new()] } else { lines } {
        out.push_str(&lead);
        out.push_str(&line);
        out.truncate(out.trim_end_matches(' ').len());
        out.push('\n');
        lead = " ".repeat(indent);
    }
}

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// `1 session`, `2 sessions`, `1,234 sessions`.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{} {many}", grouped(number)) }
}

/// The first letter in upper case, for a sentence that a verdict gives in lower case.
pub(crate) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return String::new() };
    let mut out: String = first.to_uppercase().collect();
    out.push_str(chars.as_str());
    if !out.ends_with(['.', '!', '?', '…']) {
        out.push('.');
    }
    out
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_at_spaces_and_breaks_what_is_too_long() {
        assert_eq!(wrap("the server closed first", 10), ["the server", "closed", "first"]);
        assert_eq!(wrap("abcdefghijkl", 8), ["abcdefgh", "ijkl"]);
        assert_eq!(wrap("漢字漢字漢字", 8), ["漢字漢字", "漢字"]);
        assert!(wrap("", 8).is_empty());
        assert_eq!(broken("[2001:db8::1]:443", 10), ["[2001:db8:", ":1]:443"]);
    }

    #[test]
    fn hangs_under_its_first_line() {
        let mut out = String::new();
        hang(&mut out, "  1. ", "look into the log", 15);
        assert_eq!(out, "  1. look into\n     the log\n");
    }

    #[test]
    fn cuts_to_columns_not_characters() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdef", 5), "abcd…");
        assert_eq!(width(&cut("漢字漢字", 6)), 5);
        assert_eq!(cut("abc", 0), "");
    }

    #[test]
    fn counts_read_well() {
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(123), "123");
        assert_eq!(count(1, "packet", "packets"), "1 packet");
        assert_eq!(count(0, "packet", "packets"), "0 packets");
        assert_eq!(listed(&["a".into(), "b".into(), "c".into()]), "a, b and c");
        assert_eq!(sentence("the server closed"), "The server closed.");
    }

    #[test]
    fn no_colour_means_no_escape() {
        assert_eq!(Paint::new(false).fault(Fault::Server, "server"), "server");
        assert!(Paint::new(true).fault(Fault::Server, "server").contains("\x1b["));
    }
}
