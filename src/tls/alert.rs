//! Alerts: levels, descriptions, and what they are called in RFCs and in OpenSSL's messages.

use std::fmt;

use super::Version;

/// The level byte of an alert (RFC 5246 section 7.2). TLS 1.3 keeps the byte and takes its meaning away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AlertLevel(pub u8);

impl AlertLevel {
    /// warning.
    pub const WARNING: AlertLevel = AlertLevel(1);
    /// fatal.
    pub const FATAL: AlertLevel = AlertLevel(2);
}

impl fmt::Display for AlertLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            AlertLevel::WARNING => f.write_str("warning"),
            AlertLevel::FATAL => f.write_str("fatal"),
            AlertLevel(level) => write!(f, "level {level}"),
        }
    }
}

/// The description byte of an alert (IANA's TLS Alerts registry).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AlertDescription(pub u8);

impl AlertDescription {
    /// A message that may not come now.
    pub const UNEXPECTED_MESSAGE: AlertDescription = AlertDescription(10);
    /// A record that does not authenticate.
    pub const BAD_RECORD_MAC: AlertDescription = AlertDescription(20);
    /// A record longer than allowed.
    pub const RECORD_OVERFLOW: AlertDescription = AlertDescription(22);
    /// Nothing acceptable among what was offered.
    pub const HANDSHAKE_FAILURE: AlertDescription = AlertDescription(40);
    /// A certificate that is corrupt or does not verify.
    pub const BAD_CERTIFICATE: AlertDescription = AlertDescription(42);
    /// A certificate of the wrong kind.
    pub const UNSUPPORTED_CERTIFICATE: AlertDescription = AlertDescription(43);
    /// A certificate that its signer has revoked.
    pub const CERTIFICATE_REVOKED: AlertDescription = AlertDescription(44);
    /// A certificate that is not valid at this time.
    pub const CERTIFICATE_EXPIRED: AlertDescription = AlertDescription(45);
    /// A certificate that is unacceptable for another reason.
    pub const CERTIFICATE_UNKNOWN: AlertDescription = AlertDescription(46);
    /// A certificate whose issuer is not known or not trusted.
    pub const UNKNOWN_CA: AlertDescription = AlertDescription(48);
    /// A certificate that is valid, and is not let in.
    pub const ACCESS_DENIED: AlertDescription = AlertDescription(49);
    /// A signature or Finished that does not verify.
    pub const DECRYPT_ERROR: AlertDescription = AlertDescription(51);
    /// A version that is recognised and not supported.
    pub const PROTOCOL_VERSION: AlertDescription = AlertDescription(70);
    /// Ciphers weaker than the server requires.
    pub const INSUFFICIENT_SECURITY: AlertDescription = AlertDescription(71);
    /// A trouble of the sender's own.
    pub const INTERNAL_ERROR: AlertDescription = AlertDescription(80);
    /// A client certificate is wanted and none came.
    pub const CERTIFICATE_REQUIRED: AlertDescription = AlertDescription(116);
    /// No application protocol in common.
    pub const NO_APPLICATION_PROTOCOL: AlertDescription = AlertDescription(120);
    /// The sender will send no more data on this connection.
    pub const CLOSE_NOTIFY: AlertDescription = AlertDescription(0);
    /// The sender gives up for a reason of its own, not the protocol's; a close_notify follows.
    pub const USER_CANCELED: AlertDescription = AlertDescription(90);
    /// A refusal to renegotiate.
    pub const NO_RENEGOTIATION: AlertDescription = AlertDescription(100);
    /// The server does not serve the name asked for.
    pub const UNRECOGNIZED_NAME: AlertDescription = AlertDescription(112);

    /// The registry's name, such as `handshake_failure`.
    pub fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "close_notify",
            10 => "unexpected_message",
            20 => "bad_record_mac",
            21 => "decryption_failed",
            22 => "record_overflow",
            30 => "decompression_failure",
            40 => "handshake_failure",
            41 => "no_certificate",
            42 => "bad_certificate",
            43 => "unsupported_certificate",
            44 => "certificate_revoked",
            45 => "certificate_expired",
            46 => "certificate_unknown",
            47 => "illegal_parameter",
            48 => "unknown_ca",
            49 => "access_denied",
            50 => "decode_error",
            51 => "decrypt_error",
            52 => "too_many_cids_requested",
            60 => "export_restriction",
            70 => "protocol_version",
            71 => "insufficient_security",
            80 => "internal_error",
            86 => "inappropriate_fallback",
            90 => "user_canceled",
            100 => "no_renegotiation",
            109 => "missing_extension",
            110 => "unsupported_extension",
            111 => "certificate_unobtainable",
            112 => "unrecognized_name",
            113 => "bad_certificate_status_response",
            114 => "bad_certificate_hash_value",
            115 => "unknown_psk_identity",
            116 => "certificate_required",
            117 => "general_error",
            120 => "no_application_protocol",
            121 => "ech_required",
            _ => return None,
        })
    }

    /// The reason text in the error that OpenSSL 1.1 and 3.0 report on receiving this alert, such as `sslv3 alert handshake failure`.
    /// `sslv3` and `tlsv1` in it say which standard defined the alert, nothing about the connection; OpenSSL 3.2 and later print
    /// `ssl/tls alert` for `sslv3 alert`.
    pub fn openssl_name(self) -> Option<&'static str> {
        Some(match self.0 {
            10 => "sslv3 alert unexpected message",
            20 => "sslv3 alert bad record mac",
            21 => "tlsv1 alert decryption failed",
            22 => "tlsv1 alert record overflow",
            30 => "sslv3 alert decompression failure",
            40 => "sslv3 alert handshake failure",
            41 => "sslv3 alert no certificate",
            42 => "sslv3 alert bad certificate",
            43 => "sslv3 alert unsupported certificate",
            44 => "sslv3 alert certificate revoked",
            45 => "sslv3 alert certificate expired",
            46 => "sslv3 alert certificate unknown",
            47 => "sslv3 alert illegal parameter",
            48 => "tlsv1 alert unknown ca",
            49 => "tlsv1 alert access denied",
            50 => "tlsv1 alert decode error",
            51 => "tlsv1 alert decrypt error",
            60 => "tlsv1 alert export restriction",
            70 => "tlsv1 alert protocol version",
            71 => "tlsv1 alert insufficient security",
            80 => "tlsv1 alert internal error",
            86 => "tlsv1 alert inappropriate fallback",
            90 => "tlsv1 alert user cancelled",
            100 => "tlsv1 alert no renegotiation",
            109 => "tlsv13 alert missing extension",
            110 => "tlsv1 unsupported extension",
            111 => "tlsv1 certificate unobtainable",
            112 => "tlsv1 unrecognized name",
            113 => "tlsv1 bad certificate status response",
            114 => "tlsv1 bad certificate hash value",
            115 => "tlsv1 alert unknown psk identity",
            116 => "tlsv13 alert certificate required",
            120 => "tlsv1 alert no application protocol",
            _ => return None,
        })
    }
}

impl fmt::Display for AlertDescription {
    /// `handshake_failure (40)`, `alert 77`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "alert {}", self.0),
        }
    }
}

/// An alert: level and description (RFC 8446 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Alert {
    /// Level.
    pub level: AlertLevel,
    /// Description.
    pub description: AlertDescription,
}

impl Alert {
    /// Whether the alert ends the connection as a failure, in a session of this version (`None`: not negotiated yet).
    ///
    /// Up to TLS 1.2 the level says so. In TLS 1.3 every alert but close_notify and user_canceled is fatal, whatever its level
    /// (RFC 8446 section 6). Neither of the two is in any version: a close_notify is an orderly end, even at level fatal.
    pub fn is_fatal(self, version: Option<Version>) -> bool {
        match self.description {
            AlertDescription::CLOSE_NOTIFY | AlertDescription::USER_CANCELED => false,
            _ if version.is_some_and(Version::is_tls13) => true,
            _ => self.level != AlertLevel::WARNING,
        }
    }
}

impl fmt::Display for Alert {
    /// `fatal handshake_failure (40)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.level, self.description)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(level: u8, description: u8) -> Alert {
        Alert { level: AlertLevel(level), description: AlertDescription(description) }
    }

    #[test]
    fn the_level_decides_only_up_to_tls_1_2() {
        assert!(!alert(1, 112).is_fatal(Some(Version::TLS12)));
        assert!(alert(2, 112).is_fatal(Some(Version::TLS12)));
        assert!(alert(1, 112).is_fatal(Some(Version::TLS13)));
        assert!(!alert(1, 112).is_fatal(None));
        assert!(alert(2, 40).is_fatal(None));
        for version in [None, Some(Version::TLS10), Some(Version::TLS13)] {
            assert!(!alert(2, 0).is_fatal(version));
            assert!(!alert(1, 90).is_fatal(version));
        }
    }

    #[test]
    fn names_are_the_registrys_and_openssls() {
        assert_eq!(alert(2, 40).to_string(), "fatal handshake_failure (40)");
        assert_eq!(alert(1, 0).to_string(), "warning close_notify (0)");
        assert_eq!(alert(9, 77).to_string(), "level 9 alert 77");
        assert_eq!(AlertDescription(117).name(), Some("general_error"));
        assert_eq!(AlertDescription(121).name(), Some("ech_required"));
        assert_eq!(AlertDescription(48).openssl_name(), Some("tlsv1 alert unknown ca"));
        assert_eq!(AlertDescription::CLOSE_NOTIFY.openssl_name(), None);
        let nameless_in_openssl = [0, 52, 117, 121];
        for n in 0..=255 {
            let description = AlertDescription(n);
            assert_eq!(description.name().is_some() && !nameless_in_openssl.contains(&n), description.openssl_name().is_some(), "{n}");
        }
    }
}
