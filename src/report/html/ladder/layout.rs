//! Where the parts of a ladder stand: two layouts of the same rows, and the measures of text.

use crate::report::text::{cut, wrap};

/// Widths and places, in units that are pixels where the picture has its natural size.
#[derive(Debug)]
pub(super) struct Layout {
    /// The class that shows it on the screens it is for.
    pub class: &'static str,
    /// The picture's width.
    pub width: i32,
    /// The client's lifeline.
    pub client: i32,
    /// The server's lifeline.
    pub server: i32,
    /// Columns left of the ladder: where time and frames end, and right of it: where marks begin. `None`: they stand above each arrow.
    pub columns: Option<Columns>,
    /// Characters that fit between the lifelines.
    pub label: usize,
    /// Characters of an address that fit on one line.
    pub address: usize,
}

/// Where the columns beside a ladder stand.
#[derive(Debug)]
pub(super) struct Columns {
    /// The right edge of the times.
    pub time: i32,
    /// The right edge of the frame numbers.
    pub frames: i32,
    /// The left edge of the marks.
    pub marks: i32,
    /// Characters of a mark that fit on one line.
    pub mark: usize,
}

/// For screens that have room, and for paper.
pub(super) const WIDE: Layout = Layout {
    class: "wide",
    width: 860,
    client: 250,
    server: 694,
    columns: Some(Columns { time: 92, frames: 206, marks: 738, mark: 16 }),
    label: 52,
    address: 28,
};

/// For telephones.
pub(super) const NARROW: Layout = Layout { class: "narrow", width: 340, client: 30, server: 310, columns: None, label: 32, address: 20 };

/// `text` in lines of at most `columns`, at most `lines` of them; the last ends with `…` if there were more.
pub(super) fn wrapped(text: &str, columns: usize, lines: usize) -> Vec<String> {
    let mut all = wrap(text, columns);
    if all.len() > lines {
        all.truncate(lines);
        if let Some(last) = all.last_mut() {
            *last = cut(&format!("{last}…"), columns);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_do_not_meet() {
        let columns = WIDE.columns.as_ref().unwrap();
        // Digits of the time and of frame numbers, as many as are drawn on one line, 7.3 units each.
        assert!(columns.time >= 12 * 73 / 10);
        assert!(columns.frames - columns.time >= 13 * 73 / 10 + 10);
        assert!(WIDE.width - columns.marks >= i32::try_from(columns.mark).unwrap() * 73 / 10);
        assert!(WIDE.client - columns.frames >= 36 && columns.marks - WIDE.server >= 36, "room for the arcs");
        for layout in [&WIDE, &NARROW] {
            // 8 units a character: wider than any common font at 13 units.
            assert!(layout.server - layout.client >= i32::try_from(layout.label).unwrap() * 8, "{}", layout.class);
            assert!(layout.width >= 2 * i32::try_from(layout.address).unwrap() * 73 / 10, "{}", layout.class);
        }
    }

    #[test]
    fn long_text_is_cut_and_says_so() {
        assert_eq!(wrapped("one two three four", 9, 3), ["one two", "three", "four"]);
        assert_eq!(wrapped("one two three four", 9, 2), ["one two", "three…"]);
        assert_eq!(wrapped(&"x".repeat(40), 9, 1), ["xxxxxxxx…"]);
    }
}
