//! Pictures in the documents.

use std::fs;
use std::path::Path;

#[test]
fn pictures_show_the_screen_as_it_is() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/pictures");
    for (name, picture) in sealpost_chat::pictures() {
        let kept = fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(kept == picture, "{name}: cargo run -p sealpost-chat --example pictures");
    }
}
