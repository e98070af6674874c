//! The settings of a server without what they tell about its operator.

use std::time::Duration;

use sealpost_core::server::limits::{Limits, Rate};
use sealpost_core::server::{
    Config, OtpChannel, PhonePrefix, Reconfiguration, RegisteredPhones, Registrants, Registration,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::stand_ins::{EXEMPT, LISTED};
use crate::words::Word;

/// Settings in which lists of phone prefixes and networks are taken out. Each phone number and each
/// address says whether it was in them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettingsRecord {
    otp_channel: Word<OtpChannel>,
    registered_phones: Word<RegisteredPhones>,
    open_to: Word<Registrants>,
    has_phone_prefixes: bool,
    limits: Map<String, Value>,
}

impl SettingsRecord {
    pub(crate) fn of_config(config: &Config) -> Self {
        Self::new(
            config.otp_channel,
            config.registered_phones,
            &config.registration,
            &config.limits,
        )
    }

    pub(crate) fn of_change(change: &Reconfiguration) -> Self {
        Self::new(
            change.otp_channel,
            change.registered_phones,
            &change.registration,
            &change.limits,
        )
    }

    fn new(
        otp_channel: OtpChannel,
        registered_phones: RegisteredPhones,
        registration: &Registration,
        limits: &Limits,
    ) -> Self {
        Self {
            otp_channel: Word(otp_channel),
            registered_phones: Word(registered_phones),
            open_to: Word(registration.open_to),
            has_phone_prefixes: !registration.phone_prefixes.is_empty(),
            limits: emit(limits),
        }
    }

    /// Settings under which the machine treats stand-ins as it did what they stand for; `None` if a
    /// limit is missing.
    pub(crate) fn restore(&self) -> Option<Reconfiguration> {
        let prefixes: Vec<PhonePrefix> = LISTED.parse().into_iter().collect();
        Some(Reconfiguration {
            otp_channel: self.otp_channel.0,
            registered_phones: self.registered_phones.0,
            registration: Registration {
                open_to: self.open_to.0,
                phone_prefixes: if self.has_phone_prefixes { prefixes } else { Vec::new() },
            },
            exempt_networks: EXEMPT.parse().into_iter().collect(),
            limits: parse(&self.limits)?,
        })
    }
}

/// A value of a limit in JSON.
trait Figure: Sized {
    fn emit(&self) -> Value;
    fn parse(value: &Value) -> Option<Self>;
}

macro_rules! counts {
    ($($Type:ty),+) => {
        $(impl Figure for $Type {
            fn emit(&self) -> Value {
                (*self).into()
            }

            fn parse(value: &Value) -> Option<Self> {
                value.as_u64()?.try_into().ok()
            }
        })+
    };
}

counts!(u8, u32, u64, usize);

impl Figure for Duration {
    fn emit(&self) -> Value {
        // Longer than any clock runs.
        u64::try_from(self.as_micros()).unwrap_or(u64::MAX).into()
    }

    fn parse(value: &Value) -> Option<Self> {
        value.as_u64().map(Self::from_micros)
    }
}

impl Figure for Rate {
    fn emit(&self) -> Value {
        Value::Array(vec![self.burst.emit(), self.every.emit()])
    }

    fn parse(value: &Value) -> Option<Self> {
        let [burst, every] = value.as_array()?.as_slice() else { return None };
        Some(Self { burst: Figure::parse(burst)?, every: Figure::parse(every)? })
    }
}

/// Lists every limit once. A new one that is missing here does not compile.
macro_rules! limits {
    ($($limit:ident),+ $(,)?) => {
        fn emit(limits: &Limits) -> Map<String, Value> {
            let Limits { $($limit),+ } = limits;
            [$((stringify!($limit).to_owned(), $limit.emit())),+].into_iter().collect()
        }

        fn parse(limits: &Map<String, Value>) -> Option<Limits> {
            Some(Limits { $($limit: Figure::parse(limits.get(stringify!($limit))?)?),+ })
        }
    };
}

limits! {
    connections, strangers, strangers_per_address, stranger_jobs, time_to_session, under_way,
    waiting_requests, registrations_per_address, reconnects_per_address, key_requests_per_address,
    refusals_per_address, reconnects_per_user, suspended_retry, lookups_per_user, lookups_per_day,
    packets_per_user, unread_bytes, remembered, otp_ttl, otp_attempts, otps_per_phone,
    otps_per_phone_and_address, otps, otps_issued, wrong_guesses, clock_skew, retention,
    expire_every, clock_step, expire_batch, server_key_ttl, checks_per_conn, unstored_per_user,
    held_bytes, held_bytes_in_all, connection_bytes_in_all, stored_bytes_per_day, receipt_bytes,
    replies_per_conn, refused_messages, unfinished, acks_per_packet, in_flight_items,
    in_flight_bytes, in_flight_bytes_in_all, in_flight_timeout, unresponsive, drain_items,
    drain_bytes, append_batch, store_retry, shutdown,
}
