//! Pages of lists: a token is the name of the last item of the page before, which nobody is to read.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

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
    use serde_json::json;

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
