//! Times within which things must happen in a simulation, by the latencies and limits of its plan.

use sealpost_core::server::limits::{Limits, Rate};

use super::settings::Settings;

/// Times within which promises must be kept, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) queued: u64,
    pub(super) acknowledged: u64,
    pub(super) received: u64,
    /// One window of a drain.
    pub(super) window: u64,
    pub(super) resumed: u64,
    /// What each message that was written adds to every bound.
    pub(super) per_message: u64,
    /// Longest pause that the server asks for in a session; 0 without rate limits.
    pub(super) retry_after_secs: u64,
}

impl Bounds {
    pub(super) fn new(settings: &Settings) -> Self {
        let (server, client) = (settings.server_limits(), settings.client_limits());
        let (hop, job) = (settings.latency.1, settings.job);
        // An operation waits for the transaction in progress before its own begins.
        // What servers share is stored and read again before it is sent.
        let steps = if settings.servers > 1 { 2 } else { 1 };
        let server_store = 2 * steps * (settings.commit + settings.outcome + 1);
        let client_store = 2 * (settings.client_commit + 1);
        let people = settings.clients + settings.greedy;
        let lookup_rounds = people.div_ceil(client.lookups_at_once) as u64;
        let lookup = lookup_rounds * (2 * hop + 3 * job + server_store + client_store);
        let arrival = hop + 3 * job + 3 * server_store;
        let round = 2 * arrival + lookup + 4 * client_store + 3 * job + MARGIN;
        let in_flight = micros(server.in_flight_timeout);
        let debt = micros(server.packets_per_user.every);
        // Under tight limits, or through a narrow window, messages may have to go one by one.
        let windows = 1 + (LARGEST_MESSAGE / settings.window) as u64;
        let one_by_one = if is_roomy(settings) { 0 } else { windows * round };
        Self {
            queued: round,
            acknowledged: in_flight + round,
            received: round,
            window: micros(client.taken_gather) + round,
            resumed: round,
            per_message: debt + one_by_one,
            retry_after_secs: longest_pause_secs(settings, &server),
        }
    }
}

/// Whether nothing but the environment slows a plan down: all limits are those of production.
/// Under tight limits, a queue of messages takes any time.
fn is_roomy(settings: &Settings) -> bool {
    let environment = settings.clone();
    *settings
        == Settings {
            clients: environment.clients,
            width: environment.width,
            crypto: environment.crypto,
            otps: environment.otps,
            rates: environment.rates,
            packet_burst: environment.packet_burst,
            servers: environment.servers,
            look_again_ms: environment.look_again_ms,
            // Who reaches these is refused, not slowed down.
            greedy: environment.greedy,
            quota_bytes: environment.quota_bytes,
            store_bytes: environment.store_bytes,
            day_bytes: environment.day_bytes,
            receipt_bytes: environment.receipt_bytes,
            day_lookups: environment.day_lookups,
            end_ms: environment.end_ms,
            latency: environment.latency,
            piece: environment.piece,
            congested_at: environment.congested_at,
            commit: environment.commit,
            outcome: environment.outcome,
            client_commit: environment.client_commit,
            job: environment.job,
            unmarked_per_mille: environment.unmarked_per_mille,
            ..Settings::default()
        }
}

/// Longest time, in seconds, after which a limit allows another event. The look-ups of a day
/// are renewed with the next one. The bytes of a day may be exceeded by what is admitted before it is
/// stored, and then take longer.
fn longest_pause_secs(settings: &Settings, limits: &Limits) -> u64 {
    if settings.day_bytes < u64::MAX {
        let people = settings.clients + settings.greedy;
        let window = limits.in_flight_bytes.max(limits.drain_bytes as usize) + LARGEST_MESSAGE;
        let excess = (limits.held_bytes + LARGEST_MESSAGE + people * window) as u64;
        return DAY_SECS * (1 + excess.div_ceil(settings.day_bytes));
    }
    if settings.day_lookups < u32::MAX {
        return DAY_SECS;
    }
    let rates = [
        limits.registrations_per_address,
        limits.reconnects_per_address,
        limits.refusals_per_address,
        limits.otps_issued,
        limits.wrong_guesses,
        limits.reconnects_per_user,
        limits.lookups_per_user,
        limits.packets_per_user,
    ];
    let pauses = rates.map(|Rate { every, .. }| every.as_millis().div_ceil(1_000));
    u64::try_from(pauses.into_iter().max().unwrap_or(0)).unwrap_or(u64::MAX)
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Time for what the bounds do not count, in microseconds.
const MARGIN: u64 = 1_000_000;
pub(super) const DAY_SECS: u64 = 86_400;
/// More bytes than a packet of the plans has.
pub(super) const LARGEST_MESSAGE: usize = 20_000;
