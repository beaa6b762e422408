use jobs::artifacts::{MemoryStore, When, put_json};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn request(change: &[(&str, Value)]) -> Request {
    let mut event = json!({
        "round": 1, "sets": 4, "seed": 5,
        "space": {
            "forest": {"nTrees": {"min": 10, "max": 120}, "maxDepth": {"min": 4, "max": 16}},
            "knn": {"k": {"min": 1, "max": 15}}
        }
    });
    for (field, value) in change {
        event[field] = value.clone();
    }
    input::parse(event).unwrap()
}

fn inside(space: &Space, model: &Model) -> bool {
    model.iter().all(|(kind, values)| {
        values.iter().all(|(parameter, value)| {
            let range = space[kind][parameter];
            (range.min..=range.max).contains(value)
        })
    })
}

#[tokio::test]
async fn a_round_has_new_sets_on_fargate_and_batch() {
    let response = handle(&MemoryStore::default(), request(&[])).await.unwrap();
    let placements: Vec<_> = response.sets.iter().map(|set| set.placement).collect();
    use Placement::{Batch, Fargate};
    assert_eq!(placements, [Fargate, Batch, Fargate, Batch].map(Some));
    let again = handle(&MemoryStore::default(), request(&[])).await.unwrap();
    assert_eq!(response, again);
    let other = handle(&MemoryStore::default(), request(&[("seed", json!(6))]))
        .await
        .unwrap();
    assert_ne!(response, other);
}

#[tokio::test]
async fn the_first_round_tries_what_is_included() {
    let include = json!([{"forest": {"nTrees": 10, "maxDepth": -1}}]);
    let first = handle(
        &MemoryStore::default(),
        request(&[("include", include.clone())]),
    )
    .await
    .unwrap();
    assert_eq!(
        serde_json::to_value(&first.sets[0].model).unwrap(),
        include[0]
    );
    assert_eq!(first.sets[0].name, "forest maxDepth=-1 nTrees=10");
    assert_eq!(first.sets.len(), 4);
    let second = request(&[("include", include.clone()), ("round", json!(2))]);
    let second = handle(&MemoryStore::default(), second).await.unwrap();
    assert!(
        second
            .sets
            .iter()
            .all(|set| serde_json::to_value(&set.model).unwrap() != include[0])
    );
}

#[tokio::test]
async fn later_rounds_stay_near_the_best_and_repeat_nothing() {
    let store = MemoryStore::default();
    let report = json!({"sections": [{"branches": [
        {"item": {"model": {"forest": {"nTrees": 60, "maxDepth": 10}}}, "metrics": {"accuracy": 0.98}},
        {"item": {"model": {"knn": {"k": 15}}}, "metrics": {"accuracy": 0.91}},
        {"item": {"model": {"forest": {"nTrees": 10, "maxDepth": -1}}}, "error": "Input.Invalid"},
        {"item": "something else"}
    ]}]});
    let uri = S3Uri::new("b", "report.json");
    put_json(&store, &uri, &report, When::Always).await.unwrap();
    let change = [
        ("round", json!(2)),
        ("sets", json!(10)),
        ("history", json!(uri.to_string())),
    ];
    let response = handle(&store, request(&change)).await.unwrap();
    assert_eq!(response.sets.len(), 10);
    let near = |set: &&Set| {
        let forest = set.model.get("forest");
        forest.is_some_and(|forest| {
            (47..=73).contains(&forest["nTrees"]) && (9..=11).contains(&forest["maxDepth"])
        })
    };
    assert!(
        response.sets.iter().filter(near).count() >= 2,
        "{response:?}"
    );
    let tried = [
        "knn k=15",
        "forest maxDepth=10 nTrees=60",
        "forest maxDepth=-1 nTrees=10",
    ];
    assert!(
        !response
            .sets
            .iter()
            .any(|set| tried.contains(&set.name.as_str())),
        "{response:?}"
    );
}

/// Plays a whole tuning: each set scores as `score` says, `None` for one that fails.
fn halve(sets: usize, score: impl Fn(&Model) -> Option<f64>) -> Vec<Vec<Model>> {
    let change = |round: u32| {
        [
            ("sets", json!(sets)),
            ("round", json!(round)),
            ("strategy", json!({"halving": {"budget": "nTrees"}})),
        ]
    };
    let (mut trials, mut rounds) = (Vec::new(), Vec::new());
    for round in 1.. {
        let models = proposal::propose(&request(&change(round)), &trials);
        if models.is_empty() {
            break;
        }
        trials.extend(models.iter().map(|model| Trial {
            round,
            model: model.clone(),
            score: score(model),
        }));
        rounds.push(models);
    }
    rounds
}

#[test]
fn halving_doubles_the_budget_of_the_best_half_until_one_is_left() {
    // The deeper the better; neighbours, which have no budget, are worst.
    let depth = |model: &Model| {
        Some(
            model
                .get("forest")
                .map_or(0.0, |forest| forest["maxDepth"] as f64),
        )
    };
    let rounds = halve(16, depth);
    let budgets = |models: &[Model]| -> Vec<i64> {
        let forests = models.iter().filter_map(|model| model.get("forest"));
        forests.map(|forest| forest["nTrees"]).collect()
    };
    assert!(budgets(&rounds[0]).iter().all(|trees| *trees == 10));
    for (index, round) in rounds.iter().enumerate().skip(1) {
        let trees = (10 << index).min(120);
        assert!(
            budgets(round).iter().all(|budget| *budget == trees),
            "{round:?}"
        );
        let worst_left = round.iter().filter_map(depth).fold(f64::INFINITY, f64::min);
        let better = rounds[index - 1]
            .iter()
            .filter(|model| depth(model).unwrap() > worst_left);
        assert!(better.count() < 16 >> index, "{rounds:?}");
    }
    let sizes: Vec<usize> = rounds.iter().map(Vec::len).collect();
    assert_eq!(sizes, [16, sizes[1], sizes[2], 2, 1]);
    assert!(sizes[1] <= 8 && sizes[2] <= 4);
}

#[test]
fn halving_drops_what_failed_and_stops_at_the_whole_budget() {
    assert_eq!(halve(8, |_| None).len(), 1);
    let failing = |model: &Model| model.get("forest").is_none().then_some(1.0);
    assert_eq!(
        halve(8, failing).len(),
        1,
        "neighbours have no budget to double"
    );
    let most = halve(256, |model| {
        model.get("forest").map(|forest| forest["maxDepth"] as f64)
    });
    let budgets = most
        .iter()
        .flatten()
        .filter_map(|model| model.get("forest"));
    assert_eq!(budgets.map(|forest| forest["nTrees"]).max(), Some(120));
}

#[tokio::test]
async fn an_exhausted_space_proposes_what_is_left() {
    let space = json!({"knn": {"k": {"min": 1, "max": 3}}});
    let response = handle(&MemoryStore::default(), request(&[("space", space)]))
        .await
        .unwrap();
    assert_eq!(response.sets.len(), 3);
}

#[tokio::test]
async fn bad_requests_are_refused_by_path() {
    let cases = [
        ("round", json!(0), "$.round"),
        ("sets", json!(1), "$.sets"),
        ("placements", json!([]), "$.placements"),
        ("space", json!({}), "$.space"),
        (
            "space",
            json!({"knn": {"k": {"min": 3, "max": 1}}}),
            "$.space.knn.k",
        ),
        (
            "strategy",
            json!({"halving": {"budget": "epochs"}}),
            "$.strategy.halving.budget",
        ),
    ];
    for (field, value, path) in cases {
        let error = handle(&MemoryStore::default(), request(&[(field, value)]))
            .await
            .unwrap_err();
        assert_eq!(error.name(), "Input.Invalid");
        assert!(error.to_string().starts_with(path), "{error}");
    }
    let unknown =
        json!({"round": 1, "space": {"knn": {"k": {"min": 1, "max": 2}}}, "placements": ["MOON"]});
    let refused = input::parse::<Request>(unknown).unwrap_err();
    assert!(refused.to_string().starts_with("$.placements[0]"));
    let missing = request(&[("history", json!("s3://b/nothing.json"))]);
    assert_eq!(
        handle(&MemoryStore::default(), missing)
            .await
            .unwrap_err()
            .name(),
        "Input.NotFound"
    );
}

proptest! {
    #[test]
    fn proposals_are_inside_the_space_and_never_known(seed: u64, round in 1_u32..50, k in 1_i64..16, score: f64) {
        let request = request(&[("seed", json!(seed)), ("round", json!(round))]);
        let tried: Model = serde_json::from_value(json!({"knn": {"k": k}})).unwrap();
        let models = proposal::propose(&request, &[Trial { round: 1, model: tried.clone(), score: Some(score) }]);
        prop_assert_eq!(models.len(), 4);
        for (index, model) in models.iter().enumerate() {
            prop_assert!(inside(&request.space, model));
            prop_assert_ne!(model, &tried);
            prop_assert!(!models[..index].contains(model));
        }
    }
}
