//! What the execution found out, in one sentence, and which branches it speaks of. The page, the JSON and the table
//! all take it from here.

use serde_json::Value;

use crate::figures;
use crate::report::{Branch, Rank, Report, Section, Status, label};

/// The fact that holds the verdict of a comparison.
const VERDICT: &str = "verdict";
/// The fact that holds what the ranked metric is to reach.
const TARGET: &str = "target accuracy";

/// The branches that are ahead of all others, by section and place: one winner, or several in a tie.
pub(crate) type Leaders = Vec<(String, usize)>;

impl Report {
    /// What came of the execution, in one sentence.
    pub fn sentence(&self) -> String {
        let last_first = || self.sections.iter().rev();
        let given = last_first().find_map(|section| section.answer.clone());
        let compared = || last_first().find_map(comparison);
        let ranked = || self.best_of_all(self.last_rank()?);
        let sentence = given
            .or_else(compared)
            .or_else(ranked)
            .or_else(|| self.reached());
        let failures = self.failures();
        match (sentence, failures) {
            (Some(sentence), None) => format!("{sentence}."),
            (Some(sentence), Some(failures)) => format!("{sentence}; {failures}."),
            (None, Some(failures)) => format!("{}.", capital(&failures)),
            (None, None) => "Nothing was to be done.".to_owned(),
        }
    }

    /// Which branches are ahead of all others. None where a comparison finds no difference.
    pub(crate) fn leaders(&self) -> Leaders {
        let Some(rank) = self.last_rank() else {
            return Leaders::new();
        };
        let verdict = self
            .sections
            .iter()
            .rev()
            .find(|section| verdict(section).is_some());
        let considered: Vec<&Section> = match verdict {
            Some(section) if no_difference(section) => return Leaders::new(),
            Some(section) => vec![section],
            None => self.ranked_by(rank).collect(),
        };
        let scored = considered.iter().flat_map(|section| {
            let value =
                |branch: &Branch| Some((section.key.clone(), branch.index, rank.of(branch)?));
            section.branches.iter().filter_map(value)
        });
        let scored: Vec<_> = scored.collect();
        let best = scored
            .iter()
            .map(|one| one.2)
            .reduce(|a, b| if rank.prefers(b, a) { b } else { a });
        let ahead = scored.into_iter().filter(|one| Some(one.2) == best);
        ahead.map(|(key, index, _)| (key, index)).collect()
    }

    /// The metric that the last ranked section is ranked by.
    pub(crate) fn last_rank(&self) -> Option<&Rank> {
        self.sections
            .iter()
            .rev()
            .find_map(|section| section.rank.as_ref())
    }

    /// The sections that are ranked by one metric.
    pub(crate) fn ranked_by<'a>(&'a self, rank: &'a Rank) -> impl Iterator<Item = &'a Section> {
        self.sections
            .iter()
            .filter(move |section| section.rank.as_ref() == Some(rank))
    }

    /// What the metric is to reach.
    pub(crate) fn target(&self) -> Option<f64> {
        self.sections
            .iter()
            .find_map(|section| section.facts.get(TARGET)?.as_f64())
    }

    fn best_of_all(&self, rank: &Rank) -> Option<String> {
        let leaders = self.leaders();
        let branch = |(key, index): &(String, usize)| {
            let section = self.sections.iter().find(|section| section.key == *key)?;
            section
                .branches
                .iter()
                .find(|branch| branch.index == *index)
        };
        let ahead: Vec<&Branch> = leaders.iter().filter_map(branch).collect();
        let value = rank.of(ahead.first()?)?;
        let (unit, name) = figures::read(&rank.metric);
        let value_shown = figures::show(value, unit);
        let names: Vec<String> = ahead.iter().map(|branch| named(branch)).collect();
        let mut sentence = match names.as_slice() {
            [only] => format!("{only} is best with {name} {value_shown}"),
            [some @ .., last] => format!(
                "{} and {last} tie with {name} {value_shown}",
                some.join(", ")
            ),
            [] => return None,
        };
        if let Some(target) = self.target() {
            let reached = value == target || rank.prefers(value, target);
            let verb = if reached { "reached" } else { "missed" };
            sentence.push_str(&format!(" (target {} {verb})", figures::show(target, unit)));
        }
        let compared = self
            .ranked_by(rank)
            .flat_map(|section| &section.branches)
            .filter(|one| rank.of(one).is_some());
        let rounds = self.ranked_by(rank).count();
        let compared = compared.count();
        if compared > ahead.len() {
            let of = match rounds {
                0 | 1 => String::new(),
                _ => format!(" in {rounds} {}", self.sections_called(rank)),
            };
            sentence.push_str(&format!(" among {compared}{of}"));
        }
        Some(sentence)
    }

    /// What the ranked sections are called: those titled `Round 1`, `Round 2` are rounds.
    fn sections_called(&self, rank: &Rank) -> String {
        let numbered = |section: &Section| {
            let (word, number) = section.title.split_once(' ')?;
            number.parse::<u32>().ok().map(|_| word.to_lowercase())
        };
        let mut words = self.ranked_by(rank).map(numbered);
        match words.next().flatten() {
            Some(first) if words.all(|word| word.as_ref() == Some(&first)) => format!("{first}s"),
            _ => "sections".to_owned(),
        }
    }

    /// What was done where nothing is ranked.
    fn reached(&self) -> Option<String> {
        let told = self
            .sections
            .iter()
            .filter(|section| !section.branches.is_empty());
        let told: Vec<String> = told
            .map(|section| {
                let ((succeeded, ..), all) = (section.counts(), section.branches.len());
                let title = &section.title;
                match (succeeded == all, all) {
                    (true, 1) => format!("{title}: done{}", metrics(&section.branches[0])),
                    (true, _) => format!("{title}: all {} done", figures::number(all as f64)),
                    (false, _) => format!("{title}: {succeeded} of {all} done"),
                }
            })
            .collect();
        (!told.is_empty()).then(|| told.join("; "))
    }

    /// How many branches failed, and the cause that most of them share.
    fn failures(&self) -> Option<String> {
        let missing = self
            .branches()
            .filter(|one| one.status == Status::Missing)
            .count();
        let failed: Vec<&Branch> = self
            .branches()
            .filter(|one| one.status == Status::Failed)
            .collect();
        let late = (missing > 0).then(|| format!("{missing} did not answer by the deadline"));
        let failed = first_cause(&failed).map(|cause| format!("{} failed: {cause}", failed.len()));
        let both: Vec<String> = failed.into_iter().chain(late).collect();
        (!both.is_empty()).then(|| both.join("; "))
    }
}

/// The cause of the first failure, and whether it is that of all.
pub(crate) fn first_cause(failed: &[&Branch]) -> Option<String> {
    let cause = |branch: &Branch| (branch.error.clone(), branch.message.clone());
    let first = cause(failed.first()?);
    let same = failed
        .iter()
        .filter(|branch| cause(branch) == first)
        .count();
    let named = first.0.unwrap_or_else(|| "failed".to_owned());
    let text = match first.1 {
        Some(message) if !message.is_empty() => format!("{named}: {message}"),
        _ => named,
    };
    Some(match failed.len() {
        all if all == same => text,
        all => format!("{text} ({same} of {all}; the others have other causes)"),
    })
}

/// The sentence of a section that compares: the verdict with the value and the interval of each branch.
fn comparison(section: &Section) -> Option<String> {
    let (verdict, rank) = (verdict(section)?, section.rank.as_ref()?);
    let (unit, name) = figures::read(&rank.metric);
    let told = section.branches.iter().filter_map(|branch| {
        let value = figures::show(rank.of(branch)?, unit);
        let interval = interval(branch).map_or(String::new(), |(low, high)| {
            format!(
                " ({}–{})",
                figures::show(low, unit),
                figures::show(high, unit)
            )
        });
        Some(format!("{} {value}{interval}", label(&branch.item)))
    });
    let told: Vec<String> = told.collect();
    let told = if told.is_empty() {
        String::new()
    } else {
        format!(": {name} of {}", told.join(", of "))
    };
    Some(format!("{}{told}", capital(verdict)))
}

pub(crate) fn verdict(section: &Section) -> Option<&str> {
    section.facts.get(VERDICT)?.as_str()
}

pub(crate) fn no_difference(section: &Section) -> bool {
    verdict(section).is_some_and(|verdict| verdict.starts_with("no difference"))
}

/// The interval of a branch's ranked metric.
pub(crate) fn interval(branch: &Branch) -> Option<(f64, f64)> {
    Some((*branch.metrics.get("low")?, *branch.metrics.get("high")?))
}

/// What a branch measured, in brackets.
fn metrics(branch: &Branch) -> String {
    let told = branch.metrics.iter().map(|(metric, value)| {
        let (unit, name) = figures::read(metric);
        format!("{name} {}", figures::show(*value, unit))
    });
    let told: Vec<String> = told.collect();
    if told.is_empty() {
        String::new()
    } else {
        format!(" ({})", told.join(", "))
    }
}

fn named(branch: &Branch) -> String {
    let name = match branch.item {
        Value::Null => format!("branch {}", branch.index),
        _ => label(&branch.item),
    };
    // Who gave it a name may have said where it runs.
    match branch.placement {
        Some(placement) if !name.contains(" on ") => format!("{name} on {placement}"),
        _ => name,
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn report(sections: Value) -> Report {
        let report = json!({"pipeline": "p", "execution": "e", "generatedAt": "now", "answer": "", "sections": sections});
        serde_json::from_value(report).unwrap()
    }

    fn trained(index: usize, name: &str, accuracy: f64) -> Value {
        json!({"index": index, "item": {"name": name}, "status": "SUCCEEDED", "metrics": {"accuracy": accuracy}})
    }

    fn round(number: usize, branches: Value) -> Value {
        json!({"key": format!("round-{number}"), "title": format!("Round {number}"), "rank": {"metric": "accuracy"},
               "facts": {"target accuracy": 0.97}, "branches": branches})
    }

    #[test]
    fn the_best_of_all_rounds_is_told_with_the_target() {
        let rounds = json!([
            round(1, json!([trained(0, "a", 0.9), trained(1, "b", 0.95)])),
            round(2, json!([trained(0, "c", 0.98)])),
        ]);
        let report = report(rounds);
        assert_eq!(
            report.sentence(),
            "c is best with accuracy 0.98 (target 0.97 reached) among 3 in 2 rounds."
        );
        assert_eq!(report.leaders(), [("round-2".to_owned(), 0)]);
    }

    #[test]
    fn a_tie_looks_like_one() {
        let report = report(json!([round(
            1,
            json!([
                trained(0, "a", 0.9),
                trained(1, "b", 0.9),
                trained(2, "c", 0.8)
            ])
        )]));
        assert_eq!(
            report.sentence(),
            "a and b tie with accuracy 0.9 (target 0.97 missed) among 3."
        );
        assert_eq!(report.leaders().len(), 2);
    }

    #[test]
    fn sections_are_rounds_where_they_are_numbered() {
        let mut sections = json!([
            round(1, json!([trained(0, "forest on Fargate", 0.9)])),
            round(2, json!([trained(0, "neighbours on Batch", 0.95)])),
        ]);
        sections[0]["title"] = json!("On Fargate");
        sections[1]["title"] = json!("On Batch");
        sections[1]["branches"][0]["placement"] = json!("BATCH");
        assert_eq!(
            report(sections).sentence(),
            "neighbours on Batch is best with accuracy 0.95 (target 0.97 missed) among 2 in 2 sections."
        );
    }

    #[test]
    fn a_comparison_without_a_difference_has_no_winner() {
        let model = |index: usize, name: &str, low: f64, value: f64, high: f64| {
            json!({"index": index, "item": {"name": name}, "status": "SUCCEEDED",
                   "metrics": {"accuracy": value, "low": low, "high": high}})
        };
        let compare = |verdict: &str| {
            report(json!([
                {"key": "1", "title": "Training", "rank": {"metric": "accuracy"}, "branches": [trained(0, "forest", 0.96)]},
                {"key": "3", "title": "Comparison", "rank": {"metric": "accuracy"}, "facts": {"verdict": verdict},
                 "branches": [model(0, "forest", 0.94, 0.96, 0.97), model(1, "logistic", 0.91, 0.94, 0.95)]},
            ]))
        };
        let none = compare("no difference at 95 % confidence");
        assert!(none.leaders().is_empty());
        let told = "No difference at 95 % confidence: accuracy of forest 0.96 (0.94–0.97), of logistic 0.94 (0.91–0.95).";
        assert_eq!(none.sentence(), told);
        assert_eq!(compare("forest is better").leaders(), [("3".to_owned(), 0)]);
        let page = crate::page::render(&none).into_string();
        let (_, table) = page.split_once("<h2>Comparison</h2>").unwrap();
        for figure in ["0.96", "0.94–0.97", "0.91–0.95"] {
            assert!(
                told.contains(figure) && table.contains(&format!(">{figure}<")),
                "{figure}: {table}"
            );
        }
    }

    /// The sentence, the mark in the table and the value beside it are of one branch.
    #[test]
    fn the_headline_and_the_table_have_the_same_figures() {
        let rounds = json!([round(
            1,
            json!([trained(0, "a", 0.912_345), trained(1, "b", 0.95)])
        )]);
        let report = report(rounds);
        let page = crate::page::render(&report).into_string();
        let row = page
            .split("<tr class=\"winner\">")
            .nth(1)
            .unwrap()
            .split("</tr>")
            .next()
            .unwrap();
        assert!(row.contains('b') && row.contains("0.95"), "{row}");
        assert!(
            report
                .sentence()
                .starts_with("b is best with accuracy 0.95 ")
        );
        assert_eq!(page.matches("class=\"winner\"").count(), 1);
    }

    #[test]
    fn failures_with_one_cause_are_one_cause() {
        let failed = |index: usize| {
            json!({"index": index, "item": {"name": "x"}, "status": "FAILED",
            "error": "Input.Invalid", "message": "line 2"})
        };
        let report = report(json!([round(1, json!([failed(0), failed(1), failed(2)]))]));
        assert_eq!(
            report.sentence(),
            "Round 1: 0 of 3 done; 3 failed: Input.Invalid: line 2."
        );
    }
}
