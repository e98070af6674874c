#![cfg(test)]
//! The configuration of the server: the file, the environment, the command line, and reloads.

mod support;

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use rustix::process::Signal;
use serde_json::json;
use support::{ALICE, Daemon, ProgramBed, objects, until, write_private, write_script};

/// Path of the configuration file in the data folder of a bed.
fn file(bed: &ProgramBed) -> PathBuf {
    bed.path("data/sealpostd.toml")
}

/// What `sealpostd config check` says of a file.
#[track_caller]
fn refused(bed: &ProgramBed, text: &str) -> String {
    let path = bed.path("other.toml");
    fs::write(&path, text).unwrap();
    let said = bed.sealpostd(&["config", "check", "--config", path.to_str().unwrap()]).failed(2);
    said.replace(path.to_str().unwrap(), "FILE")
}

/// Sends SIGHUP, and waits for a line of the log.
fn reload(server: &Daemon, line: &str) {
    server.signal(Signal::HUP);
    until(line, || server.log().contains(line));
}

#[test]
fn mistakes_in_a_file_are_named_with_their_line() {
    let bed = ProgramBed::new();
    for (text, said) in [
        (
            "\n[limits]\nconections = 5\n",
            "line 3: limits.conections is not an option; did you mean limits.connections?",
        ),
        ("[limit]\nstrangers = 5\n", "line 1: limit is not an option; did you mean limits?"),
        ("mail = 1\n", "line 1: mail is not an option: sealpostd config lists all"),
        ("limits = 1\n", "line 1: limits is not an option"),
        ("[limits]\nstrangers = \"many\"\n", "line 2: limits.strangers: invalid type"),
        ("[limits]\nstrangers = 0\n", "line 2: limits.strangers must be at least 1"),
        (
            "[storage]\n\nstore_size = \"16GB\"\n",
            "line 3: storage.store_size: write a number of bytes",
        ),
        ("[storage]\nretention = \"30 moons\"\n", "line 2: storage.retention: "),
        (
            "[limits]\npackets_per_user = \"400/s\"\n",
            "line 2: limits.packets_per_user: write how many",
        ),
        ("[otp]\nroute = \"pigeon\"\n", "line 2: otp.route: unknown route"),
        (
            "listen = \"0.0.0.0:1\"\n[otp]\nroute = \"in-band\"\n",
            "line 3: otp.route in-band is not allowed on 0.0.0.0:1",
        ),
        ("listen = []\n", "line 1: listen: write at least one"),
        ("listen = [\"127.0.0.1:1\", \"unix:here\"]\n", "line 1: listen: write HOST:PORT"),
        ("public_address = \"a b\"\n", "line 1: public_address: not a server address"),
        (
            "[otp]\nroute = \"in-band\"\n[proxy]\ntrusted = [\"192.0.2.0/24\"]\n",
            "line 2: otp.route in-band is not allowed behind proxies",
        ),
        ("[otp\n", "line 1: "),
        ("[otp]\nroute = \"webhook\"\n", "otp.webhook_url is not set"),
    ] {
        let refused = refused(&bed, text);
        assert!(refused.contains(said), "{text}: {refused}");
        assert!(refused.starts_with("sealpostd: ") && !refused.contains("panic"), "{refused}");
    }
    let url = "[otp]\nroute = \"webhook\"\nwebhook_url = \"https://example.org/?key=secret\"\n";
    let refused = refused(&bed, url);
    assert!(refused.contains("webhook_token_file") && !refused.contains("secret\""), "{refused}");
}

#[test]
fn file_that_is_missing_or_that_others_can_change_is_refused() {
    let bed = ProgramBed::new();
    let path = bed.path("other.toml");
    let check = || bed.sealpostd(&["config", "check", "--config", path.to_str().unwrap()]);
    assert!(check().failed(1).contains("can't read the configuration"));
    fs::write(&path, "").unwrap();
    assert!(check().succeeded().contains("is right"));
    let json = ["config", "check", "--json", "--config", path.to_str().unwrap()];
    let said = objects(&bed.sealpostd(&json).succeeded()).remove(0);
    assert_eq!(said, json!({ "right": true, "file": path.to_str().unwrap() }));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).unwrap();
    assert!(check().failed(1).contains("others may change"));
}

#[test]
fn environment_is_checked_as_the_file_is() {
    let bed = ProgramBed::new();
    let check = |name, value| bed.sealpostd_with(&[(name, value)], &["config", "check"]);
    check("SEALPOST_LIMITS_STRANGERS", "7").succeeded();
    for (name, value, said) in [
        ("SEALPOST_LIMITS_STRANGER", "7", "did you mean SEALPOST_LIMITS_STRANGERS?"),
        ("SEALPOST_LIMITS_STRANGERS", "x", "SEALPOST_LIMITS_STRANGERS: invalid type"),
        ("SEALPOST_LISTEN", "nowhere", "SEALPOST_LISTEN: write HOST:PORT"),
        ("SEALPOST_LOG", "loud", "SEALPOST_LOG: "),
    ] {
        let refused = check(name, value).failed(2);
        assert!(refused.contains(said), "{name}: {refused}");
    }
}

#[test]
fn printed_configuration_is_one_that_can_be_read_again() {
    let bed = ProgramBed::new();
    let environment = [("SEALPOST_LIMITS_STRANGERS", "7")];
    let printed = bed.sealpostd_with(&environment, &["--listen", "127.0.0.1:99", "config"]);
    let printed = printed.succeeded();
    for line in ["listen = [\"127.0.0.1:99\"]", "strangers = 7", "#store_size = \"16GiB\""] {
        assert!(printed.lines().any(|printed| printed == line), "{line}: {printed}");
    }
    // The data folder is given on the command line as well.
    let path = bed.path("other.toml");
    fs::write(&path, &printed).unwrap();
    bed.sealpostd(&["config", "check", "--config", path.to_str().unwrap()]).succeeded();
}

#[test]
fn mistyped_data_folder_is_no_new_server() {
    let bed = ProgramBed::new();
    let refused = bed.sealpostd(&["--listen", "127.0.0.1:0"]).failed(1);
    assert!(refused.contains("is not the data folder of a server"), "{refused}");
    assert!(!bed.path("data").exists());
    fs::create_dir(bed.path("data")).unwrap();
    let refused = bed.sealpostd(&["--listen", "127.0.0.1:0"]).failed(1);
    assert!(refused.contains("sealpostd init"), "{refused}");

    let said = bed.sealpostd(&["--listen", "127.0.0.1:7465", "init"]).succeeded();
    assert!(said.contains("sealpost://127.0.0.1:7465/"), "{said}");
    let written = fs::read_to_string(file(&bed)).unwrap();
    assert!(written.contains("\nlisten = [\"127.0.0.1:7465\"]\n"), "{written}");
    assert!(written.contains("\n#data = "), "{written}");
    let address = bed.sealpostd(&["address"]).succeeded();
    assert!(said.contains(address.trim_end()), "{said}");
    assert!(bed.sealpostd(&["init"]).failed(1).contains("already"));

    let server = bed.serve_as_configured(&["--listen", "127.0.0.1:0"]);
    assert!(server.log().contains("printed on standard output"), "{}", server.log());
    assert_eq!(server.stop().status.code(), Some(0));
}

#[test]
fn file_in_the_data_folder_does_not_say_where_it_is() {
    let bed = ProgramBed::new();
    let said = bed.sealpostd(&["--listen", "127.0.0.1:7465", "init", "--json"]).succeeded();
    let said = objects(&said).remove(0);
    let address = bed.sealpostd(&["address"]).succeeded();
    assert_eq!(said["address"], address.trim_end());
    assert_eq!(said["config"], file(&bed).to_str().unwrap());
    fs::write(file(&bed), "data = \"elsewhere\"\n").unwrap();
    let refused = bed.sealpostd(&["config", "check"]);
    // The command line goes before it, but the line is a mistake all the same.
    assert!(refused.failed(2).contains("line 1: data can't be set in the data folder"));
}

#[test]
fn reload_applies_what_it_can_and_names_the_rest() {
    let bed = ProgramBed::new();
    let server = bed.serve(&["--otp", "console"]);
    let text = "[storage]\nmailbox_messages = 3\n[crypto]\nworkers = 3\n[registration]\nhide_registered = true\n";
    fs::write(file(&bed), text).unwrap();
    let line = "registration.hide_registered, storage.mailbox_messages changed; crypto.workers will \
                change at the next start";
    reload(&server, line);

    // Registered numbers are hidden now: a second registration is sent a password, too.
    for home in ["alice", "thief"] {
        let mut client = bed.start(home, &["register", &server.address, ALICE]);
        let otp = server.line().unwrap();
        client.type_line(otp.rsplit(' ').next().unwrap());
        client.end();
    }
}

#[test]
fn reload_of_a_file_with_a_mistake_changes_nothing() {
    let bed = ProgramBed::new();
    let server = bed.serve(&["--otp", "console"]);
    fs::write(file(&bed), "[registration]\nhide_registered = true\n[limits]\nstangers = 1\n")
        .unwrap();
    reload(&server, "configuration not reloaded, the old one stays in force");
    let log = server.log();
    assert!(log.contains("line 4: limits.stangers is not an option"), "{log}");
    let register = |home| {
        let mut client = bed.start(home, &["register", &server.address, ALICE]);
        if home == "alice" {
            client.type_line(server.line().unwrap().rsplit(' ').next().unwrap());
        }
        client.end()
    };
    register("alice").succeeded();
    assert!(register("thief").stderr.contains("registered"), "nothing is hidden");

    fs::write(file(&bed), "").unwrap();
    reload(&server, "configuration reloaded: no option has changed");
}

#[test]
fn reload_replaces_the_couriers() {
    let bed = ProgramBed::new();
    let script = bed.path("deliver");
    let delivered = bed.path("delivered");
    write_script(&script, &format!("cat > {0}.new && mv {0}.new {0}", delivered.display()));
    let server = bed.serve_as_configured(&["--init", "--listen", "127.0.0.1:0"]);
    fs::write(file(&bed), format!("[otp]\nroute = \"exec:{}\"\n", script.display())).unwrap();
    reload(&server, "configuration reloaded: otp.route changed");
    let mut alice = bed.start("alice", &["register", &server.address, ALICE]);
    until("the password", || delivered.exists());
    alice.type_line(fs::read_to_string(&delivered).unwrap().lines().nth(1).unwrap());
    alice.end().succeeded();

    fs::write(file(&bed), "[otp]\nroute = \"exec:/no/such/program\"\n").unwrap();
    reload(&server, "not reloaded, the old one stays in force: can't run /no/such/program");
}

#[test]
fn webhook_is_sent_a_token_from_the_credentials_of_the_service() {
    let bed = ProgramBed::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/send", listener.local_addr().unwrap());
    fs::create_dir(bed.path("credentials")).unwrap();
    // systemd shows the rights of an access list as those of the group.
    fs::write(bed.path("credentials/hook"), "secret-token\n").unwrap();
    let text = format!(
        "[otp]\nroute = \"webhook\"\nwebhook_url = \"{url}\"\nwebhook_token_file = \"hook\"\n"
    );
    let path = bed.path("other.toml");
    fs::write(&path, text).unwrap();
    let args = ["--init", "--listen", "127.0.0.1:0", "--config", path.to_str().unwrap()];
    assert!(bed.sealpostd(&args).failed(1).contains("hook"));
    let credentials = bed.path("credentials");
    let environment = [("CREDENTIALS_DIRECTORY", credentials.to_str().unwrap())];
    let server = bed.serve_in(&environment, &args);
    let alice = bed.start("alice", &["register", &server.address, ALICE]);
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = Vec::new();
    while !String::from_utf8_lossy(&request).contains("\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        request.extend(byte);
    }
    let request = String::from_utf8(request).unwrap().to_lowercase();
    assert!(request.contains("authorization: bearer secret-token\r\n"), "{request}");
    assert!(!server.log().contains("secret-token"));
    alice.kill();
}

#[test]
fn secret_file_that_others_can_read_is_refused() {
    let bed = ProgramBed::new();
    let token = bed.path("token");
    let route = "[otp]\nroute = \"webhook\"\nwebhook_url = \"https://example.org/\"\n";
    let path = bed.path("other.toml");
    fs::write(&path, format!("{route}webhook_token_file = \"{}\"\n", token.display())).unwrap();
    let check = || bed.sealpostd(&["config", "check", "--config", path.to_str().unwrap()]);
    assert!(check().failed(1).contains("token"));
    write_private(&token, "secret\n");
    check().succeeded();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(check().failed(1).contains("others may read or change"));
}

#[test]
fn service_manager_is_told_of_start_reload_and_stop() {
    let bed = ProgramBed::new();
    let path = bed.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(support::PATIENCE)).unwrap();
    let environment = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "300000")];
    let server = bed.serve_in(&environment, &["--init", "--listen", "127.0.0.1:0"]);
    assert_eq!(next_state(&socket), "READY=1\nSTATUS=serving\n");
    assert_eq!(next_with_watchdog(&socket), "WATCHDOG=1\n");
    fs::write(file(&bed), "[limits]\nstangers = 1\n").unwrap();
    server.signal(Signal::HUP);
    assert!(next_state(&socket).starts_with("RELOADING=1\nMONOTONIC_USEC="));
    let state = next_state(&socket);
    let not_reloaded = "READY=1\nSTATUS=serving; configuration not reloaded: ";
    assert!(state.starts_with(not_reloaded) && state.contains("limits.strangers?"), "{state}");
    server.terminate();
    assert_eq!(next_state(&socket), "STOPPING=1\nSTATUS=stopping\n");
}

/// The next state, signs of life left out.
fn next_state(socket: &UnixDatagram) -> String {
    loop {
        let state = next_with_watchdog(socket);
        if state != "WATCHDOG=1\n" {
            return state;
        }
    }
}

fn next_with_watchdog(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 4_096];
    let len = socket.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..len].to_vec()).unwrap()
}

/// The documents show what the program prints.
#[test]
fn documented_configuration_is_the_printed_one() {
    let bed = ProgramBed::new();
    let printed = bed.sealpostd_anywhere(&["config"]).succeeded();
    let documented = include_str!("../../docs/OPERATING.md");
    let (_, after) = documented.split_once("<!-- configuration -->\n```toml\n").unwrap();
    let (shown, _) = after.split_once("```").unwrap();
    assert!(shown == printed, "run sealpostd config and put its output into docs/OPERATING.md");
}
