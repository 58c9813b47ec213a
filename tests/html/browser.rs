//! The pages in a real browser: screenshots for the eye, on a desktop, on a telephone, dark, and as a printed page.

use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use assert_cmd::Command;

use crate::{sessions, written};

/// Where pages and pictures are left.
fn directory() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("html");
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// The browser, if there is one.
fn browser() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let path = env::var_os("PATH")?;
    env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name))).find(|file| file.is_file())
}

/// Says something that is seen whether the test passes or not.
fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "tests/html: {what}");
}

/// The browser, told to show nobody anything, keep nothing and ask nobody. It is given up after two minutes.
fn headless(browser: &Path, profile: &Path) -> Command {
    let mut command = Command::new(browser);
    command
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--hide-scrollbars"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .timeout(Duration::from_secs(120));
    command
}

/// Starts the browser on `page` to make `picture` by `options`.
fn look(browser: &Path, page: &Path, picture: &Path, options: &[&str]) {
    let profile = tempfile::tempdir().unwrap();
    let _ = fs::remove_file(picture);
    headless(browser, profile.path()).args(options).arg(format!("file://{}", page.display())).assert().success();
    let size = fs::metadata(picture).map_or(0, |metadata| metadata.len());
    assert!(size > 5_000, "{}: {size} bytes", picture.display());
}

/// How a page is looked at: a name, and what the browser is told.
type Look = (&'static str, &'static [&'static str]);

const DESKTOP: Look = ("desktop.png", &["--window-size=1200,1600"]);
const DARK: Look = ("dark.png", &["--window-size=1200,1600", "--blink-settings=preferredColorScheme=0"]);
const NARROW: Look = ("narrow.png", &["--window-size=360,2400"]);
const PRINT: Look = ("print.pdf", &["--no-pdf-header-footer"]);

#[test]
fn pages_are_looked_at() {
    let directory = directory();
    let session = |file: &str| written(&sessions::of_file(&crate::common::directory().join(file))[0], file);
    let pages: [(&str, String, &[Look]); 5] = [
        ("idle", session("server-idle-timeout.pcap"), &[DESKTOP, DARK, NARROW, PRINT]),
        ("long", written(&sessions::long(5_000), "long.pcap"), &[PRINT]),
        ("black-hole", session("path-mtu-black-hole.pcap"), &[DESKTOP]),
        ("hostile", written(&sessions::named(sessions::HOSTILE[5]), "hostile.pcap"), &[NARROW]),
        ("index", crate::many(5_000), &[DESKTOP, NARROW]),
    ];
    for (name, text, _) in &pages {
        fs::write(directory.join(format!("{name}.html")), text).unwrap();
    }
    let Some(browser) = browser() else {
        say(&format!("skipped: no chromium on the PATH; the pages are in {}", directory.display()));
        return;
    };
    for (name, _, ways) in &pages {
        let page = directory.join(format!("{name}.html"));
        for (kind, options) in *ways {
            let picture = directory.join(format!("{name}-{kind}"));
            let how = if kind.ends_with(".pdf") { "print-to-pdf" } else { "screenshot" };
            look(&browser, &page, &picture, &[options, &[format!("--{how}={}", picture.display()).as_str()][..]].concat());
        }
    }
    say(&format!("screenshots are in {}", directory.display()));
}

/// Uses the index, and notes into the page: what the live region says, rows shown, the first of them, the order as a screen reader is told.
const USE: &str = r#"
const note = [];
const wait = (then) => setTimeout(then, 400);
const state = () => {
  const shown = [...document.querySelectorAll("tbody tr")].filter((tr) => !tr.hidden);
  const sorted = document.querySelector("th[aria-sort]");
  return [document.getElementById("count").textContent, shown.length, shown[0]?.cells[0].textContent ?? "none",
    sorted ? `${sorted.textContent} ${sorted.getAttribute("aria-sort")}` : "unsorted"].join(" | ");
};
const type = (id, value) => { const field = document.getElementById(id); field.value = value; field.dispatchEvent(new Event("input", { bubbles: true })); };
const press = (heading) => [...document.querySelectorAll("th button")].find((button) => button.textContent === heading).click();
const steps = [
  () => press("Session"),
  () => press("Session"),
  () => type("find", "RST refused"),
  () => { type("find", ""); type("fault", "network"); },
  () => type("find", "no session has this in it"),
  () => document.getElementById("filters").reset(),
  () => { location.hash = "fault=server&order=0+descending"; },
];
const next = () => {
  const step = steps.shift();
  if (!step) {
    const pre = document.createElement("pre");
    pre.id = "noted";
    pre.textContent = note.join("\n");
    document.body.append(pre);
    return;
  }
  step();
  wait(() => { note.push(state()); next(); });
};
next();
"#;

/// What the browser makes of `page`.
fn dom(browser: &Path, page: &str, options: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.html");
    fs::write(&file, page).unwrap();
    let done = headless(browser, &folder.path().join("profile"))
        .args(options)
        .arg("--dump-dom")
        .arg(format!("file://{}", file.display()))
        .assert()
        .success();
    String::from_utf8_lossy(&done.get_output().stdout).into_owned()
}

/// Measures the page in a frame: whether it fits, or else what reaches beyond its right edge.
const WIDTHS: &str = "onload = () => {
  const inner = document.querySelector('iframe').contentWindow;
  const wide = [...inner.document.body.querySelectorAll('*')].filter((e) => e.getBoundingClientRect().right > inner.innerWidth + 1);
  const fits = inner.document.documentElement.scrollWidth <= inner.innerWidth;
  document.title = `${inner.innerWidth} wide: ${fits ? 'fits' : wide.map((e) => e.outerHTML.slice(0, 80))}`;
};";

#[test]
fn nothing_is_wider_than_a_telephone() {
    let Some(browser) = browser() else {
        say("skipped: no chromium on the PATH");
        return;
    };
    let refused = sessions::of_file(&crate::common::directory().join("proxy-refused-tunnel.pcapng"));
    let pages = [
        written(&sessions::named(sessions::HOSTILE[5]), "hostile.pcap"),
        written(&refused[0], "proxy-refused-tunnel.pcapng"),
        crate::many(50),
    ];
    let measured = |page: &str| {
        // A window cannot be as narrow, a frame can.
        let page = page.replace('&', "&amp;").replace('"', "&quot;");
        let frame = format!("<iframe width=\"320\" height=\"640\" frameborder=\"0\" srcdoc=\"{page}\"></iframe>");
        let dom = dom(&browser, &format!("<title></title>{frame}<script>{WIDTHS}</script>"), &[]);
        dom.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next()).unwrap_or_default().to_owned()
    };
    for page in &pages {
        assert_eq!(measured(page), "320 wide: fits");
    }
    let long = pages[0].replace("</main>", &format!("<pre>{}</pre></main>", "x".repeat(200)));
    let told = measured(&long);
    assert!(told.starts_with("320 wide:") && told != "320 wide: fits", "a line that is too long is noticed: {told}");
}

#[test]
fn the_index_sorts_and_filters() {
    let Some(browser) = browser() else {
        say("skipped: no chromium on the PATH");
        return;
    };
    // A second script, which the page's own policy would rightly refuse: it is taken out.
    let page = crate::many(1_000);
    let (before, policy) = page.split_once("<meta http-equiv").unwrap();
    let (_, after) = policy.split_once("/>").unwrap();
    let page = format!("{before}{after}").replace("</body>", &format!("<script>{USE}</script></body>"));
    let dom = dom(&browser, &page, &["--virtual-time-budget=20000"]);
    let noted = dom.split("<pre id=\"noted\">").nth(1).and_then(|rest| rest.split("</pre>").next()).unwrap_or_default();
    let noted: Vec<Vec<&str>> = noted.lines().map(|line| line.split(" | ").collect()).collect();
    let all = ["1,000 sessions", "1000"];
    let step = |place: usize| noted.get(place).cloned().unwrap_or_default();
    assert_eq!(step(0), ["1,000 sessions, by session, ascending", all[1], "0", "Session ascending"]);
    assert_eq!(step(1), ["1,000 sessions, by session, descending", all[1], "999", "Session descending"]);
    for place in [2, 3] {
        let shown: u32 = step(place)[1].parse().unwrap();
        assert!((1..500).contains(&shown), "step {place} shows {shown}");
        assert_eq!(step(place)[0], format!("{shown} of 1,000 sessions, by session, descending"));
    }
    assert_eq!(step(4)[..3], ["0 of 1,000 sessions, by session, descending", "0", "none"]);
    assert_eq!(step(5)[..2], all);
    assert_eq!(step(5)[3], "unsorted", "all of it, in its first order");
    let shown: u32 = step(6)[1].parse().unwrap();
    assert!((1..500).contains(&shown), "a link to one choice shows {shown}");
    assert_eq!(step(6)[3], "Session descending");
}
