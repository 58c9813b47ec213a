//! Packets that the kernel had no room for: they are told, and our gap is blamed on nobody.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::lab::{Lab, Live};
use super::objects;

/// A client is sent far more than the buffer takes, while the program stands still; once it goes on, the server ends the session.
fn overrun(lab: &Lab, live: &Live) {
    std::thread::scope(|scope| {
        live.signal(Signal::SIGSTOP);
        let client = scope.spawn(|| lab.ask("polite", 1));
        std::thread::sleep(Duration::from_millis(1_500));
        live.signal(Signal::SIGCONT);
        client.join().unwrap();
    });
}

fn sessions(live: &Live) -> Vec<Value> {
    objects(&live.out()).into_iter().filter(|object| object["type"] == "session").collect()
}

#[test]
fn they_are_said_at_once_and_make_what_is_said_less_sure() {
    let Some(lab) = Lab::build() else { return };
    lab.serve("bulk-reset");
    let mut live = lab.live(&["--buffer", "1", "--format", "ndjson"]);
    overrun(&lab, &live);
    live.complains(" lost before they could be captured; gaps of ours are blamed on nobody\n");
    live.prints("\"type\":\"session\"");
    let capped = sessions(&live).remove(0);
    assert!(capped["caps"].as_array().unwrap().contains(&"kernel_drops".into()), "{capped}");
    assert_eq!((&capped["ending"], &capped["closed_by"]), (&"rst".into(), &"server".into()), "{capped}");
    assert_ne!(capped["confidence"]["fault"], "certain", "{capped}");
    assert_eq!(live.ends_by(Signal::SIGTERM), 0);
    let lost = objects(&live.out()).last().unwrap()["kernel_drops"].as_u64().unwrap();
    assert!(lost > 10, "{lost}");
}

#[test]
fn a_clean_session_with_a_gap_of_ours_is_nobody_s_fault() {
    let Some(lab) = Lab::build() else { return };
    lab.serve("bulk");
    let mut live = lab.live(&["--buffer", "1", "--format", "ndjson", "--all", "--stall", "2s"]);
    overrun(&lab, &live);
    live.complains(" lost before they could be captured");
    // One that comes after it is as sure as ever.
    lab.ask("polite", 1);
    assert_eq!(live.ends_by(Signal::SIGTERM), 0);
    let told = sessions(&live);
    assert_eq!(told.len(), 2, "{told:?}");
    for (session, capped) in told.iter().zip([true, false]) {
        assert_eq!((&session["fault"], &session["flagged"]), (&"none".into(), &false.into()), "{session}");
        assert_eq!(session["caps"].as_array().unwrap().contains(&"kernel_drops".into()), capped, "{session}");
    }
}

#[test]
fn a_session_whose_end_is_in_the_gap_is_nobody_s_fault() {
    let Some(lab) = Lab::build() else { return };
    lab.serve("bulk");
    let mut live = lab.live(&["--buffer", "1", "--format", "ndjson", "--all", "--stall", "2s"]);
    live.signal(Signal::SIGSTOP);
    lab.ask("polite", 1);
    live.signal(Signal::SIGCONT);
    live.complains(" lost before they could be captured");
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(live.ends_by(Signal::SIGTERM), 0);
    let told = sessions(&live);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((&told[0]["fault"], &told[0]["flagged"]), (&"none".into(), &false.into()), "{}", told[0]);
    assert!(["open", "unseen"].contains(&told[0]["ending"].as_str().unwrap()), "{}", told[0]);
}
