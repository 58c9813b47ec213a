//! What the handshake of a TLS session told, and what is needed to read on: seldom looked at once it is over.

use crate::base::{At, Limits, PerWay, Way, prefetch};
use crate::session::keyed::Keys;
use crate::session::seldom::Seldom;
use crate::session::way::Milestones;
use crate::tls::{Chain, ClientHello, Framer, Protection, ServerHello, Version};

/// What a [`Tracker`](crate::session::Tracker) knows beside the records that came.
#[derive(Debug)]
pub struct Handshake {
    /// What each direction passed.
    pub ways: PerWay<Milestones>,
    pub(super) framers: PerWay<Framer>,
    /// Negotiated version.
    pub version: Option<Version>,
    /// How records are protected.
    pub protection: Option<Protection>,
    /// The way the ClientHello went.
    pub client: Option<Way>,
    /// The session was resumed.
    pub resumed: bool,
    /// The session's keys, where a key log has them or may still get them.
    pub(super) keys: Option<Box<Keys>>,
    /// What few handshakes show.
    pub(super) seldom: Option<Box<Seldom>>,
    /// The ServerHello.
    pub server_hello: Option<Box<ServerHello>>,
    /// The frame of the ServerHello.
    pub server_hello_at: Option<At>,
    /// The ClientHello (the second one after a HelloRetryRequest).
    pub client_hello: Option<Box<ClientHello>>,
    /// The frame in which it was complete, and the frame it began in.
    pub client_hello_at: Option<(At, At)>,
    /// The end of the ClientHello in the client's stream.
    pub client_hello_end: u64,
    /// The server's certificates, where they were in clear.
    pub certificates: Option<Box<Chain>>,
    /// Where the server's certificates were, or must have been.
    pub certificate_at: Option<At>,
}

impl Handshake {
    /// None yet; `client` is the way the connection's SYN went. Boxed, and built where it stays: it is large.
    #[inline(never)]
    pub fn new(client: Option<Way>, limits: &Limits) -> Box<Handshake> {
        Box::write(
            Box::new_uninit(),
            Handshake {
                ways: PerWay::default(),
                framers: PerWay::new(Framer::new(limits), Framer::new(limits)),
                client,
                client_hello: None,
                client_hello_at: None,
                client_hello_end: 0,
                server_hello: None,
                server_hello_at: None,
                version: None,
                protection: None,
                certificates: None,
                certificate_at: None,
                resumed: false,
                keys: None,
                seldom: None,
            },
        )
    }

    /// Has the memory that reading the next record of `way` will need brought into the caches.
    #[inline]
    pub fn prefetch(&self, way: Way) {
        self.framers[way].prefetch();
        self.ways[way].prefetch();
        self.ways[way.opposite()].prefetch();
        prefetch(&self.server_hello);
        prefetch(&self.client);
    }

    /// The same for the session's end.
    #[inline]
    pub fn prefetch_end(&self) {
        for way in [Way::AtoB, Way::BtoA] {
            self.framers[way].prefetch();
            self.ways[way].prefetch();
        }
        prefetch(&self.server_hello);
        prefetch(&self.client);
        prefetch(&self.client_hello_at);
    }
}
