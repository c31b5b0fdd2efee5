//! What a pattern may contain, by who asks: comparisons, nesting, and how much of all.
//!
//! The meaning of what it contains is the same for all, so nothing here is asked while matching.

/// Whose pattern it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Rules and archives of EventBridge: the whole language.
    EventBridge,
    /// Filter criteria of Lambda's event source mappings.
    LambdaFilter,
    /// SNS filter policies on the message's body.
    SnsBody,
    /// SNS filter policies on message attributes: one flat object of strings, numbers and lists.
    SnsAttributes,
}

/// How many ways through `$or` a pattern may have.
const ALTERNATIVES_MAX: u64 = 1_000;
/// How many `*` a pattern may have. AWS weighs them by how they overlap; here they cost alike.
pub(crate) const WILDCARDS_MAX: usize = 100;

impl Dialect {
    /// The comparison's name, when the dialect has it.
    pub(crate) fn has(self, comparison: &str) -> bool {
        match comparison {
            "prefix" | "suffix" | "equals-ignore-case" | "anything-but" | "numeric" | "exists" => true,
            "wildcard" | "cidr" => self != Self::LambdaFilter,
            _ => false,
        }
    }

    /// Whether a field may be an object.
    pub(crate) fn nests(self) -> bool {
        self != Self::SnsAttributes
    }

    /// The largest number, either side of zero, that `numeric` compares.
    pub(crate) fn number_max(self) -> f64 {
        if self.is_sns() { 1e9 } else { 5e9 }
    }

    /// How many fields the top may name.
    pub(crate) fn fields_max(self) -> Option<usize> {
        self.is_sns().then_some(5)
    }

    /// How many combinations of values there may be: of alternatives, or for SNS of all values.
    pub(crate) fn combinations_max(self) -> u64 {
        if self.is_sns() { 150 } else { ALTERNATIVES_MAX }
    }

    /// Whether the values in lists count as combinations.
    pub(crate) fn is_sns(self) -> bool {
        matches!(self, Self::SnsBody | Self::SnsAttributes)
    }
}
