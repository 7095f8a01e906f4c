//! Finding, putting in and taking out elements of a card by their `element_id`.

use serde_json::Value;

/// The element, or a text object inside one, that has this id.
pub(super) fn find<'a>(within: &'a mut Value, id: &str) -> Option<&'a mut Value> {
    if within.get("element_id").and_then(Value::as_str) == Some(id) {
        return Some(within);
    }
    if within.is_array() {
        return within.as_array_mut()?.iter_mut().find_map(|inner| find(inner, id));
    }
    within.as_object_mut()?.values_mut().find_map(|inner| find(inner, id))
}

/// Puts elements before or after the one with the id `target`, or at the end of it (of the card without a target).
pub(super) fn insert(body: &mut Value, how: &str, target: Option<&str>, elements: Vec<Value>) -> Option<()> {
    match (how, target) {
        ("append", None) => body["elements"].as_array_mut()?.extend(elements),
        ("append", Some(target)) => find(body, target)?["elements"].as_array_mut()?.extend(elements),
        ("insert_before" | "insert_after", Some(target)) => {
            let (list, place) = list_of(body, target)?;
            let place = place + usize::from(how == "insert_after");
            list.splice(place..place, elements);
        }
        _ => return None,
    }
    Some(())
}

/// Takes an element out.
pub(super) fn remove(body: &mut Value, id: &str) -> Option<()> {
    let (list, place) = list_of(body, id)?;
    list.remove(place);
    Some(())
}

fn list_of<'a>(within: &'a mut Value, id: &str) -> Option<(&'a mut Vec<Value>, usize)> {
    if within.is_array() {
        let list = within.as_array_mut()?;
        let place = list.iter().position(|each| each.get("element_id").and_then(Value::as_str) == Some(id));
        return match place {
            Some(place) => Some((list, place)),
            None => list.iter_mut().find_map(|inner| list_of(inner, id)),
        };
    }
    within.as_object_mut()?.values_mut().find_map(|inner| list_of(inner, id))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn elements_are_put_in_beside_a_nested_one_and_taken_out() {
        let mut body = json!({"elements": [{"tag": "column_set", "columns": [
            {"elements": [{"tag": "hr", "element_id": "a"}]}]}]});
        let new = |id: &str| json!({"tag": "hr", "element_id": id});
        assert_eq!(insert(&mut body, "insert_before", Some("a"), vec![new("b")]), Some(()));
        assert_eq!(insert(&mut body, "insert_after", Some("a"), vec![new("c")]), Some(()));
        assert_eq!(remove(&mut body, "a"), Some(()));
        assert_eq!(body["elements"][0]["columns"][0]["elements"], json!([new("b"), new("c")]));
        assert_eq!(insert(&mut body, "append", None, vec![new("d")]), Some(()));
        assert_eq!(find(&mut body, "d"), Some(&mut new("d")));
        assert_eq!(remove(&mut body, "z"), None);
    }
}
