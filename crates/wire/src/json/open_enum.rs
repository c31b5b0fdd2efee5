//! Enums of the model are open: a value that is not known is kept as it was written, because a violation must
//! name it and a client must survive a newer server.

/// A string with a set of known values.
pub trait OpenEnum: AsRef<str> + From<String> {
    /// The known values in the model's order.
    const VALUES: &'static [&'static str];
}

/// Declares an open enum: its known variants with their wire form, and `Unknown` for any other text.
macro_rules! open_enum {
    ($name:ident { $($variant:ident = $text:literal,)+ }) => {
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $name {
            $($variant,)+
            /// A value that the model does not list.
            Unknown(String),
        }

        impl $crate::json::OpenEnum for $name {
            const VALUES: &'static [&'static str] = &[$($text),+];
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Unknown(text) => text,
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_ref())
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)+
                    other => Self::Unknown(other.to_owned()),
                }
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                text.as_str().into()
            }
        }

        impl $crate::json::FromJson for $name {
            const SCALAR: Option<&'static str> = Some("a String");
            fn from_text(text: &str) -> Result<Self, $crate::json::Malformed> {
                Ok(text.into())
            }
        }

        impl $crate::json::ToJson for $name {
            fn write(&self, out: &mut Vec<u8>) {
                $crate::json::write_text(self.as_ref(), out);
            }
        }
    };
}

pub(crate) use open_enum;
