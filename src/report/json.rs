//! The JSON, schema 1: `capture` first, one `session` each, `revision`s of them and `pattern`s, `summary` last. Types of its own, so that the core can change without it.
//!
//! Fields are only ever added. `schema.json` beside this file describes them, and a test keeps it true.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

use serde::Serialize;

use self::values::{Each, Shown, Stamp};
use crate::analyze::Totals;
use crate::app::Outcome;
use crate::base::{Endpoint, PerSide, Side, Span, Time};
use crate::diagnose::{Alternative, Citation, Fact, Pattern, Revision, RuledOut, ToldReaction, Verdict};
use crate::prelude::Story;
use crate::report::totals::{self, Tally};
use crate::report::wireshark::Filter;
use crate::report::{Context, Process, alpn, names, sni};
use crate::session::{Cap, Session};
use crate::tls::{Suite, Version, community_id};

mod values;

/// The version of the schema.
const SCHEMA: u32 = 1;

/// The JSON Schema of what is written here.
pub const JSON_SCHEMA: &str = include_str!("schema.json");

/// What is known when reading begins.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The command line, as typed.
    pub command: Vec<String>,
    /// LINKTYPE_ numbers of the first file's interfaces, as far as they are known.
    pub link_types: Vec<u16>,
    /// Time of the first frame.
    pub first: Option<Time>,
}

/// Writes the `capture` object.
pub fn capture(out: &mut Vec<u8>, context: &Context, opening: &Opening) {
    write(
        out,
        &CaptureJson {
            typ: "capture",
            schema: SCHEMA,
            tool: ToolJson { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") },
            files: &context.files,
            link_types: &opening.link_types,
            clock: ClockJson { first: opening.first.map(Stamp), last: None },
            command: &opening.command,
        },
    );
}

/// Writes a `session` object.
pub fn session(out: &mut Vec<u8>, context: &Context, session: &Session, verdict: &Verdict) {
    live_session(out, context, session, verdict, None);
}

/// The same for a session that was captured on one of its hosts, with the processes there.
pub fn live_session(
    out: &mut Vec<u8>,
    context: &Context,
    session: &Session,
    verdict: &Verdict,
    process: Option<&PerSide<Option<Process>>>,
) {
    write(
        out,
        &SessionJson {
            typ: "session",
            schema: SCHEMA,
            session: session.tcp_stream,
            tcp_stream: session.tcp_stream,
            community_id: community_id(session.ends.client, session.ends.server),
            client: session.ends.client.into(),
            server: session.ends.server.into(),
            roles: if session.roles_seen { "seen" } else { "guessed" },
            started: Stamp(session.first.time),
            ended: Stamp(session.last.time),
            duration_s: session.duration().secs(),
            tls: TlsJson::of(session),
            exchange: session.exchange.as_deref().map(ExchangeJson::of),
            prelude: session.prelude.as_deref().and_then(PreludeJson::of),
            bytes: PairJson::of(&session.sides, |side| side.bytes),
            packets: PairJson::of(&session.sides, |side| side.packets),
            phase: session.phase.name(),
            ending: verdict.ending.name(),
            closed_by: verdict.closed_by.name(),
            close_notify: PairJson::of(&session.close_notify, |sent| sent.name()),
            flagged: verdict.flagged(),
            impact: verdict.impact.name(),
            fault: verdict.fault.name(),
            cause: verdict.cause,
            confidence: ConfidenceJson::of(verdict),
            summary: &verdict.summary,
            evidence: Each(&verdict.evidence, context, EvidenceJson::of),
            reactions: Each(&verdict.reactions, context, ReactionJson::of),
            ruled_out: Each(&verdict.ruled_out, context, RuledOutJson::of),
            alternatives: Each(&verdict.alternatives, context, AlternativeJson::of),
            caps: Each(&session.caps, context, |cap, _| cap.name()),
            wireshark: Shown(Filter::new(session, verdict, context.files.len())),
            process: process.map(|process| PairJson { client: process.client.as_ref(), server: process.server.as_ref() }),
        },
    );
}

/// Writes a `revision` object: what later connections changed about a session already written.
pub fn revision(out: &mut Vec<u8>, context: &Context, revision: &Revision) {
    let (session, verdict, was) = (&*revision.session, &revision.verdict, &revision.was);
    write(
        out,
        &RevisionJson {
            typ: "revision",
            schema: SCHEMA,
            session: session.tcp_stream,
            tcp_stream: session.tcp_stream,
            client: session.ends.client.into(),
            server: session.ends.server.into(),
            started: Stamp(session.first.time),
            was: WasJson { fault: was.fault.name(), cause: was.cause, confidence: was.fault_confidence.name() },
            ending: verdict.ending.name(),
            closed_by: verdict.closed_by.name(),
            flagged: verdict.flagged(),
            impact: verdict.impact.name(),
            fault: verdict.fault.name(),
            cause: verdict.cause,
            confidence: ConfidenceJson::of(verdict),
            summary: &verdict.summary,
            evidence: Each(&verdict.evidence, context, EvidenceJson::of),
            reactions: Each(&verdict.reactions, context, ReactionJson::of),
            ruled_out: Each(&verdict.ruled_out, context, RuledOutJson::of),
            alternatives: Each(&verdict.alternatives, context, AlternativeJson::of),
            wireshark: Shown(Filter::new(session, verdict, context.files.len())),
        },
    );
}

/// Writes a `pattern` object: what several sessions show together.
pub fn pattern(out: &mut Vec<u8>, context: &Context, pattern: &Pattern) {
    write(
        out,
        &PatternJson {
            typ: "pattern",
            schema: SCHEMA,
            pattern: pattern.number,
            kind: pattern.kind.name(),
            client: pattern.client,
            server: pattern.server.map(EndpointJson::from),
            sni: pattern.sni.as_deref(),
            count: pattern.count,
            sessions: &pattern.sessions,
            first: Stamp(pattern.first),
            last: Stamp(pattern.last),
            silence_s: pattern.silence.map(Span::secs),
            fault: pattern.fault.name(),
            confidence: pattern.confidence.name(),
            summary: &pattern.summary,
            evidence: Each(&pattern.evidence, context, EvidenceJson::of),
            advice: &pattern.advice,
        },
    );
}

/// Writes the `summary` object; `problems` is what kept the program from doing its whole job.
pub fn summary(out: &mut Vec<u8>, tally: &Tally, totals: &Totals, problems: &[String]) {
    write(
        out,
        &SummaryJson {
            typ: "summary",
            schema: SCHEMA,
            complete: problems.is_empty(),
            problems,
            clock: ClockJson { first: totals.first.map(Stamp), last: totals.last.map(Stamp) },
            frames: totals.frames,
            tcp_connections: totals.tcp_connections,
            plain_connections: totals.plain_connections,
            sessions: totals.sessions,
            selected: tally.selected,
            flagged: tally.flagged,
            clean: tally.clean,
            open: tally.open,
            unseen: tally.unseen,
            faults: tally.faults().map(|(fault, count)| (fault.name(), count)).collect(),
            causes: &tally.causes,
            not_analysed: NotAnalysedJson { quic: totals.quic, dtls: totals.dtls, other_udp: totals.udp_other },
            icmp_errors: totals.icmp_errors,
            bad_checksums: totals.bad_checksums,
            duplicates: totals.duplicates,
            kernel_drops: totals.kernel_drops,
            skipped: totals.skipped.iter().map(|(&why, &packets)| SkippedJson { reason: totals::skip(why), packets }).collect(),
            limits: totals.limits_reached.iter().copied().collect(),
        },
    );
}

fn write(out: &mut Vec<u8>, value: &impl Serialize) {
    // Writing to memory cannot fail, and no map here has keys that are not text.
    let _ = serde_json::to_writer(Memory(out), value);
}

/// A buffer that single bytes enter fast: two thirds of what a serializer writes are quotes, commas and colons.
struct Memory<'b>(&'b mut Vec<u8>);

impl io::Write for Memory<'_> {
    #[inline(always)]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    #[inline(always)]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match *bytes {
            [one] => self.0.push(one),
            _ => self.0.extend_from_slice(bytes),
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Serialize)]
struct CaptureJson<'a> {
    #[serde(rename = "type")]
    typ: &'static str,
    schema: u32,
    tool: ToolJson,
    files: &'a [String],
    link_types: &'a [u16],
    clock: ClockJson,
    command: &'a [String],
}

#[derive(Serialize)]
struct ToolJson {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct ClockJson {
    first: Option<Stamp>,
    last: Option<Stamp>,
}

#[derive(Serialize)]
struct SessionJson<'a> {
    #[serde(rename = "type")]
    typ: &'static str,
    schema: u32,
    session: Option<u32>,
    tcp_stream: Option<u32>,
    community_id: String,
    client: EndpointJson,
    server: EndpointJson,
    roles: &'static str,
    started: Stamp,
    ended: Stamp,
    duration_s: f64,
    tls: Option<TlsJson<'a>>,
    exchange: Option<ExchangeJson>,
    prelude: Option<PreludeJson<'a>>,
    bytes: PairJson<u64>,
    packets: PairJson<u32>,
    phase: &'static str,
    ending: &'static str,
    closed_by: &'static str,
    close_notify: PairJson<&'static str>,
    flagged: bool,
    impact: &'static str,
    fault: &'static str,
    cause: &'static str,
    confidence: ConfidenceJson,
    summary: &'a str,
    evidence: Each<'a, Citation, EvidenceJson<'a>>,
    reactions: Each<'a, ToldReaction, ReactionJson<'a>>,
    ruled_out: Each<'a, RuledOut, RuledOutJson<'a>>,
    alternatives: Each<'a, Alternative, AlternativeJson<'a>>,
    caps: Each<'a, Cap, &'static str>,
    wireshark: Shown<Filter<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<PairJson<Option<&'a Process>>>,
}

#[derive(Serialize)]
struct EndpointJson {
    ip: IpAddr,
    port: u16,
}

impl From<Endpoint> for EndpointJson {
    fn from(end: Endpoint) -> EndpointJson {
        EndpointJson { ip: end.ip, port: end.port }
    }
}

#[derive(Serialize)]
struct PairJson<T> {
    client: T,
    server: T,
}

impl<T> PairJson<T> {
    fn of<F>(facts: &PerSide<F>, part: impl Fn(&F) -> T) -> PairJson<T> {
        PairJson { client: part(&facts.client), server: part(&facts.server) }
    }
}

#[derive(Serialize)]
struct TlsJson<'a> {
    version: Option<Shown<Version>>,
    cipher: Option<Shown<Suite>>,
    sni: Option<Cow<'a, str>>,
    alpn: Option<Cow<'a, str>>,
    ja4: Option<String>,
    resumed: bool,
    decrypted: Option<&'static str>,
}

impl<'a> TlsJson<'a> {
    fn of(session: &'a Session) -> Option<TlsJson<'a>> {
        let tls = &session.tls;
        tls.seen.then(|| TlsJson {
            version: tls.version.map(Shown),
            cipher: tls.suite.map(Shown),
            sni: sni(session),
            alpn: alpn(session),
            ja4: session.ja4(),
            resumed: tls.resumed,
            decrypted: tls.decryption.name(),
        })
    }
}

/// How far the exchange came, where keys opened it.
#[derive(Serialize)]
struct ExchangeJson {
    protocol: &'static str,
    state: &'static str,
    answered: u32,
    status: Option<u16>,
    have: Option<u64>,
    need: Option<u64>,
    frame: Option<u32>,
}

impl ExchangeJson {
    fn of(outcome: &Outcome) -> ExchangeJson {
        let cut = outcome.state.cut();
        ExchangeJson {
            protocol: outcome.protocol.name(),
            state: outcome.state.name(),
            answered: outcome.answered,
            status: outcome.status,
            have: cut.map(|cut| cut.have),
            need: cut.and_then(|cut| cut.need),
            frame: outcome.state.at().map(|at| at.frame),
        }
    }
}

/// What was spoken before TLS: the protocol that leads to it, or failed to, and those around it.
#[derive(Serialize)]
struct PreludeJson<'a> {
    protocol: &'static str,
    state: &'static str,
    refusal: Option<&'static str>,
    code: Option<u32>,
    target: Option<&'a str>,
    reply: Option<&'a str>,
    inside: Vec<&'static str>,
}

impl<'a> PreludeJson<'a> {
    fn of(story: &'a Story) -> Option<PreludeJson<'a>> {
        let talk = story.talk()?;
        let (state, refusal, code) = names::state(talk.state);
        Some(PreludeJson {
            protocol: talk.protocol.name(),
            state,
            refusal,
            code: code.or(talk.last_reply.as_ref().and_then(|reply| reply.code)),
            target: story.target(),
            reply: talk.last_reply.as_ref().map(|reply| reply.text.as_str()),
            inside: story.talks.iter().rev().skip(1).rev().map(|talk| talk.protocol.name()).collect(),
        })
    }
}

#[derive(Serialize)]
struct ConfidenceJson {
    ending: &'static str,
    closed_by: &'static str,
    fault: &'static str,
}

impl ConfidenceJson {
    fn of(verdict: &Verdict) -> ConfidenceJson {
        ConfidenceJson {
            ending: verdict.ending_confidence.name(),
            closed_by: verdict.closed_by_confidence.name(),
            fault: verdict.fault_confidence.name(),
        }
    }
}

#[derive(Serialize)]
struct RevisionJson<'a> {
    #[serde(rename = "type")]
    typ: &'static str,
    schema: u32,
    session: Option<u32>,
    tcp_stream: Option<u32>,
    client: EndpointJson,
    server: EndpointJson,
    started: Stamp,
    was: WasJson,
    ending: &'static str,
    closed_by: &'static str,
    flagged: bool,
    impact: &'static str,
    fault: &'static str,
    cause: &'static str,
    confidence: ConfidenceJson,
    summary: &'a str,
    evidence: Each<'a, Citation, EvidenceJson<'a>>,
    reactions: Each<'a, ToldReaction, ReactionJson<'a>>,
    ruled_out: Each<'a, RuledOut, RuledOutJson<'a>>,
    alternatives: Each<'a, Alternative, AlternativeJson<'a>>,
    wireshark: Shown<Filter<'a>>,
}

#[derive(Serialize)]
struct PatternJson<'a> {
    #[serde(rename = "type")]
    typ: &'static str,
    schema: u32,
    pattern: u32,
    kind: &'static str,
    client: Option<IpAddr>,
    server: Option<EndpointJson>,
    sni: Option<&'a str>,
    count: u32,
    sessions: &'a [u32],
    first: Stamp,
    last: Stamp,
    silence_s: Option<f64>,
    fault: &'static str,
    confidence: &'static str,
    summary: &'a str,
    evidence: Each<'a, Citation, EvidenceJson<'a>>,
    advice: &'a [String],
}

#[derive(Serialize)]
struct WasJson {
    fault: &'static str,
    cause: &'static str,
    confidence: &'static str,
}

#[derive(Serialize)]
struct EvidenceJson<'a> {
    file: &'a str,
    frame: u32,
    time: Stamp,
    from: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<u32>,
    kind: &'static str,
    what: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing_bytes: Option<u64>,
}

impl<'a> EvidenceJson<'a> {
    fn of(cited: &'a Citation, context: &'a Context) -> EvidenceJson<'a> {
        EvidenceJson {
            file: context.file(cited.at),
            frame: cited.at.frame,
            time: Stamp(cited.at.time),
            from: cited.from.map(Side::name),
            session: cited.session,
            kind: cited.fact.name(),
            what: &cited.what,
            missing_bytes: match cited.fact {
                Fact::Missing(bytes) => Some(bytes),
                Fact::Saw | Fact::Inferred => None,
            },
        }
    }
}

#[derive(Serialize)]
struct ReactionJson<'a> {
    file: &'a str,
    frame: u32,
    time: Stamp,
    from: Option<&'static str>,
    what: &'a str,
    to_frame: u32,
}

impl<'a> ReactionJson<'a> {
    fn of(told: &'a ToldReaction, context: &'a Context) -> ReactionJson<'a> {
        ReactionJson {
            file: context.file(told.at),
            frame: told.at.frame,
            time: Stamp(told.at.time),
            from: told.from.map(Side::name),
            what: &told.what,
            to_frame: told.to.frame,
        }
    }
}

#[derive(Serialize)]
struct RuledOutJson<'a> {
    fault: &'static str,
    why: &'a str,
}

impl<'a> RuledOutJson<'a> {
    fn of(ruled_out: &'a RuledOut, _: &'a Context) -> RuledOutJson<'a> {
        RuledOutJson { fault: ruled_out.fault.name(), why: &ruled_out.why }
    }
}

#[derive(Serialize)]
struct AlternativeJson<'a> {
    fault: &'static str,
    cause: &'static str,
    why: &'a str,
    decide_by: &'a str,
}

impl<'a> AlternativeJson<'a> {
    fn of(other: &'a Alternative, _: &'a Context) -> AlternativeJson<'a> {
        AlternativeJson { fault: other.fault.name(), cause: other.cause, why: &other.why, decide_by: &other.decide_by }
    }
}

#[derive(Serialize)]
struct SummaryJson<'a> {
    #[serde(rename = "type")]
    typ: &'static str,
    schema: u32,
    complete: bool,
    problems: &'a [String],
    clock: ClockJson,
    frames: u64,
    tcp_connections: u64,
    plain_connections: u64,
    sessions: u64,
    selected: u64,
    flagged: u64,
    clean: u64,
    open: u64,
    unseen: u64,
    faults: BTreeMap<&'static str, u64>,
    causes: &'a BTreeMap<&'static str, u64>,
    not_analysed: NotAnalysedJson,
    icmp_errors: u64,
    bad_checksums: u64,
    duplicates: u64,
    kernel_drops: u64,
    skipped: Vec<SkippedJson>,
    limits: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct NotAnalysedJson {
    quic: u64,
    dtls: u64,
    other_udp: u64,
}

#[derive(Serialize)]
struct SkippedJson {
    reason: String,
    packets: u64,
}

#[cfg(test)]
mod tests;
