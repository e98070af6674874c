//! The pictures of a conversation: which ones are shown, and in which size.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sealpost_messenger::api::{Body, Entry, FileState};

use crate::thumbnail::{Bounds, Form, Pictures, Thumbnail, Unshowable};

/// Pictures that were asked for, by the paths of their files.
#[derive(Clone, Debug)]
pub(crate) struct Gallery {
    pub(crate) pictures: Pictures,
    /// Count of pictures that were asked for.
    asked: u32,
    frames: BTreeMap<String, Frame>,
}

/// A picture, or the place for it.
#[derive(Clone, Debug)]
struct Frame {
    /// The bounds for which it was asked last.
    bounds: Bounds,
    is_awaited: bool,
    shown: Option<Result<Arc<Thumbnail>, Unshowable>>,
}

impl Gallery {
    pub(crate) const fn new(pictures: Pictures) -> Self {
        Self { pictures, asked: 0, frames: BTreeMap::new() }
    }

    /// What is known of the picture in a file.
    pub(crate) fn shown(&self, path: &str) -> Option<&Result<Arc<Thumbnail>, Unshowable>> {
        self.frames.get(path)?.shown.as_ref()
    }

    /// The form to make the picture in, if it has to be made now. There is one request for each picture
    /// at a time.
    pub(crate) fn ask(&mut self, path: &str, bounds: Bounds) -> Option<Form> {
        let form = match self.pictures {
            Pictures::Hidden => return None,
            Pictures::In256Colours | Pictures::InTrueColour => Form::Blocks,
            Pictures::AsImages { cell, first_id } => {
                // Another size is another image.
                let id = first_id.wrapping_add(self.asked) % MAX_ID;
                Form::Image { id: id.saturating_add(1), cell }
            }
        };
        let is_due = self.is_due(path, bounds);
        self.asked = self.asked.wrapping_add(u32::from(is_due));
        is_due.then_some(form)
    }

    fn is_due(&mut self, path: &str, bounds: Bounds) -> bool {
        match self.frames.get_mut(path) {
            Some(frame) if frame.is_awaited || frame.bounds == bounds => false,
            // Another size does not mend it.
            Some(Frame { shown: Some(Err(_)), .. }) => false,
            Some(frame) => {
                (frame.bounds, frame.is_awaited) = (bounds, true);
                true
            }
            None => {
                let frame = Frame { bounds, is_awaited: true, shown: None };
                self.frames.insert(path.to_owned(), frame);
                true
            }
        }
    }

    pub(crate) fn take(&mut self, path: &str, made: Result<Thumbnail, Unshowable>) {
        if let Some(frame) = self.frames.get_mut(path) {
            frame.is_awaited = false;
            frame.shown = Some(made.map(Arc::new));
        }
    }

    /// Bounds what is held: forgets pictures other than these if there are many.
    pub(crate) fn keep(&mut self, visible: &BTreeSet<String>) {
        if self.frames.len() > MAX_FRAMES {
            self.frames.retain(|path, frame| frame.is_awaited || visible.contains(path));
        }
    }
}

/// The path of the picture that an entry shows: one that its recipient has accepted and has, or that
/// is sent from here. What kind of file it is says whoever sends it.
pub(crate) fn picture_of(entry: &Entry) -> Option<&str> {
    let Body::File { media_type, state, path: Some(path), .. } = &entry.body else { return None };
    let is_here = *state == FileState::Complete || entry.from.is_none();
    (is_here && MEDIA_TYPES.contains(&media_type.as_str())).then_some(path)
}

const MEDIA_TYPES: [&str; 4] = ["image/gif", "image/jpeg", "image/png", "image/webp"];

/// Largest id of an image: the colour that names it has 24 bits.
const MAX_ID: u32 = 0x00ff_ffff;

/// Pictures that are held while they are not on the screen.
const MAX_FRAMES: usize = 64;
