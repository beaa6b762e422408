//! What is done to the server, and when: all of it follows from one number.

use std::fmt;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::machines::PIPELINES;

/// Blows of one round.
pub const BLOWS: usize = 4;

/// A round: what runs beside the small machines, and what happens to the server.
#[derive(Debug)]
pub struct Plan {
    pub seed: u64,
    /// The pipeline that takes part; none where the disk is filled.
    pub pipeline: Option<&'static str>,
    pub blows: Vec<Blow>,
}

/// One thing that is done to the server.
#[derive(Debug)]
pub struct Blow {
    pub moment: Moment,
    pub kind: Kind,
    /// How long the server is away, where the blow ends it.
    pub away: Duration,
}

/// When a blow falls.
#[derive(Debug)]
pub enum Moment {
    /// After so many signs of life: answers, notes of function and worker, tokens.
    Signs(usize),
    /// When the histories of all executions together have grown by so many events.
    Events(usize),
    /// So long after the server is up.
    Delay(Duration),
    /// So long after the server's process was started: it may not be up yet.
    Starting(Duration),
}

/// What is done.
#[derive(Debug)]
pub enum Kind {
    /// SIGKILL.
    Kill,
    /// SIGTERM, and the server ends in its own time.
    Terminate,
    /// SIGTERM, and SIGKILL so long after.
    TerminateThenKill(Duration),
    /// SIGSTOP, and SIGCONT so long after.
    Pause(Duration),
    /// SIGSTOP, and SIGKILL so long after.
    PauseThenKill(Duration),
    /// No space is left for so long.
    FillDisk(Duration),
    /// The same; meanwhile SIGKILL, and a start.
    FillDiskThenKill(Duration),
}

impl Plan {
    /// The plan of this seed. `may_fill` says whether there is a disk that can be filled.
    pub fn of(seed: u64, may_fill: bool) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        // Consecutive seeds bring every pipeline and the full disk.
        let turn = seed % (PIPELINES.len() as u64 + 1);
        let pipeline = PIPELINES.get(turn as usize).copied();
        let fill = pipeline.is_none() && may_fill;
        Self {
            seed,
            pipeline,
            blows: (0..BLOWS).map(|_| blow(&mut random, fill)).collect(),
        }
    }

    /// Whether a blow of it fills the disk.
    pub fn fills_disk(&self) -> bool {
        let fills =
            |blow: &Blow| matches!(blow.kind, Kind::FillDisk(_) | Kind::FillDiskThenKill(_));
        self.blows.iter().any(fills)
    }
}

fn blow(random: &mut StdRng, fill: bool) -> Blow {
    let mut upto = |limit: u64| Duration::from_millis(random.random_range(0..limit));
    let (delay, starting, shortly, away) = (upto(3_000), upto(400), upto(1_500), upto(1_500));
    let moment = match random.random_range(0..10) {
        0..=3 => Moment::Signs(random.random_range(1..40)),
        4..=6 => Moment::Events(random.random_range(1..150)),
        7..=8 => Moment::Delay(delay),
        _ => Moment::Starting(starting),
    };
    let kind = match random.random_range(0..100) {
        0..30 if fill => Kind::FillDisk(shortly),
        30..60 if fill => Kind::FillDiskThenKill(shortly),
        0..45 => Kind::Kill,
        45..70 => Kind::Terminate,
        70..80 => Kind::TerminateThenKill(shortly / 8),
        80..90 => Kind::Pause(shortly),
        _ => Kind::PauseThenKill(shortly),
    };
    Blow { moment, kind, away }
}

impl fmt::Display for Plan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "seed {} with {}:",
            self.seed,
            self.pipeline.unwrap_or("small machines only")
        )?;
        for Blow { moment, kind, away } in &self.blows {
            write!(
                out,
                " {kind:?} at {moment:?}, {} ms away;",
                away.as_millis()
            )?;
        }
        Ok(())
    }
}
