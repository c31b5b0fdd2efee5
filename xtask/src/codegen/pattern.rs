//! From the model's regular expressions, which are Java's, to the `regex` crate's: same language, anchored at both
//! ends. Each result is compiled here once, so that the server may rely on it.

use anyhow::Context;

/// The anchored equal of `pattern`; `replacements` has the ones that need a human.
pub(super) fn translate(pattern: &str, replacements: &[(&str, &str)]) -> anyhow::Result<String> {
    let replaced = replacements.iter().find(|(from, _)| *from == pattern).map(|(_, to)| *to);
    let anchored = format!(r"\A(?:{})\z", ascii_classes(replaced.unwrap_or(pattern)));
    regex::Regex::new(&anchored)
        .with_context(|| format!("pattern {pattern} needs an equal one in served.rs, without look-around"))?;
    Ok(anchored)
}

/// Java's `\d`, `\w` and `\s` are ASCII, Rust's are Unicode.
fn ascii_classes(pattern: &str) -> String {
    let mut out = String::new();
    let mut in_class = false;
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                let escaped = chars.next().unwrap_or('\\');
                let class = match escaped {
                    'd' => "0-9",
                    'w' => "a-zA-Z0-9_",
                    's' => r" \t\n\x0B\f\r",
                    _ => {
                        out.extend(['\\', escaped]);
                        continue;
                    }
                };
                out.push_str(&if in_class { class.to_owned() } else { format!("[{class}]") });
            }
            _ => {
                in_class = (in_class || c == '[') && c != ']';
                out.push(c);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, matches: &[&str], refuses: &[&str]) {
        let regex = regex::Regex::new(&translate(pattern, &[]).expect("translates")).expect("compiles");
        matches.iter().for_each(|text| assert!(regex.is_match(text), "{pattern} matches {text}"));
        refuses.iter().for_each(|text| assert!(!regex.is_match(text), "{pattern} refuses {text}"));
    }

    #[test]
    fn the_whole_text_must_match_and_classes_are_ascii() {
        check(r"\d{2}", &["12"], &["123", "x12", "٣٤", "12\n"]);
        check(r"[^\s]+", &["a.b"], &["a b", ""]);
        check(r"a|b", &["a", "b"], &["ab"]);
        check(r"[a-zA-Z0-9-_]+", &["a-b_c"], &["a.b"]);
    }

    #[test]
    fn what_cannot_be_expressed_needs_a_replacement() {
        assert!(translate(r"a(?<!b)", &[]).is_err());
        assert_eq!(translate(r"a(?<!b)", &[(r"a(?<!b)", "a")]).expect("replaced"), r"\A(?:a)\z");
    }
}
