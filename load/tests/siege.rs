#![cfg(test)]
//! Short sieges of a real server. These tests check that nothing is lost, not what is measured. They
//! leave no processor time to tests beside them, so they have a program of their own.

#[allow(dead_code, reason = "each suite uses a part")]
mod support;

use std::sync::Mutex;

use serde_json::Value;
use support::relay::{Fate, relayed};
use support::{finish, load, report};

/// A siege by every kind of attacker, too short to measure anything.
const SIEGE: [&str; 15] = [
    "siege",
    "--seconds",
    "2",
    "--live",
    "2",
    "--absent",
    "2",
    "--rate",
    "10",
    "--size",
    "100",
    "--greedy-users",
    "9",
    "--addresses",
    "14",
];

#[test]
fn ordinary_users_lose_nothing_in_a_siege() {
    let run = report(&SIEGE);
    assert_eq!((&run["lost"], &run["town"]["lost_sessions"]), (&0.into(), &0.into()), "{run}");
    let messages = &run["town"]["messages"];
    assert!(messages["sent"].as_u64().unwrap() >= 2 * 4 * 20, "{run}");
    assert_eq!(
        (&messages["arrived"], &messages["receipted"]),
        (&messages["sent"], &messages["sent"])
    );
    assert_eq!((&messages["out_of_order"], &messages["foreign"]), (&0.into(), &0.into()), "{run}");
    let footprint = &run["footprint"];
    let bounds = &footprint["bounds"];
    for (taken, bound) in [
        (&footprint["peak_bytes"], &bounds["memory_bytes"]),
        (&footprint["disk"]["peak_bytes"], &bounds["store_bytes"]),
    ] {
        assert!(taken.as_u64().unwrap() <= bound.as_u64().unwrap(), "{run}");
    }
    let attackers = run["attackers"].as_object().unwrap();
    assert_eq!(attackers.len(), 9 + 7, "{run}");
    for (kind, deeds) in attackers {
        assert!(deeds["connections"].as_u64().unwrap() > 0, "{kind}: {run}");
    }
}

#[test]
fn message_that_is_missing_after_a_siege_is_counted_as_lost() {
    // The relay swallows every copy of one message.
    let doomed = Mutex::new(None);
    let swallow = move |op, packet: &mut Vec<u8>| {
        let mut doomed = doomed.lock().unwrap();
        let is_large = op == 102 && packet.len() > 1_000;
        let is_doomed = is_large && *doomed.get_or_insert_with(|| packet.clone()) == *packet;
        if is_doomed { Fate::Swallowed } else { Fate::Forwarded }
    };
    let (_server, address) = relayed(swallow);
    let small = ["--live", "1", "--absent", "1", "--seconds", "1", "--patience", "2"];
    let alone = ["--size", "1000", "--greedy-users", "0", "--addresses", "0", "--json", "--check"];
    let ended = finish(load().arg("siege").args(small).args(alone).args(["--connect", &address]));
    let run: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(run["lost"], 1, "{run}");
    assert!(ended.failed(1).contains("1 messages lost"));
}
