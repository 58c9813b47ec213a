//! Text from the network is hostile: it is made printable before anything shows it.

/// `text` with everything a terminal could act on replaced by visible escapes (`\x1b`, `\u{202e}`), and cut to `max` characters.
///
/// Control characters, the C1 range, bidirectional overrides and zero-width characters are escaped; a backslash is doubled, so
/// that the result is unambiguous.
pub fn printable(text: &str, max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max));
    for (count, c) in text.chars().enumerate() {
        if count >= max {
            out.push('…');
            break;
        }
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if (c as u32) < 0x20 || c == '\x7f' => out.push_str(&format!("\\x{:02x}", c as u32)),
            '\u{80}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff0}'..='\u{ffff}'
            | '\u{e0000}'..='\u{e0fff}' => out.push_str(&format!("\\u{{{:x}}}", c as u32)),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn escapes_what_a_terminal_acts_on() {
        assert_eq!(printable("a\x1b[31mb\u{202e}c\\", 80), "a\\x1b[31mb\\u{202e}c\\\\");
        assert_eq!(printable("abcdef", 3), "abc…");
        assert_eq!(printable("über", 9), "über");
    }
}
