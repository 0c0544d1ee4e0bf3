//! UXF JSON: a whole package as one text, byte for byte as the reference writes it. Format notes, section 8.
//!
//! Byte fields are hex, links are hashes, and maps keep the order in which they were filled, so a package that is
//! read and written again gives the same text, records of instance chains apart.

mod element;
mod index;
mod read;
mod write;
