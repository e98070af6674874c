//! The one table from which an enum of codes on the wire is made.

/// Declares an enum whose variants are bytes on the wire, each with one property: the operations of
/// PROTOCOL 3 with their direction, and the errors of PROTOCOL 7 with their class.
///
/// A line of the table is all that a new code needs. The compiler then names every `match` that has
/// to decide about it. A last line that begins with `_` adds a variant for all other codes.
macro_rules! code_table {
    (
        $(#[$attribute:meta])*
        pub enum $Name:ident {
            $($(#[$variant_attribute:meta])* $Variant:ident = $code:literal, $value:ident;)+
            $(_ => $(#[$other_attribute:meta])* $Other:ident($OtherCode:ident), $other_value:ident;)?
        }
        $(#[$property_attribute:meta])*
        pub fn $property:ident() -> $Property:ident;
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $Name {
            $($(#[$variant_attribute])* $Variant,)+
            $($(#[$other_attribute])* $Other($OtherCode),)?
        }

        impl $Name {
            /// Every code that the protocol defines, in ascending order.
            pub const ALL: [Self; [$($code),+].len()] = [$(Self::$Variant),+];

            /// Byte on the wire.
            pub const fn code(self) -> u8 {
                match self {
                    $(Self::$Variant => $code,)+
                    $(Self::$Other(other) => $OtherCode::code(other),)?
                }
            }

            /// Variant with this byte; `None` if the protocol defines none.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code {
                    $($code => Some(Self::$Variant),)+
                    _ => None,
                }
            }

            $(#[$property_attribute])*
            pub const fn $property(self) -> $Property {
                match self {
                    $(Self::$Variant => $Property::$value,)+
                    $(Self::$Other(_) => $Property::$other_value,)?
                }
            }
        }
    };
}

pub(super) use code_table;
