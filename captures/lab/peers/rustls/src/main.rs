//! rustls ends of the laboratory: `rustls-peer get NAME PORT PATH ROOT VERSION HOW` and `rustls-peer serve PORT CERTIFICATE VERSION [ROOT]`.
//!
//! VERSION is 1.2 or 1.3. HOW a client ends: `polite` (close_notify first), `drop` (the stream is dropped, as by a program that forgets it).
//! A server with a ROOT demands a client certificate. Both write their secrets to SSLKEYLOGFILE.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, KeyLogFile, RootCertStore, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["get", name, port, path, root, version, how] => get(name, port, path, root, version, how),
        ["serve", port, certificate, version] => serve(port, certificate, version, None),
        ["serve", port, certificate, version, root] => serve(port, certificate, version, Some(root)),
        _ => Err("get NAME PORT PATH ROOT VERSION HOW, or serve PORT CERTIFICATE VERSION [ROOT]".into()),
    };
    if let Err(error) = done {
        println!("{error}");
        std::process::exit(1);
    }
}

static OLD: &[&SupportedProtocolVersion] = &[&TLS12];
static NEW: &[&SupportedProtocolVersion] = &[&TLS13];

fn version(text: &str) -> &'static [&'static SupportedProtocolVersion] {
    if text == "1.2" { OLD } else { NEW }
}

fn roots(path: &str) -> Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path)? {
        store.add(certificate?)?;
    }
    Ok(store)
}

fn get(name: &str, port: &str, path: &str, root: &str, tls: &str, how: &str) -> Result<()> {
    let mut config = ClientConfig::builder_with_protocol_versions(version(tls)).with_root_certificates(roots(root)?).with_no_client_auth();
    config.key_log = Arc::new(KeyLogFile::new());
    let client = ClientConnection::new(Arc::new(config), ServerName::try_from(name.to_owned())?)?;
    let mut stream = StreamOwned::new(client, TcpStream::connect(format!("{name}:{port}"))?);
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {name}\r\n\r\n")?;
    let body = answer(&mut stream)?;
    println!("{body} bytes");
    if how == "polite" {
        stream.conn.send_close_notify();
        stream.flush()?;
    }
    Ok(())
}

/// Reads an answer as long as its Content-Length says.
fn answer(stream: &mut impl Read) -> Result<usize> {
    let mut all = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let read = stream.read(&mut piece)?;
        if read == 0 {
            return Err(format!("the server ended its answer after {} bytes", all.len()).into());
        }
        all.extend_from_slice(&piece[..read]);
        let Some(head) = all.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&all[..head]).to_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok()).unwrap_or(0);
        if all.len() >= head + 4 + length {
            return Ok(length);
        }
    }
}

fn serve(port: &str, certificate: &str, tls: &str, root: Option<&str>) -> Result<()> {
    let chain: Vec<CertificateDer> = CertificateDer::pem_file_iter(certificate)?.collect::<std::result::Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(certificate)?;
    let builder = ServerConfig::builder_with_protocol_versions(version(tls));
    let builder = match root {
        Some(root) => builder.with_client_cert_verifier(WebPkiClientVerifier::builder(Arc::new(roots(root)?)).build()?),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key)?;
    config.key_log = Arc::new(KeyLogFile::new());
    let config = Arc::new(config);
    for socket in TcpListener::bind(format!("0.0.0.0:{port}"))?.incoming() {
        let (socket, config) = (socket?, Arc::clone(&config));
        thread::spawn(move || {
            if let Err(error) = handle(socket, config) {
                println!("{error}");
            }
        });
    }
    Ok(())
}

/// Answers requests. `/fail` breaks off in the middle, and the error drops the stream: rustls says no close_notify of its own accord.
fn handle(socket: TcpStream, config: Arc<ServerConfig>) -> Result<()> {
    let mut stream = StreamOwned::new(ServerConnection::new(config)?, socket);
    let mut request = [0; 4096];
    loop {
        let read = stream.read(&mut request)?;
        if read == 0 {
            stream.conn.send_close_notify();
            stream.flush()?;
            return Ok(());
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 12000\r\n\r\n")?;
        stream.write_all(&[b'r'; 5000])?;
        stream.flush()?;
        thread::sleep(Duration::from_millis(100));
        if request[..read].starts_with(b"GET /fail") {
            return Err("the source of this answer failed".into());
        }
        stream.write_all(&[b'r'; 7000])?;
        stream.flush()?;
    }
}
