//! What is written to a terminal that shows images by the protocol of kitty. Where they are shown, its
//! cells say.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::output::base64;
use crate::thumbnail::{Image, Thumbnail};

/// The images that the terminal has.
#[derive(Debug, Default)]
pub(super) struct Images {
    sent: BTreeSet<u32>,
}

impl Images {
    /// Sends what the terminal does not have yet. If it has many, those that are not shown go.
    pub(super) fn show(
        &mut self,
        shown: &[impl AsRef<Thumbnail>],
        out: &mut impl Write,
    ) -> io::Result<()> {
        let mut ids = BTreeSet::new();
        for picture in shown {
            let picture = picture.as_ref();
            let Some(image) = picture.image() else { continue };
            ids.insert(image.id);
            if self.sent.insert(image.id) {
                send(image, (picture.columns(), picture.rows()), out)?;
            }
        }
        if self.sent.len() > MAX_IMAGES {
            for id in self.sent.difference(&ids) {
                delete(*id, out)?;
            }
            self.sent = ids;
        }
        out.flush()
    }

    /// Deletes all images, before others have the terminal.
    pub(super) fn delete(&mut self, out: &mut impl Write) -> io::Result<()> {
        for id in std::mem::take(&mut self.sent) {
            delete(id, out)?;
        }
        out.flush()
    }
}

/// Sends an image as PNG, to be shown where cells ask for it (`U=1`). The terminal answers nothing
/// (`q=2`): an answer would look like keys.
fn send(image: &Image, (columns, rows): (u16, u16), out: &mut impl Write) -> io::Result<()> {
    let id = image.id;
    let mut keys = format!("a=T,U=1,f=100,i={id},c={columns},r={rows},q=2,");
    let mut chunks = image.png.chunks(CHUNK).peekable();
    while let Some(chunk) = chunks.next() {
        let more = u8::from(chunks.peek().is_some());
        write!(out, "\x1b_G{keys}m={more};{}\x1b\\", base64(chunk))?;
        "q=2,".clone_into(&mut keys);
    }
    Ok(())
}

fn delete(id: u32, out: &mut impl Write) -> io::Result<()> {
    write!(out, "\x1b_Ga=d,d=I,i={id},q=2\x1b\\")
}

/// Bytes of an image in one command: a command has at most 4,096 digits, of which each is 6 bits.
const CHUNK: usize = 3072;

/// Images that the terminal holds while they are not shown.
const MAX_IMAGES: usize = 32;

#[cfg(test)]
mod tests {
    use ratatui::layout::Size;
    use ratatui::style::Color;
    use unicode_width::UnicodeWidthStr;

    use super::*;
    use crate::thumbnail::CellSize;
    use crate::{Pictures, Stage, Theme};

    fn picture(id: u32, len: usize) -> [Box<Thumbnail>; 1] {
        [Box::new(Thumbnail::of_image(Image { id, png: vec![7; len] }, (4, 2)))]
    }

    fn written(act: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        act(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// What a terminal shows of the demo: what was sent, and the cells that stand for parts of images.
    #[test]
    fn cells_ask_for_the_parts_of_the_image_that_is_sent() {
        let now = "2026-11-26T12:03:00Z".parse().unwrap();
        let pictures = Pictures::AsImages { cell: CellSize::default(), first_id: 0x0001_0203 };
        let stage = Stage::new(Size::new(80, 24), now, Theme::Dark).with_pictures(pictures);
        let picture = stage.picture();
        let sent = written(|out| Images::default().show(&picture.shown, out));
        let (keys, _) = sent.split_once(';').unwrap();
        let wanted = "\x1b_Ga=T,U=1,f=100,i=66052,c=";
        let size = keys.strip_prefix(wanted).unwrap_or_else(|| panic!("{keys}"));
        let digits: Vec<u16> =
            size.split([',', '=']).filter_map(|number| number.parse().ok()).collect();
        let [columns, rows, ..] = digits[..] else { panic!("{keys}") };
        let cells = picture.buffer.content().iter();
        let shown: Vec<_> = cells.filter(|cell| cell.symbol().starts_with('\u{10eeee}')).collect();
        assert_eq!(shown.len() % usize::from(columns), 0, "whole rows");
        assert!(shown.len() <= usize::from(columns) * usize::from(rows) && !shown.is_empty());
        let different: BTreeSet<_> = shown.iter().map(|cell| cell.symbol()).collect();
        assert_eq!(different.len(), shown.len(), "each has its own place");
        // 66052 is 1 × 65536 + 2 × 256 + 4.
        assert!(
            shown.iter().all(|cell| cell.fg == Color::Rgb(1, 2, 4) && cell.symbol().width() == 1)
        );
    }

    #[test]
    fn image_is_sent_once_and_in_pieces() {
        let mut images = Images::default();
        let shown = picture(300, CHUNK + 1);
        let sent = written(|out| images.show(&shown, out));
        let commands: Vec<&str> = sent.split_terminator("\x1b\\").collect();
        let [first, last] = commands[..] else { panic!("{commands:?}") };
        let (keys, digits) = first.split_once(';').unwrap();
        assert_eq!(keys, "\x1b_Ga=T,U=1,f=100,i=300,c=4,r=2,q=2,m=1");
        assert_eq!(digits.len(), 4096);
        assert_eq!(last, "\x1b_Gq=2,m=0;Bw==");
        assert_eq!(written(|out| images.show(&shown, out)), "");
    }

    #[test]
    fn images_are_deleted_when_they_are_many_and_at_the_end() {
        let mut images = Images::default();
        for id in 1..=u32::try_from(MAX_IMAGES).unwrap() {
            assert!(!written(|out| images.show(&picture(id, 1), out)).contains("a=d"));
        }
        let sent = written(|out| images.show(&picture(99, 1), out));
        assert_eq!(sent.matches("a=d,d=I,i=").count(), MAX_IMAGES);
        let deleted = written(|out| images.delete(out));
        assert_eq!(deleted, "\x1b_Ga=d,d=I,i=99,q=2\x1b\\");
        assert_eq!(written(|out| images.delete(out)), "");
    }
}
