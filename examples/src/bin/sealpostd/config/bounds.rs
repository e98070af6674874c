//! The limits of the machine and of the store, from the configuration.

use sealpost_core::server::limits;
use sealpost_storage::{Quota, Shares};

use super::Config;

impl Config {
    /// The limits of the server machine, for a process that can have this many connections.
    pub(crate) fn core_limits(&self, connections: usize) -> limits::Limits {
        let memory = usize::try_from(self.limits.packet_memory.0).unwrap_or(usize::MAX);
        let (limits, otp, storage) = (&self.limits, &self.otp, &self.storage);
        let fixed = limits::Limits {
            connections,
            held_bytes_in_all: memory / 4,
            in_flight_bytes_in_all: memory / 4,
            connection_bytes_in_all: memory,
            time_to_session: limits.time_to_session.0,
            remembered: limits.remembered,
            in_flight_timeout: limits.in_flight_timeout.0,
            unresponsive: limits.unresponsive.0,
            shutdown: limits.shutdown.0,
            otp_ttl: otp.lifetime.0,
            otp_attempts: otp.attempts,
            otps: otp.unconfirmed,
            otps_per_phone: otp.per_phone,
            otps_per_phone_and_address: otp.per_phone_and_address,
            receipt_bytes: storage.receipts_size.0,
            retention: storage.retention.0,
            clock_step: storage.clock_step.0,
            ..limits::Limits::without_rates()
        };
        if limits.disabled {
            return fixed;
        }
        limits::Limits {
            strangers: limits.strangers,
            strangers_per_address: limits.strangers_per_address,
            stranger_jobs: limits::Limits::default().stranger_jobs,
            registrations_per_address: limits.registrations_per_address.0,
            reconnects_per_address: limits.reconnects_per_address.0,
            key_requests_per_address: limits.key_requests_per_address.0,
            refusals_per_address: limits.refusals_per_address.0,
            reconnects_per_user: limits.reconnects_per_user.0,
            lookups_per_user: limits.lookups_per_user.0,
            lookups_per_day: limits.lookups_per_day,
            packets_per_user: limits.packets_per_user.0,
            otps_issued: otp.issued.0,
            wrong_guesses: otp.wrong_guesses.0,
            stored_bytes_per_day: storage.daily_size.0,
            ..fixed
        }
    }

    /// What mailboxes and the store may hold.
    pub(crate) fn quota(&self) -> Quota {
        let storage = &self.storage;
        let (shares, disk_reserve_bytes) = if self.limits.disabled {
            (Shares::Unlimited, 0)
        } else {
            (Shares::Limited, storage.disk_reserve.0)
        };
        Quota {
            messages: storage.mailbox_messages,
            bytes: storage.mailbox_size.0,
            shares,
            store_bytes: storage.store_size.0,
            disk_reserve_bytes,
        }
    }
}

/// Key of the option that sets a field of the machine's limits.
pub(super) fn key(field: &str) -> Option<&'static str> {
    let (_, key) = KEYS.iter().find(|(name, _)| *name == field)?;
    Some(key)
}

/// The fields that can be wrong, and the options that set them.
const KEYS: [(&str, &str); 18] = [
    ("connections", "limits.connections"),
    ("connection_bytes_in_all", "limits.packet_memory"),
    ("held_bytes_in_all", "limits.packet_memory"),
    ("in_flight_bytes_in_all", "limits.packet_memory"),
    ("strangers", "limits.strangers"),
    ("strangers_per_address", "limits.strangers_per_address"),
    ("time_to_session", "limits.time_to_session"),
    ("remembered", "limits.remembered"),
    ("in_flight_timeout", "limits.in_flight_timeout"),
    ("unresponsive", "limits.unresponsive"),
    ("shutdown", "limits.shutdown"),
    ("otp_ttl", "otp.lifetime"),
    ("otp_attempts", "otp.attempts"),
    ("otps_per_phone", "otp.per_phone"),
    ("otps_per_phone_and_address", "otp.per_phone_and_address"),
    ("retention", "storage.retention"),
    ("clock_step", "storage.clock_step"),
    ("expire_every", "storage.clock_step"),
];

#[cfg(test)]
mod tests {
    use sealpost_core::server::limits::Limits;

    use super::*;
    use crate::config::{Settings, options::Opt};

    #[test]
    fn defaults_are_those_of_the_machine_and_of_the_store() {
        let config = Config::new(&Settings::defaults().unwrap()).unwrap();
        assert_eq!(config.core_limits(16_384), Limits::default());
        assert_eq!(config.quota(), Quota::default());
    }

    #[test]
    fn fields_are_named_by_options_that_there_are() {
        for (field, key) in KEYS {
            assert!(Opt::find(key).is_some(), "{field}: {key}");
        }
    }
}
