//! ClientHello and ServerHello: what was offered and what was chosen.

use tls_parser::nom::IResult;
use tls_parser::{
    TlsExtension, parse_tls_extension_alpn_content, parse_tls_extension_ec_point_formats_content,
    parse_tls_extension_elliptic_curves_content, parse_tls_extension_sni_content, parse_tls_extension_supported_versions,
    parse_tls_handshake_client_hello, parse_tls_handshake_server_hello,
};

pub(super) use self::lists::List;
use self::lists::Lists;
use self::reader::{Entries, Reader};
use super::handshake::is_grease;
use super::{Suite, Version};
use crate::base::prefetch;

mod lists;
mod reader;

/// Entries kept of each list in a ClientHello; a client that has more of them is no client.
const MAX_SUITES: usize = 512;
const MAX_EXTENSIONS: usize = 128;
const MAX_LIST: usize = 64;
const MAX_ALPN: usize = 16;
/// Longest host name kept: DNS allows 253 characters.
const MAX_NAME: usize = 255;

/// Extension types (IANA's TLS ExtensionType Values registry) that are read here.
mod ext {
    pub const SERVER_NAME: u16 = 0;
    pub const STATUS_REQUEST: u16 = 5;
    pub const SUPPORTED_GROUPS: u16 = 10;
    pub const EC_POINT_FORMATS: u16 = 11;
    pub const SIGNATURE_ALGORITHMS: u16 = 13;
    pub const ALPN: u16 = 16;
    pub const ENCRYPT_THEN_MAC: u16 = 22;
    pub const EXTENDED_MASTER_SECRET: u16 = 23;
    pub const SESSION_TICKET: u16 = 35;
    pub const PRE_SHARED_KEY: u16 = 41;
    pub const EARLY_DATA: u16 = 42;
    pub const SUPPORTED_VERSIONS: u16 = 43;
    pub const KEY_SHARE: u16 = 51;
    pub const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
    pub const RENEGOTIATION_INFO: u16 = 0xff01;
}

/// The random of a ServerHello that is a HelloRetryRequest: SHA-256 of "HelloRetryRequest" (RFC 8446 section 4.1.3).
const HELLO_RETRY_REQUEST: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
    0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// The server name in a ClientHello (RFC 6066 section 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerName(Box<[u8]>);

impl ServerName {
    /// As text. Bytes that are not UTF-8 are replaced; nothing is escaped.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }

    /// As sent (at most 255 bytes).
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What a client offers. GREASE values (RFC 8701) are left out of all lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// Length of the message body, in bytes.
    pub len: u32,
    /// The version field; TLS 1.3 clients say TLS 1.2 here.
    pub legacy_version: Version,
    /// Random: the key to a key log.
    pub random: [u8; 32],
    /// Session ID.
    pub session_id: SessionId,
    /// The name of the server asked for.
    pub server_name: Option<ServerName>,
    alpn: Box<[u8]>,
    lists: Lists,
    /// GREASE values were among the lists: Chromium and its relatives.
    pub grease: bool,
    /// It was an SSLv2-compatible one.
    pub sslv2: bool,
    /// It could not be read to its end, or a part of it could not; what could be read is here.
    pub malformed: bool,
}

/// What a server chose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerHello {
    /// The version negotiated: the supported_versions extension's, or the version field.
    pub version: Version,
    /// The version field.
    pub legacy_version: Version,
    /// Random.
    pub random: [u8; 32],
    /// Session ID.
    pub session_id: SessionId,
    /// The cipher suite chosen.
    pub suite: Suite,
    /// The compression method chosen; 0 is none (TLS 1.3 has no other).
    pub compression: u8,
    /// Types of the extensions, in order.
    pub extensions: Box<[u16]>,
    /// The application protocol chosen: up to TLS 1.2 it is in the message, TLS 1.3 encrypts it (in EncryptedExtensions).
    pub alpn: Option<Box<[u8]>>,
    /// The group of the server's key share, or the one a HelloRetryRequest asks for (TLS 1.3).
    pub key_share: Option<u16>,
    /// Which of the client's pre-shared keys was taken: the session is resumed, or has an external key (TLS 1.3).
    pub psk: Option<u16>,
    /// It could not be read to its end, or a part of it could not; what could be read is here.
    pub malformed: bool,
}

/// What the last bytes of a ServerHello's random say to a client that can do better (RFC 8446 section 4.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Downgrade {
    /// The server can do TLS 1.3 and was made to do TLS 1.2.
    ToTls12,
    /// The server can do TLS 1.2 or 1.3 and was made to do TLS 1.1 or below.
    ToTls11,
}

/// A session ID (RFC 5246 section 7.4.1.2): at most 32 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionId {
    len: u8,
    bytes: [u8; 32],
}

impl SessionId {
    /// Of what was sent: bytes beyond the 32nd are left out.
    fn new(sent: &[u8]) -> SessionId {
        let mut id = SessionId::default();
        let sent = sent.get(..id.bytes.len()).unwrap_or(sent);
        if let Some(bytes) = id.bytes.get_mut(..sent.len()) {
            bytes.copy_from_slice(sent);
            id.len = sent.len() as u8;
        }
        id
    }

    /// As sent.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

/// How tls-parser reads an extension.
type Parse = for<'a> fn(&'a [u8]) -> IResult<&'a [u8], TlsExtension<'a>>;

/// A ClientHello while it is read, where it stays, and its lists as they come.
#[derive(Debug)]
struct Draft<'h> {
    hello: &'h mut ClientHello,
    words: Vec<u16>,
}

impl Draft<'_> {
    /// Takes the values that are no GREASE, at most `max`, as `list`.
    fn keep(&mut self, list: List, values: impl IntoIterator<Item = u16>, max: usize) {
        let from = self.words.len();
        for value in values {
            if is_grease(value) {
                self.hello.grease = true;
            } else if self.words.len() - from < max {
                self.words.push(value);
            }
        }
        self.hello.lists.put(list, from..self.words.len());
    }

    fn done(self) {
        self.hello.lists.fill(&self.words);
    }
}

impl ClientHello {
    /// Reads the body of a ClientHello message.
    pub fn parse(body: &[u8]) -> ClientHello {
        let mut hello = ClientHello { len: body.len() as u32, ..ClientHello::default() };
        let mut draft = Draft { hello: &mut hello, words: Vec::with_capacity(body.len() / 2) };
        draft.read(body);
        draft.done();
        hello
    }

    /// Reads an SSLv2-compatible ClientHello, from its message type on (RFC 5246 appendix E.2).
    pub fn parse_sslv2(message: &[u8]) -> ClientHello {
        let mut hello = ClientHello { len: message.len() as u32, sslv2: true, ..ClientHello::default() };
        let mut draft = Draft { hello: &mut hello, words: Vec::new() };
        draft.hello.malformed = draft.read_sslv2(message).is_none();
        draft.done();
        hello
    }

    /// Has what is asked at the end of every session brought into the caches.
    pub fn prefetch(&self) {
        prefetch(&self.server_name);
        prefetch(&self.alpn);
    }

    /// The same for what of it is elsewhere.
    pub fn prefetch_texts(&self) {
        let name = self.server_name.as_ref().and_then(|name| name.0.first());
        [name, self.alpn.first()].into_iter().flatten().for_each(prefetch);
        self.lists.get(List::Versions).first().into_iter().for_each(prefetch);
    }

    /// Cipher suites, in the order of preference.
    pub fn suites(&self) -> impl ExactSizeIterator<Item = Suite> + '_ {
        self.lists.get(List::Suites).iter().map(|suite| Suite(*suite))
    }

    /// Types of the extensions, in order.
    pub fn extensions(&self) -> &[u16] {
        self.lists.get(List::Extensions)
    }

    /// The supported_versions extension; empty where there is none, as up to TLS 1.2.
    pub fn supported_versions(&self) -> impl ExactSizeIterator<Item = Version> + '_ {
        self.lists.get(List::Versions).iter().map(|version| Version(*version))
    }

    /// Key exchange groups, in the order of preference.
    pub fn groups(&self) -> &[u16] {
        self.lists.get(List::Groups)
    }

    /// Groups for which a key share came along (TLS 1.3).
    pub fn key_shares(&self) -> &[u16] {
        self.lists.get(List::KeyShares)
    }

    /// Signature algorithms, in the order of preference.
    pub fn signature_algorithms(&self) -> &[u16] {
        self.lists.get(List::SignatureAlgorithms)
    }

    /// Point formats of elliptic curves.
    pub fn point_formats(&self) -> &[u16] {
        self.lists.get(List::PointFormats)
    }

    /// A hello with these lists, without a message to read it from.
    #[cfg(test)]
    pub(super) fn offering(legacy_version: Version, lists: &[(List, &[u16])], alpn: &[&[u8]]) -> ClientHello {
        let alpn = alpn.iter().flat_map(|name| [&[name.len() as u8][..], name].concat()).collect();
        let mut hello = ClientHello { legacy_version, alpn, ..ClientHello::default() };
        let mut draft = Draft { hello: &mut hello, words: Vec::new() };
        for (list, values) in lists {
            draft.keep(*list, values.iter().copied(), usize::MAX);
        }
        draft.done();
        hello
    }

    /// Application protocols offered (RFC 7301), as sent.
    pub fn alpn(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = Reader(&self.alpn);
        std::iter::from_fn(move || {
            let len = rest.u8()?;
            rest.take(len.into())
        })
    }

    /// Whether an extension of this type is there.
    pub fn has_extension(&self, typ: u16) -> bool {
        self.extensions().contains(&typ)
    }

    /// The highest version offered.
    pub fn highest_version(&self) -> Version {
        self.supported_versions().max().unwrap_or(self.legacy_version)
    }

    /// The lowest version offered, where the hello says so: without a supported_versions extension it names only the highest.
    pub fn lowest_version(&self) -> Option<Version> {
        self.supported_versions().min()
    }

    /// The application protocols offered, as text. Bytes that are not UTF-8 are replaced; nothing is escaped.
    pub fn alpn_names(&self) -> impl Iterator<Item = String> + '_ {
        self.alpn().map(|p| String::from_utf8_lossy(p).into_owned())
    }

    /// A pre-shared key is offered: a resumption in TLS 1.3 (or an external key).
    pub fn offers_psk(&self) -> bool {
        self.has_extension(ext::PRE_SHARED_KEY)
    }

    /// Early data (0-RTT) follows.
    pub fn offers_early_data(&self) -> bool {
        self.has_extension(ext::EARLY_DATA)
    }

    /// Encrypted Client Hello is used, or a GREASE one that looks the same: the server name may be a front.
    pub fn has_ech(&self) -> bool {
        self.has_extension(ext::ENCRYPTED_CLIENT_HELLO)
    }

    /// Extended master secret (RFC 7627).
    pub fn offers_extended_master_secret(&self) -> bool {
        self.has_extension(ext::EXTENDED_MASTER_SECRET)
    }

    /// Encrypt-then-MAC (RFC 7366).
    pub fn offers_encrypt_then_mac(&self) -> bool {
        self.has_extension(ext::ENCRYPT_THEN_MAC)
    }

    /// Secure renegotiation, by extension or signalling suite (RFC 5746).
    pub fn offers_secure_renegotiation(&self) -> bool {
        self.has_extension(ext::RENEGOTIATION_INFO) || self.suites().any(|suite| suite == Suite::EMPTY_RENEGOTIATION_INFO_SCSV)
    }

    /// Session tickets (RFC 5077).
    pub fn offers_session_ticket(&self) -> bool {
        self.has_extension(ext::SESSION_TICKET)
    }

    /// OCSP stapling (RFC 6066 section 8).
    pub fn offers_status_request(&self) -> bool {
        self.has_extension(ext::STATUS_REQUEST)
    }

    /// The client says that it fell back to a lower version after a failure (RFC 7507).
    pub fn is_fallback(&self) -> bool {
        self.suites().any(|suite| suite == Suite::FALLBACK_SCSV)
    }
}

impl Draft<'_> {
    fn read(&mut self, body: &[u8]) {
        let extensions = match parse_tls_handshake_client_hello(body) {
            Ok((rest, parsed)) => {
                self.hello.legacy_version = Version(parsed.version.0);
                self.hello.random = parsed.random.try_into().unwrap_or_default();
                self.hello.session_id = SessionId::new(parsed.session_id.unwrap_or_default());
                self.keep(List::Suites, parsed.ciphers.iter().map(|c| c.0), MAX_SUITES);
                self.hello.malformed = !rest.is_empty();
                // A block that claims more than there is comes back unread, its length field first.
                parsed.ext.or(rest.get(2..)).unwrap_or_default()
            }
            Err(_) => {
                self.hello.malformed = true;
                self.salvage(body);
                &[]
            }
        };
        self.read_extensions(extensions);
    }

    fn read_sslv2(&mut self, message: &[u8]) -> Option<()> {
        let mut r = Reader(message);
        r.u8()?;
        self.hello.legacy_version = Version(r.u16()?);
        let (suites, session_id, challenge) = (r.u16()?, r.u16()?, r.u16()?);
        // Three bytes each; those that do not begin with 0 are SSLv2's own.
        let specs = r.take(suites.into())?;
        let ours = specs.as_chunks().0.iter().filter_map(|&[kind, a, b]| (kind == 0).then_some(u16::from_be_bytes([a, b])));
        self.keep(List::Suites, ours, MAX_SUITES);
        self.hello.session_id = SessionId::new(r.take(session_id.into())?);
        // The challenge is the end of the random, zeros before it.
        let challenge = r.take(challenge.into())?;
        let random = &mut self.hello.random;
        let from = random.len().checked_sub(challenge.len())?;
        random.get_mut(from..)?.copy_from_slice(challenge);
        r.0.is_empty().then_some(())
    }

    /// The fields before the first that cannot be read.
    fn salvage(&mut self, body: &[u8]) -> Option<()> {
        let mut r = Reader(body);
        self.hello.legacy_version = Version(r.u16()?);
        self.hello.random = r.random()?;
        let len = r.u8()?;
        self.hello.session_id = SessionId::new(r.take(len.into())?);
        let len = r.u16()?;
        self.keep(List::Suites, r.u16s(len.into()), MAX_SUITES);
        Some(())
    }

    fn read_extensions(&mut self, block: &[u8]) {
        // Their types first: what is in them may need more than there is room for.
        self.keep(List::Extensions, Entries(block).map(|(typ, ..)| typ), MAX_EXTENSIONS);
        let mut extensions = Entries(block);
        for (typ, data, whole) in extensions.by_ref() {
            self.hello.malformed |= self.read_extension(typ, data, whole).is_none();
        }
        self.hello.malformed |= !extensions.0.is_empty();
    }

    /// `None` where the extension cannot be read.
    fn read_extension(&mut self, typ: u16, data: &[u8], whole: &[u8]) -> Option<()> {
        let (parse, bytes): (Parse, &[u8]) = match typ {
            ext::SERVER_NAME => (parse_tls_extension_sni_content, data),
            ext::SUPPORTED_GROUPS => (parse_tls_extension_elliptic_curves_content, data),
            ext::EC_POINT_FORMATS => (parse_tls_extension_ec_point_formats_content, data),
            ext::ALPN => (parse_tls_extension_alpn_content, data),
            ext::SUPPORTED_VERSIONS => (parse_tls_extension_supported_versions, whole),
            // The longest of the lists, and one of plain numbers.
            ext::SIGNATURE_ALGORITHMS => {
                let list = Reader(data).counted()?;
                self.keep(List::SignatureAlgorithms, Reader(list).u16s(list.len()), MAX_LIST);
                return Some(());
            }
            // tls-parser leaves these to us (RFC 8446 section 4.2.8): group, length, key.
            ext::KEY_SHARE => {
                let list = Reader(data).counted()?;
                if Entries(list).map(|(.., whole)| whole.len()).sum::<usize>() < list.len() {
                    return None;
                }
                self.keep(List::KeyShares, Entries(list).map(|(group, ..)| group), MAX_LIST);
                return Some(());
            }
            _ => return Some(()),
        };
        let Ok((_, extension)) = &parse(bytes) else { return None };
        match extension {
            TlsExtension::SNI(names) => {
                let (_, name) = names.iter().find(|(kind, _)| kind.0 == 0)?;
                self.hello.server_name = Some(ServerName(name.get(..MAX_NAME).unwrap_or(name).into()));
            }
            TlsExtension::EllipticCurves(groups) => self.keep(List::Groups, groups.iter().map(|g| g.0), MAX_LIST),
            TlsExtension::EcPointFormats(formats) => self.keep(List::PointFormats, formats.iter().map(|f| u16::from(*f)), MAX_LIST),
            TlsExtension::ALPN(protocols) => {
                // Kept as sent: each behind its length.
                let len = protocols.iter().take(MAX_ALPN).map(|protocol| 1 + protocol.len()).sum();
                self.hello.alpn = Reader(data.get(2..)?).take(len)?.into();
            }
            TlsExtension::SupportedVersions(list) => self.keep(List::Versions, list.iter().map(|v| v.0), MAX_LIST),
            _ => return None,
        }
        Some(())
    }
}

impl ServerHello {
    /// Reads the body of a ServerHello message.
    pub fn parse(body: &[u8]) -> ServerHello {
        let mut hello = ServerHello::default();
        let extensions = match parse_tls_handshake_server_hello(body) {
            Ok((rest, parsed)) => {
                hello.legacy_version = Version(parsed.version.0);
                hello.random = parsed.random.try_into().unwrap_or_default();
                hello.session_id = SessionId::new(parsed.session_id.unwrap_or_default());
                hello.suite = Suite(parsed.cipher.0);
                hello.compression = parsed.compression.0;
                // In SSL 3.0 the parser leaves them to us; some servers send some.
                let left = rest.get(2..).unwrap_or_default();
                hello.malformed =
                    !rest.is_empty() && rest.first_chunk().is_none_or(|len| usize::from(u16::from_be_bytes(*len)) != left.len());
                parsed.ext.unwrap_or(left)
            }
            Err(_) => {
                let rest = hello.salvage(body);
                hello.malformed = rest.is_none();
                rest.unwrap_or_default()
            }
        };
        hello.version = hello.legacy_version;
        hello.read_extensions(extensions);
        hello
    }

    /// A version field that tls-parser does not know, or a message cut short: its fields up to the first that cannot be read, then its
    /// extensions.
    fn salvage<'a>(&mut self, body: &'a [u8]) -> Option<&'a [u8]> {
        let mut r = Reader(body);
        self.legacy_version = Version(r.u16()?);
        self.random = r.random()?;
        let len = r.u8()?;
        self.session_id = SessionId::new(r.take(len.into())?);
        self.suite = Suite(r.u16()?);
        self.compression = r.u8()?;
        if r.0.is_empty() {
            return Some(&[]);
        }
        r.counted().filter(|_| r.0.is_empty())
    }

    fn read_extensions(&mut self, block: &[u8]) {
        let mut extensions = Entries(block);
        for (typ, data, _) in extensions.by_ref() {
            self.malformed |= self.read_extension(typ, data).is_none();
        }
        self.malformed |= !extensions.0.is_empty();
        let types = || Entries(block).map(|(typ, ..)| typ).filter(|typ| !is_grease(*typ)).take(MAX_EXTENSIONS);
        // Counted first: a vector that has grown would be moved once more to make it a box.
        let mut kept = Vec::with_capacity(types().count());
        kept.extend(types());
        self.extensions = kept.into();
    }

    /// Takes over from the body of an EncryptedExtensions message what the ServerHello itself would have said up to TLS 1.2: the
    /// application protocol.
    pub fn read_encrypted_extensions(&mut self, body: &[u8]) {
        let mut r = Reader(body);
        if r.u16().is_none() {
            return;
        }
        for (_, data, _) in Entries(r.0).filter(|(typ, ..)| *typ == ext::ALPN) {
            self.malformed |= self.read_extension(ext::ALPN, data).is_none();
        }
    }

    fn read_extension(&mut self, typ: u16, data: &[u8]) -> Option<()> {
        let mut r = Reader(data);
        match typ {
            ext::SUPPORTED_VERSIONS => self.version = Version(r.u16()?),
            ext::KEY_SHARE => self.key_share = Some(r.u16()?),
            ext::PRE_SHARED_KEY => self.psk = Some(r.u16()?),
            ext::ALPN => {
                r.u16()?;
                let len = r.u8()?;
                self.alpn = Some(r.take(len.into())?.into());
            }
            _ => {}
        }
        Some(())
    }

    /// See [`ClientHello::prefetch`].
    pub fn prefetch(&self) {
        prefetch(&self.alpn);
        prefetch(&self.suite);
    }

    /// Whether an extension of this type is there.
    pub fn has_extension(&self, typ: u16) -> bool {
        self.extensions.contains(&typ)
    }

    /// It is a HelloRetryRequest: the client is asked for a second ClientHello (RFC 8446 section 4.1.4).
    pub fn is_hello_retry_request(&self) -> bool {
        self.random == HELLO_RETRY_REQUEST
    }

    /// Encrypt-then-MAC was agreed on (RFC 7366). It counts for CBC suites only.
    pub fn encrypt_then_mac(&self) -> bool {
        self.has_extension(ext::ENCRYPT_THEN_MAC)
    }

    /// Extended master secret was agreed on (RFC 7627).
    pub fn extended_master_secret(&self) -> bool {
        self.has_extension(ext::EXTENDED_MASTER_SECRET)
    }

    /// The session ID is the client's. Up to TLS 1.2 that means a resumed session (so it does for tickets, RFC 5077 section 3.4); in
    /// TLS 1.3 it means nothing.
    pub fn echoes_session_id(&self, client: &ClientHello) -> bool {
        !self.session_id.bytes().is_empty() && self.session_id == client.session_id
    }

    /// The server says that it can do better than the version it was asked for. Meaningful up to TLS 1.2.
    pub fn downgrade(&self) -> Option<Downgrade> {
        match self.random.last_chunk::<8>()? {
            b"DOWNGRD\x01" => Some(Downgrade::ToTls12),
            b"DOWNGRD\x00" => Some(Downgrade::ToTls11),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
