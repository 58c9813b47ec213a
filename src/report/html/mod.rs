//! Reports as HTML: one self-contained page about a session, and an index of many. Nothing is loaded from elsewhere, and no script runs
//! on a session's page.

mod index;
mod ladder;
mod palette;
mod parts;
mod sections;
mod shell;
mod write;

pub use index::{IndexEntry, index};

use crate::analyze::Finished;
use crate::diagnose::Rule;
use crate::report::about::About;
use crate::report::text::{sentence, shown};

/// The page about one session. `rule` is the manual's page on its cause, where there is one.
///
/// The ladder is drawn from the session's timeline: analyse with [`STORY_EVENTS`](super::STORY_EVENTS) to have one.
pub fn page(finished: &Finished, rule: Option<&Rule>, about: &About) -> String {
    let number = finished.session.tcp_stream.map_or("Session".to_owned(), |number| format!("Session {number}"));
    let title = format!("{number}: {}", sentence(&shown(&finished.verdict.summary)));
    shell::document(&title, include_str!("page.css"), None, |html| sections::write(html, finished, rule, about))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::rules;
    use crate::report::about::Source;
    use crate::report::sample;

    fn written((session, verdict): (crate::session::Session, crate::diagnose::Verdict)) -> String {
        let mut about = About::new(sample::context(), "whohungup evidence office.pcapng 17");
        about.sources = vec![Source { name: "office.pcapng".into(), bytes: Some(81_920), sha256: Some("00ff".repeat(16)) }];
        about.capture = Some("session.pcapng".into());
        about.notes = vec!["Application data was zeroed.".into()];
        let rule = rules::find(verdict.cause);
        page(&sample::finished(session, verdict), rule, &about)
    }

    #[test]
    fn the_page_tells_all_of_it() {
        let text = written(sample::idle_timeout());
        for needle in [
            "<h1>The server closed without close_notify after 60.0 s of silence with nothing outstanding.</h1>",
            "By a FIN that no close_notify announced",
            "Nobody&#39;s",
            "<span class=\"dots\" aria-hidden=\"true\">●●○</span> likely",
            "<b>The network:</b> every byte was acknowledged",
            "<code>middlebox-idle-timeout</code>",
            "<code>tcpdump -i any -w server.pcap host 10.0.0.12 and tcp port 443</code>",
            "<b>3312</b>",
            "<b>2988</b>",
            "<b>3313</b>",
            "reaction to 3312",
            "unexpected eof while reading",
            "Let the client&#39;s pool drop idle connections before 60 s.",
            "<code>tcp.stream eq 17 &amp;&amp; frame.number in {2988, 3312}</code>",
            "<code>session.pcapng</code>",
            "TLS_AES_128_GCM_SHA256",
            "81,920 bytes, SHA-256 00ff00ff",
            "Application data was zeroed.",
            "whohungup evidence office.pcapng 17",
        ] {
            assert!(text.contains(needle), "{needle}\n{text}");
        }
    }

    #[test]
    fn hostile_text_stays_text() {
        let text = written(sample::hostile());
        assert!(!text.contains("<script"), "{text}");
        assert!(!text.contains(['\x1b', '\r', '\u{202e}']), "{text}");
        assert!(text.contains("\\x1b[2J\\u{202e}&lt;script&gt;"), "{text}");
    }
}
