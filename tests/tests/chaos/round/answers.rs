//! Who works for the executions: answers tokens, serves the activity, and sees what function and workers note.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use rand::RngExt as _;
use serde_json::{Value, json};

use super::{LOOK, Round};
use crate::client::Refusal;
use crate::machines::ACTIVITY;

/// How long whoever holds a token works at most, milliseconds.
const WORK_MS: u64 = 4_000;

impl Round<'_> {
    /// Answers each token that a worker has put down: once, and it must be taken.
    pub(super) async fn answer_tokens(&self) {
        let mut seen = BTreeSet::new();
        let mut answers = FuturesUnordered::new();
        loop {
            for entry in std::fs::read_dir(self.place.project.tokens())
                .unwrap()
                .flatten()
            {
                let name = entry.file_name().into_string().unwrap();
                if name.contains('.') || !seen.insert(name.clone()) {
                    continue;
                }
                let token = std::fs::read_to_string(entry.path()).unwrap();
                self.client.sign();
                answers.push(self.answer(name, token));
            }
            tokio::select! {
                Some(()) = answers.next() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Polls the activity and answers each task.
    pub(super) async fn serve_activity(&self) {
        let stack = &self.place.project.stack;
        let arn = format!(
            "arn:aws:states:{}:{}:activity:{ACTIVITY}",
            stack.region, stack.account
        );
        let mut answers = FuturesUnordered::new();
        loop {
            let poll = self.client.sfn.get_activity_task().activity_arn(&arn);
            let mut poll = std::pin::pin!(poll.worker_name("chaos").send());
            let polled = loop {
                tokio::select! {
                    polled = &mut poll => break polled,
                    Some(()) = answers.next() => {}
                }
            };
            match polled {
                Ok(task) => {
                    self.client.sign();
                    let token = task.task_token.filter(|token| !token.is_empty());
                    if let (Some(token), Some(input)) = (token, task.input) {
                        let input: Value = serde_json::from_str(&input).unwrap();
                        answers
                            .push(self.answer(input["name"].as_str().unwrap().to_owned(), token));
                    }
                }
                Err(_) => {
                    self.lost_polls.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
    }

    /// Answers one token. It may only be unknown where an earlier answer was taken whose word was lost.
    async fn answer(&self, name: String, token: String) {
        let delay = self.random.lock().unwrap().random_range(0..WORK_MS);
        tokio::time::sleep(Duration::from_millis(delay)).await;
        let sfn = &self.client.sfn;
        let answered = if name.starts_with("refused") {
            let refuse = async || {
                let refusal = sfn.send_task_failure().task_token(&token);
                refusal.error("Chaos.Refused").cause(&name).send().await
            };
            self.client.ask(refuse).await.map(drop)
        } else {
            let output = json!({"answered": name}).to_string();
            let accept = async || {
                sfn.send_task_success()
                    .task_token(&token)
                    .output(&output)
                    .send()
                    .await
            };
            self.client.ask(accept).await.map(drop)
        };
        let lost_before = answered.lost_before;
        let Err(Refusal { code, message }) = answered.answer else {
            self.tell(&format!(
                "{name}: its token was answered, lost before: {lost_before}"
            ));
            return;
        };
        let taken = lost_before && code == "TaskTimedOut" && self.has_answer(&name).await;
        if taken {
            self.tell(&format!("{name}: its token was answered by a lost request"));
        } else {
            self.find(format!(
                "{name}: its token was answered with {code}: {message}"
            ));
        }
    }

    /// Whether the execution has got an answer to what it last asked.
    async fn has_answer(&self, name: &str) -> bool {
        let arn = self.started.lock().unwrap().get(name).cloned();
        let Some(arn) = arn else {
            return false;
        };
        let (_, last) = self.last_event(&arn).await;
        ![
            "TaskScheduled",
            "TaskStarted",
            "TaskSubmitted",
            "ActivityStarted",
        ]
        .contains(&last.as_str())
    }

    /// Each note is a sign of life.
    pub(super) async fn watch_notes(&self) {
        let mut known = 0;
        loop {
            let length = std::fs::read(self.place.project.notes())
                .unwrap()
                .iter()
                .filter(|byte| **byte == b'\n')
                .count();
            (known..length).for_each(|_| self.client.sign());
            known = length;
            tokio::time::sleep(LOOK / 4).await;
        }
    }
}
