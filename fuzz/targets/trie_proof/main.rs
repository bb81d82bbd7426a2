//! Proofs and tries: a proof that is not the true one proves nothing else, and the state trie has
//! the root that another implementation computes.

#![no_main]

mod hostile;
mod life;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
enum Case {
    /// Nodes that a peer made up.
    Nodes(hostile::Nodes),
    /// The proof of a Vault's head, changed here and there.
    Head(hostile::Head),
    /// Blocks applied to a state.
    Life(life::Life),
}

fuzz_target!(|case: Case| match case {
    Case::Nodes(nodes) => nodes.check(),
    Case::Head(head) => head.check(),
    Case::Life(life) => life.check(),
});
