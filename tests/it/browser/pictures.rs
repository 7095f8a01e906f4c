//! The pictures that the documents show: what the program really does, with the practice agent in place of Claude.
//! `docs/pictures/make` keeps them.

use serde_json::json;

use super::{BROWSER, drive};
use crate::support::phonework::Phonework;

/// Something to count, to search and to change.
const CART: &str = "\
def total(items):
    total = 0
    for item in items:
        # TODO: discounts
        total += item.price * item.count
    return total
";

async fn take(language: &str) {
    let phonework = Phonework::practising(json!({"LANGUAGE": language})).await;
    std::fs::write(phonework.projects().join("shop/cart.py"), CART).unwrap();
    std::fs::create_dir(phonework.projects().join("blog")).unwrap();
    phonework.ask("/new blog", 1).await;
    phonework.ask("/new shop", 1).await;
    drive("tests/browser/pictures.cjs", &[phonework.emulator.base_url(), BROWSER, language]).await;
    assert_eq!(phonework.emulator.complaints(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pictures_of_the_documents_can_be_taken_in_english() {
    take("en").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pictures_of_the_documents_can_be_taken_in_chinese() {
    take("zh").await;
}
