//! The judge: asks every rule, lets rules give way to better ones, and refuses to choose between readings that blame different parties.

use crate::base::Side;
use crate::diagnose::exchange;
use crate::diagnose::rule::{Context, Reading, Rule};
use crate::diagnose::rules;
use crate::diagnose::tell;
use crate::diagnose::verdict::{Alternative, Citation, Confidence, Fact, Fault, ToldReaction, Verdict};
use crate::session::{ActKind, Cap, CloseNotify, ClosedBy, Ending, Phase, SealedReading, Session};

/// The verdict on a session.
pub fn judge(session: &Session, context: &Context) -> Box<Verdict> {
    let mut readings: Vec<(&'static Rule, Box<Reading>)> = Vec::new();
    for rule in rules::concerning(session.phase, session.ending) {
        if let Some(reading) = (rule.check)(session, context) {
            readings.push((rule, reading));
        }
    }
    if session.only_login_encrypted() && session.phase == Phase::Established {
        // What ends such a connection is not said in TLS.
        readings.clear();
    }
    if session.hidden_by_padding() {
        readings.retain(|(_, reading)| matches!(reading.fault, Fault::None | Fault::Undetermined));
    }
    if readings.len() > 1 {
        let fired: Vec<&str> = readings.iter().map(|(rule, _)| rule.slug).collect();
        readings.retain(|(rule, _)| !rule.yields_to.iter().any(|better| fired.contains(better)));
    }
    let mut unexplained;
    let (rule, reading) = match settle(&mut readings, session) {
        Some(settled) => settled,
        None => {
            unexplained = explain(session, context);
            &mut unexplained
        }
    };
    exchange::weigh(session, reading);
    unless_proxied(session, context, rule.slug, reading);
    unless_hidden(session, rule.slug, reading);
    assemble(session, rule.slug, reading)
}

/// What is said where no rule fired.
fn explain(session: &Session, context: &Context) -> (&'static Rule, Box<Reading>) {
    // Where the capture hides what was said last, that is the reason why nothing fits.
    match rules::capture_incomplete::blinded(session) {
        Some(reading) => (&rules::capture_incomplete::RULE, reading),
        None => (&rules::unexplained::RULE, rules::unexplained::explain(session, context)),
    }
}

/// One reading out of those left. Readings that no order settles and that name different faults decide nothing.
fn settle<'r>(readings: &'r mut [(&'static Rule, Box<Reading>)], session: &Session) -> Option<&'r mut (&'static Rule, Box<Reading>)> {
    let (settled, others) = readings.split_first_mut()?;
    let (rule, reading) = &mut *settled;
    let disputed = others.iter().any(|(_, other)| other.fault != reading.fault);
    for (other, said) in others {
        if disputed || said.fault != reading.fault {
            let (why, decide_by) = (std::mem::take(&mut said.summary), tell::capture_at(session, Side::Server).into());
            reading.alternatives.insert(0, Alternative { fault: said.fault, cause: other.slug, why, decide_by });
        }
    }
    if disputed {
        let (why, decide_by) = (reading.summary.clone(), tell::capture_at(session, Side::Server).into());
        reading.alternatives.insert(0, Alternative { fault: reading.fault, cause: rule.slug, why, decide_by });
        reading.fault = Fault::Undetermined;
        reading.confidence = Confidence::Possible;
    }
    Some(settled)
}

/// The verdict that says what `reading` says, which is taken out of it.
fn assemble(session: &Session, cause: &'static str, reading: &mut Reading) -> Box<Verdict> {
    let fault_confidence = cap(session, reading.confidence);
    let root = session.root().map(|root| {
        let fact = if matches!(root.what, ActKind::SealedAlert { .. }) { Fact::Inferred } else { Fact::Saw };
        let mut what = tell::act(root, session);
        if matches!(&root.what, ActKind::Rst(rst) if rst.from_here) {
            what.to_mut().push_str("; it left the host captured on, with a TTL that no router has touched: that host sent it");
        }
        vec![Citation { at: root.at, from: root.side, session: None, fact, what }]
    });
    let mut evidence = root.unwrap_or_default();
    for citation in reading.evidence.drain(..) {
        if !evidence.iter().any(|known| known.at == citation.at && known.from == citation.from && known.fact == citation.fact) {
            evidence.push(citation);
        }
    }
    if let Some(crossed) = &session.closing.crossed {
        let what = format!("{}; it crossed the other side's close on the wire", tell::act(crossed, session));
        evidence.push(Citation { at: crossed.at, from: crossed.side, session: None, fact: Fact::Saw, what: what.into() });
    }
    if evidence.is_empty() {
        evidence.push(Citation { at: session.last, from: None, session: None, fact: Fact::Saw, what: "the session's last packet".into() });
    }
    evidence.sort_by_key(|citation| (citation.at.file, citation.at.frame));
    let mut told: Vec<ToldReaction> = session
        .closing
        .reactions
        .iter()
        .map(|reaction| ToldReaction {
            at: reaction.act.at,
            from: reaction.act.side,
            what: tell::act(&reaction.act, session),
            to: reaction.to,
        })
        .collect();
    told.truncate(8);
    let (ending_confidence, closed_by_confidence) = confidence(session);
    let mut closed_by = session.closed_by;
    // A tunnel's TCP endpoint is the proxy: what closes the tunnel unannounced is the proxy's act, whoever made it do so.
    let tunnelled = session.tunnel().is_some();
    if tunnelled && closed_by == ClosedBy::Server && session.ending != Ending::CloseNotify && session.ending != Ending::FatalAlert {
        closed_by = ClosedBy::Proxy;
    }
    if reading.fault == Fault::Proxy && session.ending == Ending::Rst {
        closed_by = ClosedBy::Proxy;
    }
    // Built where it stays: it is large.
    Box::write(
        Box::new_uninit(),
        Verdict {
            ending: session.ending,
            ending_confidence,
            closed_by,
            closed_by_confidence,
            fault: reading.fault,
            fault_confidence,
            cause,
            impact: reading.impact,
            summary: std::mem::take(&mut reading.summary),
            evidence,
            reactions: told,
            ruled_out: std::mem::take(&mut reading.ruled_out),
            alternatives: std::mem::take(&mut reading.alternatives),
            advice: std::mem::take(&mut reading.advice),
        },
    )
}

/// Names nobody where so much of what was said is not in the capture that the rest may have said otherwise, or where it is not known what
/// was said first.
fn unless_hidden(session: &Session, cause: &'static str, reading: &mut Reading) {
    if matches!(reading.fault, Fault::None | Fault::Undetermined) {
        return;
    }
    let hides = |cap: &Cap| matches!(cap, Cap::OneDirection | Cap::Snaplen | Cap::FramingLost);
    if session.capped(Cap::Disorder) {
        let sort = "the capture in the order of its times: reordercap FILE SORTED puts it right";
        accuse_nobody(reading, cause, sort);
    } else if session.caps.iter().any(hides) && cap(session, reading.confidence) < reading.confidence {
        accuse_nobody(reading, cause, "a capture of both directions, with whole packets and without loss");
    }
}

/// Does not name the server where its address may be a proxy's: on a port that is not known for TLS from the first byte, what went unseen of
/// the client's words may have been a CONNECT.
fn unless_proxied(session: &Session, context: &Context, cause: &'static str, reading: &mut Reading) {
    let unseen = session.capped(Cap::MidStream) || session.side(Side::Client).missed();
    if reading.fault != Fault::Server
        || !unseen
        || context.tls_port
        || session.prelude.as_ref().is_some_and(|story| !story.talks.is_empty())
    {
        return;
    }
    let why = "what went unseen may have been a request to a proxy, at whose address this is then";
    accuse_nobody(reading, cause, "a capture of the connection from its beginning");
    reading.alternatives.push(Alternative { fault: Fault::Proxy, cause: "proxy-tunnel-cut", why: why.into(), decide_by: "its log".into() });
}

/// Makes a reading nothing more than one that is possible.
fn accuse_nobody(reading: &mut Reading, cause: &'static str, decide_by: &'static str) {
    let why = reading.summary.clone();
    reading.alternatives.insert(0, Alternative { fault: reading.fault, cause, why, decide_by: decide_by.into() });
    reading.fault = Fault::Undetermined;
    reading.confidence = Confidence::Possible;
}

/// Capture defects cap what may be claimed.
fn cap(session: &Session, confidence: Confidence) -> Confidence {
    let limit = |cap: &Cap| match cap {
        Cap::Duplicates | Cap::BadChecksums | Cap::CutEnd | Cap::Hole | Cap::KernelDrops => Confidence::Likely,
        Cap::OneDirection | Cap::Snaplen | Cap::MidStream | Cap::Disorder | Cap::LimitReached | Cap::FramingLost | Cap::Padded => {
            Confidence::Possible
        }
    };
    session.caps.iter().map(limit).fold(confidence, Confidence::min)
}

/// How sure the ending, and who closed, are.
fn confidence(session: &Session) -> (Confidence, Confidence) {
    let base = match session.root().map(|root| &root.what) {
        Some(ActKind::SealedAlert { reading: SealedReading::Unclear, .. }) => Confidence::Possible,
        Some(ActKind::SealedAlert { .. }) => Confidence::Likely,
        Some(ActKind::Fin | ActKind::Rst(_))
            if session.root_side().is_some_and(|side| session.close_notify[side] == CloseNotify::Unknown) =>
        {
            Confidence::Possible
        }
        _ => Confidence::Certain,
    };
    let mut by = base;
    if session.closing.crossed.is_some() {
        by = Confidence::Possible;
    }
    if let Some(ActKind::Rst(rst)) = session.root().map(|root| &root.what) {
        by = match () {
            // Who sent it was seen, whatever it was.
            () if rst.from_here && session.closing.crossed.is_none() => Confidence::Certain,
            () if rst.fits_sender() => by,
            () => by.min(Confidence::Possible),
        };
    }
    if session.ending == Ending::Stall {
        by = by.min(Confidence::Likely);
    }
    (cap(session, base), cap(session, by))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::verdict::Impact;
    use crate::report::sample;

    fn reading(fault: Fault) -> Box<Reading> {
        Reading::new(fault, Confidence::Likely, Impact::Unknown, format!("it was {fault}"))
    }

    #[test]
    fn readings_that_blame_different_parties_decide_nothing() {
        let (session, _) = sample::refused_hello(1, 0);
        let (client, server) = (&rules::client_reset::RULE, &rules::server_reset::RULE);
        let mut readings = [(client, reading(Fault::Client)), (server, reading(Fault::Server))];
        let (_, told) = settle(&mut readings, &session).unwrap();
        assert_eq!(told.fault, Fault::Undetermined);
        let named: Vec<_> = told.alternatives.iter().map(|other| other.fault).collect();
        assert_eq!(named, [Fault::Client, Fault::Server]);
    }

    #[test]
    fn readings_that_agree_on_the_fault_give_the_first() {
        let (session, _) = sample::refused_hello(1, 0);
        let (one, other) = (&rules::server_reset::RULE, &rules::server_truncated_record::RULE);
        let mut readings = [(one, reading(Fault::Server)), (other, reading(Fault::Server))];
        let (rule, told) = settle(&mut readings, &session).unwrap();
        assert_eq!((rule.slug, told.fault), ("server-reset", Fault::Server));
        assert!(told.alternatives.is_empty());
    }
}
