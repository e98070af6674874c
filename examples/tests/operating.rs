#![cfg(test)]
//! The ten minutes of docs/OPERATING.md, word by word, with the scripts and units of the packages.
//! The system itself is replaced: paths lead into a folder, and stand-ins take the place of `apt`,
//! `certbot`, `systemctl` and `runuser`.

#[path = "../../transport-mio/tests/certificates/mod.rs"]
mod certificates;
#[path = "support/walk.rs"]
mod walk;

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use certificates::TestAuthority;
use tempfile::TempDir;
use walk::{Step, walk};

const PAGE: &str = include_str!("../../docs/OPERATING.md");
const UNIT: &str = include_str!("../../packaging/systemd/sealpostd.service");
const BACKUP_UNIT: &str = include_str!("../../packaging/systemd/sealpost-backup.service");
const BUILD: &str = include_str!("../../packaging/debian/build");

#[test]
fn ten_minutes_lead_to_a_private_server() {
    let machine = Machine::new();
    machine.install("sealpostctl", include_str!("../../packaging/sealpostctl"));
    machine.install("deploy-hook", include_str!("../../packaging/certbot/deploy-hook"));
    machine.install("nightly-backup", include_str!("../../packaging/backup/nightly"));
    machine.install("systemctl", &systemctl());
    machine.install("runuser", "#!/bin/sh\nshift 3\nexec \"$@\"\n");
    machine.install("apt", APT);
    machine.install("certbot", CERTBOT);
    let preset = machine.relocate(include_str!("../../packaging/debian/preset.toml"));
    machine.write("preset.toml", &preset);
    let authority = TestAuthority::new();
    let certificate = authority.issue(&["localhost"]);
    machine.write("authority.pem", &authority.pem());
    machine.write("lineage/fullchain.pem", &certificate.chain);
    machine.write("lineage/privkey.pem", &certificate.key);

    let page = machine.relocate(PAGE);
    let steps = Step::all(&page, "<!-- ten minutes -->");
    assert!(steps.len() > 8, "the page has {} commands", steps.len());
    let bed = machine.path("");
    let prelude = format!(
        "export BED={} TLS_GROUP=$(id -gn) SSL_CERT_FILE={}/authority.pem\n\
         trap 'kill $(cat pid) 2>/dev/null || true' EXIT",
        bed.display(),
        bed.display()
    );
    walk(&steps, &prelude, &bed);

    let backups = fs::read_dir(machine.path("var/backups/sealpost")).unwrap();
    let backup = backups.map(|entry| entry.unwrap().path()).next().unwrap();
    assert!(backup.join("server-key.pem").exists(), "{}", backup.display());
    let key = fs::metadata(machine.path("etc/sealpost/tls/privkey.pem")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o640);
}

/// What a package starts before its operator has seen it.
#[test]
fn new_package_serves_its_own_machine_and_registers_nobody() {
    let machine = Machine::new();
    machine.write("preset.toml", include_str!("../../packaging/debian/preset.toml"));
    let preset = machine.path("preset.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealpostd"));
    let output = command.env_clear().arg("--config").arg(preset).arg("config").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let shown = String::from_utf8(output.stdout).unwrap();
    let set: Vec<_> =
        shown.lines().filter(|line| line.contains(" = ") && !line.starts_with('#')).collect();
    assert_eq!(set, ["data = \"/var/lib/sealpost\"", "mode = \"invite\""]);
    assert!(shown.contains("\n#listen = [\"127.0.0.1:7465\"]\n"), "{shown}");
}

#[test]
fn package_has_the_name_that_the_page_gives_it() {
    let name = format!("sealpost_{}-1_amd64.deb", env!("CARGO_PKG_VERSION"));
    assert!(PAGE.contains(&name), "docs/OPERATING.md does not name {name}");
    assert!(BUILD.contains("-1) unstable"));
}

#[test]
fn nightly_backups_are_kept_by_number_and_leftovers_are_not() {
    let machine = Machine::new();
    let script = include_str!("../../packaging/backup/nightly");
    // A stand-in takes the place of the program: it makes the folder.
    machine.install("nightly-backup", &script.replace("/usr/bin/sealpostd", "sealpostd"));
    machine.install("sealpostd", "#!/bin/sh\nfor last; do :; done\nmkdir \"$last\"\n");
    for name in ["2020-01-01T000000Z", "2020-01-02T000000Z", "2020-01-03T000000Z.partial", "mine"] {
        machine.write(&format!("var/backups/sealpost/{name}/file"), "");
    }
    let output = machine.command("nightly-backup").env("KEEP", "2").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = fs::read_dir(machine.path("var/backups/sealpost")).unwrap();
    let mut names: Vec<_> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names.len(), 3, "{names:?}");
    assert_eq!((&names[0][..], &names[2][..]), ("2020-01-02T000000Z", "mine"));
}

#[test]
fn sender_of_text_messages_passes_nothing_as_an_argument() {
    let machine = Machine::new();
    machine.install("send-sms", include_str!("../../packaging/otp/send-sms"));
    machine.install("curl", "#!/bin/sh\necho \"$@\" > \"$BED/arguments\"\ncat > \"$BED/input\"\n");
    machine.write("etc/sealpost/sms-token", "the-token\n");
    let mut child = machine.command("send-sms").stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"+4915112345678\n042137\n").unwrap();
    assert!(child.wait().unwrap().success());
    let read = |name| fs::read_to_string(machine.path(name)).unwrap();
    let (arguments, input) = (read("arguments"), read("input"));
    for secret in ["the-token", "+4915112345678", "042137"] {
        assert!(!arguments.contains(secret), "{arguments}");
        assert!(input.contains(secret), "{input}");
    }
}

/// A folder that takes the place of a machine's file system.
struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }

    /// Installs a script in the folder `bin`.
    fn install(&self, name: &str, script: &str) {
        let path = format!("bin/{name}");
        self.write(&path, &self.relocate(script));
        fs::set_permissions(self.path(&path), Permissions::from_mode(0o700)).unwrap();
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.path(&format!("bin/{name}")));
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        command.env("PATH", path).env("BED", self.path(""));
        command
    }

    /// The text with paths in this folder, and with a host and ports that exist here.
    fn relocate(&self, text: &str) -> String {
        let bed = |path: &str| self.path(path).display().to_string();
        [
            ("/etc/sealpost", bed("etc/sealpost")),
            ("/var/lib/sealpost", bed("var/lib/sealpost")),
            ("/var/backups/sealpost", bed("var/backups/sealpost")),
            ("/usr/share/sealpost/certbot-deploy-hook", bed("bin/deploy-hook")),
            ("/usr/lib/sealpost/nightly-backup", bed("bin/nightly-backup")),
            ("/usr/bin/sealpostd", env!("CARGO_BIN_EXE_sealpostd").into()),
            ("\"$(id -un)\" = sealpost", "1 = 1".into()),
            ("[::]:7465", "127.0.0.1:0".into()),
            (
                "'sealposts://chat.example.org:7465/FINGERPRINT#CODE'",
                "\"$(cat invitation)\"".into(),
            ),
            ("chat.example.org:7465", "localhost:…".into()),
            ("--note 'Bob and I'", "--note 'Bob and I' | tee invitation".into()),
        ]
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }
}

/// A stand-in that starts what the units start.
fn systemctl() -> String {
    format!(
        "#!/bin/bash
set -eu
case \"$*\" in
'restart sealpostd')
    {} > \"$BED/ready\" 2> \"$BED/server.log\" &
    echo $! > \"$BED/pid\"
    until grep -q ready \"$BED/ready\"; do kill -0 $!; sleep 0.1; done ;;
'enable --now sealpost-backup.timer') ;;
'start sealpost-backup.service') {} >> \"$BED/server.log\" ;;
*) echo \"unexpected: $*\" >&2; exit 1 ;;
esac
",
        command_of(UNIT),
        command_of(BACKUP_UNIT)
    )
}

/// The command that a unit starts.
fn command_of(unit: &str) -> &str {
    unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap()
}

/// Does what the package does on a new machine.
const APT: &str = "#!/bin/sh
set -eu
umask 077
mkdir -p /etc/sealpost /var/lib/sealpost /var/backups/sealpost
sealpostd --config \"$BED/preset.toml\" config > /etc/sealpost/sealpostd.toml
sealpostctl init
";

/// Issues a certificate, and runs the deploy hook.
const CERTBOT: &str = "#!/bin/sh
set -eu
while [ \"$1\" != --deploy-hook ]; do shift; done
RENEWED_LINEAGE=$BED/lineage \"$2\"
";
