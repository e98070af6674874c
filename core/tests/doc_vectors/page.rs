//! The page, and the lines of a vector.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use sealpost_core::crypto::{PrivateKey, Provider};
use sealpost_core::wire::{Packet, Profile};

/// Vectors of the page, in order.
pub(crate) struct Page(Vec<(&'static str, BTreeMap<&'static str, &'static str>)>);

/// One vector: the lines of its block, by their key.
pub(crate) struct Vector<'a> {
    pub(crate) name: &'a str,
    lines: &'a BTreeMap<&'static str, &'static str>,
}

impl Page {
    /// Reads the page by the rules at its top.
    pub(crate) fn read() -> Self {
        let (mut vectors, mut name) = (Vec::new(), "");
        let mut lines = include_str!("../../../docs/PROTOCOL-VECTORS.md").lines();
        while let Some(line) = lines.next() {
            if let Some(heading) = line.strip_prefix("### ") {
                name = heading;
            } else if line == "```vector" {
                let block = lines.by_ref().take_while(|line| *line != "```");
                let pair = |line: &'static str| {
                    let (key, value) = line.split_once(':').unwrap();
                    (key, value.trim_start())
                };
                vectors.push((name, block.map(pair).collect()));
            }
        }
        Self(vectors)
    }

    pub(crate) fn vectors(&self) -> impl Iterator<Item = Vector<'_>> {
        self.0.iter().map(|(name, lines)| Vector { name, lines })
    }

    pub(crate) fn packets(&self) -> impl Iterator<Item = Vector<'_>> {
        self.vectors().filter(|vector| vector.text("type") == "packet")
    }

    pub(crate) fn vector(&self, name: &str) -> Vector<'_> {
        self.vectors().find(|vector| vector.name == name).unwrap()
    }

    pub(crate) fn key(&self, provider: &Arc<dyn Provider>, name: &str) -> Arc<dyn PrivateKey> {
        provider.load_key(&self.vector(name).bytes("pkcs8")).unwrap()
    }
}

impl Vector<'_> {
    pub(crate) fn has(&self, key: &str) -> bool {
        self.lines.contains_key(key)
    }

    pub(crate) fn text(&self, key: &str) -> &str {
        self.lines.get(key).unwrap_or_else(|| panic!("{}: no {key}", self.name))
    }

    pub(crate) fn number(&self, key: &str) -> u64 {
        self.text(key).parse().unwrap()
    }

    /// Bytes of a line; empty if there is no such line.
    pub(crate) fn bytes(&self, key: &str) -> Vec<u8> {
        hex::decode(self.lines.get(key).copied().unwrap_or_default()).unwrap()
    }

    pub(crate) fn array<const N: usize>(&self, key: &str) -> [u8; N] {
        self.bytes(key).try_into().unwrap()
    }

    pub(crate) fn packet(&self) -> Packet {
        let profile = match self.text("profile") {
            "compact" => Profile::Compact,
            "wide" => Profile::Wide,
            other => panic!("{other}"),
        };
        Packet::parse(profile, Bytes::from(self.bytes("packet"))).unwrap()
    }
}
