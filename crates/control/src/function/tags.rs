//! The tags of a function: labels for its owner, and the few by which it sets what AWS has no field for.
//!
//! Pure. Source of the bounds: AWS General Reference, "Tag naming and usage conventions".

use std::collections::BTreeMap;

use model::error::ServiceError;
use model::limits;

const TAG_KEY_CHARS_MAX: usize = 128;
const TAG_VALUE_CHARS_MAX: usize = 256;

/// Checks the tags of a function, those that steer Dormouse included.
///
/// # Errors
/// `InvalidParameterValue` naming the tag.
pub fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), ServiceError> {
    if tags.len() > limits::TAGS_MAX {
        return invalid(&format!("A function can have at most {} tags.", limits::TAGS_MAX));
    }
    for (key, value) in tags {
        let is_long = key.chars().count() > TAG_KEY_CHARS_MAX || value.chars().count() > TAG_VALUE_CHARS_MAX;
        if key.is_empty() || is_long {
            return invalid(&format!("The tag {:?} is empty or too long.", shortened(key)));
        }
        if key.starts_with("aws:") {
            return invalid(&format!("The tag {key:?} is reserved: keys must not begin with aws:"));
        }
        if key == "dormouse:egress" && value == "internet" {
            return invalid(
                "The tag \"dormouse:egress\" cannot be \"internet\": this version of Dormouse does not serve internet \
                 egress yet. Functions reach the platform endpoint only, which the value none says too.",
            );
        }
        if !is_setting_legal(key, value) {
            return invalid(&format!(
                "The tag {key:?} cannot be {value:?}. Dormouse reads these tags: dormouse:egress (none), \
                 dormouse:idle-seconds (a whole number), dormouse:freeze (true or false)."
            ));
        }
    }
    Ok(())
}

fn is_setting_legal(key: &str, value: &str) -> bool {
    match key {
        "dormouse:egress" => value == "none",
        "dormouse:idle-seconds" => value.parse::<u32>().is_ok(),
        "dormouse:freeze" => matches!(value, "true" | "false"),
        other => !other.starts_with("dormouse:"),
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

fn invalid<T>(message: &str) -> Result<T, ServiceError> {
    Err(ServiceError::InvalidParameterValue(message.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_checked() {
        let check = |key: &str, value: &str| {
            check_tags(&BTreeMap::from([(key.to_owned(), value.to_owned())])).is_ok()
        };
        assert!(
            check("team", "x") && check("dormouse:freeze", "false") && check("dormouse:idle-seconds", "5")
        );
        assert!(!check("aws:x", "y") && !check("", "y") && !check("dormouse:freeze", "maybe"));
        assert!(!check("dormouse:idle-seconds", "-1") && !check("dormouse:unknown", "1"));
        assert!(!check(&"k".repeat(129), "y"));
        assert!(check("dormouse:egress", "none") && !check("dormouse:egress", "all"));
        let internet = BTreeMap::from([("dormouse:egress".to_owned(), "internet".to_owned())]);
        match check_tags(&internet) {
            Err(ServiceError::InvalidParameterValue(message)) => {
                assert!(message.contains("does not serve internet egress yet"), "{message}");
            }
            other => panic!("egress that is not served was not refused: {other:?}"),
        }
    }
}
