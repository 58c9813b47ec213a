//! Conversations in lines, as real software has them: openssl s_client, curl, Dovecot, vsftpd, aiosmtpd; NNTP after RFC 4642.

use super::super::tests::{C, CH, S, SH, Said, hear, play};
use super::super::{PlainProtocol, Refusal, State};

const NO: State = State::Refused { why: Refusal::NoTls, code: None };

fn no(code: u32) -> State {
    State::Refused { why: Refusal::NoTls, code: Some(code) }
}

/// Plays a talk that ends in TLS and checks that it begins right after it, both ways.
fn leads_to_tls(said: &[Said], name: &str, offered: Option<bool>, answer: (Option<u32>, &str)) {
    let heard = hear(&[said, &[(C, CH), (S, SH)]].concat());
    let said_by = |who| said.iter().filter(|(way, _)| *way == who).map(|(_, bytes)| bytes.len()).sum();
    assert_eq!(heard.starts(), (Some(said_by(C)), Some(said_by(S))), "{name}");
    let talk = heard.talk();
    assert_eq!((talk.protocol.name(), talk.state, talk.offered), (name, State::Accepted, offered));
    assert_eq!(heard.answers().last(), Some(&answer));
    assert_eq!((heard.story.client, heard.done), (Some(C), true));
    assert!(!talk.stripped);
}

#[test]
fn each_protocol_leads_to_tls() {
    leads_to_tls(
        &[
            (S, b"220 localhost Python SMTP 1.4.6\r\n"),
            (C, b"EHLO mail.example.com\r\n"),
            (S, b"250-localhost\r\n250-SIZE 33554432\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-STARTTLS\r\n250 HELP\r\n"),
            (C, b"STARTTLS\r\n"),
            (S, b"220 Ready to start TLS\r\n"),
        ],
        "smtp-starttls",
        Some(true),
        (Some(220), "220 Ready to start TLS"),
    );
    leads_to_tls(
        &[
            (S, b"* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ STARTTLS AUTH=PLAIN] Dovecot (Debian) ready.\r\n"),
            (C, b"A001 CAPABILITY\r\n"),
            (S, b"* CAPABILITY IMAP4rev1 SASL-IR LITERAL+ STARTTLS AUTH=PLAIN\r\nA001 OK Pre-login capabilities listed.\r\n"),
            (C, b"A002 STARTTLS\r\n"),
            (S, b"A002 OK Begin TLS negotiation now.\r\n"),
        ],
        "imap-starttls",
        Some(true),
        (None, "A002 OK Begin TLS negotiation now."),
    );
    leads_to_tls(
        &[
            (S, b"+OK Dovecot (Debian) ready.\r\n"),
            (C, b"CAPA\r\n"),
            (S, b"+OK\r\nCAPA\r\nTOP\r\nPIPELINING\r\nSTLS\r\nUSER\r\nSASL PLAIN\r\n.\r\n"),
            (C, b"STLS\r\n"),
            (S, b"+OK Begin TLS negotiation now.\r\n"),
        ],
        "pop3-stls",
        Some(true),
        (None, "+OK Begin TLS negotiation now."),
    );
    leads_to_tls(
        &[(S, b"220 (vsFTPd 3.0.3)\r\n"), (C, b"AUTH TLS\r\n"), (S, b"234 Proceed with negotiation.\r\n")],
        "ftp-auth-tls",
        None,
        (Some(234), "234 Proceed with negotiation."),
    );
    leads_to_tls(
        &[
            (S, b"220-Welcome.\r\n  220 of you are here\r\n220 ready\r\n"),
            (C, b"FEAT\r\n"),
            (S, b"211-Features:\r\n AUTH TLS\r\n EPSV\r\n211 End\r\n"),
            (C, b"AUTH TLS\r\n"),
            (S, b"234 Proceed.\r\n"),
        ],
        "ftp-auth-tls",
        Some(true),
        (Some(234), "234 Proceed."),
    );
    leads_to_tls(
        &[
            (S, b"200 news.example InterNetNews ready\r\n"),
            (C, b"CAPABILITIES\r\n"),
            (S, b"101 Capability list:\r\nVERSION 2\r\nREADER\r\nSTARTTLS\r\nLIST ACTIVE NEWSGROUPS\r\n.\r\n"),
            (C, b"STARTTLS\r\n"),
            (S, b"382 Continue with TLS negotiation\r\n"),
        ],
        "nntp-starttls",
        Some(true),
        (Some(382), "382 Continue with TLS negotiation"),
    );
    leads_to_tls(
        &[
            (S, b"\"IMPLEMENTATION\" \"Dovecot (Debian) Pigeonhole\"\r\n\"SASL\" \"PLAIN\"\r\n\"STARTTLS\"\r\nOK \"ready.\"\r\n"),
            (C, b"STARTTLS\r\n"),
            (S, b"OK \"Begin TLS negotiation now.\"\r\n"),
        ],
        "sieve-starttls",
        Some(true),
        (None, "OK \"Begin TLS negotiation now.\""),
    );
}

#[test]
fn each_protocol_can_refuse() {
    let cases: [(&[Said], State, Option<bool>); 6] = [
        (
            &[
                (S, b"220 localhost Python SMTP 1.4.6\r\n"),
                (C, b"EHLO a\r\n"),
                (S, b"250-localhost\r\n250 HELP\r\n"),
                (C, b"STARTTLS\r\n"),
                (S, b"454 TLS not available\r\n"),
            ],
            no(454),
            Some(false),
        ),
        (
            &[
                (S, b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready.\r\n"),
                (C, b". STARTTLS\r\n"),
                (S, b". BAD TLS support isn't enabled.\r\n"),
            ],
            NO,
            Some(false),
        ),
        (&[(S, b"+OK ready.\r\n"), (C, b"STLS\r\n"), (S, b"-ERR TLS support isn't enabled.\r\n")], NO, None),
        (&[(S, b"220 (vsFTPd 3.0.3)\r\n"), (C, b"AUTH TLS\r\n"), (S, b"530 Please login with USER and PASS.\r\n")], no(530), None),
        (&[(S, b"201 no posting\r\n"), (C, b"STARTTLS\r\n"), (S, b"580 Can not initiate TLS negotiation\r\n")], no(580), None),
        (
            &[
                (S, b"\"IMPLEMENTATION\" \"x\"\r\n\"VERSION\" \"1.0\"\r\nOK\r\n"),
                (C, b"STARTTLS\r\n"),
                (S, b"NO \"TLS support isn't enabled.\"\r\n"),
            ],
            NO,
            Some(false),
        ),
    ];
    for (said, state, offered) in cases {
        let heard = hear(said);
        assert_eq!((heard.talk().state, heard.talk().offered), (state, offered));
        assert!(!heard.not_tls[C] && !heard.not_tls[S], "the client may ask again or leave");
        // openssl s_client goes on regardless; the server does not understand.
        let regardless = hear(&[said, &[(C, CH), (S, b"500 what?\r\n")]].concat());
        assert!(regardless.tls[C].is_some() && regardless.not_tls[S]);
        assert_eq!(regardless.talk().state, state);
    }
}

#[test]
fn ftp_clients_may_ask_twice() {
    // curl: SSL, then TLS
    let no_login: &[u8] = b"530 Please login with USER and PASS.\r\n";
    let heard =
        hear(&[(S, b"220 (vsFTPd 3.0.3)\r\n"), (C, b"AUTH SSL\r\n"), (S, no_login), (C, b"AUTH TLS\r\n"), (S, b"234 go\r\n"), (C, CH)]);
    assert_eq!((heard.talk().asked, heard.talk().state), (2, State::Accepted));
    assert_eq!(heard.answers().iter().map(|(code, _)| code.unwrap()).collect::<Vec<_>>(), [530, 234]);
}

#[test]
fn a_session_that_never_asks_is_plain_once_it_is_clear() {
    let open: &[Said] = &[(S, b"220 mx ESMTP\r\n"), (C, b"EHLO me\r\n"), (S, b"250-mx\r\n250 STARTTLS\r\n")];
    let undecided = hear(open);
    assert_eq!((undecided.talk().state, undecided.talk().offered), (State::Spoken, Some(true)));
    assert!(!undecided.not_tls[C] && !undecided.done);
    let plain = hear(&[open, &[(C, b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n")]].concat());
    assert_eq!((plain.talk().state, plain.talk().asked), (State::Spoken, 0));
    assert!(plain.not_tls[C] && plain.done && plain.talk().in_clear && !undecided.talk().in_clear);

    let told = hear(
        &[open, &[(C, b"MAIL FROM:<a@b>\r\n"), (S, b"530 Must issue STARTTLS\r\n"), (C, b"STARTTLS\r\n"), (S, b"220 go\r\n"), (C, CH)]]
            .concat(),
    );
    assert_eq!((told.talk().state, told.talk().asked), (State::Accepted, 1), "it was sent back for TLS");

    let imap: &[Said] = &[(S, b"* OK ready\r\n"), (C, b"a LOGIN bob hunter2\r\n"), (S, b"a OK done\r\n"), (C, b"b SELECT INBOX\r\n")];
    let plain = hear(imap);
    assert!(plain.not_tls[C]);
    assert_eq!(plain.story.first_line(C).as_deref(), Some("a LOGIN …"));

    let chatter: Vec<Said> = std::iter::once((S, &b"220 mx ESMTP\r\n"[..])).chain((0..70).map(|_| (C, &b"NOOP\r\n"[..]))).collect();
    assert!(!play(&chatter[..60]).not_tls[C] && play(&chatter).not_tls[C]);
}

#[test]
fn commands_that_do_not_wait_are_matched_with_their_replies() {
    let heard = hear(&[
        (S, b"220 mx ESMTP\r\n"),
        (C, b"EHLO a\r\nNOOP\r\nSTARTTLS\r\n"),
        (S, b"250-mx\r\n250 STARTTLS\r\n"),
        (S, b"250 fine\r\n"),
        (S, b"220 go\r\n"),
        (C, CH),
    ]);
    assert_eq!(heard.answers(), [(Some(220), "220 go")]);
    let early = hear(&[(S, b"220 mx ESMTP\r\n"), (C, b"EHLO a\r\nSTARTTLS\r\n"), (S, b"250 mx\r\n")]);
    assert_eq!(early.talk().state, State::Asked);
    let leaving = hear(&[(S, b"220 mx ESMTP\r\n"), (C, b"EHLO a\r\nSTARTTLS\r\n"), (S, b"421 shutting down\r\n")]);
    assert_eq!(leaving.talk().state, no(421));
}

#[test]
fn a_client_that_was_told_to_go_ahead_and_does_not() {
    let heard = hear(&[(S, b"220 mx ESMTP\r\n"), (C, b"STARTTLS\r\n"), (S, b"220 go\r\n"), (C, b"EHLO a\r\n")]);
    assert_eq!(heard.talk().state, State::Accepted);
    assert!(heard.not_tls[C] && heard.starts() == (None, None));
}

#[test]
fn a_firewall_that_strips_starttls_leaves_marks() {
    let marked: [&[Said]; 2] = [
        &[(S, b"220 mx ESMTP\r\n"), (C, b"EHLO a\r\n"), (S, b"250-mx\r\n250-SIZE 1000\r\n250-XXXXXXXA\r\n250 HELP\r\n")],
        &[(S, b"220 ****2****0******2*\r\n"), (C, b"EHLO a\r\n"), (S, b"502 unknown\r\n")],
    ];
    for said in marked {
        let heard = hear(said);
        assert!(heard.talk().stripped && heard.talk().offered != Some(true));
    }
    let own: [&[Said]; 2] = [
        &[(S, b"220 mx ESMTP\r\n"), (C, b"EHLO a\r\n"), (S, b"250-mx\r\n250-XCLIENT NAME\r\n250-X-EXPS\r\n250 XXX\r\n")],
        &[(S, b"220 *** hello ***\r\n"), (C, b"EHLO a\r\n"), (S, b"250 mx\r\n")],
    ];
    for said in own {
        assert!(!hear(said).talk().stripped);
    }
}

#[test]
fn greetings_that_send_the_client_away() {
    let heard = hear(&[(S, b"554 5.7.1 no service for you\r\n")]);
    assert_eq!(heard.talk().last_reply.as_ref().unwrap().code, Some(554));
    assert_eq!(heard.talk().state, State::Spoken);
    assert_eq!(heard.story.plain(S), Some(PlainProtocol::Greeting));
    let bye = hear(&[(S, b"* OK ready\r\n"), (C, b"a STARTTLS\r\n"), (S, b"* BYE too many\r\n")]);
    assert_eq!(bye.talk().state, NO);
}

#[test]
fn a_plain_client_at_a_port_for_tls() {
    // The server takes the EHLO for a broken record.
    let heard = hear(&[(C, b"EHLO me\r\n"), (S, b"\x15\x03\x03\x00\x02\x02\x0a")]);
    assert_eq!(heard.starts(), (None, Some(0)));
    assert_eq!((heard.talk().state, heard.story.client), (State::Spoken, Some(C)));
    assert_eq!(heard.story.plain(C), Some(PlainProtocol::Smtp));
}

#[test]
fn a_server_that_speaks_first_to_a_tls_client() {
    let heard = hear(&[(S, b"220 mail.test ESMTP Postfix\r\n"), (C, CH), (S, b"502 5.5.2 Error: command not recognized\r\n")]);
    assert_eq!(heard.starts(), (Some(0), None));
    assert_eq!((heard.talk().state, heard.not_tls[S]), (State::Spoken, true));
    assert_eq!(heard.story.plain(S), Some(PlainProtocol::Smtp));
    assert_eq!(heard.story.first_line(S).as_deref(), Some("220 mail.test ESMTP Postfix"));
}
