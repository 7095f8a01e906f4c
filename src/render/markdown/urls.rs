//! Link targets, and URLs in running text.

use url::Url;

/// Bytes of a URL that becomes a link. Not every browser accepts longer ones.
const MAX_URL_BYTES: usize = 2_000;

/// The target of a link, encoded for Feishu's dialect. `None` unless it is an http or https URL.
pub(super) fn target(written: &str) -> Option<String> {
    if written.len() > MAX_URL_BYTES {
        return None;
    }
    let url = Url::parse(written).ok()?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return None;
    }
    let mut target = String::with_capacity(url.as_str().len());
    for byte in url.as_str().bytes() {
        match byte {
            b'(' | b')' | b'<' | b'>' | b'"' | b'\'' | b'[' | b']' | b'\\' | b'`' | b'{' | b'}' | b'|'
            | b'^' | b'*' => {
                target.push_str(&format!("%{byte:02X}"));
            }
            // All other characters that a URL may not contain are percent-encoded already.
            byte => target.push(char::from(byte)),
        }
    }
    (target.len() <= MAX_URL_BYTES).then_some(target)
}

/// The byte range of the first URL in a text at or after `from`.
pub(super) fn find(text: &str, from: usize) -> Option<(usize, usize)> {
    let mut at = from;
    loop {
        let begin = at + text[at..].find("http")?;
        let rest = &text[begin..];
        let scheme = ["https://", "http://"].iter().find(|scheme| rest.starts_with(**scheme));
        let is_inside =
            text[..begin].chars().next_back().is_some_and(|before| before.is_ascii_alphanumeric());
        let Some(scheme) = scheme.filter(|_| !is_inside) else {
            at = begin + "http".len();
            continue;
        };
        let long = rest.bytes().take_while(|byte| is_of_url(*byte)).count();
        let end = trimmed(&rest[..long]);
        if end > scheme.len() {
            return Some((begin, begin + end));
        }
        at = begin + scheme.len();
    }
}

fn is_of_url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte)
}

/// The length of a URL without the punctuation and closing brackets after it that belong to the sentence.
fn trimmed(url: &str) -> usize {
    let count = |bracket: u8| url.bytes().filter(|byte| *byte == bracket).count();
    let (mut round, mut square) =
        (count(b')').saturating_sub(count(b'(')), count(b']').saturating_sub(count(b'[')));
    let mut end = url.len();
    for byte in url.bytes().rev() {
        match byte {
            b'.' | b',' | b';' | b':' | b'!' | b'?' | b'\'' | b'*' | b'~' | b'_' => {}
            b')' if round > 0 => round -= 1,
            b']' if square > 0 => square -= 1,
            _ => break,
        }
        end -= 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<&str> {
        let mut at = 0;
        std::iter::from_fn(|| {
            let (begin, end) = find(text, at)?;
            at = end;
            Some(&text[begin..end])
        })
        .collect()
    }

    #[test]
    fn a_url_ends_where_a_reader_would_say_it_ends() {
        let text = "见https://a.example/b?c=d#e，和(http://x.example/y_(z)). xhttps://no https:// http://1.2.3.4:80/.";
        assert_eq!(all(text), ["https://a.example/b?c=d#e", "http://x.example/y_(z)", "http://1.2.3.4:80/"]);
    }

    #[test]
    fn only_http_links_stay_links() {
        assert_eq!(target("https://a.example/(x)'").as_deref(), Some("https://a.example/%28x%29%27"));
        assert_eq!(
            target("https://例子.example/路").as_deref(),
            Some("https://xn--fsqu00a.example/%E8%B7%AF")
        );
        for other in
            ["src/main.rs", "file:///etc/passwd", "javascript:alert(1)", "mailto:a@b.example", "https://"]
        {
            assert_eq!(target(other), None, "{other}");
        }
    }
}
