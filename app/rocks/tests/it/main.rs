//! The database from outside, on a real disk.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod damage;
mod ingest;
mod locking;
mod order;
mod snapshot;
mod writes;

use mooring_rocks::{ColumnFamily, Db, Kind};
use std::path::Path;

const POINT: ColumnFamily = ColumnFamily { name: "point", kind: Kind::Point };
const ORDERED: ColumnFamily = ColumnFamily { name: "ordered", kind: Kind::Ordered };
const RECORDS: ColumnFamily = ColumnFamily { name: "records", kind: Kind::Records };
const ALL: [ColumnFamily; 3] = [POINT, ORDERED, RECORDS];

fn open(path: &Path) -> Db {
    Db::open(path, &ALL).unwrap()
}
