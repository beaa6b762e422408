//! The generator alone, for comparisons with other tools: one JSON test in, one line per second and a
//! JSON result out.
//!
//! `load '{"url": "http://127.0.0.1:8080/", "load": {"closed": {"connections": 32, "seconds": 5}}}'`

use load::{AllowedTargets, Ceilings, LoadTest, Plan, Share, Timing};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let test: LoadTest =
        serde_json::from_str(&std::env::args().nth(1).ok_or("give a test as JSON")?)?;
    let allowed = AllowedTargets::only(&test.url)?;
    let plan = Plan::new(test, Share::WHOLE, &allowed, Ceilings::NONE)?;
    let result = load::run(&plan, &Timing::default(), &mut |progress| {
        eprintln!(
            "second {:>3}: {:>7} requests, {:>5} errors, p99 {:>8} us",
            progress.second,
            progress.requests,
            progress.errors,
            progress.latencies.percentile(99.0)
        );
    })?;
    let percentiles = |latencies: &load::histogram::Latencies| {
        serde_json::json!({
            "p50": latencies.percentile(50.0),
            "p90": latencies.percentile(90.0),
            "p99": latencies.percentile(99.0),
            "p99.9": latencies.percentile(99.9),
            "max": latencies.max(),
        })
    };
    let measured = &result.measured;
    let summary = serde_json::json!({
        "requests": measured.requests,
        "seconds": result.seconds,
        "offered": result.offered,
        "requestsPerSecond": result.throughput(),
        "statuses": measured.statuses,
        "errors": measured.errors,
        "bytesReceived": measured.bytes_received,
        "latencyMicros": percentiles(&measured.latencies),
        "schedulingErrorMicros": percentiles(&measured.scheduling),
    });
    println!("{summary}");
    Ok(())
}
