//! A name that is not there: the nearest that are.

/// How many are told.
const NEAREST: usize = 3;

/// What to say of the names there are, for somebody who asked for `wanted`: all of few, the nearest of many.
pub fn told(wanted: &str, known: &[String]) -> String {
    match known.len() {
        0 => "there is none".to_owned(),
        1..=NEAREST => format!("known are: {}", known.join(", ")),
        all => format!(
            "nearest of {all} are: {}",
            nearest(wanted, known).join(", ")
        ),
    }
}

/// The names that are most like `wanted`, the most alike first.
fn nearest<'a>(wanted: &str, known: &'a [String]) -> Vec<&'a str> {
    let mut ranked: Vec<&String> = known.iter().collect();
    let likeness = |name: &String| strsim::jaro_winkler(wanted, name);
    ranked.sort_by(|a, b| likeness(b).total_cmp(&likeness(a)));
    ranked
        .into_iter()
        .take(NEAREST)
        .map(String::as_str)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_of_many_are_told() {
        let known = [
            "canary",
            "ml-pipeline",
            "ml-training",
            "wrapper",
            "load-test",
        ]
        .map(str::to_owned);
        assert_eq!(
            told("ml-trainin", &known),
            "nearest of 5 are: ml-training, ml-pipeline, load-test"
        );
        assert_eq!(told("x", &known[..2]), "known are: canary, ml-pipeline");
    }
}
