//! Integration tests of the whole: structure here, scenarios with real processes beside it.

mod architecture;
