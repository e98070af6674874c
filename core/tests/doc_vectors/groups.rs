//! States of groups verify, and have their hashes.

use sealpost_core::event::StateHash;
use sealpost_core::groups::{DOMAIN, States};

use crate::page::Page;
use crate::providers;

#[test]
fn group_states_verify_and_have_their_hashes() {
    let page = Page::read();
    let vector = page.vector("group_states");
    for provider in providers() {
        let states = States::verify(&vector.bytes("states"), |check| {
            provider.verify(check.key, check.message, check.signature)
        });
        let states = states.unwrap();
        assert_eq!(states.encode(), vector.bytes("states"));
        let [first, second] = states.as_slice() else { panic!("{states:?}") };
        assert_eq!(first.hash(), StateHash(vector.array("previous")));
        assert_eq!(second.hash(), StateHash(vector.array("hash")));
        let text = [DOMAIN.as_bytes(), &vector.bytes("state")].concat();
        assert_eq!(second.state().signed_text(), text);
        let alice = page.key(&provider, vector.text("signed_by"));
        assert_eq!(second.state().writer(), alice.public_key().fingerprint());
        let signature = vector.bytes("signature");
        assert!(provider.verify(alice.public_key(), &text, &signature).is_ok());
        let [alice, bob] =
            ["alice", "bob"].map(|name| *page.key(&provider, name).public_key().fingerprint());
        assert!(second.state().is_owner(&alice) && second.state().has_joined(&bob));
        assert!(!first.state().has_joined(&bob));
    }
}
