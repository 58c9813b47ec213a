//! The pages in a real browser: screenshots for the eye, on a desktop, on a telephone, dark, and as a printed page.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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

/// Starts the browser on `page` to make `picture` by `options`.
fn look(browser: &Path, page: &Path, picture: &Path, options: &[&str]) {
    let profile = tempfile::tempdir().unwrap();
    let _ = fs::remove_file(picture);
    let done = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--hide-scrollbars"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(options)
        .arg(format!("file://{}", page.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(done.success(), "{}: {done}", browser.display());
    let size = fs::metadata(picture).map_or(0, |metadata| metadata.len());
    assert!(size > 5_000, "{}: {size} bytes", picture.display());
}

#[test]
fn pages_are_looked_at() {
    let directory = directory();
    let pages = [
        ("idle", written(&sessions::of_file("server-idle-timeout.pcap")[0], "server-idle-timeout.pcap")),
        ("long", written(&sessions::long(5_000), "long.pcap")),
    ];
    for (name, text) in &pages {
        fs::write(directory.join(format!("{name}.html")), text).unwrap();
    }
    let Some(browser) = browser() else {
        println!("skipped: no chromium on the PATH; the pages are in {}", directory.display());
        return;
    };
    for (name, _) in &pages {
        let page = directory.join(format!("{name}.html"));
        let picture = |kind: &str| directory.join(format!("{name}-{kind}"));
        let to = |picture: &Path| format!("--screenshot={}", picture.display());
        let desktop = picture("desktop.png");
        look(&browser, &page, &desktop, &["--window-size=1200,1600", &to(&desktop)]);
        let dark = picture("dark.png");
        look(&browser, &page, &dark, &["--window-size=1200,1600", "--blink-settings=preferredColorScheme=0", &to(&dark)]);
        let narrow = picture("narrow.png");
        look(&browser, &page, &narrow, &["--window-size=360,2400", &to(&narrow)]);
        let print = picture("print.pdf");
        look(&browser, &page, &print, &["--no-pdf-header-footer", &format!("--print-to-pdf={}", print.display())]);
    }
    println!("screenshots are in {}", directory.display());
}
