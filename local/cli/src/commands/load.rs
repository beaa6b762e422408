//! `hybrid load`: puts one URL under load from this machine, with the generator of the load-generator function.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use load::histogram::Latencies;
use load::result::LoadResult;
use load::spec::StatusSet;
use load::threshold::Threshold;
use load::{
    AllowedTargets, Ceilings, Load, LoadTest, Plan, Progress, Share, Spread, Stage, Timing, Version,
};

use crate::error::{Error, FAILED, INTERRUPTED};
use crate::project::read_text;

/// Connections of a closed loop for which none are given.
const CONNECTIONS: u32 = 10;

/// Lines of the histogram.
const BUCKETS: usize = 12;

/// Widest bar of the histogram.
const WIDEST: f64 = 40.0;

/// Arguments of `hybrid load`.
#[derive(Args)]
pub struct LoadArguments {
    /// http:// or https:// URL. Its path may hold {{seq}}, {{uuid}}, {{random 1 9}}, {{pick a b}} and {{time}}.
    url: String,
    /// Requests per second, sent on schedule whatever the server does (open loop).
    #[arg(long, value_name = "N")]
    rate: Option<f64>,
    /// Without --rate: connections that each wait for their response (closed loop), 10 when absent. With it: the most
    /// at once.
    #[arg(long, value_name = "N")]
    connections: Option<u32>,
    /// Length, for example 30s, 500ms or 2m.
    #[arg(long, default_value = "10s", value_parser = seconds, value_name = "TIME")]
    duration: f64,
    /// Rise from 0 to the rate during this time first.
    #[arg(long, requires = "rate", value_parser = seconds, value_name = "TIME")]
    ramp: Option<f64>,
    /// Random arrivals, as of many independent users.
    #[arg(long, requires = "rate")]
    poisson: bool,
    /// Load before the measurement begins.
    #[arg(long, default_value = "0s", value_parser = seconds, value_name = "TIME")]
    warmup: f64,
    /// A request without response fails after this time from its intended start.
    #[arg(long, default_value = "10s", value_parser = seconds, value_name = "TIME")]
    timeout: f64,
    /// HTTP method.
    #[arg(short = 'X', long, default_value = "GET")]
    method: String,
    /// A header, NAME: VALUE; may be given more than once.
    #[arg(short = 'H', long = "header", value_parser = header, value_name = "HEADER")]
    headers: Vec<(String, String)>,
    /// Body of every request; @FILE reads it from a file.
    #[arg(short, long, default_value = "", hide_default_value = true)]
    data: String,
    /// Speak HTTP/2.
    #[arg(long)]
    http2: bool,
    /// A new connection for every request.
    #[arg(long)]
    no_keep_alive: bool,
    /// A good status, 200 or 2xx; may be given more than once. 200 to 399 when absent.
    #[arg(long, value_parser = status, value_name = "STATUS")]
    expect_status: Vec<StatusSet>,
    /// A text that every body must contain, within its first MiB.
    #[arg(long, value_name = "TEXT")]
    expect_body: Option<String>,
    /// A condition to pass, such as "p99 < 250 ms" or "error rate < 0.1 %"; may be given more than once.
    #[arg(long = "threshold", value_name = "CONDITION")]
    thresholds: Vec<Threshold>,
    /// Follow this many redirects before the test.
    #[arg(long, default_value_t = 0, value_name = "N")]
    follow: u32,
    /// PEM file with certificates to trust besides the system's.
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// Threads; one per processor when absent.
    #[arg(long, value_name = "N")]
    threads: Option<u32>,
    /// Print the whole result as one JSON document.
    #[arg(long)]
    json: bool,
}

impl LoadArguments {
    /// Exit code 0 if requests ended and every threshold held (without thresholds: if not all requests failed),
    /// 1 if not, 130 after Ctrl-C or SIGTERM.
    pub async fn execute(self) -> Result<ExitCode, Error> {
        let json = self.json;
        let test = self.test()?;
        let thresholds = test.thresholds.clone();
        let stop = Arc::new(AtomicBool::new(false));
        let timing = Timing {
            stop: Arc::clone(&stop),
            ..Timing::default()
        };
        let running = tokio::task::spawn_blocking(move || {
            let allowed = AllowedTargets::only(&test.url)?;
            let plan = Plan::new(test, Share::WHOLE, &allowed, Ceilings::NONE)?;
            eprintln!("{} with {} threads", plan.url, plan.threads);
            let mut drawn = 0;
            load::run(&plan, &timing, &mut |progress| show(progress, &mut drawn))
        });
        let interrupted = tokio::spawn(async move {
            crate::interrupt::requested().await;
            stop.store(true, Ordering::Relaxed);
        });
        let result = running
            .await
            .map_err(|error| Error::Usage(error.to_string()))??;
        let was_interrupted = interrupted.is_finished();
        interrupted.abort();
        let checks: Vec<_> = thresholds
            .iter()
            .map(|threshold| threshold.check(&result.measured, result.seconds))
            .collect();
        if json {
            println!(
                "{}",
                serde_json::json!({ "result": result, "checks": checks })
            );
        } else {
            print!("{}", summary(&result));
            for check in &checks {
                println!(
                    "{} {} ({})",
                    if check.passed { "held  " } else { "missed" },
                    check.threshold,
                    check.measured
                );
            }
        }
        let passed = if checks.is_empty() {
            !result.measured.all_failed()
        } else {
            checks.iter().all(|check| check.passed)
        };
        Ok(match (was_interrupted, passed) {
            (true, _) => ExitCode::from(INTERRUPTED),
            (false, true) => ExitCode::SUCCESS,
            (false, false) => ExitCode::from(FAILED),
        })
    }

    fn test(self) -> Result<LoadTest, Error> {
        let load = match (self.rate, self.connections) {
            (Some(rate), most) => {
                let ramp = self.ramp.map(|seconds| Stage::Ramp { rate, seconds });
                let hold = Stage::Hold {
                    rate,
                    seconds: self.duration,
                };
                Load::Open {
                    arrivals: if self.poisson {
                        Spread::Poisson
                    } else {
                        Spread::Constant
                    },
                    stages: ramp.into_iter().chain([hold]).collect(),
                    max_connections: most.unwrap_or(500),
                }
            }
            (None, connections) => Load::Closed {
                connections: connections.unwrap_or(CONNECTIONS),
                seconds: self.duration,
            },
        };
        let mut test = LoadTest::new(self.url, load);
        test.method = self.method;
        test.headers = combine(self.headers);
        test.body = match self.data.strip_prefix('@') {
            Some(file) => read_text(file.as_ref())?,
            None => self.data,
        };
        test.http = if self.http2 {
            Version::Http2
        } else {
            Version::Http1
        };
        test.warmup_seconds = self.warmup;
        test.timeout_ms = (self.timeout * 1e3) as u64;
        test.keep_alive = !self.no_keep_alive;
        test.expect.status = self.expect_status;
        test.expect.body_contains = self.expect_body;
        test.thresholds = self.thresholds;
        test.follow_redirects = self.follow;
        test.threads = self.threads;
        if let Some(file) = self.cacert {
            test.trusted_pem = read_text(&file)?;
        }
        Ok(test)
    }
}

/// One line for each second; on a terminal the histogram of all seconds so far stands below it and is drawn again.
fn show(progress: &Progress<'_>, drawn: &mut usize) {
    let ms = |percent| milliseconds(progress.latencies, progress.latencies.percentile(percent));
    let mut text = String::new();
    if *drawn > 0 {
        // Back over the lines of the histogram, which are then cleared.
        text.push_str(&format!("\x1b[{drawn}A\x1b[J"));
    }
    text.push_str(&format!(
        "{:>4} of {:.0} s {:>9} requests {:>7} errors   p50 {:>12}   p99 {:>12}\n",
        progress.second + 1,
        progress.of_seconds,
        progress.requests,
        progress.errors,
        ms(50.0),
        ms(99.0)
    ));
    let mut stderr = std::io::stderr();
    if stderr.is_terminal() {
        let histogram = histogram(progress.latencies);
        *drawn = histogram.lines().count();
        text.push_str(&histogram);
    }
    // A terminal that is gone is no reason to stop the test.
    let _ = stderr.write_all(text.as_bytes());
}

/// How many of the latencies lie in each of a dozen steps, which grow by the same factor; empty without latencies.
fn histogram(latencies: &Latencies) -> String {
    if latencies.count() == 0 {
        return String::new();
    }
    let (low, high) = (latencies.min().max(1) as f64, latencies.max().max(2) as f64);
    let step = (high / low).powf(1.0 / BUCKETS as f64).max(1.000_1);
    let within = |micros: f64| latencies.share_within(micros.ceil() as u64);
    let ends: Vec<f64> = (1..=BUCKETS as i32)
        .map(|index| low * step.powi(index))
        .collect();
    let mut before = 0.0;
    let shares = ends.iter().map(|end| {
        let upto = within(*end);
        let share = (upto - before).max(0.0);
        before = upto;
        share
    });
    let shares: Vec<f64> = shares.collect();
    let most = shares.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let rows = ends.iter().zip(&shares).map(|(end, share)| {
        let bar = "█".repeat((share / most * WIDEST).round() as usize);
        format!(
            "  up to {:>12}  {:>5.1} %  {bar}\n",
            milliseconds(latencies, end.round() as u64),
            100.0 * share
        )
    });
    rows.collect()
}

/// The result for a person.
fn summary(result: &LoadResult) -> String {
    use std::fmt::Write as _;
    let measured = &result.measured;
    let mut text = format!(
        "\n{} requests in {:.1} s: {:.1} per second, {:.3} % failed, {:.1} MB received{}\n\nlatency",
        measured.requests,
        result.seconds,
        result.throughput(),
        measured.error_rate() * 100.0,
        measured.bytes_received as f64 / 1e6,
        if result.truncated {
            " (stopped early)"
        } else {
            ""
        }
    );
    // Writing to a String cannot fail.
    for percent in [50.0, 90.0, 99.0, 99.9, 99.99] {
        let value = milliseconds(&measured.latencies, measured.latencies.percentile(percent));
        let _ = write!(text, "   p{percent} {value}");
    }
    let max = milliseconds(&measured.latencies, measured.latencies.max());
    let _ = writeln!(text, "   max {max}");
    text.push_str(&histogram(&measured.latencies));
    if measured.scheduling.count() > 0 {
        let own = measured.scheduling.percentile(99.0) as f64 / 1e3;
        let late = if own > 1.0 {
            "; above 1 ms the latencies hold a part of this machine's own"
        } else {
            ""
        };
        let _ = writeln!(text, "own delay p99 {own:.3} ms{late}");
    }
    for (status, count) in &measured.statuses {
        let _ = writeln!(text, "status {status}: {count}");
    }
    for (failure, count) in &measured.errors {
        let _ = writeln!(text, "failed, {failure}: {count}");
    }
    text
}

/// `micros` of `latencies` in milliseconds; a dash when there are none.
fn milliseconds(latencies: &Latencies, micros: u64) -> String {
    if latencies.count() == 0 {
        "–".to_owned()
    } else {
        format!("{:.3} ms", micros as f64 / 1e3)
    }
}

/// Headers by name. A name given more than once has all its values in one line, which means the same (RFC 9110,
/// section 5.3); only cookies are parted by semicolons (RFC 6265, section 5.4).
fn combine(headers: Vec<(String, String)>) -> BTreeMap<String, String> {
    let mut combined = BTreeMap::<String, String>::new();
    for (name, value) in headers {
        let known = combined
            .iter_mut()
            .find(|(known, _)| known.eq_ignore_ascii_case(&name));
        if let Some((_, values)) = known {
            let comma = if name.eq_ignore_ascii_case("cookie") {
                "; "
            } else {
                ", "
            };
            *values = [values, comma, &value].concat();
        } else {
            combined.insert(name, value);
        }
    }
    combined
}

fn seconds(text: &str) -> Result<f64, String> {
    let unit = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let scale = match &text[unit..] {
        "ms" => 1e-3,
        "s" | "" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        _ => return Err("use ms, s, m or h, for example 30s".to_owned()),
    };
    match text[..unit].parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(number * scale),
        _ => Err("give a number and a unit, for example 30s".to_owned()),
    }
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write NAME: VALUE")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn status(text: &str) -> Result<StatusSet, String> {
    StatusSet::try_from(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_with_a_unit() {
        for (text, expected) in [
            ("30s", Ok(30.0)),
            ("500ms", Ok(0.5)),
            ("2m", Ok(120.0)),
            ("7", Ok(7.0)),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
        for text in ["", "s", "-1s", "1d", "1 2s", "infs"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn headers_have_a_name_and_a_value() {
        assert_eq!(
            header("X-A: b: c"),
            Ok(("X-A".to_owned(), "b: c".to_owned()))
        );
        assert!(header("nothing").is_err());
    }

    #[test]
    fn a_header_given_twice_keeps_both_values() {
        let given = ["A: 1", "B: x", "a: 2", "Cookie: c=1", "Cookie: d=2"];
        let combined = combine(given.map(|text| header(text).unwrap()).to_vec());
        let line = |(name, value): (String, String)| format!("{name}: {value}");
        assert_eq!(
            combined.into_iter().map(line).collect::<Vec<_>>(),
            ["A: 1, 2", "B: x", "Cookie: c=1; d=2"]
        );
    }

    #[test]
    fn the_histogram_has_all_latencies_in_a_dozen_steps() {
        let mut latencies = Latencies::new();
        assert_eq!(histogram(&latencies), "");
        (1..=1_000).for_each(|micros| latencies.record(micros));
        let text = histogram(&latencies);
        assert_eq!(text.lines().count(), BUCKETS);
        let shares = text.lines().map(|line| {
            line.split_whitespace()
                .nth(4)
                .unwrap()
                .parse::<f64>()
                .unwrap()
        });
        assert!((shares.sum::<f64>() - 100.0).abs() < 1.0, "{text}");
    }

    #[test]
    fn a_latency_that_was_not_measured_is_not_zero() {
        let mut latencies = Latencies::new();
        assert_eq!(milliseconds(&latencies, latencies.max()), "–");
        latencies.record(1_500);
        assert_eq!(milliseconds(&latencies, 1_500), "1.500 ms");
    }
}
