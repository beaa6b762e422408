//! Latency histograms that can be merged without loss.
//!
//! A percentile cannot be averaged: the mean of two generators' p99 is not the p99 of both together.
//! So generators hand on whole histograms. All of them have the same bucket bounds, so adding the
//! counts bucket by bucket gives exactly the histogram that one recorder of all samples would have.
//!
//! The text form is HdrHistogram's V2 encoding, DEFLATE-compressed and in base64 (it begins with
//! `HISTF`), which the HdrHistogram tools of every language read
//! (<https://hdrhistogram.github.io/HdrHistogram/>).

use hdrhistogram::serialization::{Deserializer as V2Reader, Serializer as _, V2DeflateSerializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The longest latency that is told apart, in microseconds: one hour. Longer ones count as this.
pub const MAX_MICROS: u64 = 3_600_000_000;

/// A distribution of latencies in microseconds, exact to three significant digits.
#[derive(Clone, Debug, PartialEq)]
pub struct Latencies(hdrhistogram::Histogram<u64>);

/// Why a text is not a histogram that can be merged.
#[derive(Debug, thiserror::Error)]
pub enum HistogramError {
    /// Not base64.
    #[error("the histogram is not base64 text: {0}")]
    Base64(#[from] base64::DecodeError),
    /// Base64, but not HdrHistogram's V2 format.
    #[error("the histogram is not in HdrHistogram's V2 format: {0}")]
    Format(String),
    /// A valid histogram with other buckets, which could not be added without loss.
    #[error(
        "the histogram has {digits} significant digits up to {high}; ours have {} up to {MAX_MICROS}, \
         so adding them would lose precision",
        Latencies::DIGITS
    )]
    OtherBuckets {
        /// Significant digits of the histogram read.
        digits: u8,
        /// Its highest trackable value.
        high: u64,
    },
}

impl Default for Latencies {
    fn default() -> Self {
        Self::new()
    }
}

impl Latencies {
    /// Significant decimal digits that are kept of every value.
    pub const DIGITS: u8 = 3;

    /// An empty histogram (about 180 KiB in memory, whatever is recorded).
    pub fn new() -> Self {
        // Both bounds and the digits are constants that the constructor accepts: 2 * low <= high, digits <= 5.
        #[allow(clippy::unwrap_used)]
        Self(hdrhistogram::Histogram::new_with_bounds(1, MAX_MICROS, Self::DIGITS).unwrap())
    }

    /// Adds one latency in microseconds. Above [`MAX_MICROS`] it counts as that.
    #[inline]
    pub fn record(&mut self, micros: u64) {
        self.0.saturating_record(micros.min(MAX_MICROS));
    }

    /// Adds every sample of `other`, without loss.
    pub fn merge(&mut self, other: &Self) {
        // The bounds are equal by construction, so no value of `other` can be out of range.
        let added = self.0.add(&other.0);
        debug_assert!(added.is_ok(), "histograms of equal bounds always add");
    }

    /// Forgets all samples and keeps the memory.
    pub fn clear(&mut self) {
        self.0.reset();
    }

    /// Number of samples.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The latency in microseconds that `percent` (0 to 100) of the samples do not exceed; 0 when empty.
    pub fn percentile(&self, percent: f64) -> u64 {
        self.0.value_at_quantile(percent / 100.0)
    }

    /// The highest latency in microseconds; 0 when empty.
    pub fn max(&self) -> u64 {
        self.0.max()
    }

    /// The lowest latency in microseconds; 0 when empty.
    pub fn min(&self) -> u64 {
        self.0.min()
    }

    /// Arithmetic mean in microseconds; 0 when empty.
    pub fn mean(&self) -> f64 {
        self.0.mean()
    }

    /// Share (0 to 1) of the samples that are at most `micros`.
    pub fn share_within(&self, micros: u64) -> f64 {
        self.0.quantile_below(micros)
    }

    /// The text form: V2, DEFLATE, base64. A few hundred bytes to a few kilobytes.
    pub fn to_base64(&self) -> String {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let mut bytes = Vec::new();
        // Writing to a Vec cannot fail, and the largest possible encoding of these bounds is far below 2 GiB.
        #[allow(clippy::unwrap_used)]
        V2DeflateSerializer::new()
            .serialize(&self.0, &mut bytes)
            .unwrap();
        STANDARD.encode(bytes)
    }

    /// Reads the text form, compressed (`HISTF...`) or not (`HISTE...`).
    ///
    /// # Errors
    /// [`HistogramError`] when the text is not base64, not V2, or has other buckets than ours.
    pub fn from_base64(text: &str) -> Result<Self, HistogramError> {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let bytes = STANDARD.decode(text.trim())?;
        let read: hdrhistogram::Histogram<u64> = V2Reader::new()
            .deserialize(&mut bytes.as_slice())
            .map_err(|error| HistogramError::Format(format!("{error:?}")))?;
        if read.sigfig() != Self::DIGITS || read.high() != MAX_MICROS || read.low() != 1 {
            return Err(HistogramError::OtherBuckets {
                digits: read.sigfig(),
                high: read.high(),
            });
        }
        Ok(Self(read))
    }
}

impl Serialize for Latencies {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_base64())
    }
}

impl<'de> Deserialize<'de> for Latencies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_base64(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(samples: &[u64]) -> Latencies {
        let mut latencies = Latencies::new();
        samples.iter().for_each(|&micros| latencies.record(micros));
        latencies
    }

    /// Latencies of every magnitude, not only the large ones that a uniform range would give.
    fn latency() -> impl Strategy<Value = u64> {
        (0u32..32, 0.0f64..1.0)
            .prop_map(|(magnitude, part)| ((1u64 << magnitude) as f64 * (1.0 + part)) as u64)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn merged_percentiles_are_those_of_all_samples_together(
            parts in prop::collection::vec(prop::collection::vec(latency(), 0..200), 1..6)
        ) {
            let mut merged = Latencies::new();
            for part in &parts {
                // Through the text form, as generators hand them to the gatherer.
                merged.merge(&Latencies::from_base64(&of(part).to_base64()).unwrap());
            }
            let together = of(&parts.concat());
            prop_assert_eq!(merged.count(), together.count());
            for percent in [0.0, 1.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99, 100.0] {
                prop_assert_eq!(merged.percentile(percent), together.percentile(percent));
            }
            prop_assert_eq!(merged, together);
        }

        #[test]
        fn percentiles_are_within_a_thousandth_of_the_sorted_samples(
            mut samples in prop::collection::vec(latency(), 1..300),
            percent in 0.0f64..=100.0
        ) {
            let latencies = of(&samples);
            samples.sort_unstable();
            let rank = ((percent / 100.0 * samples.len() as f64).ceil() as usize).clamp(1, samples.len());
            let exact = samples[rank - 1].min(MAX_MICROS) as f64;
            let told = latencies.percentile(percent) as f64;
            prop_assert!((told - exact).abs() <= exact / 1000.0 + 1.0, "told {told}, exact {exact}");
        }
    }

    #[test]
    fn averaging_percentiles_would_have_been_wrong() {
        let fast = of(&[1_000; 990]);
        let slow = of(&[100_000; 10]);
        let averaged = u64::midpoint(fast.percentile(50.0), slow.percentile(50.0));
        let mut merged = fast;
        merged.merge(&slow);
        assert_eq!(merged.percentile(50.0), 1_000);
        assert_ne!(merged.percentile(50.0), averaged);
    }

    #[test]
    fn the_text_is_the_compressed_v2_format() {
        assert!(of(&[1, 2, 3]).to_base64().starts_with("HISTF"));
    }

    #[test]
    fn foreign_texts_are_refused() {
        assert!(matches!(
            Latencies::from_base64("%%%"),
            Err(HistogramError::Base64(_))
        ));
        assert!(matches!(
            Latencies::from_base64("aGVsbG8="),
            Err(HistogramError::Format(_))
        ));
        let coarse = hdrhistogram::Histogram::<u64>::new_with_bounds(1, 1_000, 1).unwrap();
        let mut bytes = Vec::new();
        V2DeflateSerializer::new()
            .serialize(&coarse, &mut bytes)
            .unwrap();
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let refused = Latencies::from_base64(&STANDARD.encode(bytes));
        assert!(matches!(
            refused,
            Err(HistogramError::OtherBuckets { digits: 1, .. })
        ));
    }

    #[test]
    fn beyond_an_hour_counts_as_an_hour() {
        let latencies = of(&[u64::MAX]);
        assert!(latencies.percentile(100.0) >= MAX_MICROS);
        assert_eq!(latencies.count(), 1);
    }
}
