//! What few handshakes show, and the alerts that could be read.

use crate::base::{At, Way};
use crate::session::tracker::Tracker;
use crate::tls::Alert;

/// What few handshakes show: most connections, without keys, need no memory for it.
#[derive(Debug, Default)]
pub struct Seldom {
    /// A HelloRetryRequest.
    pub hello_retry: Option<At>,
    /// A CertificateRequest.
    pub certificate_request: Option<At>,
    /// The client's answer to it, and whether there was a certificate in it.
    pub client_certificate: Option<(At, bool)>,
    /// A message of the server's flight in clear (TLS ≤ 1.2).
    pub server_hello_done: Option<At>,
    /// Handshakes after the first.
    pub renegotiations: u32,
    /// Alerts that could be read, in order.
    pub alerts: Vec<ReadAlert>,
}

/// An alert that could be read, in clear or with keys.
#[derive(Clone, Copy, Debug)]
pub struct ReadAlert {
    /// Who sent it.
    pub way: Way,
    /// The alert.
    pub alert: Alert,
    /// The frame.
    pub at: At,
    /// Offset of its record in its sender's stream.
    pub offset: u64,
    /// How much of the peer's stream its sender had acknowledged.
    pub knew: u64,
}

/// What is there when nothing is.
static NOTHING: Seldom = Seldom {
    hello_retry: None,
    certificate_request: None,
    client_certificate: None,
    server_hello_done: None,
    renegotiations: 0,
    alerts: Vec::new(),
};

impl Tracker {
    /// What few handshakes show.
    pub fn seldom(&self) -> &Seldom {
        self.handshake.seldom.as_deref().unwrap_or(&NOTHING)
    }

    pub(super) fn seldom_mut(&mut self) -> &mut Seldom {
        self.handshake.seldom.get_or_insert_default()
    }

    /// A handshake after the first begins, if this is the side that counts.
    pub(super) fn renegotiate(&mut self, counts: bool) {
        if counts {
            let seldom = self.seldom_mut();
            seldom.renegotiations = seldom.renegotiations.saturating_add(1);
        }
    }
}
