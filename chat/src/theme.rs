//! What texts mean, and how that looks.

use ratatui::style::{Color, Modifier, Style};

use crate::thumbnail::Rgb;

/// A part of a line that has one meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) text: String,
    pub(crate) tone: Tone,
}

impl Span {
    pub(crate) fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self { text: text.into(), tone }
    }
}

/// A row of text, from left to right.
pub(crate) type Line = Vec<Span>;

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// What people write.
    Text,
    /// What matters less: times, hints.
    Faint,
    /// Titles, and what is chosen.
    Strong,
    /// The name of an author, in one of several colours.
    Author(u8),
    /// The account's own user.
    Own,
    /// A count of what was not seen, and where that begins.
    Unread,
    /// The program speaks: notices.
    Notice,
    /// It wants to be looked at.
    Warning,
    /// The address of a web page.
    Link,
    /// A message that was seen by its recipient.
    Seen,
}

/// Colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// For a dark background.
    #[default]
    Dark,
    /// For a light background.
    Light,
    /// Without colours.
    Plain,
}

impl Theme {
    /// Names of the themes.
    pub const NAMES: [(&str, Self); 3] =
        [("dark", Self::Dark), ("light", Self::Light), ("plain", Self::Plain)];

    pub(crate) fn style(self, tone: Tone) -> Style {
        let style = Style::new().add_modifier(modifier(tone));
        match self {
            Self::Dark => style.fg(dark(tone)),
            Self::Light => style.fg(light(tone)),
            Self::Plain => style,
        }
    }

    /// About the colour behind the text.
    pub(crate) const fn background(self) -> Rgb {
        match self {
            Self::Dark | Self::Plain => [0; 3],
            Self::Light => [255; 3],
        }
    }

    /// What is laid over a row that is chosen.
    pub(crate) const fn chosen() -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }
}

const fn modifier(tone: Tone) -> Modifier {
    match tone {
        Tone::Text => Modifier::empty(),
        Tone::Faint => Modifier::DIM,
        Tone::Strong | Tone::Author(_) | Tone::Own | Tone::Seen | Tone::Unread | Tone::Warning => {
            Modifier::BOLD
        }
        Tone::Notice => Modifier::ITALIC,
        Tone::Link => Modifier::UNDERLINED,
    }
}

// The 16 colours that every terminal has, which its user has chosen.

fn dark(tone: Tone) -> Color {
    match tone {
        Tone::Text | Tone::Strong | Tone::Faint => Color::Reset,
        Tone::Author(number) => of(&AUTHORS_ON_DARK, number),
        Tone::Own | Tone::Seen => Color::LightGreen,
        Tone::Unread => Color::LightYellow,
        Tone::Notice => Color::LightBlue,
        Tone::Warning => Color::LightRed,
        Tone::Link => Color::LightCyan,
    }
}

fn light(tone: Tone) -> Color {
    match tone {
        Tone::Text | Tone::Strong | Tone::Faint => Color::Reset,
        Tone::Author(number) => of(&AUTHORS_ON_LIGHT, number),
        Tone::Own | Tone::Seen => Color::Green,
        Tone::Unread => Color::Magenta,
        Tone::Notice | Tone::Link => Color::Blue,
        Tone::Warning => Color::Red,
    }
}

fn of(colours: &[Color; 4], number: u8) -> Color {
    colours.get(usize::from(number & 3)).copied().unwrap_or_default()
}

const AUTHORS_ON_DARK: [Color; 4] =
    [Color::LightCyan, Color::LightMagenta, Color::LightYellow, Color::LightBlue];
const AUTHORS_ON_LIGHT: [Color; 4] = [Color::Cyan, Color::Magenta, Color::Red, Color::Blue];
