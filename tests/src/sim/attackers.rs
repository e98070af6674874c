//! Processes whose packets are written by hand: Mallory, a registered attacker, and strangers, which
//! connect, send something and ignore the answers.

use std::collections::{BTreeMap, VecDeque};

use sealpost_core::ids::{ConnId, Phone};
use sealpost_core::keys::PublicKey;
use sealpost_core::server;
use sealpost_core::wire::{Deframer, Packet, Profile};

use super::crypto::CryptoKind;
use super::model;
use super::step::Attack;
use crate::scripted_client::ScriptedClient;

/// Every attacker.
pub(super) struct Attackers {
    crypto: CryptoKind,
    profile: Profile,
    server_key: PublicKey,
    /// Index of Mallory's key.
    key: usize,
    pub(super) mallory: Mallory,
    pub(super) strangers: Vec<Stranger>,
    /// Last 106 without an id of each client that sent one.
    pub(super) by_phone: BTreeMap<usize, Packet>,
}

/// Somebody who connects, sends packets and reads nothing.
#[derive(Clone, Debug)]
pub(super) struct Stranger {
    pub(super) packets: Vec<Packet>,
    pub(super) admission: Admission,
}

/// Whether a stranger's packets may begin a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// A user signed them, and the server may not have seen them yet.
    Possible,
    /// They are forged, or the server has granted a session for them before.
    Never,
}

/// A registered attacker.
pub(super) struct Mallory {
    pub(super) client: ScriptedClient,
    pub(super) deframer: Deframer,
    pub(super) state: MalloryState,
    pub(super) conns: u64,
    pub(super) todo: VecDeque<(Attack, usize)>,
}

/// State of Mallory's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MalloryState {
    Away,
    Dialling,
    Connecting,
    Online,
    Retired,
}

impl Attackers {
    pub(super) fn new(config: &server::Config, crypto: CryptoKind, clients: usize) -> Self {
        let key = clients + 1;
        let server_key = config.server_key.clone();
        let phone = model::attacker_phone(0);
        let runner = crypto.runner(key, 1);
        let mallory = Mallory {
            client: ScriptedClient::new(
                runner,
                server_key.clone(),
                config.profile,
                phone,
                ConnId(0),
            ),
            deframer: Deframer::new(config.profile),
            state: MalloryState::Away,
            conns: 0,
            todo: VecDeque::new(),
        };
        Self {
            crypto,
            profile: config.profile,
            server_key,
            key,
            mallory,
            strangers: Vec::new(),
            by_phone: BTreeMap::new(),
        }
    }

    /// Whether a phone number belongs to an attacker.
    pub(super) fn has(&self, phone: Phone) -> bool {
        phone == self.mallory.client.phone
    }

    /// Index of Mallory's key, the last one in use from the start.
    pub(super) const fn key(&self) -> usize {
        self.key
    }

    /// Ends all attacks.
    pub(super) fn retire(&mut self) {
        self.mallory.state = MalloryState::Retired;
        self.mallory.todo.clear();
    }

    /// A client with any key and phone number, which is not connected.
    pub(super) fn scripted_client(&self, key: usize, phone: Phone) -> ScriptedClient {
        let runner = self.crypto.runner(key, 2);
        ScriptedClient::new(runner, self.server_key.clone(), self.profile, phone, ConnId(0))
    }
}
