//! What queues are called: a path that says what for, whose, and which.
//!
//! The part for what is one of [`Purpose`]; each owner of a purpose decides what the last part says.

use std::fmt;
use std::sync::Arc;

use crate::arn::Scope;
use crate::id::IdError;

/// What a queue is for: the first part of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Events of a function that is to be run later; the rest is the function's name.
    Asynchronous,
    /// What goes to targets, destinations and dead-letter queues; the rest names who sends.
    Delivery,
    /// A user's queue of SQS; the rest is its name, and which of all that have borne it.
    Sqs,
}

impl Purpose {
    /// All of them, in the order of their names.
    pub const ALL: [Self; 3] = [Self::Asynchronous, Self::Delivery, Self::Sqs];

    /// The first part of the names.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asynchronous => "async",
            Self::Delivery => "deliver",
            Self::Sqs => "sqs",
        }
    }

    /// What all names for this purpose begin with: `async/`.
    #[must_use]
    pub fn prefix(self) -> String {
        format!("{}/", self.as_str())
    }

    /// What they begin with in one account and region: `async/000000000000/us-east-1/`.
    #[must_use]
    pub fn prefix_in(self, scope: &Scope) -> String {
        format!("{}/{}/{}/", self.as_str(), scope.account, scope.region)
    }

    /// The queue of this account and region with `rest` as the rest of its name.
    ///
    /// # Errors
    /// As [`QueueName::parse`].
    pub fn queue(self, scope: &Scope, rest: &str) -> Result<QueueName, IdError> {
        QueueName::parse(&format!("{}{rest}", self.prefix_in(scope)))
    }
}

/// The name of a queue: a path such as `async/000000000000/us-east-1/resize`. Clones share the text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueName(Arc<str>);

impl QueueName {
    /// Longest name.
    const BYTES_MAX: usize = 1_024;

    /// Takes one to 1,024 bytes of printable ASCII without blanks.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        if text.is_empty() || text.len() > Self::BYTES_MAX || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(IdError { text: text.chars().take(80).collect(), expected: "the name of a queue" });
        }
        Ok(Self(text.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QueueName({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{AccountId, Region};

    #[test]
    fn names_are_printable_and_short() {
        for name in ["async/000000000000/us-east-1/resize", "q", &"x".repeat(1_024)] {
            assert_eq!(QueueName::parse(name).map(|name| name.to_string()), Ok(name.to_owned()));
        }
        for name in ["", "a b", "a\nb", "ü", &"x".repeat(1_025)] {
            assert!(QueueName::parse(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_name_says_what_for_whose_and_which() {
        let scope = Scope {
            account: AccountId::parse("000000000000").expect("an account"),
            region: Region::parse("us-east-1").expect("a region"),
        };
        let name = Purpose::Asynchronous.queue(&scope, "resize").expect("a name");
        assert_eq!(name.as_str(), "async/000000000000/us-east-1/resize");
        assert!(Purpose::Delivery.queue(&scope, "two words").is_err());
        for purpose in Purpose::ALL {
            assert!(purpose.prefix_in(&scope).starts_with(&purpose.prefix()), "{purpose:?}");
        }
        assert!(Purpose::ALL.is_sorted_by_key(|purpose| purpose.as_str()));
    }
}
