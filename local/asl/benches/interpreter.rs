//! The interpreter's speed, with the history recorded: `cargo bench -p asl`.
#![allow(missing_docs, clippy::unwrap_used)]

use asl::query::jsonata::Expr;
use asl::query::jsonpath::Path;
use asl::query::{Random, Scope};
use asl::simulate::{self, NoServices};
use asl::{Execution, Limits, Map, Start, StateMachine, Timestamp, Value};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};

const LOOP: &str = include_str!("../../../bench/workloads/loop.asl.json");
const LOOP_JSONATA: &str = include_str!("../../../bench/workloads/loop_jsonata.asl.json");
const MAP: &str = include_str!("../../../bench/workloads/map.asl.json");
const CHAIN: &str = include_str!("../../../bench/workloads/chain.asl.json");

fn main() {
    divan::main();
}

fn start(input: Value) -> Start {
    Start {
        input,
        // The workloads are larger than what AWS lets an execution do.
        limits: Some(Limits {
            history_events: u64::MAX,
            payload_bytes: usize::MAX,
        }),
        ..Start::default()
    }
}

fn run(machine: &StateMachine, input: Value) -> Execution {
    simulate::run(machine, start(input), Timestamp(0), &mut NoServices)
}

fn machine(definition: &str) -> StateMachine {
    StateMachine::parse(definition).unwrap()
}

#[divan::bench]
fn loop_transitions(bencher: Bencher) {
    let machine = machine(LOOP);
    let input = Value::object([("n", Value::from(0i64))]);
    bencher
        .counter(ItemsCount::new(2001usize))
        .bench(|| run(&machine, input.clone()));
}

#[divan::bench]
fn loop_jsonata_transitions(bencher: Bencher) {
    let machine = machine(LOOP_JSONATA);
    bencher
        .counter(ItemsCount::new(2002usize))
        .bench(|| run(&machine, Value::empty_object()));
}

/// Cost must be linear in the number of items.
#[divan::bench(args = [100, 1_000, 10_000, 100_000, 1_000_000], sample_count = 10)]
fn map_items(bencher: Bencher, items: i64) {
    let machine = machine(MAP);
    let items: Vec<Value> = (0..items).map(Value::from).collect();
    let count = items.len();
    let input = Value::object([("items", Value::array(items))]);
    bencher
        .counter(ItemsCount::new(count))
        .bench(|| run(&machine, input.clone()));
}

#[divan::bench]
fn chain_executions(bencher: Bencher) {
    let machine = machine(CHAIN);
    let input = Value::object([("n", Value::from(0i64))]);
    bencher
        .counter(ItemsCount::new(1usize))
        .bench(|| run(&machine, input.clone()));
}

#[divan::bench(args = ["loop", "loop_jsonata", "map"])]
fn parse(bencher: Bencher, workload: &str) {
    let definition = match workload {
        "loop" => LOOP,
        "loop_jsonata" => LOOP_JSONATA,
        _ => MAP,
    };
    bencher.bench(|| machine(black_box(definition)));
}

/// Evaluates with an input of 100 items and a variable.
fn evaluate(bencher: Bencher, query: impl Fn(&Scope) -> Value + Sync) {
    let items: Vec<Value> = (0..100i64)
        .map(|n| Value::object([("price", Value::from(n)), ("name", Value::from("item"))]))
        .collect();
    let input = Value::object([("order", Value::object([("items", Value::array(items))]))]);
    let variables: Map = [("n".into(), Value::from(41i64))].into_iter().collect();
    bencher.bench_local(|| {
        query(&Scope {
            input: &input,
            context: &|| Value::Null,
            variables: &variables,
            result: None,
            error_output: None,
            random: &Random::seeded(1),
            now: Timestamp(0),
        })
    });
}

#[divan::bench(args = ["$.order.items[99].price", "$.order.items[*].price", "$.order.items[?(@.price > 50)].price"])]
fn jsonpath(bencher: Bencher, path: &str) {
    let path = Path::compile(path).unwrap();
    evaluate(bencher, |scope| path.select(scope).unwrap());
}

#[divan::bench(args = ["$n + 1", "$states.input.order", "$sum($states.input.order.items.price)"])]
fn jsonata(bencher: Bencher, text: &str) {
    let expression = Expr::compile(text).unwrap();
    evaluate(bencher, |scope| {
        expression.evaluate(scope, "Output").unwrap()
    });
}
