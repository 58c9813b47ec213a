//! What the connections of the captures say: real hellos, and records of the sizes that follow them.

use std::ops::Range;

use crate::traffic::{ACK, FIN, PSH, Random, SYN};

#[path = "../../src/tls/testdata.rs"]
#[allow(dead_code, reason = "the unit tests use the rest")]
mod testdata;

/// What fits into a full-size packet beside the timestamp option.
const MSS: usize = 1448;

/// The packets of a connection, in order.
pub(crate) struct Script {
    pub(crate) steps: Vec<Step>,
    pub(crate) bytes: Vec<u8>,
}

/// One packet.
pub(crate) struct Step {
    /// Sent by the client.
    pub(crate) client: bool,
    /// TCP flags.
    pub(crate) flags: u8,
    /// Which of the script's bytes it carries.
    pub(crate) payload: Range<usize>,
}

/// A download over TLS 1.3: `records` records of the largest size.
pub(crate) fn bulk(records: usize) -> Script {
    let (client, server) = (records_of(testdata::TLS13_CLIENT), records_of(testdata::TLS13_SERVER));
    let mut script = Script::open();
    script.say(true, &client[..1]);
    script.say(false, &server[..6]);
    script.say(true, &client[1..3]);
    script.say(false, &server[6..8]);
    script.say(true, &[sealed(23, 120)]);
    script.say(false, &vec![sealed(23, 16_401); records]);
    script.close(&client[4..], &server[9..]);
    script
}

/// A resumed TLS 1.3 session of `rounds` small questions and answers.
pub(crate) fn small(rounds: usize) -> Script {
    let (client, server) = (records_of(testdata::TLS13_CLIENT), records_of(testdata::TLS13_SERVER));
    let mut script = Script::open();
    script.say(true, &client[..1]);
    script.ack(false);
    // ServerHello, ChangeCipherSpec, EncryptedExtensions, Finished.
    script.say(false, &[&server[..3], &server[5..6]].concat());
    script.ack(true);
    script.say(true, &client[1..3]);
    script.say(false, &server[6..7]);
    for round in 0..rounds {
        script.say(true, &[sealed(23, 25 + round % 7)]);
        script.say(false, &[sealed(23, 31 + round % 5)]);
    }
    script.ack(true);
    script.close(&client[4..], &server[9..]);
    script
}

/// Sessions that stay open: TLS 1.2 with a certificate, and TLS 1.3; `rounds` questions and answers.
pub(crate) fn long_lived(rounds: usize) -> [Script; 2] {
    let (client, server) = (records_of(testdata::TLS12_CLIENT), records_of(testdata::TLS12_SERVER));
    let mut old = Script::open();
    old.say(true, &client[..1]);
    old.say(false, &server[..4]);
    old.say(true, &client[1..4]);
    old.say(false, &server[4..7]);
    let (client, server) = (records_of(testdata::TLS13_CLIENT), records_of(testdata::TLS13_SERVER));
    let mut new = Script::open();
    new.say(true, &client[..1]);
    new.say(false, &server[..6]);
    new.say(true, &client[1..3]);
    new.say(false, &server[6..8]);
    for script in [&mut old, &mut new] {
        for _ in 0..rounds {
            script.say(true, &[sealed(23, 80)]);
            script.say(false, &[sealed(23, 300)]);
            script.ack(true);
        }
    }
    [old, new]
}

/// A resumed TLS 1.2 session with one question and one answer.
pub(crate) fn short() -> Script {
    let (client, server) = (records_of(testdata::TLS12_CLIENT), records_of(testdata::TLS12_SERVER));
    let mut script = Script::open();
    script.say(true, &client[..1]);
    script.say(false, &[&server[..1], &server[5..7]].concat());
    script.say(true, &client[2..5]);
    script.say(false, &[sealed(23, 60)]);
    script.close(&client[5..], &server[8..]);
    script
}

/// The same, which its server ends without a word.
pub(crate) fn abrupt() -> Script {
    let mut script = short();
    let end = script.steps.iter().rposition(|step| step.flags & PSH != 0 && step.client).unwrap_or_default();
    script.steps.truncate(end);
    script.push(false, ACK | FIN, &[]);
    script.push(true, ACK | FIN, &[]);
    script.ack(false);
    script
}

/// The records of one direction of a session, with their headers.
fn records_of(hex: &str) -> Vec<Vec<u8>> {
    let bytes = testdata::hex(hex);
    let mut rest = bytes.as_slice();
    let mut records = Vec::new();
    while !rest.is_empty() {
        let (record, after) = rest.split_at(5 + usize::from(u16::from_be_bytes([rest[3], rest[4]])));
        records.push(record.to_vec());
        rest = after;
    }
    records
}

/// A record that says nothing readable.
fn sealed(typ: u8, len: usize) -> Vec<u8> {
    let mut random = Random(len as u64);
    let body = (0..len).map(|_| random.next() as u8);
    [typ, 3, 3, (len >> 8) as u8, len as u8].into_iter().chain(body).collect()
}

impl Script {
    fn open() -> Script {
        let mut script = Script { steps: Vec::new(), bytes: Vec::new() };
        script.push(true, SYN, &[]);
        script.push(false, SYN | ACK, &[]);
        script.ack(true);
        script
    }

    fn push(&mut self, client: bool, flags: u8, payload: &[u8]) {
        let from = self.bytes.len();
        self.bytes.extend(payload);
        self.steps.push(Step { client, flags, payload: from..self.bytes.len() });
    }

    fn ack(&mut self, client: bool) {
        self.push(client, ACK, &[]);
    }

    /// Sends records, in segments of full size; the peer acknowledges every second one.
    fn say(&mut self, client: bool, records: &[Vec<u8>]) {
        let bytes = records.concat();
        let last = bytes.len().div_ceil(MSS) - 1;
        for (number, segment) in bytes.chunks(MSS).enumerate() {
            self.push(client, if number == last { ACK | PSH } else { ACK }, segment);
            if number % 2 == 1 {
                self.ack(!client);
            }
        }
    }

    /// Both sides send close_notify and FIN, the client first.
    fn close(&mut self, client: &[Vec<u8>], server: &[Vec<u8>]) {
        self.push(true, ACK | PSH, &client.concat());
        self.push(true, ACK | FIN, &[]);
        self.push(false, ACK | PSH, &server.concat());
        self.push(false, ACK | FIN, &[]);
        self.ack(true);
    }
}
