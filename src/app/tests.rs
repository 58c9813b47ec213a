//! Exchanges as they happen and as they break, each read whole, cut at every byte, and byte by byte.

use proptest::prelude::*;

use crate::app::{Cut, Exchange, GoAway, Missing, Outcome, Part, Protocol, State, Why};
use crate::base::{At, PerSide, Side, Time};

const C: Side = Side::Client;
const S: Side = Side::Server;

fn at(frame: usize) -> At {
    At { frame: frame as u32, time: Time::from_nanos(frame as i64 * 1_000_000), ..At::default() }
}

/// What is said, by whom; each part comes in a frame of its own, numbered from 1.
type Script<'a> = &'a [(Side, &'a [u8])];

fn read_in_parts(script: Script<'_>, parts: impl Fn(usize, &[u8]) -> Vec<usize>) -> Outcome {
    let mut exchange = Exchange::new();
    for (number, (side, bytes)) in script.iter().enumerate() {
        let mut rest = *bytes;
        for len in parts(number, bytes) {
            let (part, after) = rest.split_at(len.min(rest.len()));
            exchange.push(*side, at(number + 1), part);
            rest = after;
        }
        exchange.push(*side, at(number + 1), rest);
    }
    exchange.outcome()
}

/// The outcome of a script, which must not depend on how it is cut.
fn outcome(script: Script<'_>) -> Outcome {
    let whole = read_in_parts(script, |_, _| Vec::new());
    assert_eq!(read_in_parts(script, |_, bytes| vec![1; bytes.len()]), whole, "byte by byte");
    for (number, (_, bytes)) in script.iter().enumerate() {
        for cut in 1..bytes.len() {
            let cuts = |part: usize, _: &[u8]| if part == number { vec![cut] } else { Vec::new() };
            assert_eq!(read_in_parts(script, cuts), whole, "part {number} cut at {cut}");
        }
    }
    whole
}

fn state(script: Script<'_>) -> State {
    outcome(script).state
}

fn cut(from: Side, frame: usize, part: Part, have: u64, need: Option<u64>, missing: Missing) -> State {
    State::Cut(Cut { from, at: at(frame), part, have, need, missing, others: 0 })
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn a_response_with_a_length_is_complete_or_cut_to_the_byte() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n";
    let whole = outcome(&[(C, GET), (S, head), (S, b"0123456789")]);
    assert_eq!((whole.protocol, whole.state, whole.answered, whole.status), (Protocol::Http1, State::Complete, 1, Some(200)));
    assert_eq!(state(&[(C, GET), (S, head), (S, b"012345678")]), cut(S, 3, Part::Body, 9, Some(10), Missing::Bytes));
    assert_eq!(state(&[(C, GET), (S, head)]), cut(S, 2, Part::Body, 0, Some(10), Missing::Bytes));
    assert_eq!(state(&[(C, GET), (S, b"HTTP/1.1 200 OK\r\nContent-")]), cut(S, 2, Part::Head, 0, None, Missing::Bytes));
    assert_eq!(state(&[(C, GET), (S, b"HT")]), cut(S, 2, Part::Head, 0, None, Missing::Bytes));
    assert_eq!(state(&[(C, GET)]), State::Outstanding { at: at(1), requests: 1 });
    assert_eq!(state(&[]), State::Idle);
}

#[test]
fn chunks_end_with_the_last_one_and_its_trailers() {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n";
    let of = |body: &[u8]| state(&[(C, GET), (S, head), (S, body)]);
    assert_eq!(of(b"4\r\nabcd\r\n0a;x=y\r\n0123456789\r\n0\r\n\r\n"), State::Complete);
    assert_eq!(of(b"4\r\nabcd\r\n0\r\nDigest: x\r\n\r\n"), State::Complete);
    assert_eq!(of(b"4\r\nabcd\r\n0\r\nDigest: x\r\n"), cut(S, 3, Part::Body, 4, None, Missing::End));
    assert_eq!(of(b"4\r\nabcd\r\n"), cut(S, 3, Part::Body, 4, None, Missing::End));
    assert_eq!(of(b"4\r\nabc"), cut(S, 3, Part::Body, 3, None, Missing::Bytes));
    assert_eq!(of(b"4\r\nabcdX"), State::Unknown(Why::Malformed));
    assert_eq!(of(b"4 4\r\nabcd"), State::Unknown(Why::Malformed));
    assert_eq!(of(b"fffffffffffffffff\r\n"), State::Unknown(Why::Malformed));
    assert_eq!(of(b"+4\r\n"), State::Unknown(Why::Malformed));
}

#[test]
fn a_stream_of_events_has_no_end_of_its_own() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(state(&[(C, GET), (S, head), (S, b"4\r\nabcd\r\n")]), cut(S, 3, Part::Body, 4, None, Missing::Stream));
    assert_eq!(state(&[(C, GET), (S, head), (S, b"4\r\nabc")]), cut(S, 3, Part::Body, 3, None, Missing::Bytes));
}

#[test]
fn a_body_without_a_length_ends_with_the_connection() {
    let head = b"HTTP/1.0 200 OK\r\n\r\n";
    assert_eq!(state(&[(C, GET), (S, head), (S, b"abc")]), State::UntilClose { at: at(3), have: 3 });
    assert_eq!(state(&[(C, GET), (S, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx")]), State::UntilClose { at: at(2), have: 1 });
    // What was asked behind it can never be answered.
    assert_eq!(state(&[(C, GET), (C, GET), (S, head), (S, b"abc")]), State::Outstanding { at: at(2), requests: 1 });
}

#[test]
fn responses_without_a_body_are_whole_at_their_head() {
    let long = b"Content-Length: 1000\r\n\r\n";
    let respond = |request: &[u8], status: &[u8]| state(&[(C, request), (S, status), (S, long)]);
    assert_eq!(respond(b"HEAD / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n"), State::Complete);
    assert_eq!(respond(GET, b"HTTP/1.1 304 Not Modified\r\n"), State::Complete);
    assert_eq!(respond(GET, b"HTTP/1.1 204\r\n"), State::Complete);
    assert_eq!(respond(b"HEADS / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n"), cut(S, 3, Part::Body, 0, Some(1_000), Missing::Bytes));
}

#[test]
fn informational_responses_answer_nothing() {
    let request = b"POST / HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    let go_on = b"HTTP/1.1 100 Continue\r\n\r\n";
    let created = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(state(&[(C, request), (S, go_on)]), cut(C, 1, Part::Body, 0, Some(3), Missing::Bytes));
    assert_eq!(state(&[(C, request), (S, go_on), (C, b"abc")]), State::Outstanding { at: at(3), requests: 1 });
    assert_eq!(state(&[(C, request), (S, go_on), (C, b"abc"), (S, created)]), State::Complete);
    assert_eq!(state(&[(C, GET), (S, b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")]), State::Outstanding { at: at(1), requests: 1 });
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let both: &[u8] = b"HEAD /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\nGET /c HTTP/1.1\r\n\r\n";
    let to_head: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n";
    let to_get: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd";
    assert_eq!(state(&[(C, both)]), State::Outstanding { at: at(1), requests: 3 });
    assert_eq!(state(&[(C, both), (S, to_head), (S, to_get)]), State::Outstanding { at: at(1), requests: 1 });
    let all = outcome(&[(C, both), (S, to_head), (S, to_get), (S, to_get)]);
    assert_eq!((all.state, all.answered), (State::Complete, 3));
    let State::Cut(half) = state(&[(C, both), (S, to_head), (S, &to_get[..to_get.len() - 1])]) else { panic!("not cut") };
    assert_eq!((half.have, half.need, half.others), (3, Some(4), 1));
}

#[test]
fn a_request_may_be_cut_or_answered_before_its_end() {
    let head: &[u8] = b"PUT /f HTTP/1.1\r\nContent-Length: 100\r\n\r\n";
    let refusal = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: keep-alive, Close\r\n\r\n";
    assert_eq!(state(&[(C, head), (C, b"abc")]), cut(C, 2, Part::Body, 3, Some(100), Missing::Bytes));
    let early = outcome(&[(C, head), (C, b"abc"), (S, refusal)]);
    let part = Cut { from: C, at: at(2), part: Part::Body, have: 3, need: Some(100), missing: Missing::Bytes, others: 0 };
    assert_eq!((early.state, early.status, early.answered), (State::AnsweredEarly(part), Some(413), 1));
    assert_eq!(early.announced, PerSide { client: None, server: Some(at(3)) });
    // The rest of it comes after all, and the next one.
    assert_eq!(state(&[(C, head), (C, b"abc"), (S, refusal), (C, &[b'x'; 97])]), State::Complete);
    assert_eq!(state(&[(C, head), (S, refusal), (C, &[b'x'; 100]), (C, GET)]), State::Outstanding { at: at(4), requests: 1 });
    let chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
    assert_eq!(state(&[(C, chunked)]), cut(C, 1, Part::Body, 3, None, Missing::End));
    // Its head is too long, or too slow, for the server.
    let slow = state(&[(C, GET), (S, b"HTTP/1.1 204 X\r\n\r\n"), (C, b"GET /b HTTP/1.1\r\nCook"), (S, refusal)]);
    assert!(matches!(slow, State::AnsweredEarly(Cut { part: Part::Head, .. })), "{slow:?}");
}

#[test]
fn a_response_that_nobody_asked_for_leaves_the_next_request_in_doubt() {
    let timeout = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let before = outcome(&[(S, timeout)]);
    assert_eq!((before.protocol, before.state, before.answered, before.status), (Protocol::Http1, State::Idle, 0, Some(408)));
    let none = b"HTTP/1.1 204 No Content\r\n\r\n";
    assert_eq!(state(&[(C, GET), (S, none), (S, timeout)]), State::Complete);
    assert_eq!(state(&[(C, GET), (S, none), (S, timeout), (C, GET)]), State::Unknown(Why::Malformed));
}

#[test]
fn framing_that_can_be_read_in_two_ways_is_not_read() {
    let of = |lines: &str| state(&[(C, GET), (S, format!("HTTP/1.1 200 OK\r\n{lines}\r\n").as_bytes()), (S, b"abcd")]);
    let unknown = State::Unknown(Why::Malformed);
    assert_eq!(of("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"), unknown);
    assert_eq!(of("Content-Length: 4\r\nContent-Length: 5\r\n"), unknown);
    assert_eq!(of("Content-Length: 4, 5\r\n"), unknown);
    assert_eq!(of("Content-Length: -4\r\n"), unknown);
    assert_eq!(of("Content-Length: \r\n"), unknown);
    assert_eq!(of("Content-Length: 99999999999999999999\r\n"), unknown);
    assert_eq!(of("Content-Length : 4\r\n"), unknown);
    assert_eq!(of("Content-Length: 4\r\n 5\r\n"), unknown);
    assert_eq!(of("Transfer-Encoding: chunked, gzip\r\n"), unknown);
    assert_eq!(of("no header at all\r\n"), unknown);
    assert_eq!(state(&[(C, GET), (S, b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")]), unknown);
    assert_eq!(state(&[(C, b"PUT / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n")]), unknown);
    // And what looks odd but can be read in one way only.
    assert_eq!(of("content-length:4\r\nContent-Length: 4, 4\r\nX-Folded: a\r\n b\r\n"), State::Complete);
    assert_eq!(of(&format!("Cookie: {}\r\nContent-Length: 4\r\n", "x".repeat(2_000))), State::Complete);
    assert_eq!(state(&[(C, b"\r\n\nGET / HTTP/1.1\n\n"), (S, b"HTTP/1.1 204 \n\n")]), State::Complete);
    assert_eq!(
        state(&[(C, format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(900)).as_bytes())]),
        State::Outstanding { at: at(1), requests: 1 }
    );
}

#[test]
fn other_protocols_are_unknown() {
    let unknown = |script: Script<'_>| {
        let outcome = outcome(script);
        assert_eq!((outcome.protocol, outcome.state), (Protocol::Unknown, State::Unknown(Why::Protocol)));
    };
    unknown(&[(S, b"220 mail.example ESMTP\r\n"), (C, b"EHLO a\r\n")]);
    unknown(&[(C, b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00")]);
    unknown(&[(C, b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00"), (S, b"\x20\x02\x00\x00")]);
    unknown(&[(C, b"DESCRIBE rtsp://a/b RTSP/1.0\r\nCSeq: 1\r\n\r\n")]);
    unknown(&[(C, b"GET /\r\n")]);
    unknown(&[(C, b"GET / HTTP/2.0\r\n\r\n")]);
    unknown(&[(C, b"{\"jsonrpc\": 1}\n")]);
    unknown(&[(C, GET), (S, b"ICY 200 OK\r\n\r\n")]);
    unknown(&[(C, b"PRI * HTTP/1.1\r\n\r\n")]);
    unknown(&[(C, b"PR")]);
    unknown(&[(C, b"GET / HT")]);
    unknown(&[(S, b"\x00\x00\x12\x00\x00\x00\x00\x00\x01")]);
}

#[test]
fn a_hole_makes_everything_after_it_unknown() {
    let mut exchange = Exchange::new();
    exchange.push(C, at(1), GET);
    exchange.gap();
    exchange.push(S, at(2), b"HTTP/1.1 204 No Content\r\n\r\n");
    assert!(exchange.is_lost());
    let outcome = exchange.outcome();
    assert_eq!((outcome.protocol, outcome.state), (Protocol::Http1, State::Unknown(Why::Hole)));
}

#[test]
fn a_tunnel_or_an_upgrade_is_another_protocol() {
    let switched = State::Unknown(Why::Switched);
    assert_eq!(state(&[(C, b"CONNECT a:443 HTTP/1.1\r\n\r\n"), (S, b"HTTP/1.1 200 OK\r\n\r\n")]), switched);
    assert_eq!(state(&[(C, b"CONNECT a:443 HTTP/1.1\r\n\r\n"), (S, b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")]), State::Complete);
    assert_eq!(state(&[(C, GET), (S, b"HTTP/1.1 101 Switching\r\nUpgrade: foo/2\r\n\r\nxyz")]), switched);
}

fn websocket(frames: &[(Side, &[u8])]) -> Outcome {
    let upgrade: &[u8] = b"GET /chat HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    let switch: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\r\n";
    outcome(&[&[(C, upgrade), (S, switch)], frames].concat())
}

#[test]
fn a_websocket_is_complete_when_somebody_said_goodbye() {
    let (text, masked): (&[u8], &[u8]) = (b"\x81\x02hi", b"\x81\x82\x01\x02\x03\x04ik");
    let (close, masked_close): (&[u8], &[u8]) = (b"\x88\x02\x03\xe8", b"\x88\x82\0\0\0\0\x03\xe8");
    let open = websocket(&[(S, text), (C, masked)]);
    assert_eq!((open.protocol, open.state), (Protocol::WebSocket, State::Unclosed));
    let closed = websocket(&[(S, text), (C, masked), (C, masked_close), (S, close)]);
    assert_eq!((closed.state, closed.announced), (State::Complete, PerSide { client: Some(at(5)), server: Some(at(6)) }));
    assert_eq!(websocket(&[(S, close)]).state, State::Complete);
    assert_eq!(websocket(&[(S, b"\x88\0")]).state, State::Complete);
    assert_eq!(websocket(&[(S, &close[..3])]).state, cut(S, 3, Part::Frame, 1, Some(2), Missing::Bytes));
}

#[test]
fn a_websocket_may_be_cut_in_a_frame_or_between_those_of_a_message() {
    let long = [&b"\x82\x7e\x01\x00"[..], &[7; 255]].concat();
    assert_eq!(websocket(&[(S, &long)]).state, cut(S, 3, Part::Frame, 255, Some(256), Missing::Bytes));
    assert_eq!(websocket(&[(S, &long), (S, b"7")]).state, State::Unclosed);
    let huge = b"\x82\x7f\0\0\0\0\x10\0\0\0abc";
    assert_eq!(websocket(&[(S, huge)]).state, cut(S, 3, Part::Frame, 3, Some(1 << 28), Missing::Bytes));
    assert_eq!(websocket(&[(S, b"\x82")]).state, cut(S, 3, Part::Frame, 0, None, Missing::Bytes));
    // Fragments, with a ping between them.
    assert_eq!(websocket(&[(S, b"\x01\x01a\x89\x00\x00\x01b")]).state, cut(S, 3, Part::Frame, 0, None, Missing::End));
    assert_eq!(websocket(&[(S, b"\x01\x01a\x89\x00\x80\x01b")]).state, State::Unclosed);
    for wrong in [&b"\x81\x82\0\0\0\0hi"[..], b"\x83\x00", b"\x80\x00", b"\x01\x01a\x01\x01b", b"\x88\x7e\x01\x00", b"\x88\x00\x81\x00"] {
        assert_eq!(websocket(&[(S, wrong)]).state, State::Unknown(Why::Malformed), "{wrong:x?}");
    }
    assert_eq!(websocket(&[(C, b"\x81\x02hi")]).state, State::Unknown(Why::Malformed), "a client must mask");
}

/// An HTTP/2 frame.
fn frame(typ: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u32).to_be_bytes();
    [&len[1..], &[typ, flags], &stream.to_be_bytes(), payload].concat()
}

/// What both sides say before the first request.
fn hello() -> (Vec<u8>, Vec<u8>) {
    let preface: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    ([preface, &frame(4, 0, 0, &[0, 3, 0, 0, 0, 100]), &frame(8, 0, 0, &[0, 1, 0, 0])].concat(), frame(4, 0, 0, &[]))
}

/// GET, as the static table has it.
const ASK: &[u8] = &[0x82, 0x84, 0x87];
/// Status 200, as the static table has it.
const OK: &[u8] = &[0x88];
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const BOTH: u8 = END_STREAM | END_HEADERS;

fn http2(frames: &[(Side, Vec<u8>)]) -> Outcome {
    let (client, server) = hello();
    let mut script: Vec<(Side, &[u8])> = vec![(C, &client), (S, &server)];
    script.extend(frames.iter().map(|(side, bytes)| (*side, &bytes[..])));
    outcome(&script)
}

fn ask(stream: u32) -> (Side, Vec<u8>) {
    (C, frame(1, BOTH, stream, ASK))
}

fn data(stream: u32, flags: u8, len: usize) -> (Side, Vec<u8>) {
    (S, frame(0, flags, stream, &vec![b'x'; len]))
}

#[test]
fn a_stream_is_complete_when_both_ends_said_so() {
    let respond = (S, frame(1, END_HEADERS, 1, OK));
    let whole = http2(&[ask(1), respond.clone(), data(1, 0, 100), data(1, END_STREAM, 5)]);
    assert_eq!((whole.protocol, whole.state, whole.answered, whole.status), (Protocol::Http2, State::Complete, 1, Some(200)));
    assert_eq!(http2(&[ask(1), respond.clone(), data(1, 0, 100)]).state, cut(S, 5, Part::Body, 100, None, Missing::End));
    let (_, part) = data(1, 0, 100);
    assert_eq!(http2(&[ask(1), respond, (S, part[..59].to_vec())]).state, cut(S, 5, Part::Body, 50, None, Missing::Bytes));
    assert_eq!(http2(&[ask(1)]).state, State::Outstanding { at: at(3), requests: 1 });
    assert_eq!(http2(&[]).state, State::Idle);
    assert_eq!(http2(&[ask(1), (S, frame(1, BOTH, 1, OK))]).state, State::Complete);
    // Trailers end it too.
    assert_eq!(http2(&[ask(1), (S, frame(1, END_HEADERS, 1, OK)), data(1, 0, 3), (S, frame(1, BOTH, 1, &[]))]).state, State::Complete);
}

#[test]
fn a_length_in_http2_says_how_much_is_missing() {
    let head = (S, frame(1, END_HEADERS, 1, &[OK, &[0x5c, 4], b"1000"].concat()));
    assert_eq!(http2(&[ask(1), head.clone(), data(1, 0, 100)]).state, cut(S, 5, Part::Body, 100, Some(1_000), Missing::Bytes));
    let whole = http2(&[ask(1), head.clone(), data(1, 0, 1_000)]);
    assert_eq!((whole.state, whole.answered), (State::Complete, 1), "only END_STREAM is missing");
    // Padding is no body.
    let padded = (S, frame(0, 8, 1, &[&[20], &[b'x'; 50][..], &[0; 20]].concat()));
    assert_eq!(http2(&[ask(1), head.clone(), padded.clone()]).state, cut(S, 5, Part::Body, 50, Some(1_000), Missing::Bytes));
    let part = (S, padded.1[..9 + 1 + 10].to_vec());
    assert_eq!(http2(&[ask(1), head, part]).state, cut(S, 5, Part::Body, 10, Some(1_000), Missing::Bytes));
    // In CONTINUATION frames, behind a priority and padding.
    let block = [OK, &[0x5c, 4], b"1000"].concat();
    let first = frame(1, 0x28, 1, &[&[2, 0, 0, 0, 0, 9], &block[..3], &[0, 0]].concat());
    let split = (S, [first, frame(9, 0, 1, &block[3..4]), frame(9, END_HEADERS, 1, &block[4..])].concat());
    assert_eq!(http2(&[ask(1), split]).state, cut(S, 4, Part::Body, 0, Some(1_000), Missing::Bytes));
}

#[test]
fn a_block_that_cannot_be_decoded_costs_only_its_lengths() {
    let head = (S, frame(1, END_HEADERS, 1, &[0xff]));
    assert_eq!(http2(&[ask(1), head.clone(), data(1, 0, 9)]).state, cut(S, 5, Part::Body, 9, None, Missing::End));
    assert_eq!(http2(&[ask(1), head, data(1, END_STREAM, 9)]).state, State::Complete);
    let huge: Vec<u8> =
        (0..9).flat_map(|nth| frame(if nth == 0 { 1 } else { 9 }, if nth == 8 { END_HEADERS } else { 0 }, 1, &[0; 9_000])).collect();
    let (client, server) = hello();
    let (_, asked) = ask(1);
    let read = read_in_parts(&[(C, &client), (S, &server), (C, &asked), (S, &huge)], |_, _| Vec::new());
    assert_eq!((read.state, read.status), (cut(S, 4, Part::Body, 0, None, Missing::End), None));
}

#[test]
fn informational_headers_answer_nothing_in_http2() {
    // 103, by a literal.
    let hints = (S, frame(1, END_HEADERS, 1, &[&[0x08, 3][..], b"103"].concat()));
    assert_eq!(http2(&[ask(1), hints.clone()]).state, State::Outstanding { at: at(3), requests: 1 });
    assert_eq!(http2(&[ask(1), hints, (S, frame(1, BOTH, 1, OK))]).state, State::Complete);
}

#[test]
fn of_several_streams_the_one_that_lost_most_is_told() {
    let length = [OK, &[0x5c, 2], b"50"].concat();
    let read = http2(&[
        ask(1),
        ask(3),
        ask(5),
        (S, frame(1, END_HEADERS, 1, OK)),
        (S, frame(1, END_HEADERS, 3, &length)),
        data(1, 0, 7),
        data(3, 0, 40),
    ]);
    let State::Cut(part) = read.state else { panic!("{read:?}") };
    assert_eq!((part.have, part.need, part.missing, part.others), (40, Some(50), Missing::Bytes, 2));
}

#[test]
fn a_call_that_is_open_in_both_directions_has_no_end_of_its_own() {
    let call = (C, frame(1, END_HEADERS, 1, ASK));
    let read = http2(&[call.clone(), (S, frame(1, END_HEADERS, 1, OK)), data(1, 0, 7)]);
    assert_eq!(read.state, cut(S, 5, Part::Body, 7, None, Missing::Stream));
    assert_eq!(http2(&[call.clone(), (C, frame(0, 0, 1, b"abc"))]).state, cut(C, 4, Part::Body, 3, None, Missing::End));
    let grpc = (S, frame(1, END_HEADERS, 1, &[OK, &[0x5f, 16], b"application/grpc"].concat()));
    assert_eq!(http2(&[ask(1), grpc, data(1, 0, 7)]).state, cut(S, 5, Part::Body, 7, None, Missing::Stream));
    let early = http2(&[call, (S, frame(1, BOTH, 1, OK))]).state;
    assert!(matches!(early, State::AnsweredEarly(Cut { from: Side::Client, .. })), "{early:?}");
}

#[test]
fn streams_that_were_reset_are_told_apart_by_who_did_it() {
    let rst = |side, stream| (side, frame(3, 0, stream, &[0, 0, 0, 8]));
    let head = |stream| (S, frame(1, END_HEADERS, stream, OK));
    let cancelled = http2(&[ask(1), head(1), rst(C, 1), data(1, 0, 50)]);
    assert_eq!((cancelled.state, cancelled.reset, cancelled.answered), (State::Complete, PerSide { client: 1, server: 0 }, 0));
    let failed = http2(&[ask(1), head(1), data(1, 0, 50), rst(S, 1)]);
    assert_eq!((failed.state, failed.reset), (State::Complete, PerSide { client: 0, server: 1 }));
    // After a whole response it only spares the rest of the request.
    let spared = http2(&[(C, frame(1, END_HEADERS, 1, ASK)), (S, frame(1, BOTH, 1, OK)), rst(S, 1)]);
    assert_eq!((spared.state, spared.reset, spared.answered), (State::Complete, PerSide::default(), 1));
}

#[test]
fn goaway_is_remembered_with_what_it_leaves_out() {
    let goaway = (S, frame(7, 0, 0, &[&[0, 0, 0, 1, 0, 0, 0, 2], &b"because"[..]].concat()));
    let read = http2(&[ask(1), (S, frame(1, BOTH, 1, OK)), goaway, ask(3)]);
    assert_eq!(read.goaway.server, Some(GoAway { at: at(5), last_stream: 1, code: 2 }));
    assert_eq!((read.state, read.announced.server), (State::Outstanding { at: at(6), requests: 1 }, Some(at(5))));
}

#[test]
fn a_server_may_speak_first_and_before_it_was_seen_to_be_asked() {
    let (client, server) = hello();
    let (_, asked) = ask(1);
    let answer = frame(1, BOTH, 1, OK);
    assert_eq!(state(&[(S, &server), (C, &client), (C, &asked), (S, &answer)]), State::Complete);
    assert_eq!(state(&[(C, b"PR"), (S, &server), (C, &client[2..]), (S, &answer), (C, &asked)]), State::Complete);
    // A promised stream was not asked for.
    let promise = frame(5, END_HEADERS, 1, &[&[0, 0, 0, 2], ASK].concat());
    let pushed = [frame(1, END_HEADERS, 2, OK), frame(0, 0, 2, b"half")].concat();
    assert_eq!(state(&[(C, &client), (S, &server), (C, &asked), (S, &promise), (S, &answer), (S, &pushed)]), State::Complete);
}

#[test]
fn http2_that_breaks_its_rules_is_not_read() {
    let malformed = |frames: &[(Side, Vec<u8>)]| assert_eq!(http2(frames).state, State::Unknown(Why::Malformed), "{frames:x?}");
    malformed(&[(C, frame(1, BOTH, 0, ASK))]);
    malformed(&[data(1, 0, 4)]);
    malformed(&[ask(3), ask(1)]);
    malformed(&[(C, frame(1, END_STREAM, 1, ASK)), ask(3)]);
    malformed(&[(C, frame(9, END_HEADERS, 1, ASK))]);
    malformed(&[ask(1), (S, frame(3, 0, 1, &[0, 0, 0]))]);
    malformed(&[(S, frame(4, 0, 0, &[0, 0, 0]))]);
    malformed(&[(S, frame(7, 0, 0, &[0, 0, 0]))]);
    malformed(&[(S, frame(6, 0, 0, &[0, 0, 0]))]);
    malformed(&[(S, frame(8, 0, 0, &[0, 0, 0]))]);
    malformed(&[(C, frame(1, 0x0d, 1, &[9, 0x82]))]);
    malformed(&[(C, frame(5, END_HEADERS, 1, &[0, 0, 0, 2]))]);
    // Frames of types that are not known are passed over.
    assert_eq!(http2(&[ask(1), (S, frame(0xbe, 0xff, 1, &[1; 30])), (S, frame(1, BOTH, 1, OK))]).state, State::Complete);
    let (client, server) = hello();
    assert_eq!(state(&[(C, &client), (S, b"\x00\x00\x00\x00\x00\x00\x00\x00\x01"), (S, &server)]), State::Unknown(Why::Protocol));
}

#[test]
fn more_than_can_be_tracked_is_unknown() {
    let many: Vec<u8> = (0..1_025).flat_map(|nth| frame(1, BOTH, 2 * nth + 1, ASK)).collect();
    let (client, server) = hello();
    let read = |many: &[u8]| read_in_parts(&[(C, &client), (S, &server), (C, many)], |_, _| Vec::new()).state;
    assert_eq!(read(&many), State::Unknown(Why::Limit));
    assert_eq!(read(&many[..many.len() - 12]), State::Outstanding { at: at(3), requests: 1_024 });
    let piped = GET.repeat(1_025);
    assert_eq!(read_in_parts(&[(C, &piped)], |_, _| Vec::new()).state, State::Unknown(Why::Limit));
}

/// Parts of exchanges that a stirred-up script is made of, and noise.
fn piece() -> impl Strategy<Value = (bool, Vec<u8>)> {
    let (client, server) = hello();
    let known: Vec<Vec<u8>> = vec![
        GET.to_vec(),
        b"HEAD / HTTP/1.1\r\n\r\n".to_vec(),
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".to_vec(),
        b"PUT / HTTP/1.1\r\nContent-Length: 5\r\nUpgrade: websocket\r\n\r\nabcde".to_vec(),
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde".to_vec(),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".to_vec(),
        b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\n\r\n\x81\x02hi".to_vec(),
        b"\x81\x82\x01\x02\x03\x04ik\x88\x80\x01\x02\x03\x04".to_vec(),
        client,
        server,
        frame(1, BOTH, 1, ASK),
        frame(1, END_HEADERS, 1, &[OK, &[0x5c, 2], b"20"].concat()),
        frame(0, END_STREAM, 1, b"01234567890123456789"),
        frame(1, 0, 3, ASK),
        frame(9, END_HEADERS, 3, &[0x42, 7, b'C', b'O', b'N', b'N', b'E', b'C', b'T']),
        frame(7, 0, 0, &[0; 12]),
    ];
    let known = prop::sample::select(known);
    let cut = (known.clone(), 0_usize..40).prop_map(|(bytes, len)| bytes[..len.min(bytes.len())].to_vec());
    (any::<bool>(), prop_oneof![4 => known, 1 => cut, 1 => prop::collection::vec(any::<u8>(), 0..40)])
}

proptest! {
    #[test]
    fn no_input_panics_and_no_cut_changes_the_outcome(
        pieces in prop::collection::vec(piece(), 0..12),
        lens in prop::collection::vec(1_usize..30, 1..40),
    ) {
        let script: Vec<(Side, &[u8])> =
            pieces.iter().map(|(client, bytes)| (if *client { C } else { S }, &bytes[..])).collect();
        let whole = read_in_parts(&script, |_, _| Vec::new());
        prop_assert_eq!(read_in_parts(&script, |_, _| lens.clone()), whole);
        prop_assert_eq!(read_in_parts(&script, |_, bytes| vec![1; bytes.len()]), whole);
    }
}
