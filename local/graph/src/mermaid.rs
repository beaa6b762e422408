//! The graph as a Mermaid flowchart (<https://mermaid.js.org/syntax/flowchart.html>), for a page that draws by itself.

use std::collections::BTreeMap;

use asl::StateType;

use crate::model::{Block, Graph, State, Via};

impl Graph {
    /// The graph as a Mermaid flowchart.
    pub fn mermaid(&self) -> String {
        let ids = self.states().into_iter().enumerate();
        let ids: BTreeMap<&str, String> = ids
            .map(|(at, state)| (state.name.as_str(), format!("s{at}")))
            .collect();
        let mut chart = Chart {
            graph: self,
            ids,
            marks: 0,
            text: "flowchart TD\n".to_owned(),
        };
        chart.block(&self.block, 1, true);
        chart
            .text
            .push_str("  classDef fail stroke:#cf222e\n  classDef succeed stroke:#1a7f37\n");
        chart.text
    }
}

struct Chart<'a> {
    graph: &'a Graph,
    ids: BTreeMap<&'a str, String>,
    marks: usize,
    text: String,
}

impl Chart<'_> {
    fn line(&mut self, depth: usize, line: &str) {
        self.text.push_str(&"  ".repeat(depth));
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// The id of a new mark.
    fn mark(&mut self) -> String {
        self.marks += 1;
        format!("m{}", self.marks)
    }

    fn block(&mut self, block: &Block, depth: usize, is_outer: bool) {
        let has_marks = is_outer || block.states.len() > 1;
        if has_marks {
            let start = self.mark();
            let first = self.ids[block.start.as_str()].clone();
            self.line(depth, &format!("{start}(( )) --> {first}"));
        }
        for state in &block.states {
            self.state(state, depth);
        }
        let mut end = None;
        for edge in block.edges.iter().map(|&id| &self.graph.edges[id]) {
            let to = match &edge.to {
                Some(to) => self.ids[to.as_str()].clone(),
                None if !has_marks => continue,
                None => end.get_or_insert_with(|| self.mark()).clone(),
            };
            let arrow = if matches!(edge.via, Via::Catch(_)) {
                "-.->"
            } else {
                "-->"
            };
            let label = match edge.label.as_str() {
                "" => String::new(),
                label => format!("|{}|", quoted(label)),
            };
            let line = format!("{} {arrow}{label} {to}", self.ids[edge.from.as_str()]);
            self.line(depth, &line);
        }
        if let Some(end) = end {
            self.line(depth, &format!("{end}((( )))"));
        }
    }

    fn state(&mut self, state: &State, depth: usize) {
        let id = self.ids[state.name.as_str()].clone();
        let text = quoted(&state.name);
        if !state.inner.is_empty() {
            self.line(depth, &format!("subgraph {id}[{text}]"));
            for (at, block) in state.inner.iter().enumerate() {
                if state.inner.len() == 1 {
                    self.block(block, depth + 1, false);
                } else {
                    self.line(depth + 1, &format!("subgraph {id}b{at}[\" \"]"));
                    self.block(block, depth + 2, false);
                    self.line(depth + 1, "end");
                }
            }
            self.line(depth, "end");
            return;
        }
        let line = match state.kind {
            StateType::Choice => format!("{id}{{{{{text}}}}}"),
            StateType::Pass | StateType::Wait => format!("{id}({text})"),
            StateType::Succeed => format!("{id}([{text}]):::succeed"),
            StateType::Fail => format!("{id}([{text}]):::fail"),
            StateType::Task | StateType::Parallel | StateType::Map => format!("{id}[{text}]"),
        };
        self.line(depth, &line);
    }
}

/// A text in quotes. What Mermaid or HTML would read is written by its number
/// (<https://mermaid.js.org/syntax/flowchart.html#entity-codes-to-escape-characters>).
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '#' | '&' | '<' | '>' | '`' | '\\' | ';' | '%' => {
                quoted.push_str(&format!("#{};", u32::from(character)));
            }
            control if control.is_control() => quoted.push(' '),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
