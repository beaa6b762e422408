//! Runs the workloads of `bench/engine` in this process and prints one line for each: `asl loop 1234567`.
//!
//! Rates are per second: transitions (loop, loop_jsonata), items (map), executions (chain). `waiting` is the memory of
//! one waiting execution in bytes, and `map_N` the rate at N items.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use asl::simulate::{self, NoServices};
use asl::{Execution, Limits, Start, StateMachine, Status, Timestamp, Value};

/// As in `hybrid` itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const LOOP: &str = include_str!("../../../bench/workloads/loop.asl.json");
const LOOP_JSONATA: &str = include_str!("../../../bench/workloads/loop_jsonata.asl.json");
const MAP: &str = include_str!("../../../bench/workloads/map.asl.json");
const CHAIN: &str = include_str!("../../../bench/workloads/chain.asl.json");
const WAITING: &str = include_str!("../../../bench/workloads/waiting.asl.json");

/// How long each workload is repeated, how often; the best time counts, for the others were disturbed.
const TIME: Duration = Duration::from_millis(100);
const TIMES: usize = 25;

fn main() {
    let zero = Value::object([("n", Value::from(0i64))]);
    // Memory first, while the allocator has nothing left over from other work.
    println!("asl waiting {:.0}", waiting_bytes(100_000));
    println!("asl loop {:.0}", rate(LOOP, &zero, 2001));
    println!("asl loop_jsonata {:.0}", rate(LOOP_JSONATA, &zero, 2002));
    println!("asl chain {:.0}", rate(CHAIN, &zero, 1));
    println!("asl map {:.0}", rate(MAP, &items(10_000), 10_000));
    for exponent in 2..=6 {
        let count = 10usize.pow(exponent);
        println!("asl map_{count} {:.0}", rate(MAP, &items(count), count));
    }
}

fn items(count: usize) -> Value {
    let items = (0..count as i64).map(Value::from).collect();
    Value::object([("items", Value::array(items))])
}

fn start(input: &Value) -> Start {
    Start {
        input: input.clone(),
        // The workloads are larger than what AWS lets an execution do.
        limits: Some(Limits {
            history_events: u64::MAX,
            payload_bytes: usize::MAX,
        }),
        ..Start::default()
    }
}

/// Units per second, `units` being what one execution does.
fn rate(definition: &str, input: &Value, units: usize) -> f64 {
    let machine = StateMachine::parse(definition).unwrap();
    let run = || {
        let execution = simulate::run(&machine, start(input), Timestamp(0), &mut NoServices);
        assert!(matches!(execution.status(), Status::Succeeded { .. }));
        execution
    };
    drop(run());
    let once = || {
        let begin = Instant::now();
        let mut done = 0;
        while done == 0 || begin.elapsed() < TIME {
            drop(run());
            done += units;
        }
        done as f64 / begin.elapsed().as_secs_f64()
    };
    (0..TIMES).map(|_| once()).fold(0.0, f64::max)
}

/// Resident memory of one execution that waits, the history included.
fn waiting_bytes(count: usize) -> f64 {
    let machine = StateMachine::parse(WAITING).unwrap();
    let input = Value::object([("n", Value::from(0i64))]);
    let mut executions: Vec<Execution> = Vec::with_capacity(count);
    let before = resident();
    for _ in 0..count {
        executions.push(Execution::start(&machine, start(&input), Timestamp(0)).0);
    }
    let bytes = (resident() - before) / count as f64;
    assert!(executions.iter().all(|e| *e.status() == Status::Running));
    bytes
}

/// The resident set in bytes, as Linux tells it.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| {
            rest.trim()
                .trim_end_matches("kB")
                .trim()
                .parse::<f64>()
                .ok()
        })
        .unwrap();
    kib * 1024.0
}
