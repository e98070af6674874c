//! Pictures in a conversation: as half blocks, where each cell shows two pixels, one above the other,
//! or as images of the terminal's own.
//!
//! A picture is what a stranger has made. It is decoded on a thread of its own, within bounds of
//! size and memory, and a decoder that panics takes nothing with it.

mod decode;
mod file;

pub(crate) use decode::make;
pub(crate) use file::{MAX_BYTES, read};

use ratatui::style::Color;

/// A colour: red, green, blue.
pub(crate) type Rgb = [u8; 3];

/// Which colours the terminal has for pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pictures {
    /// Too few, or the user wants no pictures: only their names are shown.
    Hidden,
    /// The 256 colours of xterm.
    In256Colours,
    /// Any.
    InTrueColour,
    /// Images of the terminal's own.
    AsImages {
        /// Pixels of a cell.
        cell: CellSize,
        /// Id of the first image, of which 24 bits are used.
        first_id: u32,
    },
}

/// Pixels of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellSize {
    pub(crate) width: u16,
    pub(crate) height: u16,
}

impl Default for CellSize {
    /// About the size of a cell in most terminals.
    fn default() -> Self {
        Self { width: 10, height: 20 }
    }
}

/// What a picture is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Half blocks.
    Blocks,
    /// An image with this id.
    Image { id: u32, cell: CellSize },
}

/// Most cells that a picture may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bounds {
    pub(crate) columns: u16,
    pub(crate) rows: u16,
}

/// A picture in the size in which it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thumbnail {
    columns: u16,
    rows: u16,
    pixels: Pixels,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pixels {
    /// The upper and the lower pixel of each cell, row by row.
    Blocks(Vec<[Rgb; 2]>),
    Image(Image),
}

/// An image of the terminal's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) id: u32,
    /// The picture, encoded again: a terminal never gets what a stranger has made.
    pub(crate) png: Vec<u8>,
}

/// Why a picture can't be shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unshowable {
    /// The file can't be read.
    #[error("{0}")]
    Unreadable(String),
    /// It has too many bytes or pixels.
    #[error("it is too large")]
    TooLarge,
    /// It is something else, whatever its name says.
    #[error("it is not a picture of a known kind")]
    NotAPicture,
    /// It is damaged.
    #[error("it is damaged")]
    Damaged,
}

impl Thumbnail {
    const fn of_blocks(cells: Vec<[Rgb; 2]>, (columns, rows): (u16, u16)) -> Self {
        Self { columns, rows, pixels: Pixels::Blocks(cells) }
    }

    pub(crate) const fn of_image(image: Image, (columns, rows): (u16, u16)) -> Self {
        Self { columns, rows, pixels: Pixels::Image(image) }
    }

    /// Columns of cells.
    pub(crate) const fn columns(&self) -> u16 {
        self.columns
    }

    /// Rows of cells.
    pub(crate) const fn rows(&self) -> u16 {
        self.rows
    }

    /// The image, if it is one of the terminal's own.
    pub(crate) const fn image(&self) -> Option<&Image> {
        match &self.pixels {
            Pixels::Blocks(_) => None,
            Pixels::Image(image) => Some(image),
        }
    }

    /// A row of half blocks, from left to right: the upper and the lower pixel of each.
    pub(crate) fn row(&self, row: u16) -> &[[Rgb; 2]] {
        let Pixels::Blocks(cells) = &self.pixels else { return &[] };
        let columns = usize::from(self.columns);
        let start = usize::from(row).saturating_mul(columns);
        cells.get(start..start.saturating_add(columns)).unwrap_or_default()
    }
}

impl Pictures {
    /// The colour of a terminal that is nearest.
    pub(crate) fn colour(self, rgb: Rgb) -> Color {
        let [red, green, blue] = rgb;
        match self {
            Self::InTrueColour | Self::AsImages { .. } => Color::Rgb(red, green, blue),
            Self::In256Colours | Self::Hidden => Color::Indexed(nearest(rgb)),
        }
    }
}

/// The nearest one of xterm's colours: a cube of six steps for each part, and 24 greys.
fn nearest(rgb: Rgb) -> u8 {
    let steps = rgb.map(|part| {
        let distance = |step: &(u8, u8)| step.1.abs_diff(part);
        (0..).zip(CUBE).min_by_key(distance).unwrap_or_default()
    });
    let [(red, _), (green, _), (blue, _)] = steps;
    let in_cube = steps.map(|(_, value)| value);
    let mean = rgb.iter().map(|part| u16::from(*part)).sum::<u16>() / 3;
    let grey = u8::try_from(mean.saturating_sub(3) / 10).unwrap_or(23).min(23);
    let grey_value = grey.saturating_mul(10).saturating_add(8);
    if distance([grey_value; 3], rgb) < distance(in_cube, rgb) {
        return grey.saturating_add(232);
    }
    red.saturating_mul(36)
        .saturating_add(green.saturating_mul(6))
        .saturating_add(blue)
        .saturating_add(16)
}

fn distance(a: Rgb, b: Rgb) -> u32 {
    let square = |(a, b): (u8, u8)| u32::from(a.abs_diff(b)).pow(2);
    a.into_iter().zip(b).map(square).sum()
}

/// What the steps of xterm's cube stand for.
const CUBE: [u8; 6] = [0, 95, 135, 175, 215, 255];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_of_xterm_are_the_nearest_ones() {
        for (rgb, index) in [
            ([0, 0, 0], 16),
            ([255, 255, 255], 231),
            ([255, 0, 0], 196),
            ([95, 135, 175], 67),
            ([128, 128, 128], 244),
            ([8, 8, 8], 232),
            ([238, 238, 238], 255),
        ] {
            assert_eq!(nearest(rgb), index, "{rgb:?}");
        }
    }
}
