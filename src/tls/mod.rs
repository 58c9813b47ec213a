//! TLS as it is read from a byte stream: records, handshake messages, alerts, certificates, cipher suites, fingerprints.
//!
//! Nothing here knows of TCP, of roles or of time: [`Framer`] turns one direction's [`Piece`](crate::base::Piece)s into [`Unit`]s, and
//! the rest reads what they hold. Who negotiated what, and when a direction became encrypted, is known to the owner of the two framers.

mod alert;
mod certificate;
mod cipher;
mod decrypt;
mod fingerprint;
mod framer;
mod handshake;
mod hello;
mod inspection;
mod name_match;
mod record;
mod secrets;
mod sniff;
#[cfg(test)]
mod testdata;

pub use alert::{Alert, AlertDescription, AlertLevel};
pub use certificate::{Authority, Certificate, Chain, PublicKey, Validity};
pub use cipher::{Protection, ProtectionKind, Suite};
pub use decrypt::{Handshake12, Inner, Opener};
pub use fingerprint::{community_id, ja3, ja3_string, ja4};
pub use framer::{Framer, Input, whole_record};
pub use handshake::{HandshakeType, group_name, is_grease, server_key_exchange_group};
pub use hello::{ClientHello, Downgrade, ServerHello, ServerName};
pub use inspection::{inspection_product, inspection_word};
pub use name_match::{NameMatch, name_matches};
pub use record::{Body, ContentType, Extent, Flaw, Message, Partial, PartialMessage, RECORD_HEADER, RecordHead, Unit, Unread, Version};
pub use secrets::{KeyLog, KeyLogCounts, Secret, SecretKind, Secrets};
pub use sniff::{Sniff, looks_like_tls};
