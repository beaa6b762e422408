use super::*;
use crate::logs::Logs;

#[path = "../../tests/support/changes.rs"]
mod changes;

struct Bench {
    dir: tempfile::TempDir,
    processes: Processes,
    log: LogStream,
}

fn bench() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let log = Logs::new(dir.path()).stream("g", "s").unwrap();
    Bench {
        dir,
        processes: Processes::default(),
        log,
    }
}

impl Bench {
    fn sh(&self, script: &str, change: impl FnOnce(&mut Spec)) -> Process {
        let mut spec = Spec {
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            env: Env::from([
                ("PATH".into(), "/usr/bin:/bin".into()),
                ("X".into(), "42".into()),
            ]),
            memory_mib: None,
            timeout: None,
            grace: Duration::from_secs(30),
            folder: None,
            record: None,
        };
        change(&mut spec);
        self.processes.spawn(spec, &self.log).unwrap()
    }

    fn logged(&self) -> String {
        String::from_utf8(self.log.tail(0, 1 << 20)).unwrap()
    }

    /// Waits for a line of the log that begins like this; what comes next in it.
    async fn line(&self, start: &str) -> String {
        let line = || {
            let logged = self.logged();
            let mut whole = logged
                .split_inclusive('\n')
                .filter(|line| line.ends_with('\n'));
            Some(
                whole
                    .find_map(|line| line.strip_prefix(start))?
                    .trim()
                    .to_owned(),
            )
        };
        changes::until(self.log.path().parent().unwrap(), line).await
    }
}

#[tokio::test]
async fn exit_code_output_and_environment_are_the_childs_own() {
    let bench = bench();
    let end = bench
        .sh("echo out $X; echo err >&2; exit 3", |_| ())
        .exited()
        .await;
    assert_eq!(
        end,
        Exit {
            code: 3,
            signal: None,
            cause: Cause::Itself
        }
    );
    assert_eq!(bench.logged(), "out 42\nerr\n");
    assert!(bench.dir.path().join("g/s.log").exists());
}

#[tokio::test]
async fn a_signal_is_128_more() {
    let end = bench().sh("kill -9 $$", |_| ()).exited().await;
    assert_eq!(
        end,
        Exit {
            code: 137,
            signal: Some(9),
            cause: Cause::Itself
        }
    );
}

#[tokio::test]
async fn stop_asks_first_and_then_kills_with_all_descendants() {
    let bench = bench();
    let polite = bench.sh(
        "trap 'echo bye; exit 7' TERM; echo up; sleep 1000 & wait",
        |_| (),
    );
    bench.line("up").await;
    polite.stop(Duration::from_secs(30));
    assert_eq!(
        polite.exited().await,
        Exit {
            code: 7,
            signal: None,
            cause: Cause::Stopped
        }
    );

    let deaf = bench.sh("trap '' TERM; sleep 1000 & echo child $!; wait", |_| ());
    let descendant = bench.line("child").await.parse().unwrap();
    deaf.stop(Duration::from_millis(50));
    let end = deaf.exited().await;
    assert_eq!((end.signal, end.cause), (Some(9), Cause::Stopped));
    changes::ended(descendant).await;
}

#[tokio::test]
async fn time_and_memory_limits_hold() {
    let bench = bench();
    let slow = bench.sh("sleep 1000", |spec| {
        spec.timeout = Some(Duration::from_millis(50));
        spec.grace = Duration::from_millis(50);
    });
    assert_eq!(slow.exited().await.cause, Cause::TimedOut);

    let greedy = bench.sh("x=0123456789abcdef; while :; do x=$x$x; done", |spec| {
        spec.memory_mib = Some(64);
    });
    assert_eq!(
        greedy.exited().await,
        Exit {
            code: 137,
            signal: Some(9),
            cause: Cause::OutOfMemory
        }
    );
}

#[tokio::test]
async fn shutdown_ends_every_child() {
    let bench = bench();
    let children: Vec<_> = (0..3).map(|_| bench.sh("sleep 1000", |_| ())).collect();
    bench.processes.shutdown().await;
    for child in children {
        assert_eq!(child.exit().unwrap().cause, Cause::Shutdown);
    }
    let spec = Spec {
        program: "/bin/true".into(),
        args: vec![],
        env: Env::new(),
        memory_mib: None,
        timeout: None,
        grace: Duration::ZERO,
        folder: None,
        record: None,
    };
    assert!(bench.processes.spawn(spec, &bench.log).is_err());
}

#[tokio::test]
async fn a_process_that_a_killed_local_cloud_left_is_ended_by_the_next() {
    let mut bench = bench();
    let notes = bench.dir.path().join("notes");
    bench.processes = Processes::noted_in(notes.clone()).unwrap();
    let left = bench.sh("sleep 60", |_| {});
    let pid = left.pid().unwrap().to_string();
    // A later process that was given the id of a noted one is not it.
    let other = bench.sh("sleep 60", |_| {});
    let others = notes.join(other.pid().unwrap().to_string());
    std::fs::write(&others, "another boot 1").unwrap();

    let next = Processes::noted_in(notes.clone()).unwrap();
    assert_eq!(left.exited().await.signal, Some(9));
    assert_eq!(other.exit(), None);
    assert_eq!(std::fs::read_dir(&notes).unwrap().count(), 0);

    bench.processes = next;
    let own = bench.sh("true", |_| {});
    assert_eq!(own.exited().await.code, 0);
    bench.processes.shutdown().await;
    assert!(!notes.join(pid).exists());
    assert_eq!(std::fs::read_dir(&notes).unwrap().count(), 0);
}

/// The shell that notes a program's end may hear of it late, on a machine that is busy.
#[tokio::test]
async fn a_program_that_ended_just_before_a_shutdown_is_not_started_again() {
    let bench = bench();
    let record = Record::new(bench.dir.path(), "worker");
    // Its parent is that shell, which stands still before the program ends.
    let script = "kill -STOP $PPID; until grep -q '^State:.T' /proc/$PPID/status; do :; done; echo pid $$; exit 3";
    let program = bench.sh(script, |spec| {
        spec.record = Some(record.clone());
    });
    changes::ended(bench.line("pid").await.parse().unwrap()).await;

    let go_on = async {
        // Until the stop has begun: whoever waits for it runs on this thread.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        kill_process_group(program.pid.unwrap(), Signal::CONT).unwrap();
    };
    tokio::join!(bench.processes.shutdown(), go_on);
    let end = program.exit().unwrap();
    assert_eq!((end.code, end.cause), (3, Cause::Itself));
    assert!(matches!(record.find(), Ok(Found::Ended(3))));
}

/// A stop may come at any moment of a start.
#[tokio::test]
async fn a_stop_during_the_start_of_a_recorded_program_reaches_it() {
    let bench = bench();
    for number in 0..40_u64 {
        let record = Record::new(bench.dir.path(), &number.to_string());
        let program = bench.sh("sleep 1000", |spec| spec.record = Some(record));
        for _ in 0..number * 20 {
            tokio::task::yield_now().await;
        }
        program.stop(Duration::from_secs(1_000));
        let end = program.exited().await;
        assert_eq!((end.code, end.cause), (143, Cause::Stopped), "{number}");
    }
}
