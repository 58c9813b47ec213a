//! Who hung up? Reads packets, rebuilds TCP flows, reads the TLS records in them and says of every TLS session how it ended, who ended
//! it, whose fault that was, how sure that is, and which frames prove it. This page is the map of the code.
//!
//! # Layers
//!
//! Packets come in at the bottom and climb; imports point down, never up and never in a circle. `tests/tidy.rs` holds this.
//!
//! ```text
//!   main        the program: hands its arguments to cli
//!     │
//!   cli         one file per command: read, show, live, evidence, causes, interfaces; arguments, selection, progress
//!     │
//!   evidence    a session made ready for a ticket: its frames taken out, scrubbed, annotated, judged again, bundled with reports
//!     │
//!   report      one file per format: table, story, json, csv, markdown, html/; the manual; what applications log
//!     │
//!   analyze     the pipeline: push(frame), tick(now), finish() in; judged sessions out; flow table, clock, budget
//!     │
//!   diagnose    rules/ (a file per cause), the engine that judges between their readings, verdicts
//!     │
//!   session     one connection's story: phase, timeline, closing acts, which of them came first, and what the others answer to
//!     │
//!   app         was the exchange complete? HTTP/1.x, HTTP/2, WebSocket, from decrypted bytes
//!     ├────────────────────────┬─────────────────────────────┐
//!   tcp                      tls                           prelude
//!   streams in order,        records, hellos, alerts,      CONNECT, SOCKS, STARTTLS and
//!   senders' habits          certificates, suites          what else comes before TLS
//!     │                        │                             │
//!   decode                     │                             │            capture
//!   a frame's TCP segment      │                             │            pcap, pcapng, gz, zstd,
//!   or ICMP error              │                             │            stdin, filters, interfaces
//!     └────────────────────────┴──────────────┬──────────────┴──────────────┘
//!   base        the words all share: frame, flow, piece of stream, time, limits
//! ```
//!
//! tcp, tls and prelude do not know each other: tcp hands up [`base::Piece`]s of a stream, prelude passes on those that are TLS, and tls
//! reads them; session lets them meet. capture is known to the program alone: whoever uses the library can bring frames from elsewhere.
//!
//! A frame's way: [`capture::CaptureFile`] lends a [`base::Frame`]; [`analyze::Analyzer::push`] lets [`decode`] find the segment and
//! looks up its [`session::Flow`]; there [`tcp::Connection`] puts the bytes in order, and what reads them notes records and alerts. When the
//! connection is over and its last reactions had time to come, the flow becomes a [`session::Session`]: facts only. Every rule of
//! [`diagnose::rules::ALL`] looks at it, and [`diagnose::judge`] makes one [`diagnose::Verdict`] of their readings. The
//! [`diagnose::Company`] of the sessions before it tells more, and what a session tells of those before it comes as
//! [`diagnose::News`]; [`analyze::Settling`] merges the two.
//!
//! # What must hold
//!
//! - **A wrong accusation is worse than no answer.** Readings that blame different parties and that no order settles make `undetermined`.
//! - **The verdict is about the first act that nothing provoked**, not about the last packet. What answers to it is a reaction.
//! - **What a side knew is what it had acknowledged.** Acknowledgement numbers, not the order in the file, order cause and effect.
//! - **The core does no I/O and reads no clock.** Bytes and capture times go in, values come out. Only capture, cli and the writing half of evidence touch the world.
//! - **An observer never fails on what it observes.** A protocol violation, a hole, a cut packet is a value with a frame number, not an
//!   error. No input panics; indexing, `unwrap` and their like are lint errors outside tests.
//! - **A hole in a stream is handed up, with its reason**, and what came before it is never glued to what came after.
//! - **Each direction has its own buffers and state.** Client and server are earned by a SYN or a ClientHello, never assumed.
//! - **Every held byte is bounded**, per flow and in total ([`base::Limits`]), and reaching a bound is reported. Ciphertext is counted,
//!   never held, but for short records while their secrets may still come; memory does not grow with the capture.
//! - **Secrets stay secret**: wiped when dropped, in no output, not even a debugging one. A decryption that fails takes nothing from what
//!   the framing tells.
//! - **Only a seen end can be blamed.** "The server never answered" and "the capture stops here" are different values.
//! - **No verdict without evidence**: it cites frames, and says of each whether it was seen, inferred, or is missing.
//! - **Unknown values survive** to be printed: wire numbers are newtypes with named constants, not closed enums.
//! - **Text from the network is hostile**, and is escaped ([`base::printable`]) before a terminal, HTML, CSV or Markdown sees it.
//! - **Frame numbers and session numbers are Wireshark's**: a session is its `tcp.stream`.
//!
//! # Where do I change …
//!
//! | … | here |
//! |---|---|
//! | when a cause fires, or its manual page | its file in `diagnose/rules/`: page on top, `check` below |
//! | a new cause | one file there and its line in `rules::ALL`; `captures/<name>.pcap`, `captures/<name>--near-miss.pcap` and their truth |
//! | which of two causes wins | `yields_to` of the one that must be silent |
//! | what one session tells of another | a fact in `diagnose/beside.rs`, remembered by a file in `diagnose/company/` |
//! | what many sessions show together | found by a file in `diagnose/company/`, told by `diagnose/company/patterns.rs` |
//! | how competing readings and capture defects weigh | `diagnose/engine.rs` |
//! | which closing act is the first one, which are reactions | `session/closing.rs` |
//! | what counts as close_notify without keys | `session/closing.rs`, `session/finish.rs`; the length of an alert: `tls/cipher.rs` |
//! | a fact that rules need | `session/facts.rs`, filled in by `session/finish.rs` |
//! | phases and what the timeline notes | `session/tracker.rs` (TLS), `session/flow.rs` (TCP), `session/timeline.rs` |
//! | which connections count as sessions, TLS ports | `analyze.rs` |
//! | retransmissions, holes, keep-alives | `tcp/connection.rs`, `tcp/half.rs`; out of order: `tcp/assembler.rs` |
//! | what a sender's packets look like (TTL, IP ID, options) | `tcp/sender.rs` |
//! | a TLS message, alert, extension | `tls/handshake.rs`, `tls/hello.rs`, `tls/alert.rs` |
//! | key logs | `tls/secrets.rs`; reading them while they grow: `cli/keylog.rs` |
//! | what a key opens (suites, key schedules, sequence numbers) | `tls/decrypt/`; what is made of it: `session/keyed.rs` |
//! | records cut by holes, padding, resynchronising | `tls/framer.rs`, `tls/framer/resync.rs` |
//! | what counts as a complete exchange | `app/http1.rs`, `app/http2.rs`, `app/websocket.rs`; a protocol more: `app/exchange.rs` |
//! | a protocol before TLS | a file in `prelude/`, recognised in `prelude/recognise.rs` |
//! | a link layer or tunnel | `decode/link.rs`, `decode/tunnel.rs`; where its headers lie: `decode/layout.rs` |
//! | a capture format | `capture/recognise.rs`, and a reader beside `capture/pcapng.rs` |
//! | memory bounds | `base/limits.rs` |
//! | what is cheap for the usual packet | whole segments `decode/plain.rs`, in order `Connection::accept_ordinary`, whole records `Tracker::skim`; several frames together: `analyze/ahead.rs`. Each does what the long way does: `tests/shortcuts.rs` |
//! | what stays of a packet in a bundle | `evidence/mask.rs`, before TLS `evidence/text.rs`; what the streams consist of: `session/spans.rs` |
//! | a bundle's files | `evidence/bundle.rs`; how the bundle proves itself: `evidence/case.rs` |
//! | a column, a sentence, a field | its format's file in `report/`; fields also in `report/schema.json` and the README |
//! | how the HTML pages look | `report/html/`: colours in `palette.rs`, type and layout in its style sheets |
//! | what applications log | `report/errors/messages.rs`, and what it can have been on the wire in `report/errors/wires.rs` |
//! | what a live capture does beside analysing: rights, signals, output | `cli/live/`; the interface itself: `capture/live.rs` |
//! | which connections go when there are too many | `analyze/room.rs` |
//! | how a connection that is over becomes a judged session | `analyze/ends.rs` |
//! | which connections a server still has | `analyze/served.rs` |
//! | when a session left hanging is judged while the capture goes on | `analyze/hanging.rs` |
//! | an option | `cli/args.rs` |
//! | the captures and their truth | `captures/lab/scenarios/`; `captures/README.md` says how |
//!
//! # As a library
//!
//! ```
//! use std::path::Path;
//! use whohungup::analyze::{Analyzer, Options};
//! use whohungup::capture::CaptureFile;
//! use whohungup::diagnose::Fault;
//!
//! # fn main() -> Result<(), whohungup::capture::CaptureError> {
//! let mut file = CaptureFile::open(Path::new("captures/server-truncated-record.pcap"), 0)?;
//! let mut analyzer = Analyzer::new(Options::default());
//! while let Some(frame) = file.next_frame()? {
//!     analyzer.push(&frame);
//! }
//! analyzer.finish();
//! let sessions = analyzer.take();
//! let worst = &sessions[0].verdict;
//! assert_eq!((worst.cause, worst.fault), ("server-truncated-record", Fault::Server));
//! println!("{}", worst.summary);
//! # Ok(())
//! # }
//! ```

pub mod analyze;
pub mod app;
pub mod base;
pub mod capture;
pub mod cli;
pub mod decode;
pub mod diagnose;
pub mod evidence;
pub mod prelude;
pub mod report;
pub mod session;
pub mod tcp;
pub mod tls;
