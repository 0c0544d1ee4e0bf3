//! The `uxf` command.

fn main() {}
