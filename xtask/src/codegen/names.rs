//! From the model's names to Rust's: fields, enum variants and constants.
//!
//! Pure functions over text. They are part of the generated API: changing one renames items in `wire`.

/// Words that cannot be a field's name as they stand.
const KEYWORDS: &[&str] = &["type", "match", "ref", "mod", "use", "where", "loop", "move", "self", "async"];

/// `KMSKeyArn` to `kms_key_arn`, `CodeSha256` to `code_sha256`, `S3Bucket` to `s3_bucket`.
pub(super) fn snake(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (i, &c) in chars.iter().enumerate() {
        let after_lower = i > 0 && (chars[i - 1].is_lowercase() || chars[i - 1].is_ascii_digit());
        let ends_acronym =
            i > 0 && chars[i - 1].is_uppercase() && chars.get(i + 1).is_some_and(|next| next.is_lowercase());
        if c.is_uppercase() && (after_lower || ends_acronym) {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    if KEYWORDS.contains(&out.as_str()) { format!("r#{out}") } else { out }
}

/// `KMSKeyArn` to `KMS_KEY_ARN`.
pub(super) fn constant(name: &str) -> String {
    snake(name).trim_start_matches("r#").to_uppercase()
}

/// A member as AWS names it in a violation: only the first letter becomes lower case.
pub(super) fn violation(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or(String::new(), |first| first.to_lowercase().chain(chars).collect())
}

/// An enum value as a variant: `python3.12` to `Python3_12`, `PER_TENANT` to `PerTenant`.
pub(super) fn variant(value: &str) -> String {
    let mut out = String::new();
    for word in value.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        let digits_meet =
            out.ends_with(|c: char| c.is_ascii_digit()) && word.starts_with(|c: char| c.is_ascii_digit());
        if digits_meet {
            out.push('_');
        }
        let shouted = word.len() > 1 && !word.contains(|c: char| c.is_ascii_lowercase());
        let (first, rest) = word.split_at(1);
        out.push_str(&first.to_uppercase());
        out.push_str(&if shouted { rest.to_lowercase() } else { rest.to_owned() });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_as_rust() {
        for (name, expect) in [
            ("FunctionName", "function_name"),
            ("KMSKeyArn", "kms_key_arn"),
            ("CodeSha256", "code_sha256"),
            ("S3Bucket", "s3_bucket"),
            ("DirectS3Read", "direct_s3_read"),
            ("Ipv6AllowedForDualStack", "ipv6_allowed_for_dual_stack"),
            ("SourceKMSKeyArn", "source_kms_key_arn"),
            ("UUID", "uuid"),
            ("Type", "r#type"),
        ] {
            assert_eq!(snake(name), expect);
        }
        assert_eq!(constant("FileSystemArn"), "FILE_SYSTEM_ARN");
        assert_eq!(violation("KMSKeyArn"), "kMSKeyArn");
    }

    #[test]
    fn values_become_variants() {
        for (value, expect) in [
            ("python3.12", "Python3_12"),
            ("nodejs20.x", "Nodejs20X"),
            ("java8.al2", "Java8Al2"),
            ("x86_64", "X86_64"),
            ("PER_TENANT", "PerTenant"),
            ("FunctionError.InitTimeout", "FunctionErrorInitTimeout"),
            ("EC2RequestLimitExceeded", "EC2RequestLimitExceeded"),
            ("nodejs4.3-edge", "Nodejs4_3Edge"),
        ] {
            assert_eq!(variant(value), expect);
        }
    }
}
