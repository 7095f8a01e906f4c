//! Prints the structure of a tree; `tests/structure` compiles and runs it.

mod items;
mod report;
mod rooms;
mod source;

fn main() {
    let (lists, trees): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|word| word == "--list");
    let tree = trees.first().map_or(".", String::as_str);
    print!("{}", report::report(std::path::Path::new(tree), !lists.is_empty()));
}
