//! Hand-built sessions and verdicts for the tests of the reports.

use std::sync::Arc;

use crate::analyze::Finished;
use crate::base::{At, Endpoint, PerSide, Side, Span, Time, Way};
use crate::diagnose::{Alternative, Citation, Confidence, Fact, Fault, Impact, Pattern, PatternKind, RuledOut, ToldReaction, Verdict};
use crate::report::Context;
use crate::report::time::Clock;
use crate::session::{
    Act, ActKind, CloseNotify, ClosedBy, Closing, Ending, Event, Opening, Phase, Session, SideFacts, Timeline, TlsFacts, What,
};
use crate::tls::{Certificate, Chain, ClientHello, Suite, Version};

/// 2026-11-20T14:03:02.114203Z.
pub(crate) const START: Time = Time::from_nanos(1_795_183_382_114_203_000);

pub(crate) fn context() -> Context {
    Context { files: vec!["office.pcapng".into()], clock: Clock::utc() }
}

pub(crate) fn at(frame: u32, millis: i64) -> At {
    At::new(START.plus(Span::from_millis(millis)), frame, 0)
}

pub(crate) fn finished(session: Session, verdict: Verdict) -> Finished {
    Finished { session: Arc::new(session), verdict: Box::new(verdict), beside: Default::default(), id: 1, open: false }
}

fn end(ip: &str, port: u16) -> Endpoint {
    Endpoint { ip: ip.parse().unwrap(), port }
}

fn session(stream: u32, sni: &str) -> Session {
    Session {
        connection: stream,
        grounds: Default::default(),
        tcp_stream: Some(stream),
        ends: PerSide { client: end("10.0.0.12", 51_544), server: end("203.0.113.7", 443) },
        roles_seen: true,
        first: at(2901, 0),
        last: at(3313, 60_021),
        capture_end: at(0, 90_000).time,
        opening: Opening {
            syn: Some(at(2901, 0)),
            syns: 1,
            last_syn: Some(at(2901, 0)),
            syn_ack: Some(at(2902, 12)),
            established: Some(at(2903, 12)),
            server_rtt: Some(Span::from_millis(12)),
            client_rtt: Some(Span::from_nanos(80_000)),
        },
        sides: PerSide {
            client: Box::new(SideFacts { packets: 14, bytes: 812, records: 6, app_records: 2, ..SideFacts::default() }),
            server: Box::new(SideFacts { packets: 35, bytes: 40_211, records: 30, app_records: 26, ..SideFacts::default() }),
        },
        tls: Box::new(TlsFacts {
            seen: true,
            client_hello: Some(hello(sni)),
            client_hello_at: Some(at(2904, 13)),
            client_hello_segments: 1,
            version: Some(Version::TLS13),
            suite: Some(Suite(0x1301)),
            ..TlsFacts::default()
        }),
        exchange: None,
        prelude: None,
        phase: Phase::Established,
        closing: Closing::default(),
        ending: Ending::Fin,
        closed_by: ClosedBy::Server,
        close_notify: PerSide { client: CloseNotify::Absent, server: CloseNotify::Absent },
        icmp: Vec::new(),
        timeline: Timeline::default(),
        caps: Vec::new(),
        client_way: crate::base::FlowKey::new(end("10.0.0.12", 51_544), end("203.0.113.7", 443)).1,
    }
}

fn verdict(session: &Session, fault: Fault, cause: &'static str, summary: &str) -> Verdict {
    Verdict {
        ending: session.ending,
        ending_confidence: Confidence::Certain,
        closed_by: session.closed_by,
        closed_by_confidence: Confidence::Certain,
        fault,
        fault_confidence: Confidence::Likely,
        cause,
        impact: Impact::Unknown,
        summary: summary.to_owned().into(),
        evidence: vec![Citation { at: session.last, from: Some(Side::Server), session: None, fact: Fact::Saw, what: "FIN".into() }],
        reactions: Vec::new(),
        ruled_out: Vec::new(),
        alternatives: Vec::new(),
        advice: Vec::new(),
    }
}

fn events(list: &[(u32, i64, u32, i64, Way, What)]) -> Timeline {
    let mut timeline = Timeline::default();
    for &(frame, millis, until, until_millis, way, what) in list {
        timeline.push(Event { at: at(frame, millis), until: at(until, until_millis), way, what }, 100, 100);
    }
    timeline
}

fn root(frame: u32, millis: i64, side: Side, what: ActKind) -> Closing {
    let act = Act { at: at(frame, millis), side: Some(side), what, offset: None, knew: None };
    Closing { root: Some(act), ..Closing::default() }
}

/// A session whose server closed it with a bare FIN after a minute of silence: flagged, nobody's fault.
pub(crate) fn idle_timeout() -> (Session, Verdict) {
    let mut s = session(17, "api.example.com");
    s.closing = root(3312, 60_020, Side::Server, ActKind::Fin);
    let (out, back) = (s.client_way, s.client_way.opposite());
    s.timeline = events(&[
        (2901, 0, 2901, 0, out, What::Syn(1)),
        (2902, 12, 2902, 12, back, What::SynAck),
        (2904, 13, 2904, 13, out, What::Handshake(1)),
        (2906, 27, 2906, 27, back, What::Handshake(2)),
        (2906, 27, 2907, 27, back, What::SealedFlight(4, 3120)),
        (2910, 29, 2910, 29, out, What::SealedFlight(1, 53)),
        (2911, 29, 2912, 30, out, What::Data(2, 480)),
        (2915, 45, 2988, 61, back, What::Data(26, 37_000)),
        (3312, 60_020, 3312, 60_020, back, What::Fin(1)),
        (3313, 60_021, 3313, 60_021, out, What::Rst(crate::session::RstKind::Active, 1)),
    ]);
    let mut v = verdict(
        &s,
        Fault::None,
        "server-idle-timeout",
        "the server closed without close_notify after 60.0 s of silence with nothing outstanding",
    );
    v.evidence = vec![
        Citation {
            at: at(3312, 60_020),
            from: Some(Side::Server),
            session: None,
            fact: Fact::Saw,
            what: "FIN with no close_notify before it".into(),
        },
        Citation {
            at: at(2988, 61),
            from: Some(Side::Server),
            session: None,
            fact: Fact::Inferred,
            what: "the last answer was complete".into(),
        },
    ];
    v.reactions = vec![ToldReaction { at: at(3313, 60_021), from: Some(Side::Client), what: "RST".into(), to: at(3312, 60_020) }];
    v.ruled_out = vec![RuledOut { fault: Fault::Network, why: "every byte was acknowledged, nothing was sent again".into() }];
    v.alternatives = vec![Alternative {
        fault: Fault::Proxy,
        cause: "middlebox-idle-timeout",
        why: "a box between may have closed in the server's name".into(),
        decide_by: "capture at the server at the same time: tcpdump -i any -w server.pcap host 10.0.0.12 and tcp port 443".into(),
    }];
    v.advice = vec!["Let the client's pool drop idle connections before 60 s.".into()];
    (s, v)
}

/// A session that its server closed in reply to the ClientHello.
pub(crate) fn refused_hello(stream: u32, millis: i64) -> (Session, Verdict) {
    let mut s = session(stream, "db.example.com");
    s.ends.client.port = 40_000 + u16::try_from(stream).unwrap();
    s.first = at(100 + stream, millis);
    s.last = at(105 + stream, millis + 30);
    s.phase = Phase::ClientHello;
    s.tls.version = None;
    s.tls.suite = None;
    s.close_notify = PerSide { client: CloseNotify::Unknown, server: CloseNotify::Absent };
    s.closing = root(105 + stream, millis + 30, Side::Server, ActKind::Fin);
    let mut v = verdict(
        &s,
        Fault::Server,
        "server-closed-in-handshake",
        "the server closed 3 ms after the ClientHello, without an alert: Java calls this \"SSL peer shut down incorrectly\"",
    );
    v.impact = Impact::SessionFailed;
    (s, v)
}

/// A session that ended as it should.
pub(crate) fn clean(stream: u32) -> (Session, Verdict) {
    let mut s = session(stream, "www.example.com");
    s.ending = Ending::CloseNotify;
    s.closed_by = ClosedBy::Client;
    s.close_notify = PerSide { client: CloseNotify::Likely, server: CloseNotify::Likely };
    let mut v = verdict(&s, Fault::None, "clean-close", "the client closed with close_notify, and the server answered with its own");
    v.fault_confidence = Confidence::Certain;
    v.impact = Impact::None;
    (s, v)
}

/// A session that its client left over the server's certificate for that name.
pub(crate) fn distrusted(stream: u32, sni: &str, leaf: Certificate) -> Session {
    let mut s = session(stream, sni);
    s.first = at(100 + stream, 0);
    s.last = at(105 + stream, 30);
    s.phase = Phase::Handshake;
    s.tls.certificates = Some(Box::new(Chain { leaf: Some(Box::new(leaf)), ..Chain::default() }));
    s.tls.certificate_at = Some(at(103 + stream, 20));
    s.sides.client.app_records = 0;
    s.closing = root(105 + stream, 30, Side::Client, ActKind::Fin);
    s
}

/// A session whose every text is hostile.
pub(crate) fn hostile() -> (Session, Verdict) {
    let evil = "=cmd|'/c calc'!A1\x1b[2J\u{202e}<script>|`\r\n,\"";
    let (mut s, mut v) = refused_hello(23, 5_000);
    s.tls.client_hello = Some(hello(evil));
    v.summary = evil.into();
    v.evidence[0].what = evil.into();
    v.reactions = vec![ToldReaction { at: s.last, from: None, what: evil.into(), to: s.last }];
    v.ruled_out = vec![RuledOut { fault: Fault::Network, why: evil.into() }];
    v.alternatives = vec![Alternative { fault: Fault::Proxy, cause: "injected-reset", why: evil.into(), decide_by: evil.into() }];
    v.advice = vec![evil.into()];
    (s, v)
}

/// Three sessions that were lost after the same silence, described by a hostile network.
pub(crate) fn pattern() -> Pattern {
    let (session, verdict) = hostile();
    Pattern {
        number: 1,
        kind: PatternKind::LostAfterSilence,
        client: Some(session.ends.client.ip),
        server: Some(session.ends.server),
        sni: session.sni(),
        count: 3,
        sessions: vec![17, 18, 23],
        first: at(1, 0).time,
        last: at(2, 180_000).time,
        silence: Some(Span::from_secs(60)),
        fault: Fault::Proxy,
        confidence: Confidence::Likely,
        summary: verdict.summary.into_owned(),
        evidence: verdict.evidence,
        advice: verdict.advice.into_iter().map(Into::into).collect(),
    }
}

/// A ClientHello that asks for `name` (RFC 8446 section 4.1.2, RFC 6066 section 3), read by the real parser.
fn hello(name: &str) -> Box<ClientHello> {
    let short = |len: usize| u16::try_from(len).unwrap().to_be_bytes();
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0x13, 0x01, 1, 0]);
    body.extend(short(name.len() + 9));
    body.extend([0, 0]);
    body.extend(short(name.len() + 5));
    body.extend(short(name.len() + 3));
    body.push(0);
    body.extend(short(name.len()));
    body.extend(name.as_bytes());
    Box::new(ClientHello::parse(&body))
}
