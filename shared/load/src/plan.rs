//! A test that was checked and is ready to run.

use crate::result::LoadResult;

use crate::arrivals::Share;
use crate::error::Error;
use crate::pace::Pace;
use crate::redirect;
use crate::request::RequestTemplate;
use crate::spec::{Ceilings, Load, LoadTest, Version};
use crate::stream::TlsSettings;
use crate::target::{AllowedTargets, Target};

/// A checked test with a resolved target, for one generator.
#[derive(Debug)]
pub struct Plan {
    /// The test as it was written, without the headers that must not follow a redirect to another host.
    pub test: LoadTest,
    /// The generator's share of it.
    pub share: Share,
    /// The URL under load, after redirects.
    pub url: String,
    /// Where requests go.
    pub(crate) target: Target,
    pub(crate) request: RequestTemplate,
    pub(crate) tls: Option<TlsSettings>,
    pub(crate) ceilings: Ceilings,
    pub(crate) seed: u64,
    /// Threads of this generator.
    pub threads: u32,
}

impl Plan {
    /// Checks `test` and everything it refers to; resolves the host, follows redirects if the test says so.
    /// Blocks for that. No request of the test itself is made.
    ///
    /// # Errors
    /// [`Error`] says which field, address or redirect is wrong.
    pub fn new(
        mut test: LoadTest,
        share: Share,
        allowed: &AllowedTargets,
        ceilings: Ceilings,
    ) -> Result<Self, Error> {
        test.check(&ceilings)?;
        if share.count == 0 || share.index >= share.count {
            return Err(Error::invalid(
                "generator",
                "index must be from 0 to count - 1",
            ));
        }
        let (url, target) = redirect::resolve(&mut test, allowed)?;
        let request = RequestTemplate::new(&test, &target)?;
        let alpn: &[u8] = match test.http {
            Version::Http1 => b"http/1.1",
            Version::Http2 => b"h2",
        };
        let tls = if target.tls {
            Some(TlsSettings::new(&target.host, &test.trusted_pem, alpn)?)
        } else {
            None
        };
        let processors = std::thread::available_parallelism().map_or(1, |count| count.get() as u32);
        let own_connections = connections(&test, share);
        let threads = test.threads.unwrap_or(processors).min(own_connections);
        let seed = test.seed;
        Ok(Self {
            test,
            share,
            url,
            target,
            request,
            tls,
            ceilings,
            seed,
            threads,
        })
    }

    /// The share of thread `index`.
    pub(crate) fn thread_share(&self, index: u32) -> Share {
        self.share.of(index, self.threads)
    }

    /// The connections of thread `index`.
    pub(crate) fn thread_connections(&self, index: u32) -> u32 {
        connections(&self.test, self.thread_share(index))
    }

    /// The pace of thread `index`.
    pub(crate) fn pace(&self, index: u32) -> Pace {
        let share = self.thread_share(index);
        match (&self.test.load, self.test.profile()) {
            (Load::Open { arrivals, .. }, Some(profile)) => {
                Pace::open(profile, share, *arrivals, self.seed)
            }
            (Load::Open { .. } | Load::Closed { .. }, _) => {
                Pace::closed(self.test.seconds(), share, self.ceilings.rate)
            }
        }
    }

    /// Arrivals of this generator's measured schedule; `None` for a closed loop.
    pub(crate) fn offered(&self) -> Option<u64> {
        let profile = self.test.profile()?;
        let warmup = match &self.test.load {
            Load::Open { stages, .. } => stages
                .first()
                .map_or(0.0, |first| first.rate() * self.test.warmup_seconds),
            Load::Closed { .. } => 0.0,
        };
        let of = |arrivals: f64| {
            self.share
                .of_total((arrivals - 1e-6).ceil().max(0.0) as u64)
        };
        Some(of(profile.arrivals()) - of(warmup))
    }

    /// The result of this generator before anything was measured.
    pub(crate) fn empty_result(&self) -> LoadResult {
        LoadResult {
            url: self.url.clone(),
            index: self.share.index,
            count: self.share.count,
            threads: self.threads,
            started_at_ms: 0.0,
            late_ms: 0.0,
            seconds: 0.0,
            offered: 0,
            unfinished: 0,
            truncated: false,
            measured: crate::result::Measured::default(),
        }
    }
}

/// The share's part of the test's connections, at least one.
fn connections(test: &LoadTest, share: Share) -> u32 {
    let total = match test.load {
        Load::Open {
            max_connections, ..
        } => max_connections,
        Load::Closed { connections, .. } => connections,
    };
    u32::try_from(share.of_total(u64::from(total)))
        .unwrap_or(u32::MAX)
        .max(1)
}
