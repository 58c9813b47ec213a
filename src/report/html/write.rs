//! Writes HTML in which text stays text: what comes from outside is escaped, and every element that opens closes.
//!
//! What is written is well-formed XML too (but for scripts), so that any XML parser can check it.

/// A growing page.
#[derive(Debug, Default)]
pub(super) struct Html {
    out: String,
}

/// Names and values of an element's attributes.
pub(super) type Attributes<'a> = &'a [(&'static str, &'a str)];

impl Html {
    /// Markup of our own. Nothing that comes from outside can be passed: it would have to live as long as the program.
    pub(super) fn raw(&mut self, markup: &'static str) {
        self.out.push_str(markup);
    }

    /// Style or script of our own, which is not escaped.
    pub(super) fn code(&mut self, tag: &'static str, code: &str) {
        for part in ["<", tag, ">", code, "</", tag, ">\n"] {
            self.out.push_str(part);
        }
    }

    /// Text, escaped.
    pub(super) fn text(&mut self, text: &str) {
        escape(&mut self.out, text);
    }

    /// An element, its content written by `inside`.
    pub(super) fn within(&mut self, tag: &'static str, attributes: Attributes<'_>, inside: impl FnOnce(&mut Html)) {
        self.begin(tag, attributes);
        self.out.push('>');
        inside(self);
        self.out.push_str("</");
        self.out.push_str(tag);
        self.out.push('>');
        if !INLINE.contains(&tag) {
            self.out.push('\n');
        }
    }

    /// An element that holds only text.
    pub(super) fn leaf(&mut self, tag: &'static str, attributes: Attributes<'_>, text: &str) {
        self.within(tag, attributes, |html| html.text(text));
    }

    /// An element without content (`meta`, `br`, the shapes of SVG).
    pub(super) fn void(&mut self, tag: &'static str, attributes: Attributes<'_>) {
        self.begin(tag, attributes);
        self.out.push_str("/>");
    }

    fn begin(&mut self, tag: &'static str, attributes: Attributes<'_>) {
        self.out.push('<');
        self.out.push_str(tag);
        for (name, value) in attributes {
            self.out.push(' ');
            self.out.push_str(name);
            self.out.push_str("=\"");
            escape(&mut self.out, value);
            self.out.push('"');
        }
    }

    /// What was written.
    pub(super) fn finish(self) -> String {
        self.out
    }
}

/// Elements after which a line break would show.
const INLINE: [&str; 10] = ["a", "b", "bdi", "button", "code", "option", "span", "text", "time", "tspan"];

/// `text` with nothing in it that markup could begin with, and no character that XML forbids.
fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_attributes_cannot_become_markup() {
        let mut html = Html::default();
        html.leaf("p", &[("title", "\"><script>'")], "</p><script>&\x1b\0");
        assert_eq!(html.finish(), "<p title=\"&quot;&gt;&lt;script&gt;&#39;\">&lt;/p&gt;&lt;script&gt;&amp;\u{fffd}\u{fffd}</p>\n");
    }

    #[test]
    fn elements_nest() {
        let mut html = Html::default();
        html.within("ul", &[], |html| {
            html.leaf("li", &[], "a");
            html.within("li", &[], |html| html.void("br", &[]));
        });
        assert_eq!(html.finish(), "<ul><li>a</li>\n<li><br/></li>\n</ul>\n");
    }
}
