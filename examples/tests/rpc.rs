#![cfg(test)]
//! The interface for bots: JSON-RPC over the socket in a home, and over standard input and output.
#![expect(clippy::print_stdout, reason = "prints the seed and the progress")]

mod support;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{env, mem, thread};

use serde_json::{Value, json};
use support::{ALICE, BOB, PATIENCE, ProgramBed};

/// A connection to the socket in a home.
struct Bot {
    stream: UnixStream,
    input: BufReader<UnixStream>,
    last: u64,
    /// Notifications that came while an answer was awaited.
    notifications: Vec<Value>,
}

impl Bot {
    fn connect(bed: &ProgramBed, home: &str) -> Self {
        Self::over(UnixStream::connect(bed.path(home).join("socket")).unwrap())
    }

    fn over(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let input = BufReader::new(stream.try_clone().unwrap());
        let mut bot = Self { stream, input, last: 0, notifications: Vec::new() };
        let hello = bot.line().unwrap();
        assert_eq!(
            (&hello["method"], &hello["params"]["apiVersion"]),
            (&json!("hello"), &json!(1))
        );
        bot
    }

    fn write(&mut self, line: &str) {
        self.stream.write_all(line.as_bytes()).unwrap();
        self.stream.write_all(b"\n").unwrap();
    }

    /// The next line, or `None` at the end.
    fn line(&mut self) -> Option<Value> {
        let mut line = String::new();
        let read = self.input.read_line(&mut line).unwrap_or(0);
        (read > 0).then(|| serde_json::from_str(&line).unwrap())
    }

    #[expect(clippy::needless_pass_by_value, reason = "callers write it as a literal")]
    fn begin(&mut self, method: &str, params: Value) -> u64 {
        self.last += 1;
        let request =
            json!({ "jsonrpc": "2.0", "id": self.last, "method": method, "params": params });
        self.write(&request.to_string());
        self.last
    }

    fn answer(&mut self, id: u64) -> Value {
        loop {
            let line = self.line().expect("an answer");
            if line["id"] == id {
                return line;
            }
            self.notifications.push(line);
        }
    }

    #[track_caller]
    fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.begin(method, params);
        let mut answer = self.answer(id);
        assert!(answer["error"].is_null(), "{answer}");
        answer["result"].take()
    }

    #[track_caller]
    fn refused(&mut self, method: &str, params: Value) -> Value {
        let id = self.begin(method, params);
        self.answer(id)["error"].take()
    }

    /// The next `receive`.
    fn receive(&mut self) -> Value {
        loop {
            let line = if self.notifications.is_empty() {
                self.line().expect("a notification")
            } else {
                self.notifications.remove(0)
            };
            if line["method"] == "receive" {
                return line["params"].clone();
            }
        }
    }

    /// The next line, which tells the end of a subscription: its consumer, and the reason.
    fn ended(&mut self) -> (Value, Value) {
        let line = self.line().expect("a notification");
        assert_eq!(line["method"], "receiveEnded");
        (line["params"]["consumer"].clone(), line["params"]["reason"].clone())
    }

    fn text(receive: &Value) -> &str {
        receive["event"]["message"]["body"]["text"].as_str().unwrap()
    }
}

fn daemon(bed: &ProgramBed, home: &str) -> support::Running {
    let daemon = bed.start(home, &["daemon"]);
    assert_eq!(daemon.line(), "ready");
    daemon
}

#[test]
fn bad_input_is_answered_and_the_next_request_is_carried_out() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let _daemon = daemon(&bed, "alice");
    let mut bot = Bot::connect(&bed, "alice");
    let long = format!("\"{}\"", "x".repeat(2 << 20));
    let deep = "[".repeat(100_000);
    for (line, code) in [
        ("x", -32700),
        ("{", -32700),
        (r#"{"jsonrpc":"2.0","id":1,"method":"version""#, -32700),
        (deep.as_str(), -32700),
        (long.as_str(), -32700),
        ("[]", -32600),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"version"}]"#, -32600),
        ("1", -32600),
        (r#"{"id":1,"method":"version"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":{},"method":"version"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"send","params":["+49"]}"#, -32602),
    ] {
        bot.write(line);
        let answer = bot.line().unwrap();
        assert_eq!(answer["error"]["code"], code, "{line:.60}: {answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(!message.is_empty());
    }
    bot.write("\n\r\n");
    bot.stream.write_all(b"{\"\xff\":1}\n").unwrap();
    assert_eq!(bot.line().unwrap()["error"]["code"], -32700);

    for (method, params, code) in [
        ("nope", json!({}), -32601),
        ("Send", json!({}), -32601),
        ("send", json!({}), -32602),
        ("send", json!({ "recipient": 7, "message": "hi" }), -32602),
        ("send", json!({ "recipient": "bob", "message": "hi" }), -32602),
        ("send", json!({ "recipient": BOB, "message": "hi", "mesage": "hi" }), -32602),
        ("send", json!({ "recipient": BOB }), -32602),
        ("send", json!({ "recipient": BOB, "message": "" }), -32602),
        ("send", json!({ "recipient": BOB, "message": "a", "bytesHex": "00" }), -32602),
        ("send", json!({ "recipient": BOB, "bytesHex": "0" }), -32602),
        ("send", json!({ "recipient": BOB, "message": "hi", "waitFor": "ever" }), -32602),
        ("send", json!({ "recipient": BOB, "message": "x".repeat(70_000) }), 4),
        ("acknowledge", json!({ "consumer": "x", "upTo": -1 }), -32602),
        ("subscribeReceive", json!({ "consumer": "" }), -32602),
        ("subscribeReceive", json!({ "consumer": "x".repeat(65) }), -32602),
        ("trust", json!({ "recipient": BOB, "safetyNumber": "1" }), -32602),
        ("version", json!({ "x": 1 }), -32602),
    ] {
        let error = bot.refused(method, params.clone());
        assert_eq!(error["code"], code, "{method} {params:.60}: {error}");
    }
    // A request without an id gets no answer.
    bot.write(r#"{"jsonrpc":"2.0","method":"version"}"#);
    assert_eq!(bot.call("version", Value::Null)["apiVersion"], 1);

    // Half a line at the end.
    bot.stream.write_all(b"{\"jsonrpc\":\"2.0\"").unwrap();
    bot.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(bot.line().unwrap()["error"]["code"], -32700);
    assert_eq!(bot.line(), None);
}

#[test]
fn requests_that_wait_do_not_hold_up_others() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let _daemon = daemon(&bed, "alice");
    let mut bot = Bot::connect(&bed, "alice");
    let params = json!({
        "recipient": BOB, "message": "hi", "waitFor": "delivered", "timeoutSeconds": 60,
    });
    let waits = bot.begin("send", params);
    let asked = bot.begin("version", Value::Null);
    assert_eq!(bot.line().unwrap()["id"], asked);
    bed.sealpost("bob", &["listen", "--count", "1"]).succeeded();
    assert_eq!(bot.answer(waits)["result"]["progress"]["state"], "delivered");

    let params = json!({
        "recipient": BOB, "message": "nobody hears", "waitFor": "delivered", "timeoutSeconds": 1,
    });
    let kept = bot.refused("send", params);
    assert_eq!(kept["code"], 1);
    assert!(kept["data"]["entry"].is_u64(), "{kept}");
}

#[test]
fn too_many_connections_are_refused_in_words() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let _daemon = daemon(&bed, "alice");
    let bots: Vec<_> = (0..64).map(|_| Bot::connect(&bed, "alice")).collect();
    let stream = UnixStream::connect(bed.path("alice/socket")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    let refusal: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(refusal["error"]["code"], 14, "{refusal}");
    let refused = bed.sealpost("alice", &["send", BOB, "hi"]).failed(6);
    assert!(refused.contains("connections are open already"), "{refused}");
    drop(bots);
    support::until("there is room again", || {
        bed.sealpost("alice", &["send", BOB, "hi"]).status.success()
    });
}

#[test]
fn consumer_gets_again_what_it_has_not_acknowledged() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let bobs_daemon = daemon(&bed, "bob");
    let mut bot = Bot::connect(&bed, "bob");
    bot.call("subscribeReceive", json!({ "consumer": "bot" }));
    for text in ["1", "2", "3"] {
        bed.sealpost("alice", &["send", BOB, text]).succeeded();
    }
    let places: Vec<u64> = ["1", "2", "3"]
        .map(|text| {
            let receive = bot.receive();
            assert_eq!((Bot::text(&receive), &receive["consumer"]), (text, &json!("bot")));
            receive["place"].as_u64().unwrap()
        })
        .into();
    assert!(places.is_sorted_by(|a, b| a < b), "{places:?}");
    bot.call("acknowledge", json!({ "consumer": "bot", "upTo": places[0] }));

    // The bot dies.
    drop(bot);
    let mut bot = Bot::connect(&bed, "bob");
    let subscribed = bot.call("subscribeReceive", json!({ "consumer": "bot" }));
    assert_eq!(subscribed["acknowledged"], places[0]);
    assert_eq!(
        [bot.receive(), bot.receive()].map(|receive| receive["place"].clone()),
        [json!(places[1]), json!(places[2])]
    );
    bot.call("acknowledge", json!({ "consumer": "bot", "upTo": places[1] }));

    // The daemon dies.
    bobs_daemon.kill();
    assert_eq!(bot.line(), None);
    let _daemon = daemon(&bed, "bob");
    let mut bot = Bot::connect(&bed, "bob");
    bot.call("subscribeReceive", json!({ "consumer": "bot" }));
    assert_eq!(Bot::text(&bot.receive()), "3");

    // Another subscription of the same consumer ends the first one.
    let mut other = Bot::connect(&bed, "bob");
    other.call("subscribeReceive", json!({ "consumer": "bot" }));
    let again = other.receive();
    assert_eq!(Bot::text(&again), "3");
    other.call("acknowledge", json!({ "consumer": "bot", "upTo": again["place"] }));
    bed.sealpost("alice", &["send", BOB, "4"]).succeeded();
    assert_eq!(Bot::text(&other.receive()), "4");
    assert_eq!(bot.ended(), ("bot".into(), "takenOver".into()));
    bot.stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert_eq!(bot.line(), None, "only one subscription gets it");

    // `sealpost listen` is another one.
    let listed = |bot: &mut Bot| {
        let consumers = bot.call("listConsumers", Value::Null)["consumers"].clone();
        let waiting = |consumer: &Value| (consumer["name"].clone(), consumer["waiting"].clone());
        consumers.as_array().unwrap().iter().map(waiting).collect::<Vec<_>>()
    };
    let listener = (json!("listen"), json!(4));
    assert_eq!(listed(&mut other), [(json!("bot"), json!(1)), listener.clone()]);
    let mut third = Bot::connect(&bed, "bob");
    third.call("removeConsumer", json!({ "consumer": "bot" }));
    assert_eq!(other.ended(), ("bot".into(), "unsubscribed".into()));
    assert_eq!(listed(&mut other), [listener]);
    assert_eq!(other.refused("acknowledge", json!({ "consumer": "bot", "upTo": 1 }))["code"], 7);
}

#[test]
fn slow_consumer_is_sent_a_window() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let _daemons = [daemon(&bed, "alice"), daemon(&bed, "bob")];
    let mut bot = Bot::connect(&bed, "bob");
    bot.call("subscribeReceive", json!({ "consumer": "slow" }));
    let mut alice = Bot::connect(&bed, "alice");
    for number in 0..130 {
        let params = json!({ "recipient": BOB, "message": number.to_string() });
        alice.call("send", params);
    }
    let mut last = Value::Null;
    for number in 0..100 {
        let receive = bot.receive();
        assert_eq!(Bot::text(&receive), number.to_string());
        last = receive["place"].clone();
    }
    bot.stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    assert_eq!(bot.line(), None, "a hundred are enough without an acknowledgement");
    bot.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    bot.call("acknowledge", json!({ "consumer": "slow", "upTo": last }));
    for number in 100..130 {
        assert_eq!(Bot::text(&bot.receive()), number.to_string());
    }
}

#[test]
fn repeated_send_under_one_key_sends_once() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let alices_daemon = daemon(&bed, "alice");
    let mut bot = Bot::connect(&bed, "alice");
    let params = json!({
        "recipient": BOB, "message": "once", "idempotencyKey": "order 7", "waitFor": "stored",
    });
    let first = bot.call("send", params.clone());
    assert_eq!(bot.call("send", params.clone()), first);
    alices_daemon.kill();
    let _daemon = daemon(&bed, "alice");
    let mut bot = Bot::connect(&bed, "alice");
    assert_eq!(bot.call("send", params.clone()), first);
    let mut other = params;
    other["message"] = json!("twice");
    assert_eq!(bot.refused("send", other)["code"], 9);
    bot.call("send", json!({ "recipient": BOB, "message": "last", "waitFor": "stored" }));
    let heard = bed.sealpost("bob", &["listen", "--json", "--count", "2"]).succeeded();
    let heard = support::objects(&heard);
    let texts: Vec<_> = heard.iter().filter_map(|event| event["text"].as_str()).collect();
    assert_eq!(texts, ["once", "last"]);
}

#[test]
fn standard_input_and_output_speak_the_same() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    for owned in [false, true] {
        let _daemon = owned.then(|| daemon(&bed, "bob"));
        let mut rpc = bed.start("bob", &["rpc"]);
        let hello: Value = serde_json::from_str(&rpc.line()).unwrap();
        assert_eq!(hello["params"]["account"], BOB);
        rpc.type_line(r#"{"jsonrpc":"2.0","id":"a","method":"version"}"#);
        let answer: Value = serde_json::from_str(&rpc.line()).unwrap();
        assert_eq!((&answer["id"], &answer["result"]["apiVersion"]), (&json!("a"), &json!(1)));
        let send = json!({
            "jsonrpc": "2.0", "id": 2, "method": "send",
            "params": { "recipient": ALICE, "message": "hi", "waitFor": "stored" },
        });
        // Its answer comes although the input ends.
        rpc.type_line(&send.to_string());
        let ended = rpc.end().succeeded();
        let answer: Value = serde_json::from_str(ended.trim_end().lines().last().unwrap()).unwrap();
        assert_eq!(answer["result"]["progress"]["state"], "stored", "{ended}");
    }
}

#[test]
fn every_method_that_is_described_exists() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let _daemon = daemon(&bed, "alice");
    let mut bot = Bot::connect(&bed, "alice");
    for method in sealpost_messenger::api::METHODS {
        let error = bot.refused(method.name, json!({ "noSuchParameter": 1 }));
        assert_eq!(error["code"], -32602, "{}: {error}", method.name);
    }
}

/// A bot that commits its cursor with its work is killed at 100 random moments under traffic, and the
/// process that has the home at some of them. Nothing is missed, and nothing is done twice.
#[test]
fn killed_bot_misses_nothing_and_does_nothing_twice() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let _alices = daemon(&bed, "alice");
    let mut bobs = daemon(&bed, "bob");
    Bot::connect(&bed, "bob").call("subscribeReceive", json!({ "consumer": WORKER }));
    let work = bed.path("work");
    let start = || {
        Command::new(env::current_exe().unwrap())
            .args(["--exact", "bot_that_commits_its_cursor_with_its_work", "--ignored"])
            .env(BOT_SOCKET, bed.path("bob/socket"))
            .env(BOT_WORK, &work)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let is_over = AtomicBool::new(false);
    let sent = thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut alice = Bot::connect(&bed, "alice");
            let mut sent = 0_u64;
            while !is_over.load(Ordering::SeqCst) {
                sent += 1;
                alice.call("send", json!({ "recipient": BOB, "message": sent.to_string() }));
                thread::sleep(Duration::from_millis(5));
            }
            sent
        });
        let mut seed = u64::from(std::process::id()) | 1;
        println!("seed {seed}");
        for round in 0..100 {
            let mut bot = start();
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            thread::sleep(Duration::from_millis(seed % 200));
            bot.kill().unwrap();
            bot.wait().unwrap();
            if round % 10 == 9 {
                mem::replace(&mut bobs, bed.start("bob", &["status"])).kill();
                bobs = daemon(&bed, "bob");
            }
        }
        is_over.store(true, Ordering::SeqCst);
        sender.join().unwrap()
    });
    let mut bot = start();
    let done = || fs::read_to_string(&work).unwrap_or_default();
    support::until("everything is done", || done().lines().count() as u64 >= sent);
    bot.kill().unwrap();
    bot.wait().unwrap();
    let done = done();
    let numbers = done.lines().map(|line| line.split_once(' ').unwrap().1.parse::<u64>().unwrap());
    assert!(numbers.eq(1..=sent), "each once, in order: {done}");
    println!("{sent} messages");
}

/// The bot of the test above, in a process of its own. Its work is a file of lines, each with the place
/// of a message and its text. A line is written at once, or not at all.
#[test]
#[ignore = "runs as a process of another test"]
fn bot_that_commits_its_cursor_with_its_work() {
    let (Some(socket), Some(work)) = (env::var_os(BOT_SOCKET), env::var_os(BOT_WORK)) else {
        return;
    };
    let done = fs::read_to_string(&work).unwrap_or_default();
    let place = |line: &str| line.split_once(' ').unwrap().0.parse::<u64>().unwrap();
    let mut last = done.lines().last().map_or(0, place);
    let mut file = File::options().create(true).append(true).open(&work).unwrap();
    let mut bot = Bot::over(UnixStream::connect(socket).unwrap());
    bot.call("subscribeReceive", json!({ "consumer": WORKER }));
    loop {
        let receive = bot.receive();
        let place = receive["place"].as_u64().unwrap();
        if place > last {
            file.write_all(format!("{place} {}\n", Bot::text(&receive)).as_bytes()).unwrap();
            last = place;
        }
        bot.call("acknowledge", json!({ "consumer": WORKER, "upTo": place }));
    }
}

const WORKER: &str = "worker";
const BOT_SOCKET: &str = "BOT_SOCKET";
const BOT_WORK: &str = "BOT_WORK";
