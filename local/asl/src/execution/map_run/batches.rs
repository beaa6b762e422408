//! ItemBatcher: several items for one child.

use crate::definition::{ItemBatcher, MapFields, State};
use crate::execution::activity::FrameKey;
use crate::execution::context::Given;
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
        let max_items = self.natural(
            key,
            state,
            input,
            batcher.max_items.as_ref(),
            "MaxItemsPerBatch",
        )?;
        let max_bytes = self.natural(
            key,
            state,
            input,
            batcher.max_bytes.as_ref(),
            "MaxInputBytesPerBatch",
        )?;
        let shared = match &batcher.input {
            None => None,
            Some(template) => {
                let given = Given {
                    input,
                    result: None,
                    error_output: None,
                    item: None,
                    token: None,
                };
                Some(self.evaluate(key, state, given, |scope| {
                    template.render(scope, "ItemBatcher/BatchInput")
                })?)
            }
        };
        let batch = |items: Vec<Value>| {
            let mut input = Map::default();
            if let Some(shared) = &shared {
                input.insert("BatchInput".into(), shared.clone());
            }
            input.insert("Items".into(), Value::array(items));
            Value::from(input)
        };
        let max_items = max_items.filter(|items| *items > 0).unwrap_or(u64::MAX);
        let max_bytes = max_bytes
            .filter(|bytes| *bytes > 0)
            .unwrap_or(self.limits.payload_bytes as u64);
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
