//! What mail programs, databases and interception proxies say. They stand apart: a session over HTTP is not told about them.

use super::{Message, Wire};
use crate::base::Side::{self, Client, Server};

const fn m(by: Side, stack: &'static str, text: &'static str, wires: &'static [Wire], note: &'static str) -> Message {
    Message { by, stack, text, wires, note }
}

/// Messages of programs that speak one protocol.
pub(super) static ALL: &[Message] = &[
    // SMTP, IMAP: curl 7.88, Postfix 3.7, Dovecot 2.3.
    m(Client, "curl (64)", "STARTTLS not supported", &[Wire::StarttlsRefused], "SMTP: the server does not offer it"),
    m(Client, "curl (64)", "STARTTLS not available", &[Wire::StarttlsRefused], "IMAP: the server does not offer it"),
    m(Client, "curl (64)", "STARTTLS denied, code …", &[Wire::StarttlsRefused], ""),
    m(Client, "Postfix", "TLS not available due to local problem", &[Wire::StarttlsRefused], "its key or certificate cannot be read"),
    m(Client, "Postfix", "421 4.4.2 … Error: timeout exceeded", &[Wire::NotifiedBeforeAnswer], "smtpd_timeout"),
    m(
        Server,
        "Postfix",
        "cannot get RSA private key from file …: disabling TLS support",
        &[Wire::StarttlsRefused],
        "clients get 454, TLS not available due to local problem",
    ),
    m(
        Server,
        "Postfix",
        "lost connection after STARTTLS from …",
        &[Wire::ClientLeftInHandshake, Wire::BadServerCertificate],
        "the line before it, SSL_accept error or TLS library problem, says more",
    ),
    m(Server, "Dovecot", "Disconnected: Connection closed: SSL_accept() failed: …", &[Wire::PeerFatal, Wire::ClientLeftInHandshake], ""),
    // PostgreSQL 15.
    m(Client, "libpq, psql", "server does not support SSL, but SSL was required", &[Wire::StarttlsRefused], "PostgreSQL said N: ssl = off"),
    m(
        Client,
        "PostgreSQL",
        "terminating connection due to idle-session timeout",
        &[Wire::NotifiedBeforeAnswer],
        "57P05, idle_session_timeout",
    ),
    m(
        Client,
        "PostgreSQL",
        "terminating connection due to administrator command",
        &[Wire::NotifiedBeforeAnswer],
        "57P01, pg_terminate_backend() or a shutdown",
    ),
    m(
        Client,
        "PostgreSQL",
        "terminating connection because of crash of another server process",
        &[Wire::FinBeforeAnswer],
        "57P02: every session of that server ends so at once",
    ),
    m(
        Client,
        "PostgreSQL",
        "connection requires a valid client certificate",
        &[Wire::ClientCertificateMissing],
        "28000, said inside TLS: the handshake itself succeeds, and no alert is sent",
    ),
    m(Client, "libpq, psql", "SSL SYSCALL error: EOF detected", &[Wire::FinBeforeAnswer, Wire::FinInBody], "a bare FIN of the server's"),
    m(
        Client,
        "libpq, psql",
        "SSL connection has been closed unexpectedly",
        &[Wire::NotifiedBeforeAnswer],
        "with a close_notify; PostgreSQL has said why in a line before it",
    ),
    m(Client, "libpq, psql", "server certificate for … does not match host name", &[Wire::CertificateName], ""),
    // MariaDB 10.11.
    m(
        Client,
        "MariaDB",
        "SSL is required, but the server does not support it",
        &[Wire::StarttlsRefused],
        "2026; the client leaves after the greeting, without a word of TLS",
    ),
    m(
        Client,
        "MariaDB",
        "Validation of SSL server certificate failed",
        &[Wire::BadServerCertificate],
        "2026; it looks after the handshake, and leaves with a bare FIN and no alert",
    ),
    m(
        Client,
        "MariaDB",
        "Server has gone away",
        &[Wire::RstAfterHandshake, Wire::WroteAfterClose],
        "2006; after wait_timeout MariaDB resets the idle connection",
    ),
    // mitmproxy 8.1, sslsplit 0.5.5.
    m(Server, "mitmproxy", "The client does not trust the proxy's certificate for …", &[Wire::Intercepted], ""),
    m(
        Server,
        "mitmproxy",
        "Unable to establish TLS connection with server (Certificate verify failed: …)",
        &[Wire::BadServerCertificate],
        "it is mitmproxy that rejects the server's certificate: its client gets a 502 inside TLS",
    ),
    m(Server, "sslsplit", "Error from src bufferevent: …:tlsv1 alert unknown ca:", &[Wire::Intercepted], ""),
    // Redis 7.0.
    m(
        Client,
        "redis-cli",
        "Error: Server closed the connection",
        &[Wire::FinBeforeAnswer, Wire::ClientCertificateMissing],
        "also where Redis wanted a certificate (tls-auth-clients yes, the default) and got none",
    ),
];
