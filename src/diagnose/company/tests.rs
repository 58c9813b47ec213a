//! What sessions tell of each other, and what they must not.

use super::*;
use crate::base::{At, Side};
use crate::diagnose::{Context, Fault, PatternKind, judge};
use crate::report::sample;
use crate::session::{Act, ActKind, Closing, Ending, Fin, Opening, Phase, Rst, RstKind, Unanswered};

fn judged(session: &Session, beside: &Beside) -> Box<Verdict> {
    judge(session, &Context { tls_port: true, tls_only_port: true, server_here: None, beside: beside.clone() })
}

fn nobody(_: Endpoint, _: Time) -> bool {
    false
}

/// A finished exchange that the client closed politely: begun after so many milliseconds.
fn used(stream: u32, millis: i64) -> Session {
    let (mut session, _) = sample::clean(stream);
    session.first = at(stream, 0, millis);
    session.opening = opening(stream, millis);
    session.last = at(stream, 9, millis + 900);
    session.sides.server.ttl = Some(62);
    session.sides.server.last_data = Some(at(stream, 8, millis + 800));
    session.closing = closed(Side::Client, at(stream, 9, millis + 900), ActKind::Fin);
    session
}

/// A connection on which the client asked nothing, closed after half a second.
fn spare(stream: u32, millis: i64) -> Session {
    let mut session = used(stream, millis);
    session.sides.client.app_records = 0;
    session.ending = Ending::Fin;
    session.closing = closed(Side::Client, at(stream, 9, millis + 500), ActKind::Fin);
    session
}

/// A session whose server closed it bare while a request was unanswered.
fn broken(stream: u32, millis: i64) -> Session {
    let mut session = used(stream, millis);
    let end = at(stream, 9, millis + 1_000);
    session.ending = Ending::Fin;
    session.closing = closed(Side::Server, end, ActKind::Fin);
    session.last = end;
    session.sides.client.at_close.last = Some(at(stream, 8, millis + 990));
    session.sides.client.at_close.longest = 200;
    session.sides.client.last_data = session.sides.client.at_close.last;
    session.sides.server.last_data = Some(at(stream, 7, millis + 700));
    let fin = Fin { at: end, offset: 0, knew: 0, acknowledged_after: 0, acked: true, peer_sent: 0, peer_app_records: 0 };
    session.sides.server.fin = Some(fin);
    session
}

/// A SYN that was refused over as many hops as the server's packets come.
fn refused(stream: u32, millis: i64) -> Session {
    let mut session = used(stream, millis);
    session.phase = Phase::Connecting;
    session.ending = Ending::NoConnection;
    session.tls = Default::default();
    session.sides.server = Default::default();
    session.sides.client.app_records = 0;
    session.opening = Opening { syn_ack: None, established: None, ..opening(stream, millis) };
    session.closing = closed(Side::Server, at(stream, 1, millis + 12), ActKind::Rst(Box::new(refusal(at(stream, 1, millis + 12)))));
    session
}

fn refusal(at: At) -> Rst {
    Rst {
        at,
        kind: RstKind::Refusal,
        seq: 0,
        ack: Some(1),
        window: 0,
        ttl: 62,
        ip_id: Some(0),
        timestamps: false,
        payload: 0,
        usual_ttl: None,
        usual_timestamps: false,
        other_mac: false,
        trigger: None,
        outlived_by: None,
        survived_by: None,
        peer_app_records: 0,
        after_own_close: false,
        peer_unacked: 0,
        stepping: false,
        seq_offset: 0,
        after_peer: None,
        after_question: None,
        from_here: false,
        came_in: false,
    }
}

fn at(stream: u32, frame: u32, millis: i64) -> At {
    sample::at(stream * 10 + frame, millis)
}

fn opening(stream: u32, millis: i64) -> Opening {
    let up = Some(at(stream, 2, millis + 13));
    let syn = Some(at(stream, 0, millis));
    Opening { syn, syns: 1, last_syn: syn, syn_ack: Some(at(stream, 1, millis + 12)), established: up, server_rtt: None, client_rtt: None }
}

fn closed(side: Side, at: At, what: ActKind) -> Closing {
    Closing { root: Some(Act { at, side: Some(side), what, offset: None, knew: None }), ..Closing::default() }
}

/// The final cause and fault of each, in the order met.
fn told(sessions: Vec<Session>) -> Vec<(&'static str, Fault)> {
    told_while(sessions, &nobody)
}

fn told_while(sessions: Vec<Session>, alive: &dyn Fn(Endpoint, Time) -> bool) -> Vec<(&'static str, Fault)> {
    let mut company = Company::new(64);
    let mut verdicts: Vec<Box<Verdict>> =
        sessions.into_iter().map(|session| company.meet(&Arc::new(session), None, &judged, alive).verdict).collect();
    for news in company.take_news() {
        if let News::Revision(revision) = news {
            let place = &mut verdicts[revision.id as usize - 1];
            assert_eq!((place.cause, place.fault), (revision.was.cause, revision.was.fault), "what it was is what was told");
            *place = revision.verdict;
        }
    }
    verdicts.iter().map(|verdict| (verdict.cause, verdict.fault)).collect()
}

fn causes(sessions: Vec<Session>) -> Vec<&'static str> {
    told(sessions).into_iter().map(|(cause, _)| cause).collect()
}

#[test]
fn a_spare_connection_is_told_by_its_sibling_whichever_ends_first() {
    assert_eq!(causes(vec![spare(1, 0), used(2, 50)]), ["parallel-attempt", "clean-close"]);
    assert_eq!(causes(vec![used(2, 50), spare(1, 0)]), ["clean-close", "parallel-attempt"]);
}

#[test]
fn who_was_over_before_the_next_began_did_not_win_against_it() {
    let ended = |millis: i64| {
        let mut first = used(1, 0);
        first.closing = closed(Side::Client, at(1, 9, millis), ActKind::Fin);
        first.last = at(1, 9, millis);
        first
    };
    assert_eq!(causes(vec![ended(100), spare(2, 150)])[1], "probe", "one after the other");
    assert_eq!(causes(vec![ended(200), spare(2, 150)])[1], "parallel-attempt", "side by side");
}

#[test]
fn no_sibling_no_race() {
    let elsewhere = |change: fn(&mut Session)| {
        let mut other = used(2, 50);
        change(&mut other);
        causes(vec![spare(1, 0), other])[0]
    };
    assert_eq!(elsewhere(|_| {}), "parallel-attempt");
    assert_eq!(elsewhere(|other| other.ends.client.ip = "10.0.0.99".parse().unwrap()), "probe");
    assert_eq!(elsewhere(|other| other.tls.client_hello = None), "probe", "another name");
    assert_eq!(elsewhere(|other| other.sides.server.app_records = 0), "probe", "it was not served either");
    assert_eq!(causes(vec![spare(1, 0), used(2, 400)])[0], "probe", "too late for the same attempt");
    assert_eq!(causes(vec![spare(1, 0), spare(2, 50)]), ["probe", "probe"]);
    // Dropped before the other one was up: that cannot be why.
    let mut early = spare(1, 0);
    early.closing = closed(Side::Client, at(1, 9, 30), ActKind::Fin);
    assert_eq!(causes(vec![early, used(2, 50)])[0], "probe");
}

#[test]
fn the_other_ip_version_is_known_by_the_hardware_address() {
    let host = |mut session: Session, mac: u8, ip: &str| {
        session.sides.client.mac = Some([2, 0, 0, 0, 0, mac]);
        session.ends.client.ip = ip.parse().unwrap();
        session
    };
    let unanswered = || {
        let mut six = refused(1, 0);
        six.closing = closed(Side::Client, at(1, 0, 0), ActKind::Unanswered { retransmissions: 0 });
        six.ends.server.ip = "2001:db8::7".parse().unwrap();
        host(six, 1, "2001:db8::12")
    };
    let four = || host(used(2, 250), 1, "10.0.0.12");
    assert_eq!(causes(vec![four(), unanswered()])[1], "parallel-attempt");
    assert_eq!(causes(vec![unanswered(), four()])[0], "parallel-attempt");
    assert_eq!(causes(vec![host(used(2, 250), 9, "10.0.0.12"), unanswered()])[1], "connection-timeout", "another host");
    assert_eq!(causes(vec![host(used(2, 20), 1, "10.0.0.12"), unanswered()])[1], "connection-timeout", "not for want of an answer");
    // Behind a router every host has its address.
    let neighbour = host(used(3, 5_000), 1, "10.0.0.13");
    assert_eq!(causes(vec![neighbour, four(), unanswered()])[2], "connection-timeout");
    let mut insisting = unanswered();
    insisting.opening.syns = 2;
    assert_eq!(causes(vec![four(), insisting])[1], "connection-timeout");
}

#[test]
fn a_refusal_right_after_tells_of_the_server_s_end() {
    let both = [("server-process-died", Fault::Server), ("connection-refused", Fault::Server)];
    assert_eq!(told(vec![broken(1, 0), refused(2, 1_300)]), both);
    assert_eq!(told(vec![refused(2, 1_300), broken(1, 0)]), [both[1], both[0]]);
}

#[test]
fn a_server_that_still_answers_has_not_died() {
    let alone = "server-closed-without-close-notify";
    assert_eq!(causes(vec![broken(1, 0)]), [alone]);
    assert_eq!(causes(vec![broken(1, 0), refused(2, 500)])[0], alone, "refused before");
    assert_eq!(causes(vec![broken(1, 0), refused(2, 11_500)])[0], alone, "refused long after");
    assert_eq!(causes(vec![used(3, 1_200), broken(1, 0), refused(2, 2_500)])[1], alone, "served in between");
    assert_eq!(told_while(vec![broken(1, 0), refused(2, 1_300)], &|_, _| true)[0].0, alone, "another one goes on");
    let mut nearer = refused(2, 1_300);
    let mut rst = refusal(at(2, 1, 1_312));
    rst.ttl = 64;
    nearer.closing = closed(Side::Server, rst.at, ActKind::Rst(Box::new(rst)));
    assert_eq!(
        told(vec![broken(1, 0), nearer]),
        [(alone, Fault::Server), ("connection-refused", Fault::Undetermined)],
        "a nearer box refused"
    );
    let mut elsewhere = refused(2, 1_300);
    elsewhere.ends.server.port = 8443;
    assert_eq!(causes(vec![broken(1, 0), elsewhere])[0], alone);
}

#[test]
fn sessions_of_several_clients_broken_off_in_one_moment_tell_of_it_too() {
    let of = |stream: u32, millis: i64, client: &str| {
        let mut session = broken(stream, millis);
        session.ends.client.ip = client.parse().unwrap();
        session
    };
    let died = causes(vec![of(1, 0, "10.0.0.1"), of(2, 20, "10.0.0.2"), of(3, 40, "10.0.0.2")]);
    assert_eq!(died, ["server-process-died"; 3]);
    let one_client = causes(vec![of(1, 0, "10.0.0.1"), of(2, 20, "10.0.0.1"), of(3, 40, "10.0.0.1")]);
    assert_eq!(one_client, ["server-closed-without-close-notify"; 3]);
    let apart = causes(vec![of(1, 0, "10.0.0.1"), of(2, 2_000, "10.0.0.2"), of(3, 4_000, "10.0.0.2")]);
    assert_eq!(apart, ["server-closed-without-close-notify"; 3]);
}

/// A session whose request after a silence was answered by a RST from where no socket was.
fn forgotten(stream: u32, millis: i64, silence: i64) -> Session {
    let mut session = used(stream, millis);
    let (quiet, asked) = (millis + 800, millis + 800 + silence);
    let trigger = at(stream, 8, asked);
    let rst = Rst { kind: RstKind::Reply, ack: None, trigger: Some(trigger), ..refusal(at(stream, 9, asked + 12)) };
    session.ending = Ending::Rst;
    session.last = rst.at;
    session.closing = closed(Side::Server, rst.at, ActKind::Rst(Box::new(rst)));
    session.sides.server.last_data = Some(at(stream, 7, quiet));
    let client = &mut session.sides.client;
    (client.first_data, client.last_data) = (Some(at(stream, 3, millis + 20)), Some(trigger));
    client.pause = Some((at(stream, 6, quiet - 10), trigger));
    session
}

/// The same, with no answer at all.
fn unanswered(stream: u32, millis: i64, silence: i64) -> Session {
    let mut session = forgotten(stream, millis, silence);
    let since = session.sides.client.last_data.unwrap();
    let until = at(stream, 9, millis + 800 + silence + 9_000);
    session.ending = Ending::Stall;
    session.closing = closed(Side::Client, since, ActKind::Unanswered { retransmissions: 6 });
    session.last = until;
    session.sides.client.unacked = 80;
    session.sides.client.unanswered = Some(Unanswered {
        since,
        until,
        retransmissions: 6,
        peer_heard: None,
        only_full_size: false,
        passed_smaller: false,
        smallest: 80,
        largest: 80,
    });
    session
}

/// The kinds of the patterns in the end, and how many sessions each has.
fn patterns(sessions: Vec<Session>) -> Vec<(PatternKind, u32)> {
    let mut company = Company::new(64);
    for session in sessions {
        company.meet(&Arc::new(session), None, &judged, &nobody);
    }
    company.part();
    let mut last = std::collections::BTreeMap::new();
    for news in company.take_news() {
        if let News::Pattern(pattern) = news {
            assert!(!pattern.evidence.is_empty() && !pattern.sessions.is_empty(), "a pattern names what shows it");
            last.insert(pattern.number, (pattern.kind, pattern.count));
        }
    }
    last.into_values().collect()
}

#[test]
fn the_same_silence_three_times_is_a_second_sign() {
    let proxy = ("middlebox-idle-timeout", Fault::Proxy);
    let three = |gaps: [i64; 3]| (0..3).map(|n| forgotten(n as u32 + 1, n * 100_000, gaps[n as usize])).collect::<Vec<_>>();
    assert_eq!(told(three([60_000, 60_200, 59_900])), [proxy; 3]);
    assert_eq!(patterns(three([60_000, 60_200, 59_900])), [(PatternKind::LostAfterSilence, 3)]);
    let unsure = ("middlebox-idle-timeout", Fault::Undetermined);
    assert_eq!(told(three([60_000, 62_000, 58_000])), [unsure; 3], "three silences of different length");
    assert_eq!(patterns(three([60_000, 62_000, 58_000])), []);
    assert_eq!(told(three([60_000, 60_000, 60_000])[..2].to_vec()), [unsure; 2], "twice is not enough");
    let at_once = (0..3).map(|n| forgotten(n as u32 + 1, n * 50, 60_000)).collect();
    assert_eq!(told(at_once), [unsure; 3], "one restart ends them all at once");
    let mut other = three([60_000; 3]);
    other[2].ends.client.ip = "10.0.0.99".parse().unwrap();
    assert_eq!(told(other), [unsure; 3], "another client's way is another way");
}

#[test]
fn silences_that_end_in_nothing_at_all_count_only_together() {
    let three = |gaps: [i64; 3]| (0..3).map(|n| unanswered(n as u32 + 1, n * 100_000, gaps[n as usize])).collect::<Vec<_>>();
    assert_eq!(told(three([60_000; 3])), [("middlebox-idle-timeout", Fault::Proxy); 3]);
    assert_eq!(told(three([60_000, 50_000, 70_000])), [("path-black-hole", Fault::Undetermined); 3]);
}

#[test]
fn a_server_s_timer_repeats_and_an_answer_is_no_silence() {
    let shut = |n: i64, silence: i64, answer: i64| {
        let mut session = used(n as u32 + 1, n * 10_000);
        let end = at(n as u32 + 1, 9, n * 10_000 + 800 + silence);
        session.closing = closed(Side::Server, end, ActKind::Fin);
        session.ending = Ending::CloseNotify;
        session.sides.client.last_data = Some(at(n as u32 + 1, 6, n * 10_000 + 700));
        session.sides.server.last_app = Some(at(n as u32 + 1, 8, n * 10_000 + 800 + answer));
        session
    };
    let three = |silences: [i64; 3], answer: i64| (0..3).map(|n| shut(n, silences[n as usize], answer)).collect::<Vec<_>>();
    assert_eq!(told(three([5_000; 3], 0)), [("server-idle-timeout", Fault::None); 3]);
    assert_eq!(patterns(three([5_000; 3], 0)), [(PatternKind::ClosedAfterSilence, 3)]);
    assert_eq!(patterns(three([5_000, 5_500, 6_000], 0)), []);
    assert_eq!(told(three([5_000; 3], 5_000)), [("clean-close", Fault::None); 3], "it thought for 5 s, answered and closed");
    assert_eq!(patterns(three([5_000; 3], 5_000)), []);
}

#[test]
fn a_pattern_grows_under_its_number() {
    let many: Vec<Session> = (0..40).map(|n| forgotten(n + 1, i64::from(n) * 100_000, 60_000)).collect();
    assert_eq!(patterns(many), [(PatternKind::LostAfterSilence, 40)]);
}

/// A hello that nothing of TLS answered: a RST from where no socket was.
fn lost_hello(stream: u32, millis: i64, segments: u32) -> Session {
    let mut session = used(stream, millis);
    session.phase = Phase::ClientHello;
    session.ending = Ending::Rst;
    session.tls.client_hello_segments = segments;
    session.sides.client.app_records = 0;
    session.sides.server.app_records = 0;
    let end = at(stream, 9, millis + 40);
    let rst = Rst { kind: RstKind::Reply, ack: None, trigger: Some(at(stream, 5, millis + 30)), ..refusal(end) };
    session.closing = closed(Side::Server, end, ActKind::Rst(Box::new(rst)));
    session
}

#[test]
fn a_large_hello_is_judged_by_how_small_ones_fare() {
    let reset = ("injected-reset", Fault::Undetermined);
    let large = ("large-client-hello-dropped", Fault::Proxy);
    let (lost, small) = (|n: u32| lost_hello(n, i64::from(n) * 1_000, 2), |n: u32| used(n, i64::from(n) * 1_000));
    assert_eq!(told(vec![lost(1), lost(2)]), [reset; 2], "alone they say nothing");
    assert_eq!(told(vec![lost(1), lost(2), small(3), small(4)])[..2], [large; 2]);
    assert_eq!(told(vec![small(1), small(2), lost(3), lost(4)])[2..], [large; 2]);
    assert_eq!(told(vec![lost(1), small(3), small(4)])[0], reset, "once may be chance");
    let mut passed = small(5);
    passed.tls.client_hello_segments = 2;
    assert_eq!(told(vec![lost(1), lost(2), small(3), small(4), passed])[..2], [reset; 2], "taken back once a large one passes");
    let flaky = lost_hello(5, 5_000, 1);
    assert_eq!(told(vec![lost(1), lost(2), small(3), small(4), flaky])[..2], [reset; 2], "small ones are reset, too");
    let other = |n: u32| {
        let mut session = small(n);
        session.ends.client.ip = "10.0.0.99".parse().unwrap();
        session
    };
    assert_eq!(told(vec![lost(1), lost(2), other(3), other(4)])[0], reset, "one client fails, another passes: that may be the clients");
}

#[test]
fn what_only_failures_have_is_said_and_nothing_else() {
    let failures = |change: fn(&mut Session)| {
        let mut all: Vec<Session> = (1..=3).map(|n| lost_hello(n, i64::from(n) * 1_000, 1)).collect();
        all.iter_mut().for_each(change);
        all.extend([used(7, 7_000), used(8, 8_000)]);
        patterns(all)
    };
    assert_eq!(failures(|failed| failed.tls.client_hello_segments = 2), [(PatternKind::LargeHellos, 3)]);
    assert_eq!(failures(|failed| failed.sides.server.ttl = Some(55)), [(PatternKind::OneDistance, 3)]);
    assert_eq!(failures(|failed| failed.ends.server.ip = "203.0.113.8".parse().unwrap()), [(PatternKind::OneAddress, 3)]);
    assert_eq!(failures(|_| {}), [], "they differ in nothing");
    let one_client = |failed: &mut Session| {
        failed.tls.client_hello_segments = 2;
        failed.ends.client.ip = "10.0.0.99".parse().unwrap();
    };
    assert_eq!(failures(one_client), [], "all of one client that never passed: the client may be what differs");
}

#[test]
fn sessions_with_several_servers_that_break_at_once_share_something_else() {
    let of = |stream: u32, millis: i64| {
        let mut session = broken(stream, millis);
        session.ends.server.ip = format!("203.0.113.{stream}").parse().unwrap();
        session
    };
    assert_eq!(patterns((1..=4).map(|n| of(n, i64::from(n) * 20)).collect()), [(PatternKind::EndedTogether, 4)]);
    assert_eq!(patterns((1..=4).map(|n| of(n, i64::from(n) * 2_000)).collect()), [], "not at once");
    let open = |stream: u32| {
        let mut session = of(stream, 0);
        session.ending = Ending::Open;
        session
    };
    assert_eq!(patterns((1..=4).map(open).collect()), [], "the capture ended, not they");
    let usual: Vec<Session> = (1..=30).map(|n| of(n, i64::from(n) * 300)).collect();
    assert_eq!(patterns(usual), [], "where something breaks all the time, no moment stands out");
}

#[test]
fn no_more_wait_than_may_and_each_is_settled_once() {
    let mut company = Company::new(2);
    let mut settled = Vec::new();
    for stream in 1..=5 {
        let told = company.meet(&Arc::new(spare(stream, i64::from(stream) * 5_000)), None, &judged, &nobody);
        assert!(told.open);
        settled.extend(company.take_news());
        assert!(company.waiting.len() <= 2);
    }
    assert!(!company.meet(&Arc::new(used(9, 90_000)), None, &judged, &nobody).open);
    company.part();
    settled.extend(company.take_news());
    let ids: Vec<u64> = settled.iter().map(|news| if let News::Settled(id) = news { *id } else { 0 }).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5]);
}

#[test]
fn memory_of_servers_does_not_grow_with_their_sessions() {
    let mut servers = Servers::new();
    for stream in 0..200 {
        servers.learn(&broken(stream, i64::from(stream) * 100));
        servers.learn(&refused(stream, i64::from(stream) * 100));
    }
    let end = broken(199, 19_900);
    assert!(servers.fall(&end, &nobody).is_none_or(|fall| fall.together <= 16));
}

#[test]
fn refusals_have_each_other_judged_again_only_once_their_server_serves() {
    let times = std::cell::Cell::new(0);
    let counted = |session: &Session, beside: &Beside| {
        times.set(times.get() + 1);
        judged(session, beside)
    };
    let mut company = Company::new(100);
    for stream in 0..50 {
        assert!(company.meet(&Arc::new(refused(stream, i64::from(stream) * 10)), None, &counted, &nobody).open);
    }
    assert_eq!(times.get(), 50);
    company.meet(&Arc::new(used(60, 5_000)), None, &counted, &nobody);
    assert_eq!(times.get(), 101, "each refusal once more");
    company.part();
    assert!(company.awaited.is_empty());
}

#[test]
fn nothing_is_awaited_for_those_that_wait_no_more() {
    let mut company = Company::new(2);
    for stream in 1..=50 {
        company.meet(&Arc::new(spare(stream, i64::from(stream) * 5_000)), None, &judged, &nobody);
        company.meet(&Arc::new(broken(100 + stream, i64::from(stream) * 5_000)), None, &judged, &nobody);
        let topics: usize = company.waiting.iter().map(|one| one.topics.len()).sum();
        assert_eq!(company.awaited.values().sum::<u32>() as usize, topics);
    }
}
