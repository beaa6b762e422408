//! The data set: rows of numbers with a class, and its split into training and test rows.

use std::io::Read;

use input::InvalidInput;
use jobs::gzip;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

const PATH: &str = "$.input.dataset";

/// Most bytes of CSV; with the numbers and the model they must fit into the smallest worker, 1,769 MiB.
const MOST_BYTES: u64 = 256 * 1024 * 1024;

/// Rows of features with their classes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// One vector per row, all of one length.
    pub features: Vec<Vec<f32>>,
    /// The class of each row.
    pub classes: Vec<u32>,
}

impl Table {
    /// Reads CSV, gzipped or not; the last column is the class.
    ///
    /// # Errors
    /// Row and column of the first value that is not a number, or of the first row of another width.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidInput> {
        let mut text = String::new();
        gzip::plain(bytes, MOST_BYTES)
            .read_to_string(&mut text)
            .map_err(|error| InvalidInput::new(PATH, format!("not a CSV text: {error}")))?;
        let mut table = Self::default();
        for (index, line) in text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty())
        {
            table.push(index + 1, line)?;
        }
        Ok(table)
    }

    fn push(&mut self, row: usize, line: &str) -> Result<(), InvalidInput> {
        let refuse = |what: String| InvalidInput::new(PATH, format!("row {row}: {what}"));
        let (features, class) = line
            .rsplit_once(',')
            .ok_or_else(|| refuse("expected numbers separated by commas".to_owned()))?;
        let number = |(column, text): (usize, &str)| {
            let number = text.trim().parse().ok();
            // `nan` and `inf` are numbers to Rust, and so is what is beyond an f32; the models panic at them.
            number
                .filter(|number: &f32| number.is_finite())
                .ok_or_else(|| {
                    let column = column + 1;
                    refuse(format!("column {column}: `{text}` is not a finite number"))
                })
        };
        let features: Vec<f32> = features
            .split(',')
            .enumerate()
            .map(number)
            .collect::<Result<_, _>>()?;
        if let Some(first) = self.features.first()
            && first.len() != features.len()
        {
            return Err(refuse(format!(
                "{} columns where the first row has {}",
                features.len() + 1,
                first.len() + 1
            )));
        }
        let class = class
            .trim()
            .parse()
            .map_err(|_| refuse(format!("`{class}` is not the number of a class")))?;
        self.features.push(features);
        self.classes.push(class);
        Ok(())
    }

    /// Training and test rows: a share of `holdout` is for the test. The same seed makes the same split.
    pub fn split(self, holdout: f64, seed: u64) -> (Self, Self) {
        let mut rows: Vec<_> = self.features.into_iter().zip(self.classes).collect();
        rows.shuffle(&mut StdRng::seed_from_u64(seed));
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss
        )]
        let held_out = (rows.len() as f64 * holdout).round() as usize; // between 0 and the number of rows
        let train = rows.split_off(held_out.min(rows.len()));
        (train.into_iter().collect(), rows.into_iter().collect())
    }
}

impl FromIterator<(Vec<f32>, u32)> for Table {
    fn from_iter<I: IntoIterator<Item = (Vec<f32>, u32)>>(rows: I) -> Self {
        let (features, classes) = rows.into_iter().unzip();
        Self { features, classes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_and_bad_ones_named() {
        let table = Table::parse(b"1,2,0\n3,4.5,1\n\n").unwrap();
        assert_eq!(table.features, [[1.0, 2.0], [3.0, 4.5]]);
        assert_eq!(table.classes, [0, 1]);
        let cases: [(&[u8], &str); 8] = [
            (b"1,2,0\n3,x,1", "row 2: column 2"),
            (b"1,2,0\n3,nan,1", "row 2: column 2"),
            (b"-inf,2,0", "row 1: column 1"),
            (b"1e39,2,0", "row 1: column 1"),
            (b"1,2,0\n3,1", "row 2: 2 columns"),
            (b"1,2,0.5", "class"),
            (b"12", "separated by commas"),
            (b"\xff,1", "not a CSV"),
        ];
        for (bytes, expected) in cases {
            let error = Table::parse(bytes).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_split_is_complete_and_repeatable() {
        let table = || {
            (0..100_u8)
                .map(|row| (vec![f32::from(row)], u32::from(row)))
                .collect::<Table>()
        };
        let (train, test) = table().split(0.25, 7);
        assert_eq!((train.classes.len(), test.classes.len()), (75, 25));
        let mut all = [train.classes.clone(), test.classes.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
        assert_eq!(table().split(0.25, 7), (train.clone(), test));
        assert_ne!(table().split(0.25, 8).0, train);
    }
}
