//! Events (PROTOCOL 5.4).

use sealpost_core::event::{EncodedEvent, Event};

/// Parses the input as an event.
///
/// Properties: nothing panics; an event keeps its bytes; what this version knows of it is encoded to
/// an event that says the same, in the same bytes if no field was ignored, and never in more.
///
/// # Panics
/// If one of these properties is violated.
pub fn event(data: &[u8]) {
    let Ok(encoded) = EncodedEvent::parse(data.to_vec().into()) else { return };
    assert_eq!(encoded.as_bytes(), data);
    let Ok(event) = encoded.event() else { return };
    let again = EncodedEvent::new(event.clone());
    assert!(again.as_bytes().len() <= data.len());
    // The head of the map counts its fields.
    if again.as_bytes()[0] == data[0] {
        assert_eq!(again.as_bytes(), data);
    }
    assert_eq!(parsed(again.as_bytes()), *event);
}

fn parsed(bytes: &[u8]) -> Event {
    let encoded = EncodedEvent::parse(bytes.to_vec().into()).expect("it was encoded");
    encoded.event().expect("it is known").clone()
}
