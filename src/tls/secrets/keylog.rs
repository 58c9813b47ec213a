//! SSLKEYLOGFILE as it is written: lines of label, session and secret (RFC 9850, and NSS before it), read while the file grows.

use zeroize::{Zeroize, Zeroizing};

use super::{Name, SecretKind, Secrets};

/// Longest line that can hold a secret. What is longer is skipped up to its end.
const MAX_LINE: usize = 1_024;
/// Longest secret: pre-master secrets of large Diffie-Hellman groups are no longer than this.
const MAX_SECRET: usize = 255;

/// Labels whose secrets protect no record of TLS over TCP.
const UNUSED: [&[u8]; 5] = [b"EXPORTER_SECRET", b"EARLY_EXPORTER_SECRET", b"ECH_SECRET", b"ECH_CONFIG", b"SERVER_EARLY_TRAFFIC_SECRET"];

/// What the lines of a key log were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyLogCounts {
    /// Lines that are neither empty nor comments.
    pub lines: u64,
    /// Lines with a secret that can be used.
    pub secrets: u64,
    /// Lines with a secret that is of no use here: exporters, QUIC, labels that are unknown.
    pub unused: u64,
    /// Lines that are none of a key log.
    pub garbage: u64,
}

impl KeyLogCounts {
    /// Nothing in it looks like a key log, and there is something in it.
    pub fn is_no_key_log(&self) -> bool {
        self.garbage > 0 && self.secrets == 0 && self.unused == 0
    }
}

/// What one line was.
enum Line {
    Nothing,
    Secret,
    Unused,
    Garbage,
}

/// Reads one key log. It is fed bytes as they come; the last line may come in parts.
#[derive(Default)]
pub struct KeyLog {
    /// The last line, as far as it is there.
    pub(super) partial: Zeroizing<Vec<u8>>,
    /// The last line is too long to be one.
    skipping: bool,
    started: bool,
    counts: KeyLogCounts,
}

impl std::fmt::Debug for KeyLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyLog").field("counts", &self.counts).finish_non_exhaustive()
    }
}

impl KeyLog {
    /// Nothing read yet.
    pub fn new() -> KeyLog {
        KeyLog { partial: Zeroizing::new(Vec::with_capacity(MAX_LINE)), ..KeyLog::default() }
    }

    /// What has been read so far. A last line without its end does not count yet.
    pub fn counts(&self) -> KeyLogCounts {
        self.counts
    }

    /// The last line has no end yet.
    pub fn in_line(&self) -> bool {
        !self.partial.is_empty() || self.skipping
    }

    /// Takes in the next bytes of the log, and puts the secrets of its complete lines into `secrets`.
    pub fn feed(&mut self, bytes: &[u8], secrets: &mut Secrets) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            rest = after.get(1..).unwrap_or_default();
            self.extend(line);
            self.end_line(secrets);
        }
        self.extend(rest);
    }

    /// The log is at its end: a last line without a line feed counts if it is a whole one. False where it is not: it was still being
    /// written.
    pub fn end(&mut self, secrets: &mut Secrets) -> bool {
        if !self.in_line() {
            return true;
        }
        let whole = !self.skipping && !matches!(read(&self.partial, secrets), Line::Garbage);
        if whole {
            self.end_line(secrets);
        }
        whole
    }

    fn extend(&mut self, part: &[u8]) {
        if self.partial.len() + part.len() > MAX_LINE {
            self.skipping = true;
            self.wipe();
        } else if !self.skipping {
            self.partial.extend_from_slice(part);
        }
    }

    fn wipe(&mut self) {
        self.partial.zeroize();
        self.partial.clear();
    }

    fn end_line(&mut self, secrets: &mut Secrets) {
        let mut line: &[u8] = &self.partial;
        if !std::mem::replace(&mut self.started, true) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        let what = if self.skipping { Line::Garbage } else { read(line, secrets) };
        self.skipping = false;
        self.wipe();
        let count = match what {
            Line::Nothing => return,
            Line::Secret => &mut self.counts.secrets,
            Line::Unused => &mut self.counts.unused,
            Line::Garbage => &mut self.counts.garbage,
        };
        *count += 1;
        self.counts.lines += 1;
    }
}

/// Reads a line, and puts the secret that is in it into `secrets`.
fn read(line: &[u8], secrets: &mut Secrets) -> Line {
    let line = line.trim_ascii();
    if line.is_empty() || line.starts_with(b"#") {
        return Line::Nothing;
    }
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let (Some(label), Some(name), Some(secret), None) = (words.next(), words.next(), words.next(), words.next()) else {
        return Line::Garbage;
    };
    if label == b"RSA" {
        return rsa(name, secret, secrets).map_or(Line::Garbage, |()| Line::Secret);
    }
    let Some(kind) = kind(label) else {
        let plausible = UNUSED.contains(&label) || (unknown_label(label) && is_hex(name) && is_hex(secret));
        return if plausible { Line::Unused } else { Line::Garbage };
    };
    let mut random = [0; 32];
    let secret = Zeroizing::new(unhex(secret).unwrap_or_default());
    if !unhex_into(name, &mut random) || !kind.fits(secret.len()) {
        return Line::Garbage;
    }
    secrets.put(Name::ClientRandom(random), kind, &secret);
    Line::Secret
}

/// `RSA <first 8 bytes of the encrypted pre-master secret> <pre-master secret>`, and `RSA Session-ID:<id> Master-Key:<master secret>` as
/// OpenSSL's tools print sessions.
fn rsa(name: &[u8], secret: &[u8], secrets: &mut Secrets) -> Option<()> {
    let (name, kind, secret) = match (name.strip_prefix(b"Session-ID:"), secret.strip_prefix(b"Master-Key:")) {
        (Some(id), Some(master)) => {
            let id = unhex(id).filter(|id| (1..=32).contains(&id.len()))?;
            (Name::SessionId(id.into_boxed_slice()), SecretKind::Master, master)
        }
        _ => {
            let mut encrypted = [0; 8];
            unhex_into(name, &mut encrypted).then_some(())?;
            (Name::EncryptedPreMaster(encrypted), SecretKind::PreMaster, secret)
        }
    };
    let secret = Zeroizing::new(unhex(secret)?);
    // Both the RSA pre-master secret and the master secret have 48 bytes (RFC 5246 sections 7.4.7.1 and 8.1).
    (secret.len() == 48).then(|| secrets.put(name, kind, &secret))
}

fn kind(label: &[u8]) -> Option<SecretKind> {
    Some(match label {
        b"CLIENT_RANDOM" => SecretKind::Master,
        b"PMS_CLIENT_RANDOM" => SecretKind::PreMaster,
        b"CLIENT_EARLY_TRAFFIC_SECRET" => SecretKind::ClientEarly,
        b"CLIENT_HANDSHAKE_TRAFFIC_SECRET" => SecretKind::ClientHandshake,
        b"SERVER_HANDSHAKE_TRAFFIC_SECRET" => SecretKind::ServerHandshake,
        b"CLIENT_TRAFFIC_SECRET_0" => SecretKind::ClientTraffic,
        b"SERVER_TRAFFIC_SECRET_0" => SecretKind::ServerTraffic,
        _ => return None,
    })
}

impl SecretKind {
    /// Whether a secret of this kind can have this many bytes: what a half-written line leaves cannot.
    fn fits(self, len: usize) -> bool {
        match self {
            SecretKind::Master => len == 48,
            SecretKind::PreMaster => (1..=MAX_SECRET).contains(&len),
            _ => len == 32 || len == 48,
        }
    }
}

fn unknown_label(label: &[u8]) -> bool {
    label.len() > 3 && label.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_')
}

fn is_hex(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_hexdigit)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// The bytes of a hexadecimal text of at most [`MAX_SECRET`] bytes.
fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let len = text.len() / 2;
    let mut bytes = vec![0; len.min(MAX_SECRET)];
    (len <= MAX_SECRET && unhex_into(text, &mut bytes)).then_some(bytes)
}

/// Whether `text` is exactly as many bytes as `out` has room for.
fn unhex_into(text: &[u8], out: &mut [u8]) -> bool {
    if text.len() != 2 * out.len() {
        return false;
    }
    for (pair, byte) in text.chunks_exact(2).zip(out) {
        let [high, low] = *pair else { return false };
        let (Some(high), Some(low)) = (digit(high), digit(low)) else { return false };
        *byte = high << 4 | low;
    }
    true
}
