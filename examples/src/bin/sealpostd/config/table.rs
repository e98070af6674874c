//! Every option of the server, once. The configuration file, the environment, the command line,
//! their help and the documents all come from this table.
//!
//! To add an option, add a row here and a field in [`Config`](super::Config).

use super::options::Change::{Reload, Restart};
use super::options::Kind::{Address, Choice, Count, List, Path, Rate, Size, Switch, Text, Time};
use super::options::Opt;

/// All options, in the order of the configuration file.
pub(crate) static OPTIONS: &[Opt] = &[
    Opt::new(
        "data",
        Path,
        "\"./sealpost-data\"",
        Restart,
        "Folder with the server's keys and database. The command init makes one; only the default \
         folder is made at the first start",
    )
    .flag("data"),
    Opt::new(
        "listen",
        List,
        "[\"127.0.0.1:7465\"]",
        Restart,
        "Where to listen, one or more: HOST:PORT with a name or an IP address of this machine, of \
         which [::]:7465 stands for all; unix:/PATH for a Unix socket, with ?mode=600 for other \
         permissions than 660; systemd for the sockets that a socket unit passes on. With plain: \
         before it, it takes no TLS, even if there is a certificate: for a proxy that ends TLS. \
         Port 0 lets the system choose a port",
    )
    .flag("listen"),
    Opt::new(
        "public_address",
        Address,
        "\"chat.example.org:7465\"",
        Restart,
        "Host and port by which clients reach this server, for the address that is logged and that \
         `sealpostd address` prints; with sealposts:// before it if a proxy ends TLS. Of several \
         servers with the same users and key, those of all, with commas between, up to 8. Without \
         it, the first address that the server listens on, or a name in the certificate",
    )
    .flag("public-address")
    .unset(),
    Opt::new(
        "profile",
        Choice(&["compact", "wide"]),
        "\"wide\"",
        Restart,
        "Width of user ids: compact for up to 65,535 users, with ids of 2 bytes, or wide, with ids \
         of 8 bytes. Fixed once the data folder exists. Without it that of the data folder is used, \
         compact for a new one",
    )
    .flag("profile")
    .unset(),
    Opt::new(
        "store",
        Text,
        "\"tls://a.example.org:4222,b.example.org:4222,c.example.org:4222\"",
        Restart,
        "Where accounts and messages are kept: nats://HOST:PORT for NATS JetStream, which several \
         servers can share, with further servers of the same NATS behind commas; tls:// instead of \
         nats:// for a connection with TLS. Fixed once the data folder exists. Without it they are \
         in a database in the data folder",
    )
    .flag("store")
    .unset(),
    Opt::new(
        "nats.deployment",
        Text,
        "\"sealpost\"",
        Restart,
        "Name of what the servers share in NATS: 1 to 32 letters, digits, hyphens and underscores. \
         Servers with the same name serve the same accounts",
    )
    .flag("deployment"),
    Opt::new(
        "nats.shards",
        Count,
        "16",
        Restart,
        "Streams over which mailboxes are spread, up to 1,000. Counts only for the server that makes \
         the deployment, as the next option",
    ),
    Opt::new(
        "nats.replicas",
        Count,
        "3",
        Restart,
        "Copies of each stream, on as many servers of NATS: 1, 3 or 5. One copy is for tests: it is \
         lost with its disk",
    ),
    Opt::new(
        "nats.user",
        Text,
        "\"sealpost\"",
        Restart,
        "User with which the server connects to NATS. Give the deployment an account of its own",
    )
    .unset(),
    Opt::new(
        "nats.password_file",
        Path,
        "\"nats-password\"",
        Restart,
        "File whose first line is the password of that user. Others must not be able to read it. A \
         name without a folder is first looked up among the credentials that systemd passes on \
         (LoadCredential=)",
    )
    .unset(),
    Opt::new(
        "nats.system_user",
        Text,
        "\"sealpost-system\"",
        Restart,
        "User of the system account of NATS. At its start the server asks with it whether every \
         server of NATS writes to its disk what it acknowledges (sync_interval: always), and refuses \
         one that does not",
    )
    .unset(),
    Opt::new(
        "nats.system_password_file",
        Path,
        "\"nats-system-password\"",
        Restart,
        "File with the password of that user, as above",
    )
    .unset(),
    Opt::new(
        "nats.trust_sync",
        Switch,
        "false",
        Restart,
        "Don't ask: the operator has made sure of sync_interval: always on every server of NATS. \
         Where that is not so, a loss of power loses messages that senders were told are stored",
    ),
    Opt::new(
        "nats.authorities",
        Path,
        "\"/etc/sealpost/nats-ca.pem\"",
        Restart,
        "PEM file with the authorities that certificates of NATS must come from. Without it those \
         that the operating system trusts",
    )
    .unset(),
    Opt::new(
        "nats.certificate",
        Path,
        "\"/etc/sealpost/nats-client.pem\"",
        Restart,
        "PEM file with a certificate that the server shows to NATS, if NATS asks for one. This file \
         and the next one are read at each connection, so they can be replaced",
    )
    .unset(),
    Opt::new(
        "nats.key",
        Path,
        "\"/etc/sealpost/nats-client-key.pem\"",
        Restart,
        "PEM file with the private key of that certificate",
    )
    .unset(),
    Opt::new(
        "tls.certificate",
        Path,
        "\"/etc/sealpost/fullchain.pem\"",
        Restart,
        "PEM file with the server's certificate, followed by those that lead to an authority that \
         clients trust. Clients then use an address that begins with sealposts://. Both files are \
         loaded again when they change; open connections stay",
    )
    .flag("tls-cert")
    .unset(),
    Opt::new(
        "tls.key",
        Path,
        "\"/etc/sealpost/privkey.pem\"",
        Restart,
        "PEM file with the private key of the certificate, which only its owner and group can read",
    )
    .flag("tls-key")
    .unset(),
    Opt::new(
        "proxy.trusted",
        List,
        "[]",
        Restart,
        "Networks of proxies, such as 192.0.2.7/32. Every connection from them must begin with a \
         header of the PROXY protocol, version 1 or 2, and limits per address then count the \
         address that it names. A program that connects to a Unix socket has the address 127.0.0.1",
    )
    .flag("trusted-proxies"),
    Opt::new(
        "crypto.provider",
        Choice(&["aws-lc", "rust"]),
        "\"aws-lc\"",
        Restart,
        "Cryptography provider: aws-lc is constant-time and several times faster, rust is written \
         in Rust alone",
    )
    .flag("crypto"),
    Opt::new(
        "crypto.verify",
        Choice(&["auto", "aws-lc"]),
        "\"auto\"",
        Restart,
        "How aws-lc verifies signatures that come together: auto verifies eight at once if the \
         processor has AVX-512 IFMA, and aws-lc judges again whatever that rejects; aws-lc verifies \
         one after the other",
    )
    .flag("verify"),
    Opt::new(
        "crypto.workers",
        Count,
        "4",
        Restart,
        "Threads for cryptography, in addition to the main thread, which takes a share. Without it, \
         one fewer than the number of cores, but at least one",
    )
    .flag("workers")
    .unset(),
    Opt::new(
        "key.retire_after",
        Time,
        "\"90d\"",
        Restart,
        "How long the old key holds beside its successor, after `sealpostd key rotate`: the first \
         start after that time deletes it, and clients that have not connected since the rotation \
         are locked out",
    ),
    Opt::new(
        "registration.mode",
        Choice(&["open", "invite", "closed"]),
        "\"open\"",
        Reload,
        "Who may register: open for anyone, with a one-time password that is sent to their phone; \
         invite for whoever has an invitation that `sealpostd invite create` printed, without a \
         password; closed for nobody",
    )
    .flag("registration"),
    Opt::new(
        "registration.phone_prefixes",
        List,
        "[]",
        Reload,
        "Beginnings of the phone numbers that may register without an invitation, such as +49. \
         Others need one, even if registration is open. Without any, all numbers may",
    )
    .flag("phone-prefixes"),
    Opt::new(
        "registration.hide_registered",
        Switch,
        "false",
        Reload,
        "Answer requests for a one-time password alike for every phone number, so that strangers \
         don't learn which are registered; owners of registered numbers then get passwords that \
         they did not request",
    )
    .flag("hide-registered"),
    Opt::new(
        "otp.route",
        Text,
        "\"console\"",
        Reload,
        "How to deliver one-time passwords: console (print them), in-band (answer with them, on \
         loopback addresses only; in-band-to-anyone on others), exec:PROGRAM (run for each \
         password; reads phone number and password from standard input, one line each), webhook \
         (POST them as JSON to otp.webhook_url) or webhook:FILE (to the URL in the file's first \
         line). With console and in-band nobody proves to own a number",
    )
    .flag("otp"),
    Opt::new(
        "otp.webhook_url",
        Text,
        "\"https://sms.example.org/send\"",
        Reload,
        "URL of the webhook. It may contain no secret, so neither a user nor a query: a token \
         belongs in otp.webhook_token_file, and a URL with a secret in a file that otp.route names",
    )
    .unset(),
    Opt::new(
        "otp.webhook_token_file",
        Path,
        "\"webhook-token\"",
        Reload,
        "File whose first line is sent to the webhook as `Authorization: Bearer …`. Others must not \
         be able to read it. A name without a folder is first looked up among the credentials that \
         systemd passes on (LoadCredential=)",
    )
    .unset(),
    Opt::new(
        "otp.timeout",
        Time,
        "\"10s\"",
        Reload,
        "Time that the program, or each of three requests to the webhook, may take for one password",
    ),
    Opt::new(
        "otp.lifetime",
        Time,
        "\"5m\"",
        Reload,
        "How long a one-time password is valid; at most 65,535 seconds",
    ),
    Opt::new(
        "otp.attempts",
        Count,
        "5",
        Reload,
        "Wrong guesses after which a one-time password is void",
    ),
    Opt::new(
        "otp.per_phone",
        Count,
        "5",
        Reload,
        "One-time passwords that a phone number may be sent in 24 hours",
    ),
    Opt::new(
        "otp.per_phone_and_address",
        Count,
        "3",
        Reload,
        "How many of them one address, or one /64 network of IPv6, may request",
    ),
    Opt::new(
        "otp.issued",
        Rate,
        "\"200, then 12/min\"",
        Reload,
        "One-time passwords over all phone numbers and addresses. It bounds the cost of a sweep \
         through phone numbers",
    ),
    Opt::new(
        "otp.wrong_guesses",
        Rate,
        "\"100, then 2/min\"",
        Reload,
        "Wrong guesses at one-time passwords, over all phone numbers and addresses",
    ),
    Opt::new(
        "otp.unconfirmed",
        Count,
        "65536",
        Reload,
        "Passwords of the last 24 hours that nobody has registered with. Once there are so many, no \
         more are issued",
    ),
    Opt::new(
        "limits.disabled",
        Switch,
        "false",
        Restart,
        "Turn off all rate limits, and what one sender may have stored; for tests and benchmarks, \
         allowed on loopback addresses only",
    )
    .flag("no-limits"),
    Opt::new("limits.connections", Count, "16384", Restart, "Connections at once")
        .flag("connections"),
    Opt::new(
        "limits.packet_memory",
        Size,
        "\"128MiB\"",
        Restart,
        "Memory for what all connections hold, and as much for what their peers leave unread; those \
         with the most are disconnected when it is used up. Senders are slowed down before that, \
         when their packets take a quarter of it",
    )
    .flag("packet-memory"),
    Opt::new(
        "limits.strangers",
        Count,
        "8192",
        Reload,
        "Connections without a session at once. Above it, the oldest of the address with the most \
         gives way to the new one",
    ),
    Opt::new(
        "limits.strangers_per_address",
        Count,
        "256",
        Reload,
        "Connections without a session from one address. Many users may share an address; each \
         needs it only until the session begins",
    ),
    Opt::new(
        "limits.time_to_session",
        Time,
        "\"10s\"",
        Reload,
        "Time from the opening of a connection to its session, after which it is closed",
    ),
    Opt::new(
        "limits.registrations_per_address",
        Rate,
        "\"20, then 10/min\"",
        Reload,
        "Registration packets from one address, or one /64 network of IPv6; a registration takes two",
    ),
    Opt::new(
        "limits.reconnects_per_address",
        Rate,
        "\"50, then 1/s\"",
        Reload,
        "Session requests from one address that fail, or name no user id",
    ),
    Opt::new(
        "limits.key_requests_per_address",
        Rate,
        "\"100, then 5/s\"",
        Reload,
        "Requests for the server's key from one address",
    ),
    Opt::new(
        "limits.refusals_per_address",
        Rate,
        "\"50, then 2/s\"",
        Reload,
        "Errors that the server signs for connections without a session, for one address",
    ),
    Opt::new(
        "limits.reconnects_per_user",
        Rate,
        "\"20, then 12/min\"",
        Reload,
        "Sessions that one user may begin",
    ),
    Opt::new(
        "limits.lookups_per_user",
        Rate,
        "\"200, then 2/s\"",
        Reload,
        "Look-ups of other users by one user",
    ),
    Opt::new(
        "limits.lookups_per_day",
        Count,
        "500",
        Reload,
        "Look-ups by phone number by one user in a day. They reveal who is registered",
    ),
    Opt::new(
        "limits.packets_per_user",
        Rate,
        "\"2000, then 400/s\"",
        Reload,
        "Packets of one user. An error or the answer to a look-up counts as twenty more, each 4 KiB \
         of a message that is stored as one more. Above it, reading from the user pauses",
    ),
    Opt::new(
        "limits.remembered",
        Count,
        "65536",
        Reload,
        "Addresses or users that each rate limiter remembers; above it, new ones are refused unless \
         others owe nothing",
    ),
    Opt::new(
        "limits.exempt_networks",
        List,
        "[]",
        Reload,
        "Networks, such as 192.0.2.0/24, whose addresses no rate limit per address applies to: many \
         users share each of them",
    ),
    Opt::new(
        "limits.in_flight_timeout",
        Time,
        "\"5s\"",
        Reload,
        "Time that a recipient may take to acknowledge, after which what is in flight is stored",
    ),
    Opt::new(
        "limits.unresponsive",
        Time,
        "\"2m\"",
        Reload,
        "Time that a client may take nothing of what waits for it, after which it is disconnected",
    ),
    Opt::new(
        "limits.shutdown",
        Time,
        "\"10s\"",
        Reload,
        "Time that an orderly stop may take",
    ),
    Opt::new(
        "storage.mailbox_messages",
        Count,
        "10000",
        Reload,
        "Messages that may wait for one absent user",
    )
    .flag("mailbox-messages"),
    Opt::new(
        "storage.mailbox_size",
        Size,
        "\"64MiB\"",
        Reload,
        "Size of the messages that may wait for one absent user. Someone to whom the user has never \
         written gets a quarter of it at most, and nothing of the last quarter",
    )
    .flag("mailbox-size"),
    Opt::new(
        "storage.receipts_size",
        Size,
        "\"8MiB\"",
        Reload,
        "Size of the receipts that may wait for one user, who sends no messages while there are more",
    )
    .flag("receipts-size"),
    Opt::new(
        "storage.daily_size",
        Size,
        "\"256MiB\"",
        Reload,
        "Size of the messages that one user may have stored for absent recipients in a day",
    )
    .flag("daily-size"),
    Opt::new(
        "storage.store_size",
        Size,
        "\"16GiB\"",
        Reload,
        "Size of everything that waits; above it, new messages to absent users are refused",
    )
    .flag("store-size"),
    Opt::new(
        "storage.disk_reserve",
        Size,
        "\"256MiB\"",
        Reload,
        "Free space on the disk below which new messages to absent users are refused, so that \
         receipts and sessions still fit",
    )
    .flag("disk-reserve"),
    Opt::new(
        "storage.retention",
        Time,
        "\"30d\"",
        Reload,
        "How long messages wait for an absent user before they expire, and how old one may be when \
         it arrives",
    ),
    Opt::new(
        "storage.clock_step",
        Time,
        "\"1d\"",
        Reload,
        "How far the clock may be ahead of the newest time in the database. Above it nothing \
         expires until the operator runs sealpostd trust-clock; a server that was off for longer \
         needs that, too",
    ),
    Opt::new(
        "metrics.listen",
        Address,
        "\"127.0.0.1:9464\"",
        Restart,
        "Address and port on which HTTP serves /metrics for Prometheus, /live and /ready. Whoever \
         reaches it sees figures that name nobody. Without it there is none of these",
    )
    .flag("metrics")
    .unset(),
    Opt::new(
        "record.file",
        Path,
        "\"incident.jsonl\"",
        Restart,
        "File in which everything that the server is given is recorded, without contents, keys, phone \
         numbers, addresses and user ids, so that sealpost-sim replay shows what it did. The file \
         must not exist. It still reveals when who, by a number, sends how much to whom. Without it nothing is recorded",
    )
    .flag("record")
    .unset(),
    Opt::new(
        "record.size",
        Size,
        "\"256MiB\"",
        Restart,
        "Size at which the recording ends, while the server goes on",
    )
    .flag("record-size"),
    Opt::new(
        "log.level",
        Text,
        "\"info\"",
        Reload,
        "Least important lines that the log on standard error contains: off, error, warn, info, \
         debug or trace; MODULE=LEVEL for one module; or several of these, separated by commas. \
         SEALPOST_LOG sets it, too",
    ),
    Opt::new(
        "log.format",
        Choice(&["text", "json"]),
        "\"text\"",
        Restart,
        "Format of the log: text for one line an entry, with journald's priorities and without the \
         time if journald reads it; json for one JSON object a line",
    )
    .flag("log-format"),
];
