//! The report of a load test as one HTML page that needs nothing else.

use crate::histogram::Latencies;
use crate::threshold::Threshold;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::plot::{Curve, Plot, Scale};
use super::{GeneratorLine, LoadReport, millis};

/// The stylesheet that every report begins with.
pub const STYLE: &str = include_str!("page.css");
const LOAD_STYLE: &str = include_str!("load.css");
/// The percentiles in the table.
const PERCENTILES: [f64; 7] = [50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99];

/// The whole page.
pub fn render(report: &LoadReport) -> Markup {
    let reasons = report.reasons();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Load test · " (report.execution) }
                style { (PreEscaped(STYLE)) (PreEscaped(LOAD_STYLE)) }
            }
            body {
                header {
                    h1 {
                        "Load test "
                        @if reasons.is_empty() { span.good { "passed" } } @else { span.bad { "failed" } }
                    }
                    p.answer { (report.answer().replace(" %", "\u{a0}%")) }
                    p { code { (report.url) } " · execution " code { (report.execution) } }
                    @if !reasons.is_empty() { ul { @for reason in &reasons { li.bad { (reason) } } } }
                }
                (tiles(report))
                (checks(report))
                h2 { "Course" }
                section.charts {
                    figure { h3 { "Requests and errors over time" } (throughput(report)) }
                    @if report.measured.latencies.count() > 0 {
                        figure { h3 { "Latency over time" } (over_time(report)) }
                        figure { h3 { "Latency by percentile" } (by_percentile(&report.measured.latencies)) }
                    }
                }
                @if report.measured.latencies.count() > 0 {
                    h2 { "Latency" }
                    div.scroll { (percentile_table(&report.measured.latencies)) }
                }
                (responses(report))
                (balance(report))
                footer {
                    "Latency counts from the instant at which a request should have started to the last byte of its "
                    "response; requests without response count with the time they were waited for. All generators' "
                    "histograms are added bucket by bucket, so percentiles are those of all requests together. All "
                    "figures are in " code { "report.json" } " beside this page."
                }
            }
        }
    }
}

fn tiles(report: &LoadReport) -> Markup {
    let measured = &report.measured;
    let tile = |name: &str, value: String, mood: &str| {
        html! { div class={ "tile " (mood) } { b { (value) } span { (name) } } }
    };
    let errors = if measured.failed() > 0 { "bad" } else { "good" };
    html! {
        section.tiles {
            (tile("requests", thousands(measured.requests), ""))
            (tile("requests per second", thousands(report.throughput().round() as u64), ""))
            (tile("errors", format!("{:.3} %", measured.error_rate() * 100.0), errors))
            @if measured.latencies.count() > 0 {
                (tile("median", duration(measured.latencies.percentile(50.0)), ""))
                (tile("99th percentile", duration(measured.latencies.percentile(99.0)), ""))
            }
            (tile("received", bytes(measured.bytes_received), ""))
            (tile("cost of the generators", format!("${:.4}", report.cost_usd), ""))
        }
    }
}

fn checks(report: &LoadReport) -> Markup {
    html! {
        @if !report.checks.is_empty() {
            h2 { "Thresholds" }
            table {
                thead { tr { th { "threshold" } th.number { "measured" } th { "" } } }
                tbody {
                    @for check in &report.checks {
                        tr {
                            td { (check.threshold) }
                            td.number { (check.measured) }
                            td { @if check.passed { span.good { "✓ held" } } @else { span.bad { "✗ missed" } } }
                        }
                    }
                }
            }
        }
    }
}

/// Latency on the scale of HdrHistogram's plots: each further nine takes the same width.
fn by_percentile(latencies: &Latencies) -> Markup {
    let nines = nines(latencies.count());
    // 40 points for each nine make a smooth curve.
    let steps = (nines * 40.0) as u32;
    let points = (0..=steps).map(|step| {
        let nine = f64::from(step) / 40.0;
        (
            nine,
            millis(latencies.percentile(100.0 * (1.0 - 10f64.powf(-nine)))),
        )
    });
    let curve = Curve {
        name: "latency",
        class: "p99",
        points: points.collect(),
    };
    let marks = [
        (0.301, "50 %"),
        (1.0, "90 %"),
        (2.0, "99 %"),
        (3.0, "99.9 %"),
        (4.0, "99.99 %"),
    ];
    let marks = marks
        .into_iter()
        .chain([(5.0, "99.999 %"), (6.0, "99.9999 %")]);
    let marks = marks
        .filter(|(at, _)| *at <= nines)
        .map(|(at, text)| (at, text.to_owned()))
        .collect();
    Plot {
        unit: "ms",
        x: Scale::Marks { high: nines, marks },
        curves: vec![curve],
        limits: Vec::new(),
    }
    .render()
}

/// How many nines the number of samples supports: with 1,000 of them nothing is known beyond 99.9 %.
fn nines(samples: u64) -> f64 {
    (samples.max(10) as f64).log10().clamp(1.0, 6.0)
}

fn percentile_table(latencies: &Latencies) -> Markup {
    html! {
        table.wide {
            thead { tr { @for percent in PERCENTILES { th.number { (percent) " %" } } th.number { "max" } } }
            tbody {
                tr {
                    @for percent in PERCENTILES { td.number { (duration(latencies.percentile(percent))) } }
                    td.number { (duration(latencies.max())) }
                }
            }
        }
    }
}

fn throughput(report: &LoadReport) -> Markup {
    let seconds = &report.measured.seconds;
    let points = |value: fn(&crate::result::Second) -> u64| {
        every_second(report)
            .into_iter()
            .map(move |(at, second)| (at, second.map_or(0.0, |second| value(second) as f64)))
    };
    let requests = Curve {
        name: "requests per second",
        class: "requests",
        points: points(|s| s.requests).collect(),
    };
    let errors = Curve {
        name: "errors per second",
        class: "errors",
        points: points(|s| s.errors).collect(),
    };
    let curves = if seconds.iter().any(|second| second.errors > 0) {
        vec![requests, errors]
    } else {
        vec![requests]
    };
    Plot {
        unit: "/s",
        x: Scale::Seconds,
        curves,
        limits: limits(report, Threshold::per_second),
    }
    .render()
}

fn over_time(report: &LoadReport) -> Markup {
    let curve = |name, class, percent: f64| {
        let points = report.measured.seconds.iter().filter_map(|second| {
            let latencies = Latencies::from_base64(&second.latencies).ok()?;
            (latencies.count() > 0).then(|| {
                (
                    f64::from(second.second),
                    millis(latencies.percentile(percent)),
                )
            })
        });
        Curve {
            name,
            class,
            points: points.collect(),
        }
    };
    let curves = vec![
        curve("50 %", "p50", 50.0),
        curve("99 %", "p99", 99.0),
        curve("max", "max", 100.0),
    ];
    Plot {
        unit: "ms",
        x: Scale::Seconds,
        curves,
        limits: limits(report, Threshold::latency_ms),
    }
    .render()
}

/// The bounds of the thresholds that are about one figure.
fn limits(report: &LoadReport, of: fn(&Threshold) -> Option<f64>) -> Vec<f64> {
    report
        .checks
        .iter()
        .filter_map(|check| of(&check.threshold.parse().ok()?))
        .collect()
}

/// Every second from the first to the last, also those in which nothing ended.
fn every_second(report: &LoadReport) -> Vec<(f64, Option<&crate::result::Second>)> {
    let seconds = &report.measured.seconds;
    let last = seconds.last().map_or(0, |second| second.second);
    let find = |at: u32| {
        seconds
            .binary_search_by_key(&at, |second| second.second)
            .ok()
            .map(|at| &seconds[at])
    };
    (0..=last).map(|at| (f64::from(at), find(at))).collect()
}

fn responses(report: &LoadReport) -> Markup {
    let measured = &report.measured;
    let share = |count: u64| {
        format!(
            "{:.3} %",
            100.0 * count as f64 / measured.requests.max(1) as f64
        )
    };
    html! {
        h2 { "Responses" }
        div.scroll {
            table {
                thead { tr { th { "outcome" } th.number { "requests" } th.number { "share" } } }
                tbody {
                    @for (status, count) in &measured.statuses {
                        tr { td { "status " (status) } td.number { (thousands(*count)) } td.number { (share(*count)) } }
                    }
                    @for (failure, count) in &measured.errors {
                        tr { td { span.bad { "error: " (failure) } } td.number { (thousands(*count)) } td.number { (share(*count)) } }
                    }
                }
            }
        }
    }
}

fn balance(report: &LoadReport) -> Markup {
    let most = report
        .generators
        .iter()
        .map(|generator| generator.requests)
        .max()
        .unwrap_or(0)
        .max(1);
    html! {
        h2 { "Generators" }
        div.scroll {
            table {
                thead {
                    tr {
                        th { "#" } th { "requests" } th.number { "per second" } th.number { "errors" } th.number { "99 %" }
                        th.number { "own delay, 99 %" } th.number { "late start" } th.number { "clock" }
                    }
                }
                tbody {
                    @for generator in &report.generators { (generator_row(generator, most)) }
                    @for failed in &report.failed {
                        tr { td { (failed.index) } td colspan="7" { span.bad { (failed.error) } small { (failed.cause) } } }
                    }
                }
            }
        }
        @if report.generators.iter().any(|generator| !generator.on_time) {
            p.bad { "A generator was late with more than 1 % of its requests by over 1 ms: its latencies hold a part of its own. Use more generators or more memory." }
        }
    }
}

fn generator_row(generator: &GeneratorLine, most: u64) -> Markup {
    let width = 100.0 * generator.requests as f64 / most as f64;
    html! {
        tr {
            td { (generator.index) }
            td {
                div.bar style={ "--width: " (format!("{width:.1}")) "%" } { (thousands(generator.requests)) }
                @if generator.truncated { small.bad { "stopped early" } }
            }
            td.number { (format!("{:.1}", generator.requests_per_second)) }
            td.number { (generator.failed) }
            td.number { (format!("{:.2} ms", generator.p99_ms)) }
            td.number { span class=(if generator.on_time { "" } else { "bad" }) { (format!("{:.3} ms", generator.scheduling_p99_ms)) } }
            td.number { (format!("{:.0} ms", generator.late_ms)) }
            td.number {
                @match generator.clock {
                    Some(skew) => (format!("{:+.1} ± {:.1} ms", skew.offset_ms, skew.uncertainty_ms)),
                    None => "–",
                }
            }
        }
    }
}

/// Microseconds as people read them.
pub(super) fn duration(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..10_000 => format!("{:.2} ms", millis(micros)),
        10_000..1_000_000 => format!("{:.1} ms", millis(micros)),
        _ => format!("{:.2} s", millis(micros) / 1e3),
    }
}

fn bytes(count: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let step = ((count.max(1) as f64).log10() / 3.0) as usize;
    let step = step.min(units.len() - 1);
    format!(
        "{:.1} {}",
        count as f64 / 1e3f64.powi(step as i32),
        units[step]
    )
}

pub(super) fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_for_people() {
        for (count, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(thousands(count), text);
        }
        for (micros, text) in [
            (7, "7 µs"),
            (1_234, "1.23 ms"),
            (12_345, "12.3 ms"),
            (2_500_000, "2.50 s"),
        ] {
            assert_eq!(duration(micros), text);
        }
        for (count, text) in [(0, "0.0 B"), (1_500, "1.5 kB"), (2_000_000_000, "2.0 GB")] {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn no_percentile_is_shown_that_the_samples_do_not_support() {
        assert_eq!(nines(1_000).round(), 3.0);
        assert_eq!(nines(5), 1.0);
        assert_eq!(nines(u64::MAX), 6.0);
    }
}
