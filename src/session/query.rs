//! Questions that rules ask a session.

use crate::app::{self, Cut, Missing, State};
use crate::base::{At, GapReason, Side, Span};
use crate::prelude::{Protocol, Story, Talk};
use crate::session::act::{Act, ActKind, Rst, RstKind, SealedReading};
use crate::session::facts::{Opening, Session, SideFacts};
use crate::session::words::{Cap, CloseNotify, Ending, Phase};
use crate::tls::Alert;

/// Segments that follow each other so closely were written at once.
const ONE_WRITE: Span = Span::from_millis(1);

/// No more than a flight can be missing at the end; what is farther ahead is nonsense.
const FARTHEST: u64 = 1 << 22;

impl Session {
    /// The root event.
    pub fn root(&self) -> Option<&Act> {
        self.closing.root.as_ref()
    }

    /// Who the root event came from (or came in the name of).
    pub fn root_side(&self) -> Option<Side> {
        self.root()?.side
    }

    /// What was spoken before TLS, if that is a tunnel: the server's address is then the proxy's.
    pub fn tunnel(&self) -> Option<&Story> {
        let leads = |talk: &Talk| matches!(talk.protocol, Protocol::HttpConnect | Protocol::Socks4 | Protocol::Socks5);
        self.prelude.as_deref().filter(|story| story.talks.iter().any(leads))
    }

    /// Only the login was encrypted (TDS): TLS ended after it without a close_notify, and what followed was plain on purpose.
    pub fn only_login_encrypted(&self) -> bool {
        self.prelude.as_deref().is_some_and(|story| story.talks.iter().any(|talk| talk.login_only))
    }

    /// The root event, if it is `side`'s bare FIN.
    pub fn bare_fin(&self, side: Side) -> Option<&Act> {
        self.root().filter(|root| self.ending == Ending::Fin && root.side == Some(side) && root.what == ActKind::Fin)
    }

    /// The root event, if it is a RST in `side`'s name.
    pub fn root_rst(&self, side: Side) -> Option<&Rst> {
        let root = self.root().filter(|root| self.ending == Ending::Rst && root.side == Some(side))?;
        match &root.what {
            ActKind::Rst(rst) => Some(rst),
            _ => None,
        }
    }

    /// The root event, if it is a fatal alert in clear.
    pub fn root_alert(&self) -> Option<(Side, Alert, At)> {
        let root = self.root().filter(|_| self.ending == Ending::FatalAlert)?;
        match root.what {
            ActKind::Alert(alert) => Some((root.side?, alert, root.at)),
            _ => None,
        }
    }

    /// The root event, if it is an encrypted alert that can only be fatal.
    pub fn root_sealed_fatal(&self) -> Option<(Side, At)> {
        let root = self.root().filter(|_| self.ending == Ending::FatalAlert)?;
        match root.what {
            ActKind::SealedAlert { reading: SealedReading::Fatal, .. } => Some((root.side?, root.at)),
            _ => None,
        }
    }

    /// The server sent its certificate (or what must hold it) and the client did not finish the handshake after it.
    pub fn left_after_certificate(&self) -> bool {
        self.tls.certificate_at.is_some() && self.root_side() == Some(Side::Client) && self.phase == Phase::Handshake
    }

    /// How far the exchange came, where keys tell.
    pub fn exchange_state(&self) -> Option<&State> {
        self.exchange.as_deref().map(|outcome| &outcome.state).filter(|state| !matches!(state, State::Unknown(_)))
    }

    /// Keys show that all that was asked was answered whole, and that the answers arrived: what a close cut off was nothing. Also true where
    /// nothing was asked.
    pub fn exchange_complete(&self) -> bool {
        let whole = match self.exchange_state() {
            Some(State::Complete) => !self.answered_too_late(),
            Some(State::Idle) => true,
            // The end that such a response has is a close that was announced.
            Some(State::UntilClose { .. }) => self.close_notify[Side::Server] == CloseNotify::Sent,
            _ => false,
        };
        whole && (self.sides.server.unacked == 0 || self.root_side() == Some(Side::Client))
    }

    /// What the client had asked last in HTTP/1 was answered only when the client had gone.
    fn answered_too_late(&self) -> bool {
        let (client, server) = (&self.sides.client.at_close, &self.sides.server);
        let http1 = self.exchange.as_deref().is_some_and(|outcome| outcome.protocol == app::Protocol::Http1);
        let left = self.root().filter(|root| http1 && root.side == Some(Side::Client)).map(|root| root.at);
        let unanswered = client.last.is_some_and(|asked| server.at_close.last_answer.is_none_or(|answer| answer < asked));
        unanswered && left.is_some_and(|left| server.last_app.is_some_and(|answer| answer > left))
    }

    /// Keys show that the server's response stopped in the middle, and was to have an end.
    pub fn cut_response(&self) -> Option<&Cut> {
        match self.exchange_state()? {
            State::Cut(cut) if cut.from == Side::Server && cut.missing != Missing::Stream => Some(cut),
            _ => None,
        }
    }

    /// When the first FIN or RST came, the client had spoken last, and not only in frames too short to ask for anything: an answer was owed.
    /// With keys: a request, whole or not, had no answer.
    pub fn outstanding(&self) -> bool {
        if let Some(state) = self.exchange_state() {
            let asked = match state {
                // What is asked of a side that has closed already was not owed when it did.
                State::Outstanding { at, .. } => self.root().is_none_or(|root| *at < root.at),
                State::Cut(cut) => cut.from == Side::Client,
                State::Complete => self.answered_too_late(),
                _ => false,
            };
            return asked && !self.crossed_by_request();
        }
        // That may have been the answer.
        if self.root_side() == Some(Side::Client) && self.heard_unseen() {
            return false;
        }
        let (client, server) = (&self.sides.client.at_close, &self.sides.server.at_close);
        let Some(asked) = client.last else { return false };
        let answered = server.last_answer.is_some_and(|answered| answered > asked);
        // HTTP/2 clients acknowledge settings, update windows and say GOAWAY without asking for anything.
        let h2 = self.tls.client_hello.as_ref().is_some_and(|hello| hello.alpn().any(|alpn| alpn == b"h2"));
        let meant = client.longest > if h2 { 64 } else { 0 };
        !answered && meant && !self.crossed_by_request()
    }

    /// Who closed had acknowledged more, with that close, than this capture has of the other side.
    pub fn heard_unseen(&self) -> bool {
        let Some(root) = self.root() else { return false };
        // What a forged RST acknowledges says nothing.
        let own = match &root.what {
            ActKind::Rst(rst) => rst.fits_sender(),
            ActKind::Fin => true,
            _ => false,
        };
        let Some((side, knew)) = root.side.zip(root.knew).filter(|_| own) else { return false };
        (1..FARTHEST).contains(&knew.saturating_sub(self.sides[side.peer()].end))
    }

    /// The server's close did not acknowledge the client's newest application data, nor that the close: the two crossed on the wire.
    pub fn crossed_by_request(&self) -> bool {
        let Some(root) = self.root().filter(|root| root.side == Some(Side::Server)) else { return false };
        let client = &self.sides.client;
        root.knew.is_some_and(|knew| knew < client.last_app_end) && root.offset.is_some_and(|close| client.last_app_knew <= close)
    }

    /// Who sent the session's last packet.
    pub fn last_from(&self) -> Side {
        if self.sides.client.last_packet >= self.sides.server.last_packet { Side::Client } else { Side::Server }
    }

    /// How long nothing of use was said before `at`, by either side.
    pub fn silence_before(&self, at: At) -> Option<Span> {
        let last = [&self.sides.client, &self.sides.server].iter().filter_map(|side| side.last_data_before(at)).max()?;
        Some(at.time.since(last.time))
    }

    /// How long before `at` the last data came, to be told: as [`Session::silence_before`], or where that is too short for its beginning to be
    /// kept, from the last application data. `None`: in the same moment.
    pub fn after_last_data(&self, at: At) -> Option<Span> {
        let quiet = self.silence_before(at).filter(|quiet| *quiet > Span::ZERO);
        let data = || [&self.sides.client, &self.sides.server].iter().filter_map(|side| side.last_app).filter(|last| *last < at).max();
        quiet.or_else(|| data().map(|last| at.time.since(last.time))).filter(|quiet| *quiet > Span::ZERO)
    }

    /// The round trip from the capture point to `side`, as TCP's opening showed it.
    pub fn round_trip_to(&self, side: Side) -> Option<Span> {
        match side {
            Side::Client => self.opening.client_rtt,
            Side::Server => self.opening.server_rtt,
        }
    }

    /// `side` did not read for long: since when its receive window was closed.
    pub fn stopped_reading(&self, side: Side) -> Option<At> {
        let (first, last) = self.sides[side].zero_window.filter(|_| self.sides[side].window_closed)?;
        (last.time.since(first.time) >= Span::from_secs(1)).then_some(first)
    }

    /// The round trip, as far as this capture shows it: both parts of the path.
    pub fn round_trip(&self) -> Option<Span> {
        let (near, far) = (self.opening.client_rtt?, self.opening.server_rtt?);
        Some(Span::from_nanos(near.nanos().saturating_add(far.nanos())))
    }

    /// Whether `side` announced its close, in clear or inferred.
    pub fn announced(&self, side: Side) -> bool {
        matches!(self.close_notify[side], CloseNotify::Sent | CloseNotify::Likely)
    }

    /// Whoever closed may have announced it in a record that padding made as long as data, or have answered such a record of the other side:
    /// nothing that rests on there being none can be said.
    pub fn hidden_by_padding(&self) -> bool {
        let unknown = [self.close_notify.client, self.close_notify.server].contains(&CloseNotify::Unknown);
        self.capped(Cap::Padded) && unknown && matches!(self.ending, Ending::Fin | Ending::Rst)
    }

    /// When the connection came up, as far as that was seen before `at`: the ACK that opens it may have been missed.
    pub fn up_before(&self, at: At) -> Option<At> {
        let Opening { established, syn_ack, last_syn, .. } = self.opening;
        [established, syn_ack, last_syn].into_iter().flatten().find(|up| *up < at)
    }

    /// How long the connection had been up at `at`.
    pub fn silence_since_open(&self, at: At) -> Span {
        self.up_before(at).map_or(Span::ZERO, |up| at.time.since(up.time))
    }

    /// What `side` did.
    pub fn side(&self, side: Side) -> &SideFacts {
        &self.sides[side]
    }
}

impl SideFacts {
    /// Its last payload before `at`; before the whole of what it wrote then, where that took several segments. Where it spoke less than a
    /// second before and again since, exactly when is not kept: `at` then.
    pub fn last_data_before(&self, at: At) -> Option<At> {
        let last = self.last_data?;
        if last < at {
            return Some(last);
        }
        match self.pause {
            Some((before, after)) if before < at && at.time <= after.time.plus(ONE_WRITE) => Some(before),
            _ => self.first_data.filter(|first| *first < at).map(|_| at),
        }
    }

    /// The capture lacks a part of what it sent, and its receiver did not.
    pub fn missed(&self) -> bool {
        self.gaps.iter().any(|(_, _, why)| *why == GapReason::CaptureLoss)
    }

    /// The path swallowed a part of what it sent, for good: never captured, never acknowledged.
    pub fn swallowed(&self) -> bool {
        self.gaps.iter().any(|(_, _, why)| *why == GapReason::PathLoss)
    }
}

impl Rst {
    /// Signs that this RST was not sent by the side it names, each in words. One sign is a suspicion, two are a finding.
    pub fn misfits(&self) -> Vec<String> {
        let mut signs = Vec::new();
        if let Some((usual, packets)) = self.usual_ttl
            && packets >= 3
            && usual.abs_diff(self.ttl) >= 2
        {
            signs.push(format!("its TTL is {} where {packets} other packets of that side have {usual}", self.ttl));
        }
        if self.came_in {
            signs.push("it came in from the network, though that side is the host captured on".to_owned());
        }
        if self.other_mac {
            signs.push("it comes from another MAC address than that side's other packets".to_owned());
        }
        if self.kind == RstKind::Active && self.usual_timestamps && !self.timestamps {
            signs.push("it lacks the TCP timestamps that every other packet of that side carries".to_owned());
        }
        if self.kind == RstKind::Active && self.window == 0 && self.usual_timestamps {
            signs.push("it claims a living socket and a window of zero".to_owned());
        }
        if self.kind != RstKind::Refusal && self.seq_offset > 0 && self.trigger.is_none() {
            signs.push(format!("its sequence number is {} beyond anything that side had sent", self.seq_offset));
        }
        if self.stepping {
            signs.push("RSTs follow it whose sequence numbers step ahead of anything that side had sent".to_owned());
        }
        if self.payload > 0 {
            signs.push(format!("it carries {} of payload", self.payload));
        }
        signs
    }

    /// It looks like its sender's own abort: the active kind, and nothing about it is out of place.
    pub fn fits_sender(&self) -> bool {
        self.kind == RstKind::Active && self.misfits().is_empty() && self.outlived_by.is_none()
    }

    /// It answers a segment for which its sender should have had a socket: that sender had not closed before.
    pub fn from_nowhere(&self) -> bool {
        self.kind == RstKind::Reply && !self.after_own_close
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Time;

    fn at(secs: i64) -> At {
        At::new(Time::from_nanos(secs * 1_000_000_000), secs as u32, 0)
    }

    #[test]
    fn a_silence_is_measured_from_what_either_side_said_last() {
        let side = SideFacts { first_data: Some(at(1)), last_data: Some(at(20)), pause: Some((at(10), at(20))), ..SideFacts::default() };
        assert_eq!(side.last_data_before(at(30)), Some(at(20)));
        assert_eq!(side.last_data_before(at(20)), Some(at(10)), "up to the packet that ends the pause");
        assert_eq!(side.last_data_before(at(15)), Some(at(10)));
        let second_half = At::new(at(20).time, 21, 0);
        let cut = SideFacts { last_data: Some(second_half), ..side.clone() };
        assert_eq!(cut.last_data_before(second_half), Some(at(10)), "a record in two segments");
        assert_eq!(cut.last_data_before(at(21)), Some(second_half));
        assert_eq!(side.last_data_before(at(10)), Some(at(10)), "it spoke just before, when exactly is not kept: no silence");
        assert_eq!(side.last_data_before(at(1)), None);
        let steady = SideFacts { pause: None, ..side };
        assert_eq!(steady.last_data_before(at(20)), Some(at(20)), "one that never paused was not silent");
    }
}
