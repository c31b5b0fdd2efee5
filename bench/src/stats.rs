//! Quantiles of a set of timings, and how they are printed.
//!
//! All timings are kept, so quantiles are exact; a measurement has some thousands of them, not millions.

use std::time::Duration;

/// Timings of one thing.
#[derive(Debug, Default, Clone)]
pub struct Timings(Vec<Duration>);

impl Timings {
    /// Adds one.
    pub fn add(&mut self, timing: Duration) {
        self.0.push(timing);
    }

    /// The value below which the share `quantile` (0 to 1) lies; zero if there is none.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index far below 2^52"
        )]
        let index = (sorted.len().saturating_sub(1) as f64 * quantile).round() as usize;
        sorted.get(index).copied().unwrap_or_default()
    }

    /// The median in milliseconds.
    #[must_use]
    pub fn p50_ms(&self) -> f64 {
        self.quantile(0.5).as_secs_f64() * 1_000.0
    }

    /// One line: name, count, p50, p90, p99.
    #[must_use]
    pub fn line(&self, name: &str) -> String {
        let ms = |quantile| self.quantile(quantile).as_secs_f64() * 1_000.0;
        format!(
            "  {name:<34} n={:<6} p50 {:>8.3} ms   p90 {:>8.3} ms   p99 {:>8.3} ms",
            self.0.len(),
            ms(0.5),
            ms(0.9),
            ms(0.99)
        )
    }
}
