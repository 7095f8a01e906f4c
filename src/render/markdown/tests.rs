use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::*;

mod words;

fn translated(text: &str) -> String {
    translate(text, 3).0
}

#[test]
fn what_claude_writes_becomes_what_feishu_renders() {
    let text = include_str!("tests/answer.md");
    insta::assert_snapshot!(translated(text));
}

#[test]
fn text_that_looks_like_feishus_markup_is_shown_as_text() {
    let text = "<at id=all></at> <font color='red'>x</font> <raw>y</raw> <person id=ou_1> :DONE: $x$ &lt;at&gt; &amp;lt;\n\n<text_tag color='blue'>z</text_tag>\n\n`<at id=all>`";
    insta::assert_snapshot!(translated(text), @r##"
        &#60;at id=all&#62;&#60;/at&#62; &#60;font color='red'&#62;x&#60;/font&#62; &#60;raw&#62;y&#60;/raw&#62; &#60;person id=ou&#95;1&#62; &#58;DONE: &#36;x&#36; &#60;at&#62; &#38;lt;

        &#60;text&#95;tag color='blue'&#62;z&#60;/text&#95;tag&#62;

        `<at id=all>`
        "##);
}

#[test]
fn web_links_stay_links_and_other_links_show_their_target() {
    let text = "见https://a.example/b?c=d，好。[x](https://e.example/(y)) [main](src/main.rs) <https://f.example> <a@b.example>\n![shot](https://i.example/p.png) [![badge](https://i.example/b.svg)](https://ci.example) [r][1] ![](x.png) [js](javascript:alert(1))\n\n[1]: https://r.example\n[INFO]: started";
    insta::assert_snapshot!(translated(text), @r##"
        见[https&#58;//a.example/b?c=d](https://a.example/b?c=d)，好。[x](https://e.example/%28y%29) main (src/main.rs) [https&#58;//f.example](https://f.example/) a@b.example  
        [shot](https://i.example/p.png) [badge](https://ci.example/) [r](https://r.example/) (x.png) js (javascript&#58;alert(1))

        &#91;INFO&#93;: started
        "##);
}

#[test]
fn emphasis_next_to_chinese_characters_works() {
    let text = "**重要：**请注意，这是**“引号”**的用法，a**b**c，*`x`*字，\\*\\*不\\*\\*，**`code`。**后";
    insta::assert_snapshot!(translated(text), @r##"
        **重要：** 请注意，这是 **“引号”** 的用法，a**b**c，&#42;`x`&#42;字，&#42;&#42;不&#42;&#42;，**`code`。** 后
        "##);
}

#[test]
fn code_cannot_close_its_fence_and_has_a_language_that_feishu_knows() {
    let text = "````rs\n```\nlet a = `x`;\n````\n~~~wat\r\n<at id=all>\r\n~~~\n\n    indented\n\t<b>\n\n``a`b`` `` ``` `` `x|y`";
    insta::assert_snapshot!(translated(text), @r##"
        ````rust
        ```
        let a = `x`;
        ````

        ```plain_text
        <at id=all>
        ```

        ```
        indented
        <b>
        ```

        `` a`b `` &#96;&#96;&#96; `x|y`
        "##);
}

#[test]
fn nested_lists_are_indented_by_four_spaces() {
    let text = "3. three\n   more\n\n   second paragraph\n   - sub\n     ```sh\n     ls\n     ```\n     after\n     - deep\n4. four\n\n- [x] done\n- [ ] open\n\n> quote\n> - a\n>   - b\n>\n> > inner\n";
    insta::assert_snapshot!(translated(text), @r##"
        3. three  
            more  
            second paragraph
            - sub

        ```shell
        ls
        ```

        after

        - deep
        4. four

        - ☑ done
        - ☐ open

        > quote
        >
        > - a
        >     - b
        > >
        > > inner
        "##);
}

#[test]
fn tables_beyond_the_limit_become_aligned_code() {
    let table = "| a | 名 |\n|:--|--:|\n| `x\\|y` | **b**<br>c |\n| longer | [l](https://l.example) |\n\n";
    let (text, tables) = translate(&table.repeat(2), 1);
    assert_eq!(tables, 1);
    insta::assert_snapshot!(text, @r##"
        | a | 名 |
        | :-- | --: |
        | x&#124;y | **b**<br>c |
        | longer | [l](https://l.example/) |

        ```
        a      | 名
        -------|-----------------------
        x|y    | b c
        longer | l (https://l.example/)
        ```
        "##);
}

#[test]
fn unfinished_markdown_is_shown_as_far_as_it_is_written() {
    let halves = ["**bo", "```rust\nfn a", "| a | b |\n|--", "[text](https://exa", "- ", "# ", "> ", "a\n-"];
    insta::assert_snapshot!(halves.map(translated).join("\n────\n"), @r##"
        &#42;&#42;bo
        ────
        ```rust
        fn a
        ```
        ────
        &#124; a &#124; b &#124;  
        &#124;--
        ────
        &#91;text&#93;([https&#58;//exa](https://exa/)
        ────
        - 
        ────

        ────

        ────
        ## a
        "##);
}

#[test]
fn long_texts_and_deep_nesting_are_translated_in_linear_time() {
    // Quadratic work on these would not finish while anybody waits.
    let n = 100_000;
    let hard = [
        "> ".repeat(n),
        "[".repeat(n),
        "![".repeat(n),
        "- ".repeat(n),
        "*a **b ".repeat(n / 4),
        "`".repeat(n),
        "<".repeat(n),
        "a\n".repeat(n),
        "|a|b|\n|-|-|\n".repeat(n / 8),
        "https://".repeat(n / 8),
        "**".repeat(n / 2),
        "字".repeat(n),
        "some *words* and `code` in a line.\n\n".repeat(n / 10),
        "a**b".repeat(n / 4),
        "\\[".repeat(n / 2) + "](",
        format!("{}{}", " ".repeat(n), "\\-".repeat(n)),
        "(".repeat(n / 2) + &"*a*/".repeat(n / 8),
        "__x.".repeat(n / 4),
        "C:\\ ".repeat(n / 4),
        "```md\n```a\n```\n".repeat(n / 15),
        "```md\n```a\n".repeat(n / 10),
        format!("|a|\n|-|\n|{}|\n", "[a](".repeat(n / 4)),
        format!("|a|\n|-|\n|{}|\n", "[[a".repeat(n / 3) + &"]]".repeat(n / 3)),
        format!("|a|\n|-|\n|{}|\n", "<".repeat(n)),
        format!("|a|\n|-|\n|{}|\n", "<https://a".repeat(n / 10)),
        format!("|a|\n|-|\n|{}|\n", (1..400).map(|n| "`".repeat(n) + "|").collect::<String>()),
        "1. a\n3. b\n".repeat(n / 10),
    ];
    for text in &hard {
        let shown = translated(text);
        assert!(shown.len() <= 40 * text.len(), "{}", shown.len());
    }
}

/// The text that a reader of CommonMark sees.
fn visible(text: &str) -> String {
    let text = crate::render::card::sanitized(text);
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let mut seen = String::new();
    for event in Parser::new_ext(&text, options) {
        match event {
            Event::Text(words) | Event::Code(words) | Event::Html(words) | Event::InlineHtml(words) => {
                seen.push_str(&words);
            }
            Event::Start(Tag::CodeBlock(_)) | Event::End(TagEnd::Paragraph) => seen.push('\n'),
            Event::Start(_)
            | Event::End(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::FootnoteReference(_)
            | Event::SoftBreak
            | Event::HardBreak
            | Event::Rule
            | Event::TaskListMarker(_) => {}
        }
    }
    seen.replace("<br>", "").replace("<br/>", "").replace("<br />", "")
}

/// Whether `shown` contains all letters and digits of `letters`, in the same order.
fn holds(shown: &str, letters: &str) -> bool {
    let mut shown = shown.chars();
    letters.chars().filter(|c| c.is_alphanumeric()).all(|letter| shown.any(|other| other == letter))
}

fn markdown() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        4 => "[a-zA-Z0-9字。：]{1,8}",
        1 => Just("https://e.example/a_b(c)".to_owned()),
        2 => prop::sample::select(vec![
            "**", "*", "~~", "`", "``", "[", "](https://x.example)", "](x)", "![", "<at id=all>", "<br>", "&lt;", "&",
            ":OK:", "|", "\\", "[x]: y", "$", "1.", "-", "_", "</b>", "<!--", "\u{200b}", "\u{1b}",
        ]).prop_map(str::to_owned),
    ];
    let line = (
        prop::sample::select(vec![
            "", "", "", "- ", "  - ", "    - ", "1. ", "12) ", "> ", "> > ", "# ", "### ", "```", "```rust",
            "~~~", "    ", "\t", "| ", "|-|-|", "---", "===", "- [ ] ", "<div>", "***",
        ]),
        prop::collection::vec(word, 0..6),
        prop::sample::select(vec!["", " ", "  "]),
        prop::sample::select(vec!["\n", "\n", "\n\n", "\r\n"]),
    )
        .prop_map(|(start, words, between, end)| format!("{start}{}{end}", words.join(between)));
    prop::collection::vec(line, 0..14).prop_map(|lines| lines.concat())
}

proptest! {
    #[test]
    fn all_letters_of_any_text_are_shown_in_order(text in prop_oneof![markdown(), "\\PC{0,80}", "[\\[\\]()<>*_`~#>|\\-\\\\ \na1字]{0,60}"]) {
        let shown = visible(&translated(&text));
        prop_assert!(holds(&shown, &visible(&text)), "{:?}\n{}\nvisible: {:?}", text, translated(&text), shown);
    }

    #[test]
    fn no_text_becomes_a_tag(text in markdown()) {
        let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
        for event in Parser::new_ext(&translated(&text), options) {
            if let Event::Html(tag) | Event::InlineHtml(tag) = event {
                prop_assert_eq!(tag.as_ref(), "<br>");
            }
        }
    }

    #[test]
    fn a_cut_piece_fits_and_loses_no_letter(text in markdown(), times in 1usize..60) {
        let text = text.repeat(times);
        let (mut shown, mut whole) = (String::new(), String::new());
        for piece in read(&prepare(&text)) {
            whole.push_str(&visible(&write(std::slice::from_ref(&piece))));
            for piece in cut(piece, 4_096) {
                let written = write(std::slice::from_ref(&piece));
                let json = serde_json::to_string(&written).unwrap();
                prop_assert!(json.len() <= piece.bytes() + 2 && piece.bytes() <= 4_096, "{} > {}", json.len(), piece.bytes());
                shown.push_str(&visible(&written));
            }
        }
        prop_assert!(holds(&shown, &whole));
    }
}

#[test]
fn no_cell_of_a_table_is_lost() {
    // A row of a table with two columns, and whether it can stay one.
    let rows = [
        ("| `cat a.log | grep ERR | wc -l` | next |", true),
        ("| [a|b](https://e.example/x) | next |", true),
        ("| [a](https://e.example/x|y) | next |", true),
        ("| [[page|alias]] | next |", true),
        ("| <https://e.example/a|b> | next |", true),
        ("| ``a ` | b`` | next |", true),
        ("| a \\| b | next |", true),
        ("| `a \\| b` | next |", true),
        ("| `one` and `two | three` | **next** |", true),
        ("| only |", true),
        ("| a | next | |", true),
        ("| a || b | next |", false),
        ("| |x| | next |", false),
        ("| a | b | next |", false),
        ("| `unclosed | b | next |", false),
    ];
    for (row, stays) in rows {
        let (text, tables) = translate(&format!("| x | y |\n|---|---|\n{row}\n"), 3);
        let shown = visible(&text);
        for word in ["cat", "grep", "wc", "alias", "three", "unclosed", "next", "|x|", "b"] {
            assert!(!row.contains(word) || shown.contains(word), "{row}: {word} of {text}");
        }
        assert_eq!(text.starts_with("```"), !stays, "{row}\n{text}");
        assert_eq!(tables, usize::from(stays));
    }
}

#[test]
fn items_keep_their_numbers() {
    let lists = [
        ("1. a\n2. b\n3. c", "1. a\n2. b\n3. c"),
        ("2. a\n5. b\n7. c", "- 2&#46; a\n- 5&#46; b\n- 7&#46; c"),
        ("3) a\n4) b", "3. a\n4. b"),
        ("1. a\n1. b", "- 1&#46; a\n- 1&#46; b"),
        ("1. a\n\n3. b", "- 1&#46; a\n- 3&#46; b"),
        ("1. a\n\ntext\n\n2. b\n4. c", "1. a\n\ntext\n\n- 2&#46; b\n- 4&#46; c"),
        ("1. a\n   5. b\n   9. c\n2. d", "1. a  \n    5&#46; b  \n    9&#46; c\n2. d"),
        ("1. a\n\n   5. b\n   9. c\n2. d", "1. a\n    - 5&#46; b\n    - 9&#46; c\n2. d"),
        ("- x\n\n  4. a\n  2. b", "- x\n    - 4&#46; a\n    - 2&#46; b"),
        ("> 2. a\n> 4. b", "> - 2&#46; a\n> - 4&#46; b"),
        ("10. a\n12. b", "- 10&#46; a\n- 12&#46; b"),
        ("0. a\n1. b", "0. a\n1. b"),
    ];
    for (text, expected) in lists {
        assert_eq!(translated(text), expected, "{text}");
    }
}

#[test]
fn a_document_in_a_fence_is_one_block() {
    let whole = [
        "```markdown\n# A\n```bash\nls\n```\nB\n```",
        "```md\n```a\n1\n```\n```b\n2\n```\n```",
        "```md\n```a\n```b\n1\n```\n```\n```",
        "~~~md\n~~~sh\nls\n~~~\n~~~",
        "````md\n```sh\nls\n```\n````",
        "```markdown\n- a\n  ```js\n  b\n  ```\n```",
    ];
    for text in whole {
        let text = format!("{text}\nafter");
        let pieces = read(&prepare(&text));
        let [MarkdownPiece { kind: PieceKind::Code { text: code, .. }, .. }, after] = pieces.as_slice()
        else {
            panic!("{text}: {pieces:?}");
        };
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(code.trim_end(), lines[1..lines.len() - 2].join("\n"), "{text}");
        assert_eq!(after.kind, PieceKind::Text(vec![InlineToken::Text("after".into())]));
    }
    let divided = ["```python\na\n```bash\nb\n```\nafter", "```\na\n```\nb\n```\nc\n```"];
    for text in divided {
        assert!(read(&prepare(text)).len() > 1, "{text}");
    }
}

#[test]
fn a_text_that_shows_nothing_is_blank() {
    for text in [
        "",
        " \n",
        "```\n```",
        "```rust\n\n  \n```",
        "~~~\n~~~\n",
        "- ",
        "> ",
        "#",
        "---",
        "\u{200b}",
        "&nbsp;",
    ] {
        assert!(is_blank(text), "{text:?}");
    }
    for text in ["a", "```\na\n```", "- a", "# a", "| a |\n|---|", "![](x.png)", "`x`", "**", "字", "⏹"] {
        assert!(!is_blank(text), "{text:?}");
    }
}

#[test]
fn line_separators_break_lines() {
    assert_eq!(translated("a\u{85}b\u{2028}c\u{2029}d\r\ne\rf"), "a  \nb  \nc  \nd  \ne  \nf");
}
