//! Events with arbitrary content: encoded ones parse to the same event, and no bytes panic.

use bytes::Bytes;
use proptest::prelude::*;
use sealpost_core::event::EncodedEvent;

use crate::arb;

proptest! {
    #[test]
    fn encoded_events_parse_to_the_same(event in arb::event()) {
        let encoded = EncodedEvent::new(event.clone());
        let parsed = EncodedEvent::parse(Bytes::copy_from_slice(encoded.as_bytes())).unwrap();
        prop_assert_eq!(parsed.event(), Ok(&event));
        prop_assert_eq!(parsed, encoded);
    }

    #[test]
    fn an_edited_event_is_refused_or_encoded_to_itself(
        event in arb::event(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = EncodedEvent::new(event).as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(parsed) = EncodedEvent::parse(bytes.clone().into())
            && let Ok(event) = parsed.event()
        {
            let again = EncodedEvent::new(event.clone());
            // The head of the map counts its fields: with the same number, none was ignored.
            if again.as_bytes()[0] == bytes[0] {
                prop_assert_eq!(again.as_bytes(), bytes);
            }
        }
    }

    #[test]
    fn an_event_that_is_cut_is_refused(event in arb::event(), at in any::<prop::sample::Index>()) {
        let bytes = EncodedEvent::new(event).as_bytes().to_vec();
        let cut = bytes[..at.index(bytes.len())].to_vec();
        prop_assert!(EncodedEvent::parse(cut.into()).is_err());
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = EncodedEvent::parse(bytes.into());
    }
}
