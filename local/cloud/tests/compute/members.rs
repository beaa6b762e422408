//! Every member of every request that AWS knows is honoured, harmless for a reason, or refused.

use std::collections::{BTreeMap, BTreeSet};

use cloud::action::{Action, ServiceId};
use cloud::members::Members;

/// The requests of AWS's own service models; `generate.py` beside it writes it.
const MODELS: &str = include_str!("../models/members.txt");

/// The members of one action's request by path, and the name of each that travels in a query or a header.
type Request<'a> = BTreeMap<&'a str, Option<&'a str>>;

fn models() -> BTreeMap<&'static str, Request<'static>> {
    let lines = MODELS.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (action, members) = line.split_once(' ').unwrap_or((line, ""));
            let members = members.split_whitespace();
            let members = members.map(|member| match member.split_once('@') {
                Some((path, wire)) => (path, Some(wire)),
                None => (member, None),
            });
            (action, members.collect())
        })
        .collect()
}

/// Whether an entry of a table is this path or stands above it.
fn covers(entry: &str, path: &str) -> bool {
    let rest = path.strip_prefix(entry);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// What is wrong with the row of an action.
fn faults(row: &Members, request: &Request<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    let harmless: Vec<&str> = row.harmless.iter().map(|(path, _)| *path).collect();
    for path in request.keys() {
        let homes = usize::from(row.honoured.contains(path))
            + harmless.iter().filter(|entry| covers(entry, path)).count()
            + row
                .refused
                .iter()
                .filter(|entry| covers(entry, path))
                .count();
        match homes {
            0 => faults.push(format!("{path} is neither honoured, harmless nor refused")),
            1 => {}
            _ => faults.push(format!("{path} is in the row more than once")),
        }
    }
    for entry in row.honoured {
        if !request.contains_key(entry) {
            faults.push(format!("honoured {entry} is no leaf of AWS's model"));
        }
    }
    for entry in harmless.iter().chain(row.refused) {
        if !request.keys().any(|path| covers(entry, path)) {
            faults.push(format!("{entry} is not in AWS's model"));
        }
    }
    let in_model: BTreeSet<_> = request
        .iter()
        .filter_map(|(path, wire)| Some(((*wire)?, *path)))
        .collect();
    let in_row: BTreeSet<_> = row.wire.iter().copied().collect();
    if in_model != in_row {
        faults.push(format!("wire: {in_row:?}, and AWS has {in_model:?}"));
    }
    faults
}

#[test]
fn no_member_of_any_request_is_dropped_in_silence() {
    let models = models();
    let mut wrong = Vec::new();
    for action in Action::all() {
        let Some(row) = action.members() else {
            assert_eq!(action.service(), ServiceId::S3);
            continue;
        };
        let name = action.to_string();
        match models.get(name.as_str()) {
            Some(request) => wrong.extend(
                faults(&row, request)
                    .into_iter()
                    .map(|fault| format!("{name}: {fault}")),
            ),
            None => wrong.push(format!("{name} is not in members.txt: run generate.py")),
        }
        for (path, reason) in row.harmless {
            assert!(reason.len() > 10, "{name}: {path} is harmless: why?");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
