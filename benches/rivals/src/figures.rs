//! Figures, their medians, and ratios that say who is better.

use std::fmt;
use std::str::FromStr;

/// Which way a figure is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    Higher,
    Lower,
}

/// One thing measured once. As text: work, value, unit and sign, in one line.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) work: String,
    pub(crate) value: f64,
    pub(crate) unit: String,
    pub(crate) better: Better,
}

impl Figure {
    pub(crate) fn higher(work: impl Into<String>, value: f64, unit: &str) -> Self {
        Self {
            work: work.into(),
            value,
            unit: unit.to_owned(),
            better: Better::Higher,
        }
    }

    pub(crate) fn lower(work: impl Into<String>, value: f64, unit: &str) -> Self {
        Self {
            better: Better::Lower,
            ..Self::higher(work, value, unit)
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.better {
            Better::Higher => '+',
            Better::Lower => '-',
        };
        write!(f, "{} {} {} {sign}", self.work, self.value, self.unit)
    }
}

impl FromStr for Figure {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let parts: Vec<&str> = line.split(' ').collect();
        let [work, value, unit, sign] = parts[..] else {
            return Err(format!("{line:?} is no figure"));
        };
        Ok(Self {
            work: work.to_owned(),
            value: value
                .parse()
                .map_err(|error| format!("{line:?}: {error}"))?,
            unit: unit.to_owned(),
            better: if sign == "+" {
                Better::Higher
            } else {
                Better::Lower
            },
        })
    }
}

/// The middle one of several; the lower middle of an even number.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len().checked_sub(1)? / 2).copied()
}

/// The value below which a share of all values lies.
pub(crate) fn percentile(values: &mut [f64], percent: usize) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values
        .get((values.len() * percent / 100).min(values.len().checked_sub(1)?))
        .copied()
}

/// Ours against theirs, above 1 if ours is better.
pub(crate) fn ratio(ours: f64, theirs: f64, better: Better) -> f64 {
    match better {
        Better::Higher => ours / theirs,
        Better::Lower => theirs / ours,
    }
}

/// A number as a person reads it: whole if it is large.
pub(crate) fn readable(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}
