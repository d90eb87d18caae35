//! The bench of the SQLite store.

fn main() {
    divan::main();
}
