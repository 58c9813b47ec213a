//! What several rules need: ICMP codes by meaning, refusals before TLS, offers, objections, and who left at which step.

use crate::app;
use crate::base::{At, Side, Span, printable};
use crate::decode::IcmpKind;
use crate::diagnose::rule::Reading;
use crate::diagnose::tell;
use crate::diagnose::verdict::{Citation, Confidence, Fault, Impact};
use crate::prelude::{PlainProtocol, Refusal, State, Story, describe_plain, first_line};
use crate::session::{Act, ActKind, Cap, Ending, Phase, Rst, RstKind, Session};
use crate::tls::{Alert, AlertDescription, Chain, ContentType, NameMatch, Validity, Version, name_matches};

/// The RST that refused the connection.
pub fn refusal(session: &Session) -> Option<&Rst> {
    let root = session.root().filter(|root| session.ending == Ending::NoConnection && root.side == Some(Side::Server))?;
    match &root.what {
        ActKind::Rst(rst) if rst.kind != RstKind::Active => Some(rst),
        _ => None,
    }
}

/// "Administratively prohibited" (RFC 1812 section 5.2.7.1, RFC 4443 section 3.1).
pub fn prohibits(kind: IcmpKind) -> bool {
    if kind.v6 { kind.typ == 1 && matches!(kind.code, 1 | 5 | 6) } else { kind.typ == 3 && matches!(kind.code, 9 | 10 | 13) }
}

/// "Port unreachable", which TCP itself never says: a firewall does.
pub fn rejects_port(kind: IcmpKind) -> bool {
    if kind.v6 { kind.typ == 1 && kind.code == 4 } else { kind.typ == 3 && kind.code == 3 }
}

/// No route, host unreachable, or a packet that ran in circles.
pub fn unreachable(kind: IcmpKind) -> bool {
    if kind.v6 {
        (kind.typ == 1 && matches!(kind.code, 0 | 2 | 3)) || (kind.typ == 3 && kind.code == 0)
    } else {
        (kind.typ == 3 && matches!(kind.code, 0 | 1 | 5 | 6 | 7 | 8 | 11 | 12)) || (kind.typ == 11 && kind.code == 0)
    }
}

/// An ICMP error by name.
pub fn icmp_name(kind: IcmpKind) -> String {
    let name = match (kind.v6, kind.typ, kind.code) {
        (false, 3, 0) | (true, 1, 0) => "network unreachable",
        (false, 3, 1) | (true, 1, 3) => "host unreachable",
        (false, 3, 3) | (true, 1, 4) => "port unreachable",
        (false, 3, 9 | 10 | 13) | (true, 1, 1) => "administratively prohibited",
        (true, 1, 5 | 6) => "rejected by policy",
        (false, 11, 0) | (true, 3, 0) => "time to live exceeded",
        (false, 3, 4) | (true, 2, _) => "packet too big",
        _ => return format!("ICMP{} type {} code {}", if kind.v6 { "v6" } else { "" }, kind.typ, kind.code),
    };
    format!("ICMP{} {name}", if kind.v6 { "v6" } else { "" })
}

/// A no that was said before TLS.
#[derive(Clone, Debug)]
pub struct Refused {
    /// What kind.
    pub why: Refusal,
    /// The answer, escaped.
    pub line: String,
    /// Its frame.
    pub at: At,
}

/// The last answer before TLS, if it was a no.
pub fn refused(session: &Session, story: &Story) -> Option<Refused> {
    let talk = story.talk()?;
    let State::Refused { why, .. } = talk.state else { return None };
    let reply = talk.attempts.last().and_then(|attempt| attempt.reply.as_ref()).or(talk.last_reply.as_ref())?;
    // An answer that came after the client had left decided nothing.
    if session.root().is_some_and(|root| root.side == Some(Side::Client) && root.at < reply.at) {
        return None;
    }
    Some(Refused { why, line: printable(&reply.text, 100), at: reply.at })
}

/// A tunnel's target, escaped.
pub fn target(story: &Story) -> String {
    story.target().map_or_else(|| "its target".to_owned(), |target| printable(target, 100))
}

/// `TLS 1.2 and TLS 1.3`.
pub fn offered_versions(session: &Session) -> String {
    let Some(hello) = session.tls.client_hello.as_deref() else { return "an unseen offer".to_owned() };
    let mut versions: Vec<Version> = hello.supported_versions().collect();
    if versions.is_empty() {
        return format!("{} and older", hello.legacy_version);
    }
    versions.sort_unstable();
    versions.dedup();
    versions.iter().map(Version::to_string).collect::<Vec<_>>().join(", ")
}

/// The connection was joined later, and its ClientHello went unseen: nobody knows how far it had come.
pub fn joined_later(session: &Session) -> bool {
    session.capped(Cap::MidStream) && session.tls.client_hello_at.is_none()
}

/// The handshake had begun and was not finished.
pub fn shaking_hands(session: &Session) -> bool {
    matches!(session.phase, Phase::ClientHello | Phase::Handshake) && !joined_later(session)
}

/// The handshake had begun or was about to: TCP was up and nothing but hellos had been said.
pub fn in_handshake(session: &Session) -> bool {
    let quiet = session.side(Side::Client).bytes == 0 && session.side(Side::Server).bytes == 0;
    let up = session.phase == Phase::Connecting && session.opening.established.is_some() && !joined_later(session);
    shaking_hands(session) || (up && quiet)
}

/// A pause in the middle of a record that no sender makes: the rest was not coming.
const STARVED: Span = Span::from_millis(1_900);

/// The client left after it had waited for the rest of a record of the server: the last part that came, and how long it waited.
pub fn starved(session: &Session) -> Option<(At, Span)> {
    let root = session.root().filter(|root| session.phase == Phase::Established && root.side == Some(Side::Client))?;
    let cut = session.side(Side::Server).cut_record.filter(|cut| cut.have > 0 && cut.until < root.at)?;
    let waited = root.at.time.since(cut.until.time);
    (waited >= STARVED && !session.side(Side::Client).window_closed).then_some((cut.until, waited))
}

/// How long the server had waited at `at` for something more from the client: since it spoke last, or since the connection was up.
pub fn kept_waiting(session: &Session, at: At) -> Span {
    match session.side(Side::Client).last_data {
        Some(last) if last <= at => at.time.since(last.time),
        _ => session.silence_since_open(at),
    }
}

/// What the server said last, at the end of a silence and in one write, is short, as all is that it had said since the client spoke; and
/// HTTP/2 is spoken, or may be: a GOAWAY (RFC 9113 section 6.8).
pub fn goaway(session: &Session, after: At) -> bool {
    let server = session.side(Side::Server);
    let h2 = session.tls.client_hello.as_deref().is_some_and(|hello| hello.alpn().any(|alpn| alpn == b"h2"));
    let h2 = h2 && session.tls.server_hello.as_deref().and_then(|hello| hello.alpn.as_deref()).is_none_or(|chosen| chosen == b"h2");
    let at_once = server.last_data.is_some_and(|last| last.time.since(after.time) < ONE_WRITE);
    // What was captured behind the FIN that followed it is not among what had been said then.
    let alone = server.at_close.longest <= GOAWAY || server.at_close.last.is_none_or(|last| last < after);
    let short = server.last_record.is_some_and(|record| record.typ == ContentType::APPLICATION_DATA.0 && record.len <= GOAWAY);
    h2 && at_once && alone && short
}

/// Segments that follow each other so closely were written at once.
const ONE_WRITE: Span = Span::from_millis(1);

/// A GOAWAY that says why takes no more: 17 bytes, the reason, and what seals them.
const GOAWAY: u16 = 100;

/// Time since the ClientHello.
pub fn since_hello(session: &Session, at: At) -> Option<Span> {
    Some(at.time.since(session.tls.client_hello_at?.time)).filter(|span| *span >= Span::ZERO)
}

/// The step of the handshake that came last before `at`: `right after its ServerHello`.
pub fn last_step(session: &Session, at: At) -> &'static str {
    let tls = &session.tls;
    let before = |step: Option<At>| step.is_some_and(|step| step <= at);
    if before(tls.finished.client) {
        "after the client's Finished"
    } else if before(tls.client_certificate.map(|(at, _)| at)) {
        "after the client's certificate message"
    } else if before(tls.certificate_at) {
        "after the server's certificate"
    } else if before(tls.server_hello_at) {
        "after the ServerHello"
    } else if before(tls.hello_retry) {
        "after the HelloRetryRequest"
    } else if before(tls.client_hello_at) {
        "in answer to the ClientHello"
    } else {
        "before the ClientHello was complete"
    }
}

/// The name the client asked for, for a command line: only what no shell acts on, for the name comes from the network.
fn pasteable_name(session: &Session) -> String {
    let harmless =
        |name: &String| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    session.sni().filter(harmless).unwrap_or_else(|| "NAME".to_owned())
}

/// What a client has against a server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objection {
    /// Its date.
    Expired,
    /// Its issuer.
    Untrusted,
    /// Its name, its use, a revocation, or unsaid.
    Other,
}

/// A client that left over the server's certificate.
#[derive(Debug)]
pub struct Rejection<'a> {
    session: &'a Session,
    /// Why.
    pub why: Objection,
    at: At,
    how: String,
    /// What is wrong with the certificate, where it was in clear and something is.
    flaw: Option<String>,
    certain: bool,
    /// The client says that its issuer has taken it back.
    revoked: bool,
}

/// The client's rejection of the server's certificate, if that is what the session shows: an alert that says so, or a certificate in clear
/// with something wrong and a client that left right after it.
pub fn certificate_rejection(session: &Session) -> Option<Rejection<'_>> {
    let root = session.root().filter(|root| root.side == Some(Side::Client))?;
    let certificate_at = session.tls.certificate_at.or(session.tls.server_hello_at)?;
    let (flaw, by_sight) = flaw(session);
    // Some programs refuse a certificate in a word that is not about certificates (Perl: internal_error): what is wrong with it tells.
    let meant = |alert: &Alert| flaw.is_some() && session.phase == Phase::Handshake && without_reason(alert.description);
    let alert =
        session.root_alert().filter(|(side, alert, _)| *side == Side::Client && (about_certificates(alert.description) || meant(alert)));
    let sealed = session.root_sealed_fatal().filter(|(side, _)| *side == Side::Client && session.phase == Phase::Handshake);
    let (how, said) = match (alert, sealed) {
        (Some((_, alert, _)), _) => (tell::alert(alert), Some(alert.description)),
        (None, Some(_)) => ("an encrypted fatal alert".to_owned(), None),
        (None, None) => {
            // No alert: only a certificate with something visibly wrong explains a client that just leaves.
            flaw.as_ref()?;
            let asked = session.side(Side::Client).app_records > 0;
            let left = matches!(session.ending, Ending::Fin | Ending::Rst | Ending::CloseNotify) && !asked;
            if !left || session.side(Side::Server).plain.is_some() {
                return None;
            }
            ("no alert at all".to_owned(), None)
        }
    };
    let why = match said {
        Some(AlertDescription::CERTIFICATE_EXPIRED) => Objection::Expired,
        Some(AlertDescription::UNKNOWN_CA) => by_sight.filter(|seen| *seen == Objection::Expired).unwrap_or(Objection::Untrusted),
        // One word for all in Go and in Java. Where date and name are in order it is hardly about them.
        Some(AlertDescription::CERTIFICATE_UNKNOWN | AlertDescription::BAD_CERTIFICATE) if by_sight.is_none() && in_order(session) => {
            Objection::Untrusted
        }
        _ => by_sight.unwrap_or(Objection::Other),
    };
    if root.at < certificate_at {
        return None;
    }
    let certain = said.is_some_and(about_certificates);
    Some(Rejection { session, why, at: root.at, how, flaw, certain, revoked: said == Some(AlertDescription::CERTIFICATE_REVOKED) })
}

fn without_reason(description: AlertDescription) -> bool {
    matches!(description, AlertDescription::INTERNAL_ERROR | AlertDescription::HANDSHAKE_FAILURE | AlertDescription::ACCESS_DENIED)
}

fn about_certificates(description: AlertDescription) -> bool {
    matches!(
        description,
        AlertDescription::BAD_CERTIFICATE
            | AlertDescription::UNSUPPORTED_CERTIFICATE
            | AlertDescription::CERTIFICATE_REVOKED
            | AlertDescription::CERTIFICATE_EXPIRED
            | AlertDescription::CERTIFICATE_UNKNOWN
            | AlertDescription::UNKNOWN_CA
    )
}

/// The certificate is in sight, valid at the time of the session, and stands for the name that the client asked for.
fn in_order(session: &Session) -> bool {
    let Some(leaf) = session.tls.certificates.as_ref().and_then(|chain| chain.leaf.as_deref()) else { return false };
    let now = session.first.time.nanos().div_euclid(1_000_000_000);
    leaf.valid_at(now) == Validity::Ok && session.sni().is_some_and(|name| name_matches(leaf, &name) == NameMatch::Matches)
}

/// What is visibly wrong with the server's certificate at the time of the session.
fn flaw(session: &Session) -> (Option<String>, Option<Objection>) {
    let Some(leaf) = session.tls.certificates.as_ref().and_then(|chain| chain.leaf.as_deref()) else { return (None, None) };
    let now = session.first.time.nanos().div_euclid(1_000_000_000);
    match leaf.valid_at(now) {
        Validity::Expired => return (Some("it had expired".to_owned()), Some(Objection::Expired)),
        Validity::NotYet => return (Some("it was not valid yet".to_owned()), Some(Objection::Expired)),
        _ => {}
    }
    if let Some(subject) = session.tls.certificates.as_ref().and_then(|chain| expired_issuer(chain, now)) {
        return (Some(format!("a certificate above it, of {}, had expired", printable(subject, 80))), Some(Objection::Expired));
    }
    if let Some(name) = session.sni()
        && name_matches(leaf, &name) == NameMatch::Differs
    {
        return (Some(format!("it does not stand for {}", printable(&name, 80))), Some(Objection::Other));
    }
    if leaf.self_signed {
        return (Some("it is self-signed".to_owned()), Some(Objection::Untrusted));
    }
    (None, None)
}

/// A certificate above the server's own that was sent with it and had expired: its subject.
fn expired_issuer(chain: &Chain, now: i64) -> Option<&str> {
    let mut issuer: &str = &chain.leaf.as_deref()?.issuer;
    for _ in 0..chain.others.len() {
        let above = chain.others.iter().find(|above| above.readable && *above.subject == *issuer)?;
        if above.valid_at(now) == Validity::Expired {
            return Some(&above.subject);
        }
        issuer = &above.issuer;
    }
    None
}

impl Rejection<'_> {
    /// The reading, for the rule of that cause.
    pub fn reading(&self, slug: &'static str) -> Box<Reading> {
        let session = self.session;
        let expired = self.why == Objection::Expired;
        let seen_expired = expired && self.flaw.is_some();
        let visible = session.tls.certificates.is_some();
        // A date can be checked; trust and names depend on what the client expects. A valid certificate called expired is a wrong clock.
        let fault = if seen_expired || (expired && !visible) || self.revoked { Fault::Server } else { Fault::Undetermined };
        let confidence = if self.certain || seen_expired { Confidence::Likely } else { Confidence::Possible };
        let said = self.flaw.as_ref().map_or(String::new(), |flaw| format!(": {flaw}"));
        let summary = match self.why {
            Objection::Expired if visible && !seen_expired => {
                format!(
                    "the client called the server's certificate expired ({}), but it was valid when this was captured: look at the client's clock",
                    self.how
                )
            }
            Objection::Expired => format!("the client rejected the server's certificate as expired ({}){said}", self.how),
            Objection::Untrusted => format!("the client does not trust the server's certificate ({}){said}", self.how),
            Objection::Other if self.revoked => format!("the server's certificate is revoked, says the client ({}){said}", self.how),
            Objection::Other => format!("the client left over the server's certificate ({}){said}", self.how),
        };
        let mut reading = Reading::new(fault, confidence, Impact::SessionFailed, summary).cite(self.certificate());
        reading = reading.cite(tell::saw(self.at, Side::Client, format!("the client leaves right after it, with {}", self.how)));
        reading = reading.rule_out(Fault::Network, "both sides spoke and were heard");
        if fault == Fault::Undetermined {
            reading = reading
                .or(
                    Fault::Server,
                    slug,
                    "it sends the wrong certificate, or not the whole chain",
                    format!("openssl s_client -connect {} -showcerts", session.ends.server),
                )
                .or(
                    Fault::Client,
                    slug,
                    "its trust store lacks the issuer, its clock is wrong, or it asked for the wrong name",
                    "the client's trust store and clock",
                );
            // An issuer that the client does not know, or that nobody sees here, may be a box's own.
            if self.why == Objection::Untrusted || !visible {
                reading = reading.or(
                    Fault::Proxy,
                    "tls-interception",
                    "a box between opens the connection and shows a certificate of its own making",
                    "the certificate's issuer and fingerprint, as seen from another network",
                );
            }
        }
        reading
            .advise(format!(
                "Look at what the server sends: openssl s_client -connect {} -servername {} -showcerts </dev/null | openssl x509 -noout -dates -subject -issuer -ext subjectAltName",
                session.ends.server,
                pasteable_name(session)
            ))
            .advise(match self.why {
                Objection::Expired => "Renew the certificate on every server behind that address, and reload them; check the client's clock.",
                Objection::Untrusted => "Send the whole chain from the server, or add the issuing CA to the client's trust store.",
                Objection::Other if self.revoked => {
                    "Renew the certificate on every server behind that address: its issuer revoked it (openssl s_client -crl_check, or the issuer's OCSP, tells when)."
                }
                Objection::Other => "Read the client's own error: it says what it missed (name, usage, issuer).",
            })
    }

    fn certificate(&self) -> Option<Citation> {
        let at = self.session.tls.certificate_at?;
        let leaf = self.session.tls.certificates.as_ref().and_then(|chain| chain.leaf.as_deref());
        match leaf {
            Some(leaf) => tell::saw(
                at,
                Side::Server,
                format!("Certificate of {}, issued by {}", printable(&leaf.subject, 80), printable(&leaf.issuer, 80)),
            ),
            None => tell::inferred(at, Side::Server, "the server's encrypted flight, which holds its certificate"),
        }
    }
}

/// The server's objection to what the client sent last in its handshake: an alert, or a close.
#[derive(Clone, Debug)]
pub struct ServerObjection {
    /// The alert, where it was in clear.
    pub alert: Option<Alert>,
    /// Where.
    pub at: At,
    /// In words.
    pub what: String,
}

/// What the server answered to the client's certificate message, if that ended the session before the server had said anything else.
pub fn server_objection(session: &Session) -> Option<ServerObjection> {
    let root = session.root().filter(|root| root.side == Some(Side::Server))?;
    if let Some((_, alert, at)) = session.root_alert() {
        // An alert that names certificates is one even without a certificate message in sight; others must follow it.
        let named = alert.description == AlertDescription::CERTIFICATE_REQUIRED && session.phase > Phase::ClientHello;
        let after = session.tls.client_certificate.is_some_and(|(sent, _)| sent <= at);
        return (named || after).then(|| ServerObjection { alert: Some(alert), at, what: tell::alert(alert) });
    }
    let (sent, _) = session.tls.client_certificate?;
    // Where the ServerHello went unseen, nothing that followed can be told by its length.
    session.tls.server_hello_at?;
    if session.side(Side::Server).app_records > 0 || sent > root.at {
        return None;
    }
    if let Some((_, at)) = session.root_sealed_fatal() {
        return Some(ServerObjection { alert: None, at, what: "an encrypted alert right after the client's Finished".to_owned() });
    }
    let prompt = root.at.time.since(sent.time) < Span::from_secs(5);
    let left = matches!(session.ending, Ending::Fin | Ending::Rst) && prompt && session.root_rst(Side::Server).is_none_or(Rst::fits_sender);
    left.then(|| ServerObjection { alert: None, at: root.at, what: "the server closed right after it, without a word".to_owned() })
}

/// A client that left during the handshake.
pub fn client_left(session: &Session, root: &Act, how: &str) -> Box<Reading> {
    let step = last_step(session, root.at);
    if session.left_after_certificate() {
        return Reading::new(
            Fault::Undetermined,
            Confidence::Possible,
            Impact::SessionFailed,
            format!("the client {how} right after the server's certificate, without an alert: likely a certificate it would not accept, not proven"),
        )
        .cite(tell::client_hello(session))
        .cite(session.tls.certificate_at.and_then(|at| tell::inferred(at, Side::Server, "the server's flight, which holds its certificate")))
        .rule_out(Fault::Network, "both sides spoke and were heard")
        .or(Fault::Server, "certificate-rejected", "its certificate is expired, misnamed or incompletely chained", "a key log (the certificate is encrypted), or the client's own error message")
        .or(Fault::Client, "client-closed-in-handshake", "it lacks the issuing CA, gave up, or was stopped", "the client's own error message")
        .advise("Read the client's own error at that time: Node, Java's HttpClient and others leave without an alert when they reject a certificate.")
        .advise(format!("Look at the certificate: openssl s_client -connect {} -showcerts", session.ends.server));
    }
    Reading::new(
        Fault::Client,
        Confidence::Likely,
        Impact::SessionFailed,
        format!("the client {how} before the handshake was finished, {step}"),
    )
    .cite(tell::client_hello(session))
    .rule_out(Fault::Server, "it had not closed")
    .rule_out(Fault::Network, "packets of both sides arrived")
    .or(Fault::None, "probe", "a scanner or monitor that only wanted to see the answer", "who the client is")
    .advise(format!("Ask at the client ({}): a timeout, a user, or a scanner?", session.ends.client))
}

/// What fits a RST of the side it names, and what else it can have been: unless it was seen to leave that side's host.
pub fn unless_forged(reading: Box<Reading>, session: &Session, rst: &Rst) -> Box<Reading> {
    if rst.from_here {
        return reading.rule_out(Fault::Proxy, "the RST was captured as it left the host that it names");
    }
    reading
        .or(
            Fault::Proxy,
            "injected-reset",
            "a box that copies TTL, window and timestamps cannot be told apart from here",
            tell::capture_at(session, Side::Server),
        )
        .advise("If its log knows nothing of it, capture there at the same time: a RST that does not leave it came from between.")
}

/// The client said one thing, at once and no longer than a request, in HTTP, in which every request is answered: by the names it offers
/// (RFC 7301 section 6, RFC 9113 section 3.2), or, where it offers none, by the port.
pub fn asked_in_http(session: &Session) -> bool {
    let Some(hello) = session.tls.client_hello.as_deref() else { return false };
    let client = session.side(Side::Client);
    let at_once = client.first_app.zip(client.at_close.last).is_some_and(|(first, last)| last.time.since(first.time) < AT_ONCE);
    let mut offers = hello.alpn().peekable();
    let http = match offers.peek() {
        Some(_) => offers.all(|alpn| matches!(alpn, b"http/1.1" | b"http/1.0" | b"h2")),
        None => session.ends.server.port == HTTPS && session.prelude.is_none(),
    };
    http && client.turns <= 1 && at_once && client.app_bytes < UPLOAD
}

/// One who sends for longer is telling something, or not done with asking.
const AT_ONCE: Span = Span::from_millis(200);

/// A request of this size is an upload, and may not have been complete.
const UPLOAD: u64 = 16_384;

/// The port of HTTPS (RFC 9110 section 4.2.2).
const HTTPS: u16 = 443;

/// The server knew of a request that it had not answered when it closed: one in HTTP, the only one of its connection.
pub fn asked_in_vain(session: &Session) -> bool {
    let knew = session.root().and_then(|root| root.knew).is_some_and(|knew| knew >= session.side(Side::Client).last_app_end);
    // An answer that came early, while the request was still being sent, is one.
    let first = session.side(Side::Client).first_app;
    let silent = session.side(Side::Server).at_close.last_answer.is_none_or(|answer| first.is_some_and(|first| answer < first));
    let kind = match session.exchange_state() {
        Some(app::State::Outstanding { .. }) => true,
        Some(_) => false,
        None => silent && asked_in_http(session),
    };
    kind && session.outstanding() && knew
}

/// A RST that may not have been sent by the side it names.
pub fn doubt(mut reading: Box<Reading>, session: &Session, rst: &Rst, misfits: &[String]) -> Box<Reading> {
    let side = session.root_side().unwrap_or(Side::Server);
    if rst.kind == RstKind::Reply && !rst.after_own_close {
        reading = reading.cite(tell::inferred(
            rst.at,
            side,
            "a RST without ACK, window 0 and no options answers a segment for which there is no socket: its sender had not closed before",
        ));
    }
    for misfit in misfits {
        reading = reading.cite(tell::inferred(rst.at, side, misfit.clone()));
    }
    if let Some(at) = rst.outlived_by {
        reading = reading.cite(tell::saw(at, side, "the same side goes on in sequence, as if it had sent no RST"));
    }
    reading
        .or(Fault::Proxy, "injected-reset", "a firewall or filter that answers in its name", tell::capture_at(session, side))
        .or(
            Fault::from(side),
            "unexplained",
            "its host lost the connection (restart, failover to another node)",
            format!("the uptime and log of the {side}"),
        )
        .advise(tell::capture_at(session, side))
}

/// What bytes that are not TLS look like: `HTTP/1.1 400 Bad Request`, escaped.
pub fn plain(bytes: &[u8]) -> String {
    let line = printable(&first_line(bytes), 80);
    match describe_plain(bytes) {
        Some(PlainProtocol::Ssl2) => "SSL 2.0, and nothing newer".to_owned(),
        Some(protocol) => format!("{}: \"{line}\"", protocol.name()),
        None => format!("\"{line}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::{Authority, Certificate};

    #[test]
    fn only_what_stands_above_the_servers_own_certificate_can_fail_it() {
        let above = |subject: &str, issuer: &str, until: i64| Authority {
            readable: true,
            subject: subject.into(),
            issuer: issuer.into(),
            not_before: 0,
            not_after: until,
        };
        let leaf = Certificate { issuer: "CN=Second".into(), ..Certificate::default() };
        let chain = |others: Vec<Authority>| Chain { leaf: Some(Box::new(leaf.clone())), others: others.into(), ..Chain::default() };
        let good = chain(vec![above("CN=Second", "CN=First", 900), above("CN=First", "CN=Root", 900)]);
        assert_eq!(expired_issuer(&good, 500), None);
        assert_eq!(expired_issuer(&good, 901), Some("CN=Second"));
        let first = chain(vec![above("CN=First", "CN=Root", 400), above("CN=Second", "CN=First", 900)]);
        assert_eq!(expired_issuer(&first, 500), Some("CN=First"), "in whatever order they were sent");
        let stray = chain(vec![above("CN=Second", "CN=First", 900), above("CN=Old", "CN=Root", 400)]);
        assert_eq!(expired_issuer(&stray, 500), None, "one that is not above it does not matter");
        let circle = chain(vec![above("CN=Second", "CN=Second", 900)]);
        assert_eq!(expired_issuer(&circle, 500), None, "and a circle has an end");
    }

    #[test]
    fn what_is_not_tls_is_named_and_quoted_where_it_can_be_read() {
        assert_eq!(plain(b"GET / HTTP/1.1\r\nHost: x\r\n"), "HTTP: \"GET / HTTP/1.1\"");
        assert_eq!(plain(b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10"), "SSL 2.0, and nothing newer");
    }
}
