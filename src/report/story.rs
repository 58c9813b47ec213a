//! One session's story: the verdict, the frames that prove it, what was ruled out, what to do, and everything that happened.

use crate::base::{At, Side, Time, printable};
use crate::diagnose::exchange;
use crate::diagnose::{Fact, Fault, Impact, Rule, Verdict};
use crate::report::blocks::Block;
use crate::report::text::{count, grouped, sentence, shown};
use crate::report::time::{Stamp, lasting};
use crate::report::wireshark::Filter;
use crate::report::{Context, alpn, errors, manual, names, sni, timeline};
use crate::session::{Cap, CloseNotify, ClosedBy, Decryption, Ending, Session};
use crate::tls::community_id;

/// The story as a page. `rule` is the manual's page on the cause, where there is one.
pub fn page(session: &Session, verdict: &Verdict, rule: Option<&Rule>, context: &Context) -> Vec<Block> {
    let mut out = Vec::new();
    opening(&mut out, session, verdict, rule, context);
    evidence(&mut out, session, verdict, context);
    doubts(&mut out, verdict);
    advice(&mut out, verdict, rule);
    applications(&mut out, session, verdict);
    happened(&mut out, session, verdict, context);
    data(&mut out, session);
    out
}

fn opening(out: &mut Vec<Block>, session: &Session, verdict: &Verdict, rule: Option<&Rule>, context: &Context) {
    let number = session.tcp_stream.map_or("Session".to_owned(), |number| format!("Session {number}"));
    let (client, server) = (session.ends.client, session.ends.server);
    let name = sni(session).map_or(String::new(), |name| format!(" ({})", printable(&name, 100)));
    out.push(Block::Title(format!("{number}: {client} → {server}{name}")));
    out.push(Block::Lead(sentence(&shown(&verdict.summary))));
    let mut pair = |label: &str, text: String| out.push(Block::Pair(label.to_owned(), text));
    pair("ended by", format!("{} ({})", ended_by(session, verdict), verdict.closed_by_confidence));
    if session.close_notify.client != CloseNotify::NotApplicable || session.close_notify.server != CloseNotify::NotApplicable {
        let said = |side: Side| close_notify(session.close_notify[side]);
        pair("close_notify", format!("client: {}; server: {}", said(Side::Client), said(Side::Server)));
    }
    pair("fault", format!("{} ({})", fault(verdict.fault), verdict.fault_confidence));
    pair("cause", rule.map_or(verdict.cause.to_owned(), |rule| format!("{}: {}", rule.slug, rule.summary)));
    pair("impact", impact(verdict.impact).to_owned());
    if let Some(words) = session.exchange.as_deref().and_then(exchange::words) {
        pair("exchange", words);
    }
    let clock = &context.clock;
    let (first, last) = (session.first.time, session.last.time);
    pair(
        "time",
        format!(
            "{} {} to {} {}, {}",
            clock.date(first),
            clock.time_of_day_millis(first),
            clock.time_of_day_millis(last),
            clock.offset(last),
            lasting(session.duration())
        ),
    );
    if !session.roles_seen {
        pair("roles", "guessed: neither a SYN nor a ClientHello is in the capture".to_owned());
    }
    for &reason in &session.caps {
        pair("limited by", format!("{}: {}", reason.name(), cap(reason)));
    }
}

fn evidence(out: &mut Vec<Block>, session: &Session, verdict: &Verdict, context: &Context) {
    out.push(Block::Heading("How we know".to_owned()));
    for cited in &verdict.evidence {
        let whose = cited.session.map_or(String::new(), |number| format!(" of session {number}"));
        let who = cited.from.map_or(String::new(), |side| format!("{side}{whose}: "));
        let how = match cited.fact {
            Fact::Saw => String::new(),
            Fact::Inferred => "inferred: ".to_owned(),
            Fact::Missing(bytes) => format!("missing ({} unseen): ", count(bytes, "byte", "bytes")),
        };
        out.push(Block::Item(place(cited.at, session, context), format!("{who}{how}{}", shown(&cited.what))));
    }
    for told in &verdict.reactions {
        let who = told.from.map_or(String::new(), |side| format!("{side}: "));
        let text = format!("{who}{}, a reaction to frame {}", shown(&told.what), told.to.frame);
        out.push(Block::Item(place(told.at, session, context), text));
    }
}

/// Where to find a frame: its number, its file where there are several, its time since the session's start.
fn place(at: At, session: &Session, context: &Context) -> String {
    let file = if context.files.len() > 1 { format!("{} ", printable(context.file(at), 60)) } else { String::new() };
    format!("{file}frame {} (+{:.3} s)", at.frame, at.time.since(session.first.time).secs())
}

fn doubts(out: &mut Vec<Block>, verdict: &Verdict) {
    if !verdict.ruled_out.is_empty() {
        out.push(Block::Heading("Ruled out".to_owned()));
        for ruled_out in &verdict.ruled_out {
            out.push(Block::Item("•".to_owned(), format!("{}: {}", ruled_out.fault, shown(&ruled_out.why))));
        }
    }
    if !verdict.alternatives.is_empty() {
        out.push(Block::Heading("What else it can have been".to_owned()));
        for other in &verdict.alternatives {
            out.push(Block::Item("•".to_owned(), format!("{}, {}: {}", other.fault, other.cause, shown(&other.why))));
            if !other.decide_by.is_empty() {
                let (text, command) = with_command(&other.decide_by);
                out.push(Block::Item("  to decide:".to_owned(), text));
                out.extend(command.map(Block::Command));
            }
        }
    }
}

/// Advice, and the command it ends with, if it does: a command must be pasted, so it is never wrapped.
pub(super) fn with_command(text: &str) -> (String, Option<String>) {
    match text.find(": tcpdump ").and_then(|at| text.split_at_checked(at + 1)) {
        Some((lead, command)) => (shown(lead), Some(printable(command.trim().trim_end_matches('.'), 400))),
        None => (shown(text), None),
    }
}

/// What to do: the verdict's own advice, or else the manual's.
pub(super) fn advice(out: &mut Vec<Block>, verdict: &Verdict, rule: Option<&Rule>) {
    let general = rule.map(|rule| manual::blocks(manual::section(&rule.manual(), "What to do"))).unwrap_or_default();
    if verdict.advice.is_empty() && general.is_empty() {
        return;
    }
    out.push(Block::Heading("What to do".to_owned()));
    for (place, step) in verdict.advice.iter().enumerate() {
        let (text, command) = with_command(step);
        out.push(Block::Item(format!("{}.", place + 1), if command.is_some() { text } else { sentence(&text) }));
        out.extend(command.map(Block::Command));
    }
    if verdict.advice.is_empty() {
        // The manual's own list, short: the page holds the rest.
        out.extend(general.into_iter().take(4));
    }
    if let Some(rule) = rule {
        out.push(Block::Item("•".to_owned(), format!("The manual on this cause: whohungup causes {}", rule.slug)));
    }
}

fn applications(out: &mut Vec<Block>, session: &Session, verdict: &Verdict) {
    let Some((side, messages)) = errors::logged(session, verdict) else { return };
    out.push(Block::Heading(format!("What the {side}'s application will have logged")));
    let heading = vec!["program".to_owned(), "message".to_owned()];
    let rows = messages.iter().map(|message| vec![message.stack.to_owned(), message.text.to_owned()]);
    out.push(Block::Table(std::iter::once(heading).chain(rows).collect()));
}

fn happened(out: &mut Vec<Block>, session: &Session, verdict: &Verdict, context: &Context) {
    let lines = timeline::lines(session, context);
    if !lines.is_empty() {
        out.push(Block::Heading("What happened: seconds, frames, who sent it".to_owned()));
        out.push(Block::Columns(lines));
    }
    let filter = Filter::new(session, verdict, context.files.len());
    let of = context.files.get(usize::from(filter.file())).filter(|_| context.files.len() > 1);
    let of = of.map_or(String::new(), |name| format!(" on {}", printable(name, 60)));
    out.push(Block::Heading(format!("Wireshark: the cited frames, then the whole session{of}")));
    out.push(Block::Command(filter.to_string()));
    out.push(Block::Command(filter.session_only().to_string()));
}

/// What was negotiated, sent and counted.
pub(super) fn data(out: &mut Vec<Block>, session: &Session) {
    out.push(Block::Heading("The session".to_owned()));
    let mut pair = |label: &str, text: String| out.push(Block::Pair(label.to_owned(), text));
    let tls = &session.tls;
    let version = tls.version.map(|version| version.to_string());
    let suite = tls.suite.map(|suite| suite.to_string());
    let negotiated: Vec<String> = version.into_iter().chain(suite).chain(tls.resumed.then(|| "resumed".to_owned())).collect();
    if !negotiated.is_empty() {
        pair("TLS", negotiated.join(", "));
    }
    if let Some(text) = decrypted(&tls.decryption) {
        pair("decrypted", text);
    }
    for talk in session.prelude.iter().flat_map(|story| &story.talks) {
        let target = talk.target.as_ref().map_or(String::new(), |target| format!(" to {}", printable(target, 100)));
        let reply = talk.last_reply.as_ref().map_or(String::new(), |reply| format!(" (\"{}\")", printable(&reply.text, 100)));
        pair("before TLS", format!("{}{target}: {}{reply}", talk.protocol.name(), names::outcome(talk.state)));
    }
    if let Some(name) = sni(session) {
        pair("server name", printable(&name, 253));
    }
    if let Some(protocol) = alpn(session) {
        pair("ALPN", printable(&protocol, 80));
    }
    for (label, hash) in [("JA3", session.ja3()), ("JA4", session.ja4())] {
        if let Some(hash) = hash {
            pair(label, hash);
        }
    }
    for line in certificate(session).into_iter().flatten() {
        pair("certificate", line);
    }
    pair("Community ID", community_id(session.ends.client, session.ends.server));
    for side in Side::BOTH {
        let facts = &session.sides[side];
        let packets = count(facts.packets.into(), "packet", "packets");
        let bytes = count(facts.bytes, "byte", "bytes");
        let again =
            if facts.retransmissions > 0 { format!(", {} sent again", grouped(facts.retransmissions.into())) } else { String::new() };
        pair(side.name(), format!("{packets}, {bytes}{again}"));
    }
    let rtts = [(session.opening.client_rtt, "client"), (session.opening.server_rtt, "server")];
    let rtts: Vec<String> = rtts.into_iter().filter_map(|(rtt, side)| Some(format!("{} to the {side}", lasting(rtt?)))).collect();
    if !rtts.is_empty() {
        pair("round trip", format!("from the capture point: {}", rtts.join(", ")));
    }
}

/// How much was decrypted, where there were keys.
fn decrypted(decryption: &Decryption) -> Option<String> {
    let data = || count(decryption.bytes, "byte of application data", "bytes of application data");
    let all = decryption.opened + decryption.closed;
    decryption.keyed.then(|| match (decryption.opened, decryption.closed) {
        (0, 0) => "nothing: no encrypted record came".to_owned(),
        (0, _) => "nothing: the key log's secrets of this session open no record".to_owned(),
        (opened, 0) => format!("all {}, {}", count(opened, "encrypted record", "encrypted records"), data()),
        (opened, _) => format!("{} of {}, {}", grouped(opened), count(all, "encrypted record", "encrypted records"), data()),
    })
}

/// The server's certificate in a few lines, where it could be read.
fn certificate(session: &Session) -> Option<Vec<String>> {
    let chain = session.tls.certificates.as_ref()?;
    let leaf = chain.leaf.as_ref().filter(|leaf| leaf.readable)?;
    let day = |seconds: i64| {
        Stamp::new(Time::from_nanos(seconds.saturating_mul(1_000_000_000))).as_str().get(..10).unwrap_or_default().to_owned()
    };
    let own = if leaf.self_signed { ", self-signed" } else { "" };
    let mut lines = vec![
        format!("{}{own}", shown(&leaf.subject)),
        format!(
            "valid from {} to {}; chain of {}",
            day(leaf.not_before),
            day(leaf.not_after),
            count(chain.count.into(), "certificate", "certificates")
        ),
    ];
    if !leaf.self_signed {
        lines.push(format!("issued by {}", shown(&leaf.issuer)));
    }
    if !leaf.dns_names.is_empty() {
        const FEW: usize = 8;
        let names: Vec<String> = leaf.dns_names.iter().take(FEW).map(|name| printable(name, 80)).collect();
        let more = if leaf.dns_names.len() > FEW { format!(" and {} more", leaf.dns_names.len() - FEW) } else { String::new() };
        lines.push(format!("for {}{more}", names.join(", ")));
    }
    Some(lines)
}

fn ended_by(session: &Session, verdict: &Verdict) -> String {
    format!("{}, {}", who(verdict.closed_by), how(session, verdict))
}

/// Who ended it, as people say it.
pub(super) fn who(closed_by: ClosedBy) -> &'static str {
    match closed_by {
        ClosedBy::Client => "the client",
        ClosedBy::Server => "the server",
        ClosedBy::Proxy => "a proxy or another box between them",
        ClosedBy::Nobody => "nobody",
        ClosedBy::Unknown => "unknown",
    }
}

/// How it ended, as people say it.
pub(super) fn how(session: &Session, verdict: &Verdict) -> &'static str {
    let said = match verdict.closed_by {
        ClosedBy::Client => session.close_notify.client,
        ClosedBy::Server => session.close_notify.server,
        _ => CloseNotify::Absent,
    };
    match verdict.ending {
        Ending::CloseNotify => "with a close_notify",
        Ending::Fin if said == CloseNotify::Unknown => "by a FIN; whether a close_notify announced it is unknown",
        Ending::Rst if said == CloseNotify::Unknown => "by a RST; whether a close_notify announced it is unknown",
        Ending::Fin if said == CloseNotify::NotApplicable => "by a FIN, before TLS began",
        Ending::Rst if said == CloseNotify::NotApplicable => "by a RST, before TLS began",
        Ending::Fin => "by a FIN that no close_notify announced",
        Ending::Rst => "by a RST that no close_notify announced",
        Ending::FatalAlert => "by a fatal alert",
        Ending::Stall => "after one side was no longer answered",
        Ending::NoConnection => "TCP never came up",
        Ending::Open => "it was still running when the capture ended",
        Ending::Unseen => "the end is not in the capture",
    }
}

/// What is known of a side's close_notify.
pub(super) fn close_notify(said: CloseNotify) -> &'static str {
    match said {
        CloseNotify::Sent => "sent",
        CloseNotify::Likely => "very likely sent (encrypted; size and place fit nothing else)",
        CloseNotify::Absent => "not sent",
        CloseNotify::Unknown => "unknown",
        CloseNotify::NotApplicable => "none possible yet",
    }
}

/// Whose fault it is.
pub(super) fn fault(fault: Fault) -> &'static str {
    match fault {
        Fault::None => "nobody's",
        Fault::Client => "the client's",
        Fault::Server => "the server's",
        Fault::Proxy => "a proxy's or another box's between them",
        Fault::Network => "the network's",
        Fault::Undetermined => "undetermined: this capture cannot decide it",
    }
}

/// What it cost.
pub(super) fn impact(impact: Impact) -> &'static str {
    match impact {
        Impact::None => "none",
        Impact::TruncationPossible => "the end of the data may be missing; nothing in the capture can tell",
        Impact::DataLost => "data was lost, proven",
        Impact::SessionFailed => "the session never did what it was for",
        Impact::Unknown => "unknown",
    }
}

/// What a capture defect means for the reader.
pub(super) fn cap(cap: Cap) -> &'static str {
    match cap {
        Cap::Hole => "bytes that were on the wire are missing from the capture",
        Cap::OneDirection => "only one direction was captured: what the other side said is unknown",
        Cap::Snaplen => "the snap length cut payloads; capture with -s 0",
        Cap::CutEnd => "the capture ends soon after the last packet: what came next is unknown",
        Cap::MidStream => "the capture starts after the session did",
        Cap::Duplicates => "packets were captured twice, at two points or on two interfaces",
        Cap::Disorder => "packets stand in the capture in another order than they came in, by their times; reordercap puts them right",
        Cap::KernelDrops => "the capturing program reports packets it lost",
        Cap::BadChecksums => "some segments have wrong checksums, and their receiver drops those",
        Cap::LimitReached => "a limit of this program was reached",
        Cap::FramingLost => "the record boundaries were lost: what follows cannot be told apart",
        Cap::Padded => "records are padded to whole blocks: only keys tell a close_notify from data",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::rules;
    use crate::report::blocks::{markdown, terminal};
    use crate::report::sample;
    use crate::report::text::{Paint, width};

    fn story(sample: &(Session, Verdict), columns: usize) -> String {
        let rule = rules::find(sample.1.cause);
        terminal(&page(&sample.0, &sample.1, rule, &sample::context()), columns, Paint::default())
    }

    #[test]
    fn an_end_is_called_unannounced_only_where_that_is_known() {
        let mut session = sample::idle_timeout();
        for (said, words) in [
            (CloseNotify::Absent, "the server, by a FIN that no close_notify announced (certain)"),
            (CloseNotify::Unknown, "the server, by a FIN; whether a close_notify announced it is unknown (certain)"),
            (CloseNotify::NotApplicable, "the server, by a FIN, before TLS began (certain)"),
        ] {
            session.0.close_notify.server = said;
            assert!(story(&session, 100).contains(words), "{words}");
        }
    }

    #[test]
    fn tells_all_of_it() {
        let mut session = sample::idle_timeout();
        session.0.caps = vec![Cap::CutEnd];
        let text = story(&session, 100);
        for needle in [
            "Session 17: 10.0.0.12:51544 → 203.0.113.7:443 (api.example.com)",
            "The server closed without close_notify after 60.0 s of silence",
            "the server, by a FIN that no close_notify announced (certain)",
            "nobody's (likely)",
            "frame 3312 (+60.020 s) server: FIN with no close_notify before it",
            "frame 2988 (+0.061 s) server: inferred: the last answer was complete",
            "frame 3313 (+60.021 s) client: RST, a reaction to frame 3312",
            "network: every byte was acknowledged",
            "proxy, middlebox-idle-timeout: a box",
            "\n  tcpdump -i any -w server.pcap host 10.0.0.12 and tcp port 443\n",
            "1. Let the client's pool drop idle connections before 60 s.",
            "whohungup causes server-idle-timeout",
            "unexpected eof while reading",
            "… 60.0 s of silence …",
            "tcp.stream eq 17 && frame.number in {2988, 3312}\n  tcp.stream eq 17\n",
            "TLS 1.3, TLS_AES_128_GCM_SHA256",
            "35 packets, 40,211 bytes",
            "12 ms to the server",
            "cut_end: the capture ends soon after",
        ] {
            assert!(text.contains(needle), "{needle}\n{text}");
        }
    }

    #[test]
    fn fits_its_width_but_for_what_is_pasted() {
        let text = story(&sample::idle_timeout(), 80);
        for line in text.lines().filter(|line| !line.contains("tcp.stream") && !line.contains("tcpdump")) {
            assert!(width(line) <= 80, "{line}");
        }
    }

    #[test]
    fn hostile_text_is_shown_harmless() {
        let (session, verdict) = sample::hostile();
        let rule = rules::find(verdict.cause);
        let blocks = page(&session, &verdict, rule, &sample::context());
        let text = terminal(&blocks, 100, Paint::default());
        assert!(!text.contains(['\x1b', '\r', '\u{202e}']), "{text}");
        assert!(text.contains("\\x1b[2J"), "{text}");
        let text = markdown(&blocks);
        assert!(!text.contains("<script>"), "{text}");
        assert!(text.contains("&lt;script&gt;"), "{text}");
    }

    #[test]
    #[ignore = "for the eye: cargo test --lib look_at_the_story -- --ignored --nocapture"]
    fn look_at_the_story() {
        for sample in [sample::idle_timeout(), sample::refused_hello(3, 0)] {
            let rule = rules::find(sample.1.cause);
            let blocks = page(&sample.0, &sample.1, rule, &sample::context());
            println!("{}\n=====\n{}\n=====", terminal(&blocks, 80, Paint::new(true)), markdown(&blocks));
        }
    }
}
