//! Writes the pictures of the terminal client into docs/pictures.

use std::path::Path;
use std::{fs, io};

fn main() -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/pictures");
    fs::create_dir_all(&folder)?;
    for (name, picture) in sealpost_chat::pictures() {
        fs::write(folder.join(name), picture)?;
    }
    Ok(())
}
