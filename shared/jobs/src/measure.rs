//! What one attempt at a job took of the machine that it ran on.

use std::fs;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::artifacts::{
    ArtifactError, GetObject, ListObjects, Listed, PutObject, S3Uri, Tagged, When,
};

/// What an attempt took, as far as it is known: every figure is absent where the platform does not tell it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Measured {
    /// CPU time of all threads, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<u64>,
    /// The most memory that was resident at one time, MiB.
    #[serde(rename = "peakMemoryMiB", skip_serializing_if = "Option::is_none")]
    pub peak_memory_mib: Option<u32>,
    /// Bytes of the artifacts that were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_read: Option<u64>,
    /// From the dispatcher's decision to the beginning of the work, ms: queue, image and start together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waited_ms: Option<u64>,
    /// From the request to the first step towards it: for capacity or in a queue, ms. Only the service tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_ms: Option<u64>,
    /// Pulling the image, ms. Only the service tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_ms: Option<u64>,
    /// From the image to the first instruction, ms. Only the service tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_ms: Option<u64>,
    /// How long earlier attempts had worked on what this one went on from, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earlier_ms: Option<u64>,
    /// What it cost at the list price, its start-up included, USD.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd: Option<f64>,
}

/// How many jobs this process works on now, and how many it ever began.
static RUNNING: AtomicUsize = AtomicUsize::new(0);
static BEGUN: AtomicU64 = AtomicU64::new(0);

/// Measures this process from [`Meter::start`] to [`Meter::read`].
#[derive(Debug)]
pub struct Meter {
    begun: u64,
    alone: bool,
    cpu_ms: u64,
    bytes_read: Option<u64>,
}

impl Meter {
    /// Begins to measure what one job takes that reads from `store`.
    pub fn start(store: &impl GetObject) -> Self {
        let alone = RUNNING.fetch_add(1, Ordering::SeqCst) == 0;
        // A process that serves job after job, as a function does, forgets the peak of the one before.
        // https://docs.kernel.org/filesystems/proc.html, clear_refs. Where it may not, the peak is that of all of them.
        if alone {
            let _ = fs::write("/proc/self/clear_refs", "5");
        }
        Self {
            begun: BEGUN.fetch_add(1, Ordering::SeqCst) + 1,
            alone,
            cpu_ms: cpu_ms(),
            bytes_read: store.bytes_read(),
        }
    }

    /// What was taken so far. Nothing is told when another job ran in this process meanwhile: whose it was cannot be
    /// known.
    pub fn read(&self, store: &impl GetObject) -> Measured {
        if !self.alone || BEGUN.load(Ordering::SeqCst) != self.begun {
            return Measured::default();
        }
        let read = store.bytes_read().zip(self.bytes_read);
        Measured {
            cpu_ms: Some(cpu_ms().saturating_sub(self.cpu_ms)),
            peak_memory_mib: peak_memory_mib(),
            bytes_read: read.map(|(now, before)| now.saturating_sub(before)),
            ..Measured::default()
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Milliseconds since the Unix epoch.
pub fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn cpu_ms() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    u64::try_from(time.tv_sec * 1_000 + time.tv_nsec / 1_000_000).unwrap_or(0)
}

/// The high-water mark of resident memory, which the kernel keeps.
fn peak_memory_mib() -> Option<u32> {
    high_water(&fs::read_to_string("/proc/self/status").ok()?)
}

fn high_water(status: &str) -> Option<u32> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    u32::try_from(kib.div_ceil(1_024)).ok()
}

/// A store that counts the bytes that are read from it.
#[derive(Debug)]
pub struct Metered<S> {
    store: S,
    bytes: AtomicU64,
}

impl<S> Metered<S> {
    /// Counts what is read from `store`.
    pub fn new(store: S) -> Self {
        Self {
            store,
            bytes: AtomicU64::new(0),
        }
    }

    fn count(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl<S: GetObject> GetObject for Metered<S> {
    async fn get_tagged(&self, uri: &S3Uri) -> Result<Option<Tagged>, ArtifactError> {
        let found = self.store.get_tagged(uri).await?;
        self.count(found.as_ref().map_or(0, |object| object.body.len()));
        Ok(found)
    }

    async fn get_up_to(&self, uri: &S3Uri, most: usize) -> Result<Option<Vec<u8>>, ArtifactError> {
        let found = self.store.get_up_to(uri, most).await?;
        self.count(found.as_ref().map_or(0, Vec::len));
        Ok(found)
    }

    fn bytes_read(&self) -> Option<u64> {
        Some(self.bytes.load(Ordering::Relaxed))
    }
}

impl<S: PutObject> PutObject for Metered<S> {
    async fn put_tagged(
        &self,
        uri: &S3Uri,
        body: Vec<u8>,
        when: When<'_>,
    ) -> Result<Option<String>, ArtifactError> {
        self.store.put_tagged(uri, body, when).await
    }
}

impl<S: ListObjects + Sync> ListObjects for Metered<S> {
    async fn list(&self, prefix: &S3Uri) -> Result<Vec<Listed>, ArtifactError> {
        self.store.list(prefix).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifacts::MemoryStore;

    #[test]
    fn the_high_water_mark_is_read_from_the_kernels_words() {
        assert_eq!(
            high_water("Name:\tx\nVmHWM:\t    2049 kB\nVmRSS:\t 1 kB\n"),
            Some(3)
        );
        assert_eq!(high_water("VmRSS:\t 1 kB\n"), None);
        assert_eq!(high_water("VmHWM:\n"), None);
    }

    #[tokio::test]
    async fn what_is_read_is_counted() {
        let (store, uri) = (Metered::new(MemoryStore::default()), S3Uri::new("b", "k"));
        store.put(&uri, vec![0; 9], When::Always).await.unwrap();
        let before = store.bytes_read().unwrap();
        store.get(&uri).await.unwrap();
        store.get_up_to(&uri, 9).await.unwrap();
        store.get(&S3Uri::new("b", "none")).await.unwrap();
        assert_eq!(store.bytes_read().unwrap() - before, 18);
    }

    #[test]
    fn a_figure_that_is_not_known_is_not_written() {
        let text = serde_json::to_string(&Measured::default()).unwrap();
        assert_eq!(text, "{}");
        assert_eq!(
            serde_json::from_str::<Measured>("{}").unwrap(),
            Measured::default()
        );
    }
}
