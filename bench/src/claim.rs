//! What measurements are held to. A claim that is missed is said where it was measured, and the program fails once all
//! measurements are through, so that one miss does not hide the next.

use anyhow::ensure;

/// The claims judged so far.
#[derive(Default)]
pub struct Claims {
    missed: Vec<String>,
}

impl Claims {
    /// Judges a value that must not be above `most`.
    pub fn at_most(&mut self, what: &str, value: f64, most: f64) {
        self.judge(what, value, value <= most, format!("at most {most}"));
    }

    /// Judges a value that must not be below `least`.
    pub fn at_least(&mut self, what: &str, value: f64, least: f64) {
        self.judge(what, value, value >= least, format!("at least {least}"));
    }

    fn judge(&mut self, what: &str, value: f64, is_met: bool, claim: String) {
        let verdict = if is_met { "" } else { ", MISSED" };
        let line = format!("{what}: {value:.2} (claim: {claim}{verdict})");
        println!("  {line}");
        if !is_met {
            self.missed.push(line);
        }
    }

    /// Fails if one was missed.
    ///
    /// # Errors
    /// Names all that were.
    pub fn conclude(self) -> anyhow::Result<()> {
        ensure!(self.missed.is_empty(), "claims were missed:\n  {}", self.missed.join("\n  "));
        Ok(())
    }
}
