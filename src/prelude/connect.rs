//! HTTP CONNECT (RFC 9110 section 9.3.6): requests and responses until one is 2xx.

use super::dialog::{Line, Take, Turn, next_line};
use super::plain::http_status;
use super::story::{Outcome, Refusal, Talk};
use super::wire::words;
use crate::base::{At, Side};

/// A client and the proxy it asks.
#[derive(Default)]
pub(super) struct Connect {
    in_request: bool,
    response: Response,
}

/// Where the proxy is in its answer.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Response {
    /// Before a status line.
    #[default]
    Due,
    /// In the header of an interim response (1xx).
    Interim,
    /// In the header of a 2xx.
    Success,
    /// In the header of anything else, or in the body after it. The body ends where the client asks again: it must have read it by then.
    Refused,
}

impl Connect {
    pub(super) fn is_between(&self, side: Side) -> bool {
        match side {
            Side::Client => !self.in_request,
            Side::Server => self.response == Response::Due,
        }
    }

    pub(super) fn take(&mut self, turn: Turn) -> Take {
        if turn.side == Side::Server && self.response == Response::Refused {
            return Take::Took(turn.bytes.len());
        }
        let Some(line) = next_line(turn.bytes) else { return Take::More };
        match turn.side {
            Side::Client => self.request(line, turn.at, turn.talk),
            Side::Server => self.respond(line, turn.at, turn.talk),
        }
    }

    fn request(&mut self, line: Line, at: At, talk: &mut Talk) -> Take {
        if self.in_request {
            self.in_request = !line.text.is_empty();
        } else if !line.text.is_empty() {
            let mut words = words(line.text);
            if words.next() != Some(b"CONNECT") {
                return Take::Over;
            }
            talk.aim(words.next().unwrap_or_default());
            talk.ask(at);
            self.in_request = true;
            self.response = Response::Due;
        }
        line.took
    }

    fn respond(&mut self, line: Line, at: At, talk: &mut Talk) -> Take {
        if self.response == Response::Due {
            // A line that is none is the end of a body that came late.
            let Some(status) = http_status(line.text) else { return line.took };
            let code = Some(u32::from(status));
            self.response = match status {
                100..=199 => {
                    talk.reply(at, code, line.text);
                    Response::Interim
                }
                200..=299 => {
                    talk.answer(at, code, line.text, Outcome::Accepted);
                    Response::Success
                }
                _ => {
                    talk.answer(at, code, line.text, Outcome::Refused(refusal(status)));
                    Response::Refused
                }
            };
        } else if line.text.is_empty() {
            if self.response == Response::Success {
                return Take::Open(line.len);
            }
            self.response = Response::Due;
        }
        line.took
    }
}

fn refusal(status: u16) -> Refusal {
    match status {
        401 | 407 => Refusal::Authentication,
        403 | 429 | 451 => Refusal::Policy,
        502..=504 | 520..=599 => Refusal::Upstream,
        _ => Refusal::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{C, CH, S, SH, hear};
    use super::super::{PlainProtocol, Refusal, State};

    const ASK: &[u8] = b"CONNECT server.test:443 HTTP/1.1\r\nHost: server.test:443\r\nUser-Agent: curl/7.88.1\r\n\r\n";
    const YES: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";
    const WHO: &[u8] = b"HTTP/1.1 407 Proxy Authentication Required\r\nServer: squid/5.7\r\nContent-Length: 24\r\nProxy-Authenticate: Basic realm=\"lab\"\r\n\
        Connection: keep-alive\r\n\r\n<html>\nHTTP/1.1 no\n\n</html>";

    #[test]
    fn a_tunnel_is_followed_by_tls() {
        // tinyproxy
        let yes: &[u8] = b"HTTP/1.0 200 Connection established\r\nProxy-agent: tinyproxy/1.11.1\r\n\r\n";
        let heard = hear(&[(C, ASK), (S, yes), (C, CH), (S, SH)]);
        assert_eq!(heard.starts(), (Some(ASK.len()), Some(yes.len())));
        assert_eq!((heard.talk().protocol.name(), heard.talk().state), ("http-connect", State::Accepted));
        assert_eq!((heard.story.target(), heard.story.client), (Some("server.test:443"), Some(C)));
        assert!(heard.done);
    }

    #[test]
    fn authentication_asked_for_and_given_is_two_attempts() {
        // squid, curl --proxy-anyauth; a body that looks like a response and has an empty line
        let again: &[u8] = b"CONNECT server.test:443 HTTP/1.1\r\nProxy-Authorization: Basic dTpw\r\n\r\n";
        let heard = hear(&[(C, ASK), (S, WHO), (C, again), (S, YES), (C, CH), (S, SH)]);
        assert_eq!(heard.starts(), (Some(ASK.len() + again.len()), Some(WHO.len() + YES.len())));
        let answers = [(Some(407), "HTTP/1.1 407 Proxy Authentication Required"), (Some(200), "HTTP/1.1 200 Connection established")];
        assert_eq!((heard.answers(), heard.talk().asked), (answers.to_vec(), 2));
        assert_eq!(heard.talk().state, State::Accepted);
    }

    #[test]
    fn many_attempts_keep_the_first_and_the_latest() {
        let mut said = Vec::new();
        for _ in 0..12 {
            said.extend([(C, ASK), (S, WHO)]);
        }
        said.extend([(C, ASK), (S, YES)]);
        let heard = super::super::tests::play(&said);
        assert_eq!((heard.talk().asked, heard.talk().attempts.len()), (13, 8));
        assert_eq!(heard.answers().last().unwrap().0, Some(200));
    }

    #[test]
    fn each_refusal_has_its_kind() {
        let kinds = [
            (407, Refusal::Authentication),
            (403, Refusal::Policy),
            (502, Refusal::Upstream),
            (503, Refusal::Upstream),
            (504, Refusal::Upstream),
            (400, Refusal::Other),
            (405, Refusal::Other),
            (500, Refusal::Other),
            (302, Refusal::Other),
        ];
        for (status, why) in kinds {
            let no = format!("HTTP/1.1 {status} No\r\nConnection: close\r\n\r\n");
            let heard = hear(&[(C, ASK), (S, no.as_bytes())]);
            assert_eq!(heard.talk().state, State::Refused { why, code: Some(status) });
            assert_eq!(heard.starts(), (None, None));
            assert_eq!(heard.story.plain(S), Some(PlainProtocol::HttpResponse(u16::try_from(status).unwrap())));
        }
    }

    #[test]
    fn no_answer_is_asked_and_interim_answers_are_none() {
        assert_eq!(hear(&[(C, ASK)]).talk().state, State::Asked);
        let heard = hear(&[(C, ASK), (S, b"HTTP/1.1 100 Continue\r\n\r\n")]);
        assert_eq!((heard.talk().state, heard.answers().len()), (State::Asked, 0));
        assert_eq!(heard.talk().last_reply.as_ref().unwrap().code, Some(100));
        let heard = hear(&[(C, ASK), (S, b"HTTP/1.1 100 Continue\r\n\r\n"), (S, YES), (S, SH)]);
        assert_eq!(heard.talk().state, State::Accepted);
        assert_eq!(heard.starts().1, Some(25 + YES.len()));
    }

    #[test]
    fn a_client_hello_that_does_not_wait_is_tls_all_the_same() {
        let both = [ASK, CH].concat();
        let heard = hear(&[(C, &both), (S, YES), (S, SH)]);
        assert_eq!(heard.starts(), (Some(ASK.len()), Some(YES.len())));
        let refused = hear(&[(C, &both), (S, WHO)]);
        assert_eq!(refused.starts(), (Some(ASK.len()), None));
        assert_eq!(refused.talk().state, State::Refused { why: Refusal::Authentication, code: Some(407) });
        assert!(refused.not_tls[S]);
    }

    #[test]
    fn other_requests_end_it() {
        let heard = hear(&[(C, ASK), (S, WHO), (C, b"GET http://server.test/ HTTP/1.1\r\n\r\n")]);
        assert_eq!(heard.talk().state, State::Refused { why: Refusal::Authentication, code: Some(407) });
        assert!(heard.not_tls[C] && heard.done);
        let post = hear(&[(C, b"POST http://server.test/ HTTP/1.1\r\n\r\n"), (S, b"HTTP/1.1 200 OK\r\n\r\n")]);
        assert!(post.story.talks.is_empty() && post.not_tls[C] && post.not_tls[S]);
    }
}
