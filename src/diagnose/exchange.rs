//! What keys tell of the exchange, in words, and what that makes of a reading's impact.

use crate::app::{Cut, Missing, Outcome, Part, Protocol, State};
use crate::base::{Side, Span};
use crate::diagnose::rule::Reading;
use crate::diagnose::tell;
use crate::diagnose::verdict::Impact;
use crate::session::{Ending, Phase, Session};

/// Data that came this shortly before the end was still flowing; a stream that rested longer may have had nothing more to say.
const FLOWING: Span = Span::from_millis(1_800);

/// How far an exchange came, as a clause: `HTTP/1.1: 3 requests, all answered whole`. `None` where it cannot be told.
pub fn words(outcome: &Outcome) -> Option<String> {
    let what = match &outcome.state {
        State::Idle => "nothing was asked".to_owned(),
        State::Complete if outcome.protocol == Protocol::WebSocket => "closed with a close frame, no message cut".to_owned(),
        State::Complete => answered(outcome),
        State::UntilClose { have, .. } => {
            format!("the response has no length, so that only an announced close ends it: {} came", tell::bytes(*have))
        }
        State::Outstanding { requests, .. } => {
            format!("{} without a byte of a response{}", tell::plural(u64::from(*requests), "request"), before(outcome))
        }
        State::Cut(part) => cut(part, outcome.protocol),
        State::AnsweredEarly(part) => {
            let status = outcome.status.map_or(String::new(), |status| format!(" with status {status}"));
            format!("{}; the server had answered{status} before its end", cut(part, outcome.protocol))
        }
        State::Unclosed => "no close frame, and no message cut".to_owned(),
        State::Unknown(_) => return None,
    };
    Some(if outcome.protocol == Protocol::Unknown { what } else { format!("{}: {what}", outcome.protocol.name()) })
}

/// The same of a session, in brackets behind a space; empty where nothing is known.
pub fn aside(session: &Session) -> String {
    let words = session.exchange.as_deref().and_then(words);
    words.map_or(String::new(), |words| format!(" ({words})"))
}

/// What stopped of the session's response, after how much of it.
pub fn cut_words(session: &Session, part: &Cut) -> String {
    cut(part, session.exchange.as_deref().map_or(Protocol::Unknown, |outcome| outcome.protocol))
}

fn answered(outcome: &Outcome) -> String {
    let mut words = match outcome.answered {
        0 => "nothing is outstanding".to_owned(),
        1 => "1 request, answered whole".to_owned(),
        many => format!("{many} requests, all answered whole"),
    };
    for (side, verb) in [(Side::Client, "taken back by the client"), (Side::Server, "given up by the server")] {
        if outcome.reset[side] > 0 {
            words.push_str(&format!(", {} {verb}", outcome.reset[side]));
        }
    }
    words
}

/// What went well before.
fn before(outcome: &Outcome) -> String {
    if outcome.answered == 0 { String::new() } else { format!(", after {} answered whole", outcome.answered) }
}

/// What stopped, after how much of it.
fn cut(cut: &Cut, protocol: Protocol) -> String {
    let message = match (protocol, cut.from) {
        (Protocol::WebSocket, side) => format!("a WebSocket message of the {side}"),
        (_, Side::Client) => "the request".to_owned(),
        (_, Side::Server) => "the response".to_owned(),
    };
    let had = match (cut.part, cut.need) {
        (Part::Head, _) => "in its head".to_owned(),
        (_, Some(need)) => format!("after {} of {}", cut.have, tell::bytes(need)),
        (Part::Frame, None) => "between two frames or in the head of one".to_owned(),
        (Part::Body, None) => {
            let place = match (cut.missing, protocol) {
                (Missing::Bytes, Protocol::Http2) => "in the middle of a frame",
                (Missing::Bytes, _) => "in the middle of a chunk",
                (Missing::End, Protocol::Http2) => "without END_STREAM",
                (Missing::End, _) => "without the last chunk",
                (Missing::Stream, _) => "of a stream that has no end of its own",
            };
            format!("after {}, {place}", tell::bytes(cut.have))
        }
    };
    let others = if cut.others == 0 { String::new() } else { format!(", and {} beside it", tell::plural(u64::from(cut.others), "other")) };
    format!("{message} stopped {had}{others}")
}

/// Lets a reading's impact be what keys prove, and cites it.
pub fn weigh(session: &Session, reading: &mut Reading) {
    let ended = session.ending.flagged() || session.ending == Ending::CloseNotify;
    let (Some(outcome), true, Phase::Established) = (session.exchange.as_deref(), ended, session.phase) else { return };
    let by_client = session.root_side() == Some(Side::Client);
    // What a reading that knows nothing of the exchange leaves open.
    let open = matches!(reading.impact, Impact::None | Impact::TruncationPossible | Impact::Unknown);
    let impact = match &outcome.state {
        State::Complete | State::UntilClose { .. } if session.exchange_complete() => {
            let closed = matches!(session.ending, Ending::Fin | Ending::Rst);
            if open || (closed && reading.impact == Impact::SessionFailed) { Impact::None } else { reading.impact }
        }
        State::UntilClose { .. } if open => {
            if by_client {
                Impact::Unknown
            } else {
                Impact::TruncationPossible
            }
        }
        // Who takes back what it asked for has lost nothing.
        State::Cut(cut) if by_client && cut.from == Side::Server => {
            if open {
                Impact::Unknown
            } else {
                reading.impact
            }
        }
        State::Cut(cut) if cut.from == Side::Server || by_client => match cut.missing {
            Missing::Bytes => Impact::DataLost,
            Missing::End if flowing(session, cut) => Impact::DataLost,
            Missing::End if open => Impact::TruncationPossible,
            Missing::Stream if open => Impact::Unknown,
            _ => reading.impact,
        },
        State::Cut(_) | State::Outstanding { .. } if open && !by_client => Impact::SessionFailed,
        _ => reading.impact,
    };
    reading.impact = impact;
    if let Some(words) = words(outcome) {
        reading.evidence.extend(match &outcome.state {
            State::Cut(cut) | State::AnsweredEarly(cut) => tell::saw(cut.at, cut.from, words),
            State::UntilClose { at, .. } => tell::saw(*at, Side::Server, words),
            State::Outstanding { at, .. } => tell::saw(*at, Side::Client, words),
            _ => None,
        });
    }
}

/// The message was still coming when the session ended.
fn flowing(session: &Session, cut: &Cut) -> bool {
    session.root().is_some_and(|root| root.at.time.since(cut.at.time) < FLOWING)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Why;
    use crate::base::{At, PerSide};

    fn part(from: Side, part: Part, need: Option<u64>, missing: Missing) -> Cut {
        Cut { from, at: At::default(), part, have: 100, need, missing, others: 0 }
    }

    fn said(protocol: Protocol, state: State) -> Option<String> {
        let outcome = Outcome { answered: 3, reset: PerSide { client: 1, server: 0 }, ..Outcome::unknown(protocol, Why::Protocol) };
        words(&Outcome { status: Some(413), state, ..outcome })
    }

    #[test]
    fn an_exchange_is_told_in_a_clause() {
        let (client, server) = (Side::Client, Side::Server);
        let cut = |from, place, need, missing| State::Cut(part(from, place, need, missing));
        let http1 = |state| said(Protocol::Http1, state).unwrap();
        let http2 = |state| said(Protocol::Http2, state).unwrap();
        assert_eq!(http1(State::Complete), "HTTP/1.1: 3 requests, all answered whole, 1 taken back by the client");
        let outstanding = State::Outstanding { at: At::default(), requests: 1 };
        assert_eq!(http1(outstanding), "HTTP/1.1: 1 request without a byte of a response, after 3 answered whole");
        assert_eq!(http1(cut(server, Part::Body, Some(1_000), Missing::Bytes)), "HTTP/1.1: the response stopped after 100 of 1000 bytes");
        assert_eq!(http1(cut(client, Part::Head, None, Missing::Bytes)), "HTTP/1.1: the request stopped in its head");
        assert_eq!(
            http1(cut(server, Part::Body, None, Missing::End)),
            "HTTP/1.1: the response stopped after 100 bytes, without the last chunk"
        );
        assert_eq!(
            http2(State::Cut(Cut { others: 2, ..part(server, Part::Body, None, Missing::End) })),
            "HTTP/2: the response stopped after 100 bytes, without END_STREAM, and 2 others beside it"
        );
        let early = State::AnsweredEarly(part(client, Part::Body, Some(1_000), Missing::Bytes));
        let words = "HTTP/1.1: the request stopped after 100 of 1000 bytes; the server had answered with status 413 before its end";
        assert_eq!(http1(early), words);
        assert_eq!(said(Protocol::WebSocket, State::Unclosed).unwrap(), "WebSocket: no close frame, and no message cut");
        assert_eq!(said(Protocol::Unknown, State::Idle).unwrap(), "nothing was asked");
        assert_eq!(said(Protocol::Http1, State::Unknown(Why::Hole)), None);
    }
}
