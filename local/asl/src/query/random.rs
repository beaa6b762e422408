//! Random numbers that a replay repeats.

use std::cell::Cell;

/// A seeded source of random numbers (SplitMix64). Everything that is random in an execution comes from its one
/// source, so that replaying the execution's events gives the same values.
#[derive(Clone, Debug)]
pub struct Random(Cell<u64>);

impl Random {
    /// A source whose numbers follow from the seed alone.
    pub fn seeded(seed: u64) -> Random {
        Random(Cell::new(seed))
    }

    /// A source of its own, which follows from this one's state.
    #[must_use]
    pub fn fork(&self) -> Random {
        Random::seeded(self.next())
    }

    /// The next 64 random bits.
    pub fn next(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.0.set(state);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number in [0, 1).
    pub fn unit(&self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// An integer in [start, end); `start` when that is empty.
    pub fn between(&self, start: i64, end: i64) -> i64 {
        let span = i128::from(end) - i128::from(start);
        if span <= 0 {
            return start;
        }
        let offset = (u128::from(self.next()) * span.unsigned_abs()) >> 64;
        (i128::from(start) + offset as i128) as i64
    }

    /// A version 4 UUID in its usual form.
    pub fn uuid(&self) -> String {
        let high = (self.next() & !0xF000) | 0x4000;
        let low = (self.next() & !(0b11 << 62)) | (0b10 << 62);
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xFFFF,
            high & 0xFFFF,
            low >> 48,
            low & 0xFFFF_FFFF_FFFF
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let (a, b) = (Random::seeded(42), Random::seeded(42));
        assert_eq!(a.uuid(), b.uuid());
        assert_eq!(a.next(), b.next());
        assert_ne!(Random::seeded(1).next(), Random::seeded(2).next());
    }

    #[test]
    fn a_uuid_has_version_4_and_its_variant() {
        let random = Random::seeded(0);
        for _ in 0..1000 {
            let uuid = random.uuid();
            assert_eq!(uuid.len(), 36);
            assert_eq!(&uuid[14..15], "4");
            assert!("89ab".contains(&uuid[19..20]), "{uuid}");
        }
    }

    #[test]
    fn ranges_are_half_open() {
        let random = Random::seeded(3);
        for _ in 0..1000 {
            assert!((-3..4).contains(&random.between(-3, 4)));
            assert!((0.0..1.0).contains(&random.unit()));
        }
        assert_eq!(random.between(5, 5), 5);
        assert!(random.between(i64::MIN, i64::MAX) < i64::MAX);
    }
}
