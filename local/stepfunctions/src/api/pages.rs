//! Pages of lists: how many items, after which one, and the token of the next page.

use asl::Timestamp;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use cloud::error::ServiceError;

/// Items of a page when the caller does not say, and the most there are.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html>
const DEFAULT: usize = 100;
const MOST: usize = 1_000;

/// A token expires after 24 hours, as that page says.
const LIFETIME_SECONDS: f64 = 86_400.0;

/// What every list is asked.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Paging {
    max_results: Option<usize>,
    next_token: Option<String>,
}

/// What a token holds. `P` tells an item's place in its list; what is added to or removed from the list does not move
/// the items that come after it.
#[derive(Serialize, Deserialize)]
struct Token<P> {
    /// The list with its filters: those of another list are refused.
    list: String,
    after: P,
    /// Microseconds since the Unix epoch.
    expires: i64,
}

/// A page that is to be made.
pub struct Page<P> {
    list: String,
    /// Place of the last item of the page before.
    pub after: Option<P>,
    limit: usize,
    now: Timestamp,
}

impl Paging {
    /// What a list was asked among other things.
    pub fn new(max_results: Option<usize>, next_token: Option<String>) -> Paging {
        Paging {
            max_results,
            next_token,
        }
    }

    /// The page of `list` that is asked for.
    ///
    /// # Errors
    /// `InvalidToken` for a token of another list, one that has expired or none at all.
    pub fn page<P: DeserializeOwned>(
        self,
        list: String,
        now: Timestamp,
    ) -> Result<Page<P>, ServiceError> {
        let after = match self.next_token {
            None => None,
            Some(token) => match read::<P>(&token).filter(|found| found.list == list) {
                Some(found) if found.expires > now.0 => Some(found.after),
                Some(_) | None => {
                    let message = format!("Invalid Token: '{token}'");
                    return Err(ServiceError::new("InvalidToken", message));
                }
            },
        };
        // AWS reads 0 as the default.
        let limit = self.max_results.filter(|limit| *limit > 0);
        Ok(Page {
            list,
            after,
            limit: limit.unwrap_or(DEFAULT).min(MOST),
            now,
        })
    }
}

fn read<P: DeserializeOwned>(token: &str) -> Option<Token<P>> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
    serde_json::from_slice(&bytes).ok()
}

impl<P: Serialize> Page<P> {
    /// How many items to fetch: the page, and one more that tells whether there is a next page.
    pub fn fetch(&self) -> usize {
        self.limit + 1
    }

    /// The response: what was fetched under `key`, and `nextToken` where there is more.
    pub fn response<T>(
        self,
        key: &str,
        mut items: Vec<T>,
        place: impl FnOnce(&T) -> P,
        to_json: impl Fn(&T) -> Value,
    ) -> Value {
        let more = items.len() > self.limit;
        items.truncate(self.limit);
        let list: Vec<Value> = items.iter().map(to_json).collect();
        let mut response = json!({ key: list });
        if let Some(last) = items.last().filter(|_| more) {
            let token = Token {
                list: self.list,
                after: place(last),
                expires: self.now.plus_seconds(LIFETIME_SECONDS).0,
            };
            // Strings and numbers are always JSON.
            let bytes = serde_json::to_vec(&token).unwrap_or_default();
            response["nextToken"] = json!(BASE64_URL_SAFE_NO_PAD.encode(bytes));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(token: Option<&str>, limit: Option<usize>, list: &str, now: i64) -> Option<Page<u64>> {
        let paging = Paging {
            max_results: limit,
            next_token: token.map(str::to_owned),
        };
        paging.page(list.into(), Timestamp(now)).ok()
    }

    #[test]
    fn a_token_leads_on_in_its_own_list_for_a_day() {
        let first = page(None, Some(2), "a", 0).unwrap();
        assert_eq!((first.after, first.fetch()), (None, 3));
        let response = first.response("items", vec![1u64, 2, 3], |last| *last, |item| json!(item));
        assert_eq!(response["items"], json!([1, 2]));
        let token = response["nextToken"].as_str().unwrap();
        assert_eq!(page(Some(token), None, "a", 1).unwrap().after, Some(2));
        let day = 86_400_000_000;
        let refused = [
            (token, "b", 1),
            (token, "a", day),
            (&token[1..], "a", 1),
            ("100", "a", 1),
            ("", "a", 1),
        ];
        for (token, list, now) in refused {
            assert!(
                page(Some(token), None, list, now).is_none(),
                "{token} {list} {now}"
            );
        }
    }

    #[test]
    fn a_last_page_has_no_token_and_a_page_has_its_limits() {
        for (asked, limit) in [
            (None, 100),
            (Some(0), 100),
            (Some(7), 7),
            (Some(5_000), 1_000),
        ] {
            let page = page(None, asked, "a", 0).unwrap();
            assert_eq!(page.fetch(), limit + 1);
            let items: Vec<u64> = (0..limit as u64).collect();
            let response = page.response("items", items, |last| *last, |item| json!(item));
            assert_eq!(response["nextToken"], Value::Null);
        }
    }
}
