//! A group of three clients.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::{ALICE, BOB, Daemon, ProgramBed, Running, objects, until};

pub(crate) const CAROL: &str = "+4915100000003";
pub(crate) const DAVE: &str = "+4915100000004";
pub(crate) const PEOPLE: [(&str, &str); 3] = [("alice", ALICE), ("bob", BOB), ("carol", CAROL)];
pub(crate) const NAME: &str = "Climbers";

/// Alice's group with Bob and Carol, who have joined, and Dave, who is not in it. All have daemons.
pub(crate) struct GroupBed {
    pub(crate) bed: ProgramBed,
    place: String,
    pub(crate) server: Option<Daemon>,
    pub(crate) daemons: Vec<Running>,
}

impl GroupBed {
    pub(crate) fn new() -> Self {
        let (bed, place) = (ProgramBed::new(), ProgramBed::reusable_address());
        let server = bed.serve_at(&place, &[]);
        for (home, phone) in PEOPLE.into_iter().chain([("dave", DAVE)]) {
            bed.register(&server, home, phone);
        }
        let daemons = PEOPLE.iter().map(|(home, _)| daemon(&bed, home)).collect();
        let this = Self { bed, place, server: Some(server), daemons };
        this.group("alice", &["create", NAME, BOB, CAROL]);
        for home in ["bob", "carol"] {
            until("the invitation comes", || this.standing(home) == "invited");
            this.group(home, &["join", NAME]);
        }
        this.agree(|group| members(group).len() == 3 && all_joined(group));
        this
    }

    pub(crate) fn stop_server(&mut self) {
        assert_eq!(self.server.take().unwrap().stop().status.code(), Some(0));
    }

    pub(crate) fn start_server(&mut self) {
        self.server = Some(self.bed.serve_at(&self.place, &[]));
    }

    /// Stops the daemon of somebody.
    pub(crate) fn stop(&mut self, which: usize) {
        assert_eq!(self.daemons.remove(which).stop().status.code(), Some(0));
    }

    /// The operator deletes the account of somebody, whose daemon is stopped.
    pub(crate) fn lose(&mut self, which: usize) {
        self.stop(which);
        self.stop_server();
        self.bed.sealpostd(&["users", "delete", PEOPLE[which].1]).succeeded();
        self.start_server();
    }

    /// Runs a command about groups, which must succeed.
    pub(crate) fn group(&self, home: &str, args: &[&str]) -> String {
        let args: Vec<_> = ["group"].iter().chain(args).copied().collect();
        self.bed.sealpost(home, &args).succeeded()
    }

    /// The only group of a home.
    pub(crate) fn shown(&self, home: &str) -> Option<Value> {
        objects(&self.group(home, &["list", "--json"])).into_iter().next()
    }

    pub(crate) fn standing(&self, home: &str) -> String {
        let group = self.shown(home).unwrap_or_default();
        group["standing"].as_str().unwrap_or_default().to_owned()
    }

    /// Waits until all three have the same newest state, and it is as it should be.
    pub(crate) fn agree(&self, is_right: impl Fn(&Value) -> bool) {
        until("all agree", || {
            let shown = PEOPLE.map(|(home, _)| self.shown(home));
            let state =
                |group: &Value| (group["epoch"].clone(), keys(group), group["name"].clone());
            let [Some(first), Some(second), Some(third)] = shown else { return false };
            is_right(&first) && state(&first) == state(&second) && state(&second) == state(&third)
        });
    }

    /// Entries of the group in a home.
    pub(crate) fn entries(&self, home: &str) -> Vec<Value> {
        let Some(group) = self.shown(home) else { return Vec::new() };
        let params = json!({ "with": group["groupId"], "limit": 1000 }).to_string();
        let page = self.bed.sealpost(home, &["call", "history", &params]).succeeded();
        let page: Value = serde_json::from_str(&page).unwrap();
        page["entries"].as_array().unwrap().clone()
    }

    /// Texts of the group in a home, with the phone number of each author; none for its own.
    pub(crate) fn texts(&self, home: &str) -> Vec<(Option<String>, String)> {
        let text = |entry: &Value| {
            let from = entry["from"].as_str().map(str::to_owned);
            Some((from, entry["body"]["text"].as_str().filter(|_| is_text(entry))?.to_owned()))
        };
        self.entries(home).iter().filter_map(text).collect()
    }

    pub(crate) fn send(&self, home: &str, text: &str) {
        self.bed.sealpost(home, &["send", NAME, text, "--wait", "none"]).sent();
    }
}

pub(crate) fn daemon(bed: &ProgramBed, home: &str) -> Running {
    loop {
        let mut daemon = bed.start(home, &["daemon"]);
        // A command that took the home over from a killed daemon has it for a moment.
        thread::sleep(Duration::from_millis(200));
        if daemon.is_running() {
            assert_eq!(daemon.line(), "ready");
            return daemon;
        }
    }
}

fn is_text(entry: &Value) -> bool {
    entry["body"]["type"] == "text"
}

pub(crate) fn members(group: &Value) -> &[Value] {
    group["members"].as_array().map_or(&[], Vec::as_slice)
}

fn all_joined(group: &Value) -> bool {
    members(group).iter().all(|member| member["joined"] == true)
}

pub(crate) fn keys(group: &Value) -> Vec<Value> {
    members(group).iter().map(|member| member["fingerprint"].clone()).collect()
}
