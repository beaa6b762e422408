//! The generator against real servers on loopback.

#![allow(clippy::unwrap_used)]

mod server;

use std::time::{Duration, Instant, SystemTime};

use load::result::{Failure, LoadResult};
use load::{
    AllowedTargets, Ceilings, Expect, Load, LoadTest, Plan, Share, Spread, Stage, Timing, Version,
};
use server::{Seen, ok};

fn open(rate: f64, seconds: f64) -> Load {
    Load::Open {
        arrivals: Spread::Constant,
        stages: vec![Stage::Hold { rate, seconds }],
        max_connections: 50,
    }
}

fn closed(connections: u32, seconds: f64) -> Load {
    Load::Closed {
        connections,
        seconds,
    }
}

fn run_with(test: LoadTest, timing: &Timing) -> LoadResult {
    let allowed = AllowedTargets::only(&test.url).unwrap();
    let plan = Plan::new(test, Share::WHOLE, &allowed, Ceilings::NONE).unwrap();
    load::run(&plan, timing, &mut |_| ()).unwrap()
}

fn run(test: LoadTest) -> LoadResult {
    run_with(test, &Timing::default())
}

/// The only kind of failure that a test should have had.
fn only_failure(result: &LoadResult) -> Failure {
    assert_eq!(
        result.measured.errors.len(),
        1,
        "{:?}",
        result.measured.errors
    );
    *result.measured.errors.keys().next().unwrap()
}

#[test]
fn an_open_loop_makes_exactly_the_schedule() {
    let server = server::start(|_| (ok("hello"), false));
    let mut seconds = Vec::new();
    let test = LoadTest {
        threads: Some(2),
        ..LoadTest::new(&server.url, open(200.0, 2.5))
    };
    let plan = Plan::new(
        test,
        Share::WHOLE,
        &AllowedTargets::only(&server.url).unwrap(),
        Ceilings::NONE,
    )
    .unwrap();
    let result = load::run(&plan, &Timing::default(), &mut |progress| {
        seconds.push(progress.second);
    })
    .unwrap();
    let measured = &result.measured;
    assert_eq!(
        (measured.requests, result.offered, measured.failed()),
        (500, 500, 0)
    );
    assert_eq!(
        (
            measured.statuses[&200],
            measured.latencies.count(),
            measured.scheduling.count()
        ),
        (500, 500, 500)
    );
    assert_eq!(measured.bytes_received, 500 * ok("hello").len() as u64);
    assert!(measured.bytes_sent > 500 * 40);
    assert_eq!(
        measured
            .seconds
            .iter()
            .map(|second| second.requests)
            .sum::<u64>(),
        500
    );
    assert!(
        seconds.is_sorted() && seconds.starts_with(&[0, 1, 2]),
        "{seconds:?}"
    );
    assert!((2.5..3.5).contains(&result.seconds), "{}", result.seconds);
}

/// Arrivals come faster than they can be started, so the schedule is never caught up with.
#[test]
fn a_rate_that_nobody_can_make_is_stopped_all_the_same() {
    let server = server::start(|_| (ok(""), false));
    for http in [Version::Http1, Version::Http2] {
        let test = LoadTest {
            threads: Some(1),
            http,
            ..LoadTest::new(&server.url, open(9e6, 3.0))
        };
        let began = Instant::now();
        let timing = Timing {
            stop_at: Some(began + Duration::from_millis(200)),
            ..Timing::default()
        };
        let result = run_with(test, &timing);
        assert!(result.truncated, "{http:?}");
        let took = began.elapsed();
        assert!(took < Duration::from_secs(2), "{http:?}: {took:?}");
    }
}

#[test]
fn a_start_that_is_far_away_is_not_waited_for_beyond_the_stop() {
    let server = server::start(|_| (ok(""), false));
    for http in [Version::Http1, Version::Http2] {
        let test = LoadTest {
            http,
            ..LoadTest::new(&server.url, open(100.0, 1.0))
        };
        let began = Instant::now();
        let timing = Timing {
            start_at: Some(SystemTime::now() + Duration::from_secs(5)),
            stop_at: Some(began + Duration::from_millis(200)),
            ..Timing::default()
        };
        let result = run_with(test, &timing);
        assert!(result.truncated);
        assert_eq!((result.measured.requests, result.unfinished), (0, 0));
        assert!(began.elapsed() < Duration::from_secs(3));
    }
}

#[test]
fn generators_share_a_test_without_gap_or_overlap() {
    let server = server::start(|_| (ok(""), false));
    let url = format!("{}{{{{seq}}}}", server.url);
    for index in 0..3 {
        let test = LoadTest {
            threads: Some(2),
            ..LoadTest::new(&url, open(100.0, 1.0))
        };
        let share = Share { index, count: 3 };
        let plan = Plan::new(
            test,
            share,
            &AllowedTargets::only(&url).unwrap(),
            Ceilings::NONE,
        )
        .unwrap();
        let result = load::run(&plan, &Timing::default(), &mut |_| ()).unwrap();
        assert_eq!(result.measured.requests, share.of_total(100));
        assert_eq!(result.offered, share.of_total(100));
    }
    let mut numbers: Vec<u32> = server
        .seen
        .try_iter()
        .map(|seen| seen.line.split(['/', ' ']).nth(2).unwrap().parse().unwrap())
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..100).collect::<Vec<u32>>());
}

#[test]
fn warm_up_is_load_but_is_not_measured() {
    let server = server::start(|_| (ok(""), false));
    let result = run(LoadTest {
        warmup_seconds: 0.5,
        ..LoadTest::new(&server.url, open(100.0, 0.5))
    });
    assert_eq!((result.measured.requests, result.offered), (50, 50));
    assert_eq!(server.seen.try_iter().count(), 100);
}

#[test]
fn a_closed_loop_keeps_its_connections_busy() {
    let server = server::start(|_| {
        std::thread::sleep(Duration::from_millis(5));
        (ok(""), false)
    });
    let result = run(LoadTest {
        threads: Some(1),
        ..LoadTest::new(&server.url, closed(4, 1.0))
    });
    // 4 connections with 5 ms each make at most 800.
    assert!(
        (200..=804).contains(&result.measured.requests),
        "{}",
        result.measured.requests
    );
    assert!(result.measured.latencies.percentile(50.0) >= 5_000);
    assert_eq!(
        server.seen.try_iter().filter(|seen| seen.nth == 0).count(),
        4
    );
}

#[test]
fn a_ceiling_slows_a_closed_loop_down() {
    let server = server::start(|_| (ok(""), false));
    let test = LoadTest::new(&server.url, closed(4, 1.0));
    let ceilings = Ceilings {
        rate: 50.0,
        seconds: 10.0,
    };
    let plan = Plan::new(
        test,
        Share::WHOLE,
        &AllowedTargets::only(&server.url).unwrap(),
        ceilings,
    )
    .unwrap();
    let result = load::run(&plan, &Timing::default(), &mut |_| ()).unwrap();
    assert!(
        (40..=50).contains(&result.measured.requests),
        "{}",
        result.measured.requests
    );
}

/// The server stops for 400 ms in a test of 2 s: every request due in that time must have seen it.
#[test]
fn a_stall_is_seen_by_every_request_that_it_would_have_hit() {
    let server = server::start(|_| {
        static BEGUN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        let (from, until) = (Duration::from_millis(600), Duration::from_secs(1));
        let since = BEGUN.get_or_init(Instant::now).elapsed();
        if (from..until).contains(&since) {
            std::thread::sleep(until.checked_sub(since).unwrap());
        }
        (ok(""), false)
    });
    let load = Load::Open {
        arrivals: Spread::Constant,
        stages: vec![Stage::Hold {
            rate: 200.0,
            seconds: 2.0,
        }],
        // Far fewer connections than requests that meet the stall: the others wait, and are seen to.
        max_connections: 5,
    };
    let result = run(LoadTest {
        threads: Some(1),
        ..LoadTest::new(&server.url, load)
    });
    assert_eq!(
        (result.measured.requests, result.measured.failed()),
        (400, 0)
    );
    // 20 % of the arrivals wait for 0 to 400 ms, evenly: so a tenth waits for more than 200 ms.
    let p90 = result.measured.latencies.percentile(90.0) as f64 / 1_000.0;
    assert!((p90 - 200.0).abs() < 40.0, "p90 {p90} ms");
    let p99 = result.measured.latencies.percentile(99.0) as f64 / 1_000.0;
    assert!((p99 - 380.0).abs() < 40.0, "p99 {p99} ms");
}

#[test]
fn requests_are_what_the_test_says() {
    let server = server::start(|_| (ok(""), false));
    let mut test = LoadTest::new(
        format!("{}put/{{{{seq}}}}?a=b", server.url),
        closed(1, 0.05),
    );
    test.method = "PUT".to_owned();
    test.body = "{\"n\": {{seq}}}".to_owned();
    test.headers.insert("X-Key".to_owned(), "secret".to_owned());
    assert_eq!(run(test).measured.failed(), 0);
    let first: Seen = server.seen.try_iter().next().unwrap();
    assert_eq!(
        (first.line.as_str(), first.body.as_str()),
        ("PUT /put/0?a=b HTTP/1.1", "{\"n\": 0}")
    );
    assert!(
        first.headers.contains(&"x-key: secret".to_owned()),
        "{:?}",
        first.headers
    );
    let second = server.seen.try_iter().next().map(|seen| seen.body);
    assert!(second.is_none_or(|body| body.starts_with("{\"n\": ")));
}

#[test]
fn without_keep_alive_every_request_has_its_connection() {
    let server = server::start(|seen| {
        (
            ok(""),
            seen.headers.contains(&"connection: close".to_owned()),
        )
    });
    let result = run(LoadTest {
        keep_alive: false,
        ..LoadTest::new(&server.url, open(100.0, 0.5))
    });
    assert_eq!(
        (result.measured.requests, result.measured.failed()),
        (50, 0)
    );
    assert!(server.seen.try_iter().all(|seen| seen.nth == 0));
}

#[test]
fn a_server_that_closes_after_each_answer_costs_connections_and_no_errors() {
    for answer in [
        |_: &Seen| {
            (
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok".to_vec(),
                true,
            )
        },
        |_: &Seen| (b"HTTP/1.1 200 OK\r\n\r\nuntil the end".to_vec(), true),
        |_: &Seen| {
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
                    .to_vec(),
                false,
            )
        },
    ] {
        let server = server::start(answer);
        let result = run(LoadTest::new(&server.url, open(100.0, 0.3)));
        assert_eq!(
            (result.measured.requests, result.measured.failed()),
            (30, 0),
            "{:?}",
            result.measured.errors
        );
    }
}

#[test]
fn each_kind_of_failure_is_counted_as_what_it_is() {
    let refused = "http://127.0.0.1:1/";
    let result = run(LoadTest::new(refused, open(50.0, 0.2)));
    assert_eq!(
        (only_failure(&result), result.measured.requests),
        (Failure::Connect, 10)
    );
    assert_eq!(result.measured.latencies.count(), 0);

    let cases: [(server::Answer, Failure); 4] = [
        (
            |_| {
                (
                    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n".to_vec(),
                    false,
                )
            },
            Failure::Status,
        ),
        (
            |_| (b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), false),
            Failure::Protocol,
        ),
        (|_| (Vec::new(), true), Failure::Closed),
        (
            |_| {
                (
                    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel".to_vec(),
                    true,
                )
            },
            Failure::Closed,
        ),
    ];
    for (answer, failure) in cases {
        let server = server::start(answer);
        let result = run(LoadTest::new(&server.url, open(50.0, 0.2)));
        assert_eq!(
            (only_failure(&result), result.measured.failed()),
            (failure, 10)
        );
    }

    let server = server::start(|_| (ok("all is well"), false));
    let expect = |text: &str| Expect {
        body_contains: Some(text.to_owned()),
        ..Expect::default()
    };
    let with = |expect| {
        run(LoadTest {
            expect,
            ..LoadTest::new(&server.url, open(50.0, 0.2))
        })
    };
    assert_eq!(only_failure(&with(expect("wrong"))), Failure::Body);
    assert_eq!(with(expect("is well")).measured.failed(), 0);
}

#[test]
fn a_closed_loop_does_not_hammer_on_a_missing_server() {
    let result = run(LoadTest {
        threads: Some(1),
        ..LoadTest::new("http://127.0.0.1:1/", closed(2, 0.5))
    });
    assert_eq!(only_failure(&result), Failure::Connect);
    assert!(
        result.measured.requests <= 2 * 27,
        "{}",
        result.measured.requests
    );
}

#[test]
fn what_is_not_answered_in_time_counts_with_the_time_it_was_waited_for() {
    let server = server::start(|_| {
        std::thread::sleep(Duration::from_secs(5));
        (ok(""), false)
    });
    let load = Load::Open {
        arrivals: Spread::Constant,
        stages: vec![Stage::Hold {
            rate: 50.0,
            seconds: 0.2,
        }],
        max_connections: 2,
    };
    let begun = Instant::now();
    let result = run(LoadTest {
        timeout_ms: 300,
        threads: Some(1),
        ..LoadTest::new(&server.url, load)
    });
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert_eq!(
        (result.measured.requests, result.measured.failed()),
        (10, 10)
    );
    assert!(
        result.measured.errors[&Failure::Timeout] >= 2,
        "{:?}",
        result.measured.errors
    );
    assert_eq!(result.measured.latencies.count(), 10);
    assert!(result.measured.latencies.min() >= 299_000);
}

#[test]
fn it_stops_in_time_with_what_it_has() {
    let server = server::start(|_| (ok(""), false));
    let timing = Timing {
        stop_at: Some(Instant::now() + Duration::from_millis(500)),
        ..Timing::default()
    };
    let begun = Instant::now();
    let result = run_with(LoadTest::new(&server.url, open(100.0, 60.0)), &timing);
    assert!(begun.elapsed() < Duration::from_secs(2) && result.truncated);
    assert!(
        (20..=55).contains(&result.measured.requests),
        "{}",
        result.measured.requests
    );
    assert!(result.seconds < 1.0);
}

#[test]
fn it_begins_at_the_agreed_instant_or_tells_how_late_it_is() {
    let server = server::start(|_| (ok(""), false));
    let start_at = SystemTime::now() + Duration::from_millis(300);
    let timing = Timing {
        start_at: Some(start_at),
        ..Timing::default()
    };
    let begun = Instant::now();
    let result = run_with(LoadTest::new(&server.url, open(100.0, 0.1)), &timing);
    assert!(begun.elapsed() >= Duration::from_millis(390));
    let agreed = start_at
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs_f64()
        * 1e3;
    assert!((result.started_at_ms - agreed).abs() < 2.0 && result.late_ms == 0.0);

    let timing = Timing {
        start_at: Some(SystemTime::now() - Duration::from_secs(2)),
        ..Timing::default()
    };
    let late = run_with(LoadTest::new(&server.url, open(100.0, 0.1)), &timing);
    assert!((2_000.0..2_500.0).contains(&late.late_ms) && late.measured.requests == 10);
}

#[test]
fn tls_is_spoken_with_trusted_servers_only() {
    let server = server::start_tls(|_| (ok("secret"), false));
    let test = LoadTest::new(&server.url, open(100.0, 0.5));
    let result = run(LoadTest {
        trusted_pem: server.pem.clone(),
        ..test.clone()
    });
    assert_eq!(
        (result.measured.requests, result.measured.failed()),
        (50, 0),
        "{:?}",
        result.measured.errors
    );
    assert_eq!(
        result.measured.bytes_received,
        50 * ok("secret").len() as u64
    );
    // Another self-signed certificate is not trusted.
    let other = server::start_tls(|_| (ok(""), false));
    let result = run(LoadTest {
        trusted_pem: other.pem,
        ..test
    });
    assert_eq!(
        (only_failure(&result), result.measured.requests),
        (Failure::Tls, 50)
    );
}

#[test]
fn large_bodies_arrive_over_tls() {
    let server = server::start_tls(|seen| (ok(&"x".repeat(300_000 + seen.body.len())), false));
    let test = LoadTest {
        trusted_pem: server.pem.clone(),
        ..LoadTest::new(&server.url, closed(2, 0.3))
    };
    let body = "y".repeat(200_000);
    let result = run(LoadTest {
        method: "POST".to_owned(),
        body,
        ..test
    });
    assert_eq!(result.measured.failed(), 0, "{:?}", result.measured.errors);
    assert_eq!(
        result.measured.bytes_received,
        result.measured.requests * ok(&"x".repeat(500_000)).len() as u64
    );
}

#[test]
fn http2_is_spoken_plain_and_encrypted() {
    for tls in [false, true] {
        let server = server::start_http2(tls);
        let mut test = LoadTest::new(format!("{}a", server.url), open(200.0, 0.5));
        test.http = Version::Http2;
        test.trusted_pem = server.pem.clone();
        test.method = "POST".to_owned();
        test.body = "four".to_owned();
        test.expect.body_equals = Some("/a 4".to_owned());
        let result = run(test.clone());
        assert_eq!(
            (result.measured.requests, result.measured.failed()),
            (100, 0),
            "{:?}",
            result.measured.errors
        );
        test.load = closed(8, 0.3);
        let result = run(test.clone());
        assert!(
            result.measured.requests > 50 && result.measured.failed() == 0,
            "{:?}",
            result.measured.errors
        );
        test.url = format!("{}missing", server.url);
        test.load = open(50.0, 0.2);
        assert_eq!(only_failure(&run(test)), Failure::Status);
    }
}

#[test]
fn http2_failures_are_counted_as_what_they_are() {
    let mut test = LoadTest::new("http://127.0.0.1:1/", open(50.0, 0.2));
    test.http = Version::Http2;
    assert_eq!(only_failure(&run(test.clone())), Failure::Connect);
    let old = server::start(|_| (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), true));
    test.url = old.url;
    let result = run(test);
    assert_eq!(result.measured.failed(), 10);
}
