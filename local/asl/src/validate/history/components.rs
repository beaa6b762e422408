//! The loops of a graph.

/// The strongly connected components: states that lead to each other, or one that stands alone. A component comes after
/// all that it leads to (Tarjan's algorithm, without recursion, for a definition may be long).
pub(super) fn components(next: &[Vec<usize>]) -> Vec<Vec<usize>> {
    const NEW: usize = usize::MAX;
    let mut found = Vec::new();
    // When each was met, and the earliest one that it leads back to.
    let (mut met, mut back) = (vec![NEW; next.len()], vec![0; next.len()]);
    let (mut clock, mut open, mut is_open) = (0, Vec::new(), vec![false; next.len()]);
    for root in 0..next.len() {
        let mut way = vec![(root, 0)];
        while let Some((node, edge)) = way.pop() {
            if edge == 0 {
                if met[node] != NEW {
                    continue;
                }
                (met[node], back[node]) = (clock, clock);
                clock += 1;
                open.push(node);
                is_open[node] = true;
            } else {
                // The one before has been looked at.
                let seen = next[node][edge - 1];
                if is_open[seen] {
                    back[node] = back[node].min(back[seen]);
                }
            }
            if let Some(&target) = next[node].get(edge) {
                way.push((node, edge + 1));
                if met[target] == NEW {
                    way.push((target, 0));
                }
                continue;
            }
            if back[node] == met[node] {
                let start = open.iter().rposition(|other| *other == node).unwrap_or(0);
                let component = open.split_off(start);
                for &member in &component {
                    is_open[member] = false;
                }
                found.push(component);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_come_after_what_they_lead_to() {
        // 0 -> 1 <-> 2 -> 3, 3 -> 3, 0 -> 4
        let next = [vec![1, 4], vec![2], vec![1, 3], vec![3], vec![]];
        let mut found = components(&next);
        for component in &mut found {
            component.sort_unstable();
        }
        assert_eq!(found, [vec![3], vec![1, 2], vec![4], vec![0]]);
    }

    #[test]
    fn loops_share_states() {
        // 0 -> 1 -> 2 -> 0, 2 -> 1, and 3 -> 0
        let next = [vec![1], vec![2], vec![0, 1], vec![0]];
        let sizes: Vec<usize> = components(&next).iter().map(Vec::len).collect();
        assert_eq!(sizes, [3, 1]);
        // Long ones do not overflow the stack.
        let mut long: Vec<Vec<usize>> = (0..200_000).map(|node| vec![node + 1]).collect();
        long.push(vec![0]);
        assert_eq!(components(&long).len(), 1);
    }
}
