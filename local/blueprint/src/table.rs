//! Rows of tables in Markdown.

/// The text with a row behind the last one of the table below a heading, or `None` if the table has a row that begins
/// with the same cell, or there is no such table.
pub fn with_row(text: &str, heading: &str, row: &str) -> Option<String> {
    let cell = row.split('|').nth(1)?.trim();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let section = lines.iter().position(|line| line.trim_end() == heading)? + 1;
    let is_row = |line: &&str| line.starts_with('|');
    let first = section + lines[section..].iter().position(is_row)?;
    let heading_between = lines[section..first]
        .iter()
        .any(|line| line.starts_with('#'));
    let end = first
        + lines[first..]
            .iter()
            .take_while(|line| is_row(line))
            .count();
    let has = lines[first..end]
        .iter()
        .any(|line| line.split('|').nth(1).map(str::trim) == Some(cell));
    if has || heading_between {
        return None;
    }
    let last = lines[..end].concat();
    let newline = if last.ends_with('\n') { "" } else { "\n" };
    Some(format!("{last}{newline}{row}\n{}", lines[end..].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_goes_behind_the_last_of_its_table_once() {
        let text =
            "# A\n\n## Pipelines\n\n| p | q |\n|---|---|\n| `a` | x |\n\nend\n\n| other | t |\n";
        let row = "| `b` | y |";
        let with = with_row(text, "## Pipelines", row).unwrap();
        assert_eq!(with, text.replacen("| x |\n", "| x |\n| `b` | y |\n", 1));
        assert_eq!(with_row(&with, "## Pipelines", row), None);
        assert_eq!(with_row(text, "## Other", row), None);
        assert_eq!(
            with_row("## Pipelines\n\n## B\n\n| p |\n", "## Pipelines", row),
            None
        );
    }
}
