//! The certificates of a Certificate message up to TLS 1.2, where they travel in clear. Nothing is verified: no signature, no trust.

use std::borrow::Cow;
use std::io::Read;
use std::net::IpAddr;

use sha2::{Digest, Sha256};
use tls_parser::{TlsMessageHandshake, parse_tls_handshake_msg_certificate};
use x509_parser::asn1_rs::{Any, Tag};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey as X509PublicKey;
use x509_parser::x509::X509Name;

use super::handshake::u24;

/// Certificates of a chain that are read; no real chain is longer.
const MAX_CHAIN: usize = 10;
/// Subject alternative names that are kept. The largest in use have some hundred.
const MAX_NAMES: usize = 256;
/// What the CA/Browser Forum's policies begin with.
const RESERVED_POLICIES: &str = "2.23.140.1.";
/// Characters kept of one distinguished name, and of one host name.
const MAX_DN: usize = 512;
const MAX_HOST: usize = 255;

/// A server's (or client's) certificate, as far as a diagnosis needs it. All text is as the certificate has it: escape it before showing it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// It could be parsed. If not, only `sha256` and `len` are meaningful.
    pub readable: bool,
    /// SHA-256 of the DER, as browsers and `openssl x509 -fingerprint -sha256` show it.
    pub sha256: [u8; 32],
    /// Length of the DER, in bytes.
    pub len: u32,
    /// Subject, in the manner of RFC 4514: `CN=www.example.com,O=Example,C=US`.
    pub subject: Box<str>,
    /// The subject's (most specific) common name.
    pub common_name: Option<Box<str>>,
    /// Issuer, as `subject`.
    pub issuer: Box<str>,
    /// DNS names among the subject alternative names.
    pub dns_names: Box<[Box<str>]>,
    /// IP addresses among the subject alternative names.
    pub ip_addresses: Box<[IpAddr]>,
    /// There are more alternative names than were kept, or some could not be read: no name may be called missing.
    pub names_incomplete: bool,
    /// Valid from, in seconds since the Unix epoch.
    pub not_before: i64,
    /// Valid to (inclusive), in seconds since the Unix epoch.
    pub not_after: i64,
    /// Subject and issuer are the same name. Nobody vouches for such a certificate (the signature is not checked).
    pub self_signed: bool,
    /// Basic constraints say that it may sign others.
    pub is_ca: bool,
    /// It bears what CAs that browsers trust must put into it, and private ones have no reason to: a reserved policy (CA/Browser Forum,
    /// Baseline Requirements section 7.1.6.1) or signed certificate timestamps (RFC 6962 section 3.3).
    pub publicly_issued: bool,
    /// The key it is for.
    pub key: PublicKey,
    /// Signature algorithm, by its usual name or its object identifier.
    pub signature_algorithm: Cow<'static, str>,
    /// Serial number, as in the DER (with a leading zero where the first bit is set).
    pub serial: Box<[u8]>,
}

/// A public key's kind and size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicKey {
    /// `RSA`, `EC`, `Ed25519` …, or the object identifier.
    pub algorithm: Cow<'static, str>,
    /// Size in bits, where the algorithm has several.
    pub bits: Option<u16>,
    /// SHA-256 of the DER of the SubjectPublicKeyInfo, as pins have it (RFC 7469 section 2.4).
    pub sha256: [u8; 32],
}

/// A further certificate of a chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authority {
    /// It could be parsed; if not, nothing else here is meaningful.
    pub readable: bool,
    /// Subject, as [`Certificate::subject`].
    pub subject: Box<str>,
    /// Issuer.
    pub issuer: Box<str>,
    /// Valid from, in seconds since the Unix epoch.
    pub not_before: i64,
    /// Valid to (inclusive), in seconds since the Unix epoch.
    pub not_after: i64,
}

/// The chain in a Certificate message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// The end entity's certificate; `None` where the message has none, as a client's that has nothing to show.
    pub leaf: Option<Box<Certificate>>,
    /// The rest, in the order sent.
    pub others: Box<[Authority]>,
    /// How many certificates the message has, also those beyond the ten that are read.
    pub count: u32,
    /// Each certificate read is issued by the subject of the next (RFC 5246 section 7.4.2).
    pub in_order: bool,
    /// The leaf's issuer is among the others, or the leaf is self-signed. If not, either an intermediate certificate is missing, and clients
    /// that have not got it from elsewhere fail; or the issuer is a root, which need not be sent.
    pub issuer_present: bool,
    /// The message's own lengths do not add up.
    pub malformed: bool,
}

/// Whether a time lies in a validity period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Validity {
    /// It does.
    Ok,
    /// The period is over.
    Expired,
    /// The period has not begun.
    NotYet,
    /// The certificate could not be read.
    Unknown,
}

impl Certificate {
    /// Reads a certificate from its DER.
    pub fn parse(der: &[u8]) -> Certificate {
        let unread = Certificate { sha256: Sha256::digest(der).into(), len: der.len() as u32, ..Certificate::default() };
        let Ok((_, cert)) = X509Certificate::from_der(der) else { return unread };
        let mut this = Certificate {
            readable: true,
            subject: distinguished_name(cert.subject()),
            common_name: common_name(cert.subject()),
            issuer: distinguished_name(cert.issuer()),
            not_before: cert.validity().not_before.timestamp(),
            not_after: cert.validity().not_after.timestamp(),
            self_signed: cert.subject().as_raw() == cert.issuer().as_raw(),
            is_ca: cert.is_ca(),
            publicly_issued: cert.extensions().iter().any(|extension| match extension.parsed_extension() {
                ParsedExtension::CertificatePolicies(policies) => {
                    policies.iter().any(|policy| policy.policy_id.to_id_string().starts_with(RESERVED_POLICIES))
                }
                ParsedExtension::SCT(timestamps) => !timestamps.is_empty(),
                _ => false,
            }),
            key: public_key(&cert),
            signature_algorithm: algorithm_name(&cert.signature_algorithm.algorithm.to_id_string()),
            // RFC 5280 section 4.1.2.2 allows 20 bytes.
            serial: cert.raw_serial().get(..32).unwrap_or(cert.raw_serial()).into(),
            ..unread
        };
        this.read_alternative_names(&cert);
        this
    }

    fn read_alternative_names(&mut self, cert: &X509Certificate<'_>) {
        let (mut dns, mut ip) = (Vec::new(), Vec::new());
        match cert.subject_alternative_name() {
            Ok(None) => {}
            Ok(Some(names)) => {
                self.names_incomplete = names.value.general_names.len() > MAX_NAMES;
                for name in names.value.general_names.iter().take(MAX_NAMES) {
                    match name {
                        GeneralName::DNSName(name) if name.len() <= MAX_HOST => dns.push(Box::from(*name)),
                        GeneralName::IPAddress(bytes) => match ip_address(bytes) {
                            Some(address) => ip.push(address),
                            None => self.names_incomplete = true,
                        },
                        GeneralName::DNSName(_) | GeneralName::Invalid(..) => self.names_incomplete = true,
                        _ => {}
                    }
                }
            }
            Err(_) => self.names_incomplete = true,
        }
        self.dns_names = dns.into();
        self.ip_addresses = ip.into();
    }

    /// Whether it is valid at a time, in seconds since the Unix epoch.
    pub fn valid_at(&self, unix_secs: i64) -> Validity {
        valid_at(self.readable, self.not_before, self.not_after, unix_secs)
    }

    /// The serial number as `openssl x509 -serial` prints it: hexadecimal, without separators.
    pub fn serial_hex(&self) -> String {
        match &*self.serial {
            [0, rest @ ..] if !rest.is_empty() => hex_upper(rest),
            all => hex_upper(all),
        }
    }
}

impl Authority {
    /// Whether it is valid at a time, in seconds since the Unix epoch.
    pub fn valid_at(&self, unix_secs: i64) -> Validity {
        valid_at(self.readable, self.not_before, self.not_after, unix_secs)
    }
}

fn valid_at(readable: bool, not_before: i64, not_after: i64, unix_secs: i64) -> Validity {
    match unix_secs {
        _ if !readable => Validity::Unknown,
        now if now < not_before => Validity::NotYet,
        now if now > not_after => Validity::Expired,
        _ => Validity::Ok,
    }
}

impl Chain {
    /// Reads the body of a Certificate message of TLS 1.2 or below (RFC 5246 section 7.4.2). That of TLS 1.3 has another form:
    /// [`parse_tls13`](Chain::parse_tls13).
    pub fn parse(body: &[u8]) -> Chain {
        let Ok((rest, TlsMessageHandshake::Certificate(list))) = parse_tls_handshake_msg_certificate(body) else {
            return Chain { malformed: true, ..Chain::default() };
        };
        let ders: Vec<&[u8]> = list.cert_chain.iter().map(|der| der.data).collect();
        let used: usize = 3 + ders.iter().map(|der| 3 + der.len()).sum::<usize>();
        Chain::of(&ders, !rest.is_empty() || used != body.len())
    }

    /// Reads the body of a Certificate message of TLS 1.3 (RFC 8446 section 4.4.2): a context, and certificates with extensions.
    pub fn parse_tls13(body: &[u8]) -> Chain {
        let mut ders = Vec::new();
        let whole = tls13_certificates(body, &mut ders).is_some();
        Chain::of(&ders, !whole)
    }

    /// Reads the body of a CompressedCertificate message (RFC 8879 section 4), whose certificate message may be up to `limit` bytes long.
    /// `None` where it cannot be decompressed: it is too long, damaged, or in a way that is not known here.
    pub fn parse_compressed(body: &[u8], limit: u32) -> Option<Chain> {
        let (&[high, low, a, b, c, d, e, f], data) = body.split_first_chunk::<8>()?;
        let (len, packed) = (u24(a, b, c), u24(d, e, f) as usize);
        let data = data.get(..packed).filter(|_| len <= limit)?;
        let mut message = Vec::with_capacity(len as usize);
        let most = u64::from(len) + 1;
        match u16::from_be_bytes([high, low]) {
            1 => flate2::read::ZlibDecoder::new(data).take(most).read_to_end(&mut message).ok()?,
            2 => brotli_decompressor::Decompressor::new(data, 4_096).take(most).read_to_end(&mut message).ok()?,
            _ => return None,
        };
        (message.len() == len as usize).then(|| Chain::parse_tls13(&message))
    }

    fn of(ders: &[&[u8]], malformed: bool) -> Chain {
        let read: Vec<(&[u8], Option<X509Certificate<'_>>)> =
            ders.iter().take(MAX_CHAIN).map(|der| (*der, X509Certificate::from_der(der).ok().map(|(_, cert)| cert))).collect();
        let leaf = read.first();
        let others = read.get(1..).unwrap_or_default();
        let issued_by = |cert: &Option<X509Certificate<'_>>, by: &Option<X509Certificate<'_>>| match (cert, by) {
            (Some(cert), Some(by)) => cert.issuer().as_raw() == by.subject().as_raw(),
            _ => false,
        };
        Chain {
            leaf: leaf.map(|(der, _)| Box::new(Certificate::parse(der))),
            others: others.iter().map(|(_, cert)| cert.as_ref().map(authority).unwrap_or_default()).collect(),
            count: ders.len() as u32,
            in_order: read.windows(2).all(|pair| matches!(pair, [(_, a), (_, b)] if issued_by(a, b))),
            issuer_present: leaf.is_some_and(|(_, leaf)| issued_by(leaf, leaf) || others.iter().any(|(_, by)| issued_by(leaf, by))),
            malformed,
        }
    }
}

/// The certificates in the body of a TLS 1.3 Certificate message; `None` where its lengths do not add up, with those before that in `ders`.
fn tls13_certificates<'a>(body: &'a [u8], ders: &mut Vec<&'a [u8]>) -> Option<()> {
    let (context, rest) = body.split_first()?;
    let (&[a, b, c], mut rest) = rest.get(usize::from(*context)..)?.split_first_chunk::<3>()?;
    if u24(a, b, c) as usize != rest.len() {
        return None;
    }
    while !rest.is_empty() {
        let (&[a, b, c], after) = rest.split_first_chunk::<3>()?;
        let (der, after) = after.split_at_checked(u24(a, b, c) as usize)?;
        ders.push(der);
        let (extensions, after) = after.split_first_chunk::<2>()?;
        rest = after.get(usize::from(u16::from_be_bytes(*extensions))..)?;
    }
    Some(())
}

fn authority(cert: &X509Certificate<'_>) -> Authority {
    Authority {
        readable: true,
        subject: distinguished_name(cert.subject()),
        issuer: distinguished_name(cert.issuer()),
        not_before: cert.validity().not_before.timestamp(),
        not_after: cert.validity().not_after.timestamp(),
    }
}

fn ip_address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::from(v4));
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

fn public_key(cert: &X509Certificate<'_>) -> PublicKey {
    let info = cert.public_key();
    let bits = match info.parsed() {
        // Counted here: the library takes a leading zero byte for granted.
        Ok(X509PublicKey::RSA(key)) => {
            let zeros = key.modulus.iter().take_while(|b| **b == 0).count();
            let first = key.modulus.get(zeros).map_or(0, |b| b.leading_zeros() as usize);
            (8 * (key.modulus.len() - zeros)).saturating_sub(first)
        }
        // The coordinates of P-521 are padded to whole bytes.
        Ok(X509PublicKey::EC(point)) => match point.key_size() {
            528 => 521,
            bits => bits,
        },
        Ok(X509PublicKey::DSA(y)) => 8 * y.len(),
        _ => 0,
    };
    let algorithm = algorithm_name(&info.algorithm.algorithm.to_id_string());
    PublicKey { algorithm, bits: u16::try_from(bits).ok().filter(|b| *b > 0), sha256: Sha256::digest(info.raw).into() }
}

/// The usual name of a key or signature algorithm, or the object identifier itself.
fn algorithm_name(oid: &str) -> Cow<'static, str> {
    Cow::Borrowed(match oid {
        "1.2.840.113549.1.1.1" => "RSA",
        "1.2.840.10045.2.1" => "EC",
        "1.2.840.10040.4.1" => "DSA",
        "1.3.101.112" => "Ed25519",
        "1.3.101.113" => "Ed448",
        "2.16.840.1.101.3.4.3.17" => "ML-DSA-44",
        "2.16.840.1.101.3.4.3.18" => "ML-DSA-65",
        "2.16.840.1.101.3.4.3.19" => "ML-DSA-87",
        "1.2.643.7.1.1.1.1" => "GOST R 34.10-2012 256",
        "1.2.643.7.1.1.1.2" => "GOST R 34.10-2012 512",
        "1.2.840.113549.1.1.2" => "md2WithRSAEncryption",
        "1.2.840.113549.1.1.4" => "md5WithRSAEncryption",
        "1.2.840.113549.1.1.5" => "sha1WithRSAEncryption",
        "1.2.840.113549.1.1.10" => "RSASSA-PSS",
        "1.2.840.113549.1.1.11" => "sha256WithRSAEncryption",
        "1.2.840.113549.1.1.12" => "sha384WithRSAEncryption",
        "1.2.840.113549.1.1.13" => "sha512WithRSAEncryption",
        "1.2.840.113549.1.1.14" => "sha224WithRSAEncryption",
        "1.2.840.10040.4.3" => "dsa-with-SHA1",
        "2.16.840.1.101.3.4.3.2" => "dsa-with-SHA256",
        "1.2.840.10045.4.1" => "ecdsa-with-SHA1",
        "1.2.840.10045.4.3.2" => "ecdsa-with-SHA256",
        "1.2.840.10045.4.3.3" => "ecdsa-with-SHA384",
        "1.2.840.10045.4.3.4" => "ecdsa-with-SHA512",
        "1.2.156.10197.1.501" => "SM2-with-SM3",
        other => return Cow::Owned(other.chars().take(64).collect()),
    })
}

fn common_name(name: &X509Name<'_>) -> Option<Box<str>> {
    let last = name.iter_common_name().last()?;
    Some(attribute_text(last.attr_value())?.chars().take(MAX_HOST).collect::<String>().into())
}

/// A name in the manner of RFC 4514: most specific part first, special characters behind a backslash.
fn distinguished_name(name: &X509Name<'_>) -> Box<str> {
    let mut text = String::new();
    let parts: Vec<_> = name.iter_rdn().collect();
    for rdn in parts.iter().rev() {
        for (i, attribute) in rdn.iter().enumerate() {
            text.push_str(match (i, text.is_empty()) {
                (_, true) => "",
                (0, _) => ",",
                _ => "+",
            });
            let oid = attribute.attr_type().to_id_string();
            text.push_str(attribute_type(&oid));
            text.push('=');
            match attribute_text(attribute.attr_value()) {
                Some(value) => escape_into(&mut text, &value),
                None => {
                    text.push('#');
                    text.push_str(&hex_upper(attribute.as_slice().get(..32).unwrap_or(attribute.as_slice())));
                }
            }
            if text.len() > MAX_DN {
                return text.chars().take(MAX_DN).chain(['…']).collect::<String>().into();
            }
        }
    }
    text.into()
}

fn attribute_type(oid: &str) -> &str {
    match oid {
        "2.5.4.3" => "CN",
        "2.5.4.5" => "serialNumber",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "street",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "emailAddress",
        other => other,
    }
}

/// The text of an attribute, where it is a string; at most as many bytes of it as a name may have.
fn attribute_text(value: &Any<'_>) -> Option<String> {
    let bytes = value.data.get(..2 * MAX_DN).unwrap_or(value.data);
    Some(match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::NumericString | Tag::VisibleString => {
            String::from_utf8_lossy(bytes).into_owned()
        }
        // Latin-1 in practice.
        Tag::T61String => bytes.iter().map(|b| char::from(*b)).collect(),
        Tag::BmpString => {
            let units = bytes.as_chunks().0.iter().map(|pair| u16::from_be_bytes(*pair));
            char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
        _ => return None,
    })
}

fn escape_into(out: &mut String, value: &str) {
    let last = value.chars().count().saturating_sub(1);
    for (i, c) in value.chars().enumerate() {
        let edge = (c == ' ' && (i == 0 || i == last)) || (c == '#' && i == 0);
        if edge || matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';') {
            out.push('\\');
        }
        out.push(c);
    }
}

fn hex_upper(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02X}")).collect()
}

#[cfg(test)]
mod tests;
