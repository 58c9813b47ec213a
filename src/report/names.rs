//! Words for what was spoken before TLS.

use crate::prelude::{Refusal, State};

/// How far a protocol got towards TLS: the word, what kind of no, and the answer's number.
pub(crate) fn state(state: State) -> (&'static str, Option<&'static str>, Option<u32>) {
    match state {
        State::Spoken => ("spoken", None, None),
        State::Asked => ("asked", None, None),
        State::Accepted => ("accepted", None, None),
        State::Refused { why, code } => ("refused", Some(refusal(why)), code),
    }
}

fn refusal(why: Refusal) -> &'static str {
    match why {
        Refusal::Authentication => "authentication",
        Refusal::Policy => "policy",
        Refusal::Upstream => "upstream",
        Refusal::NoTls => "no_tls",
        Refusal::Other => "other",
    }
}

/// The same for people.
pub(crate) fn outcome(state: State) -> &'static str {
    match state {
        State::Spoken => "spoken, but nobody asked for TLS or a tunnel",
        State::Asked => "asked for, and not answered",
        State::Accepted => "accepted",
        State::Refused { why, .. } => match why {
            Refusal::Authentication => "refused: a login is needed",
            Refusal::Policy => "refused: not allowed",
            Refusal::Upstream => "refused: the proxy could not reach the target",
            Refusal::NoTls => "refused: no TLS here",
            Refusal::Other => "refused",
        },
    }
}
