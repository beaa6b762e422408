//! One round: everything is started, the blows fall, and what came of it is gathered.

mod answers;
mod gather;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_s3::primitives::ByteStream;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::check::Outcome;
use crate::client::{Client, Refusal};
use crate::machines::{ACTIVITY, PIPELINES, Scenario, pipeline, small};
use crate::plan::{Blow, Kind, Moment, Plan};
use crate::project::Project;
use crate::server::{Place, Server, SmallDisk, free_port};

/// Between two looks at a server that runs: nothing tells another process what happens in it.
const LOOK: Duration = Duration::from_millis(20);

/// What is under way, shared by those who start, answer and strike.
struct Round<'a> {
    place: Place<'a>,
    client: Client,
    scenarios: Vec<Scenario>,
    /// ARN by name, of every start that was answered.
    started: Mutex<BTreeMap<String, String>>,
    findings: Mutex<Vec<String>>,
    restarts: AtomicUsize,
    lost_polls: AtomicUsize,
    begun: Instant,
    /// Tells how long whoever holds a token works.
    random: Mutex<StdRng>,
}

/// Runs everything once; blows fall as planned, none without a plan. What came of it, where it came to an end, and
/// what was found on the way that may not be.
pub async fn run(project: &Project, plan: Option<&Plan>) -> (Option<Outcome>, Vec<String>) {
    let data = project.path().join("served");
    let full = plan.filter(|plan| plan.fills_disk());
    let disk = full.and_then(|_| SmallDisk::mount(&data));
    let (port, log) = (free_port(), project.path().join("server.log"));
    let place = Place {
        project,
        data,
        port,
        log,
    };
    let round = Round {
        client: Client::new(&place.endpoint()),
        place,
        scenarios: scenarios(project, plan),
        started: Mutex::default(),
        findings: Mutex::default(),
        restarts: AtomicUsize::new(0),
        lost_polls: AtomicUsize::new(0),
        begun: Instant::now(),
        random: Mutex::new(StdRng::seed_from_u64(plan.map_or(0, |plan| plan.seed))),
    };
    let outcome = round.play(plan, disk.as_ref()).await;
    let mut findings = round.findings.into_inner().unwrap();
    let outcome = outcome.map_err(|last| findings.push(last)).ok();
    (outcome, findings)
}

/// What a plan runs; without one everything.
fn scenarios(project: &Project, plan: Option<&Plan>) -> Vec<Scenario> {
    let (pipelines, full): (Vec<_>, bool) = match plan {
        None => (PIPELINES.to_vec(), false),
        Some(plan) => (plan.pipeline.into_iter().collect(), plan.fills_disk()),
    };
    let real = pipelines.into_iter().map(pipeline);
    let small = small(&project.stack)
        .into_iter()
        .filter(|scenario| !(full && scenario.writes));
    real.chain(small).collect()
}

impl Round<'_> {
    fn find(&self, finding: String) {
        self.tell(&finding);
        self.findings.lock().unwrap().push(finding);
    }

    /// Keeps a line for whoever looks into a finding.
    fn tell(&self, line: &str) {
        let path = self.place.project.path().join("driver.log");
        let mut log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        writeln!(log, "{:?} {line}", self.begun.elapsed()).unwrap();
    }

    async fn play(&self, plan: Option<&Plan>, disk: Option<&SmallDisk>) -> Result<Outcome, String> {
        let mut server = self.place.start();
        server.up().await?;
        self.prepare().await?;
        let served = async {
            tokio::select! {
                () = self.answer_tokens() => {}
                () = self.serve_activity() => {}
                () = self.watch_notes() => {}
            }
        };
        let played = async {
            let struck = async {
                for blow in plan.into_iter().flat_map(|plan| &plan.blows) {
                    self.strike(&mut server, blow, disk).await?;
                }
                server.up().await?;
                Ok::<_, String>(())
            };
            let (started, struck) = tokio::join!(self.start_all(), struck);
            started.and(struck)?;
            self.all_there().await;
            self.wait_for_ends().await
        };
        tokio::select! {
            () = served => unreachable!("they serve until they are dropped"),
            played = played => played?,
        }
        let outcome = self.gather().await?;
        self.close(server, &outcome).await?;
        Ok(outcome)
    }

    /// Machines, the activity and the data sets.
    async fn prepare(&self) -> Result<(), String> {
        let told = |error: Refusal| format!("{}: {}", error.code, error.message);
        let sfn = &self.client.sfn;
        let activity = self
            .client
            .ask(async || sfn.create_activity().name(ACTIVITY).send().await)
            .await;
        activity.answer.map_err(told)?;
        for scenario in &self.scenarios {
            let Some(definition) = &scenario.definition else {
                continue;
            };
            let create = async || {
                let create = sfn
                    .create_state_machine()
                    .name(scenario.name)
                    .definition(definition.to_string());
                create
                    .role_arn("arn:aws:iam::123456789012:role/chaos")
                    .send()
                    .await
            };
            let created = self.client.ask(create).await.answer;
            created.map_err(|error| format!("{}: {}", scenario.name, told(error)))?;
        }
        if self
            .scenarios
            .iter()
            .all(|scenario| scenario.definition.is_some())
        {
            return Ok(());
        }
        let bucket = &self.place.project.stack.buckets[0];
        for entry in std::fs::read_dir(self.place.project.path().join("data"))
            .unwrap()
            .flatten()
        {
            let key = format!("data/{}", entry.file_name().to_string_lossy());
            let body = ByteStream::from(std::fs::read(entry.path()).unwrap());
            let put = self
                .client
                .s3
                .put_object()
                .bucket(bucket)
                .key(key)
                .body(body);
            put.send().await.map_err(|error| format!("{error:?}"))?;
        }
        Ok(())
    }

    fn machine(&self, scenario: &Scenario) -> String {
        let stack = &self.place.project.stack;
        match &scenario.definition {
            Some(_) => format!(
                "arn:aws:states:{}:{}:stateMachine:{}",
                stack.region, stack.account, scenario.name
            ),
            None => stack.state_machine(scenario.name).unwrap().arn.clone(),
        }
    }

    async fn start_all(&self) -> Result<(), String> {
        for scenario in &self.scenarios {
            let (machine, input) = (self.machine(scenario), scenario.input.to_string());
            for copy in 0..scenario.copies {
                let name = format!("{}-{copy}", scenario.name);
                let start = async || {
                    let start = self
                        .client
                        .sfn
                        .start_execution()
                        .state_machine_arn(&machine);
                    start.name(&name).input(&input).send().await
                };
                let answered = self.client.ask(start).await;
                let arn = machine.replace(":stateMachine:", ":execution:");
                match answered.answer {
                    Ok(_) => {}
                    // The lost request has started it, and it has ended since.
                    Err(refusal)
                        if answered.lost_before && refusal.code == "ExecutionAlreadyExists" => {}
                    Err(Refusal { code, message }) => {
                        self.find(format!(
                            "{name}: its start was refused with {code}: {message}"
                        ));
                        continue;
                    }
                }
                self.started
                    .lock()
                    .unwrap()
                    .insert(name.clone(), format!("{arn}:{name}"));
            }
        }
        Ok(())
    }

    fn started(&self) -> Vec<(String, String)> {
        self.started.lock().unwrap().clone().into_iter().collect()
    }

    /// Every start that was answered is there.
    async fn all_there(&self) {
        for (name, arn) in self.started() {
            if let Err(Refusal { code, .. }) = self.client.describe(&arn).await.answer {
                self.find(format!(
                    "{name}: its start was answered, and after a restart it is lost: {code}"
                ));
            }
        }
    }

    async fn strike(
        &self,
        server: &mut Server,
        blow: &Blow,
        disk: Option<&SmallDisk>,
    ) -> Result<(), String> {
        self.wait_for(server, &blow.moment).await?;
        self.tell(&format!("{blow:?}"));
        match (&blow.kind, disk) {
            (Kind::Kill, _) => server.kill(),
            (Kind::Terminate, _) => server.terminate().await?,
            (Kind::TerminateThenKill(after), _) => {
                server.signal("TERM");
                tokio::time::sleep(*after).await;
                server.kill();
            }
            (Kind::Pause(after), _) => {
                server.signal("STOP");
                tokio::time::sleep(*after).await;
                server.signal("CONT");
                return Ok(());
            }
            (Kind::PauseThenKill(after), _) => {
                server.signal("STOP");
                tokio::time::sleep(*after).await;
                server.kill();
            }
            (Kind::FillDisk(after), Some(disk)) => {
                let filler = disk.fill();
                tokio::time::sleep(*after).await;
                drop(filler);
                // Without space it may refuse to start; what counts is that the next one does.
                if server.up().await.is_err() {
                    *server = self.place.start();
                    self.restarts.fetch_add(1, Ordering::Relaxed);
                }
                return Ok(());
            }
            (Kind::FillDiskThenKill(after), Some(disk)) => {
                let _filler = disk.fill();
                tokio::time::sleep(*after / 2).await;
                server.kill();
                *server = self.place.start();
                self.restarts.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(*after / 2).await;
                // This one too may refuse to start.
                server.kill();
            }
            (Kind::FillDisk(_) | Kind::FillDiskThenKill(_), None) => {
                return Err("no disk to fill was mounted".to_owned());
            }
        }
        tokio::time::sleep(blow.away).await;
        *server = self.place.start();
        self.restarts.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn wait_for(&self, server: &mut Server, moment: &Moment) -> Result<(), String> {
        if let Moment::Starting(after) = moment {
            tokio::time::sleep(*after).await;
            return Ok(());
        }
        server.up().await?;
        self.all_there().await;
        // A round that has come to its end gives no more signs, and is struck nevertheless.
        let begun = Instant::now();
        let waits = || begun.elapsed() < Duration::from_secs(10);
        match moment {
            Moment::Delay(after) => tokio::time::sleep(*after).await,
            Moment::Signs(more) => {
                let before = self.client.signs();
                while self.client.signs() < before + more && waits() {
                    tokio::time::sleep(LOOK / 4).await;
                }
            }
            Moment::Events(more) => {
                let before = self.events().await;
                while self.events().await < before + *more as i64 && waits() {
                    tokio::time::sleep(LOOK).await;
                }
            }
            Moment::Starting(_) => {}
        }
        Ok(())
    }

    /// Events in the histories of all executions that were started.
    async fn events(&self) -> i64 {
        let mut events = 0;
        for (_, arn) in self.started() {
            events += self.last_event(&arn).await.0;
        }
        events
    }

    /// Number and kind of the last event; none where the server does not answer.
    async fn last_event(&self, arn: &str) -> (i64, String) {
        let history = self
            .client
            .sfn
            .get_execution_history()
            .execution_arn(arn)
            .reverse_order(true)
            .max_results(1);
        let answer = history.send().await;
        let last = answer
            .ok()
            .and_then(|history| history.events.into_iter().next());
        last.map_or((0, String::new()), |event| {
            (event.id, event.r#type.as_str().to_owned())
        })
    }
}
