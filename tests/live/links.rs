//! What else sessions travel in, and what a terminal shows meanwhile.

use nix::sys::signal::Signal;

use super::lab::{CLIENT, Lab};
use super::objects;

#[test]
fn sessions_in_ipv6_are_told() {
    let Some(lab) = Lab::build() else { return };
    for (host, number) in [("a", 1), ("b", 2)] {
        lab.ip(host, &format!("addr add fd77::{number}/64 dev v{host} nodad"));
    }
    lab.serve("reset");
    let mut live = lab.live(&["--format", "ndjson"]);
    let mut client = lab.stay_at("fd77::2");
    // Its process is looked up while it lives.
    std::thread::sleep(std::time::Duration::from_secs(1));
    client.go_on();
    live.prints("server-reset");
    assert_eq!(live.ends_by(Signal::SIGTERM), 0);
    let told = objects(&live.out());
    let session = told.iter().find(|object| object["type"] == "session").unwrap();
    assert_eq!((&session["server"]["ip"], &session["closed_by"]), (&"fd77::2".into(), &"server".into()), "{session}");
    assert_eq!(session["process"]["client"]["name"], "python3", "{session}");
}

#[test]
fn sessions_in_vlan_tags_pass_the_filter_and_are_told() {
    let Some(lab) = Lab::build() else { return };
    for tags in [&[][..], &["7"], &["100", "7"]] {
        let mut live = lab.live(&["--format", "ndjson"]);
        lab.send("server-reset-in-handshake.pcap", tags);
        live.prints("\"cause\":\"server-reset-in-handshake\"");
        assert_eq!(live.ends_by(Signal::SIGTERM), 0, "{tags:?}");
    }
}

#[test]
fn a_pattern_is_told_with_sessions_that_were_asked_for_and_not_with_others() {
    let Some(lab) = Lab::build() else { return };
    let told = |client: &str| {
        let mut live = lab.live(&["--client", client, "--format", "ndjson"]);
        lab.send("server-process-died.pcap", &[]);
        // What comes of connections that are over is waited for, and then nothing more.
        std::thread::sleep(std::time::Duration::from_secs(5));
        assert_eq!(live.ends_by(Signal::SIGTERM), 0);
        let told = objects(&live.out());
        let of = |kind| told.iter().filter(|object| object["type"] == kind).count();
        (of("session"), of("pattern"))
    };
    assert_eq!(told("10.20.0.2"), (4, 1));
    assert_eq!(told("10.20.0.99"), (0, 0));
}

/// A host that only passes packets on, and drops them, is not the server that did not answer.
#[test]
fn a_syn_that_was_for_another_host_is_not_this_one_s_to_answer() {
    let Some(lab) = Lab::build() else { return };
    lab.ip("b", "addr add 198.51.100.1/32 dev vb");
    // Here an answer finds no way.
    lab.ip("a", "route add blackhole 198.51.100.1/32");
    lab.ip("b", "route add 203.0.113.0/24 via 10.77.0.1");
    let mut live = lab.live(&["--format", "ndjson"]);
    for address in [CLIENT, "203.0.113.5"] {
        let connect = "import socket, sys\ntry: socket.create_connection((sys.argv[1], 443), 4, ('198.51.100.1', 0))\nexcept OSError: pass";
        assert!(lab.on("b", "python3").args(["-c", connect, address]).status().unwrap().success());
    }
    std::thread::sleep(std::time::Duration::from_secs(6));
    assert_eq!(live.ends_by(Signal::SIGTERM), 0);
    let told = objects(&live.out());
    let verdict = |address: &str| {
        let session = told.iter().find(|object| object["server"]["ip"] == address).unwrap();
        (session["cause"].as_str().unwrap().to_owned(), session["fault"].as_str().unwrap().to_owned())
    };
    assert_eq!(verdict(CLIENT), ("connection-timeout".to_owned(), "server".to_owned()));
    assert_eq!(verdict("203.0.113.5"), ("connection-timeout".to_owned(), "undetermined".to_owned()));
}

/// Runs it on a terminal of its own, for `--duration` seconds.
const TERMINAL: &str = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)";

#[test]
fn a_terminal_shows_how_it_stands_and_nothing_of_that_stays() {
    let Some(lab) = Lab::build() else { return };
    lab.serve("reset");
    let mut command = lab.on("a", "python3");
    command.args(["-c", TERMINAL, env!("CARGO_BIN_EXE_whohungup")]);
    let mut live = lab.start(command, &["--duration", "8s", "--color", "never"]);
    live.prints("va: 0 open · 0 clean · 0 flagged · ");
    lab.ask("polite", 1);
    live.prints("va: 0 open · 0 clean · 1 flagged · ");
    assert_eq!(live.ends(), 0);
    let out = live.out();
    // What a terminal shows in the end: a carriage return and the sequence behind it empty the line.
    let shown: Vec<&str> = out.lines().map(|line| line.rsplit("\r\x1b[K").next().unwrap_or(line)).collect();
    assert!(!shown.iter().any(|line| line.contains(" packets/s")), "{shown:#?}");
    let line = shown.iter().find(|line| line.contains("server-reset: ")).unwrap();
    assert!(line.starts_with("2"), "it begins with its time: {line}");
    assert!(shown.iter().any(|line| line.starts_with("1 TLS session: 1 ended badly.")), "{shown:#?}");
}

#[test]
fn a_process_is_named_in_the_midst_of_a_flood() {
    let Some(lab) = Lab::build() else { return };
    lab.serve("reset");
    let mut live = lab.live_on("b", &["--format", "ndjson"]);
    let second = std::time::Duration::from_secs(1);
    std::thread::scope(|scope| {
        let flood = scope.spawn(|| lab.flood(50_000));
        for _ in 0..3 {
            let mut client = lab.stay();
            std::thread::sleep(second);
            client.go_on();
            std::thread::sleep(second);
        }
        flood.join().unwrap();
    });
    std::thread::sleep(second);
    assert_eq!(live.ends_by(Signal::SIGTERM), 0);
    let told = objects(&live.out());
    let resets: Vec<_> = told.iter().filter(|object| object["cause"] == "server-reset").collect();
    assert_eq!(resets.len(), 3, "{told:?}");
    assert!(resets.iter().all(|session| session["process"]["server"]["name"] == "python3"), "{resets:?}");
    assert!(told.last().unwrap()["tcp_connections"].as_u64().unwrap() > 50_000);
}
