//! The settings of a plan: the world, its latencies, and the limits of its machines.

use std::time::Duration;

use sealpost_core::client;
use sealpost_core::server::Servers;
use sealpost_core::server::limits::{Limits, packet_memory};
use sealpost_core::wire::Profile;
use sealpost_storage::{Quota, Shares};
use serde::{Deserialize, Serialize};

use super::crypto::CryptoKind;

/// How users get their one-time passwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Otps {
    /// In the answer to their request.
    InBand,
    /// Out of band, with a delay. Some are lost.
    #[serde(rename = "messenger")]
    OutOfBand,
}

/// Who can register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Registering {
    /// Everybody.
    Open,
    /// Whoever has an invitation. Clients have good ones, and try others.
    Invited,
}

/// Width of the deployment's ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names of PROTOCOL")]
pub enum Width {
    Compact,
    Wide,
}

/// Whether the server limits rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rates {
    /// The default limits apply.
    Limited,
    /// No limits apply.
    #[serde(rename = "free")]
    Unlimited,
}

/// Settings of a world. Times are in microseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the limits that these fields set explain them")]
pub struct Settings {
    pub clients: usize,
    pub width: Width,
    pub crypto: CryptoKind,
    pub otps: Otps,
    pub registering: Registering,
    pub rates: Rates,
    /// Time at which faults stop, in milliseconds.
    pub end_ms: u64,

    /// Minimum and maximum latency of a byte.
    pub latency: (u64, u64),
    /// Maximum number of bytes that arrive together; 0 for one packet at a time.
    pub piece: usize,
    /// Maximum number of bytes in flight in one direction.
    pub window: usize,
    /// Number of queued bytes above which a connection is congested.
    pub congested_at: usize,

    /// Maximum duration of a transaction of the server.
    pub commit: u64,
    /// Maximum delay of an outcome of the server's disk. Above 0, outcomes overtake each other.
    pub outcome: u64,
    /// Maximum duration of a transaction of a client.
    pub client_commit: u64,
    /// Maximum duration of a job.
    pub job: u64,
    /// Number of messages, in a thousand, that an application does not mark as shown.
    pub unmarked_per_mille: u64,

    pub quota_messages: u64,
    pub in_flight_items: usize,
    pub in_flight_bytes: usize,
    pub drain_items: u32,
    pub drain_bytes: u32,
    pub append_batch: usize,
    pub checks_per_conn: usize,
    pub unstored_per_user: usize,
    pub replies_per_conn: usize,
    pub acks_per_packet: usize,
    /// Packets that a user may send at once, if rates are limited.
    pub packet_burst: u32,

    /// Number of servers that share the store.
    pub servers: usize,
    /// How often they read each mailbox again, in milliseconds.
    pub look_again_ms: u64,

    /// Number of greedy users.
    pub greedy: usize,
    pub quota_bytes: u64,
    pub store_bytes: u64,
    /// Bytes of messages that a user may have stored in a day.
    pub day_bytes: u64,
    pub receipt_bytes: u64,
    /// Look-ups by phone in a day.
    pub day_lookups: u32,

    pub client_in_flight: usize,
    pub client_sealing: usize,
    pub client_enqueue: usize,
    pub client_arriving: usize,
    pub client_receipts_signing: usize,
    pub client_receipt_items: usize,
    pub client_receipt_numbers: u64,
    pub client_taken: usize,
    pub client_page: u32,
}

impl Default for Settings {
    /// Production limits, and a network without faults.
    fn default() -> Self {
        let (server, client) = (Limits::default(), client::Limits::default());
        Self {
            clients: 2,
            width: Width::Compact,
            crypto: CryptoKind::Insecure,
            otps: Otps::InBand,
            registering: Registering::Open,
            rates: Rates::Unlimited,
            end_ms: 10_000,
            latency: (5_000, 10_000),
            piece: 0,
            window: 1 << 20,
            congested_at: 1 << 20,
            commit: 2_000,
            outcome: 0,
            client_commit: 2_000,
            job: 500,
            unmarked_per_mille: 0,
            quota_messages: 10_000,
            in_flight_items: server.in_flight_items,
            in_flight_bytes: server.in_flight_bytes,
            drain_items: server.drain_items,
            drain_bytes: server.drain_bytes,
            append_batch: server.append_batch,
            checks_per_conn: server.checks_per_conn,
            unstored_per_user: server.unstored_per_user,
            replies_per_conn: server.replies_per_conn,
            acks_per_packet: server.acks_per_packet,
            packet_burst: server.packets_per_user.burst,
            servers: 1,
            look_again_ms: 60_000,
            greedy: 0,
            quota_bytes: Quota::default().bytes,
            store_bytes: Quota::default().store_bytes,
            day_bytes: u64::MAX,
            receipt_bytes: server.receipt_bytes,
            day_lookups: u32::MAX,
            client_in_flight: client.in_flight_messages,
            client_sealing: client.sealing,
            client_enqueue: client.enqueue_batch,
            client_arriving: client.arriving,
            client_receipts_signing: client.receipts_signing,
            client_receipt_items: client.receipt_items,
            client_receipt_numbers: client.receipt_numbers,
            client_taken: client.taken_items,
            client_page: client.unshown_page,
        }
    }
}

impl Settings {
    /// Profile of the deployment.
    pub const fn profile(&self) -> Profile {
        match self.width {
            Width::Compact => Profile::Compact,
            Width::Wide => Profile::Wide,
        }
    }

    /// Limits of the server.
    pub fn server_limits(&self) -> Limits {
        let mut base = match self.rates {
            Rates::Limited => Limits::default(),
            Rates::Unlimited => Limits::without_rates(),
        };
        base.packets_per_user.burst = self.packet_burst;
        // Derived, so that a seed of an earlier version still draws the same settings.
        let held_bytes = self.unstored_per_user * TYPICAL_PACKET;
        Limits {
            held_bytes,
            held_bytes_in_all: 2 * (held_bytes + self.unstored_per_user * packet_memory(0)),
            in_flight_bytes_in_all: 2
                * (self.in_flight_bytes + self.in_flight_items * packet_memory(0)),
            in_flight_items: self.in_flight_items,
            in_flight_bytes: self.in_flight_bytes,
            drain_items: self.drain_items,
            drain_bytes: self.drain_bytes,
            append_batch: self.append_batch,
            checks_per_conn: self.checks_per_conn,
            unstored_per_user: self.unstored_per_user,
            replies_per_conn: self.replies_per_conn,
            acks_per_packet: self.acks_per_packet,
            stored_bytes_per_day: base.stored_bytes_per_day.min(self.day_bytes),
            receipt_bytes: self.receipt_bytes,
            lookups_per_day: base.lookups_per_day.min(self.day_lookups),
            ..base
        }
    }

    /// What each server knows of the others.
    pub const fn sharing(&self) -> Servers {
        let look_again = Duration::from_millis(self.look_again_ms);
        if self.servers > 1 { Servers::Several { look_again } } else { Servers::One }
    }

    /// Capacity of the server's store. A mailbox of few messages has no shares.
    pub fn quota(&self) -> Quota {
        Quota {
            messages: self.quota_messages,
            bytes: self.quota_bytes,
            shares: if self.quota_messages < 4 { Shares::Unlimited } else { Shares::Limited },
            store_bytes: self.store_bytes,
            ..Quota::default()
        }
    }

    /// Limits of the clients.
    pub fn client_limits(&self) -> client::Limits {
        client::Limits {
            in_flight_messages: self.client_in_flight,
            sealing: self.client_sealing,
            enqueue_batch: self.client_enqueue,
            arriving: self.client_arriving,
            receipts_signing: self.client_receipts_signing,
            receipt_items: self.client_receipt_items,
            receipt_numbers: self.client_receipt_numbers,
            taken_items: self.client_taken,
            unshown_page: self.client_page,
            ..client::Limits::default()
        }
    }
}

/// Bytes of a packet with a short text, about.
const TYPICAL_PACKET: usize = 800;
