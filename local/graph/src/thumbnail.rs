//! The drawing in small: where states and lines are, without a word.

use std::collections::BTreeMap;

use maud::{Markup, html};

use crate::layout::{Placed, What, place};
use crate::model::Graph;
use crate::svg::{moved, number};

impl Graph {
    /// The drawing in small, as SVG for a page that has [`crate::style`]: a few elements however many states there are,
    /// which fill the place that the page gives them.
    pub fn thumbnail(&self) -> String {
        let placed = place(&self.block, &self.edges, false);
        let (width, height) = (number(placed.width), number(placed.height));
        let drawing = html! {
            svg class="asl-graph small" aria-hidden="true" preserveAspectRatio="none"
                viewBox=(format!("0 0 {width} {height}")) { (level(&placed)) }
        };
        drawing.into_string()
    }
}

fn level(placed: &Placed) -> Markup {
    let lines: Vec<&str> = placed
        .routes
        .iter()
        .map(|route| route.path.as_str())
        .collect();
    let mut boxes: BTreeMap<String, String> = BTreeMap::new();
    for node in &placed.nodes {
        if let What::State(content) = &node.what {
            let (left, top) = (node.x - node.width / 2.0, node.y - node.height / 2.0);
            let (width, height) = (number(node.width), number(node.height));
            let outline = format!(
                "M{} {}h{width}v{height}h-{width}z",
                number(left),
                number(top)
            );
            let kind = content.state.kind.name().to_lowercase();
            boxes.entry(kind).or_default().push_str(&outline);
        }
    }
    html! {
        g transform=(moved(placed.shift)) {
            g.edge { path.line d=(lines.concat()) {} }
            @for (kind, outlines) in &boxes { g class=(kind) { path.box d=(outlines) {} } }
            @for node in &placed.nodes {
                @if let What::State(content) = &node.what {
                    @for (x, y, inner) in &content.inner {
                        g transform=(moved((node.x - node.width / 2.0 + x, node.y - node.height / 2.0 + y))) { (level(inner)) }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Graph;

    #[test]
    fn many_states_are_a_few_elements_and_no_word() {
        let states: Vec<String> = (0..40)
            .map(|at| format!(r#""S{at}": {{"Type": "Pass", "Next": "S{}"}}"#, at + 1))
            .collect();
        let text = format!(
            r#"{{"StartAt": "S0", "States": {{{}, "S40": {{"Type": "Succeed"}}}}}}"#,
            states.join(",")
        );
        let small = Graph::parse(&text).unwrap().thumbnail();
        assert!(small.matches("<path").count() == 3, "{small}");
        assert!(!small.contains("S1") && !small.contains("<text"), "{small}");
    }
}
