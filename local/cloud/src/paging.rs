//! Pages of a list.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// One page.
#[derive(Debug, PartialEq)]
pub(crate) struct Page<T> {
    pub items: Vec<T>,
    /// Where the next page goes on, if there is one.
    pub next: Option<String>,
}

/// A token that no page has given out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the token of the next page is not one that was given out")]
pub(crate) struct UnknownToken;

/// The page after the one that gave out `token`, of a list in the order of its keys. An item that is made or deleted
/// between two pages moves no other to another page.
pub(crate) fn page<T>(
    all: impl IntoIterator<Item = (String, T)>,
    token: Option<&str>,
    limit: usize,
) -> Result<Page<T>, UnknownToken> {
    let after = token.map(key).transpose()?;
    let mut rest = all
        .into_iter()
        .skip_while(|(key, _)| after.as_ref().is_some_and(|after| key <= after))
        .peekable();
    let mut page = Page {
        items: Vec::new(),
        next: None,
    };
    while let Some((key, item)) = rest.next() {
        page.items.push(item);
        if page.items.len() >= limit {
            page.next = rest.peek().map(|_| URL_SAFE_NO_PAD.encode(key));
            break;
        }
    }
    Ok(page)
}

fn key(token: &str) -> Result<String, UnknownToken> {
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| UnknownToken)?;
    String::from_utf8(bytes).map_err(|_| UnknownToken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_to_the_end() {
        let all = || ["a", "b", "c"].map(|key| (key.to_owned(), key));
        let first = page(all(), None, 2).unwrap();
        assert_eq!(first.items, ["a", "b"]);
        let last = page(all(), first.next.as_deref(), 2).unwrap();
        let expected = Page {
            items: vec!["c"],
            next: None,
        };
        assert_eq!(last, expected);
        assert_eq!(page(all(), None, 3).unwrap().next, None);
        assert_eq!(page(all(), Some("?"), 3), Err(UnknownToken));
    }
}
