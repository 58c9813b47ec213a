//! Draws the rows of a ladder as SVG, in strips that a printer can put on several pages.

use crate::base::{Endpoint, PerSide, Side, Span};
use crate::report::html::ladder::layout::{Layout, wrapped};
use crate::report::html::ladder::marks;
use crate::report::html::ladder::rows::{Row, Shape, Step};
use crate::report::html::write::Html;
use crate::report::text::broken;
use crate::report::time::lasting;

/// From one line of a label to the next.
const LINE: i32 = 17;
/// Lines of a label at most.
const LINES: usize = 4;
/// From the line of text above an arrow to the arrow.
const ABOVE: i32 = 8;
/// Below an arrow.
const BELOW: i32 = 14;
/// A strip is cut at the first row that ends below this.
const STRIP: i32 = 120;
/// Frame numbers longer than this are written on two lines.
const FRAMES: usize = 13;

/// Something drawn, and the height it spans.
struct Part {
    top: i32,
    bottom: i32,
    what: Ink,
}

enum Ink {
    Line { x: (i32, i32), y: (i32, i32), class: &'static str },
    Path { d: String, class: &'static str },
    Band { y: i32, height: i32 },
    Text { x: i32, y: i32, class: &'static str, text: String },
}

/// A drawing that grows downwards.
struct Canvas<'l> {
    layout: &'l Layout,
    parts: Vec<Part>,
    /// Where the next row begins.
    y: i32,
    /// Where rows end: strips are cut there.
    cuts: Vec<i32>,
}

/// Draws `rows`.
pub(super) fn draw(html: &mut Html, rows: &[Row], ends: &PerSide<Endpoint>, layout: &Layout) {
    let mut canvas = Canvas { layout, parts: Vec::new(), y: 0, cuts: Vec::new() };
    canvas.head(ends);
    // The height of each row's arrow, for the arcs.
    let mut arrows = Vec::with_capacity(rows.len());
    for row in rows {
        let top = canvas.y;
        let mut broken = true;
        arrows.push(match row {
            Row::Event(step) => {
                broken = false;
                canvas.step(step)
            }
            Row::Silence(span) => canvas.silence(*span),
            Row::Fold(text) => canvas.note(text, "fold"),
            Row::Note(text) => canvas.note(text, "note"),
        });
        canvas.lifelines(top, if broken { "life gone" } else { "life" });
        canvas.cuts.push(canvas.y);
    }
    canvas.arcs(rows, &arrows);
    canvas.foot();
    canvas.write(html);
}

impl Canvas<'_> {
    fn add(&mut self, top: i32, bottom: i32, what: Ink) {
        self.parts.push(Part { top, bottom, what });
    }

    fn line(&mut self, x: (i32, i32), y: i32, class: &'static str) {
        self.add(y - 8, y + 8, Ink::Line { x, y: (y, y), class });
    }

    fn path(&mut self, y: i32, d: String, class: &'static str) {
        self.add(y - 9, y + 9, Ink::Path { d, class });
    }

    fn text(&mut self, x: i32, y: i32, class: &'static str, text: impl Into<String>) {
        self.add(y - 14, y + 4, Ink::Text { x, y, class, text: text.into() });
    }

    fn middle(&self) -> i32 {
        i32::midpoint(self.layout.client, self.layout.server)
    }

    fn lifeline(&self, side: Side) -> i32 {
        match side {
            Side::Client => self.layout.client,
            Side::Server => self.layout.server,
        }
    }

    fn lifelines(&mut self, top: i32, class: &'static str) {
        let bottom = self.y;
        for x in [self.layout.client, self.layout.server] {
            self.add(top, bottom, Ink::Line { x: (x, x), y: (top, bottom), class });
        }
    }

    /// The two ends, and what the columns are.
    fn head(&mut self, ends: &PerSide<Endpoint>) {
        let (left, right) = match self.layout.columns {
            Some(_) => (self.layout.client - 8, self.layout.server + 8),
            None => (2, self.layout.width - 2),
        };
        let mut lowest = 0;
        for (side, x, role, address) in [(Side::Client, left, "role", "address"), (Side::Server, right, "role end", "address end")] {
            self.text(x, 16, role, side.name());
            let mut y = 16;
            for line in broken(&ends[side].to_string(), self.layout.address) {
                y += 16;
                self.text(x, y, address, line);
            }
            lowest = lowest.max(y);
        }
        if let Some(columns) = &self.layout.columns {
            let (time, frames) = (columns.time, columns.frames);
            self.text(time, lowest, "heading", "seconds");
            self.text(frames, lowest, "heading", "frame");
        }
        self.y = lowest + 10;
        for side in Side::BOTH {
            let x = self.lifeline(side);
            let y = self.y;
            self.line((x - 8, x + 8), y, "cap");
        }
        let top = self.y;
        self.y += 8;
        self.lifelines(top, "life");
    }

    fn foot(&mut self) {
        let y = self.y;
        for side in Side::BOTH {
            let x = self.lifeline(side);
            self.line((x - 8, x + 8), y, "cap");
        }
        self.y += 6;
        if let Some(last) = self.cuts.last_mut() {
            *last = self.y;
        }
    }

    /// An event; the height of its arrow.
    fn step(&mut self, step: &Step) -> i32 {
        let top = self.y + lead(step.pause);
        self.y = top + 6;
        let marks = marks(step);
        let tone = if step.root {
            "mark root"
        } else if step.answers.is_some() {
            "mark react"
        } else {
            "mark"
        };
        let middle = self.middle();
        if self.layout.columns.is_none() {
            self.y += 14;
            let y = self.y;
            self.text(middle, y, "meta", format!("frame {} · {} s", step.frames, step.time));
            if !marks.is_empty() {
                self.y += LINE;
                let y = self.y;
                self.text(middle, y, tone, signed(step, &marks.join(", ")));
            }
        }
        for line in wrapped(&step.label, self.layout.label, LINES) {
            self.y += LINE;
            let y = self.y;
            self.text(middle, y, if step.root { "label strong" } else { "label" }, line);
        }
        // What stands in the middle of the line keeps clear of the text.
        self.y += if matches!(step.shape, Shape::Icmp | Shape::Missing) { ABOVE + 6 } else { ABOVE };
        let y = self.y;
        let mut lower = 0;
        if let Some(columns) = &self.layout.columns {
            let (time, frames, right) = (columns.time, columns.frames, columns.marks);
            self.text(time, y + 4, "time", step.time.clone());
            let class = if step.cited || step.root { "frames strong" } else { "frames" };
            match step.frames.split_once('–').filter(|_| step.frames.chars().count() > FRAMES) {
                Some((first, last)) => {
                    self.text(frames, y - 4, class, format!("{first}–"));
                    self.text(frames, y + 11, class, last);
                    lower = 18;
                }
                None => self.text(frames, y + 4, class, step.frames.clone()),
            }
            let lines = marks.iter().enumerate().flat_map(|(place, mark)| {
                let tone = if mark == "cited" { "mark" } else { tone };
                let text = if place == 0 { signed(step, mark) } else { mark.clone() };
                wrapped(&text, columns.mark, 2).into_iter().map(move |line| (tone, line))
            });
            let mut below = 0;
            for (tone, line) in lines {
                self.text(right, y + 4 + below, tone, line);
                below += 15;
            }
            lower = lower.max(below);
        }
        self.arrow(step, y);
        self.y = y + BELOW.max(lower);
        if step.root {
            let bottom = self.y;
            self.parts.insert(0, Part { top, bottom, what: Ink::Band { y: top, height: bottom - top } });
        }
        y
    }

    fn arrow(&mut self, step: &Step, y: i32) {
        let Some(from) = step.from else {
            // Of another session, or nobody's, such as the end of the capture.
            let (left, right) = (self.layout.client + 12, self.layout.server - 12);
            return self.line((left, right), y, "across");
        };
        let (start, end) = (self.lifeline(from), self.lifeline(from.peer()));
        // Inwards from the receiver's lifeline.
        let back = if end > start { -1 } else { 1 };
        let class = match (step.root, step.answers.is_some()) {
            (true, _) => "root",
            (_, true) => "react",
            _ => "",
        };
        let stroke = |plain, root, react| match class {
            "root" => root,
            "react" => react,
            _ => plain,
        };
        let head = stroke("head", "head root", "head react");
        let solid = stroke("arrow", "arrow root", "arrow react");
        match step.shape {
            Shape::Sent | Shape::Again | Shape::Probe => {
                let line = match step.shape {
                    Shape::Again => stroke("arrow again", "arrow again root", "arrow again react"),
                    Shape::Probe => "arrow probe",
                    _ => solid,
                };
                self.line((start, end + back * 9), y, line);
                if step.run && step.shape == Shape::Sent {
                    self.line((start, end + back * 13), y + 4, stroke("arrow second", "arrow second root", "arrow second react"));
                }
                self.path(y, triangle(end, y, back), head);
            }
            Shape::Fin => {
                self.line((start, end + back * 14), y, solid);
                self.path(y, triangle(end + back * 5, y, back), head);
                let x = end + back * 4;
                self.add(y - 9, y + 9, Ink::Line { x: (x, x), y: (y - 8, y + 8), class: solid });
            }
            Shape::Rst => {
                self.line((start, end + back * 14), y, solid);
                let (near, far) = (end + back * 4, end + back * 16);
                self.path(y, format!("M{near} {} L{far} {} M{near} {} L{far} {}", y - 6, y + 6, y + 6, y - 6), solid);
            }
            Shape::Missing => {
                let middle = self.middle();
                self.line((start, middle - 8), y, "arrow probe");
                self.line((middle + 8, end), y, "arrow probe");
                self.path(y, format!("M{} {y} a7 7 0 1 0 14 0 a7 7 0 1 0 -14 0", middle - 7), "hole");
            }
            Shape::Icmp => {
                // It comes from between the two, back to who sent the segment it complains of.
                let middle = self.middle();
                let inwards = -back;
                let inwards = if inwards > 0 { 1 } else { -1 };
                self.line((middle, start + inwards * 9), y, stroke("arrow again", "arrow again root", "arrow again react"));
                self.path(y, triangle(start, y, inwards), head);
                self.path(y, format!("M{} {} h12 v12 h-12 Z", middle - 6, y - 6), stroke("box", "box root", "box react"));
            }
            Shape::Dot => self.path(y, format!("M{} {y} a4 4 0 1 0 8 0 a4 4 0 1 0 -8 0", start - 4), "head"),
        }
    }

    fn silence(&mut self, span: Span) -> i32 {
        let (y, middle) = (self.y + 24, self.middle());
        self.text(middle, y + 4, "silence", format!("{} of silence", lasting(span)));
        for x in [self.layout.client, self.layout.server] {
            // The break of an axis: two short strokes.
            for lower in [-3, 4] {
                let d = format!("M{} {} L{} {}", x - 8, y + lower + 4, x + 8, y + lower - 4);
                self.path(y, d, "break");
            }
        }
        self.y = y + 24;
        y
    }

    fn note(&mut self, text: &str, class: &'static str) -> i32 {
        let middle = self.middle();
        self.y += 10;
        for line in wrapped(text, self.layout.label, LINES) {
            self.y += LINE;
            let y = self.y;
            self.text(middle, y, class, line);
        }
        self.y += 16;
        self.y
    }

    /// From each reaction back to what it answers, along the reacting side.
    fn arcs(&mut self, rows: &[Row], arrows: &[i32]) {
        let mut drawn = 0;
        for (row, &y) in rows.iter().zip(arrows) {
            let Row::Event(step) = row else { continue };
            let (Some(side), Some(to)) = (step.from, step.answers.and_then(|answers| answers.row)) else { continue };
            let Some(&trigger) = arrows.get(to) else { continue };
            let x = self.lifeline(side);
            let out = if side == Side::Client { -1 } else { 1 };
            // Arcs of the same side lie beside each other, as far as there is room.
            let bulge = out * (26 + 6 * (drawn % 3));
            drawn += 1;
            let tip = trigger + if trigger < y { 3 } else { -3 };
            let d = format!("M{} {y} C{} {y} {} {tip} {} {tip}", x + out * 2, x + bulge, x + bulge, x + out * 9);
            let (top, bottom) = (y.min(trigger) - 8, y.max(trigger) + 8);
            self.add(top, bottom, Ink::Path { d, class: "arc" });
            self.add(tip - 8, tip + 8, Ink::Path { d: triangle(x + out * 2, tip, out), class: "head react" });
        }
    }

    /// Strip by strip: each holds what reaches into it.
    fn write(&self, html: &mut Html) {
        let mut top = 0;
        for (place, &cut) in self.cuts.iter().enumerate() {
            let last = place + 1 == self.cuts.len();
            if cut - top < STRIP && !last {
                continue;
            }
            let view = format!("0 {top} {} {}", self.layout.width, cut - top);
            html.within("svg", &[("xmlns", "http://www.w3.org/2000/svg"), ("viewBox", &view), ("focusable", "false")], |html| {
                for part in self.parts.iter().filter(|part| part.bottom > top && part.top < cut) {
                    part.what.write(html, self.layout.width);
                }
            });
            top = cut;
        }
    }
}

impl Ink {
    fn write(&self, html: &mut Html, width: i32) {
        let number = |value: &i32| value.to_string();
        match self {
            Ink::Line { x, y, class } => html.void(
                "line",
                &[("class", class), ("x1", &number(&x.0)), ("x2", &number(&x.1)), ("y1", &number(&y.0)), ("y2", &number(&y.1))],
            ),
            Ink::Path { d, class } => html.void("path", &[("class", class), ("d", d)]),
            Ink::Band { y, height } => html.void(
                "rect",
                &[("class", "band"), ("x", "0"), ("y", &number(y)), ("width", &number(&width)), ("height", &number(height)), ("rx", "4")],
            ),
            Ink::Text { x, y, class, text } => html.leaf("text", &[("class", class), ("x", &number(x)), ("y", &number(y))], text),
        }
    }
}

/// An arrow's head with its tip at `x`, open towards `back`.
fn triangle(x: i32, y: i32, back: i32) -> String {
    format!("M{x} {y} L{} {} L{} {} Z", x + back * 10, y - 5, x + back * 10, y + 5)
}

/// Room above an event by how long nothing was sent before it: a hundredth of a second is seen, a silence has a row of its own.
fn lead(pause: Span) -> i32 {
    match pause.nanos() {
        ..1_000_000 => 0,
        1_000_000..10_000_000 => 4,
        10_000_000..100_000_000 => 9,
        100_000_000..1_000_000_000 => 15,
        _ => 0,
    }
}

/// A mark with its sign: shape beside colour.
fn signed(step: &Step, mark: &str) -> String {
    let sign = match step {
        Step { root: true, .. } => "◆",
        Step { answers: Some(_), .. } => "↩",
        _ => "●",
    };
    format!("{sign} {mark}")
}

/// What the shapes mean, as far as they occur.
pub(super) fn legend(html: &mut Html, steps: &[Step]) {
    let has = |shape: Shape| steps.iter().any(|step| step.shape == shape);
    let run = steps.iter().any(|step| step.run && step.shape == Shape::Sent);
    let dot = |own: bool| steps.iter().any(|step| step.shape == Shape::Dot && step.from.is_some() == own);
    let shown: [(bool, Shape, bool, &str); 8] = [
        (run, Shape::Sent, true, "several records or segments in a row"),
        (has(Shape::Again), Shape::Again, false, "sent again, or damaged"),
        (has(Shape::Probe), Shape::Probe, false, "keep-alive probe"),
        (has(Shape::Missing), Shape::Missing, false, "not in the capture"),
        (has(Shape::Fin), Shape::Fin, false, "FIN"),
        (has(Shape::Rst), Shape::Rst, false, "RST"),
        (has(Shape::Icmp), Shape::Icmp, false, "ICMP error from a box on the way"),
        (dot(true), Shape::Dot, false, "a frame that is no event of its own"),
    ];
    html.within("ul", &[("class", "legend"), ("aria-hidden", "true")], |html| {
        for (_, shape, run, meaning) in shown.into_iter().filter(|(occurs, ..)| *occurs) {
            html.within("li", &[], |html| {
                let width = if shape == Shape::Dot { 12 } else { 64 };
                let layout = Layout { class: "", width, client: 6, server: width - 4, columns: None, label: 0, address: 0 };
                let mut canvas = Canvas { layout: &layout, parts: Vec::new(), y: 0, cuts: vec![22] };
                let at = crate::base::At::default();
                let plain = Step {
                    at,
                    until: at,
                    time: String::new(),
                    frames: String::new(),
                    from: Some(if shape == Shape::Icmp { Side::Server } else { Side::Client }),
                    label: String::new(),
                    shape,
                    run,
                    root: false,
                    cited: false,
                    answers: None,
                    pause: Span::ZERO,
                };
                canvas.arrow(&plain, 11);
                canvas.write(html);
                html.text(meaning);
            });
        }
        for (occurs, class, sign, meaning) in [
            (dot(false), "", "┄", "of another session, or of the capture itself"),
            (steps.iter().any(|step| step.root), "root", "◆", "root event: the first act that nothing provoked"),
            (steps.iter().any(|step| step.answers.is_some()), "react", "↩", "reaction, with an arc back to what it answers"),
            (steps.iter().any(|step| step.cited && !step.root), "", "●", "cited as evidence"),
        ] {
            if occurs {
                html.within("li", &[], |html| {
                    html.leaf("b", &[("class", class)], sign);
                    html.text(meaning);
                });
            }
        }
    });
}
