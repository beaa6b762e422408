//! Pages of lists: a token is the name of the last item of the page before, which nobody is to read.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// One page, and the token of the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next: Option<String>,
}

/// Why there is no such page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PageError {
    /// The size is no number or out of range.
    #[error("{member} must be a whole number from 1 to {largest}, not {given}")]
    Size {
        member: &'static str,
        largest: usize,
        given: String,
    },
    /// No list has given this token, or the item that it names is gone.
    #[error("Invalid token: nextToken is of no page of this list")]
    Token,
}

/// The page that a request asks for by `maxResults` and `nextToken`. `name` tells items apart; pages hold
/// `largest` items at most, and as many if the request does not say.
pub(crate) fn page<T>(
    items: Vec<T>,
    name: impl Fn(&T) -> &str,
    request: &Value,
    largest: usize,
) -> Result<Page<T>, PageError> {
    let size = size(&request["maxResults"], largest)?;
    let skipped = match request["nextToken"].as_str() {
        None | Some("") => 0,
        Some(token) => {
            let last = URL_SAFE_NO_PAD
                .decode(token)
                .map_err(|_| PageError::Token)?;
            let at = items.iter().position(|item| name(item).as_bytes() == last);
            at.ok_or(PageError::Token)? + 1
        }
    };
    let more = items.len() > skipped + size;
    let items: Vec<T> = items.into_iter().skip(skipped).take(size).collect();
    let last = items.last().filter(|_| more);
    let next = last.map(|item| URL_SAFE_NO_PAD.encode(name(item)));
    Ok(Page { items, next })
}

/// The page after the one that gave out `token`, of a list in the order of its keys. An item that is made or deleted
/// between two pages moves no other to another page.
pub(crate) fn ordered<T>(
    all: impl IntoIterator<Item = (String, T)>,
    token: Option<&str>,
    size: usize,
) -> Result<Page<T>, PageError> {
    let after = token.map(|token| URL_SAFE_NO_PAD.decode(token)).transpose();
    let after = after.map_err(|_| PageError::Token)?;
    let mut rest = all
        .into_iter()
        .skip_while(|(key, _)| {
            after
                .as_ref()
                .is_some_and(|after| key.as_bytes() <= &after[..])
        })
        .peekable();
    let mut page = Page {
        items: Vec::new(),
        next: None,
    };
    while let Some((key, item)) = rest.next() {
        page.items.push(item);
        if page.items.len() >= size {
            page.next = rest.peek().map(|_| URL_SAFE_NO_PAD.encode(key));
            break;
        }
    }
    Ok(page)
}

fn size(given: &Value, largest: usize) -> Result<usize, PageError> {
    if given.is_null() {
        return Ok(largest);
    }
    let size = given.as_u64().and_then(|size| usize::try_from(size).ok());
    size.filter(|size| (1..=largest).contains(size))
        .ok_or_else(|| PageError::Size {
            member: "maxResults",
            largest,
            given: given.to_string(),
        })
}

impl Page<Value> {
    /// The answer that has the page under `name`, and under `token` the token of the next, if there is one.
    pub(crate) fn answer(self, name: &str, token: &str) -> Value {
        let mut answer = json!({ name: self.items });
        if let Some(next) = self.next {
            answer[token] = Value::from(next);
        }
        answer
    }
}

/// Adds the token of the next page to an answer, if there is one.
pub(crate) fn with_next(mut answer: Value, next: Option<String>) -> Value {
    if let Some(next) = next {
        answer["nextToken"] = Value::from(next);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_ordered_keys_go_on_after_the_last_key() {
        let all = |keys: &[&'static str]| {
            keys.iter()
                .map(|key| ((*key).to_owned(), *key))
                .collect::<Vec<_>>()
        };
        let first = ordered(all(&["a", "b", "c"]), None, 2).unwrap();
        assert_eq!(first.items, ["a", "b"]);
        let last = ordered(all(&["a", "c"]), first.next.as_deref(), 2).unwrap();
        assert_eq!((last.items, last.next), (vec!["c"], None));
        assert_eq!(ordered(all(&["a"]), Some("?"), 3), Err(PageError::Token));
    }

    #[test]
    fn pages_follow_each_other_and_the_last_has_no_token() {
        let list = || vec!["a", "b", "c", "d"];
        let ask = |request: Value| page(list(), |item| *item, &request, 100);
        let first = ask(json!({"maxResults": 3})).unwrap();
        assert_eq!(first.items, ["a", "b", "c"]);
        let last = ask(json!({"maxResults": 3, "nextToken": first.next})).unwrap();
        assert_eq!((last.items, last.next), (vec!["d"], None));
        let exact = ask(json!({"maxResults": 4})).unwrap();
        assert_eq!(exact.next, None);
        assert_eq!(ask(json!({"nextToken": "?"})), Err(PageError::Token));
        for size in [json!(0), json!(101), json!("3")] {
            let error = ask(json!({"maxResults": size})).unwrap_err();
            assert!(error.to_string().contains("from 1 to 100"), "{error}");
        }
    }
}
