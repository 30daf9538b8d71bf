//! Holds the whole audit of the corpus against `corpus/expected.toml`, on every Python at hand.

#[path = "support/corpus.rs"]
mod corpus;
#[path = "support/pythons.rs"]
mod pythons;

#[test]
fn builds() {
    for python in pythons::all() {
        println!("{}", corpus::environment(&python).display());
    }
}
