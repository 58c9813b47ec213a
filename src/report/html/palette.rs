//! The colours, light and dark, and what stands on what: a test computes that every pair can be read.
//!
//! Colour never says anything alone: each mark has a word and a shape too.

/// A colour as `#rrggbb`.
type Colour = &'static str;

/// One set of colours. A field is a CSS variable of the same name.
struct Palette {
    /// Behind everything.
    paper: Colour,
    /// Behind the ladder and the boxes.
    sheet: Colour,
    /// Behind what is pasted elsewhere.
    well: Colour,
    /// Text.
    ink: Colour,
    /// Labels and asides.
    soft: Colour,
    /// Hairlines that only please.
    hair: Colour,
    /// Lines that must be seen: lifelines, the edges of controls.
    line: Colour,
    /// Links and the focus ring.
    link: Colour,
    /// Somebody is named; the root event.
    fault: Colour,
    /// Behind it.
    fault_wash: Colour,
    /// It cannot be decided.
    doubt: Colour,
    /// Behind it.
    doubt_wash: Colour,
    /// Nobody was hurt.
    calm: Colour,
    /// Behind it.
    calm_wash: Colour,
    /// Reactions.
    react: Colour,
}

const LIGHT: Palette = Palette {
    paper: "#faf8f3",
    sheet: "#ffffff",
    well: "#f2efe7",
    ink: "#1d1b18",
    soft: "#5c574d",
    hair: "#ddd7ca",
    line: "#857e70",
    link: "#1c4f82",
    fault: "#a3201a",
    fault_wash: "#fbeae7",
    doubt: "#764800",
    doubt_wash: "#fbf0d9",
    calm: "#1f5a3c",
    calm_wash: "#e6f2ea",
    react: "#5a3e9e",
};

const DARK: Palette = Palette {
    paper: "#15161a",
    sheet: "#1c1e23",
    well: "#25282f",
    ink: "#ece8df",
    soft: "#b0aa9e",
    hair: "#363a42",
    line: "#7d8390",
    link: "#8fbcec",
    fault: "#ff9d90",
    fault_wash: "#3b2122",
    doubt: "#f0c370",
    doubt_wash: "#352b15",
    calm: "#93d4ac",
    calm_wash: "#1a2f23",
    react: "#bda9ff",
};

impl Palette {
    fn variables(&self) -> [(&'static str, Colour); 15] {
        [
            ("paper", self.paper),
            ("sheet", self.sheet),
            ("well", self.well),
            ("ink", self.ink),
            ("soft", self.soft),
            ("hair", self.hair),
            ("line", self.line),
            ("link", self.link),
            ("fault", self.fault),
            ("fault-wash", self.fault_wash),
            ("doubt", self.doubt),
            ("doubt-wash", self.doubt_wash),
            ("calm", self.calm),
            ("calm-wash", self.calm_wash),
            ("react", self.react),
        ]
    }

    fn css(&self) -> String {
        self.variables().iter().map(|(name, colour)| format!("--{name}:{colour};")).collect()
    }
}

/// The colours as CSS variables: light, dark where the reader prefers it, and dark ink on white paper in print.
pub(super) fn css() -> String {
    let paper = Palette { paper: "#ffffff", ..LIGHT };
    format!(
        ":root{{color-scheme:light dark;{}}}\n@media (prefers-color-scheme:dark){{:root{{{}}}}}\n@media print{{:root{{color-scheme:light;{}}}}}\n",
        LIGHT.css(),
        DARK.css(),
        paper.css()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance (WCAG 2.2).
    fn luminance(colour: Colour) -> f64 {
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    fn contrast(a: Colour, b: Colour) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn contrast_is_computed_as_wcag_does() {
        assert!((contrast("#000000", "#ffffff") - 21.0).abs() < 0.01);
        assert!((contrast("#767676", "#ffffff") - 4.54).abs() < 0.01);
    }

    #[test]
    fn every_text_can_be_read_where_it_stands() {
        for (name, p) in [("light", LIGHT), ("dark", DARK), ("print", Palette { paper: "#ffffff", ..LIGHT })] {
            let grounds = [p.paper, p.sheet, p.well];
            let everywhere = [p.ink, p.soft, p.link, p.fault, p.doubt, p.calm, p.react];
            let on_ground = everywhere.iter().flat_map(|text| grounds.map(|ground| (*text, ground)));
            let washes = [(p.fault, p.fault_wash), (p.doubt, p.doubt_wash), (p.calm, p.calm_wash)];
            let on_wash = washes.iter().flat_map(|&(text, wash)| [(text, wash), (p.ink, wash), (p.soft, wash), (p.react, wash)]);
            for (text, ground) in on_ground.chain(on_wash) {
                let ratio = contrast(text, ground);
                assert!(ratio >= 4.5, "{name}: {text} on {ground} has only {ratio:.2}");
            }
            for ground in grounds {
                let ratio = contrast(p.line, ground);
                assert!(ratio >= 3.0, "{name}: lines of {} on {ground} have only {ratio:.2}", p.line);
            }
        }
    }

    #[test]
    fn the_style_uses_no_other_colour() {
        for style in [include_str!("style.css"), include_str!("page.css"), include_str!("index.css")] {
            let style = style.split("*/").map(|part| part.split("/*").next().unwrap_or_default()).collect::<String>();
            for (property, value) in style.split(['{', '}', ';']).filter_map(|part| part.split_once(':')) {
                let own = ["#", "rgb(", "hsl("].iter().any(|sign| value.contains(sign));
                assert!(!own, "a colour outside the palette: {property}:{value}");
            }
            for name in style.split("var(--").skip(1).filter_map(|rest| rest.split(')').next()) {
                let known = LIGHT.variables().iter().any(|(known, _)| *known == name) || FONTS.contains(&name);
                assert!(known, "no variable {name}");
            }
        }
    }

    /// Variables that `style.css` sets for all styles.
    const FONTS: [&str; 3] = ["serif", "sans", "mono"];
}
