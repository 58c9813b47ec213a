//! What becomes of the bytes of a stream that can be read: personal things are blanked, and names replaced where that is wanted.

use super::pseudonym::Pseudonyms;
use super::{names, text};
use crate::base::Way;
use crate::prelude::Protocol;
use crate::session::{Lane, PartKind, Run, Session};

/// How to treat what can be read of one session.
pub(super) struct Readable<'p> {
    client: Way,
    protocols: Vec<Protocol>,
    names: Option<names::Names<'p>>,
    /// What the client said of itself, in lower case: the server may repeat it.
    own: Vec<Vec<u8>>,
}

/// Words of the client that are remembered.
const MOST_OWN: usize = 64;
/// Kinds of authentication: nobody's.
const MECHANISMS: [&str; 9] = ["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "EXTERNAL", "GSSAPI", "NTLM", "XOAUTH2", "OAUTHBEARER"];

impl<'p> Readable<'p> {
    /// For `session`; `client` is the way its client sends along its own key.
    pub(super) fn new(session: &Session, pseudonyms: Option<&'p Pseudonyms>) -> Readable<'p> {
        let talks = session.prelude.as_deref().map(|story| story.talks.iter().map(|talk| talk.protocol).collect());
        Readable {
            client: session.client_way,
            protocols: talks.unwrap_or_default(),
            names: pseudonyms.map(|pseudonyms| names::Names::of(session, pseudonyms)),
            own: Vec::new(),
        }
    }

    /// Learns from the client's lane which words are its own, such as a user's name.
    pub(super) fn learn(&mut self, lane: &Lane) {
        for mut run in plain(lane) {
            let before = run.bytes.clone();
            text::blank(true, self.protocols(&run), &mut run.bytes, &|_| {});
            self.own.extend(own_words(&before, &run.bytes).take(MOST_OWN));
        }
        self.own.sort_by_key(|word| std::cmp::Reverse(word.len()));
        self.own.dedup();
        self.own.truncate(MOST_OWN);
    }

    /// The protocols spoken in a run: those before TLS, from the first byte on.
    fn protocols(&self, run: &Run) -> &[Protocol] {
        if run.offset == 0 { &self.protocols } else { &[] }
    }

    /// What stays of one way's readable bytes, in runs that lie apart.
    pub(super) fn runs(&self, way: Way, lane: &Lane) -> Vec<Run> {
        let mut clear = of(lane, PartKind::Clear);
        let mut plain = plain(lane);
        for run in &mut plain {
            let addresses = |at: &mut [u8]| {
                if let Some(names) = &self.names {
                    names.address(at);
                }
            };
            text::blank(way == self.client, self.protocols(run), &mut run.bytes, &addresses);
            if way != self.client {
                repeated(&self.own, &mut run.bytes);
            }
        }
        if let Some(names) = &self.names {
            for run in &mut plain {
                if way == self.client {
                    text::blank_agents(&mut run.bytes);
                }
                names.in_text(&mut run.bytes);
            }
            for run in &mut clear {
                let starts = lane.readable().iter().filter_map(|(_, part)| usize::try_from(part.offset.checked_sub(run.offset)?).ok());
                let mut starts: Vec<usize> = starts.collect();
                starts.sort_unstable();
                names.in_records(&mut run.bytes, &starts);
            }
        }
        // What was taken for plain at first, and turned out to be TLS, counts as that.
        for run in &clear {
            plain = plain.into_iter().flat_map(|other| outside(other, run)).collect();
        }
        plain.append(&mut clear);
        plain
    }
}

/// The runs of one kind.
fn of(lane: &Lane, kind: PartKind) -> Vec<Run> {
    joined(lane.readable().iter().filter(|(of, _)| *of == kind).map(|(_, run)| run))
}

/// What was said in plain text.
fn plain(lane: &Lane) -> Vec<Run> {
    of(lane, PartKind::Plain)
}

/// The words of `before` that were blanked in `after`, in lower case: names and passwords, but no keywords, and no hosts of mail addresses.
fn own_words<'b>(before: &'b [u8], after: &'b [u8]) -> impl Iterator<Item = Vec<u8>> + 'b {
    const SHORTEST: usize = 4;
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"._+-".contains(byte) || *byte >= 0x80;
    let mut at = 0;
    before.split(move |byte| !is_part(byte)).filter_map(move |word| {
        let (from, to) = (at, at + word.len());
        at = to + 1;
        let blanked = after.get(from..to).is_some_and(|after| after != word);
        let behind = before.get(to).is_some_and(|byte| b":=".contains(byte));
        let host = from.checked_sub(1).and_then(|before_it| before.get(before_it)) == Some(&b'@');
        let common = MECHANISMS.iter().any(|mechanism| mechanism.as_bytes().eq_ignore_ascii_case(word));
        let telling = word.len() >= SHORTEST && word.iter().any(u8::is_ascii_alphabetic);
        (blanked && telling && !behind && !host && !common).then(|| word.to_ascii_lowercase())
    })
}

/// Blanks what the client said of itself where the server repeats it, in any case of letters.
fn repeated(own: &[Vec<u8>], bytes: &mut [u8]) {
    let lower = bytes.to_ascii_lowercase();
    for word in own {
        for (from, _) in lower.windows(word.len()).enumerate().filter(|(_, window)| *window == word.as_slice()) {
            if let Some(place) = bytes.get_mut(from..from + word.len()) {
                place.fill(b'x');
            }
        }
    }
}

/// Runs in order of their offsets, those that touch joined; of overlapping ones the first counts.
fn joined<'r>(runs: impl Iterator<Item = &'r Run>) -> Vec<Run> {
    let mut sorted: Vec<&Run> = runs.collect();
    sorted.sort_by_key(|run| run.offset);
    let mut out: Vec<Run> = Vec::new();
    for run in sorted {
        match out.last_mut() {
            Some(last) if last.end() >= run.offset => {
                let known = usize::try_from(last.end() - run.offset).unwrap_or(usize::MAX);
                last.bytes.extend_from_slice(run.bytes.get(known..).unwrap_or_default());
            }
            _ => out.push(run.clone()),
        }
    }
    out
}

/// What of `run` lies outside `other`: before it, and behind it.
fn outside(run: Run, other: &Run) -> Vec<Run> {
    if run.end() <= other.offset || other.end() <= run.offset {
        return vec![run];
    }
    let place = |at: u64| usize::try_from(at.clamp(run.offset, run.end()) - run.offset).unwrap_or(usize::MAX);
    let before = Run { offset: run.offset, bytes: run.bytes.get(..place(other.offset)).unwrap_or_default().to_vec() };
    let behind = Run { offset: other.end(), bytes: run.bytes.get(place(other.end())..).unwrap_or_default().to_vec() };
    [before, behind].into_iter().filter(|part| !part.bytes.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_client_said_of_itself_is_blanked_where_the_server_repeats_it() {
        let said = b"a1 LOGIN bobsmith s3cret-word\r\nMAIL FROM:<bob.smith@mx.example> SIZE=1000\r\nAUTH PLAIN AGJvYg==\r\n";
        let mut blanked = said.to_vec();
        text::blank(true, &[], &mut blanked, &|_| {});
        let own: Vec<Vec<u8>> = own_words(said, &blanked).collect();
        let words: Vec<&str> = own.iter().map(|word| std::str::from_utf8(word).unwrap()).collect();
        assert_eq!(words, ["bobsmith", "s3cret-word", "bob.smith"], "neither keywords nor hosts, nor what is followed by a sign");
        let mut answer = b"a1 NO BobSmith may not; from mx.example 1000 PLAIN\r\n".to_vec();
        repeated(&own, &mut answer);
        assert_eq!(answer, b"a1 NO xxxxxxxx may not; from mx.example 1000 PLAIN\r\n");
    }

    #[test]
    fn agents_are_blanked() {
        let mut request = b"CONNECT a.example:443 HTTP/1.1\r\nUser-Agent: bobs-tool/1 (x)\r\nHost: a.example\r\n\r\n".to_vec();
        text::blank_agents(&mut request);
        assert_eq!(request, b"CONNECT a.example:443 HTTP/1.1\r\nUser-Agent: xxxxxxxxxxx xxx\r\nHost: a.example\r\n\r\n");
    }
}
