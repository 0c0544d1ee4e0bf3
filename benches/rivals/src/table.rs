//! The lines that a comparison prints: medians, and how we stand against each rival.

use std::collections::BTreeMap;

use crate::figures::{Better, Figure, median, ratio, readable};

/// Whom the ratios are about.
const OURS: &str = "uxf";

/// Says what the lines mean.
pub(crate) fn print_legend() {
    println!("# figure <work> <engine> <median> <unit>");
    println!(
        "# ratio <work> <rival> <uxf against it>: above 1 means that uxf is better, also where less is better"
    );
}

/// Everything measured so far, in the order in which it was first measured.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

struct Row {
    work: String,
    unit: String,
    better: Better,
    values: BTreeMap<&'static str, Vec<f64>>,
}

impl Row {
    fn median(&self, engine: &str) -> Option<f64> {
        median(self.values.get(engine)?.clone())
    }
}

impl Table {
    /// How many different things have been measured.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn add(&mut self, engine: &'static str, figure: Figure) {
        let known = self.rows.iter_mut().find(|row| row.work == figure.work);
        match known {
            Some(row) => row.values.entry(engine).or_default().push(figure.value),
            None => self.rows.push(Row {
                work: figure.work,
                unit: figure.unit,
                better: figure.better,
                values: BTreeMap::from([(engine, vec![figure.value])]),
            }),
        }
    }

    /// Prints the rows from the one numbered `first` on.
    pub(crate) fn print(&self, first: usize) {
        let rows = self.rows.get(first..).unwrap_or_default();
        for Row {
            work, unit, values, ..
        } in rows
        {
            for (engine, values) in values {
                if let Some(value) = median(values.clone()) {
                    println!("figure {work} {engine} {} {unit}", readable(value));
                }
            }
        }
        for row in rows {
            let Some(ours) = row.median(OURS) else {
                continue;
            };
            for rival in row.values.keys().filter(|name| **name != OURS) {
                if let Some(theirs) = row.median(rival) {
                    println!(
                        "ratio {} {rival} {:.2}",
                        row.work,
                        ratio(ours, theirs, row.better)
                    );
                }
            }
        }
    }

    /// How much of its speed an engine keeps when the store grows.
    pub(crate) fn print_kept(&self) {
        let row = |name: &str| self.rows.iter().find(|row| row.work == name);
        let Some(small) = row("ingest-10k") else {
            return;
        };
        for large in ["ingest-4m", "ingest-40m"].into_iter().filter_map(row) {
            for engine in large.values.keys() {
                if let (Some(small), Some(now)) = (small.median(engine), large.median(engine)) {
                    println!("figure {}-kept {engine} {:.2} x", large.work, now / small);
                }
            }
        }
    }
}
