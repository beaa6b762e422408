//! The sequential test behind a verdict. It may be looked at after every request: the chance that
//! it *ever* accuses a variant that is not worse stays below the stated false-alarm rate.
//!
//! Each question is a null hypothesis about success probabilities, tested by an e-process
//! e(t) = (mixture likelihood of all data so far) / (largest likelihood under the null).
//! For every point of the null the ratio is at most a non-negative martingale that starts at 1, so
//! by Ville's inequality P(e(t) >= 1/α at any t) <= α, for any sample size, any stopping rule and any
//! allocation that depends on the past, Thompson sampling included.
//!
//! * L. Wasserman, A. Ramdas, S. Balakrishnan, "Universal inference", PNAS 117 (2020), section 8:
//!   the ratio with the likelihood maximised under the null.
//! * H. Robbins, "Statistical methods related to the law of the iterated logarithm", Annals of
//!   Mathematical Statistics 41 (1970): mixtures.
//! * A. Ramdas, P. Grünwald, V. Vovk, G. Shafer, "Game-theoretic statistics and safe anytime-valid
//!   inference", Statistical Science 38 (2023): e-processes.
//!
//! All this takes the outcomes of a variant as independent of each other, each with the same chance of
//! success. The outcomes of one user, or of one bad minute, are not: with `STICKY` a user whose requests
//! always fail fails the same variant every time. Their evidence is then overstated, the more the fewer
//! users there are, and with it the false-alarm rate. Where few keys make many requests, record one
//! outcome for each key, or ask for a smaller false-alarm rate and more samples.
//!
//! The mixtures are over Beta distributions, whose likelihood has a closed form. Any is valid; ours
//! lean to success, the rule for a service, and so find a worse candidate sooner.

use libm::lgamma;

/// Prior of the success rate of the variant that is thought to be better: mean 0.8.
const BETTER: (f64, f64) = (4.0, 1.0);
/// Prior of the success rate of the variant that is thought to be worse: mean 0.67.
const WORSE: (f64, f64) = (2.0, 1.0);

fn log_beta(a: f64, b: f64) -> f64 {
    lgamma(a) + lgamma(b) - lgamma(a + b)
}

/// Successes among trials of one variant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Trials {
    /// How many.
    pub total: u64,
    /// How many of them were successes.
    pub successes: u64,
}

impl Trials {
    fn split(self) -> (f64, f64) {
        (
            self.successes as f64,
            self.total.saturating_sub(self.successes) as f64,
        )
    }

    /// Log likelihood at success probability `p`.
    fn log_likelihood(self, p: f64) -> f64 {
        let (successes, failures) = self.split();
        let term = |count: f64, log: f64| if count == 0.0 { 0.0 } else { count * log };
        term(successes, p.ln()) + term(failures, (-p).ln_1p())
    }

    /// Log of the likelihood averaged over the prior Beta(a, b): ln B(s + a, f + b) - ln B(a, b).
    fn log_mixture(self, (a, b): (f64, f64)) -> f64 {
        let (successes, failures) = self.split();
        log_beta(successes + a, failures + b) - log_beta(a, b)
    }

    /// The observed rate, 0 without trials.
    pub fn rate(self) -> f64 {
        if self.total == 0 {
            0.0
        } else {
            self.successes as f64 / self.total as f64
        }
    }
}

/// Log evidence that variant `worse` succeeds less often than variant `better` by more than
/// `margin`, against the null `p_worse >= p_better - margin`. Zero or less is no evidence.
///
/// * Roll back: `worse` is the candidate, `better` the stable variant, margin 0.
/// * Promote: is the candidate better than the stable variant less the margin? `worse` is the
///   stable variant, `better` the candidate, margin negative: null `p_stable >= p_candidate + m`.
pub fn log_evidence_worse(worse: Trials, better: Trials, margin: f64) -> f64 {
    let null = if worse.rate() >= better.rate() - margin {
        // The unrestricted optimum lies in the null.
        worse.log_likelihood(worse.rate()) + better.log_likelihood(better.rate())
    } else if margin == 0.0 {
        let pooled = Trials {
            total: worse.total + better.total,
            successes: worse.successes + better.successes,
        };
        pooled.log_likelihood(pooled.rate())
    } else {
        // On the boundary p_worse = p_better - margin the log likelihood is concave.
        let (low, high) = (margin.max(0.0), (1.0 + margin).min(1.0));
        maximum(low, high, |p| {
            better.log_likelihood(p) + worse.log_likelihood(p - margin)
        })
    };
    worse.log_mixture(WORSE) + better.log_mixture(BETTER) - null
}

/// Log evidence that the success probability of `trials` is below `limit`, against the null
/// `p >= limit`.
pub fn log_evidence_below(trials: Trials, limit: f64) -> f64 {
    trials.log_mixture(WORSE) - trials.log_likelihood(trials.rate().max(limit))
}

/// The maximum of a concave function, by golden-section search to a millionth of the interval; the
/// error of the maximum is of second order, far below any threshold.
fn maximum(mut low: f64, mut high: f64, of: impl Fn(f64) -> f64) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_8;
    let (mut left, mut right) = (high - GOLDEN * (high - low), low + GOLDEN * (high - low));
    let (mut at_left, mut at_right) = (of(left), of(right));
    for _ in 0..29 {
        if at_left < at_right {
            (low, left, at_left) = (left, right, at_right);
            right = low + GOLDEN * (high - low);
            at_right = of(right);
        } else {
            (high, right, at_right) = (right, left, at_left);
            left = high - GOLDEN * (high - low);
            at_left = of(left);
        }
    }
    at_left.max(at_right)
}

/// The evidence needed for a false-alarm rate: ln(1/α).
pub fn threshold(false_alarm_rate: f64) -> f64 {
    -false_alarm_rate.ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn trials(successes: u64, total: u64) -> Trials {
        Trials { total, successes }
    }

    #[test]
    fn no_data_is_no_evidence() {
        assert!(log_evidence_worse(trials(0, 0), trials(0, 0), 0.0).abs() < 1e-9);
        assert!(log_evidence_below(trials(0, 0), 0.9).abs() < 1e-9);
    }

    #[test]
    fn evidence_follows_the_data() {
        let alarm = threshold(0.05);
        assert!(log_evidence_worse(trials(60, 100), trials(95, 100), 0.0) > alarm);
        assert!(log_evidence_worse(trials(95, 100), trials(60, 100), 0.0) < 0.0);
        assert!(log_evidence_worse(trials(93, 100), trials(95, 100), 0.0) < alarm);
        // As good as the other, and at most 5 points worse: that takes a thousand requests.
        assert!(log_evidence_worse(trials(950, 1_000), trials(950, 1_000), -0.05) > alarm);
        assert!(log_evidence_worse(trials(95, 100), trials(95, 100), -0.05) < alarm);
        assert!(log_evidence_below(trials(70, 100), 0.95) > alarm);
        assert!(log_evidence_below(trials(95, 100), 0.95) < alarm);
    }

    /// The e-value is an expectation of at most 1 under the null: summed over all outcomes exactly.
    #[test]
    fn the_expected_evidence_under_the_null_is_at_most_one() {
        let binomial = |k: u64, n: u64, p: f64| {
            let ln = lgamma(n as f64 + 1.0) - lgamma(k as f64 + 1.0) - lgamma((n - k) as f64 + 1.0);
            (ln + trials(k, n).log_likelihood(p)).exp()
        };
        for p in [0.1, 0.5, 0.9, 0.99] {
            let (n, m) = (12, 30);
            let cells = (0..=n).flat_map(|j| (0..=m).map(move |k| (j, k)));
            let mean: f64 = cells
                .map(|(j, k)| {
                    let evidence = log_evidence_worse(trials(j, n), trials(k, m), 0.0).exp();
                    evidence * binomial(j, n, p) * binomial(k, m, p)
                })
                .sum();
            assert!(mean <= 1.0, "{p}: {mean}");
        }
    }

    proptest! {
        /// The boundary search finds no less than any point of the boundary.
        #[test]
        fn the_null_is_maximised(
            a in 0u64..50, b in 0u64..50, n in 50u64..90, m in 50u64..90,
            at in 0.001..0.999_f64, margin in prop::sample::select(vec![-0.1, 0.0, 0.1]),
        ) {
            prop_assume!((0.0..=1.0).contains(&(at - margin)));
            let (worse, better) = (trials(a, n), trials(b, m));
            let evidence = log_evidence_worse(worse, better, margin);
            let here = worse.log_mixture(WORSE) + better.log_mixture(BETTER)
                - worse.log_likelihood(at - margin) - better.log_likelihood(at);
            prop_assert!(evidence <= here + 1e-6);
        }
    }
}
