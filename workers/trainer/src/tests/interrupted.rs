//! A training that is interrupted again and again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jobs::artifacts::Tagged;
use jobs::checkpoint::Order;
use jobs::task::JOB_SPOT_RECLAIMED;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::Notify;

use super::*;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Strike {
    /// SIGTERM: the work may save once more.
    Terminate,
    /// SIGKILL, in the middle of a save.
    Kill,
    /// Nothing.
    Spare,
}

/// The store of one attempt, which is struck when it saves its checkpoint for the `at`th time. The attempt saves after
/// each unit of work, for time stands still and saving costs none, so saves are units.
struct Struck<'a> {
    store: &'a MemoryStore,
    units: &'a AtomicU64,
    strike: Strike,
    at: u64,
    stop: Stop,
    killed: Notify,
}

impl GetObject for Struck<'_> {
    async fn get_tagged(&self, uri: &S3Uri) -> Result<Option<Tagged>, ArtifactError> {
        self.store.get_tagged(uri).await
    }
}

impl PutObject for Struck<'_> {
    async fn put_tagged(
        &self,
        uri: &S3Uri,
        body: Vec<u8>,
        when: When<'_>,
    ) -> Result<Option<String>, ArtifactError> {
        if uri.key.ends_with("/checkpoint") && self.units.fetch_add(1, Ordering::Relaxed) == self.at
        {
            match self.strike {
                Strike::Spare => {}
                Strike::Terminate => self.stop.give(Order {
                    name: JOB_SPOT_RECLAIMED,
                    reason: "on purpose".to_owned(),
                }),
                Strike::Kill => {
                    self.killed.notify_one();
                    std::future::pending::<()>().await;
                }
            }
        }
        self.store.put_tagged(uri, body, when).await
    }
}

struct Bench {
    store: MemoryStore,
    units: AtomicU64,
    input: Value,
}

impl Bench {
    async fn with(model: &Value) -> Self {
        let store = MemoryStore::default();
        let dataset = S3Uri::new("b", "few.csv");
        let plain = jobs::gzip::plain(DIGITS, 1_000_000);
        let text = std::io::read_to_string(plain).unwrap();
        let few: Vec<&str> = text.lines().take(120).collect();
        let put = store.put(&dataset, few.join("\n").into(), When::Always);
        put.await.unwrap();
        Self {
            store,
            units: AtomicU64::new(0),
            input: json!({"dataset": "s3://b/few.csv", "model": model, "seed": 1}),
        }
    }

    /// One attempt of the job; none when it was killed.
    async fn attempt(&self, strike: Strike, after: u64) -> Option<Result<Output, Error>> {
        let stop = Stop::default();
        let store = Struck {
            store: &self.store,
            units: &self.units,
            strike,
            at: self.units() + after,
            stop: stop.clone(),
            killed: Notify::new(),
        };
        let job = Job::new(
            Origin::new("e", "s"),
            "trainer",
            Placement::FargateSpot,
            json!({}),
        );
        let uri = job_uri("b", &job.id);
        let checkpoint = Checkpoint::new(&store, &job, &uri, Duration::ZERO, stop);
        let context = Context {
            job: &job,
            store: &store,
            uri: &uri,
            checkpoint: &checkpoint,
        };
        let input = input::parse(self.input.clone()).unwrap();
        tokio::select! {
            ended = train(context, input) => Some(ended),
            () = store.killed.notified() => None,
        }
    }

    fn units(&self) -> u64 {
        self.units.load(Ordering::Relaxed)
    }

    async fn model(&self, output: &Output) -> Vec<u8> {
        self.store.get(&output.model).await.unwrap().unwrap()
    }
}

/// Strikes at random moments, then to the end: the same model to the last bit, and how many units were done twice, of how
/// many.
async fn repeated(model: &Value, strikes: &[Strike], seed: u64) -> (u64, u64) {
    let (calm, rough) = (Bench::with(model).await, Bench::with(model).await);
    let expected = calm.attempt(Strike::Spare, 0).await.unwrap().unwrap();
    let mut random = StdRng::seed_from_u64(seed);
    for &strike in strikes {
        let left = calm.units() - rough.units();
        let after = random.random_range(0..=left / 3);
        let ended = rough.attempt(strike, after).await;
        let name = ended.map(|ended| ended.unwrap_err().name().to_owned());
        let expected = (strike == Strike::Terminate).then_some(JOB_SPOT_RECLAIMED);
        assert_eq!(name.as_deref(), expected, "{model} {seed}");
    }
    let output = rough.attempt(Strike::Spare, 0).await.unwrap().unwrap();
    assert!(rough.model(&output).await == calm.model(&expected).await);
    let bits = |output: &Output| output.metrics.accuracy.to_bits();
    assert_eq!(bits(&output), bits(&expected));
    (rough.units() - calm.units(), calm.units())
}

#[tokio::test(start_paused = true)]
async fn five_interruptions_change_no_bit_and_repeat_less_than_a_twentieth() {
    use Strike::{Kill, Terminate};
    let forest = json!({"forest": {"nTrees": 101, "maxDepth": 3, "minSamplesLeaf": 1}});
    let mixed = [Kill, Terminate, Kill, Terminate, Kill];
    for (seed, (strikes, most)) in (0..).zip([([Terminate; 5], 0), (mixed, 3), ([Kill; 5], 5)]) {
        let (repeated, units) = repeated(&forest, &strikes, seed).await;
        assert_eq!(units, 101);
        assert!(repeated <= most, "seed {seed}: {repeated}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_optimiser_goes_on_from_its_last_round() {
    let logistic = json!({"logistic": {"alpha": 0.001, "maxIterations": 100}});
    for strike in [Strike::Terminate, Strike::Kill] {
        let (repeated, units) = repeated(&logistic, &[strike], 1).await;
        assert!(units >= 2, "{units} rounds");
        assert!(repeated <= 1, "{strike:?}: {repeated}");
    }
}
