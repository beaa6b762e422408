//! HTTP load from one Lambda function, or from one machine, and the report of what many of them measured.
//!
//! In the **open loop** requests leave on a schedule that knows nothing of the server, and latency counts
//! from the instant at which a request should have left. A server that stalls for a second is then seen
//! by every request of that second. A closed loop would have sent almost none, and its percentiles would
//! tell nothing of the stall: Gil Tene's "coordinated omission". The **closed loop** is there too, to
//! find out how much a server can do.
//!
//! ```no_run
//! use load::{AllowedTargets, Ceilings, Load, LoadTest, Plan, Share, Spread, Stage, Timing};
//!
//! let url = "http://127.0.0.1:8080/";
//! let stages = vec![Stage::Hold { rate: 5_000.0, seconds: 30.0 }];
//! let load = Load::Open { arrivals: Spread::Poisson, stages, max_connections: 500 };
//! let plan = Plan::new(LoadTest::new(url, load), Share::WHOLE, &AllowedTargets::only(url)?, Ceilings::NONE)?;
//! let result = load::run(&plan, &Timing::default(), &mut |progress| {
//!     println!("second {}: {} requests", progress.second, progress.requests);
//! })?;
//! println!("p99 {} us", result.measured.latencies.percentile(99.0));
//! # Ok::<(), load::Error>(())
//! ```

mod alarm;
pub mod arrivals;
mod driver;
mod error;
pub mod histogram;
mod http1;
mod http2;
mod pace;
mod plan;
mod recorder;
mod redirect;
pub mod report;
mod request;
pub mod result;
mod run;
pub mod spec;
mod stream;
pub mod target;
pub mod template;
pub mod threshold;

pub use arrivals::{Profile, Share, Spread, Stage};
pub use error::Error;
pub use plan::Plan;
pub use run::{Progress, Timing, run};
pub use spec::{Ceilings, Expect, Load, LoadTest, Version};
pub use target::{AllowedTargets, TargetError};
