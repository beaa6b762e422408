//! Which charts a report has, each from the figures of its tables.

use std::collections::BTreeMap;

use maud::{Markup, html};

use crate::answer::{Leaders, interval, verdict};
use crate::chart::{Across, Bar, Mark, Scatter, bars};
use crate::figures;
use crate::report::{Branch, Rank, Report, Section, Status, Step, label};
use jobs::attempt::Predicted;

/// Most branches of a timeline; more of them would be hair lines.
const MOST_ROWS: usize = 120;

/// A chart and what it shows.
pub(crate) struct Chart {
    pub title: String,
    pub drawing: Markup,
    /// Whether it has the line of the best so far.
    pub course: bool,
}

/// All charts that the report has figures for.
pub(crate) fn all(report: &Report, leaders: &Leaders) -> Vec<Chart> {
    let mut charts = Vec::new();
    let add = |charts: &mut Vec<Chart>, title: String, drawing: Option<Markup>| {
        charts.extend(drawing.map(|drawing| Chart {
            title,
            drawing,
            course: false,
        }));
    };
    if let Some(rank) = report.last_rank() {
        let (_, name) = figures::read(&rank.metric);
        if let Some(drawing) = by_branch(report, rank, leaders) {
            let title = format!("{name} of every branch");
            charts.push(Chart {
                title,
                drawing,
                course: true,
            });
        }
        for section in report.ranked_by(rank) {
            add(
                &mut charts,
                format!("{name} with its interval"),
                intervals(section, rank, leaders),
            );
        }
        for (parameter, marks) in parameters(report, rank, leaders) {
            let title = format!("{name} over {parameter}");
            add(
                &mut charts,
                title,
                against(rank, parameter, marks, report.target(), figures::number),
            );
        }
        let priced = marks(report, rank, leaders, |branch| branch.usd);
        add(
            &mut charts,
            format!("{name} against cost"),
            against(rank, "cost".to_owned(), priced, report.target(), dollars),
        );
    }
    add(
        &mut charts,
        "actual against predicted time of work".to_owned(),
        calibration(report),
    );
    add(
        &mut charts,
        "when each branch worked".to_owned(),
        timeline(report),
    );
    charts
}

/// The legend of all charts: the placements that are in use, by colour and form.
pub(crate) fn legend(
    report: &Report,
    charts: &[Chart],
    mark: impl Fn(placement::Placement) -> Markup,
) -> Markup {
    let used: BTreeMap<_, ()> = report
        .branches()
        .filter_map(|branch| Some((branch.placement?, ())))
        .collect();
    let failed = report
        .branches()
        .any(|branch| branch.status != Status::Succeeded);
    html! {
        p.legend {
            @for placement in used.keys() { (mark(*placement)) }
            @if charts.iter().any(|chart| chart.course) {
                span { i.line {} "best so far" }
                @if let Some(target) = report.target() { span { i.line.target {} "target " (figures::number(target)) } }
            }
            @if failed { span { b.bad { "×" } " failed or missing" } }
        }
    }
}

fn title(section: &Section, branch: &Branch, what: &str) -> String {
    let placement = branch
        .placement
        .map_or(String::new(), |placement| format!(" · {placement}"));
    format!(
        "{} · {} · {what}{placement}",
        section.title,
        label(&branch.item)
    )
}

fn leads(leaders: &Leaders, section: &Section, branch: &Branch) -> bool {
    leaders
        .iter()
        .any(|(key, index)| *key == section.key && *index == branch.index)
}

fn mark(
    section: &Section,
    branch: &Branch,
    rank: &Rank,
    leaders: &Leaders,
    x: f64,
) -> Option<Mark> {
    let y = rank.of(branch)?;
    let (unit, name) = figures::read(&rank.metric);
    Some(Mark {
        x,
        y,
        placement: branch.placement,
        title: title(
            section,
            branch,
            &format!("{name} {}", figures::show(y, unit)),
        ),
        leads: leads(leaders, section, branch),
    })
}

/// The ranked sections without those that compare: these have a chart of intervals.
fn searched<'a>(report: &'a Report, rank: &'a Rank) -> impl Iterator<Item = &'a Section> {
    report
        .ranked_by(rank)
        .filter(|section| verdict(section).is_none())
}

fn marks(
    report: &Report,
    rank: &Rank,
    leaders: &Leaders,
    x: impl Fn(&Branch) -> Option<f64>,
) -> Vec<Mark> {
    let branches = searched(report, rank)
        .flat_map(|section| section.branches.iter().map(move |branch| (section, branch)));
    branches
        .filter_map(|(section, branch)| mark(section, branch, rank, leaders, x(branch)?))
        .collect()
}

/// The metric section by section, with the best so far.
fn by_branch(report: &Report, rank: &Rank, leaders: &Leaders) -> Option<Markup> {
    let (mut at, mut best) = (0.0, None::<f64>);
    let (mut groups, mut all, mut crosses, mut line) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for section in searched(report, rank) {
        let begin = at;
        for branch in &section.branches {
            let x = at + 0.5;
            at += 1.0;
            let Some(mark) = mark(section, branch, rank, leaders, x) else {
                if branch.status != Status::Succeeded {
                    let error = branch.error.as_deref().unwrap_or("missing");
                    crosses.push((x, title(section, branch, error)));
                }
                continue;
            };
            let now = best
                .filter(|best| !rank.prefers(mark.y, *best))
                .unwrap_or(mark.y);
            line.extend(best.map(|before| (x, before)));
            line.push((x, now));
            best = Some(now);
            all.push(mark);
        }
        groups.push((section.title.clone(), begin, at));
    }
    let name = figures::read(&rank.metric).1;
    let target = report.target();
    let across = Across::Groups(groups);
    Scatter {
        name,
        across,
        marks: all,
        crosses,
        target,
        line,
        show: figures::number,
    }
    .render()
}

/// The metric against something else; none when all of it is the same.
fn against(
    rank: &Rank,
    name: String,
    marks: Vec<Mark>,
    target: Option<f64>,
    show: fn(f64) -> String,
) -> Option<Markup> {
    let first = marks.first()?.x;
    if marks.iter().all(|mark| mark.x == first) {
        return None;
    }
    let across = Across::Scale { name, show };
    let name = figures::read(&rank.metric).1;
    Scatter {
        name,
        across,
        marks,
        crosses: Vec::new(),
        target,
        line: Vec::new(),
        show: figures::number,
    }
    .render()
}

/// The marks over each hyper-parameter, a number somewhere in `model` of an item.
fn parameters(report: &Report, rank: &Rank, leaders: &Leaders) -> BTreeMap<String, Vec<Mark>> {
    let mut found: BTreeMap<String, Vec<Mark>> = BTreeMap::new();
    for section in searched(report, rank) {
        for branch in &section.branches {
            let models = branch.item["model"].as_object().into_iter().flatten();
            for (model, parameters) in models {
                for (parameter, value) in parameters.as_object().into_iter().flatten() {
                    let x = value.as_f64();
                    let mark = x.and_then(|x| mark(section, branch, rank, leaders, x));
                    found
                        .entry(format!("{model} {parameter}"))
                        .or_default()
                        .extend(mark);
                }
            }
        }
    }
    found
}

/// The interval of every branch of a section that has some.
fn intervals(section: &Section, rank: &Rank, leaders: &Leaders) -> Option<Markup> {
    let (unit, name) = figures::read(&rank.metric);
    let row = |branch: &Branch| {
        let (from, to) = interval(branch)?;
        let point = rank.of(branch)?;
        let show = |value| figures::show(value, unit);
        Some(Bar {
            name: label(&branch.item),
            from,
            to,
            point: Some(point),
            waits: None,
            class: if leads(leaders, section, branch) {
                "leads".to_owned()
            } else {
                String::new()
            },
            title: title(
                section,
                branch,
                &format!("{} ({}–{})", show(point), show(from), show(to)),
            ),
        })
    };
    let rows: Vec<Bar> = section.branches.iter().filter_map(row).collect();
    if rows.len() < 2 {
        return None;
    }
    bars(&name, &rows, true, figures::number)
}

/// How long each attempt worked that did its work, against what was predicted from the ledger; on the line is what came
/// as predicted.
fn calibration(report: &Report) -> Option<Markup> {
    let told = report.predictions().filter(|one| one.2.runs > 0);
    let mark = |(branch, step, predicted): (&Branch, &Step, Predicted)| {
        let (x, y) = (predicted.expected_seconds, step.whole_seconds()?);
        let title = format!(
            "{} · {} predicted, at most {}, {} worked · {}",
            label(&branch.item),
            seconds(x),
            seconds(predicted.longest_seconds),
            seconds(y),
            step.placement,
        );
        Some(Mark {
            x,
            y,
            placement: Some(step.placement),
            title,
            leads: false,
        })
    };
    let marks: Vec<Mark> = told.filter_map(mark).collect();
    let most = marks.iter().map(|mark| mark.x).fold(0.0, f64::max);
    if marks.len() < 2 {
        return None;
    }
    let across = Across::Scale {
        name: "predicted".to_owned(),
        show: seconds,
    };
    Scatter {
        name: "worked".to_owned(),
        across,
        marks,
        crosses: Vec::new(),
        target: None,
        line: vec![(0.0, 0.0), (most, most)],
        show: seconds,
    }
    .render()
}

/// When each job worked, from the first start on.
fn timeline(report: &Report) -> Option<Markup> {
    let timed = report
        .sections
        .iter()
        .flat_map(|section| section.branches.iter().map(move |branch| (section, branch)));
    let timed: Vec<_> = timed
        .filter_map(|(section, branch)| {
            Some((section, branch, branch.started_at_ms?, branch.duration_ms?))
        })
        .collect();
    if !(3..=MOST_ROWS).contains(&timed.len()) {
        return None;
    }
    let asked = |branch: &Branch, started: u64| {
        let asked = branch.requested_at_ms.unwrap_or(started);
        asked.min(started)
    };
    let first = timed.iter().map(|one| asked(one.1, one.2)).min()?;
    let row = |(section, branch, started, took): &(&Section, &Branch, u64, u64)| {
        let from = (started - first) as f64 / 1e3;
        let startup = started - asked(branch, *started);
        let waits = (startup > 0).then(|| from - startup as f64 / 1e3);
        let mut what = figures::duration(*took as f64 * 1e3);
        if startup > 0 {
            what.push_str(&format!(
                " after {} of start-up",
                figures::duration(startup as f64 * 1e3)
            ));
        }
        Bar {
            name: label(&branch.item),
            from,
            to: from + *took as f64 / 1e3,
            point: None,
            waits,
            class: branch
                .placement
                .map(placement::Placement::class)
                .unwrap_or_default(),
            title: title(section, branch, &what),
        }
    };
    let rows: Vec<Bar> = timed.iter().map(row).collect();
    bars(
        "time since the first was asked for; pale is start-up",
        &rows,
        false,
        seconds,
    )
}

/// USD on an axis, where zeros at the end tell nothing.
fn dollars(value: f64) -> String {
    format!("${}", figures::number(value))
}

fn seconds(value: f64) -> String {
    figures::duration(value * 1e6)
}

/// Where the branches of a section went, and how many of them: the most frequent first.
pub(crate) fn destinations(section: &Section) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for branch in &section.branches {
        if let Some(variant) = &branch.went_to {
            *counts.entry(variant).or_default() += 1;
        }
    }
    let mut counts: Vec<(String, usize)> = counts
        .into_iter()
        .map(|(name, count)| (name.to_owned(), count))
        .collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts
}
