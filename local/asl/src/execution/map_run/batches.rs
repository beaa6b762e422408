//! ItemBatcher: several items for one child.

use crate::definition::{Dynamic, ItemBatcher, MapFields, State};
use crate::execution::activity::FrameKey;
use crate::execution::data;
use crate::execution::failure::Failure;
use crate::execution::item::MapItem;
use crate::execution::ledger::Execution;
use crate::execution::observe::Seen;
use crate::query::QueryError;
use crate::value::{Map, Value};

impl Execution {
    /// The inputs of children that get several items each: `{"BatchInput": …, "Items": […]}`.
    pub(in crate::execution) fn batches(
        &self,
        key: FrameKey,
        state: &State,
        map: &MapFields,
        batcher: &ItemBatcher,
        input: &Value,
        items: &[MapItem],
    ) -> Result<Vec<Value>, Failure> {
        let limit = |field: Option<&Dynamic>, name: &str, otherwise: u64| {
            let limit = self.natural(key, state, input, field, name)?;
            // A limit of 0 counts as none.
            Ok::<u64, Failure>(limit.filter(|limit| *limit > 0).unwrap_or(otherwise))
        };
        let max_items = limit(batcher.max_items.as_ref(), "MaxItemsPerBatch", u64::MAX)?;
        let most_bytes = self.limits.payload_bytes as u64;
        let max_bytes = limit(
            batcher.max_bytes.as_ref(),
            "MaxInputBytesPerBatch",
            most_bytes,
        )?;
        let shared = match &batcher.input {
            None => None,
            Some(template) => Some(self.query(key, state, input, |scope| {
                template.render(scope, "ItemBatcher/BatchInput")
            })?),
        };
        let batch = |items: Vec<Value>| {
            let mut input = Map::default();
            if let Some(shared) = &shared {
                input.insert("BatchInput".into(), shared.clone());
            }
            input.insert("Items".into(), Value::array(items));
            Value::from(input)
        };
        let empty = data::size(&batch(Vec::new()));
        let (mut batches, mut current, mut bytes) = (Vec::new(), Vec::new(), empty);
        for (index, item) in items.iter().enumerate() {
            let item = self.item_input(key, state, map, input, item)?;
            let size = data::size(&item) + 1;
            if empty + size > max_bytes + 1 {
                let cause = format!(
                    "The item at index {index} alone is larger than a batch of {max_bytes} bytes"
                );
                return Err(self.query_failure(key, state, QueryError::runtime(cause)));
            }
            if !current.is_empty()
                && (current.len() as u64 >= max_items || bytes + size > max_bytes + 1)
            {
                batches.push(batch(std::mem::take(&mut current)));
                bytes = empty;
            }
            bytes += size;
            current.push(item);
        }
        if !current.is_empty() {
            batches.push(batch(current));
        }
        self.see(key, state, || Seen::Batches(batches.clone()))?;
        Ok(batches)
    }
}
